"""Model artifacts: a folder that the stock `from_pretrained` opens, with figures and a card beside the weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from toolkit.artifacts import quantized
from toolkit.errors import ToolkitError

OPENVINO = "openvino_model.xml"
ONNX = "model.onnx"
WEIGHTS = {
    "openvino": ("openvino_model.xml", "openvino_model.bin"),
    "onnx": ("model.onnx", "model.onnx*data"),  # what is too large for one file lies beside it
    "torch": ("model*.safetensors",),
    "int8": ("model.safetensors",),
}
PROCESSOR = "preprocessor_config.json"  # what reads images
HELPERS = ("tokenizer", "vocab", "special_tokens", "merges", "added_tokens", "preprocessor")
# What an architecture's name ends in, by the task that its head is for.
HEADS = {
    "text-classification": "ForSequenceClassification",
    "image-classification": "ForImageClassification",
    "masked-lm": "ForMaskedLM",
}
SEVERAL = "multi_label_classification"  # the problem_type of a config whose rows have any number of classes
CLASSIFIERS = ("text-classification", "image-classification")


def backend(folder: Path) -> str:
    """Which runtime the weights in a model folder are for: "torch", or of a quantized one "openvino", "onnx", "int8".

    Raises:
        ToolkitError: there are no weights.
    """
    for name, file in (("openvino", OPENVINO), ("onnx", ONNX)):
        if (folder / file).is_file():
            return name
    if (folder / "model.safetensors").is_file() or (folder / "model.safetensors.index.json").is_file():
        method = read_config(folder).get("quantization_config", {}).get("quant_method")
        return "int8" if method == quantized.METHOD else "torch"
    raise ToolkitError(f"{folder} holds no model.safetensors", "save it as safetensors, or give another model folder")


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json`.

    Raises:
        ToolkitError: it is missing or does not parse.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as e:
        raise ToolkitError(
            f"{folder} has no config.json that parses", "give a folder written by save_pretrained"
        ) from e
    return config


def task(folder: Path) -> str | None:
    """The task that a model's head is for; None for a bare encoder, or one of another kind."""
    named = read_config(folder).get("architectures") or []
    found = next((name for name, ending in HEADS.items() if any(a.endswith(ending) for a in named)), None)
    return found or ("masked-lm" if fills_masks(folder) else None)


def fills_masks(folder: Path) -> bool:
    """Whether a model says that it is a masked language model, told from its config alone."""
    named = read_config(folder).get("architectures") or []
    return any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in named)


def reads(folder: Path) -> str:
    """The kind of content that a model reads: "text" or "image"."""
    images = (folder / PROCESSOR).is_file() or "num_channels" in read_config(folder)
    return "image" if images else "text"


def demand_kind(folder: Path, kind: str) -> None:
    """A model that reads this kind of content.

    Raises:
        ToolkitError: it reads another kind.
    """
    if reads(folder) != kind:
        raise ToolkitError(f"{folder} reads {reads(folder)}s, the data holds {kind}s", "give a model for this data")


def labels(folder: Path) -> list[str] | None:
    """The class names of a classifier in the order of its outputs; None for anything else."""
    config = read_config(folder)
    if task(folder) not in CLASSIFIERS:
        return None
    # transformers leaves out what is its default: two classes of these names
    names = config.get("id2label") or {i: f"LABEL_{i}" for i in range(config.get("num_labels", 2))}
    return [names[key] for key in sorted(names, key=int)]


def several(folder: Path) -> bool:
    """Whether a classifier tells each class by itself, so that a row may have several."""
    return read_config(folder).get("problem_type") == SEVERAL


def has_head(folder: Path, names: list[str], of_several: bool) -> bool:
    """Whether a model has a head for just these classes, one a row or several."""
    kind = read_config(folder).get("problem_type") or "single_label_classification"
    return labels(folder) == names and kind == (SEVERAL if of_several else "single_label_classification")


def several_of(model: Any) -> bool:
    """The same of a loaded one."""
    return bool(model.config.problem_type == SEVERAL)


def demand_classifier(folder: Path, command: str, *, backends: tuple[str, ...] = ("torch",)) -> list[str]:
    """The class names of a model that `command` can work on.

    Raises:
        ToolkitError: it is no classifier, tells a number, or is quantized where that is of no use.
    """
    names = labels(folder)
    if names is None:
        raise ToolkitError(f"{folder} is not a classifier", f"run 'toolkit finetune' on it before 'toolkit {command}'")
    if read_config(folder).get("problem_type") == "regression" or (len(names) < 2 and not several(folder)):
        raise ToolkitError(
            f"{folder} tells a number, not a class", f"run 'toolkit finetune' on it before 'toolkit {command}'"
        )
    if backend(folder) not in backends:
        order = "" if command == "quantize" else f": 'toolkit {command}' comes before 'toolkit quantize'"
        raise ToolkitError(f"{folder} is quantized already", f"give the model it was made from{order}")
    return names


def inference_bytes(folder: Path) -> int:
    """Size of the files that inference loads: weights of the folder's backend, config, tokenizer."""
    weights = WEIGHTS[backend(folder)]
    return sum(
        p.stat().st_size
        for p in folder.iterdir()
        if any(p.match(pattern) for pattern in weights) or p.name == "config.json" or p.name.startswith(HELPERS)
    )


def card(title: str, task: str, names: list[str], figures: dict[str, Any], lines: list[str]) -> str:
    """The model card: front matter for the hub, classes (of a classifier), figures, how to load it."""
    told = f"Classes: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}\n\n" if names else ""
    pipeline = "fill-mask" if task == "masked-lm" else task
    rows = "".join(f"| {key} | {value} |\n" for key, value in figures.items())
    return (
        f"---\npipeline_tag: {pipeline}\nlibrary_name: transformers\n---\n\n# {title}\n\n{told}"
        f"| figure | value |\n|---|---|\n{rows}\n" + "".join(f"{line}\n" for line in lines)
    )


def parameters(folder: Path) -> int | None:
    """Numbers in the weights: from the safetensors headers, or as `quantize` noted them; None where nothing tells."""
    if backend(folder) != "torch":
        noted = folder / "metrics.json"
        figures = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else {}
        return figures.get("model", {}).get("parameters")  # type: ignore[no-any-return]
    from safetensors import safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="np") as f:
            total += sum(math.prod(f.get_slice(key).get_shape()) for key in f.keys())  # noqa: SIM118
    return total
