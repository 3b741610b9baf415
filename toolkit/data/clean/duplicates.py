"""Exact duplicates (of the folded text) and near-duplicates, under the same label."""

from __future__ import annotations

from typing import Any

from toolkit.data import near as near_duplicates
from toolkit.data.clean.rows import Rows
from toolkit.data.text import fold


def same_text(rows: Rows) -> list[list[int]]:
    """Groups of two or more living rows whose folded texts agree; a text of signs alone is compared as it is."""
    groups: dict[str, list[int]] = {}
    for i in rows.living():
        text = rows.texts[i] or ""
        groups.setdefault(fold(text) or text, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def exact(rows: Rows, config: Any) -> None:
    for group in same_text(rows):
        kept: dict[str | None, int] = {}
        for i in rows.best_first(group):
            first = kept.setdefault(rows.labels[i], i)
            if first != i:
                rows.reject(i, "same text", f"of {rows.ids[first]} in {rows.splits[first]}")


def near(rows: Rows, config: Any) -> None:
    """Row by row, the best first: a row goes when a kept one of its label is near, so no near pair remains."""
    living = rows.living()
    pairs, _ = near_duplicates.pairs([rows.texts[i] or "" for i in living])
    neighbours: dict[int, list[int]] = {}
    for a, b in pairs:
        i, j = living[a], living[b]
        if rows.labels[i] == rows.labels[j]:
            neighbours.setdefault(i, []).append(j)
            neighbours.setdefault(j, []).append(i)
    kept: set[int] = set()
    for i in rows.best_first(neighbours):
        original = next((j for j in neighbours[i] if j in kept), None)
        if original is not None:
            rows.reject(i, "near-duplicate", f"of {rows.ids[original]} in {rows.splits[original]}")
        if rows.alive[i]:
            kept.add(i)
