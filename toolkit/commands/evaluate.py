"""`toolkit evaluate`: a model's figures on a split, with their intervals; what it costs, measured here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit import console, gates
from toolkit.commands._evaluate_robustness import Robustness
from toolkit.config import GATE, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Gate, Job, Step

if TYPE_CHECKING:
    from toolkit.commands._evaluate_robustness import Found
    from toolkit.commands._evaluating import Subject


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to evaluate."), Input("model")]
    data: Annotated[str, Option(help="Rows to evaluate on.", show_default=False), Input("dataset")]
    columns: ContentOptions = field(default_factory=ContentOptions)
    split: Annotated[str, Option(help="The split to evaluate on.")] = "test"
    batch_size: Annotated[int, Option(help="Rows a batch when predicting; timed besides 32.", min=1)] = 32
    robustness: Robustness = field(default_factory=Robustness)
    min: Annotated[
        list[str] | None, Option(metavar="PATH=BOUND", help="Gate: least value, e.g. quality.accuracy=0.9."), GATE
    ] = None
    max: Annotated[
        list[str] | None, Option(metavar="PATH=BOUND", help="Gate: most, e.g. efficiency.latency_ms.p95=20."), GATE
    ] = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option(help="Where to compute and measure.")] = "auto"
    lang: Annotated[Literal["en", "zh"], Option(help="The report's language.")] = "en"


def judge(config: EvaluateConfig, figures: dict[str, Any]) -> list[Gate]:
    return gates.judge_bounds(figures, config.min or [], config.max or [])


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _evaluate_robustness, _models
    from toolkit.data import split

    for bound in (job.config.min or []) + (job.config.max or []):
        gates.parse(bound)
    names = _models.check(job.inputs["source"], "evaluate", job.dataset)
    split.check_children(job.dataset, job.config.data)
    rows = _models.choose_split(job.dataset, job.config.split, job.config.data)
    _models.labels_in_order(rows, names, job.config.data)
    tried = _evaluate_robustness.plan(job)
    return {"rows": len(rows), "classes": len(names), "split": job.config.split} | tried


def evaluate(job: Job) -> None:
    """Measure a model: accuracy, macro F1 and AUC with 95% intervals; speed, latency, size and memory on this machine.

    Works for float and quantized models alike. --min and --max are gates: exit code 3 where one is not met.
    """
    from toolkit.artifacts import evaluation, manifest, report
    from toolkit.commands import _evaluate_quality, _evaluate_robustness, _evaluate_speed, _evaluating
    from toolkit.inference import timing

    timing.reset_peak_memory()
    subject = _evaluating.ask(job)
    efficiency = _evaluate_speed.measure(job, subject)  # first, since the others need more memory than inference does
    quality = _evaluate_quality.measure(job, subject)
    robustness = _evaluate_robustness.measure(job, subject)
    figures = {
        "quality": quality,
        "per_class": _evaluate_quality.per_class(subject),
        "efficiency": efficiency,
        "robustness": robustness.figures,
        "rows": len(subject.rows),
        "split": job.config.split,
    }
    manifest.write_json(job.folder / "metrics.json", figures)
    evaluation.write(
        job.folder / "predictions.parquet",
        subject.rows,
        subject.probabilities,
        subject.names,
        subject.chosen,
        subject.confidence,
    )
    report.write(job.folder, page(job, figures, subject, robustness))
    (job.folder / "README.md").write_text(
        f"# Evaluation of {subject.given.title}\n\nOpen `report.html`.\n", encoding="utf-8"
    )
    job.metrics |= {name: quality[name]["value"] for name in quality}
    job.metrics |= {key: efficiency[key] for key in ("parameters", "size_bytes", "samples_per_second")}
    console.table(
        f"{subject.given.title} on {len(subject.rows)} rows of {job.config.split}",
        ("figure", "value", "95% interval"),
        _evaluate_quality.lines(quality) + _evaluate_speed.lines(efficiency) + _evaluate_robustness.lines(robustness),
    )


def page(job: Job, figures: dict[str, Any], subject: Subject, robustness: Found) -> dict[str, Any]:
    """The report: the verdict, then what each part has found."""
    from toolkit.commands import _evaluate_quality, _evaluate_robustness
    from toolkit.reports import language

    say = language.speaker(job.config.lang)
    accuracy, efficiency = figures["quality"]["accuracy"], figures["efficiency"]
    return {
        "title": say("Evaluation report"),
        "kicker": "toolkit evaluate",
        "lead": say(
            "{share:.1%} of {rows} rows of {split} are right (95% interval {low:.1%} to {high:.1%}).",
            share=accuracy["value"], rows=figures["rows"], split=figures["split"],
            low=accuracy["low"], high=accuracy["high"],
        ),
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
        "sections": _evaluate_quality.sections(say, figures["quality"], figures["per_class"], subject)
        + _evaluate_robustness.sections(say, robustness, subject.names),
        "footer": job.footer(),
    }  # fmt: skip


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
