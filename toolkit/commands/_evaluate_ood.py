"""`evaluate --ood`: can the model tell that a row is none of its business?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toolkit.commands import _evaluating
from toolkit.errors import ToolkitError
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.commands._evaluating import Subject
    from toolkit.evaluation.robustness.outliers import Seen
    from toolkit.reports.language import Say

DEFAULT = "energy"  # where nothing chooses
FITTED = 20_000  # training rows that the methods of the features are fitted on, at most
GRID = 100  # steps of the figure


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What was measured, and what the report draws."""

    figures: dict[str, Any]
    curves: dict[str, tuple[list[float], list[float]]]  # method -> shares outside and inside that pass
    scores: tuple[Any, Any]  # of the chosen method, inside and outside


def plan(job: Job) -> dict[str, int]:
    """Read the rows, so that what is wrong with them is told before any work; their number by option."""
    options = job.config.robustness
    if options.ood_validation and not options.ood:
        raise ToolkitError("--ood-validation chooses a method for --ood", "give --ood, too")
    if options.ood_split and not options.ood:
        raise ToolkitError("--ood-split is a split of --ood", "give --ood, too")
    if not options.ood:
        return {}
    job.kept["ood"] = _rows(job, "ood", options.ood_split or "test", asked=bool(options.ood_split))
    if options.ood_validation:
        if job.config.split == "validation" or "validation" not in job.dataset:
            raise ToolkitError(
                "--ood-validation needs a validation split of --data that is not the one evaluated",
                "give data with one, or leave --ood-validation out",
            )
        job.kept["ood_validation"] = _rows(job, "ood_validation", "validation")
    return {name: len(job.kept[name]) for name in ("ood", "ood_validation") if name in job.kept}


def _rows(job: Job, name: str, split: str, asked: bool = False) -> Any:
    """The split of an option's dataset, or the only one that it has.

    Raises:
        ToolkitError: no such split, nothing in it, or rows that do not have the columns of --data.
    """
    from toolkit import inputs
    from toolkit.commands import _models
    from toolkit.data import roles

    flag, given = f"--{name.replace('_', '-')}", job.inputs[name]
    own = next(iter(job.dataset.values()))
    columns = replace(job.config.columns, label=None, label_separator=None)
    kinds = (roles.kind_of(own.column_names),)
    data = inputs.load_dataset(given, columns, need_label=False, kinds=kinds)
    if len(data) == 1 and not asked:
        split = next(iter(data))
    rows = _models.choose_split(data, split, f"{flag} {given.given}")
    if not len(rows):
        raise ToolkitError(f"{flag} {given.given} has no rows in {split}", "give rows that are out of distribution")
    compared = [roles.compared(names) for names in (rows.column_names, own.column_names)]
    if compared[0] != compared[1]:
        raise ToolkitError(
            f"{flag} holds {' and '.join(compared[0])}, the data {' and '.join(compared[1])}",
            "give rows of the same columns",
        )
    return rows


def measure(job: Job, subject: Subject) -> Outside:
    """Each method's figures; the one that is chosen stands above them."""
    from toolkit.evaluation.robustness import detection, outliers

    warn_of_repeats(job, subject)
    train, labels = _train(job, subject)
    methods = outliers.scores(train, labels)
    inside, outside = (_seen(job, subject, c, what) for c, what in _both(job, subject, "ood", subject.contents))
    scored = {name: (score(inside), score(outside)) for name, score in methods.items()}
    found = {name: detection.figures(*pair, job.config.seed) for name, pair in scored.items()}
    chosen, validation = DEFAULT, None
    if "ood_validation" in job.kept:
        held = subject.predictor.reader.contents(job.dataset["validation"])
        sides = [_seen(job, subject, c, what) for c, what in _both(job, subject, "ood_validation", held)]
        validation = {n: detection.auroc(*map(score, sides)) for n, score in methods.items()}
        chosen = max(validation, key=validation.__getitem__)
    figures = {
        "method": chosen,
        "chosen_on": job.inputs["ood_validation"].given if validation else None,
        "validation_auroc": validation,
        **found[chosen],
        "threshold": float(sorted(scored[chosen][0])[int(0.05 * len(subject.rows))]),
        "rows": len(job.kept["ood"]),
        "fitted_rows": len(train.logits) if train else 0,
        "methods": found,
    }
    return Outside(
        figures=figures,
        curves={name: detection.curve(*pair) for name, pair in scored.items()},
        scores=scored[chosen],
    )


def _both(job: Job, subject: Subject, name: str, inside: Any) -> list[tuple[Any, str]]:
    """Contents inside and outside, each with what its progress is called."""
    return [(inside, "rows inside"), (subject.predictor.reader.contents(job.kept[name]), "rows outside")]


