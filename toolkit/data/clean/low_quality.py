"""Texts too short to carry their label."""

from __future__ import annotations

from typing import Any

from toolkit.data.clean.rows import Rows
from toolkit.data.text import is_cjk


def run(rows: Rows, config: Any) -> None:
    for i in rows.living():
        text = rows.texts[i] or ""
        least = config.min_length_cjk if is_cjk(text) else config.min_length
        if len(text) < least:
            rows.reject(i, "too short", f"{len(text)} characters, at least {least}")
