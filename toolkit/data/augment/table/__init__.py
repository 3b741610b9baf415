"""Augmentation of tables: the methods, and how they are applied to rows and checked.

Numbers stay of their type (integers are rounded). Categories are words of at most 50 different values, and yes and no.
All else (identifiers, dates, free text, columns with a part of their own) a child has of its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.augment.rounding import whole
from toolkit.data.augment.run import Made, Task
from toolkit.data.augment.shown import Labels
from toolkit.data.augment.strategy import Draw, bind
from toolkit.data.augment.table import frame, methods
from toolkit.data.augment.table.frame import Frame
from toolkit.data.augment.table.methods import Drawn

if TYPE_CHECKING:
    import pyarrow as pa

METHODS: dict[str, Callable[..., Drawn]] = {
    "smote": methods.smote,
    "borderline_smote": methods.borderline_smote,
    "linear_mixing": methods.linear_mixing,
    "jitter": methods.jitter,
}
MIXTURES = ("smote", "borderline_smote", "linear_mixing")
FIRST = None  # a bare number in a strategy sets the method's own first parameter
PRESETS: dict[str, dict[str, Any]] = {
    "light": {"smote": {}},
    "strong": {"smote": {}, "linear_mixing": {}, "jitter": 0.2},
    "noise": {"jitter": {}},
}
_STEP = np.uint64(0x9E3779B97F4A7C15)


class Tables:
    """See `run.Modality`. `notes`: what the user should be told."""

    chunk, block = 4_096, 65_536
    batched: frozenset[int] = frozenset()

    def __init__(self, rows: pa.Table, codes: Any, draws: list[Draw], given: Mapping[str, Any]) -> None:
        """given: `min_similarity`; perhaps `parents` (bool array: rows that may have children), `classes` (names)."""
        self.frame = Frame(rows, codes, given.get("parents"))
        self.fields = {name: rows.schema.field(name).type for name in (*self.frame.names, *self.frame.categories)}
        self.names = [draw.name for draw in draws]
        self.weights = [draw.p for draw in draws]
        self.methods = [bind(draw, METHODS, given) for draw in draws]
        self.least = given["min_similarity"]
        self.mixes = any(name in MIXTURES for name in self.names)
        with np.errstate(all="ignore"):
            for method in self.methods:  # finds the neighbours here, before any worker is forked
                method(self.frame, np.zeros(0, np.int64), lambda many: np.zeros((0, many)))
        self.notes = [
            f"class '{self._class_name(code, rows, given)}' has one row in train, no neighbours: it is copied instead"
            for code in (self.frame.classes.alone() if self.mixes else [])
            if code in self.frame.asked
        ]

    def _class_name(self, code: int, rows: pa.Table, given: Mapping[str, Any]) -> str:
        label = rows.column("label")[int(self.frame.classes.members[code][0])].as_py()
        labels, names = label if isinstance(label, list) else [label], given.get("classes")
        return ", ".join(names[number] if names else str(number) for number in labels)

    def make(self, tasks: list[Task]) -> list[Made]:
        out: list[Any] = [None] * len(tasks)
        for choice in sorted({task.choice for task in tasks}):
            mine = [i for i, task in enumerate(tasks) if task.choice == choice]
            with np.errstate(all="ignore"):  # what is not finite is told from the values
                found = self._of(choice, [tasks[i] for i in mine])
            for i, made in zip(mine, found, strict=True):
                out[i] = made
        return out

    def _of(self, choice: int, tasks: list[Task]) -> list[Made]:
        name, rows = self.names[choice], np.array([task.row for task in tasks])
        seeds = np.array([task.seed for task in tasks], dtype=np.uint64)
        drawn = self.methods[choice](self.frame, rows, lambda many: uniform(seeds, many))
        values = np.where(np.isnan(self.frame.values[rows]), np.nan, self._fitted(drawn.values))
        own = self.frame.values[rows], self.frame.codes[rows]
        keys = self.frame.key(rows, values, drawn.codes)
        same = keys == self.frame.key(rows, *own)
        far = self.similarity(rows, values) < self.least
        finite = (np.isfinite(values) | np.isnan(own[0])).all(1)
        alone = set(self.frame.classes.alone()) if name in MIXTURES else set()
        out = []
        for i, row in enumerate(rows.tolist()):
            if int(self.frame.classes.codes[row]) in alone and not drawn.able[i]:
                out.append(Made("copy", (own[0][i], own[1][i])))
            elif not drawn.able[i] or not finite[i]:
                out.append(Made(name, None, "impossible"))
            elif same[i] or far[i]:
                out.append(Made(name, None, "unchanged" if same[i] else "too different"))
            else:
                partner, share = int(drawn.partner[i]), float(drawn.share[i])
                out.append(Made(name, (values[i], drawn.codes[i]), "made", int(keys[i]), partner, share))
        return out

    def similarity(self, rows: Any, values: Any) -> Any:
        """1 / (1 + the root mean square change of the numbers, in standard deviations of the class)."""
        scale = self.frame.deviations(rows)
        change = np.nan_to_num((values - self.frame.values[rows]) / np.where(scale > 0, scale, np.inf))
        return 1 / (1 + np.sqrt((change**2).mean(1))) if change.shape[1] else np.ones(len(rows))

    def _fitted(self, values: Any) -> Any:
        """The numbers as columns of their types will hold them."""
        import pyarrow as pa

        values = values.copy()
        for j, name in enumerate(self.frame.names):
            kind = self.fields[name]
            if pa.types.is_integer(kind):
                values[:, j] = whole(values[:, j], kind)
            elif pa.types.is_decimal(kind):
                values[:, j] = np.round(values[:, j], kind.scale)
            else:
                values[:, j] = values[:, j].astype(kind.to_pandas_dtype())
        return values

    def assembled(self, parents: pa.Table, values: list[tuple[Any, Any]]) -> pa.Table:
        """The parents with the children's numbers and categories in place of their own, gaps as they are."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = np.array([value[0] for value in values]).reshape(len(values), len(self.frame.names))
        codes = np.array([value[1] for value in values], np.int64).reshape(len(values), len(self.frame.categories))
        for j, name in enumerate(self.frame.names):
            own = frame.as_floats(parents.column(name))  # an unchanged cell stays, to its last digit
            new = pa.array(np.where(numbers[:, j] == own, np.nan, numbers[:, j]), from_pandas=True)
            parents = _replaced(parents, name, new.cast(self.fields[name]))
        for j, name in enumerate(self.frame.categories):
            levels = self.frame.levels[j].cast(self.fields[name])
            known = pa.array(codes[:, j], mask=codes[:, j] < 0)
            parents = _replaced(parents, name, pc.take(levels, known))
        return parents


