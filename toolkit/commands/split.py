"""`toolkit split`: train, validation and test, or folds, that share nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.data.options import DataOptions
from toolkit.errors import ToolkitError
from toolkit.step import Job, Step

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.data.split.division import Wish

SHARE = 0.1  # of validation and of test, where none is given
MOST_CLASSES = 40  # that a figure shows


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to split."), Input("dataset")]
    columns: DataOptions = field(default_factory=DataOptions)
    validation: Annotated[
        float | None, Option(help="Share of validation.", min=0.0, max=0.9, show_default="0.1, with --folds none")
    ] = None
    test: Annotated[
        float | None,
        Option(help="Share of test, if none is kept.", min=0.0, max=0.9, show_default="0.1, with --folds none"),
    ] = None
    keep_test: Annotated[
        bool, Option(help="Keep a test split of the source whole, or divide it anew with the rest.")
    ] = True
    folds: Annotated[
        int | None, Option(help="Instead of validation: number of folds, told by a column `fold` of train.", min=2)
    ] = None
    by_time: Annotated[bool, Option(help="Divide by --time: the oldest rows to train, the newest to test.")] = False
    subset: Annotated[float, Option(help="Divide a stratified sample of this share.", min=0.0, max=1.0)] = 1.0
    balance: Annotated[
        str | None, Option(metavar="A:B", help="Bring train's smallest and largest class to this ratio, such as 1:1.5.")
    ] = None
    balance_by: Annotated[
        Literal["under", "over"],
        Option(help="Balance by dropping rows of large classes or copying those of small ones."),
    ] = "under"


def plan(job: Job) -> dict[str, Any]:
    from toolkit.data import split as splitting
    from toolkit.data.split import balance, timed

    config = job.config
    _check_options(config)
    data = job.dataset
    splitting.refuse_children(data, config.source)
    whole = pooled(data, config)
    _check_classes(whole, config)
    if config.by_time:
        if "time" not in whole["train"].column_names:
            raise ToolkitError(f"{config.source} has no time column", "name the one to divide by with --time")
        for rows in whole.values():
            timed.times(rows.with_format("arrow")[:], config.source)
    if config.balance:
        balance.ratio(config.balance)
    return {"rows": {split: len(rows) for split, rows in data.items()}, "shares": shares(whole, config)}


def _check_options(config: SplitConfig) -> None:
    """What contradicts itself.

    Raises:
        ToolkitError: something does.
    """
    if config.folds and config.by_time:
        raise ToolkitError("--folds and --by-time exclude each other", "divide by time without folds")
    if config.folds and config.validation:
        raise ToolkitError("--folds and --validation exclude each other", "each fold is validation in its turn")
    if config.folds and config.balance:
        raise ToolkitError(
            "--folds and --balance exclude each other: each fold is held out in its turn, and has to be as data is",
            "weight the classes in training instead",
        )
    if config.balance_by == "over" and not config.balance:
        raise ToolkitError("--balance-by has no ratio to go by", "add --balance, such as 1:1.5")
    if not config.subset:
        raise ToolkitError("--subset 0 leaves no row", "give a share above 0")


def shares(whole: DatasetDict, config: SplitConfig) -> dict[str, float]:
    """The share of each part to be made: splits, or folds; a test split that is kept is not made.

    Raises:
        ToolkitError: nothing is left for train.
    """
    default = 0.0 if config.folds else SHARE
    test = default if config.test is None else config.test
    held = {"test": 0.0 if "test" in whole else test}
    if config.folds:
        held = {name: share for name, share in held.items() if share}
        return held | {f"fold {k}": (1 - sum(held.values())) / config.folds for k in range(config.folds)}
    held = {"validation": default if config.validation is None else config.validation} | held
    held = {name: share for name, share in held.items() if share}
    if sum(held.values()) >= 1:
        raise ToolkitError("--validation and --test leave nothing for train", "make their sum less than 1")
    return {"train": 1 - sum(held.values())} | held


def pooled(data: DatasetDict, config: SplitConfig) -> DatasetDict:
    """All rows that are to be divided as `train`, and the source's own test as `test`, if it is kept.

    Raises:
        ToolkitError: every row is test.
    """
    from datasets import DatasetDict, concatenate_datasets

    kept = {name: rows for name, rows in data.items() if _stays(name, config)}
    pool = [rows for name, rows in data.items() if name not in kept]
    if not pool:
        raise ToolkitError(
            f"{config.source} has test rows only", "divide them with --no-keep-test, or add a file named train"
        )
    return DatasetDict({"train": concatenate_datasets(pool)} | kept)


def _stays(split: str, config: SplitConfig) -> bool:
    """Whether a split of the source is left as it is."""
    return split == "test" and config.keep_test


def _check_classes(whole: DatasetDict, config: SplitConfig) -> None:
    """Each class has rows enough to be divided."""
    import numpy as np

    from toolkit.data import labels
    from toolkit.data.split.classes import Labels

    labels.check_labels(whole, config.source)
    if config.balance and labels.is_multi(whole["train"].features):
        raise ToolkitError("--balance takes rows of one class each", "leave it out: these have several")
    if config.by_time:
        return  # no class is divided by itself
    names, parts = labels.names_of(whole["train"].features), len(shares(whole, config))
    counts = np.bincount(Labels.of(whole["train"].with_format("arrow")[:].column("label")).codes)
    few = sorted(names[i] for i in np.flatnonzero((counts > 0) & (counts < parts)))
    if few:
        raise ToolkitError(
            f"{config.source}: too few rows of {', '.join(few[:5])} for {parts} splits",
            f"each class needs {parts} rows or more: add some, or remove the class",
        )


def split(job: Job) -> None:
    """Divide into train, validation and test, or into folds, so that nothing leaks.

    Near-duplicates and rows of one group stay on one side. A source's own test split is kept whole: rows that are
    near-duplicates of it, or of its groups, are moved out to rejected.parquet. Everything else is divided anew: each
    class by the shares, or with --by-time all rows in their order, where those that repeat what an earlier split holds
    are moved out. --subset and --balance leave a kept test as it is; --balance changes train alone: dropped rows are
    in rejected.parquet, copies name their `parent_id`.
    """
    from toolkit.artifacts import dataset, manifest, report
    from toolkit.data.split import assembly
    from toolkit.data.split.run import pool_of, run, summary

    config, data = job.config, job.dataset
    whole = pooled(data, config)
    features, wish = whole["train"].features, wish_of(whole, config)
    pool = pool_of(whole, config.source, by_time=config.by_time)
    outcome = run(pool, features, wish)
    result = summary(pool, outcome, wish)
    if "test" in whole and config.test is not None:
        job.warn("--test was not needed: the source's own test split is kept (--no-keep-test divides it anew)")
    for text in warnings(result):
        job.warn(text)
    came = [name for name, rows in data.items() if not _stays(name, config) for _ in range(len(rows))]
    dataset.write(job.folder, outcome.made, assembly.rejected(pool, outcome.division, features, came))
    manifest.write_json(job.folder / "report.json", result)
    report.write(job.folder, page(job, result, pool.names))
    card = dataset.card("Split dataset", outcome.made, proof(result))
    (job.folder / "README.md").write_text(card, encoding="utf-8")
    sizes = {name: part["rows"] for name, part in result["splits"].items()}
    job.metrics |= sizes | {"pairs_across": 0}
    sizes |= {name: part["rows"] for name, part in result.get("folds", {}).items()}
    console.table("Splits", ("split", "rows"), list(sizes.items()))


def wish_of(whole: DatasetDict, config: SplitConfig) -> Wish:
    from toolkit.data.split.division import Wish

    return Wish(
        shares=shares(whole, config),
        seed=config.seed,
        subset=config.subset,
        by_time=config.by_time,
        folds=config.folds or 0,
        balance=config.balance,
        balance_by=config.balance_by,
    )


def warnings(result: dict[str, Any]) -> list[str]:
    """What the user should know of the division."""
    out, moved = list(result["reasons"]), result["leakage"]["moved_out"]
    if moved:
        out.append(f"{moved} rows hang together with rows of another split: moved to rejected.parquet")
    return out


def proof(result: dict[str, Any]) -> list[str]:
    """The proof in words."""
    leakage = result["leakage"]
    checked = f"0 of {leakage['pairs_checked']} candidate pairs checked"
    if leakage["threshold"] == 1:
        checked = f"0 among {leakage['rows']} rows compared"
    out = [f"Near-duplicates across splits: {checked} ({leakage['method']})."]
    if leakage["groups"]:
        out.append(f"Groups across splits: 0 of {leakage['groups']}.")
    if leakage["moved_out"]:
        out.append(f"Moved out, since they hang together with rows of another split: {leakage['moved_out']} rows.")
    return out + [f"{reason[0].upper()}{reason[1:]}." for reason in result["reasons"]]


def page(job: Job, result: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The report: sizes, class shares, the proof."""
    from toolkit.reports import figures

    parts = result["splits"] | result.get("folds", {})
    shown = {name: part for name, part in parts.items() if not (name == "train" and "folds" in result)}
    table = [
        [n, *({"share": p["classes"][n], "text": f"{p['classes'][n]:.1%}"} for p in shown.values())] for n in names
    ]
    series = {name: [round(100 * part["classes"][n], 1) for n in names] for name, part in shown.items()}
    drawn = figures.bars(names, series, ylabel="% of the rows") if len(names) <= MOST_CLASSES else None
    leakage = result["leakage"]
    return {
        "title": "Split report",
        "kicker": "toolkit split",
        "lead": proof(result)[0],
        "lang": "en",
        "cards": [{"label": name, "value": part["rows"], "note": "rows"} for name, part in result["splits"].items()],
        "sections": [
            {"title": "Parts", "table": _sizes(result, parts)},
            {
                "title": "Class shares",
                "figures": [{"name": "classes", "caption": "Share of each class", "figure": drawn}] if drawn else [],
                "table": {"columns": ["class", *shown], "rows": table},
            },
            {"title": "The proof", "text": " ".join(proof(result)), "table": _proof_table(leakage)},
        ],
        "footer": job.footer(),
    }


def _sizes(result: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for name, part in parts.items():
        share = result["shares"].get(name)
        asked, made = (f"{share['wanted']:.1%}", f"{share['made']:.1%}") if share else ("", "")
        rows.append([name, part["rows"], asked, made, *([part["from"], part["to"]] if "from" in part else [])])
    ends = ["from", "to"] if result["method"] == "time" else []
    note = []
    if "subset" in result:
        note.append(f"A stratified sample of {result['subset']['rows']} of {result['subset']['of']} rows was divided.")
    if "balance" in result:
        balance = result["balance"]
        note.append(
            f"Train was balanced to {balance['ratio']}: {balance['dropped']} rows dropped, {balance['copied']} copied."
        )
    return {"columns": ["part", "rows", "asked", "made", *ends], "rows": rows, "note": " ".join(note)}


def _proof_table(leakage: dict[str, Any]) -> dict[str, Any]:
    told = {name.replace("_", " "): value for name, value in leakage.items() if name != "sides"}
    return {"columns": ["measured", "value"], "rows": [list(item) for item in told.items()]}


STEP = Step(name="split", kind="dataset", config=SplitConfig, run=split, plan=plan, version=3,
            takes=("text", "image", "series", "table"))  # fmt: skip
