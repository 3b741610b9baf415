"""`evaluate`, against baselines: other evaluations of the same rows, which are joined by `id`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from toolkit import gates
from toolkit.commands._evaluating import Subject
from toolkit.config import GATE, Input
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Gate, Job

if TYPE_CHECKING:
    from toolkit.evaluation.comparison import Answers

DROPS = ("quality", "per_class", "efficiency", "robustness")  # whose figures `--max-drop` can read of a baseline
LESS_IS_BETTER = {  # a drop of these is an improvement
    "log_loss", "brier", "ece", "ece_debiased", "hamming_loss", "aurc", "excess_aurc", "fpr95", "drop", "success",
    "parameters", "size_bytes", "spread", "latency_ms", "startup_seconds", "peak_memory_bytes", "operations",
    "cost_per_million",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the model is compared with."""

    baseline: Annotated[
        list[str] | None,
        Option(metavar="EVALUATION", help="An evaluation of the same rows to compare with (repeat for several)."),
        Input("evaluation"),
    ] = None
    margin: Annotated[
        float, Option(help="Differences of accuracy up to this do not matter: equivalent.", min=0.0, max=1.0)
    ] = 0.01
    max_drop: Annotated[
        list[str] | None,
        Option(metavar="PATH=BOUND", help="Gate: most that a figure may be below each baseline's, e.g. 0.005."),
        GATE,
    ] = None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A baseline's answers to the subject's rows.

    names: the model's classes, then what else the baseline predicts.
    answers: in these classes; `confidence` (rows,).
    """

    key: str
    given: Given
    names: list[str]
    answers: Answers
    confidence: Any


def keys(paths: Sequence[str]) -> list[str]:
    """What each baseline is called in `metrics.json` and gates: its folder, without dots and other signs of paths."""
    out: list[str] = []
    for path in paths:
        key = plain = re.sub(r"[^\w-]+", "-", Path(path).resolve().name).strip("-") or "baseline"
        number = 1
        while key in out:
            number += 1
            key = f"{plain}-{number}"
        out.append(key)
    return out


def baselines(job: Job) -> dict[str, Given]:
    """The evaluations that are given, by their keys."""
    found = [given for name, given in job.inputs.items() if name.split(".")[0] == "baseline"]
    return dict(zip(keys([given.given for given in found]), found, strict=True))


def known(config: Comparison) -> dict[str, Any]:
    """The figures under `comparison` that a call will have, for gates."""
    tested = gates.INTERVAL | {"p": None}
    one = {
        **dict.fromkeys(("rows", "fixed", "broken", "both_right", "both_wrong", "flipped", "more_rows", "per_class")),
        "difference": dict.fromkeys(("accuracy", "f1_macro", "log_loss"), tested),
        "mcnemar": {"p": None},
        "equivalence": {"margin": None, "p": None},
    }
    return dict.fromkeys(keys(config.baseline or []), one)


def judge(config: Comparison, figures: dict[str, Any]) -> list[Gate]:
    stored = {key: one["baseline"] for key, one in figures.get("comparison", {}).items()}
    return gates.judge_drops(figures, stored, config.max_drop or [])


def demand(config: Comparison) -> None:
    """A drop is one from a baseline, and of a figure where more is better.

    Raises:
        ToolkitError: it is not.
    """
    if config.max_drop and not config.baseline:
        raise ToolkitError("--max-drop is measured against a baseline", "add --baseline EVALUATION, or use --min")
    for path, _ in map(gates.parse, config.max_drop or []):
        parts = path.split(".")
        if parts[0] != "per_class" and LESS_IS_BETTER & {*parts}:  # a class may be called so
            raise ToolkitError(f"--max-drop cannot bound {path}: less of it is better", f"use --max {path}=BOUND")


def check(job: Job, rows: Any, several: bool) -> None:
    """The baselines are of these rows, and have the figures that `--max-drop` names.

    Raises:
        ToolkitError: one is of others, or has not.
    """
    demand(job.config.comparison)
    for given in baselines(job).values():
        joined(given, rows, several)
        try:
            # the name of a class may hold dots, so paths to one are not followed
            gates.check(job.config.comparison.max_drop or [], stored(given) | {"per_class": None})
        except ToolkitError as e:
            raise ToolkitError(f"{given.given}: {e.message}", e.hint) from e


def stored(given: Given) -> dict[str, Any]:
    """What a baseline's own evaluation has found, and on which machine."""
    assert given.path is not None
    assert given.manifest is not None
    figures = json.loads((given.path / "metrics.json").read_text(encoding="utf-8"))
    kept = {part: figures[part] for part in DROPS if part in figures}
    machine = kept["efficiency"].get("machine") or given.manifest["machine"]
    return kept | {"efficiency": kept["efficiency"] | {"machine": machine}}


