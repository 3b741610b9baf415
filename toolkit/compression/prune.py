"""Cut a model to what matters most, by importance measured on calibration rows."""

from __future__ import annotations

from typing import Any

from toolkit.compression import importance, structure
from toolkit.reading import Encoded
from toolkit.training.tasks import Task

CALIBRATION_BATCHES, BATCH_SIZE = 16, 32
MULTIPLE = 8  # of the kept width: matrix kernels like it


def shrink(model: Any, task: Task, rows: Encoded, *, ffn: float, layers: int | None) -> dict[str, Any]:
    """Cut the model in place; says what was cut and by what measure.

    Args:
        rows: encoded and labelled; evenly spaced ones calibrate.
        ffn: share of the feed-forward neurons to remove from each layer.
        layers: how many to keep; None keeps all.
    """
    count = CALIBRATION_BATCHES * BATCH_SIZE
    chosen = rows[:: max(1, len(rows) // count)][:count]
    batches = [task.collate(chosen[i : i + BATCH_SIZE]) for i in range(0, len(chosen), BATCH_SIZE)]
    depth = len(structure.layers(model))
    removed = importance.least_important_layers(model, task, batches, depth - (layers or depth))
    kept_layers = sorted(set(range(depth)) - {number for number, _ in removed})
    structure.keep_layers(model, kept_layers)
    width = structure.ffn(model, structure.layers(model)[0])[0].out_features
    kept = max(MULTIPLE, round(width * (1 - ffn) / MULTIPLE) * MULTIPLE)
    if kept < width:
        scores = importance.ffn_importance(model, task, batches)
        structure.keep_ffn(model, [score.argsort(descending=True)[:kept].tolist() for score in scores])
    return {
        "layers_kept": kept_layers,
        "layers_removed": [{"layer": number, "calibration_loss_without": loss} for number, loss in removed],
        "ffn_width": min(kept, width),
        "ffn_width_before": width,
    }
