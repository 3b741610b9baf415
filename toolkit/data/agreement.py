"""Agreement between raters: Cohen's, Fleiss' and Krippendorff's figures, per rater and per class, with intervals.

Intervals: percentile bootstrap over items (Efron, 1979), seeded; items of equal counts are one cell of a multinomial
draw, so a thousand resamples of a large table cost little. What is undefined is None with a reason, never NaN.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.votes import Votes

RESAMPLES, LEVEL = 1000, 0.95
MOST_LISTED = 1000  # pairs of raters, and raters, that are reported one by one: those with most items
_CELLS_AT_ONCE = 4_000_000
_VOTES_AT_ONCE = 65_536
_ONE_CLASS = "all votes are of one class"
_NO_PAIR = "no item has two votes"


def report(votes: Votes, seed: int = 0) -> dict[str, Any]:
    """All figures: how many, `overall`, `cohen_kappa` (a list of pairs), `per_rater`, `per_class`."""
    known = bool(votes.raters)
    return {
        "items": int((votes.counts.sum(1) > 0).sum()),
        "votes": int(votes.counts.sum()),
        "raters": len(votes.raters) if known else None,
        "classes": len(votes.classes),
        "contradicted_votes": votes.contradicted,
        **overall(votes, seed),
        "cohen_kappa": pairs(votes, seed) if known else None,
        "per_rater": per_rater(votes, seed) if known else None,
    }


def overall(votes: Votes, seed: int = 0) -> dict[str, Any]:
    """`agreement`, `fleiss_kappa`, `krippendorff_alpha` and `per_class` of items with two votes or more.

    agreement: share of pairs of votes on an item that agree, mean over items. Fleiss' kappa (1971); where the numbers
    of votes differ, its generalisation (Gwet, Handbook of Inter-Rater Reliability, 2014), in which each item weighs the
    same, and then `fleiss_kappa_equal` is the plain one on the items with the commonest number. Krippendorff's alpha
    (2011), nominal, of which each vote weighs the same. Per class: specific agreement (Spitzer and Fleiss, 1974), that
    is the chance that a second vote gives the class which a first one gave; and Fleiss' kappa of the class against
    the rest.
    """
    size = votes.counts.sum(1)
    several = int((size > 1).sum())
    if not several:
        nothing = estimate(None, None, _NO_PAIR)
        classes = {name: {"agreement": nothing, "kappa": nothing} for name in votes.classes}
        figures: dict[str, Any] = dict.fromkeys(("agreement", "fleiss_kappa", "krippendorff_alpha"), nothing)
    else:
        counts, many = _unique_rows(votes.counts[size > 0])
        sums = _resampled(_terms(counts), many, np.random.default_rng(seed))
        found = _figures(sums, counts.shape[1])

        def told(values: Any, reason: str = _ONE_CLASS) -> dict[str, Any]:
            return estimate(values[0], values[1:] if several > 1 else None, reason)

        figures = {name: told(found[name]) for name in ("agreement", "fleiss_kappa", "krippendorff_alpha")}
        classes = {
            name: {
                "agreement": told(found["specific"][:, i], "no item of two votes has one of it"),
                "kappa": told(found["class_kappa"][:, i], "no vote or all votes are of it"),
            }
            for i, name in enumerate(votes.classes)
        }
    totals = votes.counts.sum(0)
    figures["per_class"] = {name: {"votes": int(totals[i]), **classes[name]} for i, name in enumerate(votes.classes)}
    equal = len(np.unique(size[size > 0])) < 2
    figures["fleiss_kappa"] = figures["fleiss_kappa"] | {"form": "Fleiss (1971)" if equal else "Gwet (2014)"}
    if several and not equal:
        commonest = int(np.bincount(size)[2:].argmax()) + 2
        alike = Votes(votes.classes, votes.counts[size == commonest])
        plain = {"votes_per_item": commonest, "items": len(alike.counts)} | overall(alike, seed)["fleiss_kappa"]
        figures["fleiss_kappa_equal"] = plain
    return figures


def _unique_rows(counts: Any) -> tuple[Any, Any]:
    """The distinct rows and how often each occurs, told apart by a random 64-bit sum (sorting rows is far slower)."""
    mix = np.random.default_rng(0).integers(1, 2**63, counts.shape[1], dtype=np.uint64)
    _, first, many = np.unique(counts.astype(np.uint64) @ mix, return_index=True, return_counts=True)
    return counts[first], many


def _terms(counts: Any) -> Any:
    """What the figures are sums of, a row an item: five single columns, then five of a column a class; sparse."""
    from scipy.sparse import csr_matrix, hstack

    size = counts.sum(1)
    judged = size > 1
    row, column = np.nonzero(counts)  # few: an item has votes of few classes
    votes = counts[row, column].astype(np.float64)
    of = size[row]
    both = np.maximum(of * (of - 1), 1)
    alike = np.bincount(row, votes * (votes - 1) / both, minlength=len(counts))
    single = np.stack([np.ones(len(counts)), judged, alike, alike * size, np.where(judged, size, 0)], axis=1)
    of_classes = [
        votes / of,
        2 * votes * (of - votes) / both,
        np.where(judged[row], votes, 0.0),
        votes * (votes - 1),
        votes * (of - 1),
    ]
    return hstack([csr_matrix(single), *(csr_matrix((v, (row, column)), shape=counts.shape) for v in of_classes)])


def _figures(sums: Any, classes: int) -> dict[str, Any]:
    """Each figure for each row of sums; nan where it is undefined."""
    items, judged, same, coincident, total = sums[:, :5].T
    share, divided, paired, same_class, pairs_class = np.split(sums[:, 5:], 5, axis=1)
    share = share / items[:, None]
    chance = (share**2).sum(1)
    chance_class = share**2 + (1 - share) ** 2
    expected = total**2 - (paired**2).sum(1)
    agreement = _over(same, judged)
    return {
        "agreement": agreement,
        "fleiss_kappa": _over(agreement - chance, 1 - chance),
        "krippendorff_alpha": 1 - _over((total - coincident) * (total - 1), expected),
        "specific": _over(same_class, pairs_class),
        "class_kappa": _over(1 - _over(divided, judged[:, None]) - chance_class, 1 - chance_class),
    }


def _over(above: Any, below: Any) -> Any:
    """A quotient, nan where the divisor is 0 but for rounding."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.abs(below) > 1e-12, above / below, np.nan)


