"""A command's config is one frozen dataclass; options, config-file keys, Python arguments and docs all come from it.

A field is `name: Annotated[type, Option(...), markers...] = default`. A field without a Typer `Option` is reached by
`--set` and config files alone. A field whose type is a dataclass is a group: its leaves are options like the others
(names are unique within a command), shown in a panel of the group's name.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option
from typer.models import ArgumentInfo, OptionInfo

from toolkit.errors import ToolkitError, did_you_mean

RUNTIME = "runtime"  # marks an option that does not decide the result: it is left out of the stamp
GATE = "gate"  # marks a bound that is judged on the finished figures: left out of the stamp too
SECRET = "secret"  # marks a URL that may hold a password, which is neither shown nor written

Kind = Literal["dataset", "model", "evaluation", "artifact", "file", "path"]


@dataclass(frozen=True)
class Input:
    """Marks a field that names an input (an artifact or a source of that kind): its content decides, not its path.

    A value that matches the pattern `literal` names no input and decides as it stands; `forms` says it to users.
    """

    kind: Kind
    literal: str = r"(?!)"  # matches nothing
    forms: str = ""


@dataclass(frozen=True)
class Bounds:
    """The least and the most of a field without an `Option` (which has bounds of its own)."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every step's config has."""

    seed: Annotated[int, Option(help="Decides all randomness.", min=0, max=2**31 - 1)] = 0


@dataclass(frozen=True)
class Leaf:
    """One value of a config: where it stands, its type, its default and how the command line shows it."""

    name: str
    path: tuple[str, ...]
    type: Any
    default: Any
    cli: OptionInfo | ArgumentInfo | None
    markers: tuple[Any, ...]

    @property
    def input(self) -> Input | None:
        return next((m for m in self.markers if isinstance(m, Input)), None)

    @property
    def decides(self) -> bool:
        return not self.input and RUNTIME not in self.markers and GATE not in self.markers

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def flag(self) -> str:
        """How it is given: its option, or what `--set` takes."""
        return "--" + self.name.replace("_", "-") if self.cli else ".".join(self.path[-2:])


