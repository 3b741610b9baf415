"""A model against a baseline on the same rows: differences with intervals, tests, a verdict, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation import metrics, paired
from toolkit.evaluation.statistics import RESAMPLES, alike, estimate

_CELLS_AT_ONCE = 20_000_000
LEAST_PROBABILITY = 1e-12  # as `metrics.log_loss` clips


@dataclass(frozen=True)
class Answers:
    """What a classifier says of the rows.

    chosen: class numbers (rows,), or of several classes a row boolean (rows, classes).
    losses: of each row (rows,), None where they are not known.
    """

    chosen: Any
    losses: Any


def losses(labels: Any, probabilities: Any) -> Any:
    """The log loss of each row (rows,): of several classes a row the mean over the classes."""
    if labels.ndim > 1:
        likely = np.where(labels, probabilities, 1 - probabilities)
        return -np.log(np.clip(likely, LEAST_PROBABILITY, 1)).mean(1)
    return -np.log(np.clip(probabilities[np.arange(len(labels)), labels], LEAST_PROBABILITY, 1))


def right(labels: Any, answers: Answers) -> Any:
    """Whether all that is said of a row is right, boolean (rows,)."""
    return metrics.agree(answers.chosen, labels)


def compare(
    labels: Any, baseline: Answers, model: Answers, names: list[str], margin: float, seed: int
) -> dict[str, Any]:
    """The model less the baseline; `names` are the classes of all three.

    Intervals: of accuracy Tango's score interval, of the others the bootstrap's over the joint outcomes of both. `p`
    beside them is the bootstrap test's: twice the smaller share of resamples on one side of no difference.
    """
    before, after = right(labels, baseline), right(labels, model)
    rows, fixed, broken = len(labels), int((after & ~before).sum()), int((before & ~after).sum())
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(rows, np.array([fixed, broken, rows - fixed - broken]) / rows, size=RESAMPLES)
    parts = [_hot(codes, len(names)) for codes in (labels, baseline.chosen, model.chosen)]
    verdict = paired.verdict(fixed, broken, rows, margin)
    return {
        "rows": rows,
        "fixed": fixed,
        "broken": broken,
        "both_right": int((before & after).sum()),
        "both_wrong": int((~before & ~after).sum()),
        "flipped": int((~metrics.agree(baseline.chosen, model.chosen)).sum()),
        "difference": {
            "accuracy": paired.difference(before, after) | {"p": _p(drawn[:, 0] - drawn[:, 1])},
            "f1_macro": _f1_difference(parts, seed),
            "log_loss": _loss_difference(baseline.losses, model.losses, seed),
        },
        "mcnemar": {"p": paired.mcnemar(fixed, broken)},
        "equivalence": {"margin": margin, "p": paired.equivalence(fixed, broken, rows, margin)},
        "verdict": verdict,
        "more_rows": paired.more_rows(fixed, broken, rows, margin) if verdict == "undecided" else None,
        "per_class": _per_class(parts, names),
    }


def _p(drawn: Any) -> float:
    """Of resampled differences; never 0, since the sample is one of them (Davison & Hinkley, 1997, section 4.2)."""
    sides = (int((side * drawn <= 0).sum()) for side in (-1, 1))
    return min(1.0, 2 * (1 + min(sides)) / (1 + len(drawn)))


def _hot(codes: Any, classes: int) -> Any:
    """Class numbers, or booleans (rows, classes), as a sparse matrix of ones."""
    from scipy.sparse import csr_matrix

    if codes.ndim > 1:
        return csr_matrix(codes, dtype=np.int64)
    return csr_matrix((np.ones(len(codes), np.int64), codes, np.arange(len(codes) + 1)), (len(codes), classes))


def _f1_difference(parts: list[Any], seed: int) -> dict[str, Any]:
    """Macro F1: rows that are alike in label and both answers are one outcome, resampled from a multinomial.

    Where no answer differs the resamples do not either: the width is then what Wilson's interval leaves to unseen rows.

    Args:
        parts: of the labels, the baseline and the model, sparse (rows, classes).
    """
    from scipy.sparse import hstack

    labels, before, after = parts
    counted = hstack([labels, before, labels.multiply(before), after, labels.multiply(after)]).tocsr()
    first, counts = _outcomes(counted)
    outcomes = counted[first].T.tocsr()

    def difference(sums: Any) -> Any:  # (5 x classes, resamples)
        support, *told = sums.reshape(5, -1, sums.shape[-1])
        macro = [_mean(metrics.f1(hit, support, guessed)) for guessed, hit in (told[:2], told[2:])]
        return macro[1] - macro[0]

    rng, rows = np.random.default_rng(seed), int(counts.sum())
    at_once = max(1, _CELLS_AT_ONCE // max(outcomes.shape))
    drawn = [
        difference(outcomes @ rng.multinomial(rows, counts / rows, size=min(at_once, RESAMPLES - start)).T)
        for start in range(0, RESAMPLES, at_once)
    ]
    found, value = np.concatenate(drawn), float(difference((outcomes @ counts)[:, None])[0])
    if found.any():
        return estimate(value, found) | {"p": _p(found)}
    support = labels.sum(0)  # nothing flipped: what is unseen may all lie in the rarest class
    support = support[support > 0]
    return alike(value, "difference", min(rows, support.size * support.min())) | {"p": 1.0}


def _mean(values: Any) -> Any:
    """Over the first axis, of what is defined."""
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(0) / known.sum(0)


def _outcomes(counted: Any) -> tuple[Any, Any]:
    """The first row of each outcome, and how many rows have it."""
    keys: dict[bytes, int] = {}
    first: list[int] = []
    counts: list[int] = []
    for i, (start, end) in enumerate(zip(counted.indptr, counted.indptr[1:], strict=False)):
        at = keys.setdefault(np.sort(counted.indices[start:end]).tobytes(), len(keys))
        if at == len(first):
            first.append(i)
            counts.append(0)
        counts[at] += 1
    return np.array(first), np.array(counts)


def _loss_difference(before: Any, after: Any, seed: int) -> dict[str, Any]:
    """Mean log loss, resampled by rows; undefined where one side has no probabilities."""
    if before is None or after is None:
        return {"value": None, "low": None, "high": None, "p": None}
    difference, rng = after - before, np.random.default_rng(seed)
    rows = len(difference)
    at_once = max(1, _CELLS_AT_ONCE // rows)
    drawn = np.concatenate(
        [
            difference[rng.integers(0, rows, (min(at_once, RESAMPLES - start), rows))].mean(1)
            for start in range(0, RESAMPLES, at_once)
        ]
    )
    return estimate(float(difference.mean()), drawn) | {"p": _p(drawn)}


def _per_class(parts: list[Any], names: list[str]) -> dict[str, dict[str, Any]]:
    """Of each class that occurs: the difference of its recall (Tango's interval) and of its F1."""
    labels, before, after = parts
    hits = [labels.multiply(told).tocsr() for told in (before, after)]
    both = _sums(hits[0].multiply(hits[1]))
    support, broken, fixed = _sums(labels), _sums(hits[0]) - both, _sums(hits[1]) - both
    scores = [metrics.f1(_sums(hit), support, _sums(told)) for hit, told in zip(hits, (before, after), strict=True)]
    known = np.flatnonzero(support)
    low, high = paired.interval(fixed[known], broken[known], support[known])
    return {
        names[k]: {
            "rows": int(support[k]),
            "fixed": int(fixed[k]),
            "broken": int(broken[k]),
            "recall": {"value": float((fixed[k] - broken[k]) / support[k]), "low": float(a), "high": float(b)},
            "f1": float(scores[1][k] - scores[0][k]),
        }
        for k, a, b in zip(known, low, high, strict=True)
    }


def _sums(matrix: Any) -> Any:
    return np.asarray(matrix.sum(0)).ravel()
