"""`toolkit augment`: more rows of train, each with its parent's id."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit import config as configs
from toolkit import console, gates
from toolkit.commands._augment_resources import given, kind, unflipped
from toolkit.config import GATE, RUNTIME, Config, Input
from toolkit.data.options import DataOptions
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.step import Gate, Job, Step
from toolkit.training.config import Device

if TYPE_CHECKING:
    from toolkit.data.augment.grow import Wish
    from toolkit.data.augment.strategy import Draw

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


def quota(job: Job, train: Any, codes: Any, wished: Wish) -> Any:
    """How many children each row of train is to have."""
    from toolkit.data.augment import grow

    ids = train.column("id").to_pylist()
    return grow.quota(ids, codes, grow.parents(train, codes, wished.only), wished, job.config.seed)


def draws(job: Job) -> list[Draw]:
    """The methods to draw from: those of the file or the preset, and single ones."""
    from toolkit.data import augment
    from toolkit.data.augment import strategy

    options, content = job.config.methods, kind(job)
    module = augment.of(content)
    entries: dict[str, Any] = {}
    where = f"the strategy {options.strategy}"
    if options.strategy:
        mapping = configs.read_mapping(Path(options.strategy), where)
        entries = dict(strategy.section(mapping, content, augment.KINDS, where))
    preset = options.preset or ("" if options.strategy or options.method else "light")
    if preset:
        if preset not in module.PRESETS:
            raise ToolkitError(
                f"--preset {preset} has nothing for this kind of content ({content})",
                f"there are {', '.join(module.PRESETS)}",
            )
        entries = module.PRESETS[preset] | entries
    entries |= strategy.options(options.method or [])
    found = strategy.parse(entries, module.METHODS, module.FIRST, where if options.strategy else "--method")
    for name in ("alpha", "rounds"):
        value = getattr(options, name)
        if value is not None and content != "text":
            raise ToolkitError(f"--{name} is for texts", "give the methods' own parameters with --method or --strategy")
        if value is not None:
            found = strategy.with_default(found, module.METHODS, name, value)
    _demand_use(job, found)
    return found


def wish(job: Job) -> Wish:
    from toolkit.data.augment.grow import Wish
    from toolkit.data.labels import is_multi, names_of
    from toolkit.data.split import balance

    options, features = job.config.rows, job.dataset["train"].features
    names = names_of(features)
    for name in options.only_classes or []:
        if name not in names:
            raise ToolkitError(f"--only-classes {name}: there is no such class", did_you_mean(name, names))
    if is_multi(features) and (options.target_ratio or options.only_classes):
        raise ToolkitError("rows of several classes have no ratio of classes", "use --copies")
    return Wish(
        copies=options.copies,
        ratio=balance.ratio(options.target_ratio, "--target-ratio") if options.target_ratio else None,
        only=frozenset(map(names.index, options.only_classes)) if options.only_classes else None,
        max_rows=options.max_rows,
    )


def _demand_use(job: Job, drawn: list[Draw]) -> None:
    """Whatever is given for a method is read by one that is drawn.

    Raises:
        ToolkitError: it is not.
    """
    options, names = job.config.methods, {draw.name for draw in drawn}
    for value, option, readers in (
        (options.gazetteer, "--gazetteer", ("entity_replacement",)),
        (options.references, "--references", ("histogram_matching", "fourier_domain_adaptation")),
        (options.forward, "--forward", ("back_translation",)),
        (options.parser, "--parser", ("clause_reordering", "coordination_swap")),
        (options.synonyms, "--synonyms", ("synonym_replacement", "random_insertion", "contextual_replacement")),
    ):
        if value and not names & set(readers):
            raise ToolkitError(f"no method reads {option}", f"add --method {readers[0]}, or leave {option} out")


def first_codes(train: Any) -> Any:
    """The class number of each row, the first of those that have several."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = train.column("label")
    return (pc.list_element(column, 0) if pa.types.is_list(column.type) else column).to_numpy()


