"""What a search may choose from: the default space, a space file, and the options of a trial as a config.

A space is a plain dict, option -> range: `{"low", "high"}` with `log` or `step`, or `{"choices": [...]}`.
"""

from __future__ import annotations

import itertools
import math
import re
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from toolkit import config as configs
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.training import dropout
from toolkit.training.config import EPOCHS, LR, WIDE, TrainConfig, settled

Space = dict[str, dict[str, Any]]
LEAVES = {leaf.name: leaf for leaf in configs.leaves(TrainConfig)}
# What trials are compared by, another search, what the model of all trials is made for, and how processes share one.
NOT_SEARCHED = ("metric", "find_lr", "resolution", "fsdp", "deepspeed")
KEYS = ("low", "high", "log", "step", "choices")
MOST_CELLS = 1_000_000
LEAST_DROPOUT = 0.1  # that is tried, but for models that come with less

# Peak rates of adamw. For BERT base 2e-5 to 5e-5 (Devlin et al., 2019); for smaller models its authors search 3e-5 to
# 3e-4 (README of google-research/bert). Those of another optimizer are in proportion.
RATES = {
    ("text", "scratch"): (2e-4, 3e-3),
    ("text", "wide"): (1e-5, 5e-5),
    ("text", "narrow"): (3e-5, 3e-4),
    ("image", "scratch"): (2e-4, 3e-3),
    ("image", "wide"): (1e-4, 1e-3),
    ("image", "narrow"): (1e-4, 1e-3),
}


def default(kind: str, width: int | None, base: TrainConfig, rates: Collection[float] = (LEAST_DROPOUT,)) -> Space:
    """The space where no file gives one; what `base` sets to something of its own is not searched.

    Args:
        kind: "text" or "image". width: the hidden size of pretrained weights (0 if unknown); None: from scratch.
        rates: of the model's own dropout, empty where it has none.
    """
    started = "scratch" if width is None else "pretrained"
    low, high = RATES[kind, "scratch" if width is None else "narrow" if 0 < width < WIDE else "wide"]
    scale = LR[base.optim.optimizer][started] / LR["adamw"][started]
    found: Space = {
        "lr": {"low": low * scale, "high": high * scale, "log": True},
        "batch_size": {"choices": [16, 32, 64, 128]},
        "weight_decay": {"low": 1e-4, "high": 1e-2, "log": True},
        "dropout": {"low": min(LEAST_DROPOUT, *rates, 1.0), "high": 0.5},
        "label_smoothing": {"low": 0.0, "high": 0.2},
        "layer_drop": {"low": 0.0, "high": 0.2},
    }
    if kind == "text" and width is not None:  # there is nothing to spare in new weights
        found["stages"] = {"choices": ["none", "three-phase", "gradual"]}
    if not rates:
        del found["dropout"]
    if base.regularise.layer_drops:  # goes before it
        del found["layer_drop"]
    free = {name for name, leaf in LEAVES.items() if configs.value_of(base, leaf) == leaf.default}
    kept = {name: limits for name, limits in found.items() if name in free}
    if not kept:
        raise ToolkitError("nothing is left to search", "give fewer options, or a space with --space")
    return kept


