"""`toolkit evaluate`: quality with intervals, and speed and size measured here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console, gates
from toolkit.config import GATE, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Gate, Job, Step

SHEET = 48  # images on the sheet of errors


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to evaluate."), Input("model")]
    data: Annotated[str, Option(help="Rows to evaluate on.", show_default=False), Input("dataset")]
    columns: ContentOptions = field(default_factory=ContentOptions)
    split: Annotated[str, Option(help="The split to evaluate on.")] = "test"
    batch_size: Annotated[int, Option(help="Rows a batch when predicting; timed besides 32.", min=1)] = 32
    min: Annotated[
        list[str] | None, Option(metavar="PATH=BOUND", help="Gate: least value, e.g. quality.accuracy=0.9."), GATE
    ] = None
    max: Annotated[
        list[str] | None, Option(metavar="PATH=BOUND", help="Gate: most, e.g. efficiency.latency_ms.p95=20."), GATE
    ] = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option(help="Where to compute and measure.")] = "auto"


def judge(config: EvaluateConfig, figures: dict[str, Any]) -> list[Gate]:
    return gates.judge_bounds(figures, config.min or [], config.max or [])


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _models
    from toolkit.data import split

    for bound in (job.config.min or []) + (job.config.max or []):
        gates.parse(bound)
    names = _models.check(job.inputs["source"], "evaluate", job.dataset)
    split.check_children(job.dataset, job.config.data)
    rows = _models.choose_split(job.dataset, job.config.split, job.config.data)
    _models.labels_in_order(rows, names, job.config.data)
    return {"rows": len(rows), "classes": len(names), "split": job.config.split}


def evaluate(job: Job) -> None:
    """Measure a model: accuracy, macro F1 and AUC with 95% intervals; speed, latency, size and memory on this machine.

    Works for float and quantized models alike. --min and --max are gates: exit code 3 where one is not met.
    """
    import numpy as np

    from toolkit.artifacts import evaluation, manifest, report
    from toolkit.artifacts import model as models
    from toolkit.commands import _models
    from toolkit.evaluation import metrics, statistics
    from toolkit.inference import timing

    given, config = job.inputs["source"], job.config
    assert given.path is not None
    timing.reset_peak_memory()
    predictor = _models.predictor(given, "evaluate", config.device)
    rows = _models.choose_split(job.dataset, config.split, config.data)
    contents = predictor.reader.contents(rows)
    told, several = _models.labels_in_order(rows, predictor.names, config.data), predictor.several
    labels = metrics.several_hot(told, len(predictor.names)) if several else np.array(told)
    probabilities = predictor.probabilities(contents, config.batch_size, "predicting")
    chosen, confidence = _models.answers(probabilities, several)
    speed = timing.measure({"model": predictor}, contents)["model"]
    peak = timing.peak_memory_bytes()  # before the intervals, which need more than inference does
    rates = {timing.BATCH_SIZE: speed["samples_per_second"]}
    if config.batch_size != timing.BATCH_SIZE:
        rates[config.batch_size] = timing.measure({"model": predictor}, contents, config.batch_size)["model"][
            "samples_per_second"
        ]
    figures = {
        "quality": (statistics.quality_of_several if several else statistics.quality)(
            labels, probabilities, config.seed
        ),
        "per_class": per_class(labels, chosen, predictor.names),
        "efficiency": {
            "parameters": models.parameters(given.path),
            "size_bytes": models.inference_bytes(given.path),
            **speed,
            "by_batch_size": {str(size): rate for size, rate in rates.items()},
            "peak_memory_bytes": peak,
        },
        "rows": len(rows),
        "split": config.split,
    }
    if not several and figures["quality"]["auc"]["value"] is None:
        job.warn("AUC is undefined: the rows hold one class only")
    manifest.write_json(job.folder / "metrics.json", figures)
    evaluation.write(job.folder / "predictions.parquet", rows, probabilities, predictor.names, chosen, confidence)
    sheet = errors(contents, labels, chosen, confidence) if predictor.reader.kind == "image" else None
    report.write(job.folder, page(job, figures, labels, chosen, confidence, predictor.names, sheet))
    (job.folder / "README.md").write_text(f"# Evaluation of {given.given}\n\nOpen `report.html`.\n", encoding="utf-8")
    quality, efficiency = figures["quality"], figures["efficiency"]
    job.metrics |= {name: quality[name]["value"] for name in quality}
    job.metrics |= {key: efficiency[key] for key in ("parameters", "size_bytes", "samples_per_second")}
    console.table(
        f"{given.given} on {len(rows)} rows of {config.split}",
        ("figure", "value", "95% interval"),
        [(n, shown(e["value"]), f"{shown(e['low'])} to {shown(e['high'])}") for n, e in quality.items()]
        + [("samples a second", f"{speed['samples_per_second']:,.0f}", f"batch {timing.BATCH_SIZE}")]
        + [("latency p50 / p95", f"{speed['latency_ms']['p50']:.2f} / {speed['latency_ms']['p95']:.2f} ms", "batch 1")]
        + [("bytes", f"{efficiency['size_bytes']:,}", "")],
    )


def shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def per_class(labels: Any, chosen: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support of each class; None where undefined."""
    import numpy as np

    from toolkit.evaluation import metrics

    if chosen.ndim > 1:
        figures = metrics.several_per_class(labels, chosen)
    else:
        figures = metrics.per_class(metrics.confusion(labels, chosen, len(names)))
    return {
        name: {k: float(v[i]) if np.isfinite(v[i]) else None for k, v in figures.items() if k != "support"}
        | {"support": int(figures["support"][i])}
        for i, name in enumerate(names)
    }


