"""`toolkit show`: what an artifact is, where it comes from, its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from typer import Argument

from toolkit import inputs
from toolkit.config import Input
from toolkit.step import View


@dataclass(frozen=True, kw_only=True)
class ShowConfig:
    artifact: Annotated[str, Argument(metavar="ARTIFACT", help="An artifact's folder."), Input("artifact")]


def show(config: ShowConfig) -> dict[str, Any]:
    """Show what an artifact is, its lineage as a tree, and its figures."""
    found = inputs.resolve("artifact", "artifact", config.artifact)
    assert found.manifest
    return {"artifact": config.artifact} | found.manifest


def as_text(found: dict[str, Any]) -> str:
    """The manifest for a person."""
    size = sum(output["bytes"] for output in found["outputs"])
    lines = [
        f"{found['artifact']}: {found['kind']} by 'toolkit {found['command']}'",
        f"{found['started']}, took {found['seconds']:.1f} s",
        f"{len(found['outputs'])} files, {size:,} bytes, content {found['digest']}",
        "",
        "Figures",
        *(f"  {name}: {_figure(value)}" for name, value in found["metrics"].items()),
    ]
    for gate in found["gates"]:
        verdict = "met" if gate["passed"] else "NOT MET"
        lines.append(f"  gate {gate['name']}: {_figure(gate['value'])}, bound {gate['bound']:.4g}: {verdict}")
    lines += [f"  warning: {text}" for text in found["warnings"]]
    return "\n".join([*lines, "", "Lineage", f"  {found['command']}", *_tree(found["inputs"], "  ")])


def _figure(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tree(given: list[dict[str, Any]], indent: str) -> list[str]:
    """The inputs, each with its own under it."""
    lines = []
    for i, source in enumerate(given):
        last = i == len(given) - 1
        parent = source.get("lineage")
        how = f"toolkit {parent['command']}" if parent else source["kind"]
        lines.append(
            f"{indent}{'└─' if last else '├─'} {source['name']}: {source['path']} ({how}, {source['digest'][:8]})"
        )
        lines += _tree(parent["inputs"], indent + ("   " if last else "│  ")) if parent else []
    return lines


STEP = View(name="show", config=ShowConfig, run=show, show=as_text)
