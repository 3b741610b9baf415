"""The search over the training options: trials one after another, in a study that other workers may share.

A trial enters the study with all its options and its worker's name at once. If its process dies, the same worker takes
it up again under its number, from its last checkpoint; so a search that was killed ends as an undisturbed one does.
A worker that does not come back is noticed by the others: its trial gives no sign of life any more.
"""

from __future__ import annotations

import copy
import gc
import json
import math
import os
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import transformers
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded
from toolkit.training import draw, memory, space, studies, trainer
from toolkit.training.config import TrainConfig
from toolkit.training.draw import LOST
from toolkit.training.studies import FAILED, SECONDS
from toolkit.training.tasks import Task
from toolkit.training.workers import WORKER, alive, beating

DRAW = "draw"  # a trial's attribute: which draw it is
STARTS = "starts"  # how often it was begun without coming to a first checkpoint
MOST_STARTS = 10
FIRST_FAILURES, FAILURES_IN_A_ROW = 4, 20  # that end a search: while nothing has succeeded, and later
SECONDS_TO_WAIT = 1.0  # between looks at other workers' trials


@dataclass(frozen=True, kw_only=True)
class Search:
    """What all trials share.

    Attributes:
        model: as it is before training; each trial trains a copy.
        prepare: the most tokens of a text (None: the default) -> the task, the encoded rows of train and of validation.
        base: the options that are not searched.
        work: where a trial's folder, and what is kept of the best, are.
        worker: this worker's name in the study.
        start: options of the space that a sampler which learns tries first.
        keep: whether the best trial's weights are kept.
        grace: seconds without a sign of life after which another worker's trial counts as dead.
    """

    model: Any
    prepare: Callable[[int | None], tuple[Task, Encoded, Encoded]]
    base: TrainConfig
    space: space.Space
    work: Path
    worker: str
    sampler: str
    pruner: str
    seed: int
    scratch: bool
    start: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False
    grace: float = 120.0


def run(search: Search, study: Any, *, total: int, seconds: float | None = None) -> None:
    """Run trials until the study has `total` that ended, or this worker has spent `seconds` on its own.

    Raises:
        ToolkitError: trials do nothing but fail.
    """
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    epochs = space.most_epochs(search.space, search.base, search.scratch)
    study.pruner = draw.pruner(search.pruner, epochs)
    shown, seen, waiting = 0, dict[int, Any](), False
    if before := len(studies.finished(study)):
        console.note(f"the study has {before} trial{'s' * (before > 1)}, going on")
    with console.progress("trials", total) as advance:
        while True:
            advance(len(studies.finished(study)) - shown, _best_so_far(study, str(search.base.metric)))
            shown = len(studies.finished(study))
            if shown >= total or (seconds is not None and studies.spent(study, search.worker) >= seconds):
                return
            others = alive(study, search.worker, seen, search.grace)
            started = time.monotonic()
            trial = _taken_up(search, study) or _begun(search, study, total)
            if trial is not None:
                _run(search, study, trial, epochs, started)
                _clear(search, study)
                _stop_if_all_fail(study)
            elif others:
                if not waiting:
                    console.note("the last trials are other workers': waiting for them")
                waiting = True
                time.sleep(SECONDS_TO_WAIT)
            elif exhausted(search, study):
                console.note(f"the grid has no cell left: the study ends with {shown} trials")
                return


def exhausted(search: Search, study: Any) -> bool:
    """Whether a grid has no cell left."""
    return search.sampler == "grid" and not draw.left(search.space, study.get_trials(deepcopy=False))


def _best_so_far(study: Any, metric: str) -> str:
    found = studies.best(study)
    return f"best {metric} {found.value:.4f}" if found else ""


def _taken_up(search: Search, study: Any) -> Any | None:
    """This worker's own trial that its process died in."""
    mine = [t for t in study.get_trials(deepcopy=False) if t.user_attrs.get(WORKER) == search.worker]
    left = next((t for t in mine if t.state == TrialState.RUNNING), None)
    if left is None:
        return None
    trial = optuna.trial.Trial(study, left._trial_id)
    console.note(f"taking up trial {left.number}, which was interrupted")
    if trainer.last_checkpoint(_folder(search, left.number)) is None:
        trial.set_user_attr(STARTS, left.user_attrs.get(STARTS, 1) + 1)
    return trial


def _begun(search: Search, study: Any, total: int) -> Any | None:
    """A new trial; None where the study needs none, or the grid is used up."""
    trials = study.get_trials(deepcopy=False)
    if _counted(trials) >= total:
        return None
    names = list(dict.fromkeys(t.user_attrs.get(WORKER) for t in trials))
    rank = names.index(search.worker) if search.worker in names else len(names)
    direction = study.direction.name.lower()
    drawn = draw.params(search.sampler, search.space, trials, direction, search.seed, rank, search.start)
    if drawn is None:
        return None
    params, key = drawn
    new = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=params,
        distributions=draw.distributions(search.space),
        user_attrs={WORKER: search.worker, DRAW: key},
    )
    study.add_trial(new)
    trials = study.get_trials(deepcopy=False)
    mine = next(t for t in reversed(trials) if t.user_attrs.get(WORKER) == search.worker)
    trial, earlier = optuna.trial.Trial(study, mine._trial_id), trials[: mine.number]
    twice = any(t.user_attrs.get(DRAW) == key and LOST not in t.user_attrs for t in earlier)
    if twice or _counted(earlier) >= total:  # another worker began one at the same moment
        trial.set_user_attr(LOST, "withdrawn: another worker was a moment earlier")
        study.tell(mine.number, state=TrialState.FAIL)
        return _begun(search, study, total)
    return trial


