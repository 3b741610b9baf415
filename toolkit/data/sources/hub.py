"""Data sets of the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.data.sources.splits import SPLITS
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa


def hub_revision(name: str) -> str:
    """The commit of a hub data set, so that a stamp means one content."""
    from huggingface_hub import dataset_info

    try:
        return str(dataset_info(name).sha)
    except Exception as e:
        raise ToolkitError(
            f"the hub does not give the data set '{name}' ({type(e).__name__})", "give a file or folder"
        ) from e


def read_hub(name: str) -> dict[str, pa.Table]:
    """A hub data set's splits under their standard names; others are left out."""
    import datasets

    found = datasets.load_dataset(name)
    return {SPLITS[split]: rows.with_format("arrow")[:] for split, rows in found.items() if split in SPLITS}
