"""`toolkit error-analysis`: where an evaluation's errors gather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.step import Job, Step

STANDARD = ("id", "text", "text_pair", "image", "label", "predicted", "confidence", "parent_id", "method")


@dataclass(frozen=True, kw_only=True)
class ErrorAnalysisConfig(Config):
    source: Annotated[str, Argument(metavar="EVALUATION", help="What 'toolkit evaluate' wrote."), Input("evaluation")]
    by: Annotated[
        list[str] | None,
        Option(help="A column to divide the rows by (repeat for several).", show_default="all that can"),
    ] = None
    examples: Annotated[int, Option(help="Errors shown in the report.", min=0)] = 50


def plan(job: Job) -> dict[str, Any]:
    table = predictions(job)
    return {
        "rows": len(table),
        "errors": int((table["label"] != table["predicted"]).sum()),
        "columns": divisible(job, table),
    }


def predictions(job: Job) -> Any:
    """The evaluation's rows as a DataFrame.

    Raises:
        ToolkitError: they have no labels (what `predict` wrote), or several a row.
    """
    from toolkit.artifacts import evaluation

    path = job.inputs["source"].path
    assert path is not None
    table = evaluation.read(path)
    if "label" not in table:
        raise ToolkitError(f"{path} has no labels", "run 'toolkit evaluate' on labelled rows")
    if len(table) and not isinstance(table["predicted"].iloc[0], str):
        raise ToolkitError(f"{path} predicts several classes a row", "error-analysis takes one class a row so far")
    return table


def divisible(job: Job, table: Any) -> list[str]:
    """The passed-through columns to divide the rows by.

    Raises:
        ToolkitError: a column that was asked for is not there.
    """
    from toolkit.artifacts.evaluation import PROBABILITY

    others = [c for c in table.columns if c not in STANDARD and not c.startswith(PROBABILITY)]
    for name in job.config.by or []:
        if name not in table.columns:
            raise ToolkitError(f"the predictions have no column '{name}'", did_you_mean(name, table.columns))
    return job.config.by or others


def error_analysis(job: Job) -> None:
    """Find where the errors gather: by confidence, by keyword, by source and other columns, by confused classes."""
    import numpy as np

    from toolkit.artifacts import manifest, report
    from toolkit.data.text import language, words
    from toolkit.evaluation import errors

    table = predictions(job)
    wrong = (table["label"] != table["predicted"]).to_numpy()
    texts = [str(text) for text in table["text"]] if "text" in table else []
    word_sets = [{word.lower() for word in words(text) if len(word) > 1} for text in console.track(texts, "words")]
    columns: dict[str, list[dict[str, Any]]] = {
        name: errors.by_column(wrong, name, table[name].tolist()) for name in divisible(job, table)
    }
    for name in job.config.by or []:
        if not columns[name]:
            job.warn(
                f"--by {name}: a column of one value or of more than {errors.MOST_VALUES} does not divide the rows"
            )
    if texts:
        columns["language"] = errors.by_column(wrong, "language", [language(text) for text in texts])
    found: dict[str, Any] = {
        "rows": len(table),
        "errors": int(wrong.sum()),
        "confidence": errors.by_confidence(wrong, table["confidence"].to_numpy()),
        "columns": {name: slices for name, slices in columns.items() if slices},
        "keywords": errors.keywords(wrong, word_sets) if texts else [],
        "confusions": errors.confused_pairs(table["label"].tolist(), table["predicted"].tolist()),
    }
    manifest.write_json(job.folder / "slices.json", found)
    failed = table[wrong].sort_values("confidence", ascending=False, kind="stable")
    failed.to_parquet(job.folder / "errors.parquet", index=False)
    report.write(job.folder, page(job, found, failed, np.asarray(table["confidence"]), wrong))
    (job.folder / "README.md").write_text("# Error analysis\n\nOpen `report.html`.\n", encoding="utf-8")
    job.metrics |= {"rows": found["rows"], "errors": found["errors"], "keywords": len(found["keywords"])}
    console.table(
        f"{found['errors']} of {found['rows']} rows are wrong",
        ("confidence", "rows", "errors", "error rate"),
        [(s["value"], s["rows"], s["errors"], rate(s)) for s in found["confidence"]],
    )
    if found["confusions"]:
        console.table(
            "Most confused",
            ("label -> predicted", "errors", "share of label"),
            [
                (f"{c['label']} -> {c['predicted']}", c["errors"], f"{c['share_of_label']:.1%}")
                for c in found["confusions"][:8]
            ],
        )


def rate(found: dict[str, Any]) -> str:
    value = found["error_rate"]["value"]
    return "–" if value is None else f"{value:.1%}"


def page(job: Job, found: dict[str, Any], failed: Any, confidence: Any, wrong: Any) -> dict[str, Any]:
    """The report: the strata, the slices, the words, the worst errors."""
    from toolkit.reports import figures

    head = ["rows", "errors", "error rate (95% interval)", "lift"]

    def slices(column: str, found_slices: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [[s["value"], s["rows"], s["errors"], s["error_rate"], s["lift"]] for s in found_slices]
        return {"columns": [column, *head], "rows": rows}

    confusions = found["confusions"][:12]
    sure = next(s for s in found["confidence"] if s["value"].startswith("high"))
    sections: list[dict[str, Any]] = [
        {
            "title": "By confidence",
            "text": "Errors of high confidence are wrong labels or blind spots; those of low confidence want data.",
            "table": slices("confidence", found["confidence"]),
            "figures": [
                {
                    "name": "confidence",
                    "caption": "Confidence of right and wrong predictions",
                    "figure": figures.histogram(
                        {"right": confidence[~wrong].tolist(), "wrong": confidence[wrong].tolist()}, xlabel="confidence"
                    ),
                }
            ],
        },
        {
            "title": "Confused classes",
            "figures": [
                {
                    "name": "confusions",
                    "caption": "Errors a pair",
                    "figure": figures.bars(
                        [f"{c['label']} → {c['predicted']}" for c in confusions],
                        {"errors": [c["errors"] for c in confusions]},
                        horizontal=True,
                        xlabel="errors",
                    ),
                }
            ]
            if confusions
            else [],
            "table": {
                "columns": ["label", "predicted", "errors", "share of label"],
                "rows": [
                    [
                        c["label"],
                        c["predicted"],
                        c["errors"],
                        {"share": c["share_of_label"], "text": f"{c['share_of_label']:.1%}"},
                    ]
                    for c in found["confusions"]
                ],
            },
        },
        {
            "title": "By column",
            "tables": [slices(name, rows) for name, rows in found["columns"].items()],
        },
        *([_keywords(slices("word", found["keywords"]))] if "text" in failed else []),
        _worst(job, failed, found["errors"]),
    ]
    return {
        "title": "Error analysis",
        "kicker": "toolkit error-analysis",
        "lead": f"{found['errors']} of {found['rows']} rows are wrong; "
        f"of {sure['rows']} that the model is sure of, {sure['errors']} are.",
        "lang": "en",
        "cards": [
            {"label": "rows", "value": found["rows"], "note": ""},
            {"label": "errors", "value": found["errors"], "note": f"{found['errors'] / max(found['rows'], 1):.1%}"},
            {"label": "sure and wrong", "value": sure["errors"], "note": f"confidence above {0.9}"},
        ],
        "sections": sections,
        "footer": job.footer(),
    }


def _keywords(table: dict[str, Any]) -> dict[str, Any]:
    found = "Words whose texts are" if table["rows"] else "No word's texts are"
    return {
        "title": "Keywords",
        "text": f"{found} wrong more often than chance allows (false discovery rate of 5%).",
        "table": table if table["rows"] else None,
    }


def _worst(job: Job, failed: Any, errors: int) -> dict[str, Any]:
    """The surest errors; of images the sheet that `evaluate` left shows them too."""
    shown, content = failed.head(job.config.examples), "text" if "text" in failed else "image"
    columns = ["id", content, "label", "predicted", "confidence"]
    path = job.inputs["source"].path
    assert path is not None
    sheet = path / "figures" / "errors.png"
    drawn = {"name": "errors", "caption": "The first of them, row by row"}
    return {
        "title": "Errors, the surest first",
        "text": f"{len(shown)} of {errors}; all are in errors.parquet.",
        "figures": [drawn | {"picture": sheet.read_bytes()}] if sheet.is_file() else [],
        "table": {"columns": columns, "rows": shown[columns].to_numpy().tolist()},
    }


STEP = Step(name="error-analysis", kind="analysis", config=ErrorAnalysisConfig, run=error_analysis, plan=plan)
