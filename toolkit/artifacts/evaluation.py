"""Predictions: one row a prediction, with its probabilities and everything that came with the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROBABILITY = "p_"  # a class's probability column is this and its name
DIGEST = "image_digest"  # by which an image is known again: its path may be another's


def write(path: Path, rows: Any, probabilities: Any, names: list[str], chosen: Any, confidence: Any) -> None:
    """Write predictions.parquet: the dataset's columns, label (as text), predicted, confidence, a column a class.

    Of an image its path and its digest stand there, not the image.

    Args:
        chosen: of each row the number of its class (rows,), or boolean (rows, classes): then a list of classes is
            written.
        confidence: (rows,).
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    others = [name for name in rows.column_names if name not in ("image", DIGEST)]
    table = rows.select_columns(others).with_format("arrow")[:].replace_schema_metadata()
    if "image" in rows.column_names:
        place = rows.column_names.index("image")
        table = table.add_column(place, DIGEST, pa.array(digests(rows))).add_column(place, "image", _paths(rows))
    if "label" in table.column_names:
        feature = rows.features["label"]
        own = getattr(getattr(feature, "feature", feature), "names", None)
        lists = pa.types.is_list(table.column("label").type)
        written = [
            [_text(v, own) for v in value or []] if lists else _text(value, own)
            for value in table.column("label").to_pylist()
        ]
        texts = pa.array(written, pa.list_(pa.string()) if lists else pa.string())
        table = table.set_column(table.column_names.index("label"), "label", texts)
    if chosen.ndim > 1:
        predicted = pa.array([[names[i] for i in row.nonzero()[0]] for row in chosen], pa.list_(pa.string()))
    else:
        predicted = pa.array([names[i] for i in chosen], pa.string())
    columns = np.asfortranarray(probabilities)  # a class after the other, as they are written
    added = {"predicted": predicted, "confidence": pa.array(confidence)} | {
        f"{PROBABILITY}{name}": pa.array(columns[:, i]) for i, name in enumerate(names)
    }
    # the user's own column of such a name is kept beside it
    kept = [f"{name}_original" if name in added else name for name in table.column_names]
    table = pa.table([*table.columns, *added.values()], [*kept, *added])
    few = [*kept, "predicted"]  # numbers that are all different gain nothing from a dictionary
    parquet.write_table(table, path, use_dictionary=few, write_statistics=few)


def _paths(rows: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = rows.select_columns(["image"]).with_format("arrow").iter(1000)
    return pa.chunked_array([pc.struct_field(c, "path") for t in parts for c in t.column("image").chunks], pa.string())


def digests(rows: Any) -> list[str | None]:
    """xxh3-64 of each image's bytes, in hex; None where there is none."""
    import xxhash

    parts = rows.select_columns(["image"]).with_format("arrow").iter(100)
    images = (image.as_py() or {"bytes": None} for part in parts for image in part.column("image"))
    return [None if image["bytes"] is None else xxhash.xxh3_64_hexdigest(image["bytes"]) for image in images]


def _text(value: Any, names: list[str] | None) -> str | None:
    """A label as text; hubs write -1 into a ClassLabel where there is none."""
    if value is None or (names and value < 0):
        return None
    return names[value] if names else str(value)


def read(folder: Path, *, probabilities: bool = True) -> Any:
    """predictions.parquet as a pandas DataFrame; without the probabilities it stays small with 10,000 classes."""
    import pandas as pd
    from pyarrow import parquet

    path = folder / "predictions.parquet"
    columns = [name for name in parquet.read_schema(path).names if probabilities or not name.startswith(PROBABILITY)]
    return pd.read_parquet(path, columns=columns)
