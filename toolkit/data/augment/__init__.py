"""Augmentation: one folder or file for each kind of content, each with its table of methods."""

from __future__ import annotations

import importlib
from typing import Any

KINDS = ("text", "image", "series", "table")


def of(kind: str) -> Any:
    """The module that augments this kind of content."""
    return importlib.import_module(f"toolkit.data.augment.{kind}")
