"""How `distill` works: what is settled before any work, then teachers, student, lesson, training and comparison."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import console, inputs, ranks
from toolkit.artifacts import model as models
from toolkit.commands import _distill_report, _models, _training
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Job

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.compression.distill.inside import Inside
    from toolkit.training.tasks import Task

HIDDEN_WEIGHT = 1.0  # where none is given and it can be


class Settled(NamedTuple):
    """What was found and checked before any work."""

    data: DatasetDict  # train and validation (and what else there is), classes in the order of `names`
    names: list[str]
    teachers: list[Given]
    shares: list[float]  # of the teachers, adding up to one
    transfer: list[tuple[Any, dict[str, int]]]  # rows without labels, and what of their source was left out


class Teacher(NamedTuple):
    """A loaded teacher, and where in its answers the student's classes are."""

    model: Any
    task: Task
    names: list[str]
    order: list[int]


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
    given = job.inputs.get("student")
    if given:
        given = job.inputs["student"] = _training.checked_model(given, data)
        own = models.labels(given.path) if given.path else None
        names = own if own and set(own) == set(names) else names
    else:
        from toolkit.compression.distill import students

        assert teachers[0].path is not None
        students.check(job.config.student, models.read_config(teachers[0].path))
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
        raise ToolkitError(f"{len(weights)} --teacher-weights for {count} teachers", "give each teacher one")
    if not sum(weights):
        raise ToolkitError("all --teacher-weights are 0", "give one of them a weight")
    return [weight / sum(weights) for weight in weights]


def _check_lesson(job: Job) -> None:
    """Inner states are read beside the student's own forward pass, which not every way of computing leaves open."""
    from toolkit.training import distributed

    lesson, train = job.config.lesson, job.config.train
    if distributed.sharded(train) and (lesson.hidden_weight or lesson.attention_weight or lesson.embedding_weight):
        raise ToolkitError("sharded weights show no inner states", "leave --hidden-weight and its like out")
    if train.compile and lesson.attention_weight:
        raise ToolkitError("--compile hides the attention of --attention-weight", "leave one of them out")


def _transfer(job: Job, data: DatasetDict) -> list[tuple[Any, dict[str, int]]]:
    from datasets import concatenate_datasets

    from toolkit.compression.distill import transfer

    out: list[tuple[Any, dict[str, int]]] = []
    seen = type(data)(data)
    for given in _repeated(job, "transfer"):
        columns = replace(job.config.columns, label=None, label_separator=None)
        source = inputs.load_dataset(given, columns, need_label=False, kinds=(_training.kind(data),))
        rows, counts = transfer.chosen(source, seen, f"--transfer {given.given}")
        told = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items() if value and key != "rows")
        console.note(f"{given.given}: {len(rows)} rows to learn on" + (f"; left out: {told}" if told else ""))
        if len(rows):
            seen["train"] = concatenate_datasets([seen["train"].select_columns(rows.column_names), rows])
        out.append((rows, counts))
    return out


def run(job: Job) -> None:
    from toolkit.compression.distill import losses
    from toolkit.training import trainer
    from toolkit.training.precision import resolve_device

    found, config = settled(job), job.config
    device = resolve_device(config.train.device)
    teachers = [_load(given, found, job) for given in found.teachers]
    rows, own = [found.data["train"], *(rows for rows, _ in found.transfer)], teachers[0]
    student, task, scratch = _student(job, found, own)
    inside = _inside(job, student, task, own, rows[0])
    encoded = [row for part in rows for row in task.encode(part)]
    answers = _answers(job, found, teachers, rows, device)
    with ExitStack() as beside:
        live = _live(job, found, teachers, task, scratch, device, beside)
        if inside:
            beside.enter_context(inside.attached(device, config.seed))
        figures = trainer.train(
            student,
            task,
            losses.with_teacher(encoded, answers, len(rows[0])),
            task.encode(found.data["validation"]),
            config.train,
            job.work,
            seed=config.seed,
            scratch=scratch,
            loss=losses.loss(
                task,
                config.lesson.temperature,
                config.lesson.alpha,
                config.train.regularise.label_smoothing,
                live=live,
                inside=inside,
            ),
            reads_hidden=inside is not None,
            ids=[id_ for part in rows for id_ in part["id"]],
        )
    if not ranks.leads():
        return
    figures |= _compared(job, found, student, task, teachers, device)
    title = f"{config.student} distilled from {found.teachers[0].given}"
    _training.publish(job, student, task, figures, title, lambda: _distill_report.against_teacher(figures))
    job.metrics |= {"agreement": figures["comparison"]["agreement"]["value"]}


def _load(given: Given, found: Settled, job: Job) -> Teacher:
    assert given.path is not None
    model, processor = models.load(given.path)
    names = models.labels(given.path) or []
    task = _training.bind(_training.kind(found.data), model, processor, job.config.train.max_length)
    return Teacher(model, task, names, [names.index(name) for name in found.names])


