"""What the commands that run a finished model have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from toolkit.artifacts import language_model, loading
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError
from toolkit.inputs import Given

if TYPE_CHECKING:
    from toolkit.inference.predictor import Predictor

RUNTIMES = ("torch", "openvino", "onnx", "int8")


def check(given: Given, command: str, data: Any = None, *, backends: tuple[str, ...] = RUNTIMES) -> list[str]:
    """The classes of a model that is given, told from its files alone.

    Args:
        data: the splits that it is to read, where they are at hand.

    Raises:
        ToolkitError: a built-in without weights, no classifier, one that reads other contents, a backend that
            `command` cannot work on, or several classes a row where the data have one, or the other way round.
    """
    from toolkit.data import labels, roles

    if given.path is None:
        raise ToolkitError(f"{given.given} has no weights yet", f"run 'toolkit finetune' before 'toolkit {command}'")
    names = models.demand_classifier(given.path, command, backends=backends)
    several = models.several(given.path)
    if data:
        features = next(iter(data.values())).features
        models.demand_kind(given.path, roles.kind_of([*features]))
        if "label" in features and command != "predict" and labels.is_multi(features) != several:
            ways = ("one class", "several classes")
            raise ToolkitError(
                f"the model tells {ways[several]} a row, the data has {ways[not several]}",
                "give --label-separator, or data whose labels are lists" if several else "give data of one class a row",
            )
    return names


def predictor(given: Given, command: str, device: str) -> Predictor:
    """Load a model of any backend."""
    from toolkit import reading
    from toolkit.inference import predictor as predictors
    from toolkit.training.precision import resolve_device

    names = check(given, command)
    assert given.path is not None
    backend = models.backend(given.path)
    model, processor = loading.load_for_inference(given.path)
    # a converted model carries no config
    config = getattr(model, "config", None) or loading.load_config(given.path)
    reader = reading.of(models.reads(given.path), processor, config)
    place = resolve_device(device) if backend == "torch" else "cpu"
    return predictors.build(backend, model, reader, names, place, models.several(given.path))


def answers(probabilities: Any, several: bool) -> tuple[Any, Any]:
    """What is predicted of each row, and how sure that is (rows,).

    The likeliest class, (rows,), and its probability; or of several classes those that `metrics.chosen` says,
    boolean (rows, classes), and how likely just these are.
    """
    from toolkit.evaluation import metrics

    sure = metrics.certainty(probabilities) if several else probabilities.max(1)
    return metrics.predicted(probabilities, several), sure


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
        return language_model.load_encoder(folder)

    def run(texts: Sequence[str]) -> Any:
        from toolkit.inference.embed import embed
        from toolkit.reading.text import max_tokens
        from toolkit.training.precision import resolve_device

        model, tokenizer = loaded()
        return embed(model, tokenizer, texts, resolve_device(device), max_tokens(model.config, tokenizer))

    return run


def labels_in_order(rows: Any, names: list[str], source: str) -> list[Any]:
    """The rows' labels as numbers of the model's classes (or lists of them): matched by name, never by position.

    Raises:
        ToolkitError: a label that the model does not know.
    """
    from toolkit.data import labels

    own, several = labels.names_of(rows.features), labels.is_multi(rows.features)
    values = rows.with_format("arrow")[:].column("label").to_pylist()
    index = {name: i for i, name in enumerate(names)}
    unknown = sorted({own[i] for i in (set().union(*values) if several else set(values))} - set(names))
    if unknown:
        raise ToolkitError(
            f"{source} has labels that the model does not know ({', '.join(unknown[:5])})",
            f"it knows {', '.join(names[:10])}{' …' if len(names) > 10 else ''}",
        )
    return [[index[own[i]] for i in value] if several else index[own[value]] for value in values]


def choose_split(data: Any, split: str, source: str) -> Any:
    """One split's rows.

    Raises:
        ToolkitError: the dataset has no such split.
    """
    if split not in data:
        raise ToolkitError(f"{source} has no {split} split", f"it has {', '.join(data)}: choose with --split")
    return data[split]
