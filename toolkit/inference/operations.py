"""How much a model computes for a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.inference.predictor import Predictor

ROWS = 16


def per_row(predictor: Predictor, contents: Sequence[Any]) -> int:
    """Floating-point operations of a PyTorch model for a row alone: the mean over rows of all sizes.

    A multiplication and an addition are two. Matrix products and convolutions are counted, as torch's `FlopCounterMode`
    does; what stands between them is not. Attention is run by its plain formula, since those kernels are not counted
    that a processor has for it.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    ordered = sorted(contents, key=predictor.reader.guess)
    places = [round((i + 0.5) * len(ordered) / ROWS - 0.5) for i in range(ROWS)]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        for place in places:
            predictor.probabilities([ordered[place]], batch_size=1)
    return round(float(counter.get_total_flops()) / ROWS)
