"""`toolkit evaluate`: a model's figures on a split, with their intervals; what it costs, measured here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console, gates
from toolkit.commands import _evaluate_baseline, _evaluate_quality, _evaluate_robustness, _evaluate_speed
from toolkit.config import GATE, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Gate, Job, Step

if TYPE_CHECKING:
    from toolkit.commands._evaluate_baseline import Beside
    from toolkit.commands._evaluate_robustness import Found
    from toolkit.commands._evaluating import Subject


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to evaluate."), Input("model")]
    data: Annotated[str, Option(help="Rows to evaluate on.", show_default=False), Input("dataset")]
    columns: ContentOptions = field(default_factory=ContentOptions)
    split: Annotated[str, Option(help="The split to evaluate on.")] = "test"
    batch_size: Annotated[int, Option(help="Rows a batch when predicting; timed besides 32.", min=1)] = 32
    robustness: _evaluate_robustness.Robustness = field(default_factory=_evaluate_robustness.Robustness)
    min: Annotated[
        list[str] | None, Option(metavar="PATH=BOUND", help="Gate: least value, e.g. quality.accuracy=0.9."), GATE
    ] = None
    max: Annotated[
        list[str] | None, Option(metavar="PATH=BOUND", help="Gate: most, e.g. efficiency.latency_ms.p95=20."), GATE
    ] = None
    comparison: _evaluate_baseline.Comparison = field(default_factory=_evaluate_baseline.Comparison)
    price_per_hour: Annotated[
        float | None, Option(help="Of this machine: tells what a million rows cost.", min=0.0)
    ] = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option(help="Where to compute and measure.")] = "auto"
    lang: Annotated[Literal["en", "zh"], Option(help="The report's language.")] = "en"


def known(config: EvaluateConfig) -> dict[str, Any]:
    """The figures that `metrics.json` will have, for gates; None: whatever the part finds."""
    return {
        **dict.fromkeys(("rows", "per_class", "calibration")),
        "quality": _evaluate_quality.KNOWN,
        "efficiency": _evaluate_speed.KNOWN,
        "robustness": _evaluate_robustness.known(config.robustness),
        "comparison": _evaluate_baseline.known(config.comparison),
    }


def judge(config: EvaluateConfig, figures: dict[str, Any]) -> list[Gate]:
    least, most = config.min or [], config.max or []
    gates.check(least + most + (config.comparison.max_drop or []), known(config))
    _evaluate_baseline.demand(config.comparison)
    return gates.judge_bounds(figures, least, most) + _evaluate_baseline.judge(config.comparison, figures)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _models
    from toolkit.data import labels, split

    judge(job.config, {})
    names = _models.check(job.inputs["source"], "evaluate", job.dataset)
    split.check_children(job.dataset, job.config.data)
    rows = _models.choose_split(job.dataset, job.config.split, job.config.data)
    _models.labels_in_order(rows, names, job.config.data)
    several = labels.is_multi(rows.features)
    _evaluate_quality.check(job, names, several)
    _evaluate_baseline.check(job, rows, several)
    tried = _evaluate_robustness.plan(job)
    return {"rows": len(rows), "classes": len(names), "split": job.config.split} | tried


def evaluate(job: Job) -> None:
    """Measure a model: accuracy, macro F1 and AUC with 95% intervals; speed, latency, size and memory on this machine.

    Works for float and quantized models alike. --baseline compares it with other evaluations of the same rows. --min,
    --max and --max-drop are gates: exit code 3 where one is not met.
    """
    from toolkit.artifacts import evaluation, manifest, report
    from toolkit.commands import _evaluate_baseline_report, _evaluating

    subject = _evaluating.ask(job)
    efficiency = _evaluate_speed.measure(job, subject)
    measured = _evaluate_quality.measure(job, subject)
    quality = measured["quality"]
    robustness = _evaluate_robustness.measure(job, subject)
    besides = _evaluate_baseline.read(job, subject)
    figures = {
        **measured,
        "efficiency": efficiency,
        "robustness": robustness.figures,
        "rows": len(subject.rows),
        "split": job.config.split,
    }
    if besides:
        figures["comparison"] = _evaluate_baseline.measure(job, subject, besides)
        job.metrics |= {f"against {key}": found["verdict"] for key, found in figures["comparison"].items()}
    manifest.write_json(job.folder / "metrics.json", figures)
    evaluation.write(
        job.folder / "predictions.parquet",
        subject.rows,
        subject.probabilities,
        subject.names,
        subject.chosen,
        subject.confidence,
    )
    report.write(job.folder, page(job, figures, subject, besides, robustness))
    (job.folder / "README.md").write_text(
        f"# Evaluation of {subject.given.title}\n\nOpen `report.html`.\n", encoding="utf-8"
    )
    job.metrics |= {name: quality[name]["value"] for name in quality}
    job.metrics |= {key: efficiency[key] for key in ("parameters", "size_bytes", "samples_per_second")}
    console.table(
        f"{subject.given.title} on {len(subject.rows)} rows of {job.config.split}",
        ("figure", "value", "95% interval"),
        [
            *_evaluate_quality.lines(measured),
            *_evaluate_speed.lines(efficiency),
            *_evaluate_robustness.lines(robustness),
        ],
    )
    _evaluate_baseline_report.tell(figures.get("comparison", {}))


def page(
    job: Job, figures: dict[str, Any], subject: Subject, besides: list[Beside], robustness: Found
) -> dict[str, Any]:
    """The report: the verdict, then what each part has found."""
    from toolkit.commands import _evaluate_baseline_report, _evaluate_quality_report
    from toolkit.reports import language

    say = language.speaker(job.config.lang)
    accuracy, efficiency = figures["quality"]["accuracy"], figures["efficiency"]
    compared = figures.get("comparison", {})
    lead = say(
        "{share:.1%} of {rows} rows of {split} are right (95% interval {low:.1%} to {high:.1%}).",
        share=accuracy["value"], rows=figures["rows"], split=figures["split"],
        low=accuracy["low"], high=accuracy["high"],
    )  # fmt: skip
    verdicts = [_evaluate_baseline_report.verdict(say, key, found) for key, found in compared.items()]
    return {
        "title": say("Evaluation report"),
        "kicker": f"toolkit evaluate · {subject.given.title}",
        "lead": "\n\n".join([lead, *verdicts]),
        "lang": job.config.lang,
        "cards": [
            {
                "label": say("accuracy"),
                "value": accuracy["value"],
                "note": f"{accuracy['low']:.3f} – {accuracy['high']:.3f}",
            },
            {
                "label": say("samples a second"),
                "value": efficiency["samples_per_second"],
                "note": say("batch {size}", size=32),
            },
            {
                "label": say("latency p50"),
                "value": f"{efficiency['latency_ms']['p50']:.2f} ms",
                "note": say("batch {size}", size=1),
            },
            {
                "label": say("size"),
                "value": f"{efficiency['size_bytes'] / 1e6:.1f} MB",
                "note": say("what inference loads"),
            },
        ],
        "sections": [
            *_evaluate_baseline_report.sections(say, compared, subject, figures, besides),
            *_evaluate_quality_report.sections(say, figures, subject),
            *_evaluate_robustness.sections(say, robustness, subject.names),
            *_evaluate_speed.sections(say, efficiency),
        ],
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
    version=4,
)
