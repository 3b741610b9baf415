"""What the commands that run a finished model have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError
from toolkit.inputs import Given

if TYPE_CHECKING:
    from toolkit.inference.predictor import Predictor

BOTH = ("torch", "openvino")


def check(given: Given, command: str, data: Any = None, *, backends: tuple[str, ...] = BOTH) -> list[str]:
    """The classes of a model that is given, told from its files alone.

    Args:
        data: the splits that it is to read, where they are at hand.

    Raises:
        ToolkitError: a built-in without weights, no classifier, one that reads other contents, or a backend that
            `command` cannot work on.
    """
    from toolkit.data import roles

    if given.path is None:
        raise ToolkitError(f"{given.given} has no weights yet", f"run 'toolkit finetune' before 'toolkit {command}'")
    names = models.demand_classifier(given.path, command, backends=backends)
    if data:
        models.demand_kind(given.path, roles.kind_of(next(iter(data.values())).column_names))
    return names


def predictor(given: Given, command: str, device: str) -> Predictor:
    """Load a model of any backend."""
    from toolkit import reading
    from toolkit.inference import predictor as predictors
    from toolkit.training.precision import resolve_device

    names = check(given, command)
    assert given.path is not None
    backend = models.backend(given.path)
    model, processor = models.load_for_inference(given.path)
    # an OpenVINO model carries no config; what it reads stands in its processor's
    reader = reading.of(models.reads(given.path), processor, getattr(model, "config", None))
    place = resolve_device(device) if backend == "torch" else "cpu"
    return predictors.build(backend, model, reader, names, place)


def embedder(given: Given, device: str) -> Callable[[Sequence[str]], Any]:
    """Texts to vectors, float32 (texts, width) of unit length; the model is loaded at the first call.

    Raises:
        ToolkitError: a built-in without weights.
    """
    if given.path is None:
        raise ToolkitError(f"{given.given} has no weights yet", "give a pretrained encoder")
    folder = given.path

    @cache
    def loaded() -> tuple[Any, Any]:
        return models.load_encoder(folder)

    def run(texts: Sequence[str]) -> Any:
        from toolkit.inference.embed import embed
        from toolkit.reading.text import max_tokens
        from toolkit.training.precision import resolve_device

        model, tokenizer = loaded()
        return embed(model, tokenizer, texts, resolve_device(device), max_tokens(model.config, tokenizer))

    return run


def labels_in_order(rows: Any, names: list[str], source: str) -> list[int]:
    """The rows' labels as numbers of the model's classes: matched by name, never by position.

    Raises:
        ToolkitError: a label that the model does not know.
    """
    own = rows.features["label"].names
    index = {name: i for i, name in enumerate(names)}
    unknown = sorted({own[i] for i in set(rows["label"])} - set(names))
    if unknown:
        raise ToolkitError(
            f"{source} has labels that the model does not know ({', '.join(unknown[:5])})",
            f"it knows {', '.join(names[:10])}{' …' if len(names) > 10 else ''}",
        )
    return [index[own[i]] for i in rows["label"]]


def choose_split(data: Any, split: str, source: str) -> Any:
    """One split's rows.

    Raises:
        ToolkitError: the dataset has no such split.
    """
    if split not in data:
        raise ToolkitError(f"{source} has no {split} split", f"it has {', '.join(data)}: choose with --split")
    return data[split]
