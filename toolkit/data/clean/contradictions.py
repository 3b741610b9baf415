"""One content under several labels: the majority decides, and where there is none, all its rows go.

The same is asked of contents that are near, and with a model of those that mean the same; there a difference of one
word may well be the difference of the labels ("my card" and "my card PIN"), so that these are flagged unless told
otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import content, near
from toolkit.data.clean.rows import Rows

_BLOCK = 1024  # rows whose similarities to all others are held at once


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    options = config.duplicates
    found = {"same": sum(_resolve(rows, g, options.contradictions, "") for g in _same(rows))}
    if options.near_contradictions != "off":
        search = rows.near(options.near)
        pairs = search.pairs() if options.near_contradictions == "flag" else search.links()
        found["near"] = _kindred(rows, _rows_of(rows, search.number, pairs), options.near_contradictions, "near ")
    if "embed" in given and options.near_contradictions != "off" and rows.kind in ("text", "image"):
        pairs = _same_meaning(rows, given["embed"], options.same_meaning)
        found["same_meaning"] = _kindred(rows, pairs, options.near_contradictions, "same meaning, ")
    return found


def _same(rows: Rows) -> list[Any]:
    groups: list[Any] = content.groups(rows.keys(), rows.living())
    return groups


def _resolve(rows: Rows, group: Sequence[int], policy: str, kind: str) -> bool:
    """Reject or flag a group of rows that should have one label; whether it has several."""
    labels = rows.labels(group)
    votes = Counter(labels.values()).most_common()
    if len(votes) < 2:
        return False
    detail = ", ".join(f"{label} {count}" for label, count in sorted(votes, key=lambda v: str(v[0])))
    tied = votes[0][1] == votes[1][1]
    # a protected row stays whatever its label, so no row of train may share its text under the other one
    undecided = tied or policy == "drop" or any(rows.protected[row] for row in group)
    majority = None if undecided else votes[0][0]
    for row in group:
        if policy == "flag":
            for other in sorted({str(label) for label in labels.values()} - {str(labels[row])}):
                rows.flag(row, f"contradiction: {kind}{rows.kind} labelled {other}")
        elif labels[row] != majority:
            rows.reject(row, f"{kind}contradictory label", detail)
    return True


def _kindred(rows: Rows, pairs: list[tuple[int, int]], policy: str, kind: str) -> int:
    """Resolve pairs of kindred rows under different labels; how many pairs there were.

    Flags stand for single pairs; votes are counted in whole clusters.
    """
    labels = rows.labels({row for pair in pairs for row in pair})
    differing = [(a, b) for a, b in pairs if labels[a] != labels[b]]
    if policy == "flag":
        for pair in differing:
            _resolve(rows, pair, policy, kind)
        return len(differing)
    members: dict[int, list[int]] = {}
    numbers = sorted(labels)
    place = {row: k for k, row in enumerate(numbers)}
    for row, cluster in zip(
        numbers, near.clusters(len(numbers), [(place[a], place[b]) for a, b in pairs]), strict=True
    ):
        members.setdefault(cluster, []).append(row)
    for group in members.values():
        _resolve(rows, group, policy, kind)
    return len(differing)


def _rows_of(rows: Rows, number: Any, pairs: Any) -> list[tuple[int, int]]:
    """Pairs of contents as pairs of living rows: every row of the one with every row of the other.

    Pairs whose rows have one label, all of them, are left out where no cluster with others hangs on them.
    """
    living = rows.living()
    several = _several_labels(rows, number, living, pairs)
    pairs = pairs[several]
    living = living[np.isin(number[living], pairs)]
    members: dict[int, list[int]] = {}
    for row, content_number in zip(living.tolist(), number[living].tolist(), strict=True):
        members.setdefault(content_number, []).append(row)
    return [(a, b) for g, h in pairs.tolist() for a in members.get(g, ()) for b in members.get(h, ())]


def _several_labels(rows: Rows, number: Any, living: Any, pairs: Any) -> Any:
    """Which pairs hang together with contents of other labels."""
    codes, count = rows.label_codes()[living], int(number.max(initial=-1)) + 1
    cluster = np.array(near.clusters(count, pairs), np.int64)
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    placed = number[living] >= 0
    where = cluster[number[living[placed]]]
    np.minimum.at(low, where, codes[placed])
    np.maximum.at(high, where, codes[placed])
    return low[cluster[pairs[:, 0]]] < high[cluster[pairs[:, 0]]]


def _same_meaning(rows: Rows, embed: Any, least: float) -> list[tuple[int, int]]:
    """Pairs of living rows whose embeddings have a cosine of `least` or more, and different contents."""
    numbers = rows.living()
    column = content.texts(rows.table) if rows.kind == "text" else rows.table.column(rows.kind)
    vectors = np.asarray(embed(column.take(numbers).to_pylist()), np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    keys = rows.keys()[numbers]
    found: list[tuple[int, int]] = []
    for start in console.track(range(0, len(numbers), _BLOCK), "meanings"):
        alike = vectors[start : start + _BLOCK] @ vectors[start:].T >= least
        left, right = np.nonzero(np.triu(alike, 1))
        other = (keys[start + left] != keys[start + right]).any(1)
        found += zip(numbers[start + left[other]].tolist(), numbers[start + right[other]].tolist(), strict=True)
    return found
