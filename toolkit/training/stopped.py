"""What is told of a training that stopped because a step was not finite: the layer, the rows, where to go on from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit import ranks
from toolkit.errors import ToolkitError
from toolkit.training import checkpoints, distributed, guard, precision

NAME = "stopped.json"  # beside the checkpoints, for as long as nothing went on from there
SHOWN = 40  # row ids in a message


def told_of(engine: Any, stop: guard.Unsound) -> ToolkitError:
    """The error of a step that was not finite; `stopped.json` holds the same, with every row.

    Args:
        engine: the `trainer.Engine` that stopped.
    """

    def compute(batch: Any) -> Any:
        with engine.compute_loss_context_manager():
            return engine.loss_of(engine.model, batch)[0]

    step, work = stop.step, Path(engine.args.output_dir).parent
    batches = [rows_of(engine, step.number, i) for i in range(len(step.batches))]
    whole = names(engine, [row for batch in batches for row in batch])
    culprit = None
    for made in checkpoints.all_in(work / "checkpoints"):
        if checkpoints.step_of(made) > stop.sound:  # what comes after it is lost: no healthy one
            with contextlib.suppress(FileNotFoundError):  # another process did
                checkpoints.drop(made)
    if not stop.taken:
        with precision.plainly(engine.model):
            culprit = guard.find(engine.model, step, compute, lambda b: engine.pieces.cut(engine._prepare_inputs(b)))
    narrowed = names(engine, [batches[culprit.batch][i] for i in culprit.rows]) if culprit else []
    where = culprit.where if culprit else None
    told = {"step": step.number, "what": stop.what, "where": where, "rows": narrowed, "batch": whole}
    (work / NAME).write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")
    kept = checkpoints.newest(work / "checkpoints")
    healthy = f"the last healthy checkpoint is {kept}" if kept else "there is no healthy checkpoint"
    if stop.taken:
        return ToolkitError(f"{stop.what} after step {step.number}", f"{stop.hint}; {healthy}")
    found = f"first not finite: {where}" if where else "computed once more, it was finite"
    whose = f" in row {listed(narrowed)}" if narrowed and len(narrowed) < len(whole) else ""
    return ToolkitError(
        f"{stop.what} in step {step.number}, which was not taken; {found}{whose}; rows of the batch: {listed(whole)}",
        f"look at these rows, or {stop.hint}; {healthy}",
    )


def rows_of(engine: Any, step: int, number: int) -> list[int]:
    """The rows of a step's batch, by number: the sampler draws again what it drew."""
    each = engine.args.gradient_accumulation_steps
    epoch, done = divmod(step - 1, -(-len(engine.callback_handler.train_dataloader) // each))
    engine.batches.set_epoch(epoch)
    shares: list[list[int]] = list(distributed.Share(engine.batches, ranks.rank(), ranks.count()))
    return shares[done * each + number]


def names(engine: Any, rows: Sequence[int]) -> list[str]:
    return [str(engine.ids[i] if engine.ids is not None else i) for i in rows]


def listed(found: Sequence[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
