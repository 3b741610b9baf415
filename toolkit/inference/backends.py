"""The runtimes behind the Predictor. A backend wraps a loaded model as `run(ids, mask) -> logits`, all numpy.

Adding one is a function and a line in `BACKENDS`; `ids` and `mask` are int64 (batch, length), logits (batch, classes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolkit import quiet

Run = Callable[[Any, Any], Any]


def torch_backend(model: Any, device: str) -> Run:
    """A transformers model in its own precision."""
    import torch

    model = model.to(device).eval()

    def run(ids: Any, mask: Any) -> Any:
        with torch.inference_mode():
            out = model(
                input_ids=torch.from_numpy(ids).to(device), attention_mask=torch.from_numpy(mask).to(device)
            ).logits
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

    def run(ids: Any, mask: Any) -> Any:
        feed = {"input_ids": ids, "attention_mask": mask}
        return compiled({name: feed[name] for name in names})[output].copy()

    return run


BACKENDS: dict[str, Callable[[Any, str], Run]] = {"torch": torch_backend, "openvino": openvino_backend}
