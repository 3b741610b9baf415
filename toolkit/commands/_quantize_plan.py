"""What `quantize` settles before any work: a method that fits, options that it reads, rows apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.commands import _models, _training
from toolkit.config import changed, leaves
from toolkit.errors import ToolkitError
from toolkit.step import Job
from toolkit.training.config import TrainConfig

if TYPE_CHECKING:
    from datasets import Dataset

# Options of training that change what a model reads, or its operations, by whose names roundings are tied to it.
FLOAT = {"max_length", "attention", "compile", "checkpoint_activations"}
LEARNING = {"temperature", "alpha", *(leaf.name for leaf in leaves(TrainConfig))} - FLOAT


class Found(NamedTuple):
    """What a call comes to, labels in the model's order.

    calibrate: the rows of train that the method sees; one shows the form of all inputs. measured: the split whose rows
    are `choose` (None: nothing is chosen by them) and `report`.
    """

    names: list[str]
    kind: str
    method: str
    bits: int
    train: Dataset
    calibrate: Dataset
    measured: str
    choose: Dataset | None
    report: Dataset


@_training.once
def resolved(job: Job) -> Found:
    """The method and the rows of a call.

    Where something is chosen by rows (layers that stay in float, the best weights of a training), they are one half of
    the split that measures, and the other half reports.

    Raises:
        ToolkitError: a model, data or a method that do not go together; options that the method does not read; ONNX
            Runtime is asked for and not there; an export that cannot be.
    """
    from toolkit.compression import quantize as quantizing
    from toolkit.compression.quantize import calibration
    from toolkit.data import split
    from toolkit.training import tasks, weighting

    config, data = job.config, job.dataset
    names = _models.check(job.inputs["source"], "quantize", data, backends=("torch",))
    kind = _training.kind(data)
    method, bits = quantizing.resolve(config.backend, config.method, kind, config.bits)
    _check_options(config, method, bits)
    _check_runtime(job, kind)
    if method == "qat":
        _training.check_options(config.train, kind, tasks.find(tasks.OF_KIND[kind]))
        _training.tell_unread(job)
        _training.check_taught_images(config.train.images)
        _training.check_given(job.inputs["source"], config.train)
        weighting.named(config.train.regularise.weights or {}, names)
    split.check_children(data, config.data)
    calibrates, measured = chosen_splits(job)
    data = _training.relabelled(type(data)({s: data[s] for s in (calibrates, measured)}), names, config.data)
    train, rows = data[calibrates], data[measured]
    count = min(config.calibration_rows, len(train)) if quantizing.calibrates(method, bits) else 1
    sample = train.select(calibration.stratified(train["label"], count, config.seed))
    if method != "qat" and (method, config.backend, config.max_drop is None) != ("static", "openvino", False):
        return Found(names, kind, method, bits, train, sample, measured, None, rows)
    if len(rows) < 2:
        raise ToolkitError(
            f"{config.data} has {len(rows)} row of {measured}: one half of them chooses, the other reports",
            "give more rows",
        )
    choose, report = (rows.select(half) for half in calibration.halves(rows["label"], config.seed))
    return Found(names, kind, method, bits, train, sample, measured, choose, report)


def _check_options(config: Any, method: str, bits: int) -> None:
    """What is asked for is read by the method.

    Raises:
        ToolkitError: it is not.
    """
    from toolkit.compression import quantize as quantizing

    given = {leaf.name: leaf for leaf in changed(config)}
    smooths = config.backend == "openvino" and method in quantizing.CALIBRATED
    for names, read, by in (
        (LEARNING, method == "qat", "--method qat"),
        (FLOAT, False, "finetune, prune and distill"),
        ({"smooth_quant"}, smooths, "static and qat of openvino"),
        ({"calibration_rows"}, quantizing.calibrates(method, bits), "static, qat and --bits 4"),
    ):
        odd = [leaf.flag for name, leaf in given.items() if name in names]
        if odd and not read:
            raise ToolkitError(f"{odd[0]} is for {by}, and this is {method} of {bits} bits", f"leave {odd[0]} out")


def _check_runtime(job: Job, kind: str) -> None:
    """The runtime is there, and what is exported for it can be read without this project.

    Raises:
        ToolkitError: it is not, or cannot.
    """
    config = job.config
    if config.export not in (None, config.backend):
        raise ToolkitError(
            f"--export {config.export}: the runtime is {config.backend}", f"take --backend {config.export}"
        )
    if config.backend == "onnx":
        from toolkit.compression.quantize import onnx

        onnx.demand()
    if config.export:
        from toolkit import reading
        from toolkit.artifacts import export, loading

        path = job.inputs["source"].path
        assert path is not None
        own = loading.load_config(path)
        export.settings(reading.of(kind, loading.load_processor(path), own))


def chosen_splits(job: Job) -> tuple[str, str]:
    """The split that calibrates and the one that measures: never the same.

    Raises:
        ToolkitError: the dataset has only one.
    """
    data = job.dataset
    measured = next((s for s in ("validation", "test") if s in data), None)
    if "train" not in data or measured is None:
        raise ToolkitError(
            f"{job.config.data} has only {', '.join(data)}",
            "give train to calibrate on and validation or test to measure on: 'toolkit split' makes them",
        )
    return "train", measured
