"""Write docs/augmentations.md from the tables of methods; a test compares it with the file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolkit.data import augment
from toolkit.data.augment import strategy

TARGET = Path(__file__).parent.parent / "docs" / "augmentations.md"
TITLES = {"text": "Texts", "image": "Images", "series": "Time series", "table": "Tables"}
INTRO = """# The methods of augmentation

Written by `make docs` from the methods' own code; do not edit. [augment.md](augment.md) tells how they are
chosen. Every method takes `p` too. What a number alone sets is said in each heading; a list sets the parameters in
their order.
"""


def render() -> str:
    """The whole page."""
    return INTRO + "".join(_kind(kind) for kind in augment.KINDS)


def _kind(kind: str) -> str:
    module = augment.of(kind)
    first = "its weight" if module.FIRST == "p" else "the first parameter"
    rows = "".join(_method(name, method) for name, method in module.METHODS.items())
    presets = "".join(f"- `{name}`: {', '.join(entries)}\n" for name, entries in module.PRESETS.items())
    head = f"\n## {TITLES[kind]} (a number sets {first})\n\n| method | parameters | does |\n|---|---|---|\n"
    return f"{head}{rows}\nPresets:\n\n{presets}"


def _method(name: str, method: Callable[..., Any]) -> str:
    known = strategy.parameters(method).items()
    shown = [f"`{key}` {round(value, 3) if type(value) is float else value}" for key, (value, _) in known]
    needed = [f"reads `{strategy.option(key)}`" for key in strategy.resources(method)]
    says = (inspect.getdoc(method) or "").split("\n\n")[0].replace("\n", " ")
    return f"| `{name}` | {', '.join(shown + needed)} | {says} |\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
