"""What a pruning works on, and how its result is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.compression.recover import Recovery
    from toolkit.compression.sensitivity import Bench

BATCH_SIZE = 32  # when timing


def begin(job: Job) -> tuple[Bench, Recovery]:
    """The model and the rows that it is tried on; how it is cut and trained back."""
    from toolkit.artifacts import model as models
    from toolkit.commands import _models, _training
    from toolkit.compression import distill, recover, sensitivity
    from toolkit.compression import prune as pruning
    from toolkit.training.precision import resolve_device

    given, config = job.inputs["source"], job.config
    assert given.path is not None
    names = _models.check(given, "prune", backends=("torch",))
    data = _training.relabelled(_training.splits(job), names, config.data)
    model, processor = models.load(given.path)
    task = _training.bind(_training.kind(data), model, processor, config.train.max_length)
    rows, validation = (task.encode(data[split]) for split in ("train", "validation"))
    bench = sensitivity.Bench(
        model=model,
        task=task,
        batches=pruning.calibration(task, rows, config.calibration_rows),
        rows=sorted(validation[:: -(-len(validation) // sensitivity.MOST_ROWS)], key=task.reader.size),
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
    )


def _taught(job: Job, bench: Bench, rows: Any, train: Any) -> Any:
    """The rows with the teacher's answers, in the order of the model's classes."""
    from toolkit.artifacts import model as models
    from toolkit.commands import _training
    from toolkit.compression import distill

    teacher, task, encoded, own = bench.model, bench.task, rows, bench.names
    given = job.inputs.get("teacher")
    if given is not None:
        assert given.path is not None
        teacher, processor = models.load(given.path)
        task = _training.bind(task.reader.kind, teacher, processor)
        encoded, own = task.encode(train), models.labels(given.path) or []
    logits = distill.teacher_logits(teacher, task, encoded, bench.device)
    return distill.with_teacher(rows, logits[:, [own.index(name) for name in bench.names]])


def against(job: Job, bench: Bench, recovery: Recovery, model: Any) -> dict[str, Any]:
    """The smaller model beside the one given: accuracy on all of validation, speed in turns, size."""
    from toolkit.artifacts import model as models
    from toolkit.compression import measure
    from toolkit.inference import predictor as predictors

    given, reader = job.inputs["source"].path, bench.task.reader
    assert given is not None
    both = {"input": bench.model, "pruned": model}
    pair = {name: predictors.build("torch", m, reader, bench.names, bench.device) for name, m in both.items()}
    labels = [row["labels"] for row in recovery.validation]
    figures = measure.compare(pair, bench.contents, labels, BATCH_SIZE, job.config.seed)
    model.to("cpu")
    for name, m in both.items():
        figures[name]["parameters"] = m.num_parameters()
    figures["input"]["size_bytes"] = models.inference_bytes(given)
    figures["comparison"]["parameters_ratio"] = figures["pruned"]["parameters"] / figures["input"]["parameters"]
    return figures


def check_reloads(job: Job, bench: Bench, model: Any) -> None:
    """The stock class, loaded from the artifact, says just what the model in memory says."""
    from toolkit.artifacts import model as models
    from toolkit.training import trainer

    again, _ = models.load(job.folder)
    ours, stock = (trainer.answers(m, bench.task, bench.rows[:BATCH_SIZE])[0] for m in (model, again))
    if abs(ours - stock).max() > 1e-4:
        raise RuntimeError(f"the model in {job.folder} does not reload as it was made")
