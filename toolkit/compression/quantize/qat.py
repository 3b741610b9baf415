"""Quantization-aware training: a model learns with its weights and activations rounded as INT8 will round them.

NNCF puts the rounding in; `training.trainer` trains. NNCF's own kernels for it are C++ that it compiles when they are
first called, which needs a compiler and a minute, and waits for ever on the lock that a killed compilation left. Those
here are a few operations of torch, on a processor and a GPU alike, and nothing is compiled.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch

from toolkit import console, quiet
from toolkit.compression.quantize import openvino
from toolkit.compression.quantize.tracing import in_fast_forms
from toolkit.training.config import TrainConfig

EPOCHS, LR = 1.0, 1e-5  # enough for ranges and weights to settle: the model is trained already


def settled(config: TrainConfig) -> TrainConfig:
    """The training options with what `None` stands for here.

    In float32: bfloat16 has 8 bits itself, so that roundings would be those of the format.
    """
    lr = LR if config.optim.lr is None and not config.optim.find_lr else config.optim.lr
    return replace(
        config,
        epochs=EPOCHS if config.epochs is None else config.epochs,
        precision="fp32" if config.precision == "auto" else config.precision,
        optim=replace(config.optim, lr=lr),
    )


def prepare(model: Any, batches: list[dict[str, Any]], smooth_quant: float | None = None) -> Any:
    """The model with its roundings, calibrated on `batches`; a copy. They are tied to operations by name: train it
    `in_fast_forms`.

    Embedding tables are left out and do not learn: they are rounded a row at a time at the end, which costs nothing,
    and a step need not pass over a whole vocabulary.
    """
    nncf = quiet.nncf()
    use_own_kernels()
    console.note(f"calibrating on {len(batches)} rows")
    rows = [{name: torch.from_numpy(values) for name, values in batch.items()} for batch in batches]
    with in_fast_forms(model), contextlib.redirect_stdout(io.StringIO()):
        out = nncf.quantize(
            model.eval(),
            nncf.Dataset(rows),
            ignored_scope=nncf.IgnoredScope(types=["embedding"], validate=False),
            advanced_parameters=openvino.smoothing(smooth_quant),
            **openvino.settings(model, batches),
        )
    for module in out.modules():
        if isinstance(module, torch.nn.Embedding):
            module.weight.requires_grad_(False)
    _keep_fixed(out.get_submodule("__nncf_hooks"))
    return out


def _keep_fixed(hooks: torch.nn.Module) -> None:
    """Of NNCF's numbers the ranges alone learn; its switches (whole numbers) and SmoothQuant's scales, which several
    layers share, are calibrated anew when a training resumes, so that no checkpoint need hold them."""
    for module in hooks.modules():
        for name, value in [*module.named_parameters(recurse=False)]:
            if name == "_scale_value" or not value.is_floating_point():
                delattr(module, name)
                module.register_buffer(name, value.detach(), persistent=False)


def finish(model: Any, batch: dict[str, Any]) -> Any:
    """The trained model as an `openvino.Model` in INT8, embeddings too."""
    nncf = quiet.nncf()
    with contextlib.redirect_stdout(io.StringIO()):
        graph = openvino.convert(model.eval(), batch)
        return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)


def rounded(x: Any, low: Any, span: Any, levels: int) -> Any:
    """`x` cut to `low` … `low + span` and rounded to one of `levels` numbers, 0 among them."""
    scale = (levels - 1) / span
    zero = (-low * scale).round()
    return torch.clamp((x * scale).round_(), -zero, levels - 1 - zero).div_(scale)


def gradients(
    grad: Any, x: Any, low: Any, span: Any, levels: int, level_low: int, level_high: int, asymmetric: bool = False
) -> tuple[Any, Any, Any]:
    """Those of `x` (straight through where it is not cut), of `low` and of `span` (Esser et al., 2020)."""
    under, over = x < low, x > low + span
    inside = ~(under | over)
    share = torch.where(inside, (rounded(x, low, span, levels) - x) / span, over + under * (level_low / level_high))
    return grad * inside, (grad * ~inside).sum_to_size(low.shape), (grad * share).sum_to_size(span.shape)


def use_own_kernels() -> None:
    """Have NNCF round by the functions above."""
    from nncf.torch.quantization import extensions

    kernels = SimpleNamespace(Quantize_forward=rounded, Quantize_backward=gradients)
    for place in (extensions.QuantizedFunctionsCPU, extensions.QuantizedFunctionsCUDA):
        place._loaded_namespace = kernels
