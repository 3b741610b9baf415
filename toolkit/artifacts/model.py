"""Model artifacts: a folder that the stock `from_pretrained` opens, with figures and a card beside the weights."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

from toolkit import quiet
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


def load_config(folder: Path) -> Any:
    """A model's config, with all that its class fills in.

    Raises:
        ToolkitError: transformers does not know it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder)
    except Exception as e:
        raise _broken(folder, e) from e


def _broken(folder: Path, e: Exception) -> ToolkitError:
    what = " ".join(str(e).split())[:160]
    return ToolkitError(f"the model in {folder} does not load ({type(e).__name__}: {what})", "copy or make it again")


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer beside a model; one without a padding token gets one that it has.

    Raises:
        ToolkitError: there is none, or no token to pad with.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as e:
        raise ToolkitError(f"{folder} has no tokenizer that loads", f"{type(e).__name__}: {e}") from e
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ToolkitError(
            f"the tokenizer of {folder} has no token to pad with", "set pad_token in its tokenizer_config.json"
        )
    return tokenizer


def load_processor(folder: Path) -> Any:
    """What turns contents into a model's inputs: its tokenizer, or its image processor.

    Raises:
        ToolkitError: there is none that loads.
    """
    if reads(folder) == "text":
        return load_tokenizer(folder)
    if not (folder / PROCESSOR).is_file():
        raise ToolkitError(f"{folder} has no {PROCESSOR}", "copy it there from where the model was published")
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(folder, backend="pil")
    except Exception as e:
        raise ToolkitError(f"{folder} has no image processor that loads", f"{type(e).__name__}: {e}") from e


def load(folder: Path, names: list[str] | None = None, of_several: bool = False) -> tuple[Any, Any]:
    """A classifier and its processor; with `names`, of those classes, its head new unless `has_head` for them.

    Raises:
        ToolkitError: damaged or missing weights, or an architecture that transformers has no classifier for.
    """
    backend(folder)
    _demand_architecture(folder)
    auto = _auto(folder)
    own = labels(folder)
    new_head = names is not None and not has_head(folder, names, of_several)
    extra: dict[str, Any] = {}
    if names is not None and new_head:
        label2id = {name: i for i, name in enumerate(names)}
        extra = {"num_labels": len(names), "id2label": dict(enumerate(names)), "label2id": label2id}
        extra |= {
            "ignore_mismatched_sizes": True,
            "problem_type": SEVERAL if of_several else "single_label_classification",
        }
    quiet.transformers()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, info = auto.from_pretrained(folder, output_loading_info=True, **extra)
    except Exception as e:
        raise _broken(folder, e) from e
    demand_weights(folder, model, info, new_head)
    if new_head and own and names and len(own) == len(names):  # of the same size, so the stored one was loaded
        fresh = auto.from_config(model.config)
        for name, module in fresh.named_children():
            if name != model.base_model_prefix:
                getattr(model, name).load_state_dict(module.state_dict())
    processor = load_processor(folder)
    if getattr(model.config, "pad_token_id", 0) is None:
        model.config.pad_token_id = processor.pad_token_id
    return model.float(), processor


def _auto(folder: Path) -> Any:
    """The class of transformers that loads a classifier of what the model reads."""
    import transformers

    return getattr(transformers, f"AutoModel{HEADS[f'{reads(folder)}-classification']}")


def has_head(folder: Path, names: list[str], of_several: bool) -> bool:
    """Whether a model has a head for just these classes, one a row or several."""
    kind = read_config(folder).get("problem_type") or "single_label_classification"
    return labels(folder) == names and kind == (SEVERAL if of_several else "single_label_classification")


def _demand_architecture(folder: Path) -> None:
    """An architecture that transformers has a classifier for.

    Raises:
        ToolkitError: it knows the architecture, and has none.
    """
    from transformers.models.auto import configuration_auto, modeling_auto

    kind, what = read_config(folder).get("model_type"), reads(folder)
    maps = {
        "text": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        "image": modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    }
    if kind in configuration_auto.CONFIG_MAPPING_NAMES and kind not in maps[what]:
        raise ToolkitError(
            f"{folder} holds a model of type {kind}, which classifies no {what}s",
            f"give {'an encoder such as BERT' if what == 'text' else 'a model such as ViT'}",
        )


def demand_weights(folder: Path, model: Any, info: dict[str, Any], new_head: bool) -> None:
    """Every weight came from the file, but for a head that is to be new (and the pooler under it).

    Raises:
        ToolkitError: others are missing or of another shape; transformers would fill them with random numbers.
    """
    inner = f"{model.base_model_prefix}."
    lacking = sorted(
        {*info["missing_keys"], *(key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"])}
    )
    bad = [key for key in lacking if not new_head or (key.startswith(inner) and "pooler" not in key)]
    if bad:
        raise ToolkitError(
            f"the weights in {folder} do not fit its config: {', '.join(bad[:3])} missing",
            "give the folder as save_pretrained wrote it",
        )


def load_for_inference(folder: Path) -> tuple[Any, Any]:
    """Model (as the backend of that name takes it) and processor.

    Raises:
        ToolkitError: damaged or missing files.
    """
    of = backend(folder)
    if of == "torch":
        return load(folder)
    if of == "onnx":
        return folder / ONNX, load_processor(folder)
    try:
        if of == "openvino":
            return quiet.openvino().Core().read_model(folder / OPENVINO), load_processor(folder)
        return quantized.load(folder, _auto(folder)), load_processor(folder)
    except Exception as e:
        what = " ".join(str(e).split())[:160]
        raise ToolkitError(f"the quantized model in {folder} does not load ({what})", "make it again") from e


def save(folder: Path, model: Any, processor: Any) -> None:
    """Weights as safetensors, config and processor."""
    quiet.transformers()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


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
