"""The classes of rows, one or several each, in two flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Labels:
    """The classes of rows, one or several each: those of row i are codes[start[i]:start[i + 1]]."""

    start: Any
    codes: Any

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Labels:
        """From a column of class numbers, or of lists of them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not pa.types.is_list(column.type):
            return cls(np.arange(len(column) + 1), column.to_numpy())
        start = np.concatenate([[0], np.cumsum(pc.list_value_length(column).to_numpy())])
        return cls(start, pc.list_flatten(column).to_numpy())

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def owner(self) -> Any:
        """The row of each code."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def take(self, rows: Any) -> Labels:
        """The classes of these rows, in their order."""
        found, lengths = spans(self.start, rows)
        return Labels(np.concatenate([[0], np.cumsum(lengths)]), self.codes[found])

    def holders(self, clusters: Any) -> Any:
        """(classes,) in how many clusters each class stands."""
        size = int(self.codes.max()) + 1
        return np.bincount(np.unique(clusters[self.owner] * size + self.codes) % size, minlength=size)


def spans(start: Any, numbers: Any) -> tuple[Any, Any]:
    """(places from start[i] to start[i + 1] of all these numbers i, one after another; how many of each)."""
    lengths = np.diff(start)[numbers]
    return np.repeat(start[numbers] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum()), lengths
