"""Signs of life: how workers that share a study tell a dead one's trial from one that takes long.

Each keeps counting in its running trial. A worker counts as dead when its number has not moved for a while by the
watcher's own clock, so that clocks of several machines need not agree, and any storage will do.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from toolkit import console
from toolkit.training.draw import LOST

WORKER = "worker"  # a trial's attribute: who runs it
BEAT = "beat"
BEATS_A_GRACE = 6


@contextlib.contextmanager
def beating(trial: Any, grace: float) -> Iterator[None]:
    """Give signs of life while the body runs."""
    over = threading.Event()

    def beat() -> None:
        count = 0
        while not over.wait(grace / BEATS_A_GRACE):
            count += 1
            with contextlib.suppress(Exception):  # a storage that is away for a moment is the trial's own to tell
                trial.storage.set_trial_system_attr(trial._trial_id, BEAT, [time.time(), count])

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def alive(study: Any, worker: str, seen: dict[int, Any], grace: float) -> bool:
    """Whether other workers have running trials; those of dead ones are ended.

    Args:
        seen: what this worker saw of the others' trials, and when; kept from call to call.
    """
    now, found = time.monotonic(), False
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.user_attrs.get(WORKER) == worker:
            continue
        sign = (trial.system_attrs.get(BEAT), len(trial.intermediate_values))
        before, since = seen.get(trial.number, (None, now))
        if sign != before:
            seen[trial.number] = (sign, now)
        elif now - since > grace:
            _end(study, trial, grace)
            continue
        found = True
    return found


def _end(study: Any, trial: Any, grace: float) -> None:
    with contextlib.suppress(UpdateFinishedTrialError):  # another worker did it, or the trial has just ended
        reason = f"its worker gave no sign of life for {grace:g} s"
        optuna.trial.Trial(study, trial._trial_id).set_user_attr(LOST, reason)
        study.tell(trial.number, state=TrialState.FAIL)
        console.warn(f"trial {trial.number}: {reason}; its place is free")
