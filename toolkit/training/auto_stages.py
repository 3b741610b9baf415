"""`--stages auto`: which layers learn when, from where the weights come from, rows, parameters and memory."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

from toolkit import console, ranks
from toolkit.training import distributed
from toolkit.training.config import Layers, Optim

FILE = "auto_stages.json"  # in the work folder: a resumed training keeps its stages, whatever memory is free then
GB = 1e9
ROOM = 0.7  # of the memory for weights and what goes with each; the rest is for activations
# Numbers of four bytes a weight that learns: itself, its gradient, and what the optimizer keeps of it.
NUMBERS = {"adamw": 4, "sgd": 3, "lion": 3, "adafactor": 2}


class Choice(NamedTuple):
    """A preset of `stages`, the decay of rates from layer to layer, and why."""

    stages: str
    layer_decay: float
    reason: str


def choose(
    *, rows: int, parameters: int, lower: int, memory: float, optimizer: str, layer_decay: float, scratch: bool
) -> Choice:
    """What the measurements and sources in docs/training.md say.

    Args:
        rows: of train.
        parameters: of the model; `lower` of them stand still in `three-phase`.
        memory: bytes that are free on the device.
        layer_decay: the one that is asked for; it stays.
    """
    if scratch:
        return Choice("none", layer_decay, "the weights are new: every layer has everything to learn")
    needed = 4 * NUMBERS[optimizer] * parameters
    if needed > ROOM * memory:
        frozen = needed - 4 * (NUMBERS[optimizer] - 1) * lower
        told = f"{needed / GB:.1f} GB to train {parameters / 1e6:.0f}M weights, {memory / GB:.1f} GB free"
        return Choice("three-phase", layer_decay, f"{told}: {frozen / GB:.1f} GB with the lower layers frozen")
    return Choice("none", layer_decay, f"memory is enough, and {rows} rows teach most when all layers learn")


def settle(layers: Layers, optim: Optim, model: Any, rows: int, work: Path, device: str, scratch: bool) -> Layers:
    """The stages of this training, told in one line; those that an interrupted run had chosen."""
    if layers.stages != "auto":
        return layers
    path = work / FILE
    if path.is_file():
        choice = Choice(**json.loads(path.read_text()))
    else:
        choice = choose(
            rows=rows,
            parameters=sum(p.numel() for p in model.parameters()),
            lower=_lower(model),
            memory=_free(device),
            optimizer=optim.optimizer,
            layer_decay=layers.layer_decay,
            scratch=scratch,
        )
    choice = Choice(*distributed.of_leader(tuple(choice)))  # memory may differ between processes
    if ranks.leads():
        work.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(choice._asdict()))
        aside.rename(path)
    console.note(f"stages: {choice.stages} ({choice.reason})")
    return dataclasses.replace(layers, stages=choice.stages, layer_decay=choice.layer_decay)


def _lower(model: Any) -> int:
    """Weights that `three-phase` leaves as they are."""
    from toolkit.training import stages

    parts = stages.parts(model)
    rates = stages.plan("three-phase", len(parts) - 2, 1.0)[0].rates
    return sum(p.numel() for part, rate in zip(parts, rates, strict=True) for p in part if not rate)


def _free(device: str) -> float:
    """Bytes."""
    if device == "cuda":
        import torch

        return float(torch.cuda.mem_get_info()[0])
    import psutil

    return float(psutil.virtual_memory().available)
