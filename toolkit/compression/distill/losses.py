"""The distillation loss (Hinton et al., 2015): a teacher's softened answers, and the labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from toolkit.reading import Encoded
from toolkit.training.tasks.classification import TARGETS
from toolkit.training.weighting import WEIGHT

TEACHER = "teacher_logits"
LABELLED = "labelled"  # of an encoded row: 1, or 0 where the teacher alone tells what to learn


def with_teacher(rows: Encoded, logits: Any, labelled: int | None = None) -> Encoded:
    """Encoded rows that carry the teacher's logits (rows, classes).

    Args:
        labelled: so many rows, the first ones, have labels of their own; what the teacher says most likely stands for
            those of the others. None: all have.
    """
    count = len(rows) if labelled is None else labelled
    out = [row | {TEACHER: said} for row, said in zip(rows, logits, strict=True)]
    if count == len(rows):
        return out
    several = count > 0 and isinstance(rows[0].get("labels"), list)
    told = [row | {LABELLED: torch.tensor(1.0)} for row in out[:count]]
    return told + [
        row | {LABELLED: torch.tensor(0.0), "labels": _likeliest(row[TEACHER], several)} for row in out[count:]
    ]


def _likeliest(logits: Any, several: bool) -> Any:
    best = int(logits.argmax())
    return sorted({best, *(logits > 0).nonzero().flatten().tolist()}) if several else best


def loss(
    task: Any,
    temperature: float,
    alpha: float,
    smoothing: float = 0.0,
    *,
    live: Callable[[dict[str, Any]], Any] | None = None,
    inside: Any = None,
) -> Any:
    """`alpha` parts of the softened teacher, the rest of the labels; as `training.trainer.train` takes it.

    The gradient of the soft part shrinks with the square of the temperature and is scaled back by it.

    Args:
        task: a classification.
        live: gives the teacher's logits for the inputs of a batch, in place of those that its rows carry.
        inside: an `Inside`, whose loss is added.
    """

    def compute(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        batch = dict(batch)
        teacher, labelled = batch.pop(TEACHER), batch.pop(LABELLED, 1.0)
        inputs = {key: value for key, value in batch.items() if key not in TARGETS}
        outputs = model(**inputs, output_hidden_states=True) if inside else model(**inputs)
        student = outputs.logits.float()
        soft = softened(student, live(inputs) if live else teacher, temperature, batch["labels"].is_floating_point())
        hard = task.losses(student, batch, smoothing) * batch.get(WEIGHT, 1.0)
        of_labels = (1 - alpha) * labelled
        value = ((1 - of_labels) * temperature**2 * soft + of_labels * hard).mean()
        return (value + inside(inputs, outputs) if inside else value), outputs

    return compute


def softened(student: Any, teacher: Any, temperature: float, several: bool) -> Any:
    """(rows,) the divergence of the student from the teacher, both softened; of several classes a row, their mean."""
    exact = torch.promote_types(student.dtype, torch.float32)
    student, teacher = student.to(exact) / temperature, teacher.to(exact) / temperature
    if several:
        chance = teacher.sigmoid()
        entropy = F.binary_cross_entropy_with_logits(teacher, chance, reduction="none")
        return (F.binary_cross_entropy_with_logits(student, chance, reduction="none") - entropy).mean(1)
    said = teacher.log_softmax(-1)
    return (said.exp() * (said - student.log_softmax(-1))).sum(1)
