"""The report of a training, and what the model card shows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolkit.step import Job

SHOWN = {"loss": "Loss", "rate": "Learning rate", "gradients": "Gradient norms", "updates": "Updates"}  # in the card


def lines(logs: Path) -> list[dict[str, Any]]:
    """What was logged of a training; nothing where there was none."""
    path = logs / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def page(job: Job, title: str, figures: dict[str, Any], logged: list[dict[str, Any]]) -> dict[str, Any]:
    """The report: what was reached, how it learned, whether it was healthy, how fast it was."""
    from toolkit.reports import training

    validation, trained = figures["validation"], figures.get("train", {})
    best = {name: value for name, value in validation.items() if name != "rows"}
    cards = [
        {"label": name.replace("_", " "), "value": value, "note": f"on {validation['rows']} rows of validation"}
        for name, value in best.items()
    ]
    cards.append({"label": "parameters", "value": figures["model"]["parameters"], "note": ""})
    lead = "The figures of the model as it is."
    if trained:
        lead = (
            f"The weights are those of epoch {trained['best_epoch']:g}, the best on validation; training ended after "
            f"epoch {trained['epochs']:g}, at step {trained['steps']}. Computed on {trained['precision']}."
        )
        speed = {"label": "rows a second", "value": trained["samples_per_second"], "note": "of training steps"}
        cards.append(speed)
    return {
        "title": title,
        "kicker": f"toolkit {job.step.name}",
        "lead": lead,
        "lang": "en",
        "cards": cards,
        "sections": against_teacher(figures) + (training.sections(logged) if logged else []),
        "footer": job.footer(),
    }


def against_teacher(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The section that holds a student against its teachers; none where there is no comparison."""
    if "agreement" not in figures.get("comparison", {}):
        return []
    student, teacher = figures["student"] | figures["model"], figures["teacher"]
    shown = {
        "accuracy": "accuracy",
        "parameters": "parameters",
        "size_bytes": "bytes",
        "samples_per_second": "samples a second at batch 32",
        "latency_ms": "median latency at batch 1 (ms)",
    }
    rows = [[name, teacher[key], student[key], f"{student[key] / teacher[key]:.2f}"] for key, name in shown.items()]
    found = figures["comparison"]
    rows += [["accuracy, student - teacher", None, found["accuracy_difference"], ""]]
    rows += [["rows on which both agree", None, found["agreement"], ""]]
    note = f"On {figures['validation']['rows']} rows of validation; intervals of 95%, the difference's paired."
    table = {"columns": ["figure", "teacher", "student", "student / teacher"], "rows": rows, "note": note}
    return [{"title": "Student and teacher", "table": table}]


def pictures(folder: Path) -> list[str]:
    """The card's lines that show the curves."""
    return [
        f"\n![{caption}](figures/{name}.png)"
        for name, caption in SHOWN.items()
        if (folder / "figures" / f"{name}.png").is_file()
    ]
