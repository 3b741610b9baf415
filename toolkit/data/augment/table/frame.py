"""The features of a table as arrays: numbers, categories, what is equal, and who is near whom."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from toolkit import console
from toolkit.data import impute, numbers
from toolkit.data.augment.partners import Classes
from toolkit.data.roles import features_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CATEGORIES = 50  # in a column; one with more holds names or free text, which a child has of its parent
MOST_TREE = 8  # numbers up to which a tree finds neighbours faster than comparing all,
MOST_TREE_WIDTH = 16  # with categories: columns of ones and zeros, one a value
_BLOCK = 8_192


class Frame:
    """Rows of train. Statistics are of the rows that are no children, in the order of their ids."""

    def __init__(self, rows: pa.Table, codes: Any, wanted: Any | None = None) -> None:
        """wanted: bool array, rows that may have children (all, where not given): other classes need no neighbours."""
        self.classes = Classes(rows, codes)
        self.names, words = columns(rows)
        self.categories = [name for name in words if _is_category(rows.column(name))]
        self.values = np.stack([as_floats(rows.column(name)) for name in self.names] or [np.zeros((0, len(rows)))], 1)
        self.values = self.values.reshape(len(rows), len(self.names))
        self.codes = np.full((len(rows), len(self.categories)), -1, dtype=np.int64)
        self.levels: list[pa.Array] = []
        for j, name in enumerate(self.categories):
            levels, self.codes[:, j] = _encoded(rows.column(name))
            self.levels.append(levels)
        self.level_hashes = [_hashes(levels, name) for levels, name in zip(self.levels, self.categories, strict=True)]
        self.rest = cells_key(rows, [name for name in words if name not in self.categories])
        fit = self.classes.order
        own = self.values[fit]
        self.low, self.high = _each(np.min, own), _each(np.max, own)
        self.mean, self.deviation = _each(np.mean, own), _each(np.std, own)
        self.spread = {code: _each(np.std, self.values[members]) for code, members in self.classes.members.items()}
        asked = set(np.unique(self.classes.codes if wanted is None else self.classes.codes[wanted]).tolist())
        self.asked = [code for code, members in self.classes.members.items() if code in asked and len(members)]
        width = len(self.names) + sum(len(levels) + 1 for levels in self.levels)
        self._how = "kd_tree" if len(self.names) <= MOST_TREE and width <= MOST_TREE_WIDTH else "brute"
        self._near: dict[int, Any] = {}
        self._danger: dict[int, Any] = {}

    def deviations(self, rows: Any) -> Any:
        """(rows, columns): the standard deviations of each row's class."""
        out = np.zeros((len(rows), len(self.names)))
        of = self.classes.codes[rows]
        for code in np.unique(of):
            out[of == code] = self.spread[int(code)]
        return out

    def near(self, k: int) -> Any:
        """(all rows, up to k) the nearest rows of the row's class, nearest first; -1 where there are fewer."""
        if k not in self._near:
            most = max((len(members) for members in self.classes.members.values()), default=0) - 1
            out = np.full((len(self.values), max(1, min(k, most))), -1, dtype=np.int32)
            for code in self.asked:
                members, rows = self.classes.members[code], np.flatnonzero(self.classes.codes == code)
                found = _nearest(self._encoded(code, members), self._encoded(code, rows), members, rows, k, self._how)
                out[rows, : found.shape[1]] = found
            self._near[k] = out
        return self._near[k]

    def danger(self, m: int) -> Any:
        """(all rows,) whether half or more, but not all, of the m nearest are of other classes (Han et al., 2005)."""
        if m not in self._danger:
            out, everyone = np.zeros(len(self.values), dtype=bool), self.classes.order
            for code in self.asked:
                rows = np.flatnonzero(self.classes.codes == code)
                found = _nearest(self._encoded(code, everyone), self._encoded(code, rows), everyone, rows, m, self._how)
                others = (self.classes.codes[found] != code).sum(1)
                out[rows] = (others >= found.shape[1] / 2) & (others < found.shape[1])
            self._danger[m] = out
        return self._danger[m]

    @cached_property
    def standard(self) -> Any:
        """The numbers standardised on train; a gap counts as the mean."""
        scale = np.where(self.deviation > 0, self.deviation, 1)
        with np.errstate(all="ignore"):
            return np.nan_to_num((self.values - self.mean) / scale, nan=0, posinf=0, neginf=0)

    def _encoded(self, code: int, rows: Any) -> Any:
        """Rows as points: numbers, and categories as far apart as SMOTE-NC has them.

        That is the median of the standard deviations of the class's numbers (1 in a table without numbers).
        """
        apart = float(np.median(self.standard[self.classes.members[code]].std(0))) if self.names else 1.0
        parts = [self.standard[rows], np.zeros((len(rows), 0 if self.names or self.levels else 1))]
        for j, levels in enumerate(self.levels):
            unit = np.eye(len(levels) + 1) * apart / np.sqrt(2)
            parts.append(unit[self.codes[rows, j]])
        return np.concatenate(parts, 1)

    def key(self, rows: Any, values: Any, codes: Any) -> Any:
        """uint64: equal for rows with equal features; of children of these rows."""
        out = self.rest[rows].copy()
        with np.errstate(over="ignore"):
            for j, name in enumerate(self.names):
                out += _number_hashes(values[:, j], name)
            for j, hashes in enumerate(self.level_hashes):
                out += hashes[codes[:, j]]
        return np.maximum(out, 1)