def _resampled(terms: Any, many: Any, rng: Any) -> Any:
    """Sums of the columns of the sparse `terms`, each row `many` times; first as it is, then of each resample."""
    flat = terms.T.tocsr()
    step = max(1, _CELLS_AT_ONCE // min(int(many.sum()), 8 * len(many)))
    sums = [(flat @ many)[None]]
    for start in range(0, RESAMPLES, step):
        sums.append((flat @ _drawn(many, min(step, RESAMPLES - start), rng).T).T)
    return np.concatenate(sums)


def _drawn(many: Any, times: int, rng: Any) -> Any:
    """How often each row stands in each resample (times, rows), by the quicker of two ways of the same distribution."""
    total = int(many.sum())
    if total > 8 * len(many):
        return rng.multinomial(total, many / total, size=times)
    rows = np.repeat(np.arange(len(many)), many)[rng.integers(total, size=(times, total))]
    rows += np.arange(times)[:, None] * len(many)
    return np.bincount(rows.ravel(), minlength=times * len(many)).reshape(times, len(many))


def estimate(value: Any, drawn: Any, reason: str = "") -> dict[str, Any]:
    """`{"value", "low", "high"}`, the value never outside; None and the reason where it is undefined.

    Without `drawn` (one item alone) there is no interval.
    """
    if value is None or not np.isfinite(value):
        return {"value": None, "low": None, "high": None, "reason": reason}
    sound = drawn[np.isfinite(drawn)] if drawn is not None else []
    if not len(sound):
        return {"value": float(value), "low": None, "high": None}
    low, high = np.quantile(sound, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}


def pairs(votes: Votes, seed: int = 0) -> list[dict[str, Any]]:
    """Cohen's kappa (1960) of each pair of raters on the items that both rated: raters, items, value, low, high."""
    raters, classes = len(votes.raters), len(votes.classes)
    keys = []
    for gap in range(1, len(votes.item)):  # votes stand by item and rater: a pair is two votes `gap` apart
        both = np.flatnonzero(votes.item[gap:] == votes.item[:-gap])
        if not len(both):
            break
        pair = votes.rater[both] * raters + votes.rater[both + gap]
        key = (pair * classes + votes.label[both]) * classes + votes.label[both + gap]
        keys.append(np.unique(key, return_counts=True))
    cells = _cells(keys, classes)
    if raters * (raters - 1) // 2 <= MOST_LISTED:
        listed = [a * raters + b for a in range(raters) for b in range(a + 1, raters)]
    else:
        listed = sorted(sorted(cells, key=lambda pair: -cells[pair][2].sum())[:MOST_LISTED])
    rng, out = np.random.default_rng(seed), []
    for pair in console.track(listed, "pairs of raters"):
        found = cells.get(pair)
        figures = cohen(*found, rng=rng) if found else estimate(None, None, "no item in common")
        items = int(found[2].sum()) if found else 0
        out.append({"raters": [votes.raters[pair // raters], votes.raters[pair % raters]], "items": items} | figures)
    return out


def _cells(keys: list[tuple[Any, Any]], classes: int) -> dict[int, Any]:
    """Counted keys (who, class, class) as who -> (first classes, second classes, counts)."""
    if not keys:
        return {}
    key, inverse = np.unique(np.concatenate([k for k, _ in keys]), return_inverse=True)
    many = np.bincount(inverse, weights=np.concatenate([n for _, n in keys])).astype(np.int64)
    who = key // classes**2
    edges = np.flatnonzero(np.concatenate([[True], who[1:] != who[:-1], [True]]))
    first, second = key // classes % classes, key % classes
    return {int(who[a]): (first[a:b], second[a:b], many[a:b]) for a, b in pairwise(edges)}


def cohen(first: Any, second: Any, many: Any, *, rng: Any) -> dict[str, Any]:
    """Cohen's kappa of the cells (first class, second class) of a table that occur `many` times each."""
    from scipy.sparse import csr_matrix

    used, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    row = np.arange(len(first))
    column = np.concatenate([np.zeros(len(row), np.int64), 1 + codes[: len(row)], 1 + len(used) + codes[len(row) :]])
    ones = np.concatenate([first == second, np.ones(2 * len(row))])
    terms = csr_matrix((ones, (np.tile(row, 3), column)), shape=(len(row), 1 + 2 * len(used)))
    sums = _resampled(terms, many, rng)
    total = many.sum()
    chance = (sums[:, 1 : 1 + len(used)] * sums[:, 1 + len(used) :]).sum(1) / total**2
    values = _over(sums[:, 0] / total - chance, 1 - chance)
    return estimate(values[0], values[1:] if total > 1 else None, _ONE_CLASS)


def per_rater(votes: Votes, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Of each rater: items rated, and against the majority of the others' votes (items, agreement, Cohen's kappa).

    Items on which the others are tied or silent are left out. The interval of the agreement is Wilson's (1927), which
    is right near 1 too.
    """
    raters, classes = len(votes.raters), len(votes.classes)
    others = _others(votes)
    told = others >= 0
    keys = (votes.rater[told] * classes + votes.label[told]) * classes + others[told]
    cells = _cells([np.unique(keys, return_counts=True)], classes) if len(keys) else {}
    items = np.bincount(votes.rater, minlength=raters)
    rng, out, nothing = np.random.default_rng(seed), {}, (np.zeros(0, np.int64),) * 3
    for rater in console.track(sorted(np.argsort(-items, kind="stable")[:MOST_LISTED].tolist()), "raters"):
        first, second, many = cells.get(rater, nothing)
        compared, hits = int(many.sum()), int(many[first == second].sum())
        alone = estimate(None, None, "no item on which the others have a majority")
        out[votes.raters[rater]] = {
            "items": int(items[rater]),
            "compared": compared,
            "agreement": share(hits, compared) if compared else alone,
            "kappa": cohen(first, second, many, rng=rng) if compared else alone,
        }
    return out


def _others(votes: Votes) -> Any:
    """The class that most of the other votes on its item have, for each vote; -1 where they are tied or none."""
    out = np.full(len(votes.item), -1)
    for start in range(0, len(votes.item), _VOTES_AT_ONCE):
        part = slice(start, start + _VOTES_AT_ONCE)
        counts = votes.counts[votes.item[part]]
        counts[np.arange(len(counts)), votes.label[part]] -= 1
        top = counts.max(1)
        clear = (top > 0) & ((counts == top[:, None]).sum(1) == 1)
        out[part] = np.where(clear, counts.argmax(1), -1)
    return out


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with Wilson's interval (1927)."""
    from scipy.stats import binomtest

    if not of:
        return estimate(None, None, "there are none")
    low, high = binomtest(hits, of).proportion_ci(LEVEL, method="wilson")
    return {"value": hits / of, "low": min(float(low), hits / of), "high": max(float(high), hits / of)}
