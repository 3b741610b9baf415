"""Exact duplicates (of the normalised content) and near-duplicates, under one label; of protected rows under any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.data import content
from toolkit.data.clean.rows import Rows


def exact(rows: Rows, config: Any, given: Mapping[str, Any]) -> None:
    groups = content.groups(rows.keys(), rows.living())
    of = {int(row): number for number, group in enumerate(groups) for row in group}
    labels = rows.labels(of)
    kept: dict[tuple[int, str | None], int] = {}  # (content, label) -> the row that stays
    fixed: dict[int, int] = {}  # content -> a protected row: none of train beside it, whatever its label
    for row in rows.best_first(of):
        first = kept.setdefault((of[row], labels[row]), row)
        if rows.protected[row]:
            fixed.setdefault(of[row], row)
        elif first == row:
            first = fixed.get(of[row], row)
        if first != row:
            rows.reject(row, f"same {rows.kind}", f"of {rows.id(first)} in {rows.split(first)}")


def near(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Row by row, the best first: a row goes when one that stays is near and has its label, or is protected."""
    search = rows.near(config.duplicates.near)
    for row, original in search.leaving():
        rows.reject(row, "near-duplicate", f"of {rows.id(original)} in {rows.split(original)}")
        rows.twins.append((row, original))
    method = {"method": config.duplicates.near} if rows.kind == "text" else {}
    return method | {"candidates_checked": search.checked}
