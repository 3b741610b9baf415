"""Slices: which rows are in each, and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation.statistics import wilson

MIN_ROWS = 5  # a slice with fewer says nothing

# What a row must be: {"column", "value"}, of numbers with "low" and "high" too (both within the slice).
Condition = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """Slices of one search.

    kinds: of each slice what it is: "class", "column", "keyword", "cluster" or "conjunction".
    where: of each its conditions.
    member: sparse (rows, slices), scipy csc of float32 ones.
    """

    kinds: list[str]
    where: list[list[Condition]]
    member: Any

    def __len__(self) -> int:
        return len(self.kinds)

    def rows(self, i: int) -> Any:
        """The numbers of slice i's rows, sorted."""
        return np.sort(self.member.indices[self.member.indptr[i] : self.member.indptr[i + 1]])

    def figures(self, i: int, wrong: Any) -> dict[str, Any]:
        inside = np.zeros(len(wrong), bool)
        inside[self.rows(i)] = True
        column = " and ".join(dict.fromkeys(c["column"] for c in self.where[i]))
        return {
            "kind": self.kinds[i],
            **slice_of(column, " and ".join(c["value"] for c in self.where[i]), wrong, inside),
            "where": self.where[i],
        }


def of_codes(kind: str, conditions: Sequence[Condition], codes: Any) -> Family:
    """Slices of rows that have one value each; `codes`: number of the condition, -1 for none."""
    from scipy.sparse import csc_array

    rows = np.flatnonzero(codes >= 0)
    member = csc_array(
        (np.ones(len(rows), np.float32), (rows, np.asarray(codes)[rows])), shape=(len(codes), len(conditions))
    )
    return of_matrix(kind, [[condition] for condition in conditions], member)


def of_matrix(kind: str, where: list[list[Condition]], member: Any) -> Family:
    """The slices that have rows enough, and not all rows."""
    counts = np.diff(member.indptr)
    some = np.flatnonzero((counts >= MIN_ROWS) & (counts < member.shape[0]))
    return Family([kind] * len(some), [where[i] for i in some], member[:, some])


def together(families: Sequence[Family]) -> Family:
    """All slices of several families."""
    from scipy.sparse import hstack

    return Family(
        [kind for family in families for kind in family.kinds],
        [where for family in families for where in family.where],
        hstack([family.member for family in families], format="csc"),
    )


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
