"""What `tune` searches, and the name that its workers find each other by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import config as configs
from toolkit.artifacts import manifest
from toolkit.artifacts import model as models
from toolkit.commands import _tasks, _training
from toolkit.errors import ToolkitError
from toolkit.step import Job
from toolkit.training.config import width

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.inputs import Given

OF_A_WORKER = ("storage", "study_name", "sampler", "pruner")  # in which the workers of one study may differ


def planned(job: Job) -> dict[str, Any]:
    """What a search would do, for --dry-run."""
    from toolkit.training import space as spaces
    from toolkit.training import storage

    config = job.config
    if config.train.optim.find_lr:
        raise ToolkitError("a search tries rates itself", "leave --find-lr out")
    if config.storage:
        storage.check(config.storage)
    name, data = _tasks.splits(job)
    space, rows = space_of(job, name, data), {split: len(part) for split, part in data.items()}
    _training.tell_unread(job, space)
    told = {"task": name, "rows": rows, "trials": config.total_trials, "space": space}
    if config.sampler == "grid":
        cells = len(spaces.cells(space))
        told |= {"cells": cells, "trials": min(cells, config.total_trials)}
    if config.storage:
        told |= {"storage": configs.without_password(config.storage), "study": study_name(job, space)}
    return told


def space_of(job: Job, name: str, data: DatasetDict) -> dict[str, dict[str, Any]]:
    """What is searched: the given space, or the default one of task and model."""
    from toolkit.training import space as spaces
    from toolkit.training import tasks

    base, given, kind = job.config.train, job.inputs["model"], _training.kind(data)
    if "space" in job.inputs:
        path = Path(job.config.space)
        found = spaces.read(configs.read_mapping(path, f"the space {path}"), str(path), base, kind)
        odd = [key for key in ("class_weights", "oversample", "r_drop") if key in found and name == tasks.MASKED_LM]
        if odd:
            raise ToolkitError(f"{path}: {odd[0]} is for rows that have a class", "leave it out")
        return found
    wide = width(models.read_config(given.path)) if given.path else None
    found = spaces.default(kind, wide, base, _dropouts(given, kind))
    if name == tasks.MASKED_LM:  # has no labels to smooth
        found.pop("label_smoothing", None)
    return found


def _dropouts(given: Given, kind: str) -> set[float]:
    """The rates of dropout that the model comes with."""
    from toolkit.artifacts import loading
    from toolkit.training import builtin, dropout

    if given.path is not None:
        return dropout.rates(loading.load_config(given.path))
    if kind == "text":
        return {builtin.TEXT_DROPOUT}  # a model of texts would learn its vocabulary to tell
    return dropout.rates(builtin.build(given.given, [], None, 0)[0].config)


def made(job: Job, space: dict[str, Any]) -> dict[str, Any]:
    """What a study is made for: workers that differ in one of these do not share it."""
    deciding = configs.as_dict(job.config, only_deciding=True)
    others = {name: value for name, value in deciding.items() if name not in OF_A_WORKER}
    return {
        "data": job.inputs["source"].digest,
        "model": job.inputs["model"].digest,
        "space": space,
        "metric": job.config.train.metric,
        "set of options": others,
    }


def study_name(job: Job, space: dict[str, Any]) -> str:
    """Workers of one name share a study."""
    config = job.config
    return config.study_name or f"tune-{manifest.digest_json([made(job, space), config.sampler, config.pruner])[:12]}"