def augment(job: Job) -> None:
    """Add changed copies of train's rows: texts (English and Chinese), images, time series and tables.

    Train alone grows. A new row names its parent in `parent_id` and its method in `method`; outputs that are unchanged,
    that equal a row of any split, or that have lost their likeness are dropped and counted.
    """
    import os

    from toolkit.artifacts import dataset, manifest, report
    from toolkit.commands import _augment_report
    from toolkit.data import augment as augmenting
    from toolkit.data.augment import grow
    from toolkit.data.labels import names_of

    data, config = named(job.dataset), job.config
    module = augmenting.of(kind(job))
    tables = {split: rows.with_format("arrow")[:] for split, rows in data.items()}
    codes, names = first_codes(tables["train"]), names_of(data["train"].features)
    wished = wish(job)
    resources = given(job) | {"classes": names, "parents": quota(job, tables["train"], codes, wished) > 0}
    modality = module.MODALITY(tables["train"], codes, draws(job), resources)
    for note in getattr(modality, "notes", []):
        job.warn(note)
    children, counts = grow.grow(
        tables["train"],
        codes,
        modality,
        set().union(*(module.keys(table) for table in tables.values())),
        wished,
        job.folder / "children.arrow",
        classes=len(names),
        seed=config.seed,
        workers=config.workers or os.cpu_count() or 1,
        judge=unflipped(job, tables["train"].column("text"), names) if kind(job) == "text" else None,
    )
    grown = type(data)(
        {split: grow.join(rows, children if split == "train" else children[:0]) for split, rows in data.items()}
    )
    dataset.write(job.folder, grown)
    (job.folder / "children.arrow").unlink()
    result: dict[str, Any] = {
        "rows": {"in": len(data["train"]), "out": len(grown["train"])},
        "classes": classes(codes, grown, names),
        "methods": methods(counts),
        "passed_over": counts.get("", {}).get("passed over", 0),
    }
    if config.checks.check:
        result["check"] = gain(job, tables["train"], children, grown)
        judged = result["check"].get("model", result["check"]["all"])
        job.metrics["gain"] = round(judged["gain"]["value"], 4)
    manifest.write_json(job.folder / "report.json", result)
    report.write(job.folder, _augment_report.page(job, result, module.examples(tables["train"], children, SHOWN)))
    (job.folder / "README.md").write_text(
        dataset.card("Augmented dataset", grown, ["Rows with a `parent_id` are changed copies of that row."]),
        encoding="utf-8",
    )
    job.metrics |= {"train_in": len(data["train"]), "train_out": len(grown["train"])}
    if result["passed_over"]:
        job.warn(f"{result['passed_over']} children could not be made; the report says what became of each method")
    shown = _augment_report.columns(result)
    console.table(
        f"train: {len(data['train'])} rows in, {len(grown['train'])} out",
        ("method", *shown),
        [(name, *(counts[verdict] for verdict in shown)) for name, counts in result["methods"].items()],
    )


def judge(config: AugmentConfig, figures: dict[str, Any]) -> list[Gate]:
    """`--require-gain`, on what the check found."""
    if not config.checks.require_gain:
        return []
    name = f"check.{'model' if 'model' in figures.get('check', {}) else 'all'}.gain.low"
    low = gates.figure(figures, name)
    return [{"name": name, "bound": 0.0, "value": low, "passed": low is not None and low > 0}]


def gain(job: Job, train: Any, children: Any, grown: Any) -> dict[str, dict[str, Any]]:
    """What the new rows bring to the built-in linear model (all, and each method's), and to `--model`."""
    from toolkit.commands import _training
    from toolkit.data import split
    from toolkit.data.augment import check, grow
    from toolkit.training import gain as training
    from toolkit.training.config import TrainConfig

    model, seed = job.inputs.get("model"), job.config.seed
    originals = train.filter(grow.parents(train, first_codes(train), None))
    found = check.gains(kind(job), originals, children, first_codes(originals), seed)
    if model is None:
        return found
    if "validation" not in grown:
        grown = split.with_validation(grown, _training.VALIDATION_SHARE, seed)
    grown, names = _training.in_model_order(grown, model, job.config.source)
    new = set(children.column("id").to_pylist())
    mask = [id_ in new for id_ in grown["train"]["id"]]
    more, own = (grown["train"].select([i for i, m in enumerate(mask) if m == wanted]) for wanted in (True, False))
    texts = list(own["text"])
    found["model"] = training.gain(
        lambda number: _training.load_given(model, names, texts, number),
        own,
        more,
        grown["validation"],
        TrainConfig(device=job.config.device),
        job.work / "check",
        seed=seed,
        scratch=model.path is None,
    )
    return found


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


def classes(codes: Any, grown: Any, names: list[str]) -> dict[str, dict[str, int]]:
    """Rows of each class before and after."""
    import numpy as np

    after = first_codes(grown["train"].with_format("arrow")[:])
    before, now = (np.bincount(found, minlength=len(names)).tolist() for found in (codes, after))
    return {name: {"in": a, "out": b} for name, a, b in zip(names, before, now, strict=True)}


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
