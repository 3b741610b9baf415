"""What the report of `augment` shows: what became of the attempts, the classes, the gain, and examples."""

from __future__ import annotations

from collections import Counter
from typing import Any

from toolkit.step import Job

MOST_FIGURES = 12


def columns(result: dict[str, Any]) -> list[str]:
    """The verdicts that some method got."""
    counts = list(result["methods"].values())
    return [v for v in counts[0] if v == "made" or any(found[v] for found in counts)] if counts else ["made"]


def page(job: Job, result: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    """The report: what each method made, the classes before and after, and examples."""
    from toolkit.reports import figures

    rows, shown = result["rows"], columns(result)
    sizes = {when: [found[when] for found in result["classes"].values()] for when in ("in", "out")}
    drawn = figures.bars(list(result["classes"]), {"before": sizes["in"], "after": sizes["out"]}, ylabel="rows")
    return {
        "title": "Augmentation report",
        "kicker": "toolkit augment",
        "lead": f"Train grew from {rows['in']} to {rows['out']} rows.",
        "lang": "en",
        "cards": [
            {"label": "train in", "value": rows["in"], "note": "rows"},
            {"label": "train out", "value": rows["out"], "note": "rows"},
            {"label": "passed over", "value": result["passed_over"], "note": "children that could not be made"},
        ],
        "sections": [
            {
                "title": "Methods",
                "table": {
                    "columns": ["method", *shown],
                    "rows": [[name, *(counts[v] for v in shown)] for name, counts in result["methods"].items()],
                    "note": "What is not counted as made was dropped and drawn again, twice at most.",
                },
            },
            {
                "title": "Classes",
                "figures": [{"name": "classes", "caption": "Rows a class in train", "figure": drawn}],
            },
            *gain_section(result),
            {"title": "Examples", **_drawn(examples)},
        ],
        "footer": job.footer(),
    }


def _drawn(examples: dict[str, Any]) -> dict[str, Any]:
    """Curves of series as figures of their first channel; other examples as they are."""
    from toolkit.reports import curves

    if "curves" not in examples:
        return examples
    out, seen, numbered = [], Counter[str](), []
    for method, label, lines in examples["curves"]:
        numbered.append((seen[method], method, label, lines))
        seen[method] += 1
    turns = sorted(numbered, key=lambda example: example[:2])  # each method once, then twice …
    for number, (_, method, label, lines) in enumerate(turns[:MOST_FIGURES]):
        series = {name: channels[0] for name, channels in lines.items()}
        steps = range(max(map(len, series.values())))
        padded = {name: [*values, *[None] * (len(steps) - len(values))] for name, values in series.items()}
        drawn = curves.line(steps, padded, xlabel="step", ylabel="value")
        caption = f"{method.replace('_', ' ')} · {label}" if label else method.replace("_", " ")
        out.append({"name": f"example-{number}", "caption": caption, "figure": drawn})
    return {"figures": out, "text": "The first channel of a few new rows of each method and of their parents."}


def gain_section(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What `--check` found, in per cent and points."""
    if "check" not in result:
        return []
    text = (
        "How often the built-in linear model is right on rows of train that were left out, trained without and with "
        "the new rows: all of them, and those of each method alone (five seeds, five folds)."
    )
    if "model" in result["check"]:
        text += " The line “model” is --model, fine-tuned without and with all of them and judged on validation."
    rows = [
        [name, found["rows"], *(_points(found[when]) for when in ("without", "with")), _gain(found["gain"])]
        for name, found in result["check"].items()
    ]
    columns = ["method", "new rows", "right without, %", "right with, %", "gain, points (95% interval)"]
    return [{"title": "Gain", "text": text, "table": {"columns": columns, "rows": rows}}]


def _gain(gain: dict[str, float]) -> dict[str, float]:
    return {end: _points(gain[end]) for end in ("value", "low", "high")}


def _points(share: float) -> float:
    return round(100 * share, 1)
