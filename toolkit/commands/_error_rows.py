"""What `error-analysis` looks at: an evaluation's rows, what was answered, and what else is known of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.artifacts.evaluation import DIGEST
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.inputs import Given
from toolkit.step import Job

STANDARD = ("id", "text", "text_pair", "image", DIGEST, "label", "predicted", "confidence", "parent_id", "method")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An evaluation's labelled rows.

    table: predictions.parquet as a DataFrame, numbered from 0.
    names: the classes, `probabilities` float (rows, classes).
    labels: class numbers (rows,), or of several classes a row boolean (rows, classes); `answers` as the labels.
    """

    table: Any
    names: list[str]
    labels: Any
    answers: Any
    probabilities: Any
    wrong: Any

    def __len__(self) -> int:
        return len(self.table)

    @property
    def several(self) -> bool:
        return bool(self.labels.ndim > 1)

    @property
    def confidence(self) -> Any:
        return self.table["confidence"].to_numpy(float)

    @property
    def content(self) -> str:
        """The column that a person knows a row by."""
        return "text" if "text" in self.table else "image"

    @property
    def known_by(self) -> str:
        """The column that tells whether a row's content is another's."""
        return DIGEST if DIGEST in self.table else self.content

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns that belong to it: of pairs the second text."""
        return ("text_pair",) if "text_pair" in self.table else ()

    def shown(self, row: int) -> str | None:
        """What a person sees of a row: its text, of pairs both, or its image's path."""
        from toolkit.evaluation.slices.attribution import SEAM

        parts = [self.table[name].iloc[row] for name in (self.content, *self.beside)]
        return SEAM.join(part or "" for part in parts) if self.beside else parts[0]

    def named(self, label: Any) -> Any:
        """A label as text; of several classes a row, a list of texts."""
        return [self.names[k] for k in label.nonzero()[0]] if self.several else self.names[int(label)]

    def texts(self) -> list[str]:
        """Each row's text, of pairs both; empty of images."""
        if "text" not in self.table:
            return []
        texts = self.table["text"].fillna("").astype(str)
        if "text_pair" in self.table:
            texts = texts + "\n" + self.table["text_pair"].fillna("").astype(str)
        return [str(text) for text in texts]


def read(job: Job, given: Given) -> Rows:
    """The rows of an evaluation.

    Raises:
        ToolkitError: they have no labels (what `predict` wrote), or there is none.
    """
    import numpy as np

    from toolkit.artifacts import evaluation

    assert given.path is not None
    table = evaluation.read(given.path)
    if "label" not in table:
        raise ToolkitError(f"{given.given} has no labels", "run 'toolkit evaluate' on labelled rows")
    labelled = table["label"].notna().to_numpy()
    if not labelled.all():
        job.warn(f"{given.given}: {int((~labelled).sum())} rows without a label are left out")
        table = table[labelled]
    if not len(table):
        raise ToolkitError(f"{given.given} has no rows", "evaluate on rows with labels")
    table = table.reset_index(drop=True)
    first = table.columns.get_loc("confidence") + 1
    names = [name.removeprefix(evaluation.PROBABILITY) for name in table.columns[first:]]
    codes = {name: i for i, name in enumerate(names)}
    if isinstance(table["predicted"].iloc[0], str):
        labels, answers = (table[c].map(codes).to_numpy() for c in ("label", "predicted"))
        wrong = labels != answers
    else:
        labels, answers = (_hot(table[c], codes) for c in ("label", "predicted"))
        wrong = (labels != answers).any(1)
    probabilities = table.iloc[:, first:].to_numpy(np.float64)
    return Rows(
        table=table.iloc[:, :first],
        names=names,
        labels=labels,
        answers=answers,
        probabilities=probabilities,
        wrong=wrong,
    )


def _hot(cells: Any, codes: dict[str, int]) -> Any:
    from toolkit.evaluation import metrics

    return metrics.several_hot([[codes[name] for name in cell] for cell in cells], len(codes))


def named_columns(job: Job) -> dict[str, str]:
    """The columns that `evaluate` was told of, by their options' names: what reads the data again needs them too."""
    made = job.inputs["source"].manifest
    told = (made["config"].get("columns") or {}) if made and made["command"] == "evaluate" else {}
    return {name: value for name, value in told.items() if value is not None}


def divisible(job: Job, rows: Rows) -> list[str]:
    """The passed-through columns to divide the rows by.

    Raises:
        ToolkitError: a column that was asked for is not there, or does not divide them.
    """
    from toolkit.evaluation.slices import columns

    for name in job.config.by or []:
        if name not in rows.table.columns:
            raise ToolkitError(f"the predictions have no column '{name}'", did_you_mean(name, rows.table.columns))
        if len(columns.divide(name, rows.table[name])[1]) < 2:
            raise ToolkitError(f"--by {name} does not divide the rows", "it has one value, or hardly any twice")
    return job.config.by or [c for c in rows.table.columns if c not in STANDARD]


def traits(rows: Rows, columns: list[str], others: dict[str, Any]) -> Any:
    """What rows are divided by, a DataFrame: the given columns, a text's length and language, and `others`.

    A column of the data goes before one of the same name that is made here.
    """
    import pandas as pd

    from toolkit.data.text import language

    out = {name: rows.table[name] for name in columns}
    texts = rows.texts()
    if texts:
        made = {"length": pd.Series([len(t) for t in texts]), "language": pd.Series([language(t) for t in texts])}
        out |= {name: values for name, values in made.items() if name not in out}
    return pd.DataFrame(
        out | {name: values for name, values in others.items() if name not in out}, index=range(len(rows))
    )
