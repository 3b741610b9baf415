"""`toolkit error-analysis`: where an evaluation's errors gather, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console
from toolkit.config import RUNTIME, Config, Input
from toolkit.step import Job, Step


@dataclass(frozen=True, kw_only=True)
class ErrorAnalysisConfig(Config):
    source: Annotated[str, Argument(metavar="EVALUATION", help="What 'toolkit evaluate' wrote."), Input("evaluation")]
    by: Annotated[
        list[str] | None,
        Option(help="A column to divide the rows by (repeat for several).", show_default="all that can"),
    ] = None
    baseline: Annotated[
        str | None, Option(help="Another model's evaluation: errors fixed, broken and common."), Input("evaluation")
    ] = None
    after: Annotated[
        str | None,
        Option(help="An earlier analysis: which of its plan's measures worked (keep or discard)."),
        Input("artifact"),
    ] = None
    model: Annotated[
        str | None,
        Option(help="The evaluated model, asked what decided.", show_default="where the evaluation found it"),
        Input("model"),
    ] = None
    data: Annotated[
        str | None,
        Option(help="The evaluated data: images, and train.", show_default="where the evaluation found it"),
        Input("dataset"),
    ] = None
    train: Annotated[
        str | None,
        Option(help="What the model learned from, for near-duplicates.", show_default="train of the data"),
        Input("dataset"),
    ] = None
    examples: Annotated[int, Option(help="Errors shown in the report.", min=0)] = 50
    explain: Annotated[int, Option(help="The surest errors whose deciding words or regions are shown.", min=0)] = 12
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option(help="Where to compute."), RUNTIME] = "auto"
    lang: Annotated[Literal["en", "zh"], Option(help="The report's language.")] = "en"


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _error_changes, _error_model, _error_rows

    rows = job.kept["rows"] = _error_rows.read(job, job.inputs["source"])
    _error_changes.check(job, rows)
    _error_model.check(job, rows)
    columns = _error_rows.divisible(job, rows)
    return {"rows": len(rows), "errors": int(rows.wrong.sum()), "columns": columns}


def error_analysis(job: Job) -> None:
    """Find where the errors gather and write a plan: each finding with the command that addresses it.

    Rows are divided by columns, classes, words, likeness and two or three of these at once; shown is what shuffled
    errors do not show. Besides: confused classes, labels that are probably wrong, near-duplicates of train, and what
    decided the surest errors, asked of the model. --baseline tells fixed from broken, --after what a plan has done.
    """
    from toolkit.artifacts import manifest, report
    from toolkit.commands import _error_changes, _error_model, _error_plan, _error_report, _error_search
    from toolkit.evaluation.slices import confidence, confusion

    rows = job.kept["rows"]
    _error_model.note_absent(job, rows)
    there, traits = _traits(job, rows)
    found = _error_search.search(job, rows, traits, _error_model.vectors(job, rows, there))
    confusions = confusion.pairs(rows.table["label"].tolist(), rows.table["predicted"].tolist(), job.config.seed)
    doubted = _error_search.label_errors(job, rows, found)
    made = _error_plan.findings(job, rows, found, confusions, doubted)
    worst = _worst(rows)
    explained = _error_model.attribute(job, rows, worst[: job.config.explain], there)
    slices: dict[str, Any] = {
        "rows": len(rows),
        "errors": int(rows.wrong.sum()),
        "confidence": confidence.strata(rows.wrong, rows.confidence),
        "columns": found.tables,
        "confusions": confusions,
        "slices": found.shown(rows.wrong),
        "labels": _error_search.label_figures(rows, doubted),
        "attribution": _attribution(rows, worst, explained),
        "baseline": _error_changes.baseline(job, rows, found),
        "after": _error_changes.after(job, rows, traits),
    }
    manifest.write_json(job.folder / "slices.json", slices)
    _error_plan.write(job, rows, made, doubted)
    rows.table.iloc[worst].to_parquet(job.folder / "errors.parquet", index=False)
    report.write(job.folder, _error_report.page(job, rows, slices, made, worst, explained))
    (job.folder / "README.md").write_text("# Error analysis\n\nOpen `report.html`.\n", encoding="utf-8")
    job.metrics |= {"rows": slices["rows"], "errors": slices["errors"], "findings": len(made)}
    _tell(slices, made)


def _traits(job: Job, rows: Any) -> tuple[Any, Any]:
    """The evaluated rows in the data (None where not at hand), and what rows are divided by."""
    from toolkit.commands import _error_model, _error_rows

    others: dict[str, Any] = {}
    data, seen = _error_model.splits(job, "data"), None
    there = _error_model.evaluated(job, rows, data)
    if rows.content == "image" and there is not None:
        others, seen = _error_model.looks(there)
    train = _error_model.splits(job, "train") or data
    if train is not None and "train" in train and (rows.content == "text" or seen is not None):
        others[_error_model.NEAR] = _error_model.near_train(rows, train["train"], seen)
    return there, _error_rows.traits(rows, _error_rows.divisible(job, rows), others)


def _worst(rows: Any) -> list[int]:
    """The numbers of the wrong rows, the surest first."""
    import numpy as np

    wrong = np.flatnonzero(rows.wrong)
    order: list[int] = wrong[np.argsort(-rows.confidence[wrong], kind="stable")].tolist()
    return order


def _attribution(rows: Any, worst: list[int], explained: list[dict[str, Any]]) -> list[dict[str, Any]]:
    named = rows.table["id"].astype(str).tolist() if "id" in rows.table else [f"row {i}" for i in range(len(rows))]
    return [
        {"id": named[i]} | {key: value for key, value in told.items() if key != "drawn"}
        for i, told in zip(worst, explained, strict=False)
    ]


def _tell(slices: dict[str, Any], made: list[dict[str, Any]]) -> None:
    """For the terminal: the strata of confidence, and what to do next."""

    def rate(found: dict[str, Any]) -> str:
        value = found["value"]
        return "–" if value is None else f"{value:.1%}"

    console.table(
        f"{slices['errors']} of {slices['rows']} rows are wrong",
        ("confidence", "rows", "errors", "error rate"),
        [(s["value"], s["rows"], s["errors"], rate(s["error_rate"])) for s in slices["confidence"]],
    )
    if made:
        console.table(
            "What to do next (plan.json has the commands)",
            ("finding", "errors", "error rate", "gain at most"),
            [
                (f"{f['number']}. {f['kind']}: {f['value']}", f"{f['errors']} / {f['rows']}", rate(f["interval"]),
                 f"{f['gain_at_most']:.1%}")
                for f in made
            ],
        )  # fmt: skip
    for told in (slices["after"] or {"findings": []})["findings"]:
        console.note(f"{told['verdict']}: {told['number']}. {told['kind']}: {told['value']}")


STEP = Step(
    name="error-analysis",
    kind="analysis",
    config=ErrorAnalysisConfig,
    run=error_analysis,
    plan=plan,
    takes=("text", "image"),
    inherits={"model": "source", "data": "data"},
    version=4,
)
