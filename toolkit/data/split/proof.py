"""The proof that nothing leaks: measured afresh on what was divided, with hash functions of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import near, roles
from toolkit.data.split import together

if TYPE_CHECKING:
    import pyarrow as pa

METHODS = {
    "text": "Jaccard similarity of character grams of {} or more, candidates by MinHash LSH",
    "image": "correlation of aligned thumbnails of {} or more, candidates by perceptual hash",
    "series": "equality of all values",
    "table": "equality of all features",
}


def measured(tables: Mapping[str, pa.Table], seed: int) -> tuple[dict[str, Any], Any]:
    """`leakage` of the report, and the links that were found (n, 2), in numbers of the rows, one side after another.

    Args:
        tables: side -> its rows: what they are compared by, and `group`. A side is a split, or a fold.
    """
    import pyarrow as pa

    table = pa.concat_tables(tables.values())
    side = np.repeat(np.arange(len(tables)), [part.num_rows for part in tables.values()])
    links, checked = together.near_links(table, "checking", seed=seed)
    groups = together.groups(table)
    on = np.bincount(np.unique(np.stack([groups, side])[:, groups >= 0], axis=1)[0])  # how many sides a group is on
    kind = roles.kind_of(table.column_names)
    leakage = {
        "kind": kind,
        "method": METHODS[kind].format(threshold(kind)),
        "threshold": threshold(kind),
        "sides": list(tables),
        "rows": table.num_rows,
        "pairs_checked": checked,
        "near_duplicate_pairs": len(links),
        "near_duplicate_pairs_across": int((side[links[:, 0]] != side[links[:, 1]]).sum()),
        "groups": int((on > 0).sum()),
        "groups_across": int((on > 1).sum()),
    }
    return leakage, links


def threshold(kind: str) -> float:
    """The similarity from which on two rows are near-duplicates."""
    from toolkit.data.images.near import CORRELATION

    return {"text": near.THRESHOLD, "image": CORRELATION}.get(kind, 1.0)
