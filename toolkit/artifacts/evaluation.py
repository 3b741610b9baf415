"""Predictions: one row a prediction, with its probabilities and everything that came with the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROBABILITY = "p_"  # a class's probability column is this and its name


def write(path: Path, rows: Any, probabilities: Any, names: list[str]) -> None:
    """Write predictions.parquet: the dataset's columns, label (as text), predicted, confidence, a column a class."""
    import pyarrow as pa
    from pyarrow import parquet

    table = rows.with_format("arrow")[:].replace_schema_metadata()
    if "label" in table.column_names:
        own = rows.features["label"].names
        texts = pa.array([own[i] for i in rows["label"]], pa.string())
        table = table.set_column(table.column_names.index("label"), "label", texts)
    predicted = probabilities.argmax(1)
    added = {
        "predicted": pa.array([names[i] for i in predicted], pa.string()),
        "confidence": pa.array(probabilities.max(1)),
    } | {f"{PROBABILITY}{name}": pa.array(probabilities[:, i]) for i, name in enumerate(names)}
    for name, column in added.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, column)
    parquet.write_table(table, path)


def read(folder: Path) -> Any:
    """predictions.parquet as a pandas DataFrame."""
    import pandas as pd

    return pd.read_parquet(folder / "predictions.parquet")