def _replaced(table: pa.Table, name: str, new: pa.Array) -> pa.Table:
    """The column with new values, the old ones where there is no new one."""
    import pyarrow.compute as pc

    return table.set_column(table.column_names.index(name), table.schema.field(name), pc.coalesce(new, table[name]))


def uniform(seeds: Any, many: int) -> Any:
    """(seeds, many) float64 above 0 and below 1 by SplitMix64 (Steele et al., 2014), one stream a seed (uint64)."""
    with np.errstate(over="ignore"):
        states = seeds[:, None] + np.arange(1, many + 1, dtype=np.uint64) * _STEP
    return ((frame.mixed(states) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def keys(rows: pa.Table) -> set[int]:
    """The keys of rows that are there already."""
    quantities, words = frame.columns(rows)
    return set(np.maximum(frame.cells_key(rows, words, quantities), 1).tolist())


def examples(train: pa.Table, children: pa.Table, count: int) -> dict[str, Any]:
    """A few children of each method: their class, and what became of their parent's cells."""
    import pyarrow.compute as pc

    quantities, words = frame.columns(train)
    names = [name for name in train.column_names if name in (*quantities, *words)]
    shown, labels = [], Labels(train)
    for method in pc.unique(children.column("method")).to_pylist():
        of_method = children.filter(pc.equal(children.column("method"), method))
        for i in range(0, len(of_method), max(1, len(of_method) // count))[:count]:
            child = of_method.slice(i, 1).to_pylist()[0]
            parent = train.slice(pc.index(train.column("id"), child["parent_id"]).as_py(), 1).to_pylist()[0]
            cells = [_cell(parent[name], child[name]) for name in names]
            shown.append([method, child["parent_id"], labels.told(child), *cells])
    return {"table": {"columns": ["method", "parent", "class", *names], "rows": shown}}


def _cell(before: Any, after: Any) -> str:
    return _told(before) if before == after or after is None else f"{_told(before)} → {_told(after)}"


def _told(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


MODALITY = Tables
