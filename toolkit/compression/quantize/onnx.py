"""ONNX graphs for ONNX Runtime: INT8 with ranges found at run time (texts) or by calibration (images)."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from toolkit import console
from toolkit.compression.quantize.tracing import DYNAMIC, TEXT_AXES, Logits, example, traceable
from toolkit.errors import ToolkitError

OPSET = 17
AXES = ("batch", "length")
PRODUCTS = ["Conv", "MatMul", "Gemm"]  # all that is quantized of a model with attention; a convolutional one is whole


def demand() -> None:
    """ONNX and ONNX Runtime.

    Raises:
        ToolkitError: one is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as e:
        raise ToolkitError(f"--backend onnx needs {e.name}", "pip install 'model-toolkit[onnx]'") from e


def export(model: Any, batch: dict[str, Any], path: Path) -> None:
    """Write a transformers classifier as a graph with dynamic batch (and length, of texts).

    By tracing: torch's newer exporter (2.13) drops the attention's mask of BERT, and its answers.
    """
    inputs = example(batch)
    axes = {name: {i: AXES[i] for i in DYNAMIC.get(name, TEXT_AXES)} for name in inputs} | {"logits": {0: AXES[0]}}
    with traceable(model, "ONNX"), _silent():
        torch.onnx.export(
            Logits(model, list(inputs)).eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def dynamic(model: Any, batches: list[dict[str, Any]], work: Path) -> Any:
    """INT8 weights per channel, embeddings too; activations get their ranges from each batch. An `onnx.ModelProto`."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source, target = _files(work)
    export(model, batches[0], source)
    with _silent():
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
    return onnx.load(target)


def static(model: Any, batches: list[dict[str, Any]], work: Path) -> Any:
    """INT8 weights and activations as pairs of QuantizeLinear and DequantizeLinear. An `onnx.ModelProto`."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, target = _files(work)
    export(model, batches[0], source)
    console.note(f"calibrating on {len(batches)} rows")
    attends = bool(getattr(model.config, "num_attention_heads", None))
    with _silent():
        quant_pre_process(source, source, skip_symbolic_shape=True)
        quantize_static(
            source,
            target,
            _Rows(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=PRODUCTS if attends else None,
        )
    return onnx.load(target)


class _Rows:
    """Batches as ONNX Runtime's calibration asks for them."""

    def __init__(self, batches: list[dict[str, Any]]) -> None:
        self.left = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        return next(self.left, None)


def _files(work: Path) -> tuple[Path, Path]:
    work.mkdir(parents=True, exist_ok=True)
    return work / "float.onnx", work / "quantized.onnx"


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """No remarks of exporters and quantizers: advice on other ways to call them, and graphs that failed, on stdout."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
