"""Models and what reads for them, loaded and saved by transformers' own classes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from toolkit import quiet
from toolkit.artifacts import model as models
from toolkit.artifacts import quantized
from toolkit.errors import ToolkitError


def load_config(folder: Path) -> Any:
    """A model's config, with all that its class fills in.

    Raises:
        ToolkitError: transformers does not know it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder)
    except Exception as e:
        raise broken(folder, e) from e


def broken(folder: Path, e: Exception) -> ToolkitError:
    """What transformers made of a folder."""
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
    if models.reads(folder) == "text":
        return load_tokenizer(folder)
    if not (folder / models.PROCESSOR).is_file():
        raise ToolkitError(f"{folder} has no {models.PROCESSOR}", "copy it there from where the model was published")
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
    models.backend(folder)
    _demand_architecture(folder)
    auto = _auto(folder)
    own = models.labels(folder)
    new_head = names is not None and not models.has_head(folder, names, of_several)
    extra: dict[str, Any] = {}
    if names is not None and new_head:
        label2id = {name: i for i, name in enumerate(names)}
        extra = {"num_labels": len(names), "id2label": dict(enumerate(names)), "label2id": label2id}
        extra |= {
            "ignore_mismatched_sizes": True,
            "problem_type": models.SEVERAL if of_several else "single_label_classification",
        }
    quiet.transformers()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, info = auto.from_pretrained(folder, output_loading_info=True, **extra)
    except Exception as e:
        raise broken(folder, e) from e
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

    return getattr(transformers, f"AutoModel{models.HEADS[f'{models.reads(folder)}-classification']}")


def _demand_architecture(folder: Path) -> None:
    """An architecture that transformers has a classifier for.

    Raises:
        ToolkitError: it knows the architecture, and has none.
    """
    from transformers.models.auto import configuration_auto, modeling_auto

    kind, what = models.read_config(folder).get("model_type"), models.reads(folder)
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
    of = models.backend(folder)
    if of == "torch":
        return load(folder)
    if of == "onnx":
        return folder / models.ONNX, load_processor(folder)
    try:
        if of == "openvino":
            return quiet.openvino().Core().read_model(folder / models.OPENVINO), load_processor(folder)
        return quantized.load(folder, _auto(folder)), load_processor(folder)
    except Exception as e:
        what = " ".join(str(e).split())[:160]
        raise ToolkitError(f"the quantized model in {folder} does not load ({what})", "make it again") from e


def save(folder: Path, model: Any, processor: Any) -> None:
    """Weights as safetensors, config and processor."""
    quiet.transformers()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
