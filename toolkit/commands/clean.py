"""`toolkit clean`: repair and reject rows of dirty labelled data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console, gates
from toolkit.commands._models import embedder
from toolkit.config import RUNTIME, Config, Input
from toolkit.data.options import (
    AnnotationOptions,
    ColumnOptions,
    DataOptions,
    DomainOptions,
    DuplicateOptions,
    MissingOptions,
    NoiseOptions,
    OutlierOptions,
    QualityOptions,
    ScalingOptions,
)
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Gate, Job, Step

SCALER = "scaler.json"
SHEET_PAIRS = 24  # of near copies that the report shows


@dataclass(frozen=True, kw_only=True)
class CleanConfig(Config):
    source: Annotated[
        str, Argument(metavar="SOURCE", help="File, folder of splits or images, artifact or hf:NAME."), Input("dataset")
    ]
    columns: DataOptions = field(default_factory=DataOptions)
    stages: Annotated[
        list[str] | None,
        Option(help="The stages to run, in this order (commas, or repeated).", show_default="as needed"),
    ] = None
    skip: Annotated[list[str] | None, Option(help="Stages to leave out.")] = None
    report_only: Annotated[bool, Option(help="Tell what would go and change, and write the report alone.")] = False
    model: Annotated[
        str | None, Option(help="An encoder: finds contradictions by meaning, and label noise better."), Input("model")
    ] = None
    device: Annotated[str, Option(help="auto, cpu, cuda or mps, for --model."), RUNTIME] = "auto"
    missing: MissingOptions = field(default_factory=MissingOptions)
    quality: QualityOptions = field(default_factory=QualityOptions)
    duplicates: DuplicateOptions = field(default_factory=DuplicateOptions)
    domain: DomainOptions = field(default_factory=DomainOptions)
    noise: NoiseOptions = field(default_factory=NoiseOptions)
    outliers: OutlierOptions = field(default_factory=OutlierOptions)
    scaling: ScalingOptions = field(default_factory=ScalingOptions)
    annotation: AnnotationOptions = field(default_factory=AnnotationOptions)


def plan(job: Job) -> dict[str, Any]:
    data = read(job)
    stages = _stages(job, data)
    given(job)
    return {"rows": {split: len(rows) for split, rows in data.items()}, "stages": stages}


def _stages(job: Job, data: Any) -> list[str]:
    from toolkit.data import roles
    from toolkit.data.clean import chosen

    names = next(iter(data.values())).column_names
    return chosen(job.config, roles.kind_of(names), annotated="annotations" in names)


def read(job: Job) -> Any:
    """The rows as they came; there may be no labels where those of several raters will become them."""
    rated = bool(job.config.annotation.raters or job.config.annotation.votes)
    return job.read_dataset(complete=False, need_label=not rated)


def given(job: Job) -> dict[str, Any]:
    """What the stages work with besides the rows: rules, terms, a reference, a scaler, corrections, a model.

    Raises:
        ToolkitError: a file that does not parse, or an artifact without what is asked of it.
    """
    from toolkit.data import rules
    from toolkit.inputs import load_dataset

    out: dict[str, Any] = {}
    inputs = job.inputs
    if "rules" in inputs:
        out["rules"] = rules.load(inputs["rules"].given)
    if "domain_terms" in inputs:
        out["terms"] = rules.load_terms(inputs["domain_terms"].given)
    if "domain_reference" in inputs:
        reference = load_dataset(inputs["domain_reference"], ColumnOptions(), complete=False, need_label=False)
        out["reference"] = [text for rows in reference.values() for text in rows["text"] if text]
    if "scaler" in inputs:
        out["scaler"] = _scaler(inputs["scaler"])
        if not out["scaler"]:
            raise ToolkitError(f"{inputs['scaler'].given} holds no {SCALER}", "give what 'toolkit clean --scale' made")
    out["scaled"] = _scaler(inputs["source"]).get("scale", {}).get("columns", {})
    if "corrections" in inputs:
        out["corrections"] = _corrections(inputs["corrections"])
    if "model" in inputs:
        out["embed"] = embedder(inputs["model"], job.config.device)
    return out


def _aside(options: Any) -> frozenset[str]:
    """The columns that raters' labels stand in."""
    named = [*(options.raters or []), *(options.votes or []), options.item or "", options.rater or ""]
    return frozenset(part.strip() for value in named for part in (value, *value.split(","))) - {""}


