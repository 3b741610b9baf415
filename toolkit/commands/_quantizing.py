"""How `quantize` makes a model for each runtime. A runtime is a function and a line in `RUNTIMES`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit import console

if TYPE_CHECKING:
    from toolkit.commands._quantize_plan import Found
    from toolkit.step import Job
    from toolkit.training.tasks import Task


def to_openvino(job: Job, found: Found, model: Any, task: Task, batches: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the OpenVINO model; gives what metrics.json says of its making."""
    from toolkit.artifacts import converted
    from toolkit.artifacts import model as models
    from toolkit.compression.quantize import calibration, openvino
    from toolkit.evaluation import metrics

    config, told = job.config, dict[str, Any]()
    if found.method == "qat":
        graph, told = learned(job, found, model, task, batches)
    elif found.method == "weights":
        graph = openvino.weights(model, batches, found.bits)
    elif found.method == "fp16":
        graph = openvino.convert(model, batches[0])
    elif found.choose is None:
        graph = openvino.static(model, batches, config.smooth_quant)
    else:
        rows = task.encode(found.choose)
        several = models.several_of(model)
        labels = (metrics.coded([row["labels"]], len(found.names), several) for row in rows)
        chosen = [*zip(calibration.batches(task.reader, rows), labels, strict=True)]
        graph = openvino.static_within(model, batches, chosen, config.max_drop, config.smooth_quant)
        told = {"float_layers": openvino.float_layers(graph)}
        console.note(f"layers left in float: {', '.join(told['float_layers']) or 'none'}")
    converted.save_openvino(job.folder, graph, model.config, task.reader.processor, half=found.method == "fp16")
    return told


def to_onnx(job: Job, found: Found, model: Any, task: Task, batches: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the ONNX model."""
    from toolkit.artifacts import converted
    from toolkit.compression.quantize import onnx

    graph = {"dynamic": onnx.dynamic, "static": onnx.static}[found.method](model, batches, job.work)
    converted.save_onnx(job.folder, graph, model.config, task.reader.processor)
    return {}


def to_torch(job: Job, found: Found, model: Any, task: Task, batches: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the weights as safetensors, in INT8 or in 16 bits."""
    import copy

    from toolkit.artifacts import converted, loading
    from toolkit.compression.quantize import torch as of_torch

    if found.method == "dynamic":
        state = of_torch.dynamic(model)
        converted.save_int8(job.folder, state, model.config, task.reader.processor, of_torch.CONFIG)
    else:
        half = copy.deepcopy(model).to(of_torch.FLOATS[found.method])
        loading.save(job.folder, half, task.reader.processor)
    return {}


def learned(
    job: Job, found: Found, model: Any, task: Task, batches: list[dict[str, Any]]
) -> tuple[Any, dict[str, Any]]:
    """Quantization-aware training, the input model as teacher: an OpenVINO graph, and the training's figures."""
    import copy
    import shutil

    from toolkit.compression import distill
    from toolkit.compression.quantize import openvino, qat, tracing
    from toolkit.training import trainer
    from toolkit.training.precision import resolve_device

    openvino.convert(model, batches[0])  # what cannot be converted is refused before anything is learned
    config, train = job.config, qat.settled(job.config.train)
    rows = task.encode(found.train)
    logits = distill.teacher_logits(model, task, rows, resolve_device(train.device))
    student = qat.prepare(copy.deepcopy(model), batches, config.smooth_quant)
    with tracing.in_fast_forms(student):
        figures = trainer.train(
            student,
            task,
            distill.with_teacher(rows, logits),
            task.encode(found.choose),
            train,
            job.work,
            seed=config.seed,
            loss=distill.loss(task, config.temperature, config.alpha, train.regularise.label_smoothing),
            ids=found.train["id"],
            hooked=True,
        )
    graph = qat.finish(student, batches[0])
    shutil.move(job.work / "logs", job.folder / "logs")
    return graph, {"train": figures["train"]}


RUNTIMES = {"openvino": to_openvino, "onnx": to_onnx, "torch": to_torch}
