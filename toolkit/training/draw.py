"""What a search tries next: samplers and pruners, on Optuna (Akiba et al., 2019).

TPE: Bergstra et al., 2011; a Gaussian process with logEI: Ament et al., 2023; median pruning: Golovin et al., 2017;
Hyperband: Li et al., 2018, whose brackets run as asynchronous successive halving (Li et al., 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from toolkit.training.space import Space, cells

WARM_UP_TRIALS = 4  # drawn at random before a model is believed, and ended before a median is
LEARN = ("tpe", "gp")  # samplers that go by the trials so far
START = "start"  # the name of a draw that is all known options
LOST = "lost"  # a trial's attribute: why its draw is not counted


def distributions(space: Space) -> dict[str, Any]:
    """The space in Optuna's terms."""
    return {name: _distribution(limits) for name, limits in space.items()}


def _distribution(limits: Mapping[str, Any]) -> Any:
    if "choices" in limits:
        return optuna.distributions.CategoricalDistribution(limits["choices"])
    if isinstance(limits["low"], int):
        return optuna.distributions.IntDistribution(**limits)
    return optuna.distributions.FloatDistribution(**limits)


def params(
    kind: str,
    space: Space,
    trials: Sequence[Any],
    direction: str,
    seed: int,
    rank: int = 0,
    start: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], str] | None:
    """The next trial's options: decided by the space, the trials so far, the seed and the worker, and by nothing else.

    They are drawn in a study of their own in memory, so that a trial enters the storage with all its options at once:
    a search that is killed at any moment goes on as if it had not been.

    Args:
        kind: "tpe", "gp", "random" or "grid".
        trials: all of the study, in order.
        rank: of the worker among those of the study, from 0.
        start: what is known of good options: a sampler that learns begins with it, and draws only what it leaves open.

    Returns:
        option -> value, and the draw's name, which two workers may have come to at once; None where a grid has no
        cell left.
    """
    if kind == "grid":
        free = left(space, trials)
        order = np.random.default_rng(seed).permutation(len(cells(space)))
        return next(((free[i], str(i)) for i in map(int, order) if i in free), None)
    mixed = int(np.random.SeedSequence([seed, len(trials), rank]).generate_state(1)[0])
    aside = optuna.create_study(direction=direction, sampler=_sampler(kind, mixed))
    aside.add_trials(trials)
    if start and kind in LEARN and all(LOST in t.user_attrs for t in trials):
        aside.enqueue_trial(start)
        return aside.ask(distributions(space)).params, START if start.keys() == space.keys() else f"{START}, in part"
    return aside.ask(distributions(space)).params, f"{len(trials)}-{rank}"


def left(space: Space, trials: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """The cells of a grid, by their number, that no trial has; a lost trial's is free again."""
    taken = [t.params for t in trials if LOST not in t.user_attrs]
    return {i: cell for i, cell in enumerate(cells(space)) if cell not in taken}


def _sampler(kind: str, seed: int) -> Any:
    if kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if kind == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=WARM_UP_TRIALS)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=WARM_UP_TRIALS)


def pruner(kind: str, epochs: int) -> Any:
    """What stops a trial between epochs; `epochs` is the length of the longest."""
    if kind == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1))
    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=WARM_UP_TRIALS)
    return optuna.pruners.NopPruner()
