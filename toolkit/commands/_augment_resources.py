"""What `augment` works with besides the rows: synonyms, names, reference images, models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.data.augment.run import Child, Judge
    from toolkit.inputs import Given

BATCH_SIZE = 32  # texts that a model is asked about together


def kind(job: Job) -> str:
    from toolkit.data import roles

    return roles.kind_of(job.dataset["train"].column_names)


def given(job: Job, light: bool = False) -> dict[str, Any]:
    """What the methods work with besides the rows; `light`: without loading models, True in their place.

    Raises:
        ToolkitError: a file that does not parse, or a model that is none of its kind.
    """
    options, content = job.config.methods, kind(job)
    out: dict[str, Any] = {"min_similarity": job.config.checks.min_similarity}
    if content == "text":
        from toolkit.data.augment.text import entities, synonyms

        out["synonyms"] = synonyms.load(options.synonyms)
        if options.gazetteer:
            out["gazetteer"] = entities.load(options.gazetteer)
        out |= text_models(job, light)
    if content == "image" and options.references:
        from toolkit.data.augment.image import load_references

        out["references"] = load_references(options.references)
    return out


def text_models(job: Job, light: bool) -> dict[str, Any]:
    """The models that texts are changed by: a masked language model, two that translate, a parser."""
    from toolkit.artifacts import language_model
    from toolkit.artifacts import model as models

    options = job.config.methods
    out: dict[str, Any] = {}
    folder = model.path if (model := job.inputs.get("model")) else None
    masked = folder is not None and models.fills_masks(folder)
    if (options.forward is None) != (options.backward is None):
        raise ToolkitError("back_translation needs both --forward and --backward", "give the model for the other way")
    if light:
        return {"model": masked or None, "translate": bool(options.forward) or None, "parser": options.parser}
    from toolkit.inference import masked_lm, parser, translate
    from toolkit.training.precision import resolve_device

    place = resolve_device(job.config.device)
    if folder and masked:
        out["model"] = masked_lm.MaskedLM(*language_model.load_masked_lm(folder), device=place)
    if options.forward:
        pair = [language_model.load_seq2seq(_folder(job.inputs[name])) for name in ("forward", "backward")]
        there, back = (translate.Model(*loaded, device=place) for loaded in pair)
        out["translate"] = translate.Translator(there, back)
    if options.parser:
        out["parser"] = parser.load(options.parser)
    return out


def _folder(model: Given) -> Path:
    if model.path is None:
        raise ToolkitError(f"{model.given} has no weights yet", "give a pretrained model")
    return model.path


def unflipped(job: Job, texts: Any, names: list[str]) -> Judge | None:
    """Whether `--model` takes a child for its parent's class; None where it is no classifier of these classes."""
    from toolkit.artifacts import model as models
    from toolkit.commands import _models

    given = job.inputs.get("model")
    if given is None or given.path is None or set(models.labels(given.path) or []) != set(names):
        return None
    predictor = _models.predictor(given, "augment", job.config.device)
    told: dict[int, int] = {}

    def predicted(asked: list[str]) -> list[int]:
        out: list[int] = predictor.probabilities(asked, BATCH_SIZE, "asking the model").argmax(1).tolist()
        return out

    def judge(children: list[Child]) -> list[bool]:
        fresh = sorted({child.row for child in children} - told.keys())
        told.update(zip(fresh, predicted([texts[row].as_py() for row in fresh]), strict=True) if fresh else ())
        own = predicted([child.made.value for child in children])
        return [code == told[child.row] for code, child in zip(own, children, strict=True)]

    return judge
