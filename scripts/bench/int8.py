"""What two choices of the INT8 path are worth: float32 between INT8 operations, and RoFormer's rotation as a gather.

Use: int8.py MODEL DATASET   (artifacts of `toolkit finetune` or `distill`, and of `toolkit split`)
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from toolkit import console, quiet, reading
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.compression.quantize import calibration, openvino, tracing
from toolkit.inference import predictor, timing

ROWS = 300


def main(folder: Path, data: Path) -> None:
    rows = pd.read_parquet(data / "data" / "test.parquet")
    shown = pd.read_parquet(data / "data" / "train.parquet")[:ROWS]
    model, processor = loading.load(folder)
    names, reader = models.labels(folder) or [], reading.of("text", processor, model.config)
    batches = calibration.batches(reader, reader.encode(list(shown["text"])))

    def build(backend: str, graph: Any) -> predictor.Predictor:
        return predictor.build(backend, graph, reader, names, "cpu")

    as_it_is = openvino.static(model, batches)
    with mock.patch.object(tracing, "_gathered_rotation", contextlib.nullcontext):
        sliced = openvino.static(model, batches)
    compared = {
        "float, PyTorch": build("torch", model),
        "INT8": build("openvino", as_it_is),
        "INT8, rotation by slices": build("openvino", sliced),
    }
    compile_model = quiet.openvino().Core.compile_model
    with mock.patch.object(
        quiet.openvino().Core,
        "compile_model",
        lambda core, graph, device, settings: compile_model(
            core, graph, device, settings | {"INFERENCE_PRECISION_HINT": "bf16"}
        ),
    ):
        compared["INT8, bfloat16 between"] = build("openvino", as_it_is)
    texts = list(rows["text"])
    speed = timing.measure(compared, texts)
    answers = {name: p.probabilities(texts).argmax(1) for name, p in compared.items()}
    table = []
    for name, answer in answers.items():
        right = np.mean([names[i] for i in answer] == rows["label"].map(_label(data)).to_numpy())
        flipped = np.mean(answer != answers["float, PyTorch"])
        table.append([name, f"{right:.4f}", f"{flipped:.2%}", f"{speed[name]['samples_per_second']:,.0f}"])
    console.enable()
    console.table(f"{folder} on {len(rows)} rows", ("model", "accuracy", "flipped", "samples/s"), table)


def _label(data: Path) -> Any:
    """From a label as the parquet file holds it to its name."""
    import datasets
    from pyarrow import parquet

    features = datasets.Features.from_arrow_schema(parquet.read_schema(data / "data" / "test.parquet"))
    return features["label"].int2str


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
