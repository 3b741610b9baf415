"""What tests of annotation share: rows from plain columns, and what became of them."""

import pyarrow as pa

from toolkit.data import columns
from toolkit.data.clean import rows as row_module


def made(**tables):
    """Rows from `split={column: values}`; ids are those of the split and the place."""
    return row_module.from_dataset(columns.to_dataset({s: pa.table(t) for s, t in tables.items()}, "x", complete=False))


def labels(rows):
    """id -> label of the living."""
    living = rows.living()
    return dict(zip(rows.values("id", living), rows.values("label", living), strict=True))


def rejected(rows):
    """id -> (reason, detail) of the others."""
    return {rows.id(row): (reason, detail) for row, _, reason, detail in rows.rejects}


def texts(count):
    return [f"text number {i}" for i in range(count)]
