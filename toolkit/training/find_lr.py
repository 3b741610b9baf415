"""The learning rate range test (Smith, 2017): a short run with a growing rate shows which rates learn."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.training import memory, stages

FILE = "find_lr.json"  # in the work folder: a resumed training keeps its rate
BELOW, ABOVE = 1000.0, 1000.0  # where the run starts and ends, as times the optimizer's default rate
STEPS = 100
SMOOTHING = 0.9  # of the loss: what each step keeps of the mean before
DIVERGED = 4.0  # times the least smoothed loss: then it stops
SKIP = 10  # steps at the start in which the smoothed loss is mostly noise
LEAST_FALL = 0.01  # of the smoothed loss, as a share: less is noise
SHARE = 0.1  # the rate proposed, as a share of that of the least loss


class Curve(NamedTuple):
    """The rates that were tried, and the smoothed loss after a step of each."""

    rates: list[float]
    losses: list[float]


def settle(engine: Any, work: Path) -> float:
    """The rate for this training: the one that an interrupted run found, or that of a test now.

    The model, its random state and the engine are as before when it is done.
    """
    path = work / FILE
    if path.is_file():
        return float(json.loads(path.read_text())["rate"])
    curve = None
    while curve is None:
        try:
            curve = _run(engine)
        except (RuntimeError, MemoryError) as e:
            if not memory.is_out(e):
                raise
        if curve is None:
            engine.pieces.halve()
    rate = propose(curve)
    if rate is None:
        raise ToolkitError("--find-lr: no rate makes the loss fall", "give --lr, or look at the labels")
    if engine.is_world_process_zero():
        work.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps({"rate": rate, **curve._asdict()}))
        aside.rename(path)
    _show(curve, rate)
    return rate


def propose(curve: Curve) -> float | None:
    """A tenth of the rate at which the smoothed loss is least; None where it hardly fell."""
    losses = curve.losses[SKIP:]
    if not losses or min(losses) > (1 - LEAST_FALL) * losses[0]:
        return None
    least = curve.rates[SKIP + losses.index(min(losses))]
    return float(f"{SHARE * least:.2g}")


def smoothed(losses: Sequence[float]) -> list[float]:
    """The exponential mean, corrected for its start."""
    out, mean = [], 0.0
    for i, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        out.append(mean / (1 - SMOOTHING**i))
    return out


def _run(engine: Any) -> Curve:
    model, middle = engine.model, engine.args.learning_rate
    low, high = middle / BELOW, middle * ABOVE
    weights = copy.deepcopy(model.state_dict())
    rates: list[float] = []
    losses: list[float] = []
    with torch.random.fork_rng(), console.progress("finding the learning rate", STEPS) as advance:
        try:
            optimizer = engine.create_optimizer()
            for i, batches in zip(range(STEPS), _batches(engine), strict=False):
                rate = low * (high / low) ** (i / (STEPS - 1))
                _set_rate(engine, optimizer, rate)
                losses.append(_step(engine, optimizer, batches))
                rates.append(rate)
                mean = smoothed(losses)
                advance(1, f"rate {rate:.1e} loss {mean[-1]:.3g}")
                if not math.isfinite(mean[-1]) or (i > SKIP and mean[-1] > DIVERGED * min(mean)):
                    break
        finally:
            engine.close()
            model.load_state_dict(weights)
            model.requires_grad_(True)
            model.zero_grad()
            engine.optimizer = None
    kept = sum(map(math.isfinite, losses))
    return Curve(rates[:kept], smoothed(losses[:kept]))


def _batches(engine: Any) -> Iterator[list[Any]]:
    """Those of each step, epoch after epoch, as the training will see them."""
    loader, epoch, together = engine.get_train_dataloader(), 0, engine.args.gradient_accumulation_steps
    while True:
        engine.batches.set_epoch(epoch)
        left = iter(loader)
        while of_step := list(islice(left, together)):
            yield of_step
        epoch += 1


def _set_rate(engine: Any, optimizer: Any, rate: float) -> None:
    """The rates of the last stage, in which the most parts learn, with `rate` as the peak."""
    shares = [1.0] * len(engine.parts)
    if engine.stages:
        wanted = engine.config.layers
        planned = stages.plan(stages.given(wanted.stages), len(shares) - 2, rate, wanted.layer_decay)
        shares = planned[-1].rates
        stages.freeze(engine.parts, shares)
    for group in optimizer.param_groups:
        group["lr"] = rate * shares[group["part"]]


def _step(engine: Any, optimizer: Any, batches: list[Any]) -> float:
    """One step of the optimizer; gives the loss before it."""
    engine.model.train()
    total = torch.zeros((), device=engine.args.device)
    for batch in batches:
        for piece, share in engine.pieces.cut(engine._prepare_inputs(batch)):
            with engine.accelerator.autocast():
                loss = engine.compute_loss(engine.model, piece) * share / len(batches)
            loss.backward()
            total += loss.detach()
    if engine.args.max_grad_norm:
        engine._clip_grad_norm(engine.model)
    optimizer.step()
    optimizer.zero_grad()
    return float(engine.accelerator.reduce(total, "mean"))  # the same in all processes


def _show(curve: Curve, rate: float) -> None:
    """Ten places of the curve, the loss as a bar too, and the rate that is taken."""
    chosen = range(0, len(curve.rates), max(1, len(curve.rates) // 12))
    shown = [(curve.rates[i], curve.losses[i]) for i in chosen]
    most = max(curve.losses[0] * 1.5, 1e-12)
    rows = [(f"{r:.1e}", f"{loss:.3f}", "█" * round(20 * min(loss / most, 1.0))) for r, loss in shown]
    console.table("loss by learning rate", ("rate", "loss", ""), rows)
    console.note(f"learning rate {rate:g}: {SHARE:g} of the rate with the least loss")
