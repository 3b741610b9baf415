"""Wrong labels, told from out-of-fold scores: how probable each is, what may be right, and which to look at.

Confident learning (Northcutt et al., 2021) with a likelihood in place of its thresholds. A label is seen as drawn from
class probabilities softmax(a log s + b) of the scores s (regression to one-hot classes estimates probabilities; where
one is about 0 or less, its softplus stands in) and then, at a rate that each class has of its own, replaced by any
other class alike. Scale a, offsets b and rates are fitted to the labels as they are (forward correction, Patrini et
al., 2017): the share of wrong labels is an estimate, not a quota. What is flagged maximises the expected F1 (Lipton et
al., 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from toolkit import console
from toolkit.data import crossfit
from toolkit.errors import ToolkitError

MOST = 100_000  # rows that the models learn from; more are judged by these
CELLS = 8_000_000  # rows times classes that the parameters are fitted to
PENALTY = 1.5  # of the ridge regression
SOFT = 0.1  # about where the logarithm of a score goes over into a line
LEAST = 0.3  # no row is flagged whose label is less probably wrong
OFFSET, SPREAD = 0.2, 0.5  # standard deviations of the priors: of b, and of a class's rate about the common one (logit)
COMMON = (-3.5, 2.0)  # prior of the common rate, mean and standard deviation (logit): 3%, from 0.05% to 60%
MODEL_ERROR = 0.8  # standard error of the log-odds that no number of rows takes away: see `estimate`
LEVEL = 1.96  # standard errors on either side, for 95%
BLOCK = 16_384


def find(
    codes: Any,
    *,
    texts: Sequence[str] | None = None,
    vectors: Any = None,
    train: Any = None,
    groups: Any = None,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Which labels are probably wrong.

    Args:
        codes: class number of each row, -1 where there is none.
        texts: one a row. vectors: float array (rows, width), NaN where missing. Either, or both.
        train: bool array, the rows to learn from (all by default); the others are only judged.
        groups: int array; rows of a group never judge each other.

    Returns:
        One entry a row: p_wrong (float64), suggested (the likeliest other class), flagged and scored (bool; not scored
        are rows without a label or of `rare` classes, found in fewer than `folds` groups to learn from). Besides:
        threshold, content (what the models read), and as {"value", "low", "high"} (95%) the share of wrong labels and
        the precision of the flagged (None where nothing is flagged).

    Raises:
        ToolkitError: there is nothing to learn from, or fewer than two classes have enough rows.
    """
    if texts is None and vectors is None:
        raise ToolkitError("label noise has nothing to learn from", "give rows with a text or with features")
    codes = np.asarray(codes, np.int64)
    groups = np.arange(len(codes)) if groups is None else np.asarray(groups)
    train = (codes >= 0) & (True if train is None else train)
    pairs = np.unique(np.stack([codes[train], groups[train]]), axis=1)[0]
    present, counts = np.unique(pairs, return_counts=True)
    usable = present[counts >= folds]
    if len(usable) < 2:
        raise ToolkitError(
            f"label noise needs two classes of {folds} rows or more to learn from", "give more rows, or leave it out"
        )
    scored = np.isin(codes, usable)
    rows = np.flatnonzero(scored)
    own = np.searchsorted(usable, codes[rows])
    fold = crossfit.folds(own, groups[rows], folds, seed)
    scores, content = _scores(rows, own, fold, train[rows], texts, vectors, seed)
    p_wrong, suggested = np.zeros(len(codes)), codes.copy()
    flagged = np.zeros(len(codes), dtype=bool)
    fitted = fit(scores, own, seed)
    p_wrong[rows], best = judge(fitted, scores, own)
    suggested[rows] = usable[best]
    flagged[rows], threshold = choose(p_wrong[rows])
    return {
        "p_wrong": p_wrong,
        "suggested": suggested,
        "flagged": flagged,
        "scored": scored,
        "rare": present[counts < folds],
        "threshold": threshold,
        "content": content,
        "share": estimate(fitted, scores, own, p_wrong[rows]),
        "precision": estimate(fitted, scores[flagged[rows]], own[flagged[rows]], p_wrong[flagged]),
    }