def errors(pictures: Any, labels: Any, chosen: Any, confidence: Any) -> bytes | None:
    """A sheet of the images that are wrong, the surest first, row by row; None where there are none."""
    import numpy as np

    from toolkit.data.images.sheet import sheet

    wrong = np.flatnonzero((chosen != labels).reshape(len(labels), -1).any(1))
    first = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHEET]
    return sheet([pictures[i].cell() for i in first]) if len(first) else None


def page(
    job: Job,
    figures: dict[str, Any],
    labels: Any,
    chosen: Any,
    confidence: Any,
    names: list[str],
    sheet: bytes | None = None,
) -> dict[str, Any]:
    """The report: the verdict, the classes, the confusion (of one class a row), a sheet of errors (of images)."""
    from toolkit.evaluation import metrics
    from toolkit.reports import curves
    from toolkit.reports import figures as draw

    quality, efficiency = figures["quality"], figures["efficiency"]
    accuracy = quality["accuracy"]
    right, confusion = chosen == labels, []
    if chosen.ndim > 1:
        right = right.all(1)
    else:
        drawn = draw.confusion(metrics.confusion(labels, chosen, len(names)), names)
        confusion = [{"name": "confusion", "caption": "True class down, predicted across", "figure": drawn}]
    return {
        "title": "Evaluation report",
        "kicker": "toolkit evaluate",
        "lead": f"{accuracy['value']:.1%} of {figures['rows']} rows of {figures['split']} are right "
        f"(95% interval {accuracy['low']:.1%} to {accuracy['high']:.1%}).",
        "lang": "en",
        "cards": [
            {
                "label": "accuracy",
                "value": accuracy["value"],
                "note": f"{accuracy['low']:.3f} to {accuracy['high']:.3f}",
            },
            {
                "label": "samples a second",
                "value": efficiency["samples_per_second"],
                "note": "batch 32",
            },
            {"label": "latency p50", "value": f"{efficiency['latency_ms']['p50']:.2f} ms", "note": "batch 1"},
            {"label": "size", "value": f"{efficiency['size_bytes'] / 1e6:.1f} MB", "note": "what inference loads"},
        ],
        "sections": [
            {
                "title": "Quality",
                "table": {"columns": ["figure", "value (95% interval)"], "rows": [[n, e] for n, e in quality.items()]},
            },
            {
                "title": "Classes",
                "table": {
                    "columns": ["class", "precision", "recall", "F1", "rows"],
                    "rows": [
                        [n, f["precision"], f["recall"], f["f1"], f["support"]] for n, f in figures["per_class"].items()
                    ],
                },
            },
            {
                "title": "Confusion and confidence" if confusion else "Confidence",
                "figures": [
                    *confusion,
                    {
                        "name": "confidence",
                        "caption": "Confidence of right and wrong predictions",
                        "figure": draw.histogram(
                            {"right": confidence[right].tolist(), "wrong": confidence[~right].tolist()},
                            xlabel="confidence",
                        ),
                    },
                    {
                        "name": "reliability",
                        "caption": "Share that is right at each confidence; the diagonal is honest",
                        "figure": curves.reliability(*metrics.reliability(confidence, right)),
                    },
                ],
            },
        ]
        + [
            {
                "title": "Errors",
                "figures": [{"name": "errors", "caption": "The surest first, row by row", "picture": sheet}],
            }
        ]
        * bool(sheet),
        "footer": job.footer(),
    }


STEP = Step(
    name="evaluate",
    kind="evaluation",
    config=EvaluateConfig,
    run=evaluate,
    plan=plan,
    judge=judge,
    measures=True,
    takes=("text", "image"),
)
