"""Rows without text or label."""

from __future__ import annotations

from typing import Any

from toolkit.data.clean.rows import Rows


def run(rows: Rows, config: Any) -> None:
    for i in rows.living():
        absent = [
            name for name, values in (("text", rows.texts), ("label", rows.labels)) if not (values[i] or "").strip()
        ]
        if absent:
            rows.reject(i, "missing value", " and ".join(absent), unusable=True)
