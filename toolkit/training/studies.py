"""What the trials of a study tell."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.trial import TrialState

from toolkit.training.workers import WORKER

FAILED = "failed"  # a trial's attribute: why it failed
SECONDS = "seconds"  # how long it took, its draw counted


def finished(study: Any) -> list[Any]:
    """The trials that count: complete, or stopped early by the pruner."""
    return [t for t in study.get_trials(deepcopy=False) if t.state.name in ("COMPLETE", "PRUNED")]


def failed(study: Any) -> list[Any]:
    """The trials that ended in an error, which `user_attrs["failed"]` tells."""
    return [t for t in study.get_trials(deepcopy=False) if FAILED in t.user_attrs]


def best(study: Any) -> Any | None:
    """The best complete trial."""
    complete = any(t.state == TrialState.COMPLETE for t in study.get_trials(deepcopy=False))
    return study.best_trial if complete else None


def spent(study: Any, worker: str | None = None) -> float:
    """Seconds spent on trials that ended, of one worker or of all."""
    trials = [t for t in study.get_trials(deepcopy=False) if worker in (None, t.user_attrs.get(WORKER))]
    return float(sum(t.user_attrs.get(SECONDS, 0.0) for t in trials))


def importance(study: Any) -> dict[str, float]:
    """Importance of each option; empty while too few trials are complete."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that few trials tell little is said beside the figure
            return {name: float(value) for name, value in optuna.importance.get_param_importances(study).items()}
    except (ValueError, RuntimeError):
        return {}
