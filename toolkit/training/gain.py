"""Whether more rows of train help a model: trained without and with them, seed by seed, judged on validation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import console
from toolkit.training import trainer
from toolkit.training.config import TrainConfig
from toolkit.training.tasks import Task

SEEDS = 5
LEVEL = 1.96  # standard errors on either side, for 95%


def gain(
    load: Callable[[int], tuple[Any, Task]],
    train: Any,
    more: Any,
    validation: Any,
    config: TrainConfig,
    work: Path,
    *,
    seed: int,
    scratch: bool,
) -> dict[str, Any]:
    """The accuracy on validation without and with the rows `more`, over five seeds, and the difference.

    Args:
        load: a fresh model and its task from a seed.
        train, more, validation: Datasets with the same classes.

    Returns:
        rows, without, with, gain ({"value", "low", "high"}; 95%: the chance of the rows and of the seeds added up).
    """
    hits: dict[str, list[Any]] = {"without": [], "with": []}
    labels = np.asarray(validation.with_format("numpy")["label"])
    with console.progress("checking the gain with the model", 2 * SEEDS) as advance:
        for number in range(seed, seed + SEEDS):
            for name, rows in (("without", [train]), ("with", [train, more])):
                model, task = load(number)
                encoded = [row for part in rows for row in task.encode(part)]
                told = task.encode(validation)
                with console.without_notes():
                    trainer.train(model, task, encoded, told, config, work, seed=number, scratch=scratch)
                hits[name].append(trainer.answers(model, task, told)[0].argmax(1) == labels)
                shutil.rmtree(work, ignore_errors=True)
                advance(1)
    without, with_ = (np.array(found, dtype=float) for found in hits.values())
    return {"rows": len(more), "without": float(without.mean()), "with": float(with_.mean())} | {
        "gain": _interval(with_ - without)
    }


def _interval(differences: Any) -> dict[str, float]:
    """Of differences (seeds, rows) the mean and its interval."""
    seeds, rows = differences.shape
    value = float(differences.mean())
    of_rows = differences.mean(0).var(ddof=1) / rows if rows > 1 else 0.0
    variance = of_rows + differences.mean(1).var(ddof=1) / seeds
    error = LEVEL * float(np.sqrt(variance))
    return {"value": value, "low": value - error, "high": value + error}
