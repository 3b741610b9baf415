"""`toolkit diff`: what differs between two artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from toolkit import inputs
from toolkit.artifacts import manifest
from toolkit.config import Input
from toolkit.step import View


@dataclass(frozen=True, kw_only=True)
class DiffConfig:
    a: Annotated[str, Argument(metavar="A", help="An artifact's folder."), Input("artifact")]
    b: Annotated[str, Argument(metavar="B", help="Another's."), Input("artifact")]


def diff(config: DiffConfig) -> dict[str, Any]:
    """Show what differs between two artifacts: kind, config, inputs, figures, versions."""
    sides = [inputs.resolve(name, "artifact", path) for name, path in (("a", config.a), ("b", config.b))]
    manifests: list[dict[str, Any]] = [side.manifest or {} for side in sides]
    parts = {
        "made by": [{"command": m["command"], "kind": m["kind"]} for m in manifests],
        "config": [flat(m["config"]) for m in manifests],
        "inputs": [{i["name"]: f"{i['path']} ({i['digest'][:8]})" for i in m["inputs"]} for m in manifests],
        "figures": [
            flat(manifest.figures_of(Path(p), m)) for p, m in zip((config.a, config.b), manifests, strict=True)
        ],
        "versions": [m["versions"] for m in manifests],
    }
    same = manifests[0]["digest"] == manifests[1]["digest"]
    return {
        "a": config.a,
        "b": config.b,
        "same_content": same,
        "differences": {k: changed(*v) for k, v in parts.items()},
    }


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted paths."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        out |= flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {f"{prefix}{key}": item}
    return out


def changed(a: dict[str, Any], b: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The keys whose values differ, with both values (None where a side has none)."""
    return {k: {"a": a.get(k), "b": b.get(k)} for k in dict.fromkeys([*a, *b]) if a.get(k) != b.get(k)}


def as_text(found: dict[str, Any]) -> str:
    """The differences for a person."""
    lines = [f"a: {found['a']}", f"b: {found['b']}", f"content: {'the same' if found['same_content'] else 'differs'}"]
    for part, keys in found["differences"].items():
        lines += ["", part] if keys else []
        lines += [f"  {key}: {_figure(v['a'])} -> {_figure(v['b'])}{_delta(v)}" for key, v in keys.items()]
    return "\n".join(lines)


def _figure(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _delta(sides: dict[str, Any]) -> str:
    a, b = sides["a"], sides["b"]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (a, b))
    return f"  ({b - a:+.4g})" if numbers else ""


STEP = View(name="diff", config=DiffConfig, run=diff, show=as_text)
