"""`toolkit distill`: a small student learns from a teacher's answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit.config import Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError
from toolkit.step import Job, Step
from toolkit.training.config import ADJUSTABLE, TrainConfig

LAYERS = re.compile(r"layers:(\d+)\Z")


@dataclass(frozen=True, kw_only=True)
class DistillConfig(Config):
    source: Annotated[str, Argument(metavar="TEACHER", help="The model to learn from."), Input("model")]
    data: Annotated[str, Option(help="Rows to learn on.", show_default=False), Input("dataset")]
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    student: Annotated[
        str, Option(help="layers:N of the teacher, a model, or builtin:NAME."), Input("model", literal=r"layers:\d+")
    ] = "layers:3"
    temperature: Annotated[float, Option(help="Softens both sides' probabilities.", min=0.1, max=100.0)] = 2.0
    alpha: Annotated[float, Option(help="Weight of the teacher; the labels have the rest.", min=0.0, max=1.0)] = 0.7
    train: TrainConfig = field(default_factory=TrainConfig)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.artifacts import model as models
    from toolkit.commands import _models, _training
    from toolkit.compression import structure

    data = _training.splits(job)
    names = _models.check(job.inputs["source"], "distill", data, backends=("torch",))
    for rows in data.values():
        _models.labels_in_order(rows, names, job.config.data)
    count = LAYERS.match(job.config.student)
    if count:
        teacher = job.inputs["source"].path
        assert teacher is not None
        config = models.read_config(teacher)
        structure.check(config.get("model_type"))
        if not 1 <= int(count[1]) <= structure.depth(config):
            raise ToolkitError(
                f"--student {job.config.student}: the teacher has {structure.depth(config)} layers",
                "ask for 1 to that many",
            )
    else:
        job.inputs["student"] = _training.checked_model(job.inputs["student"], data)
    return {"rows": {s: len(r) for s, r in data.items()}, "student": job.config.student, "classes": len(names)}


def distill(job: Job) -> None:
    """Train a student on the softened answers of a teacher and on the labels.

    The student is `layers:N` (that many of the teacher's layers, evenly spaced), a model, or a built-in from scratch.
    """
    from toolkit.artifacts import model as models
    from toolkit.commands import _models, _training
    from toolkit.compression import distill as distilling
    from toolkit.compression import structure
    from toolkit.training import trainer
    from toolkit.training.precision import resolve_device

    config = job.config
    given = job.inputs["source"]
    assert given.path is not None
    names = _models.check(given, "distill", backends=("torch",))
    data = _training.relabelled(_training.splits(job), names, config.data)
    teacher, processor = models.load(given.path)
    asked = _training.bind("text", teacher, processor, config.train.max_length)
    count = LAYERS.match(config.student)
    if count:
        student, task, scratch = structure.student(teacher, int(count[1])), asked, False
    else:
        chosen = job.inputs["student"]
        student, task = _training.load_given(chosen, names, data["train"], config.seed, config.train.max_length)
        scratch = chosen.path is None
    place = resolve_device(config.train.device)
    logits = distilling.teacher_logits(teacher, asked, asked.encode(data["train"]), place)
    rows, validation = distilling.with_teacher(task.encode(data["train"]), logits), task.encode(data["validation"])
    figures = trainer.train(
        student,
        task,
        rows,
        validation,
        config.train,
        job.work,
        seed=config.seed,
        scratch=scratch,
        loss=distilling.loss(task, config.temperature, config.alpha, config.train.regularise.label_smoothing),
        ids=data["train"]["id"],
    )
    agreement = float((logits.argmax(1).numpy() == data["train"].with_format("numpy")["label"]).mean())
    figures["teacher"] = {"train_accuracy": agreement, "parameters": sum(p.numel() for p in teacher.parameters())}
    _training.publish(job, student, task, figures, f"{config.student} distilled from {given.title}")


STEP = Step(
    name="distill",
    kind="model",
    config=DistillConfig,
    run=distill,
    plan=plan,
    resumable=True,
    alone=None,
    adjustable=ADJUSTABLE,
)
