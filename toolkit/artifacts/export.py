"""What makes a folder with a converted model run without this project: `run.py`, `run.json`, `requirements.txt`."""

from __future__ import annotations

import inspect
from importlib import metadata
from pathlib import Path
from typing import Any

from toolkit.artifacts import manifest
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError

NEEDS = {
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "text": "tokenizers",
    "image": "pillow",
}  # packages besides numpy

HEAD = '''"""Classes and probabilities, a line of JSON each: python run.py {usage}

Needs what requirements.txt names, nothing else.
"""

import json
import sys
from pathlib import Path
{typing}
import numpy as np
{imports}

here = Path(__file__).parent
settings = json.loads((here / "run.json").read_text(encoding="utf-8"))
'''

LOAD = {
    "openvino": """
model = openvino.Core().compile_model(here / "openvino_model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
names = [port.get_any_name() for port in model.inputs]


def logits(batch):
    return model({name: batch[name] for name in names})["logits"]
""",
    "onnx": """
model = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])
names = [port.name for port in model.get_inputs()]


def logits(batch):
    return model.run(["logits"], {name: batch[name] for name in names})[0]
""",
}

READ = {
    "text": """
tokenizer = Tokenizer.from_file(str(here / "tokenizer.json"))
tokenizer.enable_truncation(settings["max_length"], direction=settings["truncation_side"])
tokenizer.enable_padding(pad_id=settings["pad_id"])


def read(texts):
    rows = tokenizer.encode_batch(texts)
    parts = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {name: np.array([getattr(row, part) for row in rows], np.int64) for name, part in parts.items()}
""",
    "image": """

{placed}

def read(files):
    pixels = np.stack([np.asarray(placed(ImageOps.exif_transpose(Image.open(file)), settings)) for file in files])
    values = pixels.reshape(*pixels.shape[:3], -1) * np.float32(settings["factor"]) + np.float32(settings["offset"])
    return {{"pixel_values": np.ascontiguousarray(values.transpose(0, 3, 1, 2))}}
""",
}

TAIL = """

inputs = sys.argv[1:]
if not inputs or (settings["pairs"] and len(inputs) % 2):
    sys.exit(__doc__)
if settings["pairs"]:
    inputs = list(zip(inputs[::2], inputs[1::2]))
values = logits(read(inputs)).astype(np.float64)
if settings["several"]:
    chances = 1 / (1 + np.exp(-values))
    chosen = [np.flatnonzero((row >= 0.5) | (row == row.max())) for row in chances]
    told = [[settings["labels"][i] for i in classes] for classes in chosen]
else:
    chances = np.exp(values - values.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    told = [settings["labels"][i] for i in chances.argmax(1)]
for given, label, row in zip(inputs, told, chances.tolist()):
    print(json.dumps({"input": given, "label": label, "probabilities": row}, ensure_ascii=False))
"""


def export(
    folder: Path, kind: str, reader: Any, names: list[str], several: bool = False, pairs: bool = False
) -> list[str]:
    """Write the three files beside a converted model; returns lines for its card.

    Args:
        kind: "openvino" or "onnx", as the model is.
        reader: that the model is run with.
        names: the classes in the order of its outputs.
        several: whether a row has any number of them.
        pairs: whether what it reads are pairs of texts.

    Raises:
        ToolkitError: a model of another kind, or a tokenizer or image processor that needs transformers.
    """
    if models.backend(folder) != kind:
        raise ToolkitError(f"{folder} holds no {kind} model", f"quantize it with --backend {kind}")
    what = reader.kind
    manifest.write_json(folder / "run.json", {"labels": names, "several": several, "pairs": pairs, **settings(reader)})
    imports = {
        "openvino": "import openvino",
        "onnx": "import onnxruntime",
        "text": "from tokenizers import Tokenizer",
        "image": "from PIL import Image, ImageOps",
    }
    usage = "IMAGE..." if what == "image" else "TEXT OTHER..." if pairs else "TEXT..."
    head = HEAD.format(
        usage=usage,
        imports="\n".join(sorted((imports[kind], imports[what]), reverse=True)),
        typing="from typing import Any\n" * (what == "image"),
    )
    reading = READ[what].format(placed=inspect.getsource(reader.placed)) if what == "image" else READ[what]
    (folder / "run.py").write_text(head + LOAD[kind] + reading + TAIL, encoding="utf-8")
    needed = [f"{name}=={metadata.version(name)}" for name in sorted({"numpy", NEEDS[kind], NEEDS[what]})]
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in needed), encoding="utf-8")
    return [
        "",
        "## Without the toolkit",
        "",
        f"`pip install -r requirements.txt`, then `python run.py {usage}`; `run.py` needs {', '.join(needed)} alone:",
        "",
        "```python",
        (head + LOAD[kind] + reading + TAIL).rstrip(),
        "```",
    ]


def settings(reader: Any) -> dict[str, Any]:
    """What `run.py` has to know to read as a reader does.

    Raises:
        ToolkitError: a tokenizer or image processor that needs transformers.
    """
    return _image_settings(reader) if reader.kind == "image" else _text_settings(reader)


def _text_settings(reader: Any) -> dict[str, Any]:
    if not reader.processor.is_fast:
        raise ToolkitError(
            f"the tokenizer {type(reader.processor).__name__} is written in Python, which an export does without",
            "leave --export out, and run the model with 'toolkit predict'",
        )
    return {
        "max_length": reader.max_length,
        "pad_id": reader.processor.pad_token_id,
        "truncation_side": reader.processor.truncation_side,
    }


def _image_settings(reader: Any) -> dict[str, Any]:
    if reader.recipe is None:
        name = type(reader.processor).__name__.removesuffix("Pil")
        raise ToolkitError(
            f"the image processor {name} does more than an export can without transformers",
            "leave --export out, and run the model with 'toolkit predict'",
        )
    channels = reader.shape[-1]
    return dict(reader.recipe, factor=reader.factor[:channels].tolist(), offset=reader.offset[:channels].tolist())
