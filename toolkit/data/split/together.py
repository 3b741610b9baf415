"""Rows that no division may part: near-duplicates, and rows of one group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import columns, content, roles
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa


def near_links(table: pa.Table, label: str = "near-duplicates", **options: Any) -> tuple[Any, int]:
    """Links (n, 2) between rows that join all near-duplicates, and how many candidates were checked."""
    return content.links(table.select(roles.compared(table.column_names)), label, **options)


def groups(table: pa.Table) -> Any:
    """(n,) a number for each row's `group`, -1 where it has none: an empty cell is no group.

    Raises:
        ToolkitError: the column holds lists or the like.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if "group" not in table.column_names:
        return np.full(table.num_rows, -1)
    column = table.column("group")
    if pa.types.is_nested(column.type):
        raise ToolkitError(f"the group column is nested ({column.type})", "name a column of plain values with --group")
    missing = columns.blank(column)
    if pa.types.is_floating(column.type):
        missing = pc.or_(missing, pc.fill_null(pc.is_nan(column), True))
    coded = pc.if_else(missing, pa.scalar(None, column.type), column).combine_chunks().dictionary_encode()
    return pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy()


def group_links(codes: Any) -> Any:
    """Links (n, 2) from each row of a group to the next one of it."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    same = codes[order[1:]] == codes[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1)


def clusters(count: int, links: Any) -> Any:
    """(count,) a cluster number for each row: linked rows share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
