"""`toolkit finetune`: train a classifier on a dataset, from pretrained weights or from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.step import Job, Step
from toolkit.training.config import MAX_LENGTH, TrainConfig


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to train on."), Input("dataset")]
    model: Annotated[
        str, Option(help="Model artifact, folder, hub name or builtin:NAME.", show_default=True), Input("model")
    ] = "builtin:text-tiny"
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    train: TrainConfig = field(default_factory=TrainConfig)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _training

    data = _training.splits(job)
    names = data["train"].features["label"].names
    _training.check_model(job.inputs["model"])
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
    from toolkit.training.tasks import text_classification as task

    data, names = _training.in_model_order(_training.splits(job), job.inputs["model"], job.config.source)
    config = job.config.train
    model, tokenizer = _training.load_given(job.inputs["model"], names, list(data["train"]["text"]), job.config.seed)
    length = task.max_tokens(model.config, tokenizer, config.max_length or MAX_LENGTH)
    rows, validation = (task.encode(tokenizer, data[split], length) for split in ("train", "validation"))
    scratch = job.inputs["model"].path is None
    figures = trainer.train(model, tokenizer, rows, validation, config, job.work, seed=job.config.seed, scratch=scratch)
    _training.publish(job, model, tokenizer, figures, f"{job.config.model}, fine-tuned", length)
    best = figures["validation"]
    console.note(f"validation accuracy {best['accuracy']:.4f}, macro F1 {best['f1_macro']:.4f}")


STEP = Step(name="finetune", kind="model", config=FinetuneConfig, run=finetune, plan=plan, resumable=True)