def _scores(
    rows: Any, own: Any, fold: Any, train: Any, texts: Sequence[str] | None, vectors: Any, seed: int
) -> tuple[Any, str]:
    """Logarithms of the scores (rows, classes) by models that did not see the row's fold; and what they read."""
    learners = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(train))[:MOST])
    encoder = crossfit.Encoder(texts, vectors, rows[learners], seed)
    parts, content = encoder.parts(rows[learners]), encoder.names
    targets = np.eye(own.max() + 1, dtype=np.float32)[own[learners]]
    if len(parts) > 1 and not _helps(parts, targets, fold[learners]):
        parts, content = parts[:1], content[:1]
    scores = np.zeros((len(rows), targets.shape[1]), dtype=np.float32)
    others = np.ones(len(rows), dtype=bool)
    others[learners] = False
    for k in console.track(range(fold.max() + 1), "label noise"):
        inside, out = np.flatnonzero(fold[learners] != k), np.flatnonzero(fold[learners] == k)
        model = crossfit.fit([part[inside] for part in parts], targets[inside], PENALTY)
        scores[learners[out]] = crossfit.predict(model, [part[out] for part in parts])
        here = np.flatnonzero(others & (fold == k))
        for start in range(0, len(here), BLOCK):
            block = here[start : start + BLOCK]
            scores[block] = crossfit.predict(model, encoder.parts(rows[block])[: len(parts)])
    return _logarithm(scores), " and ".join(content)


def _logarithm(scores: Any) -> Any:
    """log softplus(s / SOFT), float32: up to a constant log s where s is well above SOFT, about s / SOFT below 0."""
    return np.log(np.logaddexp(np.float32(0), np.maximum(scores / SOFT, -80)))  # less is 0 in float32


def _helps(parts: crossfit.Parts, targets: Any, fold: Any) -> bool:
    """Whether the first fold is told better with all parts than with the first one alone."""
    inside, out = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    errors = []
    for tried in (parts[:1], parts):
        model = crossfit.fit([part[inside] for part in tried], targets[inside], PENALTY)
        errors.append(((crossfit.predict(model, [part[out] for part in tried]) - targets[out]) ** 2).sum())
    return bool(errors[1] < errors[0])


class Fit(NamedTuple):
    """theta: logarithm of a, common rate (logit), b of each class, own rate of each class (logit difference)."""

    theta: Any
    covariance: Any