def _student(job: Job, found: Settled, teacher: Teacher) -> tuple[Any, Task, bool]:
    """The student, its task, and whether its weights are new."""
    from toolkit.compression.distill import students

    config, given = job.config, job.inputs.get("student")
    resolution = config.train.images.resolution
    if given is None:
        model = students.made(teacher.model, config.student, teacher.task, teacher.task.encode(found.data["train"]))
        if resolution:
            from toolkit.training.resolution import change

            model, processor = change(model, teacher.task.reader.processor, resolution)
            return model, _training.bind("image", model, processor), False
        return model, teacher.task, False
    reader: Any = teacher.task.reader  # beyond what the teacher reads it has nothing to teach
    length = config.train.max_length or getattr(reader, "max_length", None)
    model, task = _training.load_given(given, found.names, found.data["train"], config.seed, length, resolution)
    return model, task, given.path is None


def _inside(job: Job, student: Any, task: Task, teacher: Teacher, rows: Any) -> Inside | None:
    """What is compared of the inner states of the student and the first teacher; None for nothing."""
    from toolkit.compression.distill import inside, shared
    from toolkit.training import distributed

    lesson = job.config.lesson
    hidden = HIDDEN_WEIGHT * (not distributed.sharded(job.config.train))
    hidden = hidden if lesson.hidden_weight is None else lesson.hidden_weight
    weights = inside.Weights(hidden, lesson.attention_weight, lesson.embedding_weight)
    if not any(weights):
        return None
    sample = task.collate(task.reader.encode(task.reader.contents(rows.select(range(2)))))
    try:
        translate = shared.translation(task.reader, teacher.task.reader, "text_pair" in rows.column_names)
        return inside.matched(student, teacher.model, translate, lesson.layer_map, weights, sample)
    except ToolkitError as e:
        if lesson.hidden_weight is not None or lesson.attention_weight or lesson.embedding_weight:
            raise
        console.note(f"the answers alone are learned, not hidden states: {e.message}")
        return None


def _answers(job: Job, found: Settled, teachers: list[Teacher], rows: list[Any], device: str) -> Any:
    """What the teachers say together of all rows, classes in the student's order."""
    from toolkit.compression.distill import answers
    from toolkit.training import precision

    told = []
    for number, (model, task, _, order) in enumerate(teachers):
        plain = replace(job.config.train, attention="auto", compile=False)
        encoded = [row for part in rows for row in task.reader.encode(task.reader.contents(part))]
        kept = job.work / f"answers-{number}-{ranks.rank()}.f32"
        said = answers.teacher_logits(
            model, task, encoded, device, number_format=precision.resolve(model, plain).format, kept=kept
        )
        told.append(said[:, order])
    return answers.combined(told, found.shares, job.config.lesson.temperature, models.several_of(teachers[0].model))


def _live(
    job: Job, found: Settled, teachers: list[Teacher], task: Task, scratch: bool, device: str, beside: ExitStack
) -> Any:
    """Where images are varied, the teachers look at what the student sees (Beyer et al., 2022), if they can."""
    from toolkit.compression.distill import answers, shared
    from toolkit.training import precision
    from toolkit.training.config import for_images

    if task.reader.kind != "image":
        return None
    images = for_images(job.config.train, "scratch" if scratch else "pretrained").images
    mixes = bool(images.mixup or images.cutmix)
    if not (images.flip or (images.crop or 1) < 1 or mixes):
        return None
    try:
        translates = [shared.translation(task.reader, teacher.task.reader, False) for teacher in teachers]
    except ToolkitError as e:
        if mixes:
            raise ToolkitError(
                f"a teacher cannot judge mixed images: {e.message}", "leave --mixup and --cutmix out"
            ) from e
        console.note(f"the teacher's answers are those to whole images: {e.message}")
        return None
    plain = replace(job.config.train, attention="auto", compile=False)
    asks = [
        beside.enter_context(answers.answering(t.model, device, precision.resolve(t.model, plain).format))
        for t in teachers
    ]
    several = models.several_of(teachers[0].model)

    def live(batch: dict[str, Any]) -> Any:
        told = [
            ask(translate(batch))[:, teacher.order]
            for ask, translate, teacher in zip(asks, translates, teachers, strict=True)
        ]
        return answers.combined(told, found.shares, job.config.lesson.temperature, several)

    return live


def _compared(
    job: Job, found: Settled, student: Any, task: Task, teachers: list[Teacher], device: str
) -> dict[str, Any]:
    """Figures of student and teachers on validation."""
    import numpy as np

    from toolkit.compression.distill import compare
    from toolkit.evaluation import metrics
    from toolkit.inference import predictor as predictors

    rows, several = found.data["validation"], models.several_of(student)
    labels = rows.with_format("arrow")[:].column("label").to_pylist()
    right = metrics.several_hot(labels, len(found.names)) if several else np.array(labels)
    own, *others = [
        predictors.build("torch", model, read.reader, names, device, several)
        for model, read, names in [(student, task, found.names), *((t.model, t.task, t.names) for t in teachers)]
    ]
    figures = compare.compared(own, others, found.shares, rows, right, job.config.seed)
    paths = [given.path for given in found.teachers if given.path]
    figures["teacher"] |= {
        "parameters": sum(p.numel() for teacher in teachers for p in teacher.model.parameters()),
        "size_bytes": sum(map(models.inference_bytes, paths)),
    }
    student.to("cpu")
    if found.transfer:
        counts = [part for _, part in found.transfer]
        figures["transfer"] = {key: sum(part[key] for part in counts) for key in counts[0]}
    return figures