def _seen(job: Job, subject: Subject, contents: Any, label: str) -> Seen:
    from toolkit.evaluation.robustness.outliers import Seen

    logits, features = subject.predictor.features(contents, job.config.batch_size, label)
    return Seen(logits, features, subject.several)


def _train(job: Job, subject: Subject) -> tuple[Seen | None, Any]:
    """What the model makes of training rows, `FITTED` at most, and their labels; without it a warning says why."""
    import numpy as np

    from toolkit.commands import _models
    from toolkit.inference import backends

    predictor, why = subject.predictor, None
    if backends.inside(predictor.backend, len(predictor.names)) is None:
        why = "its runtime does not show the model's features"
    elif "train" not in job.dataset or job.config.split == "train":
        why = "there are no training rows beside those evaluated"
    if why:
        job.warn(f"out of distribution is told by the logits alone: {why}")
        return None, None
    rows = job.dataset["train"]
    some = np.random.default_rng(job.config.seed).permutation(len(rows))[:FITTED]
    rows = rows.select(np.sort(some))
    labels = None
    if not subject.several:
        labels = np.array(_models.labels_in_order(rows, predictor.names, job.config.data))
    return _seen(job, subject, predictor.reader.contents(rows), "training rows"), labels


def warn_of_repeats(job: Job, subject: Subject) -> None:
    """Say how many rows of --ood are among those evaluated, or among those that the method is chosen by."""
    from toolkit.data import content

    def keys(rows: Any) -> set[bytes]:
        return {key.tobytes() for key in content.keys(rows.with_format("arrow")[:])}

    own = keys(job.kept["ood"])
    others = {f"the {job.config.split} rows": subject.rows}
    if "ood_validation" in job.kept:
        others["--ood-validation"] = job.kept["ood_validation"]
    for name, rows in others.items():
        both = len(own & keys(rows))
        if both:
            job.warn(f"{both} of the contents of --ood are among {name}, too")


def lines(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For the terminal."""
    return [
        _evaluating.line(f"OOD, AUROC of {figures['method']}", figures["auroc"]),
        _evaluating.line("OOD, FPR at 95% TPR", figures["fpr95"]),
    ]


def sections(say: Say, found: Outside) -> list[dict[str, Any]]:
    """Of the report: the methods, their curves, the chosen one's scores."""
    import numpy as np

    from toolkit.reports import curves
    from toolkit.reports import figures as draw

    figures = found.figures
    grid = np.linspace(0, 1, GRID + 1)
    inside, outside = found.scores
    chosen = (
        say("The method was chosen by its AUROC on {data}.", data=figures["chosen_on"])
        if figures["chosen_on"]
        else say("No rows to choose a method by were given (--ood-validation), so it is {name}.", name=DEFAULT)
    )
    fitted = say("Methods of the features are fitted on {rows} training rows.", rows=figures["fitted_rows"])
    held = figures["validation_auroc"] or {}
    compared = dict.fromkeys(["max_softmax", DEFAULT, figures["method"]])
    columns = [say("method"), "AUROC", "AUPR", say("FPR at 95% TPR")]
    return [
        {
            "title": say("Out of distribution"),
            "text": say(
                "{rows} rows from elsewhere, by {method}: an evaluated row beats one of them with a chance of "
                "{value:.1%}; at the threshold that lets 95% of the evaluated rows pass, {missed:.1%} of them pass.",
                rows=figures["rows"],
                method=figures["method"],
                value=figures["auroc"]["value"],
                missed=figures["fpr95"]["value"],
            )
            + f" {chosen} {fitted if figures['fitted_rows'] else ''}",
            "figures": [
                {
                    "name": "ood-roc",
                    "caption": say("Share of the evaluated rows that pass, by that of the rows from elsewhere"),
                    "figure": curves.line(
                        grid.tolist(),
                        {name: np.interp(grid, *found.curves[name]).tolist() for name in compared},
                        xlabel=say("from elsewhere, passed"),
                        ylabel=say("evaluated rows, passed"),
                    ),
                },
                {
                    "name": "ood-scores",
                    "caption": say("Scores of {name}; to the right is more at home", name=figures["method"]),
                    "figure": draw.histogram(
                        {say("evaluated rows"): inside.tolist(), say("from elsewhere"): outside.tolist()},
                        xlabel=say("score"),
                    ),
                },
            ],
            "table": {
                "columns": columns + [say("AUROC on validation")] * bool(held),
                "rows": [
                    [name, f["auroc"], f["aupr"], f["fpr95"], *([held[name]] if held else [])]
                    for name, f in figures["methods"].items()
                ],
                "note": say("AUPR: rows from elsewhere are what is looked for."),
            },
        }
    ]
