"""`toolkit clean`: repair and reject rows of dirty labelled data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.step import Job, Step


@dataclass(frozen=True, kw_only=True)
class CleanConfig(Config):
    source: Annotated[
        str, Argument(metavar="SOURCE", help="File, folder of splits, artifact or hf:NAME."), Input("dataset")
    ]
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    min_length: Annotated[int, Option(help="Characters that a Latin text needs.", min=0)] = 10
    min_length_cjk: Annotated[int, Option(help="Characters that a Chinese text needs.", min=0)] = 4
    contradictions: Annotated[
        Literal["majority", "drop"], Option(help="One text under several labels: the majority's rows stay, or none.")
    ] = "majority"
    skip: Annotated[list[str] | None, Option(help="A stage to leave out (repeat for several).")] = None


def plan(job: Job) -> dict[str, Any]:
    from toolkit.data.clean import STAGES

    skip = job.config.skip or []
    for name in skip:
        if name not in STAGES:
            raise ToolkitError(f"no stage '{name}'", did_you_mean(name, STAGES))
    if "missing" in skip:
        raise ToolkitError("the stage 'missing' cannot be skipped", "every row of a dataset has a text and a label")
    data = job.read_dataset(complete=False)
    return {"rows": {split: len(rows) for split, rows in data.items()}, "stages": [s for s in STAGES if s not in skip]}


def clean(job: Job) -> None:
    """Repair formats and remove missing, too short, contradictory and duplicate rows.

    Every removed row goes to rejected.parquet with its reason, every changed text to changes.parquet. A source's own
    test split keeps its rows (but for empty ones), so that figures on it stay comparable; what train shares with it
    is removed from train.
    """
    from pyarrow import parquet

    from toolkit.artifacts import dataset, manifest, report
    from toolkit.data import clean as cleaning
    from toolkit.data import columns
    from toolkit.data.clean import rows as row_module

    data = job.read_dataset(complete=False)
    rows = row_module.from_dataset(data)
    before = profile(rows)
    stages = cleaning.clean(rows, job.config, job.config.skip or [])
    for stage, spared in rows.spared.items():
        job.warn(f"{stage}: {spared} rows of test would have gone, but a source's own test split is left whole")
    if not rows.count():
        worst = max(stages, key=lambda s: s["removed"])["name"]
        raise ToolkitError(f"all rows were removed, most by '{worst}'", f"look at the source, or add --skip {worst}")
    tables, rejected, changes = row_module.survivors(rows)
    cleaned = columns.to_dataset(tables, job.config.source, complete=True)
    for split, part in cleaned.items():  # other columns keep the classes that they have names for
        for name, feature in data[split].features.items():
            if name != "label" and hasattr(feature, "names"):
                cleaned[split] = part = columns.with_column(part, name, part[name], feature)
    dataset.write(job.folder, cleaned, rejected)
    parquet.write_table(changes, job.folder / "changes.parquet")
    counts = {"in": len(rows.ids), "out": rows.count()}
    result = {"rows": counts, "stages": stages, "profile": {"before": before, "after": profile(rows)}}
    manifest.write_json(job.folder / "report.json", result)
    report.write(job.folder, page(job, result, rows))
    lines = [f"Cleaned from {counts['in']} rows; see `report.html`, `rejected.parquet` and `changes.parquet`."]
    (job.folder / "README.md").write_text(dataset.card("Cleaned dataset", cleaned, lines), encoding="utf-8")
    job.metrics |= {"rows_in": counts["in"], "rows_out": counts["out"]}
    console.table(
        f"{counts['in']} rows in, {counts['out']} out",
        ("stage", "removed", "changed", "seconds"),
        [(s["name"], s["removed"], s["changed"], s["seconds"]) for s in stages],
    )


def profile(rows: Any) -> dict[str, Any]:
    """Rows, class shares, languages and lengths of the living rows."""
    from collections import Counter

    from toolkit.data.text import language

    living = rows.living()
    texts = [rows.texts[i] or "" for i in living]
    labels = Counter(rows.labels[i] or "(missing)" for i in living)
    lengths = sorted(map(len, texts)) or [0]
    return {
        "rows": len(living),
        "labels": dict(sorted(labels.items())),
        "languages": dict(sorted(Counter(map(language, texts)).items())),
        "length": {"min": lengths[0], "median": lengths[len(lengths) // 2], "max": lengths[-1]},
    }


def page(job: Job, result: dict[str, Any], rows: Any) -> dict[str, Any]:
    """The report: what went, why, and what the data looks like now."""
    from toolkit.reports import figures

    counts, before, after = result["rows"], result["profile"]["before"], result["profile"]["after"]
    names = sorted({*before["labels"], *after["labels"]})
    share = 1 - counts["out"] / counts["in"]
    examples = [[s, r, d, rows.ids[i], rows.texts[i]] for i, s, r, d in _few_of_each(rows.rejects)]
    changed = [[c["id"], c["before"], c["after"]] for c in rows.changes[:20]]
    shares = {
        "before": [before["labels"].get(n, 0) for n in names],
        "after": [after["labels"].get(n, 0) for n in names],
    }
    return {
        "title": "Cleaning report",
        "kicker": "toolkit clean",
        "lead": f"{counts['in'] - counts['out']} of {counts['in']} rows ({share:.1%}) were removed, "
        f"{len(rows.changes)} texts repaired.",
        "lang": "en",
        "cards": [
            {"label": "rows in", "value": counts["in"], "note": ""},
            {"label": "rows out", "value": counts["out"], "note": ""},
            {"label": "texts repaired", "value": len(rows.changes), "note": "see changes.parquet"},
        ],
        "sections": [
            {
                "title": "Stages",
                "table": {
                    "columns": ["stage", "removed", "changed", "seconds"],
                    "rows": [[s["name"], s["removed"], s["changed"], s["seconds"]] for s in result["stages"]],
                },
            },
            {
                "title": "Classes",
                "figures": [
                    {"name": "labels", "caption": "Rows a class", "figure": figures.bars(names, shares, ylabel="rows")}
                ]
                if len(names) <= 40
                else [],
                "table": {
                    "columns": ["class", "before", "after"],
                    "rows": [[n, before["labels"].get(n, 0), after["labels"].get(n, 0)] for n in names],
                },
            },
            {
                "title": "Removed rows",
                "text": "A few of each stage; all are in rejected.parquet.",
                "table": {"columns": ["stage", "reason", "detail", "id", "text"], "rows": examples},
            },
            {
                "title": "Repaired texts",
                "text": "The first ones; all are in changes.parquet.",
                "table": {"columns": ["id", "before", "after"], "rows": changed},
            },
        ],
        "footer": job.footer(),
    }


def _few_of_each(rejects: list[tuple[int, str, str, str]], few: int = 5) -> list[tuple[int, str, str, str]]:
    seen: dict[str, int] = {}
    out = []
    for reject in rejects:
        seen[reject[1]] = seen.get(reject[1], 0) + 1
        if seen[reject[1]] <= few:
            out.append(reject)
    return out


STEP = Step(name="clean", kind="dataset", config=CleanConfig, run=clean, plan=plan)