def _counted(trials: list[Any]) -> int:
    return sum(t.state.name in ("COMPLETE", "PRUNED", "RUNNING") for t in trials)


def _folder(search: Search, number: int) -> Path:
    return search.work / f"trial-{number}"


def _run(search: Search, study: Any, trial: Any, epochs: int, started: float) -> None:
    """Train a trial and tell the study how it ended, and how long it took since it was `started` to be drawn."""

    def end(state: TrialState, value: float | None = None) -> None:
        trial.set_user_attr(SECONDS, round(time.monotonic() - started, 3))
        study.tell(trial.number, value, state=state)

    try:
        try:
            with beating(trial, search.grace):
                value = _value(search, study, trial, epochs)
        except optuna.TrialPruned:
            end(TrialState.PRUNED)
        except (OptunaError, SQLAlchemyError, OSError):  # of the study or the machine, not of the trial
            raise
        except Exception as e:  # whatever options make a library raise; the next trial has others
            reason = _reason(e)
            console.warn(f"trial {trial.number} failed: {reason}")
            if os.environ.get("TOOLKIT_DEBUG") == "1":
                traceback.print_exc()
            trial.set_user_attr(FAILED, reason)
            end(TrialState.FAIL)
        else:
            end(TrialState.COMPLETE, value)
    except UpdateFinishedTrialError:
        console.warn(f"trial {trial.number} is not counted: other workers took this one for dead")


def _value(search: Search, study: Any, trial: Any, epochs: int) -> float:
    """Train; the figure that trials are compared by."""
    metric, told = str(search.base.metric), set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    if trial.user_attrs.get(STARTS, 1) > MOST_STARTS:
        raise ToolkitError(f"its process died {MOST_STARTS} times before a first checkpoint", "was it out of memory?")

    def report(figures: dict[str, float]) -> None:
        epoch = math.ceil(figures["epoch"] - 1e-6)
        if epoch not in told:
            trial.report(figures[metric], epoch)
        if epoch < epochs and trial.should_prune():
            raise optuna.TrialPruned

    model, figures = _trained(search, trial.params, _folder(search, trial.number), report)
    value = float(figures["validation"][metric])
    if not math.isfinite(value):
        raise ToolkitError(f"{metric} is {value}")
    if search.keep:
        before, sign = studies.best(study), 1 if study.direction.name == "MAXIMIZE" else -1
        if before is None or sign * value > sign * before.value:
            _keep(search.work, trial.number, model, figures)
    return value


def _trained(
    search: Search, params: Mapping[str, Any], folder: Path, report: Callable[[dict[str, float]], None] | None
) -> tuple[Any, dict[str, Any]]:
    """A copy of the model trained with a trial's options, and its figures; goes on from what `folder` holds."""
    config = space.applied(search.base, params)
    model = copy.deepcopy(search.model)
    with console.without_notes():
        task, rows, validation = search.prepare(config.max_length)
        figures = trainer.train(
            model, task, rows, validation, config, folder, seed=search.seed, scratch=search.scratch, report=report
        )
    return model, figures


def _reason(e: BaseException) -> str:
    """Why a trial failed, in one line."""
    text = " ".join(str(e).split())[:300]
    if memory.is_out(e):
        return f"out of memory ({text or type(e).__name__})"
    return text if isinstance(e, ToolkitError) else f"{type(e).__name__}: {text}"


def _keep(work: Path, number: int, model: Any, figures: dict[str, Any]) -> None:
    """Lay a trained model aside, whole or not at all."""
    aside = work / "kept.new"
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(aside)
    (aside / "figures.json").write_text(json.dumps(figures))
    shutil.rmtree(work / f"kept-{number}", ignore_errors=True)
    aside.rename(work / f"kept-{number}")


def _clear(search: Search, study: Any) -> None:
    """Remove what trials that ended have left, but for the best one's model."""
    found = studies.best(study)
    for path in [*search.work.glob("trial-*"), *search.work.glob("kept-*")]:
        if path.name != f"kept-{found.number if found else ''}":
            shutil.rmtree(path, ignore_errors=True)
    gc.collect()  # a trainer and its callbacks hold each other, and with them a model


def _stop_if_all_fail(study: Any) -> None:
    counted = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished() and LOST not in t.user_attrs]
    row = 0
    for trial in counted:
        row = row + 1 if FAILED in trial.user_attrs else 0
    if row >= (FIRST_FAILURES if row == len(counted) else FAILURES_IN_A_ROW):
        raise ToolkitError(f"the last {row} trials all failed", counted[-1].user_attrs[FAILED])


def best_model(search: Search, study: Any) -> tuple[Any, Task, dict[str, Any]]:
    """The best trial's model, its task and its figures: as it was kept, else trained again with the same options."""
    found = study.best_trial
    kept = search.work / f"kept-{found.number}"
    task, _, _ = search.prepare(space.applied(search.base, found.params).max_length)
    if kept.is_dir():
        transformers.logging.disable_progress_bar()
        return type(search.model).from_pretrained(kept), task, json.loads((kept / "figures.json").read_text())
    console.note(f"the model of trial {found.number} was not kept here: training it again")
    model, figures = _trained(search, found.params, search.work / "again", None)
    return model, task, figures
