"""`toolkit quantize`: INT8, measured against the input model on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console
from toolkit.config import GATE, Config, Input
from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError
from toolkit.step import Gate, Job, Step


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to quantize."), Input("model")]
    data: Annotated[
        str,
        Option(help="Rows: train calibrates, validation (else test) measures.", show_default=False),
        Input("dataset"),
    ]
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    calibration_rows: Annotated[int, Option(help="Rows that show the activations' ranges.", min=1)] = 300
    batch_size: Annotated[int, Option(help="Rows a batch when timing.", min=1)] = 32
    max_drop: Annotated[float | None, Option(help="Gate: accuracy that may be lost, e.g. 0.005.", min=0.0), GATE] = None
    min_speedup: Annotated[
        float | None, Option(help="Gate: times the input model's samples a second.", min=0.0), GATE
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        Option(help="Where the input model is measured; auto: as INT8, on the CPU."),
    ] = "auto"


def judge(config: QuantizeConfig, figures: dict[str, Any]) -> list[Gate]:
    found = []
    if config.max_drop is not None:
        drop = figures["comparison"]["accuracy_drop"]["value"]
        found.append({"name": "max_drop", "bound": config.max_drop, "value": drop, "passed": drop <= config.max_drop})
    if config.min_speedup is not None:
        speedup = figures["comparison"]["speedup"]
        found.append(
            {
                "name": "min_speedup",
                "bound": config.min_speedup,
                "value": speedup,
                "passed": speedup >= config.min_speedup,
            }
        )
    return found


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _models
    from toolkit.data import split

    names = _models.check(job.inputs["source"], "quantize", job.dataset, backends=("torch",))
    split.check_children(job.dataset, job.config.data)
    calibration, measured = chosen_splits(job)
    _models.labels_in_order(job.dataset[measured], names, job.config.data)
    rows = {name: len(part) for name, part in job.dataset.items()}
    return {"rows": rows, "calibrates_on": calibration, "measures_on": measured}


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
            "give train to calibrate on and validation or test to measure on",
        )
    return "train", measured


def quantize(job: Job) -> None:
    """INT8 by NNCF calibration for OpenVINO, timed against the input model on this machine.

    --max-drop and --min-speedup are gates: exit code 3 where one is not met (the model is written all the same).
    """
    from toolkit import reading
    from toolkit.artifacts import manifest, report
    from toolkit.artifacts import model as models
    from toolkit.commands import _models
    from toolkit.compression import measure
    from toolkit.compression import quantize as quantizing
    from toolkit.inference import predictor as predictors
    from toolkit.training.precision import resolve_device

    given, config = job.inputs["source"], job.config
    assert given.path is not None
    names = _models.check(given, "quantize", backends=("torch",))
    calibration, measured = chosen_splits(job)
    train, rows = job.dataset[calibration], job.dataset[measured]
    labels = _models.labels_in_order(rows, names, config.data)
    model, processor = models.load(given.path)
    reader = reading.of("text", processor, model.config)
    sample = train.select(quantizing.stratified(train["label"], min(config.calibration_rows, len(train)), config.seed))
    batches = [reader.batch([row]) for row in reader.encode(reader.contents(sample))]
    quantized = quantizing.int8(quantizing.to_openvino(model, list(batches[0])), batches)
    models.save_openvino(job.folder, quantized, model.config, processor)

    pair = {
        "input": predictors.build(
            "torch", model, reader, names, resolve_device("cpu" if config.device == "auto" else config.device)
        ),
        "quantized": predictors.build("openvino", models.load_for_inference(job.folder)[0], reader, names, "cpu"),
    }
    figures = measure.compare(pair, reader.contents(rows), labels, config.batch_size, config.seed)
    parameters = sum(p.numel() for p in model.parameters())
    sizes = {"input": models.inference_bytes(given.path), "quantized": models.inference_bytes(job.folder)}
    for name, size in sizes.items():
        figures[name]["size_bytes"] = size
    figures["comparison"]["size_ratio"] = sizes["quantized"] / sizes["input"]
    figures["model"] = {"parameters": parameters, "size_bytes": sizes["quantized"]}
    figures["measured_on"] = {"split": measured, "rows": len(rows)}
    manifest.write_json(job.folder / "metrics.json", figures)
    tell(job, figures)
    flat = {f"{g}.{k}": v for g in ("comparison", "model") for k, v in figures[g].items()}
    lines = ["Run it with `toolkit predict DIR --data …`, OpenVINO or optimum-intel."]
    (job.folder / "README.md").write_text(
        models.card(f"{given.given}, INT8", "text-classification", names, flat, lines), encoding="utf-8"
    )
    report.write(job.folder, page(job, figures))
    job.metrics |= {key: figures["comparison"][key] for key in ("speedup", "size_ratio", "flipped")}
    job.metrics |= {
        "accuracy": figures["quantized"]["accuracy"],
        "accuracy_drop": figures["comparison"]["accuracy_drop"]["value"],
    }
    job.metrics |= figures["model"]


def rows_of(figures: dict[str, Any]) -> list[list[Any]]:
    """The comparison as a table's rows: figure, input, quantized."""
    a, b = figures["input"], figures["quantized"]
    return [
        ["accuracy", f"{a['accuracy']:.4f}", f"{b['accuracy']:.4f}"],
        ["samples a second", f"{a['samples_per_second']:,.0f}", f"{b['samples_per_second']:,.0f}"],
        ["latency p50, ms", f"{a['latency_ms']['p50']:.2f}", f"{b['latency_ms']['p50']:.2f}"],
        ["latency p95, ms", f"{a['latency_ms']['p95']:.2f}", f"{b['latency_ms']['p95']:.2f}"],
        ["bytes", f"{a['size_bytes']:,}", f"{b['size_bytes']:,}"],
    ]


