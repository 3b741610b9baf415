"""How often 95% intervals hold the truth, over data sets drawn from a known distribution.

Use: coverage.py [--sets 500] [--markdown FILE]

A model's answers are drawn from a Gaussian mixture whose classes it half knows; the truth is what a million rows give.
The first lines are what `toolkit evaluate` gives; beside them stand, of macro F1, the percentile bootstrap (1,000
resamples of the confusion matrix, which is what resampled rows give), and of AUC DeLong's interval as it is usually
computed, without a transformation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit.evaluation import metrics, quality, ranking, statistics

TOLD = ("accuracy", "f1_macro", "balanced_accuracy", "mcc", "auc", "average_precision", "log_loss", "brier", "ece")
BESIDE = ("f1_macro, bootstrap", "auc, DeLong plain")
POPULATION = 1_000_000


class Setting(NamedTuple):
    """classes; rows a set; how many times the largest class has the smallest one's rows; how well classes lie apart."""

    classes: int
    rows: int
    imbalance: float
    apart: float


SETTINGS = [
    Setting(2, 200, 1, 2.0),
    Setting(2, 1000, 1, 2.0),
    Setting(2, 200, 9, 2.0),
    Setting(2, 1000, 9, 2.0),
    Setting(10, 200, 1, 2.5),
    Setting(10, 1000, 1, 2.5),
    Setting(10, 200, 5, 2.5),
    Setting(10, 1000, 5, 2.5),
    Setting(10, 1000, 20, 2.5),
]


def draw(setting: Setting, rows: int, rng: Any) -> tuple[Any, Any]:
    """Labels and probabilities of a model that is somewhat overconfident and knows the rare classes less."""
    prior = setting.imbalance ** -np.linspace(0, 1, setting.classes)
    prior /= prior.sum()
    labels = rng.choice(setting.classes, rows, p=prior)
    logits = rng.normal(size=(rows, setting.classes)).astype(np.float32)
    logits[np.arange(rows), labels] += setting.apart
    return labels, metrics.softmax(1.5 * (logits + 0.7 * np.log(prior))).astype(float)


def truth(setting: Setting) -> dict[str, float | None]:
    found, _ = quality.measure(*draw(setting, POPULATION, np.random.default_rng(1)), seed=0)
    return {name: found[name]["value"] for name in TOLD}


def intervals(setting: Setting, seed: int) -> Iterator[tuple[str, float | None, float | None]]:
    """Of one set every interval: its name, and its ends."""
    rng = np.random.default_rng([3, seed])  # 2 drew the sets by which the methods were settled
    labels, probabilities = draw(setting, setting.rows, rng)
    found, _ = quality.measure(labels, probabilities, seed)
    for name in TOLD:
        yield name, found[name]["low"], found[name]["high"]
    resampled = bootstrap_f1(metrics.confusion(labels, probabilities.argmax(1), setting.classes), rng)
    yield BESIDE[0], *np.quantile(resampled, [0.025, 0.975])
    influence = auc_influence(labels, probabilities)
    half = statistics.Z * np.sqrt(np.square(influence).sum())
    value = found["auc"]["value"]
    assert value is not None
    yield BESIDE[1], value - half, value + half


def bootstrap_f1(matrix: Any, rng: Any) -> Any:
    """Macro F1 of resampled confusion matrices: cells drawn from a multinomial, which is what resampled rows give."""
    width, rows = len(matrix), int(matrix.sum())
    drawn = rng.multinomial(rows, matrix.ravel() / rows, size=statistics.RESAMPLES)
    return metrics.f1_macro(drawn.reshape(-1, width, width))


def auc_influence(labels: Any, probabilities: Any) -> Any:
    width = probabilities.shape[1]
    averaged = [1] if width == 2 else [c for c in range(width) if (labels == c).any()]
    return np.mean([ranking.one(labels == c, probabilities[:, c])["auc"][1] for c in averaged], axis=0)


def covered(setting: Setting, sets: int) -> dict[str, tuple[float, float, float, float]]:
    """Of each interval: how often it holds the truth, lies above it, lies below it; its mean width."""
    true, tally = truth(setting), dict[str, Any]()
    for seed in range(sets):
        for name, low, high in intervals(setting, seed):
            value = true[name.partition(",")[0]]
            assert value is not None
            low, high = -np.inf if low is None else low, np.inf if high is None else high
            tally.setdefault(name, []).append((low <= value <= high, value < low, value > high, high - low))
    return {name: tuple(np.mean(told, axis=0).tolist()) for name, told in tally.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    found = {}
    for setting in SETTINGS:
        found[setting] = covered(setting, given.sets)
        print(setting, {name: round(told[0], 3) for name, told in found[setting].items()}, flush=True)
    text = table(found)
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n", encoding="utf-8")


def table(found: dict[Setting, dict[str, Any]]) -> str:
    """Markdown: a figure a line, a setting a column."""
    heads = [f"{s.classes} / {s.rows:,} / {s.imbalance:g}:1" for s in found]
    lines = [[name, *(f"{100 * told[name][0]:.1f}" for told in found.values())] for name in (*TOLD, *BESIDE)]
    lines = [["classes / rows / imbalance", *heads], ["---", *["---:"] * len(heads)], *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
