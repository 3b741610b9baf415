"""What `distill` settles before any work: teachers that agree, a student that can be, rows that nothing leaks into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import console, inputs
from toolkit.artifacts import model as models
from toolkit.commands import _models, _training
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Job

if TYPE_CHECKING:
    from datasets import DatasetDict


class Settled(NamedTuple):
    """What was found and checked before any work."""

    data: DatasetDict  # train and validation (and what else there is), classes in the order of `names`
    names: list[str]
    teachers: list[Given]
    shares: list[float]  # of the teachers, adding up to one
    transfer: list[tuple[Any, dict[str, int]]]  # rows without labels, and what of their source was left out


@_training.once
def settled(job: Job) -> Settled:
    """
    Raises:
        ToolkitError: teachers that do not go together, or not with the data; a student that cannot be; odd options.
    """
    data = _training.splits(job)
    teachers = _repeated(job, "source") + _repeated(job, "teacher")
    names = _agreed_names(teachers, data)
    shares = _shares(job, len(teachers))
    _check_lesson(job)
    _training.tell_unread(job)
    given = job.inputs.get("student")
    if given:
        given = job.inputs["student"] = _training.checked_model(given, data)
        own = models.labels(given.path) if given.path else None
        names = own if own and set(own) == set(names) else names
        if given.path and not job.config.train.images.resolution:  # what is made anew is compared once it is there
            _check_mixed(job, given.path, teachers)
            _check_compared(job, given.path, teachers[0], "text_pair" in data["train"].column_names)
    else:
        from toolkit.artifacts import loading
        from toolkit.compression.distill import inside, students

        assert teachers[0].path is not None
        depths = students.check(job.config.student, models.read_config(teachers[0].path))
        pairs = inside.layer_map(job.config.lesson.layer_map, *depths)
        if job.config.lesson.attention_weight:
            inside.check_attention(loading.load_config(teachers[0].path), pairs[-1][1])
    _training.check_given(given or teachers[0], job.config.train)
    data = _training.relabelled(data, names, job.config.data)
    return Settled(data, names, teachers, shares, _transfer(job, data))


def _repeated(job: Job, name: str) -> list[Given]:
    return [given for own, given in job.inputs.items() if own.split(".")[0] == name]


def _agreed_names(teachers: list[Given], data: Any) -> list[str]:
    """The classes that all teachers know."""
    first, *others = [_models.check(given, "distill", data, backends=("torch",)) for given in teachers]
    for given, names in zip(teachers[1:], others, strict=True):
        if set(names) != set(first):
            apart = _training.few(sorted(set(names) ^ set(first)))
            raise ToolkitError(f"{given.given} knows other classes than {teachers[0].given} ({apart})", "leave one out")
    return first


def _shares(job: Job, count: int) -> list[float]:
    weights = job.config.teacher_weights or [1.0] * count
    if len(weights) != count:
        raise ToolkitError(f"{len(weights)} --teacher-weights, but teachers: {count}", "give each teacher one")
    if not sum(weights):
        raise ToolkitError("all --teacher-weights are 0", "give one of them a weight")
    return [weight / sum(weights) for weight in weights]


def _check_lesson(job: Job) -> None:
    """Inner states are read beside the student's own forward pass, which not every way of computing leaves open."""
    from toolkit.compression.distill import inside
    from toolkit.training import distributed

    lesson, train = job.config.lesson, job.config.train
    if distributed.sharded(train) and (lesson.hidden_weight or lesson.attention_weight or lesson.embedding_weight):
        raise ToolkitError("sharded weights show no inner states", "leave --hidden-weight and its like out")
    if lesson.layer_map != "even" and not (lesson.hidden_weight or lesson.attention_weight):
        raise ToolkitError("--layer-map is for --hidden-weight and --attention-weight", "give one of them")
    inside.check_map(lesson.layer_map)
    if train.compile and lesson.attention_weight:
        raise ToolkitError("--compile hides the attention of --attention-weight", "leave one of them out")


def _check_mixed(job: Job, student: Path, teachers: list[Given]) -> None:
    """Mixed images are read by teachers as the student reads them.

    Raises:
        ToolkitError: they cannot.
    """
    from toolkit import reading
    from toolkit.artifacts import loading
    from toolkit.compression.distill import shared

    images = job.config.train.images
    if not images.mixup and not images.cutmix:
        return
    own, *others = (
        reading.of("image", loading.load_processor(folder), loading.load_config(folder))
        for folder in (student, *(given.path for given in teachers if given.path))
    )
    for reader in others:
        shared.of_mixed(own, reader)


def _check_compared(job: Job, student: Path, teacher: Given, pairs: bool) -> None:
    """Inner states, where they are compared, are of the same tokens or pixels, and of layers that are there.

    Raises:
        ToolkitError: they are not.
    """
    from toolkit import reading
    from toolkit.artifacts import loading
    from toolkit.compression.distill import inside, shared

    lesson, train = job.config.lesson, job.config.train
    if not (lesson.hidden_weight or lesson.attention_weight or lesson.embedding_weight) or teacher.path is None:
        return
    own, known = loading.load_config(student), loading.load_config(teacher.path)
    kind = models.reads(student)
    there: Any = reading.of(kind, loading.load_processor(teacher.path), known, wanted=train.max_length)
    length = train.max_length or getattr(there, "max_length", None)
    shared.translation(reading.of(kind, loading.load_processor(student), own, wanted=length), there, pairs)
    last: tuple[int | None, int | None] = (None, None)
    if kind == "text":
        *_, last = inside.layer_map(lesson.layer_map, own.num_hidden_layers, known.num_hidden_layers)
    if lesson.attention_weight:
        inside.check_attention(own, last[0])
        inside.check_attention(known, last[1])


def _transfer(job: Job, data: DatasetDict) -> list[tuple[Any, dict[str, int]]]:
    from datasets import concatenate_datasets

    from toolkit.compression.distill import transfer

    out: list[tuple[Any, dict[str, int]]] = []
    seen = type(data)(data)
    for name, source in _sources(job, data):
        rows, counts = transfer.chosen(source, seen, name)
        told = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items() if value and key != "rows")
        console.note(f"{name}: {len(rows)} rows to learn on" + (f"; left out: {told}" if told else ""))
        if len(rows):
            seen["train"] = concatenate_datasets([seen["train"].select_columns(rows.column_names), rows])
        out.append((rows, counts))
    return out


def _sources(job: Job, data: DatasetDict) -> Iterator[tuple[str, DatasetDict]]:
    """Where more rows come from, each with the name that is told of it."""
    from toolkit.compression.distill import transfer

    config, kind = job.config, _training.kind(data)
    for given in _repeated(job, "transfer"):
        columns = replace(config.columns, label=None, label_separator=None)
        source = inputs.load_dataset(given, columns, need_label=False, kinds=(kind,))
        yield f"--transfer {given.given}", source
    if config.spans:
        if kind != "text":
            raise ToolkitError("--spans is for texts", "crop images with --crop")
        yield f"--spans {config.spans}", transfer.spans(data["train"], config.spans, config.seed)
