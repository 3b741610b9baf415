"""`evaluate`, robustness: abstaining always; rows from elsewhere, attacks and noise where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from toolkit.config import Input
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.commands._evaluating import Subject
    from toolkit.reports.language import Say


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What is tried on a model."""

    ood: Annotated[
        str | None, Option(metavar="DATASET", help="Rows from elsewhere: does it notice?"), Input("dataset")
    ] = None
    ood_split: Annotated[str | None, Option(help="Split of --ood.", show_default="test, or the only one")] = None
    ood_validation: Annotated[
        str | None,
        Option(metavar="DATASET", help="Others to choose the method by.", show_default="none: by energy"),
        Input("dataset"),
    ] = None


@dataclass(kw_only=True)
class Found:
    """figures: what stands under `robustness`; parts: what the report draws, by the name of the part."""

    figures: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)


def plan(job: Job) -> dict[str, int]:
    """Check what the options name; how many rows are tried, by option."""
    from toolkit.commands import _evaluate_ood

    return _evaluate_ood.plan(job)


def measure(job: Job, subject: Subject) -> Found:
    """What the options ask for."""
    from toolkit.commands import _evaluate_ood
    from toolkit.evaluation.robustness import selective

    found = Found()
    found.figures["selective"] = selective.measure(subject.confidence, subject.right, job.config.seed)
    found.parts["selective"] = selective.curve(subject.confidence, subject.right)
    if "ood" in job.kept:
        found.parts["ood"] = _evaluate_ood.measure(job, subject)
        found.figures["ood"] = found.parts["ood"].figures
    return found


def lines(found: Found) -> list[tuple[str, str, str]]:
    """For the terminal."""
    from toolkit.commands import _evaluate_ood

    figures = found.figures
    kept = figures["selective"]["accuracy_at_80"]
    out = [("accuracy on the surest 80%", f"{kept['value']:.4f}", f"{kept['low']:.4f} to {kept['high']:.4f}")]
    return out + (_evaluate_ood.lines(figures["ood"]) if "ood" in figures else [])


def sections(say: Say, found: Found) -> list[dict[str, Any]]:
    """Of the report, in the order of the options."""
    from toolkit.commands import _evaluate_ood

    out = _selective(say, found)
    return out + (_evaluate_ood.sections(say, found.parts["ood"]) if "ood" in found.parts else [])


def _selective(say: Say, found: Found) -> list[dict[str, Any]]:
    from toolkit.evaluation.robustness.selective import COVERAGES
    from toolkit.reports import curves

    figures, (coverage, risk) = found.figures["selective"], found.parts["selective"]
    rows: list[list[Any]] = [
        [say("the surest {share}%", share=p), figures[f"accuracy_at_{p}"], figures[f"confidence_at_{p}"]]
        for p in COVERAGES
    ]
    text = say(
        "Where it may leave rows to a person, the ones that it is least sure of first. The area under the curve (AURC) "
        "is {aurc:.4f}, of which {excess:.4f} because the order of its confidence is not the best.",
        aurc=figures["aurc"]["value"],
        excess=figures["excess_aurc"]["value"],
    )
    drawn = curves.line(
        coverage, {say("share of errors"): risk}, xlabel=say("share of rows answered"), ylabel=say("share of errors")
    )
    return [
        {
            "title": say("Leaving rows out"),
            "text": text,
            "figures": [
                {"name": "risk-coverage", "caption": say("Errors among the rows that are answered"), "figure": drawn}
            ],
            "table": {"columns": [say("answered"), say("accuracy"), say("least confidence")], "rows": rows},
        }
    ]