def columns(rows: pa.Table) -> tuple[list[str], list[str]]:
    """The features that are quantities, and those that are words or yes and no; identifiers are neither."""
    import pyarrow as pa

    features = features_of(rows.column_names)
    named = _class_labels(rows)
    quantities = [name for name in numbers.numeric(rows, features) if name not in named]
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
    words = [n for n in features if n in named or any(test(rows.schema.field(n).type) for test in tests)]
    return quantities, [name for name in words if not numbers.is_identifier(name)]


def _class_labels(rows: pa.Table) -> set[str]:
    """Columns of whole numbers that stand for names."""
    from datasets import Features

    if b"huggingface" not in (rows.schema.metadata or {}):
        return set()
    return {name for name, f in Features.from_arrow_schema(rows.schema).items() if getattr(f, "names", None)}


def cells_key(rows: pa.Table, words: list[str], quantities: tuple[str, ...] | list[str] = ()) -> Any:
    """uint64 a row: a sum of hashes of its cells, so that those of other columns can be added."""
    out = np.zeros(len(rows), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in words:
            levels, codes = _encoded(rows.column(name))
            out += _hashes(levels, name)[codes]
        for name in quantities:
            out += _number_hashes(as_floats(rows.column(name)), name)
    return out


def as_floats(column: pa.ChunkedArray) -> Any:
    """float64, NaN where there is no finite number."""
    import pyarrow as pa

    values = column.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _each(reduce: Any, values: Any) -> Any:
    """A figure of each column, its gaps left out; 0 where nothing is known."""
    known = [column[np.isfinite(column)] for column in values.T]
    with np.errstate(over="ignore"):  # of numbers near the largest there are
        return np.array([reduce(column) if len(column) else 0.0 for column in known])


def _is_category(column: pa.ChunkedArray) -> bool:
    """Few values, some of them more than once."""
    import pyarrow.compute as pc

    filled = len(column) - column.null_count
    return bool(0 < pc.count_distinct(column).as_py() <= min(MOST_CATEGORIES, max(filled - 1, 2)))


def _encoded(column: pa.ChunkedArray) -> tuple[pa.Array, Any]:
    """(the different values in their order, the number of each cell's; -1 in a gap)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    levels = pc.unique(column.filter(pa.array(~impute.gaps(column)))).cast(pa.string())
    levels = levels.take(pc.sort_indices(levels))
    found = pc.index_in(column.cast(pa.string()), value_set=levels)
    return levels, pc.fill_null(found, -1).to_numpy().astype(np.int64)


def _hashes(levels: pa.Array, name: str) -> Any:
    """A hash of each value, and at the end (number -1) that of a gap."""
    return np.array([*(_hash(f"{name}\0{level}") for level in levels.to_pylist()), _hash(name)], dtype=np.uint64)


def _hash(text: str) -> int:
    return int(xxhash.xxh3_64_intdigest(text.encode()))


def _number_hashes(values: Any, name: str) -> Any:
    bits = (np.where(np.isnan(values), np.nan, values) + 0.0).view(np.uint64)  # -0 is 0
    return mixed(bits ^ np.uint64(_hash(name)))


def mixed(values: Any) -> Any:
    """SplitMix64's finaliser (Steele et al., 2014): uint64 to uint64, so that any bit changes about half of them."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _nearest(known: Any, asked: Any, known_rows: Any, rows: Any, k: int, how: str) -> Any:
    """(rows, up to k) which of `known_rows` are nearest to each row, itself left out."""
    from sklearn.neighbors import NearestNeighbors

    many = min(k + 1, len(known))
    tree = NearestNeighbors(n_neighbors=many, algorithm=how).fit(known)
    out = np.zeros((len(rows), min(k, len(known) - 1)), dtype=np.int64)
    with console.progress("finding neighbours", len(rows)) as advance:
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            found = known_rows[tree.kneighbors(asked[part], return_distance=False)]
            others = found != rows[part, None]
            others[others.all(1), -1] = False  # equal rows stand before it, or it is a child: one too many
            out[part] = found[others].reshape(len(found), -1)[:, : out.shape[1]]
            advance(len(found))
    return out
