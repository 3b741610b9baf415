"""Weights set to zero by magnitude, and kept there while the model is trained back.

The matrices keep their shapes: nothing is faster for it unless a runtime has kernels for sparse weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch.nn.utils import prune
from torch.optim.optimizer import register_optimizer_step_post_hook

Scope = Literal["global", "layer"]
Masks = list[tuple[torch.Tensor, torch.Tensor]]  # a weight, and True where it stays
MATRICES = (torch.nn.Linear, torch.nn.Conv2d)


def zero_out(model: Any, share: float, scope: Scope) -> Masks:
    """Set a share of the weights of least magnitude to zero (in place): all matrices under the head, no embeddings.

    Args:
        scope: whether the share is of all matrices together ("global"; Han et al., 2015 found layers to differ in
            what they bear), or of each.
    """
    found = [module for module in model.base_model.modules() if isinstance(module, MATRICES)]
    if scope == "global":
        sites = [(module, "weight") for module in found]
        prune.global_unstructured(sites, pruning_method=prune.L1Unstructured, amount=share)
    masks = []
    for module in found:
        if scope == "layer":
            prune.l1_unstructured(module, "weight", share)
        kept = module.get_buffer("weight_mask").bool()
        prune.remove(module, "weight")
        masks.append((module.weight, kept))
    return masks


@contextlib.contextmanager
def held(masks: Masks) -> Iterator[None]:
    """Set what is masked to zero again after each step of any optimizer, whatever its momentum makes of it.

    It needs no state: a run that is resumed makes the same masks.
    """

    @torch.no_grad()
    def again(*_: Any) -> None:
        for weight, kept in masks:
            weight.mul_(kept.to(weight.device))

    handle = register_optimizer_step_post_hook(again)
    try:
        yield
    finally:
        handle.remove()


def figures(model: Any, masks: Masks) -> dict[str, float]:
    """The shares of zeros as they are in the weights: of the pruned matrices, and of the whole model."""
    return {"zeros_of_matrices": _zeros([weight for weight, _ in masks]), "zeros": _zeros([*model.parameters()])}


def _zeros(weights: list[torch.Tensor]) -> float:
    total = sum(weight.numel() for weight in weights)
    return float(sum((weight == 0).sum().item() for weight in weights)) / total
