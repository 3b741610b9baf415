"""INT8 weights that torch runs by itself: what works where no other runtime takes a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SCALE = "_scale"  # what the name of a weight's scales ends in
QUANTIZED = (nn.Linear, nn.Conv2d, nn.Embedding)
FLOATS = {"fp16": torch.float16, "bf16": torch.bfloat16}
CONFIG = {"quant_method": "int8_per_channel", "weights": "int8", "activations": "dynamic"}


def dynamic(model: Any) -> dict[str, torch.Tensor]:
    """A model's state with the weights of layers in INT8: `NAME` int8 and `NAME_scale` float32 (channels, 1 …).

    Each output channel (row of an embedding) has a scale of its own, -127 to 127 being its largest number.
    """
    found = {f"{name}.weight": module.weight for name, module in model.named_modules() if isinstance(module, QUANTIZED)}
    out: dict[str, torch.Tensor] = {}
    for name, values in model.state_dict().items():
        if name not in found:
            out[name] = values.contiguous()
            continue
        scale = values.abs().amax(dim=tuple(range(1, values.ndim)), keepdim=True).clamp(min=1e-12) / 127
        out[name] = (values / scale).round().to(torch.int8)
        out[name + SCALE] = scale
    return out
