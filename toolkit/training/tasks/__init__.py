"""One file a task: what is learned from a row, and what validation tells of it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from toolkit.errors import ToolkitError
from toolkit.reading import Encoded, Reader

# name -> module with a class `Task`; a classifier's has `Several` too, for rows of several classes
TASKS = {
    "text-classification": "text_classification",
    "image-classification": "image_classification",
    "masked-lm": "masked_lm",
}
MASKED_LM = "masked-lm"
LESS_IS_BETTER = ("loss", "perplexity")
OF_KIND = {"text": "text-classification", "image": "image-classification"}  # where --task is not given


class Task(Protocol):
    """What the engine asks of a task."""

    reader: Reader
    figures_of: tuple[str, ...]  # the validation figures: each may pick the best weights, the first does by itself

    def encode(self, rows: Any) -> Encoded:
        """A Dataset's rows as the model's inputs, with what is to be learned of each."""

    def collate(self, rows: Encoded, epoch: int | None = None) -> dict[str, Any]:
        """Encoded rows as a batch of tensors; `epoch`: of training, None in validation."""

    def piece(self, batch: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
        """Some rows of a batch; `labels` tells how much there is to learn from them."""

    def loss(self, model: Any, batch: dict[str, Any], smoothing: float = 0.0) -> tuple[Any, Any]:
        """(the loss, the model's outputs) of a batch in training."""

    def answers(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """(what the model says, what is right) of a batch in validation: tensors (rows, …)."""

    def figures(self, answers: Any, labels: Any) -> dict[str, float]:
        """The figures of validation, `figures_of`, from all answers and labels as numpy arrays."""


def bind(name: str, reader: Reader, several: int = 0, **settings: Any) -> Task:
    """The task of that name for a model's reader; `several` is the number of classes where rows have any of them."""
    made: Task = find(name, several > 0)(reader, *([several] if several else []), **settings)
    return made


def find(name: str, several: bool = False) -> Any:
    """The class of a task; for rows of several classes its class `Several`."""
    return getattr(import_module(f"{__name__}.{TASKS[name]}"), "Several" if several else "Task")


def metric(figures_of: tuple[str, ...], asked: str | None) -> Any:
    """The validation figure that picks the best weights: the one that is asked for, else a task's first.

    Raises:
        ToolkitError: the task has no such figure.
    """
    if asked not in (None, *figures_of):
        raise ToolkitError(f"--metric {asked} is none of these rows", f"choose {' or '.join(figures_of)}")
    return asked or figures_of[0]
