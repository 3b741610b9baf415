"""Models that are no classifiers: bare encoders, those that fill masks, those that translate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit import quiet
from toolkit.artifacts.loading import broken, demand_weights, load_tokenizer
from toolkit.artifacts.model import backend, read_config
from toolkit.errors import ToolkitError

NEXT_SENTENCE = ("bert", "ernie", "megatron-bert", "mobilebert")  # with a head that tells if sentences follow


def load_encoder(folder: Path) -> tuple[Any, Any]:
    """The model without its head, and its tokenizer.

    Raises:
        ToolkitError: it does not load, or is quantized.
    """
    from transformers import AutoModel

    if backend(folder) != "torch":
        raise ToolkitError(f"{folder} is quantized: it has no hidden states", "give the model that it was made from")
    quiet.transformers()
    try:
        model = AutoModel.from_pretrained(folder)
    except Exception as e:
        raise broken(folder, e) from e
    return model.float(), load_tokenizer(folder)


def load_masked_lm(folder: Path) -> tuple[Any, Any]:
    """A model that fills masks, head and all, and its tokenizer.

    Raises:
        ToolkitError: it does not load, has no such head, or its tokenizer no mask.
    """
    from transformers import AutoModelForMaskedLM

    model, tokenizer = _load_whole(
        AutoModelForMaskedLM, folder, "fills masks", "give a model such as BERT, as published"
    )
    if tokenizer.mask_token is None:
        raise ToolkitError(f"the tokenizer of {folder} has no mask token", "give a masked language model")
    return model, tokenizer


def demand_mask_head(folder: Path, next_sentence: bool) -> None:
    """A model of an architecture that can fill masks, told from its config alone.

    Raises:
        ToolkitError: transformers has no such head for it, or none that tells which sentence follows which.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind = read_config(folder).get("model_type")
    if kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise ToolkitError(f"{folder} ({kind}) is no model that could fill masks", "give an encoder such as BERT")
    if next_sentence and kind not in NEXT_SENTENCE:
        known = ", ".join(NEXT_SENTENCE)
        raise ToolkitError(
            f"{folder} ({kind}) has no head for --next-sentence", f"leave it out, or give one of {known}"
        )


def load_to_mask(folder: Path, next_sentence: bool) -> tuple[Any, Any, list[str]]:
    """A model that is to learn to fill masks, its tokenizer, and what it lacked of a head: that is new.

    Raises:
        ToolkitError: it does not load, or lacks weights below the head.
    """
    import transformers

    quiet.transformers()
    auto = transformers.AutoModelForPreTraining if next_sentence else transformers.AutoModelForMaskedLM
    try:
        model, info = auto.from_pretrained(folder, output_loading_info=True, use_safetensors=True)
    except Exception as e:
        raise broken(folder, e) from e
    demand_weights(folder, model, info, new_head=True)
    model.config.num_labels = 2  # what it was a classifier of goes
    return model.float(), load_tokenizer(folder), sorted(info["missing_keys"])


def load_seq2seq(folder: Path) -> tuple[Any, Any]:
    """A sequence-to-sequence model and its tokenizer.

    Raises:
        ToolkitError: it does not load, or is of another kind.
    """
    from transformers import AutoModelForSeq2SeqLM

    return _load_whole(AutoModelForSeq2SeqLM, folder, "translates", "give a sequence-to-sequence model, as published")


def _load_whole(auto: Any, folder: Path, does: str, hint: str) -> tuple[Any, Any]:
    """A model of this kind with every weight from its file."""
    if backend(folder) != "torch":
        raise ToolkitError(f"{folder} is quantized: only its classes are left", "give the model that it was made from")
    quiet.transformers()
    try:
        model, info = auto.from_pretrained(folder, output_loading_info=True, use_safetensors=True)
    except Exception as e:
        what = " ".join(str(e).split())[:160]
        raise ToolkitError(f"{folder} holds no model that {does} ({type(e).__name__}: {what})", hint) from e
    if info["missing_keys"] or info["mismatched_keys"]:
        raise ToolkitError(f"the model in {folder} lacks the weights of a head that {does}", hint)
    return model.float(), load_tokenizer(folder)
