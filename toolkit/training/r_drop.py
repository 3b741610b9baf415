"""R-Drop (Wu et al., 2021): rows are answered twice, other neurons dropped out, and both answers drawn together."""

from __future__ import annotations

from typing import Any

import torch

from toolkit.errors import ToolkitError
from toolkit.training import dropout
from toolkit.training.config import Regularise


def check(config: Any, asked: Regularise) -> None:
    """Something differs between two answers; LayerDrop leaves a layer out for the whole batch, so both have the same.

    Raises:
        ToolkitError: nothing is dropped out.
    """
    if asked.r_drop and not dropout.drops(config, asked):
        name, has = config.model_type, any(map(dropout.kind, vars(config)))
        hint = "give --dropout, or leave --r-drop out" if has else "leave --r-drop out, or take a model with dropout"
        raise ToolkitError(f"{name} drops nothing out: --r-drop compares two dropouts", hint)


def twice(loss: Any, alpha: float) -> Any:
    """A loss of both answers, and `alpha` times how far they lie apart; `loss` is a mean over the rows."""

    def compute(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        value, outputs = loss(model, {key: torch.cat([part, part]) for key, part in batch.items()})
        first, second = outputs.logits.float().chunk(2)
        return value + alpha * apart(first, second, batch["labels"].is_floating_point()).mean(), outputs

    return compute


def apart(first: Any, second: Any, several: bool) -> Any:
    """(rows,) half the sum of the Kullback-Leibler divergences either way; of several classes a row, their mean.

    Args:
        first, second: logits (rows, classes).
    """
    if several:
        return ((first.sigmoid() - second.sigmoid()) * (first - second)).mean(1) / 2
    first, second = first.log_softmax(-1), second.log_softmax(-1)
    return ((first.exp() - second.exp()) * (first - second)).sum(1) / 2
