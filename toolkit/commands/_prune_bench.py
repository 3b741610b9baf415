"""What a pruning works on, and how its result is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit import console, ranks
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.compression.recover import Recovery
    from toolkit.compression.sensitivity import Bench
    from toolkit.reading import Encoded
    from toolkit.training.tasks import Task

BATCH_SIZE = 32  # when timing


def begin(job: Job) -> tuple[Bench, Recovery]:
    """The model and the rows that it is tried on; how it is cut and trained back."""
    from toolkit.artifacts import loading
    from toolkit.commands import _models, _training
    from toolkit.compression import distill, recover, sensitivity
    from toolkit.compression import prune as pruning
    from toolkit.data.sample import spread
    from toolkit.training.precision import resolve_device

    given, config = job.inputs["source"], job.config
    assert given.path is not None
    names = _models.check(given, "prune", backends=("torch",))
    data = _training.relabelled(_training.splits(job), names, config.data)
    model, processor = loading.load(given.path)
    task = _training.bind(_training.kind(data), model, processor, config.train.max_length)
    rows, validation = (task.encode(data[split]) for split in ("train", "validation"))
    tried = spread(len(validation), sensitivity.MOST_ROWS)
    bench = sensitivity.Bench(
        model=model,
        task=task,
        batches=pruning.calibration(task, rows, config.calibration_rows),
        rows=sorted((validation[i] for i in tried), key=task.reader.size),
        contents=task.reader.contents(data["validation"]),
        names=names,
        importance=config.importance,
        device=resolve_device(config.train.device),
        work=job.work / "measured",
    )
    asked, smoothing = config.recovery, config.train.regularise.label_smoothing
    return bench, recover.Recovery(
        rows=_taught(job, bench, rows, data["train"]) if asked.recover else rows,
        validation=validation,
        ids=data["train"]["id"],
        config=config.train if asked.recover else None,
        rounds=asked.gradual,
        loss=distill.loss(task, asked.temperature, asked.alpha, smoothing),
        seed=config.seed,
        zeros=(config.besides.unstructured, config.besides.unstructured_scope) if config.besides.unstructured else None,
    )


def _taught(job: Job, bench: Bench, rows: Any, train: Any) -> Any:
    """The rows with the teacher's answers, in the order of the model's classes."""
    from toolkit.artifacts import loading
    from toolkit.artifacts import model as models
    from toolkit.commands import _training
    from toolkit.compression import distill

    teacher, task, encoded, own = bench.model, bench.task, rows, bench.names
    given = job.inputs.get("teacher")
    if given is not None:
        assert given.path is not None
        teacher, processor = loading.load(given.path)
        task = _training.bind(task.reader.kind, teacher, processor)
        encoded, own = task.encode(train), models.labels(given.path) or []
    kept = job.work / f"answers-{ranks.rank()}.f32"
    logits = distill.teacher_logits(teacher, task, encoded, bench.device, kept=kept)
    return distill.with_teacher(rows, logits[:, [own.index(name) for name in bench.names]])


def with_less_vocabulary(job: Job, bench: Bench, recovery: Recovery, model: Any) -> tuple[Task, dict[str, Any]]:
    """The model (in place) without the pieces that train does not use: its task then, and figures.

    In the end, because training sees the same pieces either way, under other numbers.
    """
    from toolkit.commands import _training
    from toolkit.compression import vocabulary
    from toolkit.training import trainer

    asked, reader = job.config.besides, bench.task.reader
    tokenizer, cut = vocabulary.cut(
        model, reader.processor, recovery.rows, min_count=asked.vocab_min_count, common=asked.vocab_common
    )
    console.note(f"{cut['pieces']:,} of {cut['pieces_before']:,} pieces of the vocabulary stay")
    task = _training.bind(reader.kind, model, tokenizer, job.config.train.max_length)
    validation = trainer.validate(model, task, _read_by(task, bench, recovery))
    return task, {"vocabulary": cut, "validation": validation}


def _read_by(task: Task, bench: Bench, recovery: Recovery) -> Encoded:
    """The rows of validation, encoded by another task."""
    rows = task.reader.encode(bench.contents)
    return [row | {"labels": known["labels"]} for row, known in zip(rows, recovery.validation, strict=True)]


def against(job: Job, bench: Bench, recovery: Recovery, model: Any, task: Task) -> dict[str, Any]:
    """The smaller model beside the one given: accuracy on all of validation, speed in turns, size."""
    from toolkit.artifacts import model as models
    from toolkit.compression import measure
    from toolkit.inference import predictor as predictors

    given = job.inputs["source"].path
    assert given is not None
    both = {"input": bench.model, "pruned": model}
    readers = {"input": bench.task.reader, "pruned": task.reader}
    several = models.several_of(model)
    pair = {
        name: predictors.build("torch", m, readers[name], bench.names, bench.device, several)
        for name, m in both.items()
    }
    labels = [row["labels"] for row in recovery.validation]
    figures = measure.compare(pair, bench.contents, labels, BATCH_SIZE)
    model.to("cpu")
    for name, m in both.items():
        figures[name]["parameters"] = m.num_parameters()
    figures["input"]["size_bytes"] = models.inference_bytes(given)
    figures["comparison"]["parameters_ratio"] = figures["pruned"]["parameters"] / figures["input"]["parameters"]
    return figures


def check_reloads(job: Job, bench: Bench, recovery: Recovery, model: Any, task: Task) -> None:
    """The stock classes, loaded from the artifact, say just what the model in memory says."""
    from toolkit.artifacts import loading
    from toolkit.commands import _training
    from toolkit.training import trainer

    again, processor = loading.load(job.folder)
    reloaded = _training.bind(task.reader.kind, again, processor, job.config.train.max_length)
    ours, stock = (
        trainer.answers(m, t, _read_by(t, bench, recovery)[:BATCH_SIZE])[0]
        for m, t in ((model, task), (again, reloaded))
    )
    if abs(ours - stock).max() > 1e-4:
        raise RuntimeError(f"the model in {job.folder} does not reload as it was made")
