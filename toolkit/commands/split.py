"""`toolkit split`: train, validation and test that share nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError
from toolkit.step import Job, Step

if TYPE_CHECKING:
    from datasets import DatasetDict


ROUNDS = 3  # of dividing and checking


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to split."), Input("dataset")]
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    validation: Annotated[float, Option(help="Share of validation.", min=0.0, max=0.9)] = 0.1
    test: Annotated[float, Option(help="Share of test, unless the source has its own.", min=0.0, max=0.9)] = 0.1


def plan(job: Job) -> dict[str, Any]:
    from toolkit.data import split as splitting

    data, config = job.dataset, job.config
    if config.validation + config.test >= 1:
        raise ToolkitError("--validation and --test leave nothing for train", "make their sum less than 1")
    splitting.refuse_children(data, config.source)
    _check_classes(data, config)
    return {"rows": {split: len(rows) for split, rows in data.items()}, "shares": shares(data, config)}


def shares(data: DatasetDict, config: SplitConfig) -> dict[str, float]:
    """The share of each split to be made; a test split that is there already is not made."""
    made = {"validation": config.validation} | ({} if "test" in data else {"test": config.test})
    made = {split: share for split, share in made.items() if share}
    return {"train": 1 - sum(made.values())} | made


def pooled(data: DatasetDict, source: str) -> DatasetDict:
    """All rows that are to be divided as `train`, and the source's own test as `test`, if there is one.

    Raises:
        ToolkitError: every row is test.
    """
    from datasets import DatasetDict, concatenate_datasets

    pool = [rows for name, rows in data.items() if name != "test"]
    if not pool:
        raise ToolkitError(f"{source} has test rows only", "give rows to divide: name their file train")
    return DatasetDict({"train": concatenate_datasets(pool)} | {name: data[name] for name in data if name == "test"})


def _check_classes(data: DatasetDict, config: SplitConfig) -> None:
    from collections import Counter

    from toolkit.data import columns

    pool = pooled(data, config.source)
    columns.check_labels(pool, config.source)
    names, counts = pool["train"].features["label"].names, Counter(pool["train"]["label"])
    needed = len(shares(data, config))
    few = sorted(names[i] for i, n in counts.items() if n < needed)
    if few:
        raise ToolkitError(
            f"{config.source}: too few rows of {', '.join(few[:5])} for {needed} splits",
            f"each class needs {needed} rows or more: add some, or remove the class",
        )


def split(job: Job) -> None:
    """Split into train, validation and test, stratified by class, so that nothing leaks.

    Near-duplicates and rows of one `group` stay on one side. A source's own test split is kept whole: rows that are
    near-duplicates of it are moved out to rejected.parquet. Everything else is divided anew.
    """
    from toolkit.artifacts import dataset, manifest, report
    from toolkit.data import near
    from toolkit.data import split as splitting
    from toolkit.data.columns import with_column

    data = job.dataset
    whole = pooled(data, job.config.source)
    pool, fixed = whole["train"], whole.get("test")
    texts = list(pool["text"]) + (list(fixed["text"]) if fixed else [])
    links = near.pairs(texts)[0] + splitting.group_links(pool, fixed)
    place = {id_: row for row, id_ in enumerate([*pool["id"], *(fixed["id"] if fixed else [])])}
    # What the search for pairs missed once, by chance of its hash functions, a second seed finds: divide again with it.
    for seed in range(near.SEED + 1, near.SEED + 1 + ROUNDS):
        made, leaking = divide(pool, fixed, near.clusters(len(texts), links), job)
        result, across = measured(made, seed)
        if not across:
            break
        links += [(place[a], place[b]) for a, b in across]
    if across:
        raise ToolkitError(f"{len(across)} near-duplicate pairs stand on two sides", "run 'toolkit clean' first")
    _refuse_unusable(made)
    if leaking:
        job.warn(f"{len(leaking)} rows are near-duplicates of the source's own test split: moved to rejected.parquet")
    rejected = pool.select(leaking)
    for column, value in (("stage", "split"), ("reason", "near-duplicate of test"), ("detail", "")):
        rejected = with_column(rejected, column, [value] * len(leaking))
    rejected = rejected.with_format("arrow")[:]
    dataset.write(job.folder, made, rejected)
    manifest.write_json(job.folder / "report.json", result)
    report.write(job.folder, page(job, result, made["train"].features["label"].names))
    checked = result["leakage"]["pairs_checked"]
    lines = [f"Near-duplicates across splits: 0 of {checked} candidate pairs checked at Jaccard {near.THRESHOLD}."]
    (job.folder / "README.md").write_text(dataset.card("Split dataset", made, lines), encoding="utf-8")
    job.metrics |= {name: part["rows"] for name, part in result["splits"].items()} | {"pairs_across": 0}
    console.table("Splits", ("split", "rows"), [(name, part["rows"]) for name, part in result["splits"].items()])


def _refuse_unusable(made: DatasetDict) -> None:
    """Clusters may be too large or too few for what was asked.

    Raises:
        ToolkitError: a split is empty, or train lacks a class.
    """
    empty = [name for name, rows in made.items() if not len(rows)]
    if empty:
        raise ToolkitError(
            f"nothing is left for {', '.join(empty)}: the rows hang together in too few clusters",
            "clean away near-duplicates, check the group column, or ask for another share",
        )
    unseen = set().union(*(rows["label"] for rows in made.values())) - set(made["train"]["label"])
    if unseen:
        names = made["train"].features["label"].names
        raise ToolkitError(
            f"all rows of {', '.join(sorted(names[i] for i in unseen))} hang together outside of train",
            "add rows of the class that are no near-duplicates and of another group",
        )


def divide(pool: Any, fixed: Any, clusters: list[int], job: Job) -> tuple[DatasetDict, list[int]]:
    """The splits, clusters whole, and the rows of the pool that are left out since they touch the fixed test."""
    from datasets import DatasetDict

    from toolkit.data import split as splitting

    wanted = shares(job.dataset, job.config)
    leaking = splitting.touching(clusters, len(pool))
    free, labels = [i for i in range(len(pool)) if i not in leaking], list(pool["label"])
    where = splitting.assign([labels[i] for i in free], [clusters[i] for i in free], wanted, job.config.seed)
    made = DatasetDict({s: pool.select([i for i, w in zip(free, where, strict=True) if w == s]) for s in wanted})
    if fixed:
        made["test"] = fixed
    return made, sorted(leaking)


def measured(data: DatasetDict, seed: int) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Rows and class shares, the leakage counted afresh with other hash functions, and the pairs across (ids)."""
    from toolkit.data import near

    names = data["train"].features["label"].names
    texts = [text for rows in data.values() for text in rows["text"]]
    ids = [id_ for rows in data.values() for id_ in rows["id"]]
    side = [name for name, rows in data.items() for _ in range(len(rows))]
    pairs, checked = near.pairs(texts, "checking", seed)
    across = [(ids[a], ids[b]) for a, b in pairs if side[a] != side[b]]
    splits = {}
    for name, rows in data.items():
        labels = list(rows["label"])
        splits[name] = {
            "rows": len(labels),
            "classes": {n: labels.count(i) / max(len(labels), 1) for i, n in enumerate(names)},
        }
    leakage = {"threshold": near.THRESHOLD, "pairs_checked": checked, "near_duplicate_pairs_across": len(across)}
    return {"splits": splits, "leakage": leakage}, across


def page(job: Job, result: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The report: sizes, class shares, the proof."""
    splits, leakage = result["splits"], result["leakage"]
    table = [
        [n, *({"share": part["classes"][n], "text": f"{part['classes'][n]:.1%}"} for part in splits.values())]
        for n in names
    ]
    return {
        "title": "Split report",
        "kicker": "toolkit split",
        "lead": f"No near-duplicate pair stands on two sides ({leakage['pairs_checked']} candidate pairs checked).",
        "lang": "en",
        "cards": [{"label": name, "value": part["rows"], "note": "rows"} for name, part in splits.items()],
        "sections": [{"title": "Class shares", "table": {"columns": ["class", *splits], "rows": table}}],
        "footer": job.footer(),
    }


STEP = Step(name="split", kind="dataset", config=SplitConfig, run=split, plan=plan)
