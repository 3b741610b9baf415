"""What `finetune` and `tune` learn: the task that fits the data, and the model that is to learn it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.artifacts import language_model
from toolkit.commands import _training
from toolkit.errors import ToolkitError
from toolkit.step import Job
from toolkit.training.config import MAX_LENGTH

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.training.tasks import Task


@_training.once
def splits(job: Job) -> tuple[str, DatasetDict]:
    """The task that is asked for, or else the one that fits the data; and train and validation, checked with the model.

    Raises:
        ToolkitError: the task does not fit the data or the model; and what `_training.splits` raises.
    """
    from toolkit.training import tasks

    learn = job.config.learn
    name, data = _chosen(job)
    if learn.next_sentence and name != tasks.MASKED_LM:
        raise ToolkitError(f"--next-sentence is of --task {tasks.MASKED_LM}", f"leave it out: this is {name}")
    if learn.masking != type(learn)().masking and name != tasks.MASKED_LM:
        raise ToolkitError(f"--masking is of --task {tasks.MASKED_LM}", f"leave it out: this is {name}")
    given = job.inputs["model"] = _training.checked_model(job.inputs["model"], data)
    _training.check_given(given, job.config.train)
    if given.path is not None and name == tasks.MASKED_LM:
        language_model.demand_mask_head(given.path, learn.next_sentence)
    elif learn.next_sentence:
        raise ToolkitError(f"{given.given} has no head for --next-sentence", "leave it out, or give a BERT")
    _terms(job, _training.kind(data))
    return name, data


def metric(job: Job, name: str, data: DatasetDict) -> str:
    """The validation figure that picks the best."""
    from toolkit.data import labels
    from toolkit.training import tasks

    several = name != tasks.MASKED_LM and labels.is_multi(data["train"].features)
    found: str = tasks.metric(tasks.find(name, several).figures_of, job.config.train.metric)
    return found


def _chosen(job: Job) -> tuple[str, DatasetDict]:
    from toolkit.data.roles import NoLabel
    from toolkit.training import tasks

    asked, source = job.config.learn.task, job.config.source
    if asked == tasks.MASKED_LM:
        return asked, _training.texts(job)
    try:
        data = _training.splits(job)
    except NoLabel:
        if asked or _training.kind(job.read_dataset(need_label=False)) != "text":
            raise
        console.note(f"{source} has no label column: learning to fill masks (--task {tasks.MASKED_LM})")
        return tasks.MASKED_LM, _training.texts(job)
    fits = tasks.OF_KIND[_training.kind(data)]
    if asked not in (None, fits):
        raise ToolkitError(f"--task {asked}: {source} holds {_training.kind(data)}s", f"use --task {fits}")
    return fits, data


def _terms(job: Job, kind: str) -> list[str]:
    """The terms of --add-tokens."""
    from toolkit.training import vocabulary

    path = job.config.learn.add_tokens
    if path and kind != "text":
        raise ToolkitError(f"--add-tokens: this data holds {kind}s", "leave it out")
    return vocabulary.read(Path(path)) if path else []


def load(job: Job, name: str, data: DatasetDict) -> tuple[Any, Task, DatasetDict]:
    """The model that is to learn the task, the task bound to it, and the splits with classes in the model's order."""
    from toolkit.training import tasks, vocabulary

    given, seed = job.inputs["model"], job.config.seed
    length = job.config.train.max_length or MAX_LENGTH
    if name == tasks.MASKED_LM:
        model, task = _to_mask(job, data["train"], length)
    else:
        data, names = _training.in_model_order(data, given, job.config.source)
        resolution = job.config.train.images.resolution
        model, task = _training.load_given(given, names, data["train"], seed, length, resolution)
    terms = _terms(job, _training.kind(data))
    if terms:
        vocabulary.add(model, task.reader.processor, terms)
    return model, task, data


def _to_mask(job: Job, train: Any, max_length: int) -> tuple[Any, Task]:
    """A model with a head that fills masks, and that task."""
    from transformers import set_seed

    from toolkit.data import roles
    from toolkit.training import builtin

    given, seed, learn = job.inputs["model"], job.config.seed, job.config.learn
    set_seed(seed)
    if given.path is None:
        texts = [text or "" for name in roles.compared(train.column_names) for text in train[name]]
        model, tokenizer = builtin.build(builtin.resolve(given.given, "text"), texts, None, seed)
    else:
        model, tokenizer, new = language_model.load_to_mask(given.path, learn.next_sentence)
        if new:
            follows = all("seq_relationship" in key or "pooler" in key for key in new)
            what = "tells which sentence follows" if follows else "fills masks"
            console.note(f"{given.given} has no head that {what}: it gets a new one")
    return model, _masking(job, model, tokenizer, max_length)


def _masking(job: Job, model: Any, tokenizer: Any, max_length: int) -> Task:
    from toolkit import reading
    from toolkit.training import tasks

    learn = job.config.learn
    reader = reading.of("text", tokenizer, model.config, wanted=max_length)
    settings = {"seed": job.config.seed, "masking": learn.masking, "next_sentence": learn.next_sentence}
    return tasks.bind(tasks.MASKED_LM, reader, **settings)


def bound_again(job: Job, name: str, model: Any, task: Task, max_length: int | None) -> Task:
    """The same task for texts of another length."""
    from toolkit.training import tasks

    reader, length = task.reader, max_length or MAX_LENGTH
    if name == tasks.MASKED_LM:
        return _masking(job, model, reader.processor, length)
    return _training.bind(reader.kind, model, reader.processor, length)
