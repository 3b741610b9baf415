"""Tiny classifiers converted for other runtimes, saved as `quantize` saves them."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification
from unit.image_models import MODELS, PROCESSORS

from toolkit import quiet
from toolkit.artifacts import loading
from toolkit.training import builtin

TEXTS = [" ".join(["late", "parcel", "nobody", "where"][: 1 + i % 4]) * (1 + i % 5) for i in range(24)]
NAMES = ["neg", "neutral", "pos"]
CLASSES = {"id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}


def text(seed: int = 0) -> tuple[Any, Any]:
    """A BERT whose answers differ from text to text, and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = builtin.train_tokenizer(TEXTS)
    shape = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "initializer_range": 0.3,
    }
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, **shape, **CLASSES)
    return BertForSequenceClassification(config).eval(), tokenizer


def image(processor: str = "vit", model: str = "vit") -> tuple[Any, Any]:
    torch.manual_seed(0)
    made = MODELS[model](num_labels=3, **CLASSES).eval()
    [*made.classifier.modules()][-1].weight.data *= 40
    return made, PROCESSORS[processor]()


class Logits(torch.nn.Module):
    def __init__(self, model: Any, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Any) -> Any:
        return self.model(**dict(zip(self.names, values, strict=True))).logits


def save(folder: Path, kind: str, model: Any, processor: Any, batch: dict[str, Any]) -> Path:
    """A model folder of that runtime."""
    folder.mkdir()
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    processor.save_pretrained(folder)
    names, wrapped = list(batch), Logits(model, list(batch)).eval()
    inputs = tuple(torch.from_numpy(np.ascontiguousarray(values)) for values in batch.values())
    moving = {name: [0, 1] if name != "pixel_values" else [0] for name in names}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "onnx":
            axes = {name: {i: f"axis{i}" for i in at} for name, at in moving.items()}
            options = {"input_names": names, "output_names": ["logits"], "dynamic_axes": axes, "dynamo": False}
            torch.onnx.export(wrapped, inputs, str(folder / "model.onnx"), opset_version=17, **options)
            return folder
        graph = quiet.openvino().convert_model(wrapped, example_input=inputs)
    for port, name in zip(graph.inputs, names, strict=True):
        shape = [-1 if i in moving[name] else n for i, n in enumerate(batch[name].shape)]
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(quiet.openvino().PartialShape(shape))
    graph.outputs[0].get_tensor().set_names({"logits"})
    graph.validate_nodes_and_infer_types()
    quiet.openvino().save_model(graph, folder / "openvino_model.xml", compress_to_fp16=False)
    return folder


def as_int8(folder: Path, model: Any, processor: Any) -> Path:
    """Saved as `quantize --backend torch` does."""
    loading.save(folder, model, processor)
    state = load_file(folder / "model.safetensors")
    for name in [n for n, values in state.items() if values.ndim > 1]:
        scale = state[name].abs().amax(dim=tuple(range(1, state[name].ndim)), keepdim=True) / 127
        state[name], state[f"{name}_scale"] = (state[name] / scale).round().to(torch.int8), scale
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "int8_per_channel", "weights": "int8"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder
