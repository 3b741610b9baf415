"""`toolkit finetune`: train a model on a dataset, from pretrained weights or from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import ranks
from toolkit.config import Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Job, Step
from toolkit.training.config import ADJUSTABLE, Learn, ModelOption, TrainConfig


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to train on."), Input("dataset")]
    model: ModelOption = "builtin"
    columns: ContentOptions = field(default_factory=ContentOptions)
    learn: Learn = field(default_factory=Learn)
    train: TrainConfig = field(default_factory=TrainConfig)
    refit: Annotated[
        bool, Option(help="Learn validation's rows too, and keep the last weights: once the options are chosen.")
    ] = False


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _tasks, _training
    from toolkit.data import labels

    name, data = _tasks.splits(job)
    _training.tell_unread(job)
    if job.config.refit:
        _training.check_refit(job)
    classes = labels.names_of(data["train"].features) if "label" in data["train"].column_names else []
    steps = -(-len(data["train"]) // (job.config.train.batch_size * ranks.count()))
    return {
        "task": name,
        "rows": {split: len(rows) for split, rows in data.items()},
        **({"classes": len(classes)} if classes else {}),
        "steps_per_epoch": steps,
        "model": job.inputs["model"].given,
    }


def finetune(job: Job) -> None:
    """Train a classifier, or adapt an encoder to a domain; the weights that were best on validation are kept.

    Stopped or killed, the same call resumes from its last checkpoint.
    """
    from toolkit.commands import _tasks, _trained
    from toolkit.training import trainer

    given, seed, config = job.inputs["model"], job.config.seed, job.config.train
    model, task, data = _tasks.load(job, *_tasks.splits(job))
    rows, validation = (task.encode(data[split]) if split in data else [] for split in ("train", "validation"))
    scratch = given.path is None
    ids = data["train"]["id"] if "labels" in rows[0] else None  # masked-lm cuts texts into rows of its own
    figures = trainer.train(model, task, rows, validation, config, job.work, seed=seed, scratch=scratch, ids=ids)
    _trained.write(job, model, task, figures, f"{given.title}, fine-tuned")


STEP = Step(
    name="finetune",
    kind="model",
    config=FinetuneConfig,
    run=finetune,
    plan=plan,
    version=3,
    resumable=True,
    alone=None,
    adjustable=ADJUSTABLE,
    takes=("text", "image"),
)