def tell(job: Job, figures: dict[str, Any]) -> None:
    from toolkit.compression import measure

    comparison = figures["comparison"]
    drop = comparison["accuracy_drop"]
    title = (
        f"{comparison['speedup']:.2f} times the samples a second, accuracy lost {drop['value']:.4f} "
        f"(95% interval {drop['low']:.4f} to {drop['high']:.4f})"
    )
    console.table(title, ("figure", "input", "quantized"), rows_of(figures))
    if comparison["speedup"] < 1:
        job.warn(
            f"INT8 is slower than the input model here ({comparison['speedup']:.2f} times): {measure.slow_reason()}"
        )


def page(job: Job, figures: dict[str, Any]) -> dict[str, Any]:
    """The report: input against quantized."""
    comparison = figures["comparison"]
    drop = comparison["accuracy_drop"]
    return {
        "title": "Quantization report",
        "kicker": "toolkit quantize",
        "lead": f"{comparison['speedup']:.2f} times the samples a second, {comparison['size_ratio']:.0%} of the size, "
        f"accuracy lost {drop['value']:.4f} (95% interval {drop['low']:.4f} to {drop['high']:.4f}).",
        "lang": "en",
        "cards": [
            {"label": "speed-up", "value": f"{comparison['speedup']:.2f}×", "note": f"batch {job.config.batch_size}"},
            {"label": "size", "value": f"{comparison['size_ratio']:.0%}", "note": "of the input model"},
            {"label": "predictions flipped", "value": f"{comparison['flipped']:.2%}", "note": ""},
        ],
        "sections": [
            {
                "title": "Side by side",
                "text": "Timed in turns in one process; the median round counts.",
                "table": {"columns": ["figure", "input", "quantized"], "rows": rows_of(figures)},
            }
        ],
        "footer": job.footer(),
    }


STEP = Step(name="quantize", kind="model", config=QuantizeConfig, run=quantize, plan=plan, judge=judge, measures=True)
