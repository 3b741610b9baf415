"""INT8 through NNCF and OpenVINO: weights and activations, calibrated on rows."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from toolkit import console, quiet


def stratified(labels: Sequence[int], count: int, seed: int) -> list[int]:
    """Row numbers of a sample in which every class has its share."""
    rng = np.random.default_rng(seed)
    array = np.asarray(labels)
    order = rng.permutation(len(array))
    # the k-th row of a class of n is at (k + 1/2) / n: sorting by it interleaves the classes by their shares
    rank = np.zeros(len(array))
    for label in np.unique(array):
        rows = order[array[order] == label]
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return [int(i) for i in np.argsort(rank, kind="stable")[:count]]


@contextlib.contextmanager
def _gathered_rotation() -> Iterator[None]:
    """Say RoFormer's rotation of value pairs as one gather while a model is traced.

    The strided slices that transformers writes have reference kernels only in OpenVINO, which took half of the time.
    """
    import torch
    from transformers.models.roformer.modeling_roformer import RoFormerSelfAttention as Attention

    def rotate(positions: Any, query: Any, key: Any, value: Any = None) -> tuple[Any, ...]:
        sine, cosine = (half.repeat_interleave(2, -1) for half in positions.chunk(2, -1))
        width = query.shape[-1]
        partner = torch.arange(width) ^ 1
        sign = torch.tensor([-1.0, 1.0]).repeat(width // 2)
        turned = [query, key] if value is None else [query, key, value]
        return tuple(x * cosine + x.index_select(-1, partner) * sign * sine for x in turned)

    stock = Attention.apply_rotary_position_embeddings
    Attention.apply_rotary_position_embeddings = staticmethod(rotate)
    try:
        yield
    finally:
        Attention.apply_rotary_position_embeddings = staticmethod(stock)


def to_openvino(model: Any, inputs: Sequence[str] = ("input_ids", "attention_mask")) -> Any:
    """A transformers text classifier as an `openvino.Model` with dynamic batch and length.

    Args:
        inputs: what a batch holds; of pairs of texts `token_type_ids` too, where the model reads them.
    """
    import torch

    openvino = quiet.openvino()

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> Any:
            return self.model(**dict(zip(inputs, values, strict=True))).logits

    example = torch.ones(2, 16, dtype=torch.int64)
    example_input = tuple(torch.zeros_like(example) if name == "token_type_ids" else example for name in inputs)
    rotation = _gathered_rotation() if model.config.model_type == "roformer" else contextlib.nullcontext()
    with torch.inference_mode(), rotation, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes
        converted = openvino.convert_model(Logits().eval(), example_input=example_input)
    for port, name in zip(converted.inputs, inputs, strict=True):
        port.get_node().set_friendly_name(name)
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
        port.get_node().set_element_type(openvino.Type.i64)
    converted.outputs[0].get_tensor().set_names({"logits"})
    converted.validate_nodes_and_infer_types()
    return converted


def int8(model: Any, batches: list[dict[str, Any]]) -> Any:
    """Post-training INT8 of an `openvino.Model`.

    Args:
        batches: `{"input_ids", "attention_mask", …}` int64 arrays (1, length) that show the activations' ranges.
    """
    nncf = quiet.nncf()
    console.note(f"calibrating on {len(batches)} rows")
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars would go where the result goes
        return nncf.quantize(
            model, nncf.Dataset(batches), subset_size=len(batches), model_type=nncf.ModelType.TRANSFORMER
        )
