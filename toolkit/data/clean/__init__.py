"""The cleaning stages: a stage is a file with `run(rows, config)` and a line in `STAGES`, which run in that order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from toolkit import console
from toolkit.data.clean import contradictions, duplicates, format, low_quality, missing
from toolkit.data.clean.rows import Rows

STAGES: dict[str, Callable[[Rows, Any], None]] = {
    "format": format.run,
    "missing": missing.run,
    "low-quality": low_quality.run,
    "contradictions": contradictions.run,
    "exact-duplicates": duplicates.exact,
    "near-duplicates": duplicates.near,
}


def clean(rows: Rows, config: Any, skip: list[str]) -> list[dict[str, Any]]:
    """Run the stages over `rows` in place; gives what each removed, changed and took."""
    report = []
    for name, stage in STAGES.items():
        if name in skip:
            continue
        started, alive, changed = time.perf_counter(), rows.count(), len(rows.changes)
        rows.stage = name
        stage(rows, config)
        report.append(
            {
                "name": name,
                "removed": alive - rows.count(),
                "changed": len(rows.changes) - changed,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
        console.note(f"{name}: {report[-1]['removed']} removed, {report[-1]['changed']} changed")
    return report