def _scaler(source: Given) -> dict[str, Any]:
    path = source.path / SCALER if source.manifest and source.path else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


def _corrections(source: Given) -> Any:
    """The table of `id` and `label` that came back from an audit."""
    from toolkit.data import sources

    assert source.path is not None
    files, _ = sources.locate(source.path)
    table = sources.read(files)["train"]
    for name in ("id", "label"):
        if name not in table.column_names:
            raise ToolkitError(
                f"{source.given} has no column '{name}'", f"it has {', '.join(table.column_names)}; write id and label"
            )
    return table


def clean(job: Job) -> None:
    """Repair formats and remove missing, low-quality, contradictory and duplicate rows.

    Every removed row goes to rejected.parquet with its reason, every changed cell to changes.parquet. A source's own
    test split keeps its rows (but for unusable ones), so that figures on it stay comparable; what train shares with it
    is removed from train. Further stages (domain, label-noise, outliers, scaling, annotation) run when their options
    ask for them.
    """
    from pyarrow import parquet

    from toolkit.artifacts import dataset, manifest, report
    from toolkit.data import clean as cleaning
    from toolkit.data.clean import rows as row_module
    from toolkit.data.clean.profile import lengths, profile

    data, config = read(job), job.config
    rows = row_module.from_dataset(data, _aside(config.annotation))
    before, sizes = profile(rows), {}
    if rows.kind in ("text", "series"):
        sizes["before"] = lengths(rows)
    resources = given(job)
    stages = cleaning.clean(rows, config, _stages(job, data), resources)
    for stage, spared in rows.spared.items():
        job.warn(f"{stage}: {spared} rows of test would have gone, but a source's own test split is left whole")
    if sizes:
        sizes["after"] = lengths(rows)
    counts = {"in": len(rows), "out": rows.count()}
    result = {
        "rows": counts,
        "kind": rows.kind,
        "stages": stages,
        "profile": {"before": before, "after": profile(rows)},
    }
    result |= {s["name"]: s["figures"] for s in stages if s["name"] == "annotation" and "figures" in s}
    _write_files(job, rows, resources)
    parquet.write_table(rows.changes(), job.folder / "changes.parquet")
    parquet.write_table(rows.rejected(), job.folder / "rejected.parquet")
    manifest.write_json(job.folder / "report.json", result)
    report.write(job.folder, page(job, result, rows, sizes))
    lines = [f"Cleaned from {counts['in']} rows; see `report.html`, `rejected.parquet` and `changes.parquet`."]
    if config.report_only:
        card = (
            "# Cleaning report\n\nNothing was changed: `rejected.parquet` and `changes.parquet` tell what would be.\n"
        )
    else:
        cleaned = _dataset(rows, data, config.source)
        dataset.write(job.folder, cleaned)
        card = dataset.card("Cleaned dataset", cleaned, lines)
    (job.folder / "README.md").write_text(card, encoding="utf-8")
    job.metrics |= {"rows_in": counts["in"], "rows_out": counts["out"]}
    console.table(
        f"{counts['in']} rows in, {counts['out']} out{' (nothing was changed)' if config.report_only else ''}",
        ("stage", "removed", "changed", "seconds"),
        [(s["name"], s["removed"], s["changed"], s["seconds"]) for s in stages],
    )


