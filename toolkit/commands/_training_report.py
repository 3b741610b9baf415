"""The report of a training, and what the model card shows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolkit.step import Job

REFIT = "All rows but test's were learned and the last weights kept: nothing here measures them"
SHOWN = {"loss": "Loss", "rate": "Learning rate", "gradients": "Gradient norms", "updates": "Updates"}  # in the card


def lines(logs: Path) -> list[dict[str, Any]]:
    """What was logged of a training; nothing where there was none."""
    path = logs / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def page(
    job: Job,
    title: str,
    figures: dict[str, Any],
    logged: list[dict[str, Any]],
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The report: what was reached, how it learned, whether it was healthy, how fast it was.

    Args:
        before: lead, cards and sections of the command's own, which come first.
    """
    from toolkit.reports import training

    validation, trained = figures.get("validation", {}), figures.get("train", {})
    cards = [
        {"label": name.replace("_", " "), "value": value, "note": f"on {validation['rows']} rows of validation"}
        for name, value in validation.items()
        if name != "rows"
    ]
    cards.append({"label": "parameters", "value": figures["model"]["parameters"], "note": ""})
    lead = "The figures of the model as it is."
    if trained:
        ended = f"training ended after epoch {trained['epochs']:g}, at step {trained['steps']}"
        kept = REFIT
        if validation:
            kept = f"The weights are those of epoch {trained['best_epoch']:g}, the best on validation"
        lead = f"{kept}; {ended}. Computed on {trained['precision']}."
        speed = {"label": "rows a second", "value": trained["samples_per_second"], "note": "of training steps"}
        cards.append(speed)
    first = before or {"lead": "", "cards": [], "sections": []}
    return {
        "title": title,
        "kicker": f"toolkit {job.step.name}",
        "lead": "\n\n".join(filter(None, (first["lead"], lead))),
        "lang": "en",
        "cards": [*first["cards"], *cards],
        "sections": [*first["sections"], *(training.sections(logged) if logged else [])],
        "footer": job.footer(),
    }


def told(figures: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The figures of `metrics.json` as the card words them."""
    from toolkit.reports import numbers

    def number(value: float) -> str:
        return numbers.number(value).replace(numbers.THIN, ",")  # as on the terminal: markdown is read as text

    def worded(value: Any) -> str:
        if isinstance(value, dict):
            return f"{number(value['value'])} ({number(value['low'])} to {number(value['high'])})"
        return number(value) if numbers.is_number(value) else str(value)

    return {
        f"{group} {name}".replace("_", " "): worded(value)
        for group, values in figures.items()
        for name, value in values.items()
        if not isinstance(value, dict) or {"value", "low", "high"} <= {*value}
    }


def pictures(folder: Path) -> list[str]:
    """The card's lines that show the curves."""
    return [
        f"\n![{caption}](figures/{name}.png)"
        for name, caption in SHOWN.items()
        if (folder / "figures" / f"{name}.png").is_file()
    ]
