"""One text under several labels: the majority decides, and where there is none, all its rows go."""

from __future__ import annotations

from collections import Counter
from typing import Any

from toolkit.data.clean.duplicates import same_text
from toolkit.data.clean.rows import Rows


def run(rows: Rows, config: Any) -> None:
    for group in same_text(rows):
        votes = Counter(rows.labels[i] for i in group).most_common()
        if len(votes) < 2:
            continue
        tied = votes[0][1] == votes[1][1]
        # a protected row stays whatever its label, so no row of train may share its text under the other one
        undecided = tied or config.contradictions == "drop" or any(rows.protected[i] for i in group)
        majority = None if undecided else votes[0][0]
        detail = ", ".join(f"{label} {count}" for label, count in sorted(votes, key=lambda v: str(v[0])))
        for i in group:
            if rows.labels[i] != majority:
                rows.reject(i, "contradictory label", detail)
