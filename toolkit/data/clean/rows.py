"""The rows under cleaning: what is alive, what was changed, what was rejected and why.

All splits stand in one Arrow table of blocks, so that a stage reads a block as Python values, and what it changes
costs that block alone: sources larger than memory stay mapped from disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import columns, content, images, roles
from toolkit.data.clean import chunks, log
from toolkit.data.clean.near import Near
from toolkit.data.labels import SEPARATOR, as_texts, is_multi, split_classes

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

BLOCK = 65_536
PREFERENCE = {"test": 0, "validation": 1}  # of two duplicates in different splits, the one here stays


@dataclass
class Rows:
    """All splits in one run of rows. `protected` rows (a source's own test) are rejected where `unusable` alone."""

    source: pa.Table  # as it came, labels as text
    table: pa.Table  # as it is now
    names: list[str]  # of the splits
    where: Any  # number of each row's split
    alive: Any
    protected: Any
    several: bool = False  # whether a row may have several classes
    aside: frozenset[str] = frozenset()  # columns that the annotation stage reads: no features
    stage: str = ""
    rejects: list[tuple[int, str, str, str]] = field(default_factory=list)  # row, stage, reason, detail
    spared: dict[str, int] = field(default_factory=dict)  # protected rows that a stage would have rejected
    files: dict[str, str | bytes] = field(default_factory=dict)  # what else the artifact is to hold
    fitted: dict[str, Any] = field(default_factory=dict)  # what imputing and scaling were fitted to
    suspicious: dict[int, tuple[str, str]] = field(default_factory=dict)  # row -> (suggested label, why), to audit
    twins: list[tuple[int, int]] = field(default_factory=list)  # near-duplicates: the rejected row, the one that stays
    changed: int = 0  # cells
    _changes: list[pa.Table] = field(default_factory=list)
    _flags: dict[int, list[str]] = field(default_factory=dict)
    _cache: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kind = roles.kind_of(self.table.column_names)
        self.features = self._features()

    def _features(self) -> list[str]:
        """The columns that play no standard part: the content of a table, passed through elsewhere."""
        return [name for name in roles.features_of(self.table.column_names) if name not in self.aside]

    @property
    def fit(self) -> Any:
        """Living rows that statistics may be fitted on: train's, or all where there is no train; never a fixed test."""
        usable = self.alive & ~self.protected
        if "train" not in self.names:
            return usable
        return usable & (self.where == self.names.index("train"))

    def __len__(self) -> int:
        return len(self.where)

    def count(self) -> int:
        return int(self.alive.sum())

    def living(self) -> Any:
        """Numbers of the rows that are still in, in order."""
        return np.flatnonzero(self.alive)

    def id(self, row: int) -> str:
        return str(self.table.column("id")[int(row)].as_py())

    def split(self, row: int) -> str:
        return str(self.names[self.where[row]])

    def values(self, column: str, numbers: Any = None) -> list[Any]:
        """Current values of these rows (all, where not given) as Python objects."""
        chunked = self.table.column(column)
        out: list[Any] = (chunked if numbers is None else chunked.take(np.asarray(numbers, np.int64))).to_pylist()
        return out

    def floats(self, column: str) -> Any:
        """A column of numbers over all rows as float64, NaN where missing."""
        import pyarrow as pa

        return self.table.column(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)

    def blocks(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """(row numbers, list of values a named column) of the living rows, block by block."""
        for start in range(0, len(self), BLOCK):
            here = self.alive[start : start + BLOCK]
            numbers = np.flatnonzero(here) + start
            if not len(numbers):
                continue
            block = self.table.select(list(names)).slice(start, BLOCK)
            if len(numbers) < block.num_rows:
                block = block.filter(here)
            yield (numbers, *(block.column(name).to_pylist() for name in names))

    def reject(self, row: int, reason: str, detail: str, *, unusable: bool = False) -> None:
        """Take a row out; a protected one stays unless it is `unusable`."""
        if self.protected[row] and not unusable:
            self.spared[self.stage] = self.spared.get(self.stage, 0) + 1
            return
        self.alive[row] = False
        self.rejects.append((int(row), self.stage, reason, detail))

    def flag(self, row: int, reason: str) -> None:
        """Mark a row in the column `flags`, and leave it in."""
        self._flags.setdefault(int(row), []).append(reason)

    def settle(self) -> None:
        """Write the flags of a stage; one that stands there already is not written again."""
        if not self._flags:
            return
        if "flags" not in self.table.column_names:
            self.add_column("flags", [None] * len(self))
        elif self.table.schema.field("flags").type != "string":  # the source's own
            self.set_column("flags", log.written(self.table.column("flags")))
        numbers = sorted(self._flags)
        before = self.values("flags", numbers)
        after = []
        for row, old in zip(numbers, before, strict=True):
            marks = old.split("; ") if old else []
            after.append("; ".join(marks + [flag for flag in sorted(set(self._flags[row])) if flag not in marks]))
        self._flags.clear()
        self.replace("flags", numbers, after)

    def replace(self, column: str, numbers: Sequence[int] | Any, values: Any) -> None:
        """Give these rows other values in a column; each cell that differs is logged."""
        import pyarrow as pa

        numbers = np.asarray(numbers, np.int64)
        if not len(numbers):
            return
        chunked = self.table.column(column)
        new = values if isinstance(values, pa.Array) else pa.array(values, chunked.type)
        order = np.argsort(numbers, kind="stable")
        numbers, new = numbers[order], new.take(pa.array(order))
        self._log(column, numbers, chunked.take(numbers), new)
        self._put(column, chunks.replaced(chunked, numbers, new))
        if column == "image" and "looks" in self._cache:
            self._cache["looks"].see(numbers.tolist(), new.to_pylist())

    def set_column(self, name: str, values: Any) -> None:
        """Give a column other values in every row, of another type maybe; each cell that differs is logged."""
        new, living = chunks.like(values, self.table.column("id")), self.living()
        self._log(name, living, self.table.column(name).take(living), new.take(living))
        self._put(name, new)

    def add_column(self, name: str, values: Any) -> None:
        """A new column at the end, one value a row."""
        import pyarrow as pa

        column = pa.nulls(len(self), pa.string()) if all(v is None for v in values) else values
        self.table = self.table.append_column(name, chunks.like(column, self.table.column("id")))
        self.features = self._features()

    def drop_column(self, name: str) -> None:
        """Take a column out; each cell that held something is logged."""
        import pyarrow as pa

        living = self.living()
        old = self.table.column(name).take(living)
        self._log(name, living, old, pa.nulls(len(living), old.type))
        self.table = self.table.drop_columns([name])
        self.features = self._features()
        self._forget(name)

    def _put(self, name: str, column: Any) -> None:
        self.table = self.table.set_column(self.table.schema.get_field_index(name), name, column)
        self._forget(name)

    def _forget(self, name: str) -> None:
        """What was found out about labels or contents holds no more when their column changes."""
        if name == "label":
            self._cache.pop("labels", None)
        if self.kind == "table" or name in roles.compared(self.table.column_names):
            self._cache = {key: seen for key, seen in self._cache.items() if key in ("looks", "labels")}

    def _log(self, column: str, numbers: Any, before: Any, after: Any) -> None:
        cells = log.differing(self.stage, column, numbers, before, after)
        self.changed += len(cells)
        if len(cells):
            self._changes.append(cells)

    def keys(self) -> Any:
        """A 128-bit key (n, 2) of each row's normalised content: equal contents have equal keys."""
        if "keys" not in self._cache:
            if self.kind == "image":
                self._cache["keys"] = content.image_keys(self.looks(), np.arange(len(self)))
            else:
                self._cache["keys"] = content.keys(
                    self.table.drop_columns([n for n in self.table.column_names if n in self.aside]), self.alive
                )
        return self._cache["keys"]

    def near(self, method: str) -> Near:
        """What the search for near-duplicates goes by; made for the rows that are alive at the first call."""
        name = f"near {method}"
        if name not in self._cache:
            self._cache[name] = Near(self, method)
        out: Near = self._cache[name]
        return out

    def labels(self, numbers: Iterable[int]) -> dict[int, str | None]:
        """The label of each of these rows."""
        codes, names = self.label_codes(), self._cache["labels"][1]
        return {int(n): names[codes[n]] for n in numbers}

    def label_codes(self) -> Any:
        """(rows,) a number for each row's label, -1 where there is none."""
        import pyarrow.compute as pc

        if "labels" not in self._cache:
            coded = self.table.column("label").combine_chunks().dictionary_encode()
            codes = pc.fill_null(coded.indices, -1).to_numpy()
            self._cache["labels"] = codes, [*coded.dictionary.to_pylist(), None]
        return self._cache["labels"][0]

    def looks(self) -> Any:
        """What every image looks like (`images.Looks`)."""
        if "looks" not in self._cache:
            self._cache["looks"] = images.look(self.table.column("image"))
        return self._cache["looks"]

    def best_first(self, numbers: Iterable[int]) -> list[int]:
        """Duplicates in the order in which they deserve to stay; the order of the source plays no part.

        First those of test, then of validation; the most complete row, the longest content, then by content and id.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = np.asarray(list(numbers), np.int64)
        preference = np.array([PREFERENCE.get(name, len(PREFERENCE)) for name in self.names])
        part = self.table.take(numbers)
        told = [part.column(name) for name in part.column_names if name != "flags"]
        gaps = sum((columns.blank(column).to_numpy().astype(int) for column in told), np.zeros(len(numbers)))
        keys = {"split": preference[self.where[numbers]], "gaps": gaps, "id": part.column("id")}
        order = ["split", "gaps", "id"]
        if self.kind != "table":
            keys["content"] = pc.fill_null(log.written(part.column(self.kind)), "")
            keys["shortness"] = pc.negate(pc.utf8_length(keys["content"]))
            order[2:2] = ["shortness", "content"]
        sorted_ = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in order])
        out: list[int] = numbers[sorted_.to_numpy()].tolist()
        return out

    def changes(self) -> pa.Table:
        """Every changed cell: id, split, stage, column, before, after."""
        return log.changes(self._changes, self.source.column("id"), self._splits())

    def rejected(self) -> pa.Table:
        """The rejected rows as they came, with split, stage, reason and detail, in the order of the source."""
        return log.rejected(self.source, self._splits(), self.rejects)

    def _splits(self) -> pa.Array:
        """The split of every row."""
        import pyarrow as pa

        return pa.array(self.names, pa.string()).take(pa.array(self.where))

    def survivors(self) -> dict[str, pa.Table]:
        """The cleaned splits, an emptied one as an empty table."""
        table = self.table
        if self.several:
            lists = split_classes(table.column("label"), SEPARATOR)
            table = table.set_column(table.column_names.index("label"), "label", lists)
        return {
            name: table.filter(self.alive & (self.where == k)).replace_schema_metadata()
            for k, name in enumerate(self.names)
        }


def from_dataset(data: DatasetDict, aside: frozenset[str] = frozenset()) -> Rows:
    """The rows of every split, one after another; `aside` are columns that are no features."""
    import pyarrow as pa

    tables = [as_texts(rows).replace_schema_metadata() for rows in data.values()]
    order = tables[0].column_names
    whole = pa.concat_tables([table.select(order) for table in tables], promote_options="permissive")
    whole = chunks.in_blocks(whole, BLOCK)
    where = np.repeat(np.arange(len(tables), dtype=np.int16), [t.num_rows for t in tables])
    names = list(data)
    protected = (where == names.index("test")) if "test" in names and len(names) > 1 else np.zeros(len(where), bool)
    alive = np.ones(len(where), dtype=bool)
    several = any(is_multi(rows.features) for rows in data.values() if "label" in rows.features)
    return Rows(whole, whole, names, where, alive, protected, several, aside)
