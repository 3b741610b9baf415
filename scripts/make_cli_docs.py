"""Write docs/cli.md from the commands' own configs; a test compares it with the file."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Any

from toolkit import config as configs
from toolkit.commands import COMMANDS, step
from toolkit.step import View

TARGET = Path(__file__).parent.parent / "docs" / "cli.md"
INTRO = """# The command line

Written by `make docs` from the commands' configs; do not edit.

    toolkit COMMAND SOURCE... --out DIR [options]

Standard output carries the artifact's path alone, or with `--json` one JSON object; progress, tables and warnings go to
standard error. Exit codes: 0 done; 1 an error of the input or the environment, told in one line; 2 wrong usage; 3 a
gate was not met (the artifact is there all the same); 130 interrupted.

Every step also takes:

| option | what it does |
|---|---|
| `--out`, `-o` DIR | The folder to write. |
| `--config` FILE | Options from a JSON, TOML or YAML file, or from an artifact; the command line wins. |
| `--set` KEY=VALUE | Any key of the config, also those without an option (repeat for several). |
| `--force` | Replace what is at `--out`, if it is something else. |
| `--dry-run` | Check everything and print the plan. |
| `--json` | Print the result as one JSON object. |
| `--quiet`, `-q` | Print errors only. |
"""


def render() -> str:
    """The whole page."""
    return INTRO + "".join(_command(name) for name in COMMANDS)


def _command(name: str) -> str:
    command = step(name)
    leaves = list(configs.leaves(command.config))
    arguments = [leaf for leaf in leaves if type(leaf.cli).__name__ == "ArgumentInfo"]
    options = [leaf for leaf in leaves if leaf.cli and leaf not in arguments]
    hidden = [leaf for leaf in leaves if not leaf.cli]
    usage = " ".join(["toolkit", name, *(str(leaf.cli.metavar) for leaf in arguments if leaf.cli)])
    usage += "" if isinstance(command, View) else " --out DIR"
    out = f"\n## {name}\n\n    {usage}\n\n{inspect.getdoc(command.run)}\n"
    if options:
        out += "\n| option | default | what it does |\n|---|---|---|\n"
        out += "".join(
            f"| `{leaf.flag}` {_type(leaf.type)} | {_default(leaf)} | {leaf.cli.help} |\n"
            for leaf in options
            if leaf.cli
        )
    if hidden:
        keys = ", ".join(
            f"`{'.'.join(leaf.path)}` ({'by itself' if leaf.default is None else leaf.default})" for leaf in hidden
        )
        out += f"\nBy `--set` and config files alone: {keys}.\n"
    return out


def _type(annotation: Any) -> str:
    """The type of an option's value, as the table shows it."""
    args = [a for a in typing.get_args(annotation) if a is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return "\\|".join(map(str, args))
    if origin is list:
        return f"{_type(args[0])}, repeated"
    if args:
        return _type(args[0])
    return "" if annotation is bool else str(annotation.__name__)


def _default(leaf: configs.Leaf) -> str:
    shown = getattr(leaf.cli, "show_default", None)
    if leaf.required:
        return "required"
    if isinstance(shown, str):
        return shown
    return "" if leaf.default is None else f"`{leaf.default}`"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