def _write_files(job: Job, rows: Any, resources: dict[str, Any]) -> None:
    """What the stages leave besides the rows: an audit sample, a lexicon, what was fitted."""
    from toolkit.artifacts import manifest
    from toolkit.data.clean import annotation

    options = job.config.annotation
    if options.audit or rows.suspicious:
        rows.files |= annotation.audit_sample(rows, options.audit, job.config.seed, rows.suspicious)
    for name, content in rows.files.items():
        (job.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    fitted = rows.fitted | _scaler(job.inputs["source"])  # what came scaled stays so
    if fitted and not job.config.report_only:
        manifest.write_json(job.folder / SCALER, fitted)


def _dataset(rows: Any, data: Any, source: str) -> Any:
    """The survivors with class names where columns have them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from toolkit.data import columns

    cleaned = columns.to_dataset(rows.survivors(), source, complete=True)
    for split, part in cleaned.items():
        for name, feature in data[split].features.items():
            if name != "label" and hasattr(feature, "names") and name in part.column_names:
                codes = pc.index_in(part.with_format("arrow")[:].column(name), pa.array(feature.names))
                cleaned[split] = part = columns.with_column(part, name, codes.cast(pa.int64()), feature)
    return cleaned


def judge(config: CleanConfig, figures: dict[str, Any]) -> list[Gate]:
    """`--min-kappa` and `--min-agreement`, on what the annotation stage found."""
    options = config.annotation
    least = [f"annotation.{name}={bound}" for name, bound in
             (("kappa", options.min_kappa), ("agreement", options.min_agreement)) if bound is not None]  # fmt: skip
    return gates.judge_bounds(figures, least, [])


def page(job: Job, result: dict[str, Any], rows: Any, sizes: dict[str, Any]) -> dict[str, Any]:
    """The report: what went, why, and what the data looks like now."""
    counts, before, after = result["rows"], result["profile"]["before"], result["profile"]["after"]
    share = 1 - counts["out"] / counts["in"]
    would = "would be " if job.config.report_only else ""
    return {
        "title": "Cleaning report",
        "kicker": "toolkit clean",
        "lead": f"{counts['in'] - counts['out']} of {counts['in']} rows ({share:.1%}) {would or 'were '}removed, "
        f"{rows.changed} cells {would}changed.",
        "lang": "en",
        "cards": [
            {"label": "rows in", "value": counts["in"], "note": ""},
            {"label": "rows out", "value": counts["out"], "note": ""},
            {"label": "cells changed", "value": rows.changed, "note": "see changes.parquet"},
            {"label": "exact duplicates before", "value": before["exact_duplicates"], "note": ""},
        ],
        "sections": [
            {"title": "Stages", "table": _stage_table(result["stages"])},
            *_figure_sections(result["stages"]),
            _classes(before, after),
            *_shapes(before, after, sizes),
            *_near_copies(rows),
            {
                "title": "Removed rows",
                "text": "A few of each stage; all are in rejected.parquet.",
                "table": _removed(rows),
            },
            {
                "title": "Changed cells",
                "text": "The first of each stage; all are in changes.parquet.",
                "table": _changed(rows),
            },
        ],
        "footer": job.footer(),
    }


def _stage_table(stages: list[dict[str, Any]]) -> dict[str, Any]:
    columns = ["name", "removed", "changed", "seconds"]
    return {"columns": ["stage", *columns[1:]], "rows": [[s[c] for c in columns] for s in stages]}


def _figure_sections(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each stage found beyond its counts: plain figures as one table, nested ones a table each."""
    out = []
    for stage in stages:
        figures = stage.get("figures") or {}
        plain = [[name.replace("_", " "), value] for name, value in figures.items() if _is_cell(value)]
        tables = [{"columns": ["figure", "value"], "rows": plain}] if plain else []
        for name, value in figures.items():
            if isinstance(value, dict) and value and not _is_cell(value):
                tables.append(_nested(name, value))
        if tables:
            out.append({"title": f"Stage {stage['name']}", "tables": tables})
    return out


def _is_cell(value: Any) -> bool:
    interval = isinstance(value, dict) and set(value) >= {"value", "low", "high"}
    return interval or value is None or isinstance(value, str | int | float)


def _nested(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """A dict of values, or of rows with the same keys, as a table."""
    first = name.replace("_", " ")
    if all(isinstance(row, dict) and not _is_cell(row) for row in value.values()):
        keys = list(dict.fromkeys(key for row in value.values() for key, cell in row.items() if _is_cell(cell)))
        columns = [first, *(key.replace("_", " ") for key in keys)]
        return {"columns": columns, "rows": [[k, *(row.get(key) for key in keys)] for k, row in value.items()]}
    return {"columns": [first, "value"], "rows": [[k, v] for k, v in value.items() if _is_cell(v)]}


def _classes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    from toolkit.reports import figures

    names = sorted({*before["labels"], *after["labels"]})
    shares = {
        "before": [before["labels"].get(n, 0) for n in names],
        "after": [after["labels"].get(n, 0) for n in names],
    }
    drawn = {"name": "labels", "caption": "Rows a class", "figure": figures.bars(names, shares, ylabel="rows")}
    return {
        "title": "Classes",
        "figures": [drawn] if len(names) <= 40 else [],
        "table": {
            "columns": ["class", *shares],
            "rows": [list(row) for row in zip(names, *shares.values(), strict=True)],
        },
    }


def _shapes(before: dict[str, Any], after: dict[str, Any], sizes: dict[str, Any]) -> list[dict[str, Any]]:
    """Lengths, languages, sources and gaps, before and after."""
    from toolkit.reports import figures

    out = []
    if sizes:
        unit = "characters" if "languages" in before else "steps"
        drawn = figures.histogram(sizes, xlabel=unit)
        points = list(before["length"])
        out.append(
            {
                "title": "Lengths",
                "figures": [{"name": "lengths", "caption": f"Length in {unit}", "figure": drawn}],
                "table": {
                    "columns": ["", *points],
                    "rows": [[n, *(p["length"][k] for k in points)] for n, p in (("before", before), ("after", after))],
                },
            }
        )
    for title, key, column in (("Languages", "languages", "language"), ("Sources", "sources", "source"),
                               ("Gaps", "missing", "column")):  # fmt: skip
        old, new = before.get(key) or {}, after.get(key) or {}
        if old or new:
            table = [[name, old.get(name, 0), new.get(name, 0)] for name in sorted({*old, *new})]
            if key == "missing":
                table = [[n, *({"share": v, "text": f"{v:.1%}"} for v in shares)] for n, *shares in table]
            out.append({"title": title, "table": {"columns": [column, "before", "after"], "rows": table}})
    if before.get("numbers"):
        points = ["min", "q25", "median", "q75", "max", "mean"]
        table = [[name, when, *(part["numbers"][name][k] for k in points)]
                 for name in before["numbers"] for when, part in (("before", before), ("after", after))
                 if name in part["numbers"]]  # fmt: skip
        out.append({"title": "Numbers", "table": {"columns": ["column", "", *points], "rows": table}})
    return out


def _near_copies(rows: Any) -> list[dict[str, Any]]:
    """Images that went beside those that stay: a person sees at a glance whether they are copies."""
    if rows.kind != "image" or not rows.twins:
        return []
    from toolkit.data import images

    shown = [row for pair in rows.twins[:SHEET_PAIRS] for row in pair]
    sheet = images.sheet(rows.values("image", shown), columns=8)
    told = f"{len(shown) // 2} of {len(rows.twins)} pairs: left the one that went, right the one that stays"
    return [{"title": "Near copies", "figures": [{"name": "near-copies", "caption": told, "picture": sheet}]}]


def _removed(rows: Any, few: int = 5) -> dict[str, Any]:
    """A few rejected rows of each stage and reason."""
    seen: dict[tuple[str, str], int] = {}
    table = []
    for row, stage, reason, detail in rows.rejects:
        seen[stage, reason] = seen.get((stage, reason), 0) + 1
        if seen[stage, reason] <= few:
            table.append([stage, reason, detail, rows.id(row), _shown(rows, row)])
    return {"columns": ["stage", "reason", "detail", "id", rows.kind], "rows": table}


def _shown(rows: Any, row: int) -> str:
    """What a person sees of a row's content."""
    if rows.kind == "text":
        return str(rows.values("text", [row])[0] or "")
    if rows.kind == "image":
        return str((rows.values("image", [row])[0] or {}).get("path") or "")
    if rows.kind == "table":
        return ", ".join(f"{name} {rows.values(name, [row])[0]}" for name in rows.features[:6])
    return ""


def _changed(rows: Any, few: int = 10) -> dict[str, Any]:
    changes, names = rows.changes(), ["stage", "column", "id", "before", "after"]
    seen: dict[str, int] = {}
    table = []
    for n, stage in enumerate(changes.column("stage").to_pylist()):
        seen[stage] = seen.get(stage, 0) + 1
        if seen[stage] <= few:
            table.append([changes.column(name)[n].as_py() for name in names])
    return {"columns": names, "rows": table}


STEP = Step(
    name="clean",
    kind="dataset",
    config=CleanConfig,
    run=clean,
    plan=plan,
    judge=judge,
    kind_of=lambda config: "analysis" if config.report_only else "dataset",
    takes=("text", "image", "series", "table"),
    version=2,
)
