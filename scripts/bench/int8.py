"""What choices of the INT8 path are worth: float32 between INT8 operations; of texts RoFormer's rotation as a gather;
of images biases that are corrected layer after layer.

Use: int8.py MODEL DATASET   (artifacts of `toolkit finetune` or `distill`, and of `toolkit split`)
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from toolkit import console, inputs, quiet, reading
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.compression.quantize import calibration, openvino, tracing
from toolkit.data.options import ContentOptions
from toolkit.inference import predictor, timing

ROWS = 300


def main(folder: Path, given: str) -> None:
    data = inputs.load_dataset(inputs.resolve("data", "dataset", given), ContentOptions(), kinds=("text", "image"))
    rows, train = data["test"], data["train"]
    model, processor = loading.load(folder)
    kind, names = models.reads(folder), models.labels(folder) or []
    reader = reading.of(kind, processor, model.config)
    shown = train.select(calibration.stratified(train["label"], ROWS, 0))
    batches = calibration.batches(reader, reader.encode(reader.contents(shown)))
    nncf, core = quiet.nncf(), quiet.openvino().Core
    quantize, compile_model = nncf.quantize, core.compile_model

    def at_once(*given: Any, **settings: Any) -> Any:
        return quantize(*given, **settings | {"fast_bias_correction": True})

    def in_bf16(own: Any, graph: Any, device: str, settings: dict[str, Any]) -> Any:
        return compile_model(own, graph, device, settings | {"INFERENCE_PRECISION_HINT": "bf16"})

    def build(backend: str, graph: Any) -> predictor.Predictor:
        return predictor.build(backend, graph, reader, names, "cpu")

    other: dict[str, Any] = {
        "text": ("rotation by slices", mock.patch.object(tracing, "_gathered_rotation", contextlib.nullcontext)),
        "image": ("biases all at once", mock.patch.object(nncf, "quantize", at_once)),
    }
    as_it_is, (what, patched) = openvino.static(model, batches), other[kind]
    with patched:
        otherwise = openvino.static(model, batches)
    compared = {
        "float, PyTorch": build("torch", model),
        "INT8": build("openvino", as_it_is),
        f"INT8, {what}": build("openvino", otherwise),
    }
    with mock.patch.object(core, "compile_model", in_bf16):
        compared["INT8, bfloat16 between"] = build("openvino", as_it_is)
    contents = reader.contents(rows)
    speed = timing.measure(compared, contents)
    answers = {name: p.probabilities(contents).argmax(1) for name, p in compared.items()}
    labels = [rows.features["label"].int2str(label) for label in rows["label"]]
    table = []
    for name, answer in answers.items():
        right = np.mean([names[i] == label for i, label in zip(answer, labels, strict=True)])
        flipped = np.mean(answer != answers["float, PyTorch"])
        table.append([name, f"{right:.4f}", f"{flipped:.2%}", f"{speed[name]['samples_per_second']:,.0f}"])
    console.enable()
    console.table(f"{folder} on {len(rows)} rows", ("model", "accuracy", "flipped", "samples/s"), table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
