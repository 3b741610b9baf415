"""`toolkit prune`: a physically smaller model, trained back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console, ranks
from toolkit.config import Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError
from toolkit.step import Job, Step
from toolkit.training.config import ADJUSTABLE, TrainConfig


@dataclass(frozen=True, kw_only=True)
class PruneConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to make smaller."), Input("model")]
    data: Annotated[
        str, Option(help="Rows to measure importance and train back on.", show_default=False), Input("dataset")
    ]
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    ffn: Annotated[float, Option(help="Share of the feed-forward neurons to remove.", min=0.0, max=0.95)] = 0.5
    layers: Annotated[int | None, Option(help="Layers to keep.", min=1, show_default="all")] = None
    recover: Annotated[bool, Option(help="Train back, with the original as teacher.")] = True
    temperature: Annotated[float, Option(help="Softens the teacher's probabilities.", min=0.1, max=100.0)] = 2.0
    alpha: Annotated[float, Option(help="Weight of the teacher; the labels have the rest.", min=0.0, max=1.0)] = 0.5
    train: TrainConfig = field(default_factory=TrainConfig)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.artifacts import model as models
    from toolkit.commands import _models, _training
    from toolkit.compression import structure

    given, config = job.inputs["source"], job.config
    data = _training.splits(job)
    names = _models.check(given, "prune", data, backends=("torch",))
    assert given.path is not None
    stored = models.read_config(given.path)
    structure.check(stored.get("model_type"))
    depth = structure.depth(stored)
    if config.layers is not None and config.layers > depth:
        raise ToolkitError(f"--layers {config.layers}: the model has {depth}", "keep fewer")
    if not config.ffn and config.layers in (None, depth):
        raise ToolkitError("nothing to prune", "give --ffn above 0 or --layers below the model's number")
    for rows in data.values():
        _models.labels_in_order(rows, names, config.data)
    return {
        "rows": {s: len(r) for s, r in data.items()},
        "layers": [depth, config.layers or depth],
        "ffn_removed": config.ffn,
    }


def prune(job: Job) -> None:
    """Remove whole layers and feed-forward neurons by measured importance, then train back, the original as teacher.

    The result is physically smaller and reloads with the stock `from_pretrained`.
    """
    import copy

    from toolkit.artifacts import manifest
    from toolkit.artifacts import model as models
    from toolkit.commands import _models, _training
    from toolkit.compression import distill
    from toolkit.compression import prune as pruning
    from toolkit.training import trainer
    from toolkit.training.precision import resolve_device

    given, config = job.inputs["source"], job.config
    assert given.path is not None
    names = _models.check(given, "prune", backends=("torch",))
    data = _training.relabelled(_training.splits(job), names, config.data)
    original, processor = models.load(given.path)
    task = _training.bind("text", original, processor, config.train.max_length)
    rows, validation = (task.encode(data[split]) for split in ("train", "validation"))
    model = copy.deepcopy(original)
    cut = pruning.shrink(model, task, rows, ffn=config.ffn, layers=config.layers)
    before, after = (sum(p.numel() for p in m.parameters()) for m in (original, model))
    console.note(f"parameters {before:,} to {after:,} ({after / before:.0%}); layers kept {cut['layers_kept']}")
    if config.recover:
        logits = distill.teacher_logits(original, task, rows, resolve_device(config.train.device))
        figures = trainer.train(
            model,
            task,
            distill.with_teacher(rows, logits),
            validation,
            config.train,
            job.work,
            seed=config.seed,
            loss=distill.loss(task, config.temperature, config.alpha, config.train.regularise.label_smoothing),
            ids=data["train"]["id"],
        )
    else:
        figures = {"validation": trainer.validate(model, task, validation)}
    figures["pruned"] = cut | {"parameters_before": before}
    _training.publish(job, model, task, figures, f"{given.title}, pruned")
    if ranks.leads():
        models.load(job.folder)  # it reloads with the stock class, or this fails
        manifest.write_json(job.folder / "pruning.json", cut)


STEP = Step(
    name="prune",
    kind="model",
    config=PruneConfig,
    run=prune,
    plan=plan,
    resumable=True,
    alone=None,
    adjustable=ADJUSTABLE,
)
