"""`toolkit clean`: repair and reject rows of dirty labelled data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console, gates
from toolkit.commands._clean_report import page
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
    if "domain_reference" in inputs and _contrasted(job):
        console.note("domain: the source was contrasted with this reference before; what stayed then stays")
    elif "domain_reference" in inputs:
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


def _contrasted(job: Job) -> bool:
    """Whether the source is what an earlier `clean` left by the same reference: another contrast would take more."""
    made, reference = job.inputs["source"].manifest, job.inputs["domain_reference"]
    if not made or made["command"] != "clean" or job.inputs["source"].path is None:
        return False
    options = {name: getattr(job.config.domain, name) for name in ("domain_share", "domain_action")}
    same = options.items() <= made["config"]["domain"].items() and any(
        given["name"] == "domain_reference" and given["digest"] == reference.digest for given in made["inputs"]
    )
    report = json.loads((job.inputs["source"].path / "report.json").read_text(encoding="utf-8"))
    return same and any(stage["name"] == "domain" for stage in report["stages"])


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
    report.write(job.folder, page(result, rows, sizes, would_be=config.report_only) | {"footer": job.footer()})
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


STEP = Step(
    name="clean",
    kind="dataset",
    config=CleanConfig,
    run=clean,
    plan=plan,
    judge=judge,
    kind_of=lambda config: "analysis" if config.report_only else "dataset",
    takes=("text", "image", "series", "table"),
    version=3,
)
