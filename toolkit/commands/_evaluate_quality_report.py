"""What `evaluate` says of quality in its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.commands import _evaluating
from toolkit.commands._evaluating import Subject

if TYPE_CHECKING:
    from toolkit.reports.language import Say

Section = dict[str, Any]
SHEET = 48  # images on the sheet of errors
MOST_ERRORS = 20  # of the table
MOST_CLASSES = 50  # of the table
MOST_PAIRS = 15
READABLE = 20  # classes whose confusions are drawn
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision_macro": "precision, mean over the classes (macro)",
    "recall_macro": "recall, mean over the classes (macro)",
    "f1_macro": "F1, mean over the classes (macro)",
    "precision_micro": "precision of all decisions (micro)",
    "recall_micro": "recall of all decisions (micro)",
    "f1_micro": "F1 of all decisions (micro)",
    "mcc": "Matthews correlation",
    "top_3": "right class among the 3 likeliest",
    "top_5": "right class among the 5 likeliest",
    "hamming_loss": "share of wrong decisions (Hamming loss)",
    "auc": "AUC, one class against the rest (macro)",
    "average_precision": "average precision (macro)",
    "label_ranking": "label ranking average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "ece_debiased": "ECE without what chance adds",
}


def sections(say: Say, figures: dict[str, Any], subject: Subject) -> list[Section]:
    """The figures, the classes, the confusions (of one class a row), confidence, the surest errors."""
    found = [_figures(say, figures["quality"]), _classes(say, figures["per_class"])]
    if not subject.several and not subject.right.all():
        found.append(_confusions(say, subject))
    found.append(_confidence(say, figures, subject))
    return found if subject.right.all() else [*found, _errors(say, subject)]


def named(say: Say, name: str) -> str:
    text = NAMES[name]
    return say(text)


def _figures(say: Say, quality: dict[str, Any]) -> Section:
    return {
        "title": say("Quality"),
        "table": {
            "columns": [say("figure"), say("value (95% interval)"), say("in metrics.json")],
            "rows": [[named(say, name), figure, f"quality.{name}"] for name, figure in quality.items()],
        },
    }


def _classes(say: Say, classes: dict[str, Any]) -> Section:
    def poorest(item: tuple[str, Any]) -> tuple[bool, float]:
        value = item[1]["f1"]["value"]
        return value is None, value or 0.0

    kinds = ("precision", "recall", "f1", "auc")
    worst = sorted(classes.items(), key=poorest)[:MOST_CLASSES]
    table = {
        "columns": [say("class"), say("rows"), say("precision"), say("recall"), "F1", "AUC"],
        "rows": [[name, told["support"], *(told[kind] for kind in kinds)] for name, told in worst],
    }
    if len(classes) > MOST_CLASSES:
        table["note"] = say("The {shown} of {count} classes with the lowest F1.", shown=len(worst), count=len(classes))
    return {"title": say("Classes"), "text": say("The lowest F1 first."), "table": table}


def _confusions(say: Say, subject: Subject) -> Section:
    """All of them as a matrix where it can be read, else the most frequent."""
    from toolkit.evaluation import classes, metrics
    from toolkit.reports import figures as draw

    names, section = subject.names, {"title": say("Confusions")}
    if len(names) <= READABLE:
        matrix = metrics.confusion(subject.labels, subject.chosen, len(names))
        drawn = draw.confusion(matrix, names, words=(say("class"), say("predicted"), ""))
        seen = {"name": "confusion", "caption": say("True class down, predicted across"), "figure": drawn}
        return section | {"figures": [seen]}
    pairs = classes.confused(subject.labels, subject.chosen, MOST_PAIRS)
    shares = [rows / int((subject.labels == own).sum()) for own, _, rows in pairs]
    rows = [[names[own], names[told], n, {"share": s}] for (own, told, n), s in zip(pairs, shares, strict=True)]
    columns = [say("class"), say("predicted"), say("rows"), say("share of the class")]
    return section | {"text": say("The most frequent."), "table": {"columns": columns, "rows": rows}}


def _confidence(say: Say, figures: dict[str, Any], subject: Subject) -> Section:
    from toolkit.reports import curves
    from toolkit.reports import figures as draw

    right, confidence = subject.right, subject.confidence
    split = {say("right"): confidence[right].tolist(), say("wrong"): confidence[~right].tolist()}
    after = figures["calibration"]["calibrated"]
    words = (say("share right"), say("gap"), say("share of rows"))
    drawn = [
        ("reliability", say("Share that is right at each confidence; the diagonal is honest"), figures["calibration"])
    ]
    if after:
        drawn.append(("reliability-calibrated", say("The same with the temperature"), after))
    section: Section = {
        "title": say("Confidence"),
        "figures": [
            *(
                {"name": name, "caption": caption, "figure": reliability(curves, told["reliability"], say, words)}
                for name, caption, told in drawn
            ),
            {
                "name": "confidence",
                "caption": say("Confidence of right and wrong predictions"),
                "figure": draw.histogram(split, xlabel=say("confidence")),
            },
        ],
    }
    if not after:
        return section
    before, told = figures["quality"], ("log_loss", "brier", "ece", "ece_debiased")
    return section | {
        "text": say(
            "Logits divided by the temperature {temperature:.2f} have the least log loss on {rows} rows of {split}. "
            "The model itself is as it was.",
            temperature=after["temperature"]["value"], rows=after["rows"], split=after["split"],
        ),
        "table": {
            "columns": [say("figure"), say("as it is"), say("with the temperature")],
            "rows": [[named(say, name), before[name], after[name]] for name in told],
        },
    }  # fmt: skip


def reliability(curves: Any, curve: list[dict[str, Any]], say: Say, words: tuple[str, str, str]) -> Any:
    parts = ([point[key] for point in curve] for key in ("confidence", "right", "rows"))
    return curves.reliability(*parts, xlabel=say("confidence"), ylabel=say("share right"), words=words)


def _errors(say: Say, subject: Subject) -> Section:
    """What the model was surest of and wrong; of images a sheet of more of them."""
    import numpy as np

    from toolkit.data.images.sheet import sheet

    wrong = np.flatnonzero(~subject.right)
    first = wrong[np.argsort(-subject.confidence[wrong], kind="stable")]
    section: Section = {
        "title": say("Errors"),
        "text": say("The surest first. What they share and what decided them tells error-analysis."),
        "table": {
            "columns": [say("content"), say("label"), say("predicted"), say("confidence")],
            "rows": [
                [
                    _evaluating.shown(subject.contents[i]),
                    _evaluating.named(subject.labels[i], subject.names),
                    _evaluating.named(subject.chosen[i], subject.names),
                    round(float(subject.confidence[i]), 4),
                ]
                for i in first[:MOST_ERRORS]
            ],
        },
    }
    if subject.predictor.reader.kind != "image":
        return section
    picture = sheet([subject.contents[i].cell() for i in first[:SHEET]])
    return section | {"figures": [{"name": "errors", "caption": say("Row by row"), "picture": picture}]}
