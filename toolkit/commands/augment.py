"""`toolkit augment`: more rows of train, each with its parent's id."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console, gates
from toolkit.commands._augment_plan import demand_model_use, draws, first_codes, quota, wish
from toolkit.commands._augment_resources import given, kind, unflipped
from toolkit.config import GATE, RUNTIME, Config, Input
from toolkit.data.options import DataOptions
from toolkit.errors import ToolkitError
from toolkit.step import Gate, Job, Step
from toolkit.training.config import Device

VERDICTS = ("made", "unchanged", "duplicate", "too different", "flipped", "impossible")
SHOWN = 5  # children of each method in the report


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """Which rows, and how many."""

    copies: Annotated[int | None, Option(help="New rows a row of train; with --target-ratio the most of them.",
                                         min=1, max=100, show_default="1")] = None  # fmt: skip
    target_ratio: Annotated[str | None, Option(metavar="1:R", help="Make rare classes up to 1/R of the largest.")] = (
        None
    )
    only_classes: Annotated[list[str] | None, Option(help="Rows of this class alone (repeat for several).")] = None
    max_rows: Annotated[int | None, Option(help="New rows in all, at most.", min=1)] = None


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """What is done to a row."""

    strategy: Annotated[str | None, Option(metavar="FILE", help="Methods and their parameters (JSON, TOML, YAML)."),
                        Input("file")] = None  # fmt: skip
    preset: Annotated[Literal["eda", "light", "strong", "noise"] | None,
                      Option(help="A ready-made strategy.", show_default="light")] = None  # fmt: skip
    method: Annotated[list[str] | None, Option(metavar="NAME[=VALUE]", help="A method, and its weight or parameters"
                                               " (repeat for several).")] = None  # fmt: skip
    alpha: Annotated[float | None, Option(help="Share of a text's words that a method changes.", min=0.0, max=1.0,
                                          show_default="0.1")] = None  # fmt: skip
    synonyms: Annotated[
        str | None,
        Option(metavar="PATH", help="A table of synonyms, or WordNet's folder.", show_default="the package's own"),
        Input("path", literal="wordnet"),
    ] = None
    gazetteer: Annotated[
        str | None, Option(metavar="FILE", help="Names and their kinds, for entity_replacement."), Input("file")
    ] = None
    references: Annotated[
        str | None, Option(metavar="FOLDER", help="Images whose style is taken over."), Input("path")
    ] = None
    forward: Annotated[str | None, Option(help="A model that translates texts, for back_translation."), Input("model")
                       ] = None  # fmt: skip
    backward: Annotated[str | None, Option(help="A model that translates them back."), Input("model")] = None
    rounds: Annotated[int | None, Option(help="Round trips of back_translation.", min=1, max=10, show_default="3")
                      ] = None  # fmt: skip
    parser: Annotated[
        str | None, Option(metavar="NAME", help="A spaCy model whose trees tell clauses and pairs apart.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What a new row must be."""

    min_similarity: Annotated[
        float, Option(help="Drop new rows less like their parent (texts: chrF).", min=0.0, max=1.0)
    ] = 0.3
    check: Annotated[bool, Option(help="Train with and without the new rows, five seeds, and tell the gain.")] = False
    require_gain: Annotated[bool, Option(help="Gate: --check finds a gain, its whole interval above 0."), GATE] = False


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="A dataset with a train split."), Input("dataset")]
    columns: DataOptions = field(default_factory=DataOptions)
    rows: RowOptions = field(default_factory=RowOptions)
    methods: MethodOptions = field(default_factory=MethodOptions)
    checks: CheckOptions = field(default_factory=CheckOptions)
    model: Annotated[
        str | None,
        Option(help="A masked language model that ranks replacements, or a classifier that the new rows must not flip;"
               " --check trains it too."),
        Input("model"),
    ] = None  # fmt: skip
    device: Device = "auto"
    workers: Annotated[int, Option(help="Processes.", min=0, show_default="all cores"), RUNTIME] = 0


def plan(job: Job) -> dict[str, Any]:
    from toolkit.data import augment as augmenting
    from toolkit.data import labels, split
    from toolkit.data.augment import strategy

    data = job.dataset
    if "train" not in data:
        raise ToolkitError(f"{job.config.source} has no train split", "run 'toolkit split' first")
    labels.check_labels(data, job.config.source)
    split.check_children(data, job.config.source)
    if job.config.checks.require_gain and not job.config.checks.check:
        raise ToolkitError("--require-gain judges what --check finds", "add --check")
    drawn, wished, train = draws(job), wish(job), data["train"].with_format("arrow")[:]
    demand_model_use(job, drawn)
    methods, resources = augmenting.of(kind(job)).METHODS, given(job, light=True)
    for draw in drawn:
        strategy.bind(draw, methods, resources)
    children = quota(job, train, first_codes(train), wished).sum()
    rows = {name: len(part) for name, part in data.items()}
    return {
        "rows": rows,
        "methods": [draw.name for draw in drawn],
        "train_rows_at_most": rows["train"] + int(children),
    }


