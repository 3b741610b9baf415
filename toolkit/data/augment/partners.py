"""Second parents: rows of the same class, drawn so that the order of the rows plays no part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


class Classes:
    """Who is of whose class, children left out."""

    def __init__(self, rows: pa.Table, codes: Any) -> None:
        """codes: class numbers; rows with several classes are of one class where all of theirs are the same."""
        ids = rows.column("id").to_pylist()
        own = np.ones(len(ids), dtype=bool)
        if "parent_id" in rows.column_names:
            own = rows.column("parent_id").is_null().to_numpy()
        self.codes = _sets(rows, codes)  # (rows,)
        self.order = np.array(sorted(np.flatnonzero(own), key=ids.__getitem__), dtype=np.int64)  # by id
        self.members = {int(code): self.order[self.codes[self.order] == code] for code in np.unique(self.codes)}
        self.place = np.full(len(ids), -1)  # of a row among its class's members
        for members in self.members.values():
            self.place[members] = np.arange(len(members))

    def alone(self) -> list[int]:
        """Classes of a single row."""
        return [code for code, members in self.members.items() if len(members) == 1]

    def mate(self, row: int, point: float) -> int:
        """Another row of the row's class, by a point in [0, 1); -1 where there is none."""
        members = self.members[int(self.codes[row])]
        place = int(self.place[row])
        many = len(members) - (place >= 0)
        if many < 1:
            return -1
        found = min(int(point * many), many - 1)
        return int(members[found + (place >= 0 and found >= place)])


def _sets(rows: pa.Table, codes: Any) -> Any:
    """The class numbers, of rows with several classes one for each set of them."""
    import pyarrow as pa

    if "label" not in rows.column_names or not pa.types.is_list(rows.column("label").type):
        return np.asarray(codes)
    sets = [tuple(sorted(labels or ())) for labels in rows.column("label").to_pylist()]
    known = {labels: number for number, labels in enumerate(sorted(set(sets)))}
    return np.array([known[labels] for labels in sets])
