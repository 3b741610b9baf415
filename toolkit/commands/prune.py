"""`toolkit prune`: a physically smaller model, trained back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit import ranks
from toolkit.config import Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Gate, Job, Step
from toolkit.training.config import ADJUSTABLE, TrainConfig

if TYPE_CHECKING:
    from toolkit.compression.sensitivity import Found


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much goes, by hand."""

    ffn: Annotated[
        float | None,
        Option(help="Share of the feed-forward neurons to remove.", min=0.0, max=0.95, show_default="0.5, if alone"),
    ] = None
    heads: Annotated[
        float | None, Option(help="Share of the attention heads to remove (ViT, DeiT).", min=0.0, max=0.95)
    ] = None
    layers: Annotated[
        int | None, Option(help="Layers to keep; of a ResNet: blocks of all stages.", min=1, show_default="all")
    ] = None
    hidden: Annotated[
        int | None,
        Option(help="Hidden size to keep; but for ViT and DeiT heads go with it.", min=1, show_default="all"),
    ] = None
    channels: Annotated[
        float | None,
        Option(help="Share of the channels to remove (ResNet).", min=0.0, max=0.95, show_default="0.25, if alone"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Besides:
    """What goes besides, whether amounts or a target are given or neither."""

    vocab: Annotated[bool, Option(help="Drop what train never uses of the vocabulary, in the end.")] = False
    vocab_min_count: Annotated[int, Option(help="Uses in train for which a piece stays.", min=1)] = 1
    vocab_common: Annotated[int, Option(help="Most common pieces that stay, used or not, for texts unseen.", min=0)] = (
        12_000
    )
    unstructured: Annotated[
        float | None, Option(help="Share of single weights set to zero; nothing is faster for it.", min=0.01, max=0.95)
    ] = None
    unstructured_scope: Annotated[
        Literal["global", "layer"], Option(help="The share is of all matrices together, or of each.")
    ] = "global"


@dataclass(frozen=True, kw_only=True)
class Target:
    """How much goes, by what is to be reached: a search over measured sensitivity."""

    target_speedup: Annotated[
        float | None, Option(help="Gate: times the samples a second of the model given.", min=1.0)
    ] = None
    target_params: Annotated[
        float | None, Option(help="Gate: share of the parameters that may stay.", min=0.01, max=1.0)
    ] = None
    max_drop: Annotated[
        float | None, Option(help="Gate: accuracy that may be lost, e.g. 0.005; as fast as that allows.", min=0.0)
    ] = None


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How the smaller model is trained back."""

    recover: Annotated[bool, Option(help="Train back, with a teacher.")] = True
    gradual: Annotated[int, Option(help="Cut in that many rounds, an epoch of training between.", min=1, max=50)] = 1
    teacher: Annotated[
        str | None, Option(help="Another model to learn from.", show_default="the model given"), Input("model")
    ] = None
    temperature: Annotated[float, Option(help="Softens the teacher's probabilities.", min=0.1, max=100.0)] = 2.0
    alpha: Annotated[float, Option(help="Weight of the teacher; the labels have the rest.", min=0.0, max=1.0)] = 0.5


@dataclass(frozen=True, kw_only=True)
class PruneConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to make smaller."), Input("model")]
    data: Annotated[
        str, Option(help="Rows to measure importance and train back on.", show_default=False), Input("dataset")
    ]
    columns: ContentOptions = field(default_factory=ContentOptions)
    amounts: Amounts = field(default_factory=Amounts)
    target: Target = field(default_factory=Target)
    besides: Besides = field(default_factory=Besides)
    importance: Annotated[
        Literal["magnitude", "taylor", "activation"], Option(help="What tells which units (neurons, channels …) stay.")
    ] = "taylor"
    calibration_rows: Annotated[int, Option(help="Rows of train that importance is measured on.", min=1)] = 512
    sensitivity: Annotated[bool, Option(help="Measure what each part costs, for the report; a target needs it.")] = True
    recovery: Recovery = field(default_factory=Recovery)
    train: TrainConfig = field(default_factory=TrainConfig)


def judge(config: PruneConfig, figures: dict[str, Any]) -> list[Gate]:
    target, found = config.target, figures["comparison"]
    bounds = [
        ("target_speedup", target.target_speedup, found["speedup"], 1),
        ("target_params", target.target_params, found["parameters_ratio"], -1),
        ("max_drop", target.max_drop, found["accuracy_drop"]["value"], -1),
    ]
    return [
        {"name": name, "bound": bound, "value": value, "passed": sign * value >= sign * bound}
        for name, bound, value, sign in bounds
        if bound is not None
    ]


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _models, _prune_plan, _training

    data = _training.splits(job)
    names = _models.check(job.inputs["source"], "prune", data, backends=("torch",))
    for rows in data.values():
        _models.labels_in_order(rows, names, job.config.data)
    _prune_plan.check_teacher(job, names, data)
    _prune_plan.check_options(job.config)
    _training.tell_unread(job)
    _training.check_given(job.inputs["source"], job.config.train)
    before, after = _prune_plan.sizes(job)
    out: dict[str, Any] = {"rows": {s: len(r) for s, r in data.items()}, "sizes": before._asdict()}
    out |= _prune_plan.check_besides(job)
    if after is None:
        return out | {"sought": {name: value for name, value in vars(job.config.target).items() if value is not None}}
    return out | {"sizes_left": after._asdict(), "parameters": _prune_plan.parameters(job, before, after)}


def prune(job: Job) -> None:
    """Remove layers, neurons, heads and hidden dimensions, or channels, by importance, then train back.

    Amounts are given by hand, or found for one target; exit code 3 where it is not met (the nearest is written all the
    same). The result is physically smaller and reloads with the stock `from_pretrained`; the original is its teacher.
    """
    from toolkit.artifacts import manifest
    from toolkit.commands import _prune_bench, _prune_plan, _prune_report, _trained
    from toolkit.compression import families, sensitivity, targets

    config, given = job.config, job.inputs["source"].title
    bench, recovery = _prune_bench.begin(job)
    kind = bench.model.config.model_type
    measured = sensitivity.measure(bench) if config.sensitivity else None
    tried: list[Found] = []
    if measured and config.target.max_drop is not None:
        made, tried = recovery.furthest(bench, measured, config.target.max_drop, job.work)
    else:
        _, to = _prune_plan.sizes(job)
        if measured and to is None:
            asked = config.target
            to, tried = targets.search(bench, measured, speedup=asked.target_speedup, params=asked.target_params)
        assert to is not None
        made = recovery.run(bench, to, job.work)
    if not ranks.leads():
        return
    job.work = made.work  # whose logs are published
    task, figures = bench.task, made.figures
    if config.besides.vocab:
        task, after = _prune_bench.with_less_vocabulary(job, bench, recovery, made.model)
        figures |= after
    if "sparsity" in figures:
        figures["sparsity"]["speed"] = _prune_plan.NOT_FASTER
    figures |= _prune_bench.against(job, bench, recovery, made.model, task)
    story = {
        "before": families.of(kind).shape(bench.model.config)._asdict(),
        "sizes": [sizes._asdict() for sizes in made.sizes],
        "cuts": made.cuts,
        "tried": tried,
    }
    _trained.write(
        job, made.model, task, figures, f"{given}, pruned", lambda: _prune_report.page(figures, story, measured)
    )
    _prune_bench.check_reloads(job, bench, recovery, made.model, task)
    manifest.write_json(job.folder / "pruning.json", story)
    if measured:
        manifest.write_json(job.folder / "sensitivity.json", measured)
    _prune_report.tell(figures)
    job.metrics |= {key: figures["comparison"][key] for key in ("speedup", "parameters_ratio")}
    job.metrics["accuracy_drop"] = figures["comparison"]["accuracy_drop"]["value"]


STEP = Step(
    name="prune",
    kind="model",
    config=PruneConfig,
    run=prune,
    plan=plan,
    judge=judge,
    version=5,
    resumable=True,
    measures=True,
    takes=("text", "image"),
    alone=None,
    adjustable=ADJUSTABLE,
)
