"""`evaluate`, quality: how often the answers are right, and how far their confidence can be trusted."""

from __future__ import annotations

from typing import Any

from toolkit import gates
from toolkit.commands import _evaluating
from toolkit.commands._evaluating import Subject
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.step import Job

Figures = dict[str, Any]
KNOWN = dict.fromkeys(  # of one class a row or of several
    (
        "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "precision_micro",
        "recall_micro", "f1_micro", "mcc", "top_3", "top_5", "auc", "average_precision", "label_ranking",
        "hamming_loss", "log_loss", "brier", "ece", "ece_debiased",
    ),
    gates.INTERVAL,
)  # fmt: skip
OF_ONE = ("balanced_accuracy", "mcc", "top_3", "top_5")  # class a row alone
OF_SEVERAL = ("precision_micro", "recall_micro", "f1_micro", "label_ranking", "hamming_loss")
TERMINAL = ("accuracy", "f1_micro", "f1_macro", "auc", "log_loss", "ece")  # the others stand in the report
FITTED_ON = "validation"
FITTED_ROWS = 2000  # enough for one number


def check(job: Job, names: list[str], several: bool) -> None:
    """Whether gates on quality are of figures that a model of these classes will have, on these rows.

    Raises:
        ToolkitError: one is not.
    """
    from toolkit.evaluation.quality import TOP

    absent = {*(OF_ONE if several else OF_SEVERAL), *(f"top_{k}" for k in TOP if len(names) <= 2 * k)}
    quality = {name: ends for name, ends in KNOWN.items() if name not in absent}
    for bound in (job.config.min or []) + (job.config.max or []):
        part, _, rest = gates.parse(bound)[0].partition(".")
        if part == "calibration" and rest.startswith("calibrated") and not _fitted(job):
            raise ToolkitError(
                f"the gate '{bound}': a temperature is fitted on {FITTED_ON}, {job.config.split} is judged",
                f"give data with both, and another --split than {FITTED_ON}",
            )
        if part == "quality":
            gates.check([bound], {part: quality})
        if part == "per_class" and not any(rest.startswith(f"{name}.") for name in names):
            near = did_you_mean(rest.rpartition(".")[0], names)
            raise ToolkitError(f"the gate '{bound}': the model has no such class", near)


def measure(job: Job, subject: Subject) -> Figures:
    """`quality` and `per_class`, each figure with its interval, and `calibration`."""
    from toolkit.evaluation import quality

    found, each = quality.measure(subject.labels, subject.probabilities, job.config.seed)
    support = subject.labels.sum(0) if subject.several else _rows_of(subject)
    undefined = [name for name, figure in found.items() if figure["value"] is None]
    if undefined:
        job.warn(f"undefined, since the labels or the predictions are of one class only: {', '.join(undefined)}")
    absent = int((support == 0).sum())
    if 0 < absent < len(support) - 1:
        job.warn(f"{absent} of {len(support)} classes do not occur in {job.config.split}: they have no recall, no AUC")
    per_class = {
        name: {figure: _of(ends, i) for figure, ends in each.items()} | {"support": int(support[i])}
        for i, name in enumerate(subject.names)
    }
    return {"quality": found, "per_class": per_class, "calibration": calibration(job, subject)}


def _fitted(job: Job) -> bool:
    """Whether there are rows to fit a temperature on, beside those that are judged."""
    return FITTED_ON in job.dataset and job.config.split != FITTED_ON


def _rows_of(subject: Subject) -> Any:
    import numpy as np

    return np.bincount(subject.labels, minlength=len(subject.names))


def _of(ends: dict[str, Any], i: int) -> dict[str, float | None]:
    """One class's figure."""
    from toolkit.evaluation import statistics

    return statistics.bounded(ends["value"][i], ends["low"][i], ends["high"][i])


def calibration(job: Job, subject: Subject) -> Figures:
    """The reliability curve, and under `calibrated` what a temperature makes of the rows.

    It is fitted on rows of the validation split; None where there is no such split, or where it is the one evaluated.
    """
    import numpy as np

    from toolkit.evaluation import calibration, quality

    labels, several = subject.labels, subject.several
    found: Figures = {"reliability": calibration.curve(*quality.decisions(labels, subject.probabilities))}
    if not _fitted(job):
        return found | {"calibrated": None}
    rows = job.dataset[FITTED_ON]
    rows = rows.select(np.sort(np.random.default_rng(job.config.seed).permutation(len(rows))[:FITTED_ROWS]))
    try:
        known = _evaluating.labels_of(rows, subject.predictor, job.config.data)
    except ToolkitError as e:
        job.warn(f"no temperature: of {FITTED_ON}, {e}")
        return found | {"calibrated": None}
    contents = subject.predictor.reader.contents(rows)
    probabilities = subject.predictor.probabilities(contents, job.config.batch_size, "predicting for the temperature")
    temperature = calibration.temperature(known, probabilities)
    assert temperature["value"]
    after = calibration.scaled(subject.probabilities, temperature["value"], several)
    told = quality.confidence(labels, after, job.config.seed)
    curve = calibration.curve(*quality.decisions(labels, after))
    fitted = {"temperature": temperature, "split": FITTED_ON, "rows": len(rows)}
    return found | {"calibrated": fitted | told | {"reliability": curve}}


def lines(figures: Figures) -> list[tuple[str, str, str]]:
    """For the terminal."""
    return [_evaluating.line(name, figures["quality"][name]) for name in TERMINAL if name in figures["quality"]]