def read(mapping: Mapping[str, Any], where: str, base: TrainConfig, kind: str) -> Space:
    """The space in a file's mapping; `where` names the file in errors.

    Args:
        kind: "text" or "image".

    Raises:
        ToolkitError: an unknown option, one that cannot be searched or is set already, one for images where there are
            none, or a range that holds nothing.
    """
    found = {}
    for name, limits in configs.flatten(TrainConfig, mapping, where).items():
        leaf = LEAVES[name]
        if not _searched(leaf):
            known = [other for other, at in LEAVES.items() if _searched(at) and _reads(at) in (None, kind)]
            raise ToolkitError(f"{where}: {name} cannot be searched", f"these can: {', '.join(known)}")
        if _reads(leaf) not in (None, kind):
            raise ToolkitError(f"{where}: {name} is for {_reads(leaf)}s, the data holds {kind}s", "leave it out")
        if configs.value_of(base, leaf) != leaf.default:
            raise ToolkitError(f"{where}: {name} is searched, and given by {leaf.flag} too", "leave one of them out")
        try:
            found[name] = _range(leaf, limits)
        except ToolkitError as e:
            raise ToolkitError(f"{where}: {name}: {e.message}", e.hint) from e
    if "class_weights" in found and base.regularise.weights:
        raise ToolkitError(f"{where}: class_weights is searched, and weights are given too", "leave one of them out")
    if "layer_drop" in found and base.regularise.layer_drops:
        raise ToolkitError(f"{where}: layer_drop is searched, and layer_drops are given too", "leave one of them out")
    if not found:
        raise ToolkitError(f"{where} holds no ranges", "write OPTION: {low, high} or OPTION: {choices}")
    return found


def _searched(leaf: configs.Leaf) -> bool:
    kinds = {leaf.type, *typing.get_args(leaf.type)}
    listed = any(typing.get_origin(kind) in (list, dict) for kind in kinds)
    return leaf.name not in NOT_SEARCHED and not listed and bool(leaf.decides or leaf.input)


def _reads(leaf: configs.Leaf) -> str | None:
    """The content that alone has the option; None: all have."""
    return "image" if "images" in leaf.path else "text" if leaf.name == "max_length" else None


def _range(leaf: configs.Leaf, limits: Any) -> dict[str, Any]:
    if not isinstance(limits, Mapping):
        raise ToolkitError(f"{limits!r} is no range", "write {low, high}, with log or step, or {choices}")
    for key in limits:
        if key not in KEYS:
            raise ToolkitError(f"a range has no '{key}'", did_you_mean(str(key), KEYS))
    if "choices" in limits:
        return {"choices": _choices(leaf, limits)}
    kind = _number(leaf)
    if kind is None:
        raise ToolkitError("only choices can be searched", 'write {"choices": [...]}')
    for key in ("low", "high"):
        if limits.get(key) is None:
            raise ToolkitError(f"{key} is missing", "give low and high, or choices")
    low, high = (_checked(leaf, limits[key]) for key in ("low", "high"))
    log, step = limits.get("log", False), limits.get("step")
    if not isinstance(log, bool):
        raise ToolkitError(f"log is {log!r}", "write true or false")
    if low >= high:
        what = "low is above high" if low > high else "low is high"
        raise ToolkitError(f"the range {low:g} to {high:g} is empty: {what}", f"widen it, or give {leaf.flag}")
    if log and low <= 0:
        raise ToolkitError(f"low is {low:g}, and a logarithmic range starts above 0", "raise low, or leave log out")
    if step is None:
        return {"low": low, "high": high, "log": log}
    if log:
        raise ToolkitError("a logarithmic range has no step", "leave one of them out, or list the values as choices")
    if isinstance(step, bool) or not isinstance(step, (int,) if kind is int else (int, float)) or step <= 0:
        raise ToolkitError(f"step is {step!r}", f"give a {'whole ' if kind is int else ''}number above 0")
    if step > high - low:
        raise ToolkitError(f"a step of {step:g} leaves one value", f"take a smaller one, or give {leaf.flag}")
    return {"low": low, "high": _at(low, step, math.floor((high - low) / step + 1e-9)), "step": kind(step)}


def _at(low: Any, step: Any, count: int) -> Any:
    """So many steps above `low`; 0.1 three times is 0.3."""
    return low + step * count if isinstance(step, int) else float(f"{low + step * count:.12g}")


def _choices(leaf: configs.Leaf, limits: Mapping[str, Any]) -> list[Any]:
    given = limits["choices"]
    if len(limits) > 1:
        raise ToolkitError("choices stand alone", "leave low, high, log and step out")
    if not isinstance(given, list) or not given:
        raise ToolkitError("there are no choices", "list the values")
    values = [_checked(leaf, value) for value in given]
    if len({(type(value), value) for value in values}) < len(values):
        raise ToolkitError("a choice stands there twice", "name each once")
    return values


