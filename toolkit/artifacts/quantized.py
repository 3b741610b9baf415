"""Quantized classifiers that torch runs by itself: INT8 weights beside their scales, in safetensors.

`NAME` is int8, `NAME_scale` float32 of one number an output channel; `quantization_config` in config.json says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

METHOD = "int8_per_channel"  # the `quant_method` of the config
SCALE = "_scale"


def load(folder: Path, auto: Any) -> Any:
    """The model on the processor: products of nn.Linear in INT8, each batch's activations in their own range, the rest
    in float32.

    Args:
        auto: the class of transformers that knows the architecture (AutoModelFor…).

    Raises:
        Exception: of whatever kind, where files are damaged or do not fit each other.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    del config.quantization_config  # transformers would look for a quantizer of its own
    model = auto.from_config(config).float().eval()
    stored = load_file(folder / "model.safetensors")
    scales = {name: stored.pop(f"{name}{SCALE}") for name in [*stored] if f"{name}{SCALE}" in stored}
    model.load_state_dict({name: w * scales[name] if name in scales else w for name, w in stored.items()})
    linear = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    for name, module in linear.items():
        if f"{name}.weight" in scales:
            model.set_submodule(name, _dynamic(module, stored[f"{name}.weight"], scales[f"{name}.weight"]))
    return model


def _dynamic(module: Any, weight: Any, scale: Any) -> Any:
    """The layer as torch's dynamic INT8 one, its weights as they are stored."""
    import torch
    from torch.ao.nn.quantized.dynamic import Linear

    zeros = torch.zeros(len(weight), dtype=torch.int64)
    packed = torch._make_per_channel_quantized_tensor(weight, scale.flatten().double(), zeros, 0)
    out = Linear(module.in_features, module.out_features)
    out.set_weight_bias(packed, None if module.bias is None else module.bias.detach())
    return out
