"""The table of commands: name -> module. Each module holds a config dataclass, a function and a `STEP`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

COMMANDS = {
    "clean": "toolkit.commands.clean",
    "split": "toolkit.commands.split",
    "augment": "toolkit.commands.augment",
    "tune": "toolkit.commands.tune",
    "finetune": "toolkit.commands.finetune",
    "prune": "toolkit.commands.prune",
    "distill": "toolkit.commands.distill",
    "quantize": "toolkit.commands.quantize",
    "evaluate": "toolkit.commands.evaluate",
    "error-analysis": "toolkit.commands.error_analysis",
    "predict": "toolkit.commands.predict",
    "show": "toolkit.commands.show",
    "diff": "toolkit.commands.diff",
}


def step(name: str) -> Any:
    """The `Step` (or `View`) of a command."""
    return import_module(COMMANDS[name]).STEP
