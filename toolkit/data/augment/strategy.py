"""What may be done to a row: methods with their weights and parameters, from a file, a preset or single options.

A strategy maps a method to a number (its first parameter; of a text method its weight), a list (its parameters in their
order) or a mapping (by name, `p` besides). `METHOD_PARAMETER: value` sets one parameter, as in `mixup_alpha`. A method
declares its parameters itself: the keyword-only arguments of its function, with their defaults and bounds.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from toolkit.errors import ToolkitError, did_you_mean

Table = Mapping[str, Callable[..., Any]]
MOST = 10**9  # of a whole number


@dataclass(frozen=True)
class Between:
    """The bounds of a parameter."""

    low: float
    high: float = math.inf


Share = Annotated[float, Between(0, 1)]
Positive = Annotated[float, Between(0)]
Count = Annotated[int, Between(1)]


class Draw(NamedTuple):
    """A method of a strategy. p: its weight among the others, or (image transforms) its probability."""

    name: str
    p: float
    params: dict[str, Any]


def parse(entries: Mapping[str, Any], table: Table, first: str | None, where: str) -> list[Draw]:
    """The methods of one kind of content.

    Args:
        table: name -> function of every method that there is for this content.
        first: what a bare number sets: "p", or None for each method's own first parameter.
        where: what an error names as the place of the entries.

    Raises:
        ToolkitError: an unknown method or parameter, a value of a wrong type or out of bounds.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, value in entries.items():
        name, parameter = _named(str(key), table, where)  # YAML reads `1:` and `on:` as no texts
        found.setdefault(name, {}).update({parameter: value} if parameter else _spelt(name, value, table, first, where))
    out = [_draw(name, given, table[name], where) for name, given in found.items()]
    if not any(draw.p for draw in out):
        raise ToolkitError(f"{where}: no method has a weight above 0", "give one of them a p")
    return [draw for draw in out if draw.p]


def section(mapping: Mapping[str, Any], content: str, kinds: Iterable[str], where: str) -> Mapping[str, Any]:
    """The entries for one kind of content; a mapping without such sections is taken as a whole.

    Raises:
        ToolkitError: it has sections, but none for this kind.
    """
    if not any(kind in mapping for kind in kinds):
        return mapping
    unknown = next((key for key in mapping if key not in kinds), None)
    if unknown is not None:
        raise ToolkitError(f"{where}: no kind of content '{unknown}'", did_you_mean(str(unknown), kinds))
    if not isinstance(mapping.get(content), Mapping):
        raise ToolkitError(f"{where} has no section '{content}'", f"it has {', '.join(mapping)}")
    out: Mapping[str, Any] = mapping[content]
    return out


def with_default(draws: list[Draw], table: Table, parameter: str, value: Any) -> list[Draw]:
    """The draws with this parameter wherever a method has it and the strategy is silent."""
    return [
        draw._replace(params={parameter: value} | draw.params) if parameter in parameters(table[draw.name]) else draw
        for draw in draws
    ]


def options(given: list[str]) -> dict[str, Any]:
    """`--method NAME` and `--method NAME=VALUE` (VALUE as JSON) as entries."""
    out: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            out[name.strip()] = json.loads(value) if equals else {}
        except ValueError as e:
            raise ToolkitError(f"--method {text}", 'write NAME, NAME=0.3, or NAME={"p": 0.3} as JSON') from e
    return out


@functools.cache
def parameters(method: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """name -> (default, annotation) of a method's parameters."""
    hints = typing.get_type_hints(method, include_extras=True)
    kept = inspect.signature(method).parameters.values()
    return {p.name: (p.default, hints[p.name]) for p in kept if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def resources(method: Callable[..., Any]) -> list[str]:
    """What a method must be handed: its keyword-only arguments without default."""
    kept = inspect.signature(method).parameters.values()
    return [p.name for p in kept if p.kind is p.KEYWORD_ONLY and p.default is p.empty]


def option(resource: str) -> str:
    """The option that gives a resource."""
    return "--forward and --backward" if resource == "translate" else f"--{resource}"


def bind(draw: Draw, table: Table, given: Mapping[str, Any]) -> Callable[..., Any]:
    """The method with its parameters, and with the resources that it takes.

    Raises:
        ToolkitError: a resource that was not given.
    """
    method = table[draw.name]
    needed = resources(method)
    for name in needed:
        if given.get(name) is None:
            raise ToolkitError(f"{draw.name} needs {option(name)}", "give it, or leave the method out")
    return functools.partial(method, **{name: given[name] for name in needed}, **draw.params)


def _named(key: str, table: Table, where: str) -> tuple[str, str | None]:
    """A key as (method, parameter)."""
    if key in table:
        return key, None
    for name, method in table.items():
        parameter = key.removeprefix(f"{name}_")
        if parameter != key and parameter in (*parameters(method), "p"):
            return name, parameter
    raise ToolkitError(f"{where}: no method '{key}'", did_you_mean(key, table))


def _spelt(name: str, value: Any, table: Table, first: str | None, where: str) -> dict[str, Any]:
    """What an entry says, by parameter."""
    known = [*parameters(table[name])]
    if isinstance(value, Mapping):
        return dict(value)
    if value is True:
        return {}
    if value is False or value is None:
        return {"p": 0.0}
    if isinstance(value, list | tuple):
        if len(value) > len(known):
            hint = f"its parameters are {', '.join(known)}" if known else "it takes no parameters"
            raise ToolkitError(f"{where}: {name} is given {len(value)} values", hint)
        return dict(zip(known, value, strict=False))
    return {first or (known[0] if known else "p"): value}


def _draw(name: str, given: Mapping[str, Any], method: Callable[..., Any], where: str) -> Draw:
    known = parameters(method) | {"p": (0.5, Share)}
    params = {}
    for key, value in given.items():
        if key not in known:
            raise ToolkitError(f"{where}: {name} has no parameter '{key}'", did_you_mean(str(key), known))
        params[key] = _checked(value, *known[key], f"{where}: {key} of {name}")
    p = params.pop("p", 0.5)
    return Draw(name, p, params)


def _checked(value: Any, default: Any, annotation: Any, what: str) -> Any:
    kind, *marks = typing.get_args(annotation) if typing.get_origin(annotation) is Annotated else (annotation,)
    if typing.get_origin(kind) is Literal:
        if value not in typing.get_args(kind):
            raise ToolkitError(f"{what} is {value!r}", f"it must be one of {', '.join(typing.get_args(kind))}")
        return value
    optional = type(None) in typing.get_args(kind)
    kind = next((k for k in typing.get_args(kind) if k is not type(None)), kind) if optional else kind
    if optional and value is None:
        return None
    if kind in (int, float) and type(value) is int and abs(value) > MOST:
        raise ToolkitError(f"{what} is too large", f"it may be {MOST} at most")
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ToolkitError(f"{what} is {value!r}", f"it must be of type {kind.__name__}, as in {default!r}")
    bounds = next((mark for mark in marks if isinstance(mark, Between)), Between(-math.inf))
    if kind in (int, float) and not (math.isfinite(value) and bounds.low <= value <= bounds.high):
        raise ToolkitError(f"{what} is {value}", f"it must be {_told(bounds)}")
    return value


def _told(bounds: Between) -> str:
    if math.isinf(bounds.low):
        return "finite"
    return f"at least {bounds.low}" if math.isinf(bounds.high) else f"between {bounds.low} and {bounds.high}"
