"""The rows under cleaning: what is alive, what was changed, what was rejected and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import label_texts

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

PREFERENCE = {"test": 0, "validation": 1}  # of two duplicates in different splits, the one here stays


@dataclass
class Rows:
    """All splits in one list of rows. `protected` rows (a source's own test) are rejected for missing values alone."""

    tables: dict[str, pa.Table]
    ids: list[str]
    texts: list[str | None]
    labels: list[str | None]
    splits: list[str]
    filled: Any  # values present in each row
    alive: Any
    protected: Any
    stage: str = ""
    changes: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[int, str, str, str]] = field(default_factory=list)
    spared: dict[str, int] = field(default_factory=dict)

    def count(self) -> int:
        return int(self.alive.sum())

    def living(self) -> list[int]:
        """Row numbers that are still in, in order."""
        out: list[int] = np.flatnonzero(self.alive).tolist()
        return out

    def reject(self, row: int, reason: str, detail: str, *, unusable: bool = False) -> None:
        """Take a row out; a protected one stays unless it is `unusable`."""
        if self.protected[row] and not unusable:
            self.spared[self.stage] = self.spared.get(self.stage, 0) + 1
            return
        self.alive[row] = False
        self.rejects.append((row, self.stage, reason, detail))

    def change(self, row: int, after: str) -> None:
        """Give a row another text."""
        before, self.texts[row] = self.texts[row], after
        entry = {"id": self.ids[row], "split": self.splits[row], "stage": self.stage, "column": "text"}
        self.changes.append(entry | {"before": before, "after": after})

    def best_first(self, rows: Iterable[int]) -> list[int]:
        """Duplicates in the order in which they deserve to stay; the order of the source plays no part."""

        def rank(i: int) -> tuple[Any, ...]:
            text = self.texts[i] or ""
            return PREFERENCE.get(self.splits[i], 2), -self.filled[i], -len(text), text, self.ids[i]

        return sorted(rows, key=rank)


def from_dataset(data: DatasetDict) -> Rows:
    """The rows of every split, one after another."""
    tables: dict[str, pa.Table] = {split: rows.with_format("arrow")[:] for split, rows in data.items()}
    splits = [split for split, table in tables.items() for _ in range(table.num_rows)]

    def column(name: str) -> list[Any]:
        return [value for table in tables.values() for value in table.column(name).to_pylist()]

    filled = np.concatenate([_filled(table) for table in tables.values()])
    protected = np.array([split == "test" for split in splits]) & (len(tables) > 1)
    alive = np.ones(len(splits), dtype=bool)
    labels = [label for split_rows in data.values() for label in label_texts(split_rows)]
    return Rows(tables, column("id"), column("text"), labels, splits, filled, alive, protected)


def _filled(table: pa.Table) -> Any:
    return np.sum([table.column(name).is_valid().to_numpy() for name in table.column_names], axis=0)


def survivors(rows: Rows) -> tuple[dict[str, pa.Table], pa.Table, pa.Table]:
    """The cleaned splits, the rejected rows (as they came, with stage, reason, detail), and the changed cells."""
    import pyarrow as pa

    kept, rejected = {}, []
    reasons = {row: why for row, *why in rows.rejects}
    start = 0
    for split, table in rows.tables.items():
        here = np.arange(start, start + table.num_rows)
        start += table.num_rows
        alive = here[rows.alive[here]]
        part = table.take(alive - here[0]) if len(here) else table
        part = _replaced(part, "text", [rows.texts[i] for i in alive])
        kept[split] = _replaced(part, "label", [rows.labels[i] for i in alive])
        dead = here[~rows.alive[here]]
        part = table.take(dead - here[0]) if len(here) else table
        part = _replaced(part, "label", [rows.labels[i] for i in dead])
        for position, name in enumerate(("stage", "reason", "detail")):
            part = _replaced(part, name, [reasons[i][position] for i in dead])
        rejected.append(_replaced(part, "split", [split] * len(dead)))
    names = ("id", "split", "stage", "column", "before", "after")
    changes = pa.table({n: pa.array([c[n] for c in rows.changes], pa.string()) for n in names})
    return kept, pa.concat_tables(rejected, promote_options="permissive").replace_schema_metadata(), changes


def _replaced(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    import pyarrow as pa

    column = pa.array(values, pa.string())
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column).replace_schema_metadata()
    return table.append_column(name, column)