def joined(given: Given, rows: Any, several: bool, *, probabilities: bool = False) -> Any:
    """The baseline's predictions (a DataFrame) in the order of the rows, found by their ids.

    Raises:
        ToolkitError: it is of other rows, other labels or texts, or of models of another kind.
    """
    from toolkit.artifacts import evaluation
    from toolkit.data import labels

    assert given.path is not None
    table = evaluation.read(given.path, probabilities=probabilities)
    if "label" not in table or "id" not in table or table["id"].duplicated().any():
        what = "labels" if "label" not in table else "ids that tell its rows apart"
        raise ToolkitError(f"the baseline {given.given} has no {what}", "make it with 'toolkit evaluate'")
    if several == isinstance(table["predicted"].iloc[0], str):
        ways = ("one class", "several classes")
        raise ToolkitError(
            f"the baseline {given.given} tells {ways[not several]} a row, the model {ways[several]}",
            "give an evaluation of a model of the same kind",
        )
    ids = rows["id"][:]
    table = table.set_index("id")
    common = int(table.index.isin(ids).sum())
    again = "evaluate both models on the same rows (--data, --split)"
    if common < max(len(ids), len(table)):
        raise ToolkitError(
            f"the baseline {given.given} is of other rows: it has {len(table)}, the data {len(ids)}, "
            f"and {common} ids are in both",
            again,
        )
    table = table.loc[ids].reset_index()
    labelled = [labels.SEPARATOR.join(_classes(value)) for value in table["label"]]
    other = {"labels": labels.label_array(rows).to_pylist() != labelled}
    texts = {"text", "text_pair"} & {*rows.features} & {*table}
    other |= {"texts": any(rows[name][:] != table[name].tolist() for name in texts)}
    if "image" in rows.features and evaluation.DIGEST in table:
        other["images"] = evaluation.digests(rows) != table[evaluation.DIGEST].tolist()
    for what, differs in other.items():
        if differs:
            raise ToolkitError(f"the baseline {given.given} has other {what} under the same ids", again)
    return table


def _classes(value: Any) -> list[str]:
    """Of a row's label or prediction."""
    return [value] if isinstance(value, str) else sorted(value)


def read(job: Job, subject: Subject) -> list[Beside]:
    """The baselines' answers, their classes matched to the model's by name."""
    import numpy as np

    from toolkit.artifacts.evaluation import PROBABILITY
    from toolkit.evaluation import comparison, metrics

    out = []
    for key, given in baselines(job).items():
        table = joined(given, subject.rows, subject.several, probabilities=True)
        told = [_classes(value) for value in table["predicted"]]
        names = [*subject.names, *sorted({name for row in told for name in row} - {*subject.names})]
        index = {name: i for i, name in enumerate(names)}
        coded = [[index[name] for name in row] for row in told]
        chosen = metrics.several_hot(coded, len(names)) if subject.several else np.array(coded)[:, 0]
        columns = [f"{PROBABILITY}{name}" for name in subject.names]
        losses = None
        if {*columns} <= {*table}:
            losses = comparison.losses(subject.labels, table[columns].to_numpy(float))
        answers = comparison.Answers(chosen, losses)
        out.append(
            Beside(key=key, given=given, names=names, answers=answers, confidence=table["confidence"].to_numpy(float))
        )
    return out


def measure(job: Job, subject: Subject, besides: list[Beside]) -> dict[str, Any]:
    """The figures under `comparison`, by the baselines' keys."""
    from toolkit.evaluation import comparison

    margin, seed = job.config.comparison.margin, job.config.seed
    out = {}
    for beside in besides:
        labels, ours = _widened(subject, len(beside.names))
        found = comparison.compare(labels, beside.answers, ours, beside.names, margin, seed)
        out[beside.key] = found | {"evaluation": beside.given.given, "baseline": stored(beside.given)}
    return out


def _widened(subject: Subject, classes: int) -> tuple[Any, Answers]:
    """The labels and the model's answers with room for classes that only a baseline knows."""
    import numpy as np

    from toolkit.evaluation import comparison

    more = classes - len(subject.names)
    labels, chosen = (
        np.pad(codes, ((0, 0), (0, more))) if subject.several else codes for codes in (subject.labels, subject.chosen)
    )
    return labels, comparison.Answers(chosen, comparison.losses(subject.labels, subject.probabilities))
