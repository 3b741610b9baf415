"""Exact duplicates (of the folded text) and near-duplicates, under the same label; of protected rows under any."""

from __future__ import annotations

from typing import Any

from toolkit.data import near as near_duplicates
from toolkit.data.clean.rows import Rows
from toolkit.data.text import fold

PROTECTED = "\0"  # stands for any label


def same_text(rows: Rows) -> list[list[int]]:
    """Groups of two or more living rows whose folded texts agree."""
    groups: dict[str, list[int]] = {}
    for i in rows.living():
        groups.setdefault(fold(rows.texts[i] or ""), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def exact(rows: Rows, config: Any) -> None:
    for group in same_text(rows):
        kept: dict[str | None, int] = {}
        for i in rows.best_first(group):
            first = kept.setdefault(rows.labels[i], i)
            if first != i:
                rows.reject(i, "same text", f"of {rows.ids[first]} in {rows.splits[first]}")


def near(rows: Rows, config: Any) -> None:
    """Row by row, the best first: a row goes when a kept one is near that has its label or is protected."""
    folded = {i: fold(rows.texts[i] or "") for i in rows.living()}
    texts = list(dict.fromkeys(folded.values()))
    neighbours: dict[str, list[str]] = {text: [text] for text in texts}
    for a, b in near_duplicates.pairs(texts)[0]:
        neighbours[texts[a]].append(texts[b])
        neighbours[texts[b]].append(texts[a])
    kept: dict[tuple[str, str | None], int] = {}  # (folded text, label or PROTECTED) -> the row that stays
    for i in rows.best_first(folded):
        near_by = [(text, label) for text in neighbours[folded[i]] for label in (rows.labels[i], PROTECTED)]
        original = next((kept[key] for key in near_by if key in kept), None)
        told = rows.protected[i] and original is not None and folded[original] == folded[i]  # as an exact duplicate
        if original is not None and not told:
            rows.reject(i, "near-duplicate", f"of {rows.ids[original]} in {rows.splits[original]}")
        if rows.alive[i]:
            kept.setdefault((folded[i], PROTECTED if rows.protected[i] else rows.labels[i]), i)
