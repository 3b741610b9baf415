"""The artifact of a training: weights, figures, logs, report, card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toolkit import console, ranks
from toolkit.artifacts import loading, manifest
from toolkit.artifacts import model as models
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.training.tasks import Task


def write(
    job: Job,
    model: Any,
    task: Task,
    figures: dict[str, Any],
    title: str,
    before: Callable[[], dict[str, Any]] | None = None,
) -> None:
    """Write the model artifact's files: weights, figures, state, logs, report, card; fill the job's summary.

    Args:
        before: gives the lead, cards and sections that the report has before those of the training, once the sizes
            are among the figures.
    """
    from toolkit.artifacts import report
    from toolkit.commands import _training_report

    if not ranks.leads():
        return
    reader = task.reader
    if reader.kind == "text":
        reader.processor.model_max_length = reader.max_length  # type: ignore[attr-defined]
    model.config.architectures = [type(model).__name__]
    figures["model"] = {"parameters": sum(p.numel() for p in model.parameters())}
    loading.save(job.folder, model, reader.processor)
    figures["model"]["size_bytes"] = models.inference_bytes(job.folder)
    manifest.write_json(job.folder / "metrics.json", figures)
    logged = _training_report.lines(job.work / "logs")
    report.write(job.folder, _training_report.page(job, title, figures, logged, before() if before else None))
    if (job.work / "logs").is_dir():
        shutil.move(job.work / "logs", job.folder / "logs")
    states = sorted((job.work / "checkpoints").glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    if states:
        state = json.loads(states[-1].read_text())
        state["best_model_checkpoint"] = None
        manifest.write_json(job.folder / "trainer_state.json", state)
    flat = _training_report.told(figures)
    made_for = models.task(job.folder)
    assert made_for
    names, then = models.labels(job.folder) or [], "predict DIR --data"
    if not names:
        then = "finetune DATA --model DIR"
    auto = f"AutoModel{models.HEADS[made_for]}"
    made = " and ".join(f"`{source.title}`" for source in job.inputs.values() if source.kind not in ("file", "folder"))
    lines = [f"Made by `toolkit {job.step.name}` from {made}; `artifact.json` holds every option.", ""]
    lines += [f"Load it with `{auto}.from_pretrained(DIR)`, or `toolkit {then} …`."]
    measured = figures.get("validation", {})
    lines += [] if measured else ["", f"{_training_report.REFIT}."]
    lines += _curve_of_rates(job) + _training_report.pictures(job.folder)
    (job.folder / "README.md").write_text(models.card(title, made_for, names, flat, lines), encoding="utf-8")
    told = {name: measured[name] for name in task.figures_of if name in measured and name != "loss"}
    job.metrics |= told | figures["model"]
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in told.items())
    console.note(f"validation {shown}" if measured else "all rows but test's were learned: nothing is measured here")


def _curve_of_rates(job: Job) -> list[str]:
    """The figure of --find-lr, and the card's lines that show it; none where it was not asked for."""
    from toolkit.reports import canvas, curves
    from toolkit.training import find_lr

    if not (job.work / find_lr.FILE).is_file():
        return []
    found = json.loads((job.work / find_lr.FILE).read_text())
    figure = curves.line(
        found["rates"], {"loss": found["losses"]}, xlabel="learning rate", ylabel="smoothed loss", log_x=True
    )
    (job.folder / "figures").mkdir(exist_ok=True)
    canvas.save_png(figure, job.folder / "figures" / "find_lr.png")
    return ["", f"Learning rate {found['rate']:g}, found by a short run:", "", "![loss by rate](figures/find_lr.png)"]