def fit(scores: Any, labels: Any, seed: int = 0, *, sharpest: float = 3.0) -> Fit:
    """The likeliest parameters for scores (rows, classes) and the classes' numbers, and how sure they are.

    Args:
        sharpest: the most that the logarithm of the scale a may be.
    """
    from scipy.optimize import minimize

    classes = scores.shape[1]
    some = np.sort(np.random.default_rng(seed).permutation(len(labels))[: max(CELLS // classes, 1)])
    scores, labels = scores[some].astype(np.float64), labels[some]
    centre = np.r_[min(0.0, sharpest), COMMON[0], np.zeros(2 * classes)]
    weight = np.r_[0.0, COMMON[1] ** -2, np.full(classes, OFFSET**-2), np.full(classes, SPREAD**-2)]

    def loss(theta: Any) -> tuple[float, Any]:
        value, gradients = _likelihood(theta, scores, labels)
        away = theta - centre
        penalty = (weight * away**2).sum() / 2
        return (penalty - value) / len(labels), (weight * away - gradients.sum(0)) / len(labels)

    bounds = [(-3.0, sharpest), (-12.0, 2.0)] + [(None, None)] * (2 * classes)
    theta = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}).x
    gradients = _likelihood(theta, scores, labels)[1]
    return Fit(theta, np.linalg.pinv(gradients.T @ gradients + np.diag(weight), hermitian=True))


def _posterior(theta: Any, scores: Any, labels: Any) -> tuple[Any, Any, Any, Any]:
    """(class probabilities, those given the label too (both float64, rows x classes), P(label), rates)."""
    classes, each = scores.shape[1], np.arange(len(labels))
    rates = 1 / (1 + np.exp(-(theta[1] + theta[2 + classes :])))
    clean = np.exp(theta[0]) * scores + theta[2 : 2 + classes]
    clean -= clean.max(1, keepdims=True)
    np.exp(clean, out=clean)
    clean /= clean.sum(1, keepdims=True)
    joint = clean * (rates / (classes - 1))
    joint[each, labels] = np.maximum(clean[each, labels] * (1 - rates[labels]), 1e-300)
    evidence = joint.sum(1)
    return clean, joint / evidence[:, None], evidence, rates


def _likelihood(theta: Any, scores: Any, labels: Any) -> tuple[float, Any]:
    """Log-likelihood of the labels, and its gradient from each row (rows, parameters)."""
    clean, given, evidence, rates = _posterior(theta, scores, labels)
    each = np.arange(len(labels))
    by_logit = given - clean
    by_rate = given * (1 - rates)
    by_rate[each, labels] = -given[each, labels] * rates[labels]
    by_scale = np.exp(theta[0]) * (by_logit * scores).sum(1)
    gradients = np.column_stack([by_scale, by_rate.sum(1), by_logit, by_rate])
    return float(np.log(evidence).sum()), gradients


def judge(fitted: Fit, scores: Any, labels: Any) -> tuple[Any, Any]:
    """For each row the probability that its label is wrong (float64), and the likeliest other class."""
    p_wrong, other = np.zeros(len(labels)), np.zeros(len(labels), dtype=np.int64)
    for start in range(0, len(labels), BLOCK):
        here = slice(start, start + BLOCK)
        _, given, _, _ = _posterior(fitted.theta, scores[here].astype(np.float64), labels[here])
        each = np.arange(len(given))
        p_wrong[here] = 1 - given[each, labels[here]]
        given[each, labels[here]] = -1
        other[here] = given.argmax(1)
    return p_wrong, other


def choose(p_wrong: Any) -> tuple[Any, float]:
    """The rows to flag (bool) and the least probability among them, for the greatest expected F1."""
    ordered = np.sort(p_wrong)[::-1]
    hits = np.cumsum(ordered)
    f1 = 2 * hits / (np.arange(1, len(ordered) + 1) + hits[-1])
    threshold = max(float(ordered[f1.argmax()]), LEAST)
    return p_wrong >= threshold, threshold


def estimate(fitted: Fit, scores: Any, labels: Any, p_wrong: Any) -> dict[str, float] | None:
    """The share of these rows whose label is wrong, with its 95% interval; None of no rows.

    Three errors: chance, given the probabilities; the parameters (delta method); and the model itself, taken for one
    error of all log-odds alike, such that about 19 of 20 intervals of a precision hold the truth in simulations
    (scripts/bench/label_noise.py --coverage). A class that is regularly taken for a certain other one looks like a
    property of the rows: there the share of all wrong labels comes out too low.
    """
    if not len(labels):
        return None
    slope = np.zeros(len(fitted.theta))
    for start in range(0, len(labels), BLOCK):
        here = slice(start, start + BLOCK)
        slope += _slopes(fitted.theta, scores[here].astype(np.float64), labels[here])
    slope /= len(labels)
    value, spread = float(p_wrong.mean()), float((p_wrong * (1 - p_wrong)).mean())
    model = MODEL_ERROR * spread
    error = LEVEL * float(np.sqrt(spread / len(labels) + slope @ fitted.covariance @ slope + model**2))
    return {"value": value, "low": max(value - error, 0.0), "high": min(value + error, 1.0)}


def _slopes(theta: Any, scores: Any, labels: Any) -> Any:
    """The gradient of the sum of p_wrong by the parameters."""
    _, given, _, rates = _posterior(theta, scores, labels)
    classes, each = scores.shape[1], np.arange(len(labels))
    right = given[each, labels]
    by_logit = -given / np.maximum(1 - right, 1e-300)[:, None]
    by_logit[each, labels] = 1.0  # of the log-odds that the label is right
    by_rate = by_logit * (1 - rates)
    by_rate[each, labels] = -rates[labels]
    weight = -right * (1 - right)
    out = np.zeros(2 + 2 * classes)
    out[0] = weight @ (np.exp(theta[0]) * (by_logit * scores).sum(1))
    out[1] = weight @ by_rate.sum(1)
    out[2 : 2 + classes] = weight @ by_logit
    out[2 + classes :] = weight @ by_rate
    return out
