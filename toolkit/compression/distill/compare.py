"""A student against its teachers on the same rows: quality, size, speed, and how often they agree."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.data.sample import spread
from toolkit.evaluation import metrics, paired, statistics
from toolkit.inference import timing
from toolkit.inference.predictor import Predictor

TIMED = 128  # rows


def compared(
    student: Predictor, teachers: list[Predictor], shares: list[float], rows: Any, right: Any
) -> dict[str, dict[str, Any]]:
    """Figures of the student, of all teachers together, and of the one against the other.

    Several teachers say the weighted mean of what each says, and take the time of all.

    Args:
        shares: the weights of the teachers, which add up to one.
        rows: a Dataset. right: class numbers (rows,), or boolean (rows, classes), in the order of the student's.
    """
    chances = student.probabilities(student.reader.contents(rows), label="predicting (student)")
    told = np.zeros_like(chances)
    for share, teacher in zip(shares, teachers, strict=True):
        said = teacher.probabilities(teacher.reader.contents(rows), label="predicting (teacher)")
        told += share * said[:, [teacher.names.index(name) for name in student.names]]
    answers = [metrics.predicted(part, student.several) for part in (chances, told)]
    hits, agrees = [metrics.agree(part, right) for part in answers], metrics.agree(*answers)
    low, high = statistics.wilson(int(agrees.sum()), len(agrees))
    speed = _speed([student, *teachers], rows)
    return {
        "student": {"accuracy": float(hits[0].mean()), **speed[0]},
        "teacher": {
            "accuracy": float(hits[1].mean()),
            "samples_per_second": round(1 / sum(1 / part["samples_per_second"] for part in speed[1:]), 1),
            "latency_ms": round(sum(part["latency_ms"] for part in speed[1:]), 3),
        },
        "comparison": {
            "accuracy_difference": paired.difference(hits[1], hits[0]),
            "agreement": {"value": float(agrees.mean()), "low": low, "high": high},
        },
    }


def _speed(predictors: list[Predictor], rows: Any) -> list[dict[str, float]]:
    """Samples a second at batch 32 and the median latency at batch 1, timed in turns on the same evenly spaced rows."""
    contents = predictors[0].reader.contents(rows.select(spread(len(rows), TIMED)))
    found = timing.measure({str(i): p for i, p in enumerate(predictors)}, contents)
    return [
        {"samples_per_second": part["samples_per_second"], "latency_ms": part["latency_ms"]["p50"]}
        for part in found.values()
    ]
