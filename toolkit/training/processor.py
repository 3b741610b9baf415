"""What makes a training step cheaper on a processor, with the same distribution of results as without.

Profiled on two cores with AMX (`scripts/bench/finetune.py`), an encoder's step went, apart from its matrix products,
into drawing dropout masks one element at a time, into a softmax without a fast way for dropout, into activations that
wandered between bfloat16 and float32, and into the vocabulary's table (`sparse_adamw`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.reading import first_token

ATTENTION = "toolkit-processor"
LEVELS = 1 << 16  # a mask's probability is a multiple of 1 / LEVELS


@contextmanager
def quick(model: Any, logits_only: bool) -> Iterator[None]:
    """Inside, the model's dropouts, norms and attention compute in the ways below; after it, it is as it was.

    Args:
        logits_only: nothing else of the model's outputs is read (a distillation may want hidden states too).
    """
    swapped = {nn.Dropout: Dropout, nn.LayerNorm: LayerNorm}
    changed = [module for module in model.modules() if type(module) in swapped]
    attention = getattr(model.config, "_attn_implementation", None)
    with ExitStack() as undo:
        for module in changed:
            undo.callback(setattr, module, "__class__", type(module))
            module.__class__ = swapped[type(module)]
        if attention == "sdpa":
            _register()
            undo.callback(model.set_attn_implementation, attention)
            model.set_attn_implementation(ATTENTION)
        if logits_only:
            undo.enter_context(first_token.alone(model))
        yield


def noise(shape: torch.Size, p: float, dtype: torch.dtype) -> torch.Tensor:
    """What dropout multiplies by: 0 with probability `p`, else 1 / (1 - p).

    The bits are SFC64's, four elements a draw, where torch's own generator takes a draw an element; it is seeded from
    torch's, so that seeds and resumes hold.
    """
    count, cut = math.prod(shape), round(p * LEVELS)
    seed = int(torch.randint(2**63 - 1, ()))
    bits = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.int16)[:count]
    out = torch.empty(shape, dtype=dtype)
    torch.ge(torch.from_numpy(bits).view(shape), min(cut, LEVELS - 1) - LEVELS // 2, out=out)
    return out.mul_(LEVELS / (LEVELS - cut) if cut < LEVELS else 0.0)


class Dropout(nn.Dropout):
    """`nn.Dropout`, with cheaper masks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * noise(x.shape, self.p, x.dtype) if self.training and self.p else x


class LayerNorm(nn.LayerNorm):
    """`nn.LayerNorm`; under autocast its result has the type that the next matrix product takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else out


class Attention(torch.autograd.Function):
    """Softmax attention with dropout on its weights; torch's fused one has no dropout on a processor."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any, scale: float, p: float) -> Any:
        """Of (batch, heads, length, size) each; the mask is added; gives (batch, length, heads, size)."""
        ctx.scale, ctx.shapes = scale, (query.shape, key.shape, value.shape)
        (batch, heads, length, _), read = query.shape, key.shape[2]
        query, key, value = (part.flatten(0, 1) for part in (query, key, value))
        with torch.autocast("cpu", enabled=False):
            scores = query.new_empty(batch * heads, length, read)
            scores = torch.baddbmm(scores, query, key.transpose(1, 2), beta=0, alpha=scale)
            if mask is not None:
                scores.view(batch, heads, length, read).add_(mask)
            weights = scores.softmax(-1)
            kept = noise(weights.shape, p, weights.dtype)
            out = torch.bmm(weights * kept, value)
        ctx.save_for_backward(query, key, value, weights, kept)
        return out.view(ctx.shapes[0]).transpose(1, 2).contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        query, key, value, weights, kept = ctx.saved_tensors
        grad = grads[0].transpose(1, 2).reshape(query.shape)
        of_value = torch.bmm((weights * kept).transpose(1, 2), grad)
        of_weights = torch.bmm(grad, value.transpose(1, 2)).mul_(kept)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_query = torch.baddbmm(query, of_scores, key, beta=0, alpha=ctx.scale)
        of_key = torch.baddbmm(key, of_scores.transpose(1, 2), query, beta=0, alpha=ctx.scale)
        found = zip((of_query, of_key, of_value), ctx.shapes, strict=True)
        return *(part.view(shape) for part, shape in found), None, None, None


def attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, dropout: float = 0.0, **given: Any
) -> tuple[Any, None]:
    """transformers' attention by `sdpa`, but for the plain case with dropout."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    plain = not getattr(module, "is_causal", False) and query.shape[1] == key.shape[1] == value.shape[1]
    known = {"scaling", "is_causal"} >= {name for name, value in given.items() if value is not None}
    if not (dropout and plain and known):
        usual: tuple[Any, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, **given
        )
        return usual
    mask = attention_mask
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)
    scale = given.get("scaling") or query.shape[-1] ** -0.5
    out: Any = Attention.apply(query, key, value, mask, scale, dropout)
    return out, None


def _register() -> None:
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(ATTENTION, attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
