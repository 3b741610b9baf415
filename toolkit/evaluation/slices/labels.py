"""Labels that are probably wrong, told from the evaluated model's probabilities: it did not see these rows.

Confident learning with a likelihood (`toolkit.data.noise`, which has the sources): the model's log-probabilities are
scaled and shifted (calibrated) and a rate of wrong labels for each class is fitted, both to the labels as they are. A
label is suspected where the calibrated model contradicts it. A model that is surely and regularly wrong looks the same,
so rows of slices that are wrong for a reason of their own are left out. Where these were the rows that the model is
unsure of, it looks never wrong among the others: so it is not scaled to be surer than on all rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.data import noise

MOST_CLASSES = 300  # the parameters grow with them
LEAST_ROWS = 50
FITTED_CELLS = 1_500_000  # rows times classes that the parameters are fitted to
SMALLEST = 1e-6  # of a probability


def find(labels: Any, probabilities: Any, judged: Any, seed: int) -> dict[str, Any] | None:
    """Which labels are probably wrong.

    Args:
        labels: class numbers (rows,). probabilities: (rows, classes). judged: the rows to look at, boolean (rows,).

    Returns:
        p_wrong (rows,), 0 where not judged; suggested (rows,): the likeliest other class; flagged (rows,) bool;
        share of wrong labels and precision of the flagged as {"value", "low", "high"}. None of too few rows, of one
        class, or of too many classes.
    """
    rows = np.flatnonzero(judged)
    known = np.unique(labels[rows])
    if len(rows) < LEAST_ROWS or not 2 <= len(known) <= MOST_CLASSES:
        return None
    some = np.isin(labels, known)
    own = np.searchsorted(known, labels[some])
    scores = np.log(np.maximum(probabilities[some][:, known], SMALLEST)).astype(np.float32)
    return _spread(_judge(scores, own, judged[some], seed), rows, known, labels)


def _judge(scores: Any, own: Any, judged: Any, seed: int) -> dict[str, Any]:
    some = np.sort(np.random.default_rng(seed).permutation(len(own))[: max(FITTED_CELLS // scores.shape[1], 1)])
    fitted = noise.fit(scores[some], own[some], seed)
    if not judged.all():
        some = some[judged[some]]
        fitted = noise.fit(scores[some], own[some], seed, sharpest=fitted.theta[0])
        scores, own = scores[judged], own[judged]
    p_wrong, other = noise.judge(fitted, scores, own)
    flagged, _ = noise.choose(p_wrong)
    return {
        "p_wrong": p_wrong,
        "suggested": other,
        "flagged": flagged,
        "share": noise.estimate(fitted, scores, own, p_wrong),
        "precision": noise.estimate(fitted, scores[flagged], own[flagged], p_wrong[flagged]),
    }


def _spread(found: dict[str, Any], rows: Any, known: Any, labels: Any) -> dict[str, Any]:
    """From the judged rows to all rows, from the classes that occur to all classes."""
    p_wrong, flagged, suggested = np.zeros(len(labels)), np.zeros(len(labels), bool), labels.copy()
    p_wrong[rows], flagged[rows] = found["p_wrong"], found["flagged"]
    suggested[rows] = known[found["suggested"]]
    return found | {"p_wrong": p_wrong, "flagged": flagged, "suggested": suggested}


def find_of_several(labels: Any, probabilities: Any, judged: Any, seed: int) -> dict[str, Any] | None:
    """The same of rows with several classes: whether each class stands or is missing rightly, taken as a label itself.

    Args:
        labels: boolean (rows, classes), as the probabilities.

    Returns:
        As `find`; suggested is boolean (rows, classes).
    """
    rows = np.flatnonzero(judged)
    cells = labels[rows]
    if len(rows) < LEAST_ROWS or cells.all() or not cells.any() or cells.shape[1] > MOST_CLASSES:
        return None
    likely = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    scores = np.log(np.stack([1 - likely, likely], -1)).reshape(-1, 2).astype(np.float32)
    found = _judge(scores, labels.astype(np.int64).ravel(), judged.repeat(cells.shape[1]), seed)
    doubted = found["flagged"].reshape(cells.shape)
    chance = np.where(doubted, found["p_wrong"].reshape(cells.shape), 0.0)
    p_wrong, flagged, suggested = np.zeros(len(labels)), np.zeros(len(labels), bool), labels.copy()
    p_wrong[rows], flagged[rows], suggested[rows] = 1 - (1 - chance).prod(1), doubted.any(1), cells ^ doubted
    return found | {"p_wrong": p_wrong, "flagged": flagged, "suggested": suggested}
