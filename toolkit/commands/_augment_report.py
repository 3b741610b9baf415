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
    """Pairs of series as figures of their first channel; other examples as they are."""
    from toolkit.reports import figures

    if "pairs" not in examples:
        return examples
    out, seen, numbered = [], Counter[str](), []
    for method, before, after in examples["pairs"]:
        numbered.append((seen[method], method, before, after))
        seen[method] += 1
    turns = sorted(numbered, key=lambda pair: pair[:2])  # each method once, then twice …
    for number, (_, method, before, after) in enumerate(turns[:MOST_FIGURES]):
        series = {"parent": before[0], method: after[0]}
        steps = range(max(map(len, series.values())))
        padded = {name: [*values, *[None] * (len(steps) - len(values))] for name, values in series.items()}
        drawn = figures.line(steps, padded, xlabel="step", ylabel="")
        out.append({"name": f"example-{number}", "caption": method.replace("_", " "), "figure": drawn})
    return {"figures": out, "text": "The first channel of a few rows of each method and of their parents."}


def gain_section(result: dict[str, Any]) -> list[dict[str, Any]]:
    if "check" not in result:
        return []
    keys = ("rows", "without", "with", "gain")
    return [
        {
            "title": "Gain",
            "text": "Accuracy of the built-in linear model on rows of train that were left out, trained without and "
            "with the new rows of all methods and of each (five seeds, five folds); --model on validation.",
            "table": {
                "columns": ["method", "new rows", "without", "with", "gain"],
                "rows": [[name, *(found[k] for k in keys)] for name, found in result["check"].items()],
            },
        }
    ]