def augment(job: Job) -> None:
    """Add changed copies of train's rows: texts (English and Chinese), images, time series and tables.

    Train alone grows. A new row names its parent in `parent_id` and its method in `method`; outputs that are unchanged,
    that equal a row of any split, or that have lost their likeness are dropped and counted.
    """
    from toolkit.artifacts import dataset, manifest, report
    from toolkit.commands import _augment_check, _augment_report
    from toolkit.data import augment as augmenting
    from toolkit.data.augment import grow
    from toolkit.data.labels import names_of

    data = named(job.dataset)
    tables = {split: rows.with_format("arrow")[:] for split, rows in data.items()}
    train, names = tables["train"], names_of(data["train"].features)
    children, counts = made(job, tables, names)
    grown = type(data)(
        {split: grow.join(rows, children if split == "train" else children[:0]) for split, rows in data.items()}
    )
    dataset.write(job.folder, grown)
    (job.folder / "children.arrow").unlink()
    result: dict[str, Any] = {
        "rows": {"in": len(data["train"]), "out": len(grown["train"])},
        "classes": _augment_check.classes(train, grown, names),
        "methods": methods(counts),
        "passed_over": counts.get("", {}).get("passed over", 0),
    }
    if job.config.checks.check:
        result["check"] = _augment_check.gain(job, train, children, grown)
        judged = result["check"].get("model", result["check"]["all"])
        job.metrics["gain"] = round(judged["gain"]["value"], 4)
    job.metrics |= {"train_in": len(data["train"]), "train_out": len(grown["train"])}
    tell(job, result)
    manifest.write_json(job.folder / "report.json", result)
    examples = augmenting.of(kind(job)).examples(train, children, SHOWN)
    report.write(job.folder, _augment_report.page(job, result, examples))
    (job.folder / "README.md").write_text(
        dataset.card("Augmented dataset", grown, ["Rows with a `parent_id` are changed copies of that row."]),
        encoding="utf-8",
    )


def made(job: Job, tables: dict[str, Any], names: list[str]) -> tuple[Any, dict[str, dict[str, int]]]:
    """The new rows of train as a table, and what became of each method's attempts."""
    import os

    from toolkit.data import augment as augmenting
    from toolkit.data.augment import grow

    module, train, wished = augmenting.of(kind(job)), tables["train"], wish(job)
    codes = first_codes(train)
    resources = given(job) | {"classes": names, "parents": quota(job, train, codes, wished) > 0}
    modality = module.MODALITY(train, codes, draws(job), resources)
    for note in getattr(modality, "notes", []):
        job.warn(note)
    return grow.grow(
        train,
        codes,
        modality,
        functools.reduce(operator.ior, map(module.keys, tables.values())),
        wished,
        job.folder / "children.arrow",
        classes=len(names),
        seed=job.config.seed,
        workers=job.config.workers or os.cpu_count() or 1,
        judge=unflipped(job, train.column("text"), names) if kind(job) == "text" else None,
        elsewhere=[id_ for split, rows in tables.items() if split != "train" for id_ in rows.column("id").to_pylist()],
    )


def tell(job: Job, result: dict[str, Any]) -> None:
    """What a person should know at the end."""
    from toolkit.commands import _augment_check, _augment_report

    if result["passed_over"]:
        job.warn(
            f"new rows that could not be made: {result['passed_over']}; the report says what became of each method"
        )
    lacking = _augment_check.lacking(job, result["classes"])
    if lacking:
        job.warn(f"not made up to --target-ratio: {', '.join(lacking)}")
    shown = _augment_report.columns(result)
    console.table(
        f"train: {result['rows']['in']} rows in, {result['rows']['out']} out",
        ("method", *shown),
        [(name, *(counts[verdict] for verdict in shown)) for name, counts in result["methods"].items()],
    )
    if "check" in result:
        console.table(
            "accuracy without and with the new rows",
            ("method", "rows", "without", "with", "gain (95% interval)"),
            [
                (name, g["rows"], f"{g['without']:.3f}", f"{g['with']:.3f}",
                 "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**g["gain"]))
                for name, g in result["check"].items()
            ],
        )  # fmt: skip


def judge(config: AugmentConfig, figures: dict[str, Any]) -> list[Gate]:
    """`--require-gain`, on what the check found."""
    if not config.checks.require_gain:
        return []
    name = f"check.{'model' if 'model' in figures.get('check', {}) else 'all'}.gain.low"
    low = gates.figure(figures, name)
    return [{"name": name, "bound": 0.0, "value": low, "passed": low is not None and low > 0}]


def named(data: Any) -> Any:
    """The data without a column `method` of another meaning."""
    from toolkit.data.columns import aside

    if "method" not in data["train"].column_names or "parent_id" in data["train"].column_names:
        return data
    free = aside("method", data["train"].column_names)
    return type(data)({split: rows.rename_column("method", free) for split, rows in data.items()})


def methods(counts: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """What became of each method's attempts, under every verdict."""
    return {name: {verdict: found.get(verdict, 0) for verdict in VERDICTS} for name, found in counts.items() if name}


STEP = Step(
    name="augment",
    kind="dataset",
    config=AugmentConfig,
    run=augment,
    plan=plan,
    judge=judge,
    takes=("text", "image", "series", "table"),
    version=2,
)
