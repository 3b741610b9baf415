"""Adaptive gradient clipping: each unit's gradient is held to a share of its weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch

LEAST = 1e-3  # norm that weights are taken to have at least, so that what starts at zero can grow


@torch.no_grad()
def adaptive(parameters: Iterable[torch.nn.Parameter], factor: float) -> None:
    """Shorten gradients in place, unit by unit, to `factor` times the norm of the unit's weights (Brock et al., 2021).

    A unit is what one output is made from: a row of a matrix, a filter of a convolution, a word's vector; a bias or
    the gains of a norm are one unit together.
    """
    for parameter in parameters:
        if parameter.grad is not None:
            most = factor * _norms(parameter).clamp(min=LEAST)
            length = _norms(parameter.grad)
            parameter.grad.mul_((most / length.clamp(min=1e-12)).clamp(max=1.0))


def _norms(values: torch.Tensor) -> torch.Tensor:
    """Of each unit, in a form that multiplies with the values."""
    inside = tuple(range(1, values.ndim)) or tuple(range(values.ndim))
    norms: torch.Tensor = torch.linalg.vector_norm(values, dim=inside, keepdim=True)
    return norms
