"""When a loss that is still a number tells that the training is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence

STEPS = 10  # at the least, over which the loss is averaged: one odd batch is no divergence
TIMES = 4.0  # the loss of the first step
FLOOR = 1.0  # that the first loss is taken to be at least: a model that knows its rows starts near 0


def diverged(losses: Sequence[tuple[int, float]], heaviest: float = 1.0, batch: int = 1) -> tuple[float, float] | None:
    """(the mean loss of the last steps, that of the first step) if the former is more than four times the latter.

    The first step's loss is that of the weights as they came, for a new head about the log of the number of classes.
    A rate that is far too large takes the loss to tens or hundreds within a few steps, and it stays there. Where rows
    have weights, of a mean of 1, a few heavy ones do that too: so the last steps hold at least as many rows as the
    heaviest weighs, and the bound is as many times higher as the mean of weighted rows scatters more.

    Args:
        losses: (step, mean loss since the line before), the first of them of the first step alone.
        heaviest: the greatest weight of a row.
        batch: rows a step.
    """
    if not losses:
        return None
    least = max(STEPS, heaviest / batch)
    end, total, start = losses[-1][0], 0.0, losses[-1][0]
    for (before, _), (step, loss) in zip(losses[-2::-1], losses[:0:-1], strict=False):
        total += loss * (step - before)
        start = before
        if end - start >= least:
            break
    if end - start < least:
        return None
    recent = total / (end - start)
    return (recent, losses[0][1]) if recent > _bound(losses, heaviest) else None


def sound(losses: Sequence[tuple[int, float]], heaviest: float = 1.0) -> int:
    """The last step after which a loss within the bound was told: that of a step is of the weights before it."""
    return max(step for step, loss in losses if loss <= _bound(losses, heaviest)) - 1


def _bound(losses: Sequence[tuple[int, float]], heaviest: float) -> float:
    return TIMES * max(losses[0][1], FLOOR) * math.sqrt(heaviest)
