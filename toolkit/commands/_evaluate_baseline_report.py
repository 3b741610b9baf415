"""What `evaluate` tells of its baselines: the verdict, the differences, what flipped, all models in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.commands import _evaluating
from toolkit.commands._evaluate_baseline import Beside
from toolkit.commands._evaluating import Subject

if TYPE_CHECKING:
    from toolkit.reports.language import Say

EXAMPLES = 20  # flipped rows in a table
SHEET = 32  # flipped images on a sheet
VERDICTS = {
    "better": "Better than {name}: accuracy {value} percentage points (95% interval {low} to {high}).",
    "worse": "Worse than {name}: accuracy {value} percentage points (95% interval {low} to {high}).",
    "equivalent": "Equivalent to {name} within {margin} percentage points: accuracy {value} "
    "(95% interval {low} to {high}).",
    "undecided": "Undecided against {name}: accuracy {value} percentage points (95% interval {low} to {high}).",
}


def verdict(say: Say, key: str, found: dict[str, Any]) -> str:
    """In a sentence or two."""
    difference, text = found["difference"]["accuracy"], VERDICTS[found["verdict"]]
    points = {end: f"{100 * difference[end]:+.2f}".replace("-", "−") for end in ("value", "low", "high")}
    told = say(text, name=key, margin=f"{100 * found['equivalence']['margin']:g}", **points)
    if found["verdict"] != "undecided":
        return told
    if found["more_rows"] is None:
        return f"{told} {say('No number of rows would tell a difference this small.')}"
    return f"{told} {say('About {rows:,} more rows would decide it four times in five.', rows=found['more_rows'])}"


def tell(figures: dict[str, Any]) -> None:
    """On the terminal: a table a baseline, its verdict on top."""
    from toolkit.reports import language

    for key, found in figures.items():
        told = [
            (name, f"{figure['value']:+.4f}", f"{figure['low']:+.4f} to {figure['high']:+.4f}", _p(figure["p"]))
            for name, figure in found["difference"].items()
            if figure["value"] is not None
        ]
        console.table(
            verdict(language.speaker("en"), key, found), ("difference", "value", "95% interval", "p (bootstrap)"), told
        )


def sections(
    say: Say, figures: dict[str, Any], subject: Subject, metrics: dict[str, Any], besides: Sequence[Beside]
) -> list[dict[str, Any]]:
    """Of the report: a section a baseline, then all models side by side."""
    if not besides:
        return []
    found = [section for beside in besides for section in _against(say, figures[beside.key], subject, beside)]
    return [*found, _side_by_side(say, figures, subject, metrics)]


def _against(say: Say, found: dict[str, Any], subject: Subject, beside: Beside) -> list[dict[str, Any]]:
    counts = say(
        "Of {rows} rows both are right on {both_right} and both wrong on {both_wrong}; this model alone is right on "
        "{fixed}, {name} alone on {broken}. McNemar's mid-p is {p}; the p of equivalence {q}.",
        name=beside.key, p=_p(found["mcnemar"]["p"]), q=_p(found["equivalence"]["p"]),
        **{key: found[key] for key in ("rows", "both_right", "both_wrong", "fixed", "broken")},
    )  # fmt: skip
    named = {"accuracy": say("accuracy"), "f1_macro": say("macro F1"), "log_loss": say("log loss")}
    differences = [
        [named[name], _rounded(figure), None if figure["p"] is None else round(figure["p"], 4)]
        for name, figure in found["difference"].items()
    ]
    changed = [
        [name, one["rows"], one["fixed"], one["broken"], _rounded(one["recall"]), round(one["f1"], 4)]
        for name, one in sorted(found["per_class"].items(), key=lambda item: item[1]["recall"]["value"])
        if one["fixed"] or one["broken"]
    ]
    flipped = {
        "title": say("What flipped against {name}", name=beside.key),
        "figures": _sheets(say, subject, beside),
        "tables": [
            *_flips(say, subject, beside),
            {
                "title": say("Classes with a flip, the worst first"),
                "columns": [
                    say("class"), say("rows"), say("fixed"), say("broken"),
                    say("recall, difference (95% interval)"), say("F1, difference"),
                ],
                "rows": changed,
                "note": say("Of twenty classes that are as good as before, chance alone lets one look changed."),
            },
        ],
    }  # fmt: skip
    return [
        {
            "title": say("Against {name}", name=beside.key),
            "text": f"{verdict(say, beside.key, found)}\n\n{counts}",
            "table": {
                "columns": [say("figure"), say("difference (95% interval)"), say("p (bootstrap)")],
                "rows": differences,
                "note": say("This model less {name}. A log loss below zero is better.", name=beside.key),
            },
        },
        *([flipped] if changed else []),
    ]


def _rounded(figure: dict[str, Any]) -> dict[str, Any]:
    """An interval as it is worth showing."""
    return {end: None if figure[end] is None else round(figure[end], 4) for end in ("value", "low", "high")}


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _flipped(subject: Subject, beside: Beside) -> dict[str, Any]:
    """Places of the rows that only one is right on, those first that the one that is wrong is surest of."""
    import numpy as np

    from toolkit.evaluation import comparison

    labels = subject.labels
    if subject.several:
        labels = np.pad(labels, ((0, 0), (0, len(beside.names) - len(subject.names))))
    before = comparison.right(labels, beside.answers)
    ways = {
        "broken": (before & ~subject.right, subject.confidence),
        "fixed": (subject.right & ~before, beside.confidence),
    }
    out = {}
    for way, (mask, confidence) in ways.items():
        places = np.flatnonzero(mask)
        out[way] = places[np.argsort(-confidence[places], kind="stable")]
    return out


def _flips(say: Say, subject: Subject, beside: Beside) -> list[dict[str, Any]]:
    """A table each way: the rows, their labels, and what the one said that is wrong."""
    wrong = {
        "broken": (say("this model said"), subject.chosen, subject.names, subject.confidence),
        "fixed": (say("{name} said", name=beside.key), beside.answers.chosen, beside.names, beside.confidence),
    }
    out = []
    for way, places in _flipped(subject, beside).items():
        said, chosen, names, confidence = wrong[way]
        rows = [
            [
                _evaluating.shown(subject.contents[i]),
                _evaluating.named(subject.labels[i], subject.names),
                _evaluating.named(chosen[i], names),
                round(float(confidence[i]), 4),
            ]
            for i in places[:EXAMPLES]
        ]
        title = say(
            "Broken: {name} was right ({all} rows; {shown}, the surest first)"
            if way == "broken"
            else "Fixed: {name} was wrong ({all} rows; {shown}, the surest first)",
            name=beside.key, shown=len(rows), all=len(places),
        )  # fmt: skip
        columns = [say("content"), say("label"), said, say("confidence")]
        out += [{"title": title, "columns": columns, "rows": rows}] * bool(rows)
    return out


def _sheets(say: Say, subject: Subject, beside: Beside) -> list[dict[str, Any]]:
    """Of images, a sheet each way."""
    from toolkit.data.images.sheet import sheet

    if subject.predictor.reader.kind != "image":
        return []
    return [
        {
            "name": f"{way}-{beside.key}",
            "caption": say(
                "Broken: {name} was right" if way == "broken" else "Fixed: {name} was wrong", name=beside.key
            ),
            "picture": sheet([subject.contents[i].cell() for i in places[:SHEET]]),
        }
        for way, places in _flipped(subject, beside).items()
        if len(places)
    ]


def _side_by_side(say: Say, figures: dict[str, Any], subject: Subject, metrics: dict[str, Any]) -> dict[str, Any]:
    from toolkit.reports import side_by_side

    ours = say("{model} (this one)", model=subject.given.title)
    models = {ours: metrics} | {key: found["baseline"] for key, found in figures.items()}
    return {
        "title": say("Side by side"),
        "text": say("The baselines' speed is what their own evaluations found.") + " " + _timed(say, models, ours),
        "figures": [
            {
                "name": "pareto",
                "caption": say("Accuracy with its 95% interval over speed; the line joins what nothing beats in both"),
                "figure": side_by_side.trade(models, xlabel=say("samples a second"), ylabel=say("accuracy")),
            }
        ],
        "table": {
            "columns": [
                say("model"), say("parameters"), say("bytes"), say("samples a second"), say("latency p50, ms"),
                say("accuracy"),
            ],
            "rows": [[name, *side_by_side.evaluated(of)] for name, of in models.items()],
        },
    }  # fmt: skip


def _timed(say: Say, models: dict[str, Any], ours: str) -> str:
    """Which baselines' speed is not to be compared, and why."""
    here = models[ours]["efficiency"]["machine"]
    out = []
    for name, metrics in models.items():
        there = metrics["efficiency"]["machine"]
        apart = [key for key in here if key != "load" and there.get(key, here[key]) != here[key]]
        if apart:
            told = ", ".join(f"{there[key]}" if key == "cpu" else f"{key} {there[key]}" for key in apart)
            out.append(say("That of {name} was timed elsewhere ({told}) and is not comparable.", name=name, told=told))
        elif abs((there.get("load") or 0) - (here["load"] or 0)) > here["cores"] / 4:
            out.append(
                say(
                    "{name} was timed at a load of {there}, this model at {here}: compare with care.",
                    name=name, there=there.get("load"), here=here["load"],
                )
            )  # fmt: skip
    return " ".join(out)