def _checked(leaf: configs.Leaf, value: Any) -> Any:
    """A value as the option's own type and bounds allow it."""
    checked = configs.value_of(configs.build(TrainConfig, {leaf.name: value}), leaf)
    if leaf.input and checked is None:
        raise ToolkitError("null is no choice here", f"these are: {leaf.input.literal}")
    if leaf.input and not re.fullmatch(leaf.input.literal, str(checked)):
        raise ToolkitError(f"'{checked}' is a file", f"files cannot be searched, only {leaf.input.literal}")
    return checked


def _number(leaf: configs.Leaf) -> type[int] | type[float] | None:
    """Which kind of number an option takes; None: no number."""
    kinds = {leaf.type, *typing.get_args(leaf.type)}
    return float if float in kinds else int if int in kinds else None


def applied(base: TrainConfig, params: Mapping[str, Any]) -> TrainConfig:
    """The training options of a trial."""
    flat = {name: configs.value_of(base, leaf) for name, leaf in LEAVES.items()}
    config: TrainConfig = configs.build(TrainConfig, flat | dict(params))
    return config


def start(space: Space, base: TrainConfig, model: Any, started: str, kind: str) -> dict[str, Any]:
    """The options of the space as they are where nothing is searched, those that its ranges hold."""
    config, rates = settled(base, started, model, kind), dropout.rates(model.config)
    own = {name: configs.value_of(base, LEAVES[name]) for name in space}
    found = {name: configs.value_of(config, LEAVES[name]) for name in space}
    found |= {"stages": config.layers.stages or "none", "dropout": rates.pop() if len(rates) == 1 else None}
    candidates = [(name, value) for name in space for value in (found[name], own[name])]
    return {name: value for name, value in candidates if _holds(space[name], value)}


def _holds(limits: Mapping[str, Any], value: Any) -> bool:
    """None, what the model or the task decides, may be a choice; no number is it."""
    if "choices" in limits:
        return any(value == choice for choice in limits["choices"])
    if value is None or not limits["low"] <= value <= limits["high"]:
        return False
    steps = (value - limits["low"]) / limits["step"] if "step" in limits else 0
    return bool(abs(steps - round(steps)) < 1e-6)


def most_epochs(space: Space, base: TrainConfig, scratch: bool) -> int:
    """How many epochs the longest trial has."""
    given = EPOCHS["scratch" if scratch else "pretrained"] if base.epochs is None else base.epochs
    limits = space.get("epochs", {"high": given})
    return math.ceil(max(c or given for c in limits["choices"]) if "choices" in limits else limits["high"])


def cells(space: Space) -> list[dict[str, Any]]:
    """Every combination of the space's values, for a grid.

    Raises:
        ToolkitError: a range without steps, or more than a million cells.
    """
    values = {name: _values(name, limits) for name, limits in space.items()}
    if math.prod(len(found) for found in values.values()) > MOST_CELLS:
        raise ToolkitError(f"the grid has more than {MOST_CELLS:,} cells", "give fewer values, or another --sampler")
    return [dict(zip(values, combined, strict=True)) for combined in itertools.product(*values.values())]


def _values(name: str, limits: Mapping[str, Any]) -> Sequence[Any]:
    if "choices" in limits:
        return list(limits["choices"])
    low, high, step = limits["low"], limits["high"], limits.get("step")
    if step is None and isinstance(low, int) and not limits["log"]:
        step = 1
    if step is None:
        hint = "give it choices or a step in --space, or take another --sampler"
        raise ToolkitError(f"a grid needs the values of {name}, which has a range without steps", hint)
    if isinstance(step, int):
        return range(low, high + 1, step)
    return [_at(low, step, k) for k in range(min(round((high - low) / step), MOST_CELLS) + 1)]
