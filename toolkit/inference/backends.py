"""The runtimes behind the Predictor. A backend wraps a loaded model as `run(batch) -> logits`, all numpy.

Adding one is a function and a line in `BACKENDS`; a batch is what a reader makes, logits are (rows, classes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolkit import quiet
from toolkit.errors import ToolkitError

Run = Callable[[dict[str, Any]], Any]


def torch_backend(model: Any, device: str) -> Run:
    """A transformers model in its own precision."""
    import torch

    model = model.to(device).eval()

    def run(batch: dict[str, Any]) -> Any:
        with torch.inference_mode():
            out = model(**{name: torch.from_numpy(values).to(device) for name, values in batch.items()}).logits
        return out.float().cpu().numpy()

    return run


def openvino_backend(model: Any, device: str) -> Run:
    """An OpenVINO model compiled for the processor, all cores on one request.

    What is not INT8 stays in float32: OpenVINO's own choice on processors with AMX is bfloat16, whose rounding between
    the quantizers flips predictions (`scripts/bench/int8.py` shows how many).
    """
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = quiet.openvino().Core().compile_model(model, "CPU", settings)
    names = {port.get_any_name() for port in compiled.inputs}
    output = compiled.outputs[0]

    def run(batch: dict[str, Any]) -> Any:
        if names != batch.keys():  # only the types of the tokens come and go
            one, two = "single texts", "pairs of texts"
            made, given = (two, one) if len(names) > len(batch) else (one, two)
            raise ToolkitError(f"the model was quantized on {made}, the data holds {given}", "quantize it on such data")
        return compiled(batch)[output].copy()

    return run


BACKENDS: dict[str, Callable[[Any, str], Run]] = {"torch": torch_backend, "openvino": openvino_backend}
