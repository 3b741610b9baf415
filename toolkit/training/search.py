"""Search over the training options with Optuna (Akiba et al., 2019): TPE, median pruning, a study on disk."""

from __future__ import annotations

import copy
import dataclasses
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded
from toolkit.training import tasks, trainer
from toolkit.training.config import TrainConfig
from toolkit.training.tasks import Task

WARM_UP_TRIALS = 4  # before pruning has a median to trust


def space(scratch: bool) -> dict[str, dict[str, Any]]:
    """The default space: option -> its range, by the name of the option."""
    rate = {"low": 2e-4, "high": 3e-3} if scratch else {"low": 1e-5, "high": 2e-4}
    return {
        "lr": {**rate, "log": True},
        "batch_size": {"choices": [16, 32, 64]},
        "weight_decay": {"low": 1e-4, "high": 1e-1, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
    }


def as_config(params: dict[str, Any]) -> dict[str, Any]:
    """A trial's options as the nested config that `finetune --config` takes."""
    optim = {name: params[name] for name in ("lr", "weight_decay") if name in params}
    return {name: value for name, value in params.items() if name not in optim} | {"optim": optim}


def search(
    model: Any,
    task: Task,
    rows: Encoded,
    validation: Encoded,
    base: TrainConfig,
    work: Path,
    *,
    total: int,
    prune: bool,
    scratch: bool,
    seed: int,
) -> Any:
    """Run trials until the study in `work` has `total` that ended; gives the study.

    Args:
        model: as it is before training; each trial trains a copy of it.
        base: the options that are not searched.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    ranges, folder = space(scratch), work / "trial"
    base = dataclasses.replace(base, metric=tasks.metric(task.figures_of, base.metric))
    direction = "minimize" if base.metric in tasks.LESS_IS_BETTER else "maximize"
    storage = f"sqlite:///{work / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="tune", direction=direction, load_if_exists=True)
    before = len(finished(study))
    if before:
        console.note(f"resuming the study from trial {before}")
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):  # its process is dead
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=WARM_UP_TRIALS) if prune else optuna.pruners.NopPruner()

    def train(config: TrainConfig, report: Callable[[dict[str, float]], None]) -> dict[str, Any]:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with console.without_notes():
                return trainer.train(
                    copy.deepcopy(model),
                    task,
                    rows,
                    validation,
                    config,
                    folder,
                    seed=seed,
                    scratch=scratch,
                    report=report,
                )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    with console.progress("trials", total) as advance:
        advance(before)
        while len(finished(study)) < total:
            # A sampler of its own for each trial that ended: a resumed study draws what an undisturbed one would have.
            ended = len(finished(study)) + sum("failed" in t.user_attrs for t in study.trials)
            study.sampler = optuna.samplers.TPESampler(seed=seed + ended, n_startup_trials=WARM_UP_TRIALS)
            study.optimize(
                lambda trial: _objective(trial, train, base, ranges),
                n_trials=1,
                catch=(ToolkitError,),
            )
            best = study.best_value if any(t.state.name == "COMPLETE" for t in study.trials) else float("nan")
            advance(1, f"best {base.metric} {best:.4f}")
            _stop_if_all_fail(study)
    return study


def _objective(
    trial: Any,
    train: Callable[[TrainConfig, Callable[[dict[str, float]], None]], dict[str, Any]],
    base: TrainConfig,
    ranges: dict[str, dict[str, Any]],
) -> float:
    params = {name: _draw(trial, name, limits) for name, limits in ranges.items()}
    optim = dataclasses.replace(base.optim, lr=params["lr"], weight_decay=params["weight_decay"])
    config = dataclasses.replace(base, batch_size=params["batch_size"], dropout=params["dropout"], optim=optim)
    epoch = 0

    def report(figures: dict[str, float]) -> None:
        nonlocal epoch
        epoch += 1
        trial.report(figures[str(base.metric)], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        figures = train(config, report)
    except ToolkitError as e:
        trial.set_user_attr("failed", str(e))
        console.warn(f"trial {trial.number} failed: {e}")
        raise
    return float(figures["validation"][str(base.metric)])


def _draw(trial: Any, name: str, limits: dict[str, Any]) -> Any:
    return trial.suggest_categorical(name, **limits) if "choices" in limits else trial.suggest_float(name, **limits)


def finished(study: Any) -> list[Any]:
    """The trials that ended with a figure: complete, or stopped early."""
    return [t for t in study.trials if t.state.name in ("COMPLETE", "PRUNED") and t.value is not None]


def _stop_if_all_fail(study: Any) -> None:
    failed = [t for t in study.trials if "failed" in t.user_attrs]
    if len(failed) >= WARM_UP_TRIALS and len(failed) == len(study.trials):
        raise ToolkitError(f"the first {len(failed)} trials all failed", failed[-1].user_attrs["failed"])


def importance(study: Any) -> dict[str, float]:
    """Importance of each option; empty while too few trials are complete."""
    try:
        return dict(optuna.importance.get_param_importances(study))
    except (ValueError, RuntimeError):
        return {}
