"""Dataset artifacts: `data/<split>.parquet` with the features in its schema, and a card that names the splits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

ORDER = ("train", "validation", "test")


def write(folder: Path, data: DatasetDict, rejected: pa.Table | None = None) -> None:
    """Write the splits as parquet, and the rejected rows (split) beside them."""
    from pyarrow import parquet

    (folder / "data").mkdir(exist_ok=True)
    for split, rows in data.items():
        table = rows.with_format("arrow")[:].cast(rows.features.arrow_schema)  # the schema that carries the features
        parquet.write_table(table, folder / "data" / f"{split}.parquet")
    if rejected is not None:
        parquet.write_table(rejected, folder / "rejected.parquet")


def read_tables(folder: Path) -> dict[str, pa.Table]:
    """One memory-mapped table a split.

    Raises:
        ToolkitError: the folder has no splits.
    """
    from pyarrow import parquet

    files = {path.stem: path for path in (folder / "data").glob("*.parquet")}
    if not files:
        raise ToolkitError(f"{folder} holds no data/*.parquet", "make the artifact again with --force")
    names = [s for s in ORDER if s in files] + sorted(set(files) - set(ORDER))
    return {split: parquet.read_table(files[split], memory_map=True) for split in names}


def card(title: str, data: DatasetDict, lines: list[str]) -> str:
    """The dataset card: front matter that `datasets.load_dataset` reads, then what a person wants to know."""
    config = "".join(f"  - split: {split}\n    path: data/{split}.parquet\n" for split in data)
    front = f"---\nconfigs:\n- config_name: default\n  data_files:\n{config}---\n"
    feature = next(iter(data.values())).features["label"]
    names = getattr(feature, "feature", feature).names
    rows = "".join(f"| {split} | {_shares(rows, names)} |\n" for split, rows in data.items())
    table = f"| split | rows | {' | '.join(names[:12])} |\n|---|---{'|---' * min(len(names), 12)}|\n{rows}"
    return f"{front}\n# {title}\n\n{table}\n" + "".join(f"{line}\n" for line in lines)


def _shares(rows: Any, names: list[str]) -> str:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows.with_format("arrow")[:].column("label")
    codes = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    counts = np.bincount(codes.to_numpy(), minlength=len(names)) if len(codes) else [0] * len(names)
    return " | ".join([str(len(rows)), *(str(int(c)) for c in counts[:12])])
