"""Composable steps from dirty labelled data and a pretrained model to a small, fast, measured model.

Every command of the command line is a function here: `toolkit.clean("raw.csv", out="clean", min_length=10)`.
They return a `Result`, raise `ToolkitError`, and never print or exit.
"""

from __future__ import annotations

from typing import Any

from toolkit._version import __version__
from toolkit.commands import COMMANDS
from toolkit.errors import ToolkitError

__all__ = ["ToolkitError", "__version__", *(name.replace("-", "_") for name in COMMANDS)]


def __getattr__(name: str) -> Any:
    if name.replace("_", "-") not in COMMANDS:
        raise AttributeError(f"module 'toolkit' has no attribute '{name}'")
    from toolkit.commands import step

    return step(name.replace("_", "-"))


def __dir__() -> list[str]:
    return sorted(__all__)
