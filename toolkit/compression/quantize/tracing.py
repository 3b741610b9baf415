"""What converters trace: a transformers model as a function of a batch's arrays."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from toolkit.errors import ToolkitError
from toolkit.reading import first_token

OPERATOR = re.compile(r"(?:aten|prim|onnx|torchvision)::(?!Constant)\w+")
NODE = re.compile(r"with friendly_name '([^']+)'")  # the one that OpenVINO refuses; its inputs are told beside it
DYNAMIC = {"pixel_values": (0,)}  # axes of a model's inputs that vary; of texts the rows and their length
TEXT_AXES = (0, 1)


class Logits(torch.nn.Module):
    """A classifier that takes its inputs by position and gives its logits alone."""

    def __init__(self, model: Any, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Any) -> Any:
        return self.model(**dict(zip(self.names, values, strict=True))).logits


def example(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Inputs to trace a model with: like the batch, but of two rows, nothing masked, texts of 16 tokens."""
    texts = {"input_ids": torch.ones, "attention_mask": torch.ones, "token_type_ids": torch.zeros}
    return {
        name: texts[name](2, 16, dtype=torch.int64) if name in texts else torch.zeros(2, *values.shape[1:])
        for name, values in batch.items()
    }


@contextlib.contextmanager
def traceable(model: Any, runtime: str) -> Iterator[None]:
    """Inside, a model is traced: no gradients, no remarks on shapes, operations in the forms that runtimes are fast at.

    Raises:
        ToolkitError: the runtime has no form for one of the model's operators, which is named.
    """
    try:
        with torch.no_grad(), in_fast_forms(model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as e:
        refused = NODE.search(str(e))
        named = sorted(set(OPERATOR.findall(refused[1] if refused else str(e))))
        what = f"operator {', '.join(named)}" if named else f"{type(e).__name__}: {' '.join(str(e).split())[:120]}"
        raise ToolkitError(
            f"{type(model).__name__} cannot be converted for {runtime} ({what})",
            "use --backend torch (--method dynamic, fp16 or bf16)",
        ) from e


def in_fast_forms(model: Any) -> contextlib.AbstractContextManager[None]:
    """Inside, a model computes by the operations that it is traced with."""
    if model.config.model_type == "roformer":
        return _gathered_rotation()
    return _eager(model) if getattr(model.config, "local_attention", None) else first_token.alone(model)


@contextlib.contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Attention as products and a softmax: OpenVINO's own gives no numbers where a window holds padding alone."""
    own = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(own)


@contextlib.contextmanager
def _gathered_rotation() -> Iterator[None]:
    """Say RoFormer's rotation of value pairs as one gather while a model is traced.

    The strided slices that transformers writes have reference kernels only in OpenVINO, which took half of the time.
    """
    from transformers.models.roformer.modeling_roformer import RoFormerSelfAttention as Attention

    def rotate(positions: Any, query: Any, key: Any, value: Any = None) -> tuple[Any, ...]:
        # dimensions by number: ONNX's tracer makes a 3 of a -1 here, and of all constants that are -1 with it
        sine, cosine = (half.repeat_interleave(2, 3) for half in positions.chunk(2, 3))
        width = int(query.shape[3])
        partner = torch.tensor([i ^ 1 for i in range(width)])
        sign = torch.tensor([-1.0, 1.0] * (width // 2))
        turned = [query, key] if value is None else [query, key, value]
        return tuple(x * cosine + x.index_select(3, partner) * sign * sine for x in turned)

    stock = Attention.apply_rotary_position_embeddings
    Attention.apply_rotary_position_embeddings = staticmethod(rotate)
    try:
        yield
    finally:
        Attention.apply_rotary_position_embeddings = staticmethod(stock)