def leaves(cls: type, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every leaf of a config class, groups flattened, in the order of the source."""
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        annotation, here = hints[field.name], (*path, field.name)
        if dataclasses.is_dataclass(annotation):
            yield from leaves(annotation, here)  # type: ignore[arg-type]
            continue
        base, *marks = typing.get_args(annotation) if typing.get_origin(annotation) is Annotated else (annotation,)
        cli = next((m for m in marks if isinstance(m, OptionInfo | ArgumentInfo)), None)
        yield Leaf(field.name, here, base, field.default, cli, tuple(m for m in marks if m is not cli))


def build(cls: type, values: Mapping[str, Any]) -> Any:
    """A config from flat values by leaf name; types and bounds are checked.

    Raises:
        ToolkitError: an unknown name, a wrong type, a value out of bounds, or a required one missing.
    """
    known = {leaf.name: leaf for leaf in leaves(cls)}
    for name in values:
        if name not in known:
            raise ToolkitError(f"unknown option '{name}'", did_you_mean(name, known))
    checked = {name: _checked(known[name], value) for name, value in values.items()}
    missing = [leaf.name for leaf in known.values() if leaf.required and checked.get(leaf.name) is None]
    if missing:
        raise ToolkitError(f"missing: {', '.join(missing)}", "give it as an argument or option")
    return _construct(cls, checked)


def with_sources(cls: type, sources: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Positional Python arguments joined to the named ones."""
    names = [leaf.name for leaf in leaves(cls) if isinstance(leaf.cli, ArgumentInfo)]
    if len(sources) > len(names):
        raise ToolkitError(f"{len(sources)} sources given", f"this command takes {len(names)}: {', '.join(names)}")
    return dict(zip(names, map(str, sources), strict=False)) | options


def _construct(cls: type, values: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    arguments = {}
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            arguments[field.name] = _construct(hints[field.name], values)
        elif field.name in values:
            arguments[field.name] = values[field.name]
    return cls(**arguments)


def _checked(leaf: Leaf, value: Any) -> Any:
    value = _converted(leaf, leaf.type, value)
    limits = next((m for m in leaf.markers if isinstance(m, Bounds)), leaf.cli)
    low, high = getattr(limits, "min", None), getattr(limits, "max", None)
    items = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, float) and not math.isfinite(item):
            raise ToolkitError(f"{leaf.flag} is {item}", "give a finite number")
        if item is not None and ((low is not None and item < low) or (high is not None and item > high)):
            bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
            raise ToolkitError(f"{leaf.flag} is {item}", f"it must be {' and '.join(bounds)}")
    return value


def _converted(leaf: Leaf, kind: Any, value: Any) -> Any:
    """`value` as the annotated type `kind`; numbers widen (3 is a float too), nothing else is guessed."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _converted(leaf, next(a for a in args if a is not type(None)), value)
    if origin is Literal:
        if value in args:
            return value
        raise ToolkitError(f"{leaf.flag} is {value!r}", did_you_mean(str(value), map(str, args)))
    if origin is list:
        items = list(value) if isinstance(value, list | tuple) else [value]
        return [_converted(leaf, args[0], item) for item in items]
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _converted(leaf, args[1], item) for key, item in value.items()}
    if kind is str and (isinstance(value, Path) or (GATE in leaf.markers and type(value) in (int, float))):
        return str(value)  # a gate may be a bare number
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    if not origin and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ToolkitError(f"{leaf.flag} is {value!r}", f"it must be of type {kind.__name__}")


def changed(config: Any) -> list[Leaf]:
    """The options of a config whose values are not their defaults, those left out that do not decide the result."""
    found = [leaf for leaf in leaves(type(config)) if not {RUNTIME, GATE} & {*leaf.markers}]
    return [leaf for leaf in found if not leaf.required and value_of(config, leaf) != leaf.default]


def as_dict(config: Any, only_deciding: bool = False, without: Collection[str] = ()) -> dict[str, Any]:
    """The config as nested plain values, without positional inputs (their paths stand under `inputs`)."""
    out: dict[str, Any] = {}
    for leaf in leaves(type(config)):
        if isinstance(leaf.cli, ArgumentInfo) or (only_deciding and not leaf.decides) or leaf.name in without:
            continue
        group = out
        for part in leaf.path[:-1]:
            group = group.setdefault(part, {})
        group[leaf.name] = value_of(config, leaf)
    return out


def value_of(config: Any, leaf: Leaf) -> Any:
    """A config's value of a leaf as it may be shown."""
    for part in leaf.path:
        config = getattr(config, part)
    return without_password(config) if SECRET in leaf.markers and config is not None else config


def without_password(url: str) -> str:
    """A URL with stars in place of its password."""
    return re.sub(r"(?<=[?&]password=)[^&]+", "***", re.sub(r"(://[^:/@]*):.+@", r"\1:***@", url))


def flatten(cls: type, mapping: Mapping[str, Any], where: str, inside: tuple[str, ...] = ()) -> dict[str, Any]:
    """A config file's mapping as flat values: groups nested or not, dashes or underscores, `optim.lr` or `lr`.

    Args:
        where: what an error names as the place of the mapping.
        inside: the groups that the mapping stands in.

    Raises:
        ToolkitError: a key that this command does not have.
    """
    known = {leaf.name: leaf for leaf in leaves(cls)}
    groups = {part for leaf in known.values() for part in leaf.path[:-1]}
    out: dict[str, Any] = {}
    for key, value in mapping.items():
        *parents, name = str(key).replace("-", "_").split(".")
        if name in groups and isinstance(value, Mapping):
            out |= flatten(cls, value, where, (*inside, *parents, name))
        elif name in known and {*inside, *parents} <= set(known[name].path[:-1]):
            out[name] = value
        else:
            raise ToolkitError(f"{where}: unknown key '{key}'", did_you_mean(name, {*known, *groups}))
    return out


def load(cls: type, given: str) -> dict[str, Any]:
    """Flat values from a JSON, TOML or YAML file, or from an artifact folder whose config is taken over.

    A mapping with a `config` key (an artifact's manifest, a study's `best.json`) stands for what is under it.
    """
    path = Path(given)
    if path.is_dir():
        path = next((path / n for n in ("best.json", "artifact.json") if (path / n).is_file()), path / "artifact.json")
    mapping = read_mapping(path, f"the config {given}")
    command = mapping.get("command")
    if isinstance(mapping.get("config"), dict):
        mapping = mapping["config"]
    try:
        found = flatten(cls, mapping, given)
    except ToolkitError as e:
        if not command:
            raise
        hint = "give a config file, or an artifact of this command"
        raise ToolkitError(f"{given} was made by 'toolkit {command}', which has other options", hint) from e
    return {name: value for name, value in found.items() if value is not None}


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """The mapping in a JSON, TOML or YAML file; errors name it as `what`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise ToolkitError(f"cannot read {what}", str(getattr(e, "strerror", None) or e)) from e
    try:
        mapping = _parsed(path.suffix.lower(), text)
    except (ValueError, RecursionError) as e:
        raise ToolkitError(f"{what} does not parse", str(e)) from e
    if not isinstance(mapping, dict):
        raise ToolkitError(f"{what} holds no keys", "write KEY: VALUE pairs")
    return mapping


def _parsed(suffix: str, text: str) -> Any:
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    if suffix in (".yaml", ".yml"):
        import yaml

        class Loader(yaml.SafeLoader):
            """Safe, and 1e-5 is a number, as YAML 1.2 has it."""

        float_ = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
        Loader.add_implicit_resolver("tag:yaml.org,2002:float", float_, list("-+.0123456789"))
        try:
            return Loader(text).get_single_data()
        except yaml.YAMLError as e:
            raise ValueError(str(e)) from e
    return json.loads(text)


def assignments(cls: type, pairs: list[str]) -> dict[str, Any]:
    """`--set optim.beta2=0.98` as flat values; the right side is JSON unless it does not parse or is a text's."""
    texts = {leaf.name for leaf in leaves(cls) if leaf.type in (str, str | None)}
    out: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ToolkitError(f"--set {pair}", "write KEY=VALUE")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        for name, found in flatten(cls, {key: parsed}, "--set").items():
            out[name] = value if name in texts and not isinstance(found, str | None) else found
    return out
