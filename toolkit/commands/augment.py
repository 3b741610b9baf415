"""`toolkit augment`: more rows of train, each with its parent's id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.step import Job, Step


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="A dataset with a train split."), Input("dataset")]
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    copies: Annotated[int, Option(help="New rows a row of train, at most.", min=1, max=100)] = 1
    alpha: Annotated[float, Option(help="Share of a text's words that an operation changes.", min=0.0, max=1.0)] = 0.1
    method: Annotated[
        list[str] | None, Option(help="A method to draw from (repeat for several).", show_default="all")
    ] = None


def plan(job: Job) -> dict[str, Any]:
    from toolkit.data import labels, split
    from toolkit.data.augment import METHODS

    data = job.dataset
    for name in job.config.method or []:
        if name not in METHODS:
            raise ToolkitError(f"no method '{name}'", did_you_mean(name, METHODS))
    if "train" not in data:
        raise ToolkitError(f"{job.config.source} has no train split", "run 'toolkit split' first")
    labels.check_labels(data, job.config.source)
    split.check_children(data, job.config.source)
    if "parent_id" in data["train"].column_names:
        raise ToolkitError(f"{job.config.source} is augmented already", "augment the dataset it came from")
    rows = {name: len(part) for name, part in data.items()}
    return {"rows": rows, "train_rows_at_most": rows["train"] * (1 + job.config.copies)}


def augment(job: Job) -> None:
    """Add changed copies of train's rows: EDA's four operations and character noise, in English and Chinese.

    Train alone grows. A new row names its parent in `parent_id` and its method in `method`; outputs that are unchanged
    or that equal a row of any split are dropped and counted.
    """
    from toolkit.artifacts import dataset, manifest, report
    from toolkit.data.augment import METHODS
    from toolkit.data.augment.run import children
    from toolkit.data.text import fold

    data, config = job.dataset, job.config
    train = data["train"]
    texts = list(train["text"])
    taken = {fold(text) for rows in data.values() for text in rows["text"]}
    methods = config.method or list(METHODS)
    made, counts = children(list(train["id"]), texts, taken, methods, config.copies, config.alpha, config.seed)
    grown = type(data)({split: with_children(rows, made if split == "train" else []) for split, rows in data.items()})
    dataset.write(job.folder, grown)
    result = {"rows": {"in": len(train), "out": len(grown["train"])}, "methods": counts}
    manifest.write_json(job.folder / "report.json", result)
    report.write(job.folder, page(job, result, texts, made))
    (job.folder / "README.md").write_text(
        dataset.card("Augmented dataset", grown, ["Rows with a `parent_id` are changed copies of that row."]),
        encoding="utf-8",
    )
    job.metrics |= {"train_in": len(train), "train_out": len(grown["train"])}
    table = [(name, c["made"], c["unchanged"], c["repeated"]) for name, c in counts.items()]
    console.table(
        f"train: {len(train)} rows in, {len(grown['train'])} out", ("method", "made", "unchanged", "repeated"), table
    )


def with_children(rows: Any, made: list[dict[str, Any]]) -> Any:
    """The rows and their children after them; columns that a child does not change come from its parent."""
    from datasets import concatenate_datasets

    from toolkit.data.columns import with_column

    if "method" in rows.column_names:  # the user's own, of another meaning
        rows = rows.rename_column("method", "method_original")
    ids = list(rows["id"])
    copies = rows.select([child["row"] for child in made])
    for name in ("id", "text", "method"):
        copies = with_column(copies, name, [child[name] for child in made])
    copies = with_column(copies, "parent_id", [ids[child["row"]] for child in made])
    for name in ("method", "parent_id"):
        rows = with_column(rows, name, [None] * len(rows))
    return concatenate_datasets([rows, copies])


def page(job: Job, result: dict[str, Any], texts: list[str], made: list[dict[str, Any]]) -> dict[str, Any]:
    """The report: what each method made, and examples."""
    counts, examples = result["methods"], []
    for name in counts:
        of_method = [child for child in made if child["method"] == name]
        examples += [[name, texts[c["row"]], c["text"]] for c in of_method[:: max(1, len(of_method) // 5)][:5]]
    return {
        "title": "Augmentation report",
        "kicker": "toolkit augment",
        "lead": f"Train grew from {result['rows']['in']} to {result['rows']['out']} rows.",
        "lang": "en",
        "cards": [
            {"label": "train in", "value": result["rows"]["in"], "note": "rows"},
            {"label": "train out", "value": result["rows"]["out"], "note": "rows"},
        ],
        "sections": [
            {
                "title": "Methods",
                "table": {
                    "columns": ["method", "made", "unchanged", "repeated"],
                    "rows": [[n, c["made"], c["unchanged"], c["repeated"]] for n, c in counts.items()],
                    "note": "Unchanged and repeated outputs were dropped and drawn again, three times at most.",
                },
            },
            {"title": "Examples", "table": {"columns": ["method", "parent", "child"], "rows": examples}},
        ],
        "footer": job.footer(),
    }


STEP = Step(name="augment", kind="dataset", config=AugmentConfig, run=augment, plan=plan)
