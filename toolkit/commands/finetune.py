"""`toolkit finetune`: train a classifier on a dataset, from pretrained weights or from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument

from toolkit.config import Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Job, Step
from toolkit.training.config import MAX_LENGTH, ModelOption, TrainConfig


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to train on."), Input("dataset")]
    model: ModelOption = "builtin"
    columns: ContentOptions = field(default_factory=ContentOptions)
    train: TrainConfig = field(default_factory=TrainConfig)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _training
    from toolkit.data import labels

    data = _training.splits(job)
    names = labels.names_of(data["train"].features)
    _training.check_model(job.inputs["model"], data)
    steps = -(-len(data["train"]) // job.config.train.batch_size)
    return {
        "rows": {split: len(rows) for split, rows in data.items()},
        "classes": len(names),
        "steps_per_epoch": steps,
        "model": job.config.model,
    }


def finetune(job: Job) -> None:
    """Train a classifier; the weights that were best on validation are kept.

    Stopped or killed, the same call resumes from its last checkpoint.
    """
    from toolkit.commands import _training
    from toolkit.training import trainer

    given, seed, config = job.inputs["model"], job.config.seed, job.config.train
    data, names = _training.in_model_order(_training.splits(job), given, job.config.source)
    model, task = _training.load_given(given, names, data["train"], seed, config.max_length or MAX_LENGTH)
    rows, validation = (task.encode(data[split]) for split in ("train", "validation"))
    figures = trainer.train(model, task, rows, validation, config, job.work, seed=seed, scratch=given.path is None)
    _training.publish(job, model, task, figures, f"{job.config.model}, fine-tuned")


STEP = Step(
    name="finetune",
    kind="model",
    config=FinetuneConfig,
    run=finetune,
    plan=plan,
    resumable=True,
    takes=("text", "image"),
)
