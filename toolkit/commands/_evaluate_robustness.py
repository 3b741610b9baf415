"""`evaluate`, robustness: abstaining always; rows from elsewhere, attacks and noise where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from toolkit import gates
from toolkit.commands import _evaluating
from toolkit.config import Bounds, Input
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
    noise: Annotated[int, Option(metavar="ROWS", help="Try typos, or blur, on so many rows; 0: none.", min=0)] = 0
    attack: Annotated[int, Option(metavar="ROWS", help="Attack so many rows; 0: none.", min=0)] = 0
    synonyms: Annotated[
        str | None,
        Option(metavar="TABLE", help="For attacks: wordnet or a file.", show_default="the package's own"),
        Input("path", literal="wordnet"),
    ] = None
    max_changed: Annotated[float, Bounds(0, 1)] = 0.2  # share of a text's words that an attack changes, one at least
    min_similarity: Annotated[float, Bounds(0, 1)] = 0.7  # chrF of an attacked text with what it was
    eps: Annotated[float, Bounds(1, 255)] = 4.0  # of 255: what an attack changes of a pixel value, in whole values
    attack_steps: Annotated[int, Bounds(1, 1000)] = 10  # of gradients on images
    attack_queries: Annotated[int, Bounds(1, 100_000)] = 500  # for each image where there are no gradients


@dataclass(kw_only=True)
class Found:
    """figures: what stands under `robustness`; parts: what the report draws, by the name of the part."""

    figures: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)


KNOWN: dict[str, dict[str, Any]] = {
    "selective": dict.fromkeys(("aurc", "excess_aurc", "accuracy_at_80", "accuracy_at_90"), gates.INTERVAL)
    | dict.fromkeys(("confidence_at_80", "confidence_at_90")),
    "ood": dict.fromkeys(("auroc", "aupr", "fpr95"), gates.INTERVAL)
    | dict.fromkeys(("threshold", "rows", "fitted_rows", "validation_auroc", "methods")),
    "noise": dict.fromkeys(("accuracy", "drop"), gates.INTERVAL) | dict.fromkeys(("rows", "kinds")),
    "attack": dict.fromkeys(("success", "accuracy"), gates.INTERVAL)
    | dict.fromkeys(("rows", "right", "constraint", "methods")),
}


def known(config: Robustness) -> dict[str, Any]:
    """The figures that a call will have, for gates."""
    asked = {"selective": True, "ood": config.ood, "noise": config.noise, "attack": config.attack}
    return {name: figures for name, figures in KNOWN.items() if asked[name]}


def plan(job: Job) -> dict[str, int]:
    """Check what the options name; how many rows are tried, by option."""
    from toolkit.commands import _evaluate_attack, _evaluate_ood

    return _evaluate_ood.plan(job) | _evaluate_attack.plan(job)


def measure(job: Job, subject: Subject) -> Found:
    """What the options ask for."""
    from toolkit.commands import _evaluate_attack, _evaluate_noise, _evaluate_ood
    from toolkit.evaluation.robustness import selective

    found = Found()
    found.figures["selective"] = selective.measure(subject.confidence, subject.right, job.config.seed)
    found.parts["selective"] = selective.curve(subject.confidence, subject.right)
    if "ood" in job.kept:
        found.parts["ood"] = _evaluate_ood.measure(job, subject)
        found.figures["ood"] = found.parts["ood"].figures
    if job.config.robustness.noise and (cost := _evaluate_noise.measure(job, subject)):
        found.figures["noise"] = cost
    if job.config.robustness.attack:
        found.parts["attack"] = _evaluate_attack.measure(job, subject)
        found.figures["attack"] = found.parts["attack"].figures
    return found


def lines(found: Found) -> list[tuple[str, str, str]]:
    """For the terminal."""
    from toolkit.commands import _evaluate_attack, _evaluate_noise, _evaluate_ood

    figures = found.figures
    out = [_evaluating.line("accuracy on the surest 80%", figures["selective"]["accuracy_at_80"])]
    for name, part in (("ood", _evaluate_ood), ("noise", _evaluate_noise), ("attack", _evaluate_attack)):
        if name in figures:
            out += part.lines(figures[name])
    return out


def sections(say: Say, found: Found, names: list[str]) -> list[dict[str, Any]]:
    """Of the report. names: of the classes."""
    from toolkit.commands import _evaluate_attack, _evaluate_noise, _evaluate_ood

    out = _selective(say, found)
    if "ood" in found.parts:
        out += _evaluate_ood.sections(say, found.parts["ood"])
    if "noise" in found.figures:
        out += _evaluate_noise.sections(say, found.figures["noise"])
    if "attack" in found.parts:
        out += _evaluate_attack.sections(say, found.parts["attack"], names)
    return out


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
