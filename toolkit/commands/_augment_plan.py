"""What `augment` is asked for: methods, and how many rows of which classes; everything given has a use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import config as configs
from toolkit.commands._augment_resources import kind
from toolkit.errors import ToolkitError, did_you_mean
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.data.augment.grow import Wish
    from toolkit.data.augment.strategy import Draw

SYNONYMS = ("synonym_replacement", "random_insertion", "contextual_replacement")  # which read them
RANKED = ("synonym_replacement", "contextual_replacement")  # which a masked language model has a say in


def draws(job: Job) -> list[Draw]:
    """The methods to draw from: those of the preset or the file, and single ones."""
    from toolkit.data import augment
    from toolkit.data.augment import strategy

    options, content = job.config.methods, kind(job)
    module, where = augment.of(content), f"the strategy {options.strategy}"
    entries: dict[str, Any] = {}
    if options.strategy:
        mapping = configs.read_mapping(Path(options.strategy), where)
        entries = dict(strategy.section(mapping, content, augment.KINDS, where))
    entries = _preset(job, module.PRESETS) | entries | strategy.options(options.method or [])
    told = [where] * bool(options.strategy) + ["--method"] * bool(options.method)
    found = strategy.parse(entries, module.METHODS, module.FIRST, " and ".join(told))
    for name in ("alpha", "rounds"):
        value = getattr(options, name)
        if value is not None and content != "text":
            raise ToolkitError(f"--{name} is for texts", "give the methods' own parameters with --method or --strategy")
        if value is not None:
            found = strategy.with_default(found, module.METHODS, name, value)
    _demand_use(job, found)
    return found


def _preset(job: Job, presets: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The entries of `--preset` ("light" where nothing is said), less what an option of its own says."""
    options, content = job.config.methods, kind(job)
    name = options.preset or ("" if options.strategy or options.method else "light")
    if not name:
        return {}
    if name not in presets:
        raise ToolkitError(
            f"--preset {name} has nothing for this kind of content ({content})", f"there are {', '.join(presets)}"
        )
    said = "alpha" if options.alpha is not None else None
    return {
        method: {key: v for key, v in value.items() if key != said} if isinstance(value, dict) else value
        for method, value in presets[name].items()
    }


def _demand_use(job: Job, drawn: list[Draw]) -> None:
    """Whatever is given for a method is read by one that is drawn, and mixtures have what they need.

    Raises:
        ToolkitError: it is not.
    """
    from toolkit.data import augment, labels
    from toolkit.data.augment.strategy import parameters

    options, names = job.config.methods, {draw.name for draw in drawn}
    for value, option, readers in (
        (options.gazetteer, "--gazetteer", ("entity_replacement",)),
        (options.references, "--references", ("histogram_matching", "fourier_domain_adaptation")),
        (options.forward, "--forward", ("back_translation",)),
        (options.backward, "--backward", ("back_translation",)),
        (options.parser, "--parser", ("clause_reordering", "coordination_swap")),
        (options.synonyms, "--synonyms", SYNONYMS),
    ):
        if value and not names & set(readers):
            raise ToolkitError(f"no method reads {option}", f"add --method {readers[0]}, or leave {option} out")
    methods = augment.of(kind(job)).METHODS
    for name in ("alpha", "rounds"):
        value = getattr(options, name)
        takers = [d for d in drawn if name in parameters(methods[d.name]) and d.params.get(name) == value]
        if value is not None and not takers:
            raise ToolkitError(f"no method reads --{name}", "each has none, or one of its own in the strategy")
    mixed = names & {"mixup", "cutmix"}
    if mixed and labels.is_multi(job.dataset["train"].features):
        raise ToolkitError(f"{min(mixed)} gives shares of classes, and these rows have several", "leave it out")


def demand_model_use(job: Job, drawn: list[Draw]) -> None:
    """`--model` has something to do.

    Raises:
        ToolkitError: it has not.
    """
    from toolkit.artifacts import model as models
    from toolkit.commands import _training
    from toolkit.data.labels import is_multi, names_of

    model, check = job.inputs.get("model"), job.config.checks.check
    if model is None:
        return
    features = job.dataset["train"].features
    if kind(job) != "text" and not (check and kind(job) == "image"):
        raise ToolkitError("--model is for texts", "leave it out, or add --check to train it on images")
    if check and is_multi(features):
        raise ToolkitError("--check trains --model on rows of one class each", "leave one of the two out")
    if check:
        _training.checked_model(model, job.dataset)
        return
    if model.path and models.fills_masks(model.path):
        if not {draw.name for draw in drawn} & set(RANKED):
            raise ToolkitError(f"no method asks {model.given}, which fills masks", f"add --method {RANKED[0]}")
    elif not model.path or set(models.labels(model.path) or []) != set(names_of(features)):
        raise ToolkitError(
            f"{model.given} has no use here: it neither fills masks nor tells the classes of these rows",
            "add --check, or leave --model out",
        )


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


def quota(job: Job, train: Any, codes: Any, wished: Wish) -> Any:
    """How many children each row of train is to have."""
    from toolkit.data.augment import grow

    ids = train.column("id").to_pylist()
    return grow.quota(ids, codes, grow.parents(train, codes, wished.only), wished, job.config.seed)


def first_codes(train: Any) -> Any:
    """The class number of each row, the first of those that have several."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = train.column("label")
    return (pc.list_element(column, 0) if pa.types.is_list(column.type) else column).to_numpy()
