"""Optimizers and schedules of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from toolkit.training.config import BETA2, Optim, Schedule
from toolkit.training.sparse_adamw import SparseAdamW


def optimizer(
    parts: Sequence[Sequence[Any]], config: Optim, lr: float, tables: Sequence[torch.nn.Embedding] = ()
) -> torch.optim.Optimizer:
    """The optimizer of a model's weights, given by the parts that have rates of their own (`part` in each group).

    Norms and biases (what has one dimension) are not decayed. AdamW steps `tables` by the rows that are read.
    """
    groups = [
        {"params": [p for p in weights if (p.ndim > 1) == decays], "part": part,
         "weight_decay": config.weight_decay if decays else 0.0}
        for part, weights in enumerate(parts) for decays in (True, False)
    ]  # fmt: skip
    groups = [group for group in groups if group["params"]]
    if tables and config.optimizer == "adamw":
        return SparseAdamW(groups, lr, _betas(config), tables)
    return OPTIMIZERS[config.optimizer](groups, config, lr)


class Lion(torch.optim.Optimizer):
    """Steps by the sign of an interpolated momentum, the same for every weight (Chen et al., 2023)."""

    def __init__(self, params: Any, lr: float, betas: tuple[float, float], weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure else None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if not self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            grads, moments = [p.grad for p in params], [self.state[p]["momentum"] for p in params]
            beta1, beta2 = group["betas"]
            updates = torch._foreach_lerp(grads, moments, beta1)
            torch._foreach_sign_(updates)
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(params, updates, alpha=-group["lr"])
            torch._foreach_lerp_(moments, grads, 1 - beta2)
        return loss


def _betas(config: Optim) -> tuple[float, float]:
    return config.beta1, BETA2[config.optimizer] if config.beta2 is None else config.beta2


OPTIMIZERS: dict[str, Callable[[Any, Optim, float], torch.optim.Optimizer]] = {
    "adamw": lambda groups, config, lr: torch.optim.AdamW(groups, lr, _betas(config), fused=True),
    # not fused: that one fails when a weight has its first gradient later than others (stages, LayerDrop)
    "sgd": lambda groups, config, lr: torch.optim.SGD(groups, lr, config.momentum, foreach=True),
    "adafactor": lambda groups, config, lr: torch.optim.Adafactor(groups, lr),
    "lion": lambda groups, config, lr: Lion(groups, lr, _betas(config)),
}


def rate(config: Schedule, steps: int, history: Callable[[], list[float]]) -> Callable[[int], float]:
    """The share of the peak rate at each step.

    Args:
        steps: of the whole training.
        history: the validation figures so far, the greater the better (`plateau` goes by them).
    """
    warm = math.ceil(config.warmup * steps) if steps > 1 else 0  # the first step of a warm-up has no rate

    def at(step: int) -> float:
        if step < warm:
            return step / warm
        done = (step - warm) / max(1, steps - warm)
        return SCHEDULES[config.scheduler](config, min(done, 1.0), history)

    return at


def _linear(config: Schedule, done: float, history: Any) -> float:
    return max(1 - done, config.floor)


def _cosine(config: Schedule, done: float, history: Any) -> float:
    return config.floor + (1 - config.floor) * (1 + math.cos(math.pi * done)) / 2


def _restarts(config: Schedule, done: float, history: Any) -> float:
    """Cosine with warm restarts (SGDR; Loshchilov & Hutter, 2017): cycles of `cycle`, `cycle` x `growth` …"""
    cycle = config.cycle
    while done >= cycle and done < 1:
        done, cycle = done - cycle, cycle * config.cycle_growth
    return _cosine(config, min(done / cycle, 1.0), history)


def _plateau(config: Schedule, done: float, history: Callable[[], list[float]]) -> float:
    """Times `plateau_factor` whenever `plateau_patience` evaluations in a row were no better than the best."""
    best, waited, cuts = -math.inf, 0, 0
    for figure in history():
        best, waited = (figure, 0) if figure > best else (best, waited + 1)
        if waited > config.plateau_patience:
            cuts, waited = cuts + 1, 0
    return float(max(config.plateau_factor**cuts, config.floor))


SCHEDULES: dict[str, Callable[[Schedule, float, Callable[[], list[float]]], float]] = {
    "linear": _linear,
    "cosine": _cosine,
    "restarts": _restarts,
    "plateau": _plateau,
    "constant": lambda config, done, history: 1.0,
}
