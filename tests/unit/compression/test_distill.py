from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from toolkit.compression import distill
from toolkit.training.tasks import bind

TASK = bind("text-classification", None)
LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])
LABELS = torch.tensor([0, 2])


def model(logits):
    return lambda **batch: SimpleNamespace(logits=logits)


def test_without_the_teacher_it_is_the_labels_loss():
    batch = {"labels": LABELS, distill.TEACHER: torch.randn(2, 3)}
    value, _ = distill.loss(TASK, 2.0, 0.0)(model(LOGITS), batch)
    assert value == pytest.approx(F.cross_entropy(LOGITS, LABELS).item())


def test_a_student_that_agrees_has_no_soft_loss():
    value, _ = distill.loss(TASK, 3.0, 1.0)(model(LOGITS), {"labels": LABELS, distill.TEACHER: LOGITS})
    assert value.item() == pytest.approx(0.0, abs=1e-6)


def test_soft_loss_is_the_scaled_divergence():
    teacher = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    value, _ = distill.loss(TASK, 2.0, 1.0)(model(LOGITS), {"labels": LABELS, distill.TEACHER: teacher})
    p, q = (teacher / 2).softmax(-1), (LOGITS / 2).softmax(-1)
    assert value.item() == pytest.approx(4 * (p * (p / q).log()).sum(-1).mean().item(), rel=1e-5)
