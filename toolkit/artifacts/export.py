"""What makes a folder with a converted model run without this project: `run.py`, `run.json`, `requirements.txt`.

`tokenizer.json` says then how texts are cut and padded too, for whatever reads it.
"""

from __future__ import annotations

import copy
import inspect
from importlib import metadata
from pathlib import Path
from typing import Any

from toolkit.artifacts import manifest
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError

NEEDS = {  # packages besides numpy, and how they are imported
    "openvino": ("openvino", "import openvino"),
    "onnx": ("onnxruntime", "import onnxruntime"),
    "text": ("tokenizers", "from tokenizers import Tokenizer"),
    "image": ("pillow", "from PIL import Image, ImageOps"),
}

HEAD = '''"""Classes and probabilities, a line of JSON each: python run.py {usage}

Needs what requirements.txt names, nothing else.
"""

import json
import sys
from pathlib import Path
{typing}
import numpy as np
{imports}
{functions}
{inputs}
here = Path(__file__).parent
settings = json.loads((here / "run.json").read_text(encoding="utf-8"))
'''

INPUTS = {  # whether they are pairs
    False: "inputs = sys.argv[1:] or sys.exit(__doc__)",
    True: """\
if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
    sys.exit(__doc__)
inputs = list(zip(sys.argv[1::2], sys.argv[2::2]))""",
}

LOAD = {
    "openvino": """\
model = openvino.Core().compile_model(here / "openvino_model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
names = [port.get_any_name() for port in model.inputs]
""",
    "onnx": """\
model = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])
names = [port.name for port in model.get_inputs()]
""",
}

READ = {
    "text": """\
rows = Tokenizer.from_file(str(here / "tokenizer.json")).encode_batch(inputs)
parts = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
batch = {name: np.array([getattr(row, parts[name]) for row in rows], np.int64) for name in names}
""",
    "image": """

def read(file):
    image = Image.open(file)
    if image.mode[0] in "IF" or (image.mode == "CMYK" and "icc_profile" in image.info):
        sys.exit(f"{file} is of mode {image.mode}: make it RGB first, as 'toolkit clean' does")
    return placed(opaque(ImageOps.exif_transpose(image)), settings)


pixels = np.stack([np.asarray(read(file)) for file in inputs])
values = pixels.reshape(*pixels.shape[:3], -1) * np.float32(settings["factor"]) + np.float32(settings["offset"])
batch = {names[0]: np.ascontiguousarray(values.transpose(0, 3, 1, 2))}
""",
}

BARE = """\
if not all(any(row.attention_mask) for row in rows):
    sys.exit("a text holds nothing that the model reads")
"""

RUN = {
    "openvino": 'logits = model(batch)["logits"].astype(np.float64)\n',
    "onnx": 'logits = model.run(["logits"], batch)[0].astype(np.float64)\n',
}

CHANCES = {  # whether rows have several classes
    False: "chances = np.exp(logits - np.logaddexp.reduce(logits, 1, keepdims=True))\n",
    True: "chances = 1 / (1 + np.exp(-logits))\n",
}
LABEL = {
    False: 'settings["labels"][row.argmax()]',
    True: '[settings["labels"][i] for i in np.flatnonzero((row >= 0.5) | (row == row.max()))]',
}

TELL = """\
for given, row in zip(inputs, chances):
    label = {label}
    print(json.dumps({{"input": given, "label": label, "probabilities": row.tolist()}}, ensure_ascii=False))
"""


def export(
    folder: Path, kind: str, reader: Any, names: list[str], several: bool = False, pairs: bool = False
) -> list[str]:
    """Write these files beside a converted model; returns lines for its card.

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
    manifest.write_json(folder / "run.json", {"labels": names, **settings(reader)})
    if what == "text":
        _complete(reader.tokenizer, reader.processor).save(str(folder / "tokenizer.json"))
    usage = "IMAGE..." if what == "image" else "TEXT OTHER..." if pairs else "TEXT..."
    script = _script(kind, reader, usage, several, pairs)
    (folder / "run.py").write_text(script, encoding="utf-8")
    packages = sorted({"numpy", NEEDS[kind][0], NEEDS[what][0]})
    needed = [f"{name}=={metadata.version(name)}" for name in packages]
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in needed), encoding="utf-8")
    return [
        "",
        "## Without the toolkit",
        "",
        f"`pip install -r requirements.txt`, then `python run.py {usage}`; `run.py` needs {', '.join(needed)} alone:",
        "",
        "```python",
        script.rstrip(),
        "```",
    ]


def _script(kind: str, reader: Any, usage: str, several: bool, pairs: bool) -> str:
    what = reader.kind
    own = (reader.opaque, reader.placed) if what == "image" else ()
    functions = "".join(f"\n\n{inspect.getsource(function)}" for function in own)
    head = HEAD.format(
        usage=usage,
        imports="\n".join(sorted((NEEDS[kind][1], NEEDS[what][1]), reverse=True)),
        typing="from typing import Any\n" * (what == "image"),
        functions=functions and f"{functions}\n",
        inputs=INPUTS[pairs],
    )
    read = READ[what]
    if what == "text" and not reader.tokenizer.encode("").ids:  # no special tokens stand around a text
        read = read.replace("parts =", f"{BARE}parts =")
    return head + LOAD[kind] + read + RUN[kind] + CHANCES[several] + TELL.format(label=LABEL[several])


def settings(reader: Any) -> dict[str, Any]:
    """What `run.py` has to know to read as a reader does; nothing where the tokenizer knows it.

    Raises:
        ToolkitError: a tokenizer or image processor that needs transformers.
    """
    if reader.kind == "image":
        return _image_settings(reader)
    if reader.tokenizer is None:
        raise ToolkitError(
            f"the tokenizer {type(reader.processor).__name__} is written in Python, which an export does without",
            "leave --export out, and run the model with 'toolkit predict'",
        )
    return {}


def _complete(tokenizer: Any, processor: Any) -> Any:
    """A tokenizer that cuts, with how it pads."""
    out = copy.deepcopy(tokenizer)
    out.enable_padding(pad_id=processor.pad_token_id, pad_token=processor.pad_token)
    return out


def _image_settings(reader: Any) -> dict[str, Any]:
    if reader.recipe is None:
        name = type(reader.processor).__name__.removesuffix("Pil")
        raise ToolkitError(
            f"the image processor {name} does more than an export can without transformers",
            "leave --export out, and run the model with 'toolkit predict'",
        )
    channels = reader.shape[-1]
    return dict(reader.recipe, factor=reader.factor[:channels].tolist(), offset=reader.offset[:channels].tolist())
