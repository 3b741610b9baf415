"""Option bundles for commands that read data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Option


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """Which columns of a raw source play which part; found by name and type where not given."""

    text: Annotated[str | None, Option(help="Column with the text.", show_default="found")] = None
    label: Annotated[str | None, Option(help="Column with the label.", show_default="found")] = None
