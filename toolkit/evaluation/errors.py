"""Where the errors of a set of predictions gather."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from toolkit.evaluation.statistics import wilson

HIGH, LOW = 0.9, 0.5
MIN_ROWS = 5  # a slice with fewer says nothing
ALPHA = 0.05
MOST_VALUES = 50  # a column with more values is no way to divide the rows


def slice_of(column: str, value: str, wrong: Any, member: Any) -> dict[str, Any]:
    """One slice's figures; `wrong` and `member` are boolean arrays over all rows."""
    rows, errors = int(member.sum()), int((wrong & member).sum())
    low, high = wilson(errors, rows)
    overall = wrong.mean()
    rate = errors / rows if rows else None
    return {
        "column": column,
        "value": value,
        "rows": rows,
        "errors": errors,
        "error_rate": {"value": rate, "low": low, "high": high},
        "lift": float(rate / overall) if rate is not None and overall else None,
    }


def by_confidence(wrong: Any, confidence: Any) -> list[dict[str, Any]]:
    """High (above 0.9: the model is sure), middle, low (below 0.5)."""
    strata = {
        f"high (> {HIGH})": confidence > HIGH,
        f"middle ({LOW} to {HIGH})": (confidence >= LOW) & (confidence <= HIGH),
        f"low (< {LOW})": confidence < LOW,
    }
    return [slice_of("confidence", name, wrong, member) for name, member in strata.items()]


def by_column(wrong: Any, column: str, values: Any) -> list[dict[str, Any]]:
    """A slice a value, the highest error rate first; a column with too many values gives none."""
    texts = ["(missing)" if _missing(value) else str(value) for value in values]
    names = sorted(set(texts))
    if not 2 <= len(names) <= MOST_VALUES:
        return []
    index = {name: i for i, name in enumerate(names)}
    codes = np.array([index[text] for text in texts])
    slices = [slice_of(column, name, wrong, codes == i) for i, name in enumerate(names)]
    return sorted(slices, key=lambda s: -s["error_rate"]["value"])


def _missing(value: Any) -> bool:
    import pandas as pd

    return pd.isna(value) is True  # of a list it gives an array


def keywords(wrong: Any, word_sets: list[set[str]], most: int = 30) -> list[dict[str, Any]]:
    """Words whose texts are wrong more often than others.

    One-sided Fisher tests, corrected for their number by Benjamini & Hochberg (1995).
    """
    from scipy.stats import hypergeom

    rows, errors = len(wrong), int(wrong.sum())
    total = Counter(word for words in word_sets for word in words)
    failed = Counter(word for words, bad in zip(word_sets, wrong, strict=True) if bad for word in words)
    candidates = [word for word, n in total.items() if MIN_ROWS <= n < rows]
    if not candidates or not errors:
        return []
    n = np.array([total[w] for w in candidates])
    k = np.array([failed[w] for w in candidates])
    p = hypergeom.sf(k - 1, rows, errors, n)
    order = np.argsort(p)
    q = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    found = []
    for rank, i in enumerate(order):
        if q[rank] > ALPHA:
            break
        member = np.array([candidates[i] in words for words in word_sets])
        found.append(slice_of("keyword", candidates[i], wrong, member) | {"q": float(q[rank])})
    return sorted(found, key=lambda s: (-(s["lift"] or 0), s["value"]))[:most]


def confused_pairs(labels: Any, predicted: Any, most: int = 20) -> list[dict[str, Any]]:
    """Pairs (true, predicted) that differ, the most frequent first."""
    support = Counter(labels)
    pairs = Counter((t, p) for t, p in zip(labels, predicted, strict=True) if t != p)
    return [
        {"label": t, "predicted": p, "errors": n, "share_of_label": n / support[t]}
        for (t, p), n in sorted(pairs.items(), key=lambda kv: (-kv[1], kv[0]))[:most]
    ]
