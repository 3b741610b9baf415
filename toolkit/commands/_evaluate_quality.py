"""`evaluate`, quality: how often the answers are right, and how far their confidence can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.commands._evaluating import Subject
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.reports.language import Say

SHEET = 48  # images on the sheet of errors


def measure(job: Job, subject: Subject) -> dict[str, Any]:
    """The figures under `quality`, each with its interval."""
    from toolkit.evaluation import statistics

    quality = (statistics.quality_of_several if subject.several else statistics.quality)(
        subject.labels, subject.probabilities, job.config.seed
    )
    if not subject.several and quality["auc"]["value"] is None:
        job.warn("AUC is undefined: the rows hold one class only")
    return quality


def per_class(subject: Subject) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support of each class; None where undefined."""
    import numpy as np

    from toolkit.evaluation import metrics

    if subject.several:
        figures = metrics.several_per_class(subject.labels, subject.chosen)
    else:
        figures = metrics.per_class(metrics.confusion(subject.labels, subject.chosen, len(subject.names)))
    return {
        name: {k: float(v[i]) if np.isfinite(v[i]) else None for k, v in figures.items() if k != "support"}
        | {"support": int(figures["support"][i])}
        for i, name in enumerate(subject.names)
    }


def lines(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For the terminal."""
    return [(n, shown(e["value"]), f"{shown(e['low'])} to {shown(e['high'])}") for n, e in figures.items()]


def shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def sections(say: Say, quality: dict[str, Any], classes: dict[str, Any], subject: Subject) -> list[dict[str, Any]]:
    """Of the report: the figures, the classes, the confusion (of one class a row), a sheet of errors (of images)."""
    from toolkit.evaluation import metrics
    from toolkit.reports import curves
    from toolkit.reports import figures as draw

    right, confidence, confusion = subject.right, subject.confidence, []
    if not subject.several:
        drawn = draw.confusion(metrics.confusion(subject.labels, subject.chosen, len(subject.names)), subject.names)
        confusion = [{"name": "confusion", "caption": say("True class down, predicted across"), "figure": drawn}]
    split = {say("right"): confidence[right].tolist(), say("wrong"): confidence[~right].tolist()}
    sheet = errors(subject) if subject.predictor.reader.kind == "image" else None
    seen = {"name": "errors", "caption": say("The surest first, row by row"), "picture": sheet}
    found: list[dict[str, Any]] = [
        {
            "title": say("Quality"),
            "table": {
                "columns": [say("figure"), say("value (95% interval)")],
                "rows": [[name, figure] for name, figure in quality.items()],
            },
        },
        {
            "title": say("Classes"),
            "table": {
                "columns": [say("class"), say("precision"), say("recall"), "F1", say("rows")],
                "rows": [[n, f["precision"], f["recall"], f["f1"], f["support"]] for n, f in classes.items()],
            },
        },
        {
            "title": say("Confusion and confidence") if confusion else say("Confidence"),
            "figures": [
                *confusion,
                {
                    "name": "confidence",
                    "caption": say("Confidence of right and wrong predictions"),
                    "figure": draw.histogram(split, xlabel=say("confidence")),
                },
                {
                    "name": "reliability",
                    "caption": say("Share that is right at each confidence; the diagonal is honest"),
                    "figure": curves.reliability(*metrics.reliability(confidence, right)),
                },
            ],
        },
    ]
    return found + [{"title": say("Errors"), "figures": [seen]}] * bool(sheet)


def errors(subject: Subject) -> bytes | None:
    """A sheet of the images that are wrong, the surest first, row by row; None where there are none."""
    import numpy as np

    from toolkit.data.images.sheet import sheet

    wrong = np.flatnonzero(~subject.right)
    first = wrong[np.argsort(-subject.confidence[wrong], kind="stable")][:SHEET]
    return sheet([subject.contents[i].cell() for i in first]) if len(first) else None
