"""Which parts of a model learn when, and how fast: the rates of its layers over the stages of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch

from toolkit.config import read_mapping
from toolkit.errors import ToolkitError, did_you_mean

LOWEST, TOP = 5 / 12, 2 / 12  # of the layers, in three-phase
MIDDLE_RATE = 0.1
HEAD_ALONE, LAST_LAYERS, LAST_RATE = 0.3, 4, 1e-6  # of head-then-top: share of the steps, layers, their rate
HEAD_FIRST, FIRST_RATE = 0.2, 10.0  # share of the steps, and of the rate, that the head has for itself


class Stage(NamedTuple):
    """Until which share of the steps; and the parts' shares of the rate (0: frozen), from embeddings to head."""

    until: float
    rates: list[float]


def layer_list(model: Any) -> torch.nn.ModuleList | None:
    """The layers, the lowest first: the largest list of modules in the base, as in every encoder of transformers."""
    base = getattr(model, model.base_model_prefix, model)
    lists = [m for m in base.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    return max(lists, key=lambda found: sum(p.numel() for p in found.parameters()), default=None)


def layers(model: Any) -> list[torch.nn.Module]:
    """The same.

    Raises:
        ToolkitError: it has no such list.
    """
    found = layer_list(model)
    if found is None:
        hint = "leave --stages, --layer-decay and --layer-drop out"
        raise ToolkitError(f"{type(model).__name__} has no list of layers", hint)
    return list(found)


def parts(model: Any) -> list[list[torch.nn.Parameter]]:
    """The weights of the embeddings, of each layer, and of the head (with what is between)."""
    base = getattr(model, model.base_model_prefix, model)
    out: list[list[torch.nn.Parameter]] = [[], *(list(layer.parameters()) for layer in layers(model)), []]
    inside = {id(p) for layer in out for p in layer}
    seen_layers, in_base = False, {id(p) for p in base.parameters()}
    for parameter in model.parameters():
        if id(parameter) in inside:
            seen_layers = True
        elif id(parameter) in in_base and not seen_layers:
            out[0].append(parameter)
        else:
            out[-1].append(parameter)
    return out


def plan(given: str | Sequence[Mapping[str, Any]], layers: int, lr: float, decay: float = 1.0) -> list[Stage]:
    """The stages of a preset, or those of a file.

    Args:
        given: a preset's name, or mappings with `until` (share of the steps), and rates as shares of `lr`:
            `embeddings`, `layers` (a number, or a list that is stretched over the layers), `head` (1 where not given).
        layers: of the model. lr: the peak rate, of which rates are shares.
        decay: what a layer's rate is multiplied by for each layer above it, the head counted.
    """
    found = PRESET[given](layers, lr) if isinstance(given, str) else [_read(stage, layers) for stage in given]
    if not found or found[-1].until != 1 or any(a.until >= b.until for a, b in pairwise(found)):
        raise ToolkitError("stages do not end at 1", "give each a larger 'until' than the one before, the last 1.0")
    weights = [decay ** (layers + 1 - part) for part in range(layers + 2)]
    return [Stage(until, [r * w for r, w in zip(rates, weights, strict=True)]) for until, rates in found]


def given(stages: str | None) -> str | list[Mapping[str, Any]]:
    """A preset's name, or the stages in a file (JSON, TOML, YAML; under the key `stages`).

    Raises:
        ToolkitError: it is neither, or the file holds none.
    """
    if stages is None or stages in PRESET:
        return stages or "none"
    if not (Path(stages).suffix or Path(stages).exists()):
        raise ToolkitError(f"--stages is {stages!r}, no file", did_you_mean(stages, ["auto", *PRESET]))
    found = read_mapping(Path(stages), f"the stages {stages}").get("stages")
    if not isinstance(found, list) or not all(isinstance(stage, Mapping) for stage in found):
        raise ToolkitError(f"{stages} holds no list 'stages'", "give one of until, embeddings, layers, head each")
    return found


def _three_phase(layers: int, lr: float) -> list[Stage]:
    """Lowest layers frozen, the middle ones at a tenth, top and head at the full rate: 5, 5 and 2 of twelve."""
    lowest, top = round(LOWEST * layers), max(1, round(TOP * layers))
    middle = max(layers - lowest - top, 0)
    return [Stage(1.0, [0.0] + [0.0] * lowest + [MIDDLE_RATE] * middle + [1.0] * (layers - lowest - middle) + [1.0])]


def _head_then_top(layers: int, lr: float) -> list[Stage]:
    """The head alone, then the last four layers at 1e-6 too."""
    last = min(LAST_LAYERS, layers)
    rate = min(LAST_RATE / lr, 1.0) if lr else 0.0
    alone = [0.0] * (layers + 1) + [1.0]
    return [Stage(HEAD_ALONE, alone), Stage(1.0, [0.0] * (layers + 1 - last) + [rate] * last + [1.0])]


def _head_first(layers: int, lr: float) -> list[Stage]:
    """The head alone, then everything: a new head's errors stay out of the layers (LP-FT; Kumar et al., 2022)."""
    return [Stage(HEAD_FIRST, [0.0] * (layers + 1) + [FIRST_RATE]), Stage(1.0, [1.0] * (layers + 2))]


def _gradual(layers: int, lr: float) -> list[Stage]:
    """One layer more at a time from the top (Howard & Ruder, 2018), over the first half; embeddings with the last."""
    steps = layers + 1
    return [Stage(0.5 * (k + 1) / steps, [0.0] * (layers + 1 - k) + [1.0] * k + [1.0]) for k in range(layers)] + [
        Stage(1.0, [1.0] * (layers + 2))
    ]


PRESET = {
    "none": lambda layers, lr: [Stage(1.0, [1.0] * (layers + 2))],
    "auto": lambda layers, lr: [Stage(1.0, [1.0] * (layers + 2))],  # until `auto_stages` has chosen
    "three-phase": _three_phase,
    "head-first": _head_first,
    "head-then-top": _head_then_top,
    "gradual": _gradual,
}


def _read(stage: Mapping[str, Any], layers: int) -> Stage:
    unknown = set(stage) - {"until", "embeddings", "layers", "head"}
    if unknown:
        raise ToolkitError(f"a stage has no '{min(unknown)}'", "it has until, embeddings, layers, head")
    given = stage.get("layers", 1.0)
    listed = given if isinstance(given, list) else [given]
    rates = [stage.get("embeddings", 1.0), *stretched(listed, layers), stage.get("head", 1.0)]
    numbers = [*rates, stage.get("until", 1.0)]
    if (
        len(rates) != layers + 2
        or not all(type(n) in (int, float) and 0 <= n <= 1000 for n in numbers)
        or not any(rates)
    ):
        raise ToolkitError("a stage's rates are no shares", "give numbers of 0 or more, one of them above 0")
    return Stage(float(numbers[-1]), [float(rate) for rate in rates])


def stretched(values: Sequence[Any], layers: int) -> list[Any]:
    """One value a layer, from a list that is as long or shorter.

    Raises:
        ToolkitError: it is longer.
    """
    if len(values) > layers:
        raise ToolkitError(f"{len(values)} values for {layers} layers", "list at most one a layer, the lowest first")
    return [values[i * len(values) // layers] for i in range(layers)] if values else []


def at(stages: Sequence[Stage], done: float) -> Stage:
    """The stage at a share of the steps."""
    return next((stage for stage in stages if done < stage.until), stages[-1])


def freeze(found: Sequence[Sequence[torch.nn.Parameter]], rates: Sequence[float]) -> None:
    """Weights whose rate is 0 get no gradient, which saves its computation."""
    for part, rate in zip(found, rates, strict=True):
        for parameter in part:
            parameter.requires_grad_(rate > 0)
            if not rate:
                parameter.grad = None
