"""Whether a confidence of 0.8 is right 8 times of 10, and the temperature that makes it so."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation import metrics, statistics

BINS = 10  # of equal width
LEAST = 1e-300  # a probability that was rounded to zero has a logarithm all the same
TEMPERATURES = (0.05, 20.0)  # beyond these nothing is calibrated, but a constant told


def error(confidence: Any, right: Any, seed: int) -> dict[str, dict[str, float | None]]:
    """Expected calibration error (Naeini et al., 2015): the mean gap between confidence and share right over the bins.

    Gaps are never negative, so chance adds to them: a calibrated model has some in any sample. `ece_debiased` is less
    by what chance adds to gaps as large as those found (Kumar et al., 2019; here in closed form, a normal distribution
    folded at zero). The interval is from gaps drawn anew: its upper end around all gaps that were found, its lower end
    around those alone that chance does not explain.

    Args:
        confidence: (decisions,) of what is predicted; right: whether it is, boolean (decisions,).
    """
    from scipy.special import ndtr

    rows, place = len(confidence), metrics.bin_of(confidence, BINS)
    off = confidence - right
    gaps, spread = (np.bincount(place, weights=v, minlength=BINS) / rows for v in (off, np.square(off) / rows))
    spread = np.sqrt(spread)
    value = float(np.abs(gaps).sum())
    sure = np.where(np.abs(gaps) > statistics.Z * spread, gaps, 0.0)
    noise = np.random.default_rng(seed).normal(size=(statistics.RESAMPLES, BINS)) * spread
    tail = (1 - statistics.LEVEL) / 2
    high, low = (
        np.abs(around).sum() - np.quantile(np.abs(around + noise).sum(1), q)
        for around, q in ((gaps, tail), (sure, 1 - tail))
    )
    z = np.abs(gaps) / np.maximum(spread, 1e-300)
    folded = spread * np.sqrt(2 / np.pi) * np.exp(-z * z / 2) - 2 * np.abs(gaps) * ndtr(-z)
    less = max(0.0, value - float(folded.sum()))
    return {
        name: statistics.bounded(v, max(0.0, value + low), min(1.0, max(0.0, value + high)))
        for name, v in (("ece", value), ("ece_debiased", less))
    }


def curve(confidence: Any, right: Any) -> list[dict[str, float]]:
    """Of each bin that has any: mean confidence, share that is right, decisions."""
    parts = metrics.reliability(confidence, right, BINS)
    return [{"confidence": c, "right": r, "rows": n} for c, r, n in zip(*parts, strict=True)]


def temperature(labels: Any, probabilities: Any) -> dict[str, float | None]:
    """The temperature with the least log loss on rows that are not those evaluated (Guo et al., 2017), as a figure.

    Probabilities are enough, since a softmax forgets what is added to all logits.

    Args:
        labels: class numbers (rows,), or boolean (rows, classes): then of each decision's logit.
    """
    from scipy.optimize import minimize_scalar

    logits = _logits(probabilities, labels.ndim > 1)

    def loss(log_temperature: float) -> float:
        return float(_losses(labels, logits / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-5})
    value = float(np.exp(found.x))
    score, curvature = _derivatives(labels, logits, value)
    influence = -score / max(curvature.sum(), 1e-300) * value**2  # of the inverse, then of the temperature
    return statistics.from_influence(value, influence, "positive", rows=len(labels))


def scaled(probabilities: Any, temperature: float, several: bool) -> Any:
    """The probabilities of logits that are divided by the temperature."""
    logits = _logits(probabilities, several) / temperature
    return metrics.sigmoid(logits) if several else metrics.softmax(logits)


def _logits(probabilities: Any, several: bool) -> Any:
    logs = np.log(np.maximum(probabilities, LEAST))
    return logs - np.log(np.maximum(1 - probabilities, LEAST)) if several else logs


def _losses(labels: Any, logits: Any) -> Any:
    """Log loss of each row (of several classes: of each decision), from logits."""
    if labels.ndim > 1:
        return np.logaddexp(0, np.where(labels, -logits, logits))
    top = logits.max(1)
    return top + np.log(np.exp(logits - top[:, None]).sum(1)) - logits[np.arange(len(labels)), labels]


def _derivatives(labels: Any, logits: Any, temperature: float) -> tuple[Any, Any]:
    """By the inverse of the temperature: first and second derivative of each row's loss."""
    if labels.ndim > 1:
        chance = metrics.sigmoid(logits / temperature)
        return ((chance - labels) * logits).sum(1), (chance * (1 - chance) * np.square(logits)).sum(1)
    chance = metrics.softmax(logits / temperature)
    expected = (chance * logits).sum(1)
    return expected - logits[np.arange(len(labels)), labels], (chance * np.square(logits)).sum(1) - np.square(expected)
