"""Models of other runtimes as artifacts: the graph or the weights, beside the config and processor they came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolkit import quiet
from toolkit.artifacts.model import ONNX, OPENVINO, read_config

ONNX_BYTES = 1_900_000_000  # of a graph in one file: protobuf's limit is 2 GiB


def save_openvino(folder: Path, graph: Any, config: Any, processor: Any, *, half: bool = False) -> None:
    """An `openvino.Model` with the config and processor of the model that it came from; `half`: floats in 16 bits."""
    quiet.openvino().save_model(graph, folder / OPENVINO, compress_to_fp16=half)
    config.save_pretrained(folder)
    processor.save_pretrained(folder)


def save_onnx(folder: Path, graph: Any, config: Any, processor: Any) -> None:
    """An `onnx.ModelProto` likewise; what is too large for one file has its weights in `model.onnx.data`."""
    import onnx

    large = graph.ByteSize() > ONNX_BYTES
    location = f"{ONNX}.data"
    onnx.save_model(graph, str(folder / ONNX), save_as_external_data=large, location=location if large else None)
    config.save_pretrained(folder)
    processor.save_pretrained(folder)


def save_int8(folder: Path, state: dict[str, Any], config: Any, processor: Any, scheme: dict[str, str]) -> None:
    """Weights in INT8 as safetensors; the config says by which scheme (`quantization_config`)."""
    from safetensors.torch import save_file

    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    written = read_config(folder) | {"quantization_config": scheme}
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    processor.save_pretrained(folder)
