"""The distillation loss (Hinton et al., 2015) and the teacher's answers that it needs."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from toolkit import console
from toolkit.reading import Encoded
from toolkit.training.tasks import Task

TEACHER = "teacher_logits"


def with_teacher(rows: Encoded, logits: Any) -> Encoded:
    """Encoded rows that carry the teacher's logits (rows, classes)."""
    return [row | {TEACHER: logits[i]} for i, row in enumerate(rows)]


def teacher_logits(model: Any, task: Task, rows: Encoded, device: str, batch_size: int = 64) -> Any:
    """The teacher's logits for its own encoding of the rows: float32 tensor (rows, classes), each row asked once."""
    model = model.to(device).eval()
    order = sorted(range(len(rows)), key=lambda i: task.reader.size(rows[i]))
    out = torch.zeros(len(rows), model.config.num_labels)
    for start in console.track(range(0, len(order), batch_size), "asking the teacher"):
        chosen = order[start : start + batch_size]
        batch = {k: v.to(device) for k, v in task.collate([rows[i] for i in chosen]).items()}
        with torch.inference_mode():
            out[chosen] = task.answers(model, batch)[0].cpu()
    model.to("cpu")
    return out


def loss(task: Task, temperature: float, alpha: float, smoothing: float = 0.0) -> Any:
    """`alpha` parts of the softened teacher, the rest of the labels; as `training.trainer.train` takes it.

    The gradient of the soft part shrinks with the square of the temperature and is scaled back by it.
    """

    def compute(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        batch = dict(batch)
        teacher = batch.pop(TEACHER)
        hard, outputs = task.loss(model, batch, smoothing)
        student = outputs.logits.float()
        soft = F.kl_div(
            F.log_softmax(student / temperature, -1),
            F.log_softmax(teacher / temperature, -1),
            log_target=True,
            reduction="batchmean",
        )
        return alpha * temperature**2 * soft + (1 - alpha) * hard, outputs

    return compute
