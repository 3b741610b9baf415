"""All figures of a classifier's quality from its probabilities, each with a 95% interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation import calibration, classes, metrics, ranking, statistics

TOP = (3, 5)  # the right class among so many likeliest, told where there are more than twice as many classes
LEAST = 1e-12  # of a probability in the log loss

Figures = dict[str, dict[str, float | None]]


def measure(labels: Any, probabilities: Any, seed: int) -> tuple[Figures, dict[str, dict[str, Any]]]:
    """The figures, and those of each class as arrays (classes,), nan where undefined.

    Args:
        labels: class numbers (rows,), or of several classes a row boolean (rows, classes).
        probabilities: (rows, classes).
    """
    several = labels.ndim > 1
    predicted = metrics.predicted(probabilities, several)
    counts = classes.count(labels, predicted, probabilities.shape[1])
    ranked, each = ranking.measure(labels, probabilities)
    told = of_several(labels, predicted, counts) if several else of_one(labels, predicted, probabilities, counts)
    if several:
        ranked["label_ranking"] = statistics.mean(ranking.label_ranking(labels, probabilities), "share")
    return told | ranked | confidence(labels, probabilities, seed), classes.each(counts) | each


def of_one(labels: Any, predicted: Any, probabilities: Any, counts: classes.Counts) -> Figures:
    """Of one class a row. Micro averages are not told: each of them is the accuracy."""
    rows, width = probabilities.shape
    places = classes.top(labels, probabilities)
    return {
        "accuracy": statistics.share(int((predicted == labels).sum()), rows),
        "balanced_accuracy": classes.macro(counts, "recall", counts.support > 0),
        **{f"{name}_macro": classes.macro(counts, name) for name in classes.RATIOS},
        "mcc": classes.matthews(labels, predicted, width),
        **{f"top_{k}": statistics.share(int((places < k).sum()), rows) for k in TOP if width > 2 * k},
    }


def of_several(labels: Any, predicted: Any, counts: classes.Counts) -> Figures:
    """Of several classes a row; accuracy is the share of rows whose classes are all right and no other told."""
    right = predicted == labels
    return {
        "accuracy": statistics.share(int(right.all(1).sum()), len(labels)),
        **{f"{name}_macro": classes.macro(counts, name) for name in classes.RATIOS},
        **{f"{name}_micro": classes.micro(counts, name) for name in classes.RATIOS},
        "hamming_loss": statistics.mean((~right).mean(1), "share"),
    }


def confidence(labels: Any, probabilities: Any, seed: int) -> Figures:
    """What tells whether the probabilities themselves are right; of several classes a row, those of each decision."""
    if labels.ndim > 1:
        own = np.where(labels, probabilities, 1 - probabilities)
        brier = np.square(1 - own).mean(1)
    else:
        own = probabilities[np.arange(len(labels)), labels][:, None]
        brier = np.einsum("ij,ij->i", probabilities, probabilities) - 2 * own[:, 0] + 1  # a sum over the classes
        brier = brier / 2 if probabilities.shape[1] == 2 else brier  # but of two classes it is told of one of them
    return {
        "log_loss": statistics.mean(-np.log(np.clip(own, LEAST, 1)).mean(1)),
        "brier": statistics.mean(brier),
        **calibration.error(*decisions(labels, probabilities), seed),
    }


def decisions(labels: Any, probabilities: Any) -> tuple[Any, Any]:
    """How sure each decision is and whether it is right: a row's class, or of several classes each by itself."""
    if labels.ndim == 1:
        return probabilities.max(1), probabilities.argmax(1) == labels
    told = probabilities >= metrics.THRESHOLD
    return np.where(told, probabilities, 1 - probabilities).ravel(), (told == labels).ravel()
