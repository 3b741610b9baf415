"""`toolkit quantize`: fewer bits, measured against the input model on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit.commands import _training
from toolkit.config import GATE, Bounds, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Gate, Job, Step
from toolkit.training.config import ADJUSTABLE, TrainConfig

if TYPE_CHECKING:
    from toolkit.commands._quantize_plan import Found
    from toolkit.training.tasks import Task


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to quantize."), Input("model")]
    data: Annotated[
        str,
        Option(help="Rows: train calibrates, validation (else test) measures.", show_default=False),
        Input("dataset"),
    ]
    columns: ContentOptions = field(default_factory=ContentOptions)
    method: Annotated[
        Literal["static", "dynamic", "qat", "weights", "fp16", "bf16"] | None,
        Option(
            help="INT8 with calibrated ranges, with ranges found at run time, or learned; or weights alone.",
            show_default="static; dynamic: onnx of texts, torch",
        ),
    ] = None
    backend: Annotated[Literal["openvino", "onnx", "torch"], Option(help="The runtime.")] = "openvino"
    bits: Annotated[int | None, Option(help="Of a weight; 4: --method weights.", min=4, max=16, show_default="8")] = (
        None
    )
    calibration_rows: Annotated[int, Option(help="Rows that show the activations' ranges.", min=1)] = 300
    max_drop: Annotated[
        float | None,
        Option(
            help="Gate: accuracy that may be lost, e.g. 0.005; static of openvino leaves layers in float for it.",
            min=0.0,
        ),
    ] = None
    min_speedup: Annotated[
        float | None, Option(help="Gate: times the input model's samples a second.", min=0.0), GATE
    ] = None
    export: Annotated[
        Literal["openvino", "onnx"] | None,
        Option(help="Add what runs the model without this project.", show_default="none"),
    ] = None
    smooth_quant: Annotated[float | None, Bounds(-1, 1)] = None  # static, qat: SmoothQuant's alpha (0.95); -1: none
    temperature: Annotated[float, Option(help="qat: softens both sides' probabilities.", min=0.1, max=100.0)] = 2.0
    alpha: Annotated[
        float, Option(help="qat: weight of the input model as teacher; the labels have the rest.", min=0.0, max=1.0)
    ] = 0.9
    train: TrainConfig = field(default_factory=TrainConfig)


def judge(config: QuantizeConfig, figures: dict[str, Any]) -> list[Gate]:
    found = figures["comparison"]
    bounds = [
        ("max_drop", config.max_drop, found["accuracy_drop"]["value"], -1),
        ("min_speedup", config.min_speedup, found["speedup"], 1),
    ]
    return [
        {"name": name, "bound": bound, "value": value, "passed": sign * value >= sign * bound}
        for name, bound, value, sign in bounds
        if bound is not None
    ]


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands._quantize_plan import resolved

    found, config = resolved(job), job.config
    rows = {"calibrate": len(found.calibrate), "report": len(found.report)}
    rows |= {"choose": len(found.choose)} if found.choose else {}
    told = {"backend": config.backend, "method": found.method, "bits": found.bits, "measures_on": found.measured}
    return told | {"rows": rows}


def quantize(job: Job) -> None:
    """INT8 (or INT4, FP16, BF16) for OpenVINO, ONNX Runtime or torch, timed against the input model on this machine.

    --max-drop and --min-speedup are gates: exit code 3 where one is not met (the model is written all the same).
    """
    from toolkit.artifacts import export, loading, manifest, report
    from toolkit.artifacts import model as models
    from toolkit.commands import _quantize_report, _quantizing
    from toolkit.commands._quantize_plan import resolved
    from toolkit.compression import quantize as quantizing
    from toolkit.compression.quantize import calibration

    config, found, given = job.config, resolved(job), job.inputs["source"]
    assert given.path is not None
    model, processor = loading.load(given.path)
    task = _training.bind(found.kind, model, processor)
    calibrates = quantizing.calibrates(found.method, found.bits)
    if calibrates and len(found.train) < config.calibration_rows:
        job.warn(f"train has {len(found.train)} rows, fewer than --calibration-rows: all of them calibrate")
    batches = calibration.batches(task.reader, task.reader.encode(task.reader.contents(found.calibrate)))
    made = _quantizing.RUNTIMES[config.backend](job, found, model, task, batches)
    lines = []
    if config.export:  # before the sizes are measured
        pairs = "text_pair" in found.report.column_names
        several = models.several_of(model)
        lines = export.export(job.folder, config.export, task.reader, found.names, several, pairs)
    figures = measured(job, found, model, task)
    figures["quantization"] = {"backend": config.backend, "method": found.method, "bits": found.bits} | made
    if calibrates:
        figures["quantization"]["calibration_rows"] = len(batches)
    manifest.write_json(job.folder / "metrics.json", figures)
    _quantize_report.tell(job, figures)
    card = _quantize_report.card(given.title, found, figures, job.warnings, lines)
    (job.folder / "README.md").write_text(card, encoding="utf-8")
    report.write(job.folder, _quantize_report.page(job, figures))
    job.metrics |= {key: figures["comparison"][key] for key in ("speedup", "size_ratio", "flipped")}
    job.metrics |= {
        "accuracy": figures["quantized"]["accuracy"],
        "accuracy_drop": figures["comparison"]["accuracy_drop"]["value"],
    }
    job.metrics |= figures["model"]


def measured(job: Job, found: Found, model: Any, task: Task) -> dict[str, Any]:
    """The finished artifact beside the input model on the rows that report."""
    from toolkit.artifacts import loading
    from toolkit.artifacts import model as models
    from toolkit.commands import _fresh
    from toolkit.compression import measure
    from toolkit.inference import predictor as predictors

    path, reader = job.inputs["source"].path, task.reader
    assert path is not None
    quantized = loading.load_for_inference(job.folder)[0]
    several = models.several_of(model)
    pair = {
        "input": predictors.build("torch", model, reader, found.names, "cpu", several),
        "quantized": predictors.build(models.backend(job.folder), quantized, reader, found.names, "cpu", several),
    }
    contents, labels = reader.contents(found.report), list(found.report["label"])
    figures = measure.compare(pair, contents, labels, BATCH_SIZE)
    sizes = {"input": models.inference_bytes(path), "quantized": models.inference_bytes(job.folder)}
    for name, folder in (("input", path), ("quantized", job.folder)):
        figures[name]["size_bytes"] = sizes[name]
        figures[name] |= _fresh.measure(folder, contents)
    figures["comparison"]["size_ratio"] = sizes["quantized"] / sizes["input"]
    parameters = sum(p.numel() for p in model.parameters())
    figures["model"] = {"parameters": parameters, "size_bytes": sizes["quantized"]}
    figures["measured_on"] = {"split": found.measured, "rows": len(found.report)}
    if found.kind == "text":
        sizes_of_rows = [reader.size(row) for row in reader.encode(contents)]
        figures["measured_on"]["tokens"] = round(sum(sizes_of_rows) / len(sizes_of_rows), 1)
    if found.choose is not None:
        figures["measured_on"]["chosen_on"] = len(found.choose)
    return figures


BATCH_SIZE = 32  # at which samples a second are counted

STEP = Step(
    name="quantize",
    kind="model",
    config=QuantizeConfig,
    run=quantize,
    plan=plan,
    judge=judge,
    measures=True,
    version=4,
    resumable=True,
    adjustable=ADJUSTABLE,
    takes=("text", "image"),
)
