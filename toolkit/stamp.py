"""What a call is given and what decides its result: the inputs, the stamp over them and the options, what differs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import config as configs
from toolkit import inputs, ranks
from toolkit.artifacts import manifest
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit.step import Step


def resolve(step: Step, config: Any) -> dict[str, inputs.Given]:
    """The inputs that a config names, by the name of their option, and those that it inherits."""
    kinds = {leaf.name: leaf.input for leaf in configs.leaves(step.config) if leaf.input}
    found = {}
    for name, value in _input_values(step, config):
        wanted = kinds[name.split(".")[0]]
        if value is not None and not re.fullmatch(wanted.literal, value):
            try:
                found[name] = inputs.resolve(name, wanted.kind, value)
            except ToolkitError as e:
                raise ToolkitError(e.message, f"{wanted.forms}; or {e.hint}" if wanted.forms else e.hint) from e
    for name, theirs in step.inherits.items():
        made = next((i for i in (found["source"].manifest or {}).get("inputs", []) if i["name"] == theirs), None)
        if name not in found and made:
            found |= _still_there(name, kinds[name].kind, made)
    return found


def _still_there(name: str, kind: str, made: dict[str, Any]) -> dict[str, inputs.Given]:
    """What an artifact was made from, if it lies where it lay, unchanged."""
    if not Path(made["path"]).exists():
        return {}
    try:
        given = inputs.resolve(name, kind, made["path"])
    except ToolkitError:
        return {}
    return {name: given} if given.digest == made["digest"] else {}


def _input_values(step: Step, config: Any) -> list[tuple[str, str | None]]:
    """The name and value of each; those of a repeated option are NAME, NAME.2, NAME.3 …"""
    out: list[tuple[str, str | None]] = []
    for leaf in (leaf for leaf in configs.leaves(step.config) if leaf.input):
        value = configs.value_of(config, leaf)
        for i, one in enumerate(value if isinstance(value, list) else [value], 1):
            out.append((f"{leaf.name}.{i}" if i > 1 else leaf.name, one))
    return out


def stamp(step: Step, config: Any, given: dict[str, inputs.Given], without: tuple[str, ...] = ()) -> str:
    """What two calls have in common that give the same result; `without` leaves options out."""
    deciding = configs.as_dict(config, only_deciding=True, without=without)
    # an input decides by its content; one whose value is a literal, by that
    digests = {name: given[name].digest if name in given else value for name, value in _input_values(step, config)}
    machine = manifest.machine()["cpu"] if step.measures else None
    several = [ranks.count()] if ranks.count() > 1 else []  # a step's batch is that of all ranks
    return manifest.digest_json([step.name, step.version, deciding, digests, machine, *several])


def difference(finished: dict[str, Any] | None, step: Step, config: Any, given: dict[str, inputs.Given]) -> str:
    """In what the artifact that is there differs from the one that is asked for."""
    if not finished:
        return "and is not an artifact"
    if finished["command"] != step.name:
        return f"made by 'toolkit {finished['command']}'"
    digests = {i["name"]: i["digest"] for i in finished["inputs"]}
    changed = [f"another {name}" for name, source in given.items() if digests.get(name) != source.digest]
    for leaf in configs.leaves(step.config):
        before, now = finished["config"], configs.value_of(config, leaf)
        for part in leaf.path:
            before = before.get(part) if isinstance(before, dict) else None
        if before != now and (leaf.decides or (leaf.input and leaf.name not in given)):
            changed.append(f"{leaf.name} {before}, not {now}")
    if finished["machine"].get("processes", 1) != ranks.count():
        changed.append(f"{finished['machine'].get('processes', 1)} processes, not {ranks.count()}")
    return f"made with {'; '.join(changed)}" if changed else "made by another version"
