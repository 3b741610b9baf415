"""What is evaluated: a model and what it says of the rows. `evaluate`'s parts measure it, a file a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.inputs import Given
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.inference.predictor import Predictor


LONG = 600  # characters of a text that a report shows


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model's answers to the rows of a split.

    given: the model as it was given.
    rows: the split (a `datasets.Dataset`), `contents` as the model's reader takes them.
    labels: class numbers (rows,), or of several classes a row boolean (rows, classes).
    probabilities: float64 (rows, classes).
    chosen: what is predicted, as the labels; `confidence` (rows,) how sure that is.
    """

    given: Given
    predictor: Predictor
    rows: Any
    contents: Sequence[Any]
    labels: Any
    probabilities: Any
    chosen: Any
    confidence: Any

    @property
    def names(self) -> list[str]:
        return self.predictor.names

    @property
    def several(self) -> bool:
        return self.predictor.several

    @property
    def right(self) -> Any:
        """Whether all that is predicted of a row is right, boolean (rows,)."""
        from toolkit.evaluation import metrics

        return metrics.agree(self.chosen, self.labels)


def ask(job: Job) -> Subject:
    """Load the model and let it predict the rows."""
    from toolkit.commands import _models

    given, config = job.inputs["source"], job.config
    predictor = _models.predictor(given, "evaluate", config.device)
    rows = _models.choose_split(job.dataset, config.split, config.data)
    contents = predictor.reader.contents(rows)
    labels = labels_of(rows, predictor, config.data)
    probabilities = predictor.probabilities(contents, config.batch_size, "predicting")
    chosen, confidence = _models.answers(probabilities, predictor.several)
    return Subject(
        given=given,
        predictor=predictor,
        rows=rows,
        contents=contents,
        labels=labels,
        probabilities=probabilities,
        chosen=chosen,
        confidence=confidence,
    )


def labels_of(rows: Any, predictor: Predictor, source: str) -> Any:
    """The rows' labels as `Subject` has them.

    Raises:
        ToolkitError: one that the model does not know.
    """
    from toolkit.commands import _models
    from toolkit.evaluation import metrics

    told = _models.labels_in_order(rows, predictor.names, source)
    return metrics.coded(told, len(predictor.names), predictor.several)


def shown(content: Any) -> str:
    """A content in a report: a text, both of a pair (long ones cut), the name of an image."""
    if hasattr(content, "name"):
        return str(content.name())
    texts = content if isinstance(content, tuple) else (content,)
    return "\n".join(text if len(text) <= LONG else f"{text[:LONG]}…" for text in texts)


def named(code: Any, names: list[str]) -> str:
    """A class, or those of a row that has several."""
    return ", ".join(names[i] for i in code.nonzero()[0]) if code.ndim else names[code]


def line(name: str, figure: dict[str, float | None]) -> tuple[str, str, str]:
    """A figure for the terminal: its name, value and interval."""
    value, low, high = figure["value"], figure["low"], figure["high"]
    between = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
    return name, "undefined" if value is None else f"{value:.4f}", between
