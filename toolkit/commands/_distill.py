"""How `distill` works: teachers, student, what is learned, training, comparison."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import console, ranks
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.commands import _distill_report, _trained, _training
from toolkit.commands._distill_plan import Settled, settled
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.compression.distill.inside import Inside
    from toolkit.compression.distill.shared import Translate
    from toolkit.reading import Encoded
    from toolkit.training.config import Images
    from toolkit.training.tasks import Task


class Teacher(NamedTuple):
    """A loaded teacher, and where in its answers the student's classes are."""

    model: Any
    task: Task
    names: list[str]
    order: list[int]


class Asked(NamedTuple):
    """Teachers ready to be asked."""

    found: Settled
    teachers: list[Teacher]
    device: str
    number_format: str
    temperature: float

    def together(self, told: list[Any]) -> Any:
        """What all say, from the logits of each (rows, classes in the student's order)."""
        from toolkit.compression.distill import answers

        several = models.several_of(self.teachers[0].model)
        return answers.combined(told, self.found.shares, self.temperature, several)


def run(job: Job) -> None:
    """Load, ask, train, compare and publish."""
    from toolkit.compression.distill import losses
    from toolkit.training import precision, trainer

    found, config = settled(job), job.config
    teachers = [_load(given, found, job) for given in found.teachers]
    rows, own = [found.data["train"], *(rows for rows, _ in found.transfer)], teachers[0]
    student, task, scratch = _student(job, found, own)
    inside = _inside(job, student, task, own, rows[0])
    device, number_format = precision.resolve(student, replace(config.train, compile=False))[:2]
    encoded = [row for part in rows for row in task.encode(part)]
    asked = Asked(found, teachers, device, number_format, config.lesson.temperature)
    views = _views(asked, task, _images(job, task, scratch))
    answers = _answers(asked, rows, task, encoded, job.work)
    smoothing = config.train.regularise.label_smoothing
    with ExitStack() as beside:
        live = _live(asked, views, beside)
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
            loss=losses.loss(task, config.lesson.temperature, config.lesson.alpha, smoothing, live=live, inside=inside),
            reads_hidden=inside is not None,
            ids=[id_ for part in rows for id_ in part["id"]],
        )
    if not ranks.leads():
        return
    figures |= _compared(asked, student, task)
    chosen = job.inputs.get("student")
    title = f"{chosen.title if chosen else config.student} distilled from {found.teachers[0].title}"
    _trained.write(job, student, task, figures, title, lambda: _distill_report.against_teacher(figures))
    console.note(_distill_report.lead(figures))
    job.metrics |= {"agreement": figures["comparison"]["agreement"]["value"]}


def _load(given: Given, found: Settled, job: Job) -> Teacher:
    assert given.path is not None
    model, processor = loading.load(given.path)
    names = models.labels(given.path) or []
    task = _training.bind(_training.kind(found.data), model, processor, job.config.train.max_length)
    return Teacher(model, task, names, [names.index(name) for name in found.names])


def _student(job: Job, found: Settled, teacher: Teacher) -> tuple[Any, Task, bool]:
    """The student, its task, and whether its weights are new."""
    from toolkit.compression.distill import students
    from toolkit.data.sample import spread

    config, given = job.config, job.inputs.get("student")
    resolution = config.train.images.resolution
    if given is None:
        train = found.data["train"]
        some = train.select(spread(len(train), students.CALIBRATION))
        model = students.made(teacher.model, config.student, teacher.task, teacher.task.encode(some))
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

    lesson = job.config.lesson
    weights = inside.Weights(lesson.hidden_weight, lesson.attention_weight, lesson.embedding_weight)
    if not any(weights):
        return None
    translate = shared.translation(task.reader, teacher.task.reader, "text_pair" in rows.column_names)
    sample = task.collate(task.reader.encode(task.reader.contents(rows.select(range(2)))))
    return inside.matched(student, teacher.model, translate, lesson.layer_map, weights, sample)


def _answers(asked: Asked, rows: list[Any], own: Task, encoded: Encoded, work: Path) -> Any:
    """What the teachers say together of all rows, classes in the student's order.

    Args:
        own: the student's task, which has `encoded` them.
    """
    from toolkit.compression.distill import answers

    told = []
    for number, (model, task, _, order) in enumerate(asked.teachers):
        read = encoded if task is own else [row for part in rows for row in task.encode(part)]
        kept = work / f"answers-{number}-{ranks.rank()}.f32"
        said = answers.teacher_logits(model, task, read, asked.device, number_format=asked.number_format, kept=kept)
        told.append(said[:, order])
    return asked.together(told)


def _images(job: Job, task: Task, scratch: bool) -> Images | None:
    """How images are varied; None where they are not, or where there are none."""
    from toolkit.training.config import varied

    if task.reader.kind != "image":
        return None
    images = varied(job.config.train.images, "scratch" if scratch else "pretrained")
    return images if images.flip or (images.crop or 1) < 1 or images.mixup or images.cutmix else None


def _views(asked: Asked, task: Task, images: Images | None) -> list[Translate]:
    """How teachers look at images that are varied for the student, if they can (Beyer et al., 2022).

    Raises:
        ToolkitError: they cannot, and images are mixed.
    """
    from toolkit.compression.distill import shared

    if images is None:
        return []
    mixed = images.mixup or images.cutmix
    seen = shared.of_mixed if mixed else shared.of_pixels
    try:
        return [seen(task.reader, teacher.task.reader) for teacher in asked.teachers]
    except ToolkitError as e:
        if mixed:
            raise
        console.note(f"the teacher's answers are those to whole images: {e.message}")
        return []


def _live(asked: Asked, views: list[Translate], beside: ExitStack) -> Any:
    """What the teachers say of a batch while the student learns; None where what they have said holds."""
    from toolkit.compression.distill import answers

    if not views:
        return None
    asks = [
        beside.enter_context(answers.answering(teacher.model, asked.device, asked.number_format))
        for teacher in asked.teachers
    ]

    def live(batch: dict[str, Any]) -> Any:
        told = [ask(translate(batch)) for ask, translate in zip(asks, views, strict=True)]
        return asked.together([said[:, t.order] for said, t in zip(told, asked.teachers, strict=True)])

    return live


def _compared(asked: Asked, student: Any, task: Task) -> dict[str, Any]:
    """Figures of student and teachers on validation."""
    from toolkit.compression.distill import compare
    from toolkit.evaluation import metrics
    from toolkit.inference import predictor as predictors

    found = asked.found
    rows, several = found.data["validation"], models.several_of(student)
    labels = rows.with_format("arrow")[:].column("label").to_pylist()
    right = metrics.coded(labels, len(found.names), several)
    own, *others = [
        predictors.build("torch", model, read.reader, names, asked.device, several)
        for model, read, names in [(student, task, found.names), *((t.model, t.task, t.names) for t in asked.teachers)]
    ]
    figures = compare.compared(own, others, found.shares, rows, right)
    paths = [given.path for given in found.teachers if given.path]
    figures["teacher"] |= {
        "parameters": sum(p.numel() for teacher in asked.teachers for p in teacher.model.parameters()),
        "size_bytes": sum(map(models.inference_bytes, paths)),
    }
    student.to("cpu")
    if others[1:]:
        figures["teacher"]["weights"] = {
            f"{number}: {given.title}": share
            for number, (given, share) in enumerate(zip(found.teachers, found.shares, strict=True), start=1)
        }
    if found.transfer:
        counts = [part for _, part in found.transfer]
        figures["transfer"] = {key: sum(part[key] for part in counts) for key in counts[0]}
    return figures
