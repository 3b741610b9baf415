from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from toolkit.compression import distill
from toolkit.compression.distill import losses
from toolkit.training.tasks import bind

TASK = bind("text-classification", None)
SEVERAL = bind("text-classification", None, several=3)
LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])
TOLD = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 2])


def model(logits):
    return lambda **batch: SimpleNamespace(logits=logits)


def value(batch, temperature=2.0, alpha=1.0, logits=LOGITS, task=TASK, **options):
    return distill.loss(task, temperature, alpha, **options)(model(logits), batch)[0].item()


def test_without_the_teacher_it_is_the_labels_loss():
    found = value({"labels": LABELS, distill.TEACHER: torch.randn(2, 3)}, alpha=0.0)
    assert found == pytest.approx(F.cross_entropy(LOGITS, LABELS).item())
    smooth = value({"labels": LABELS, distill.TEACHER: TOLD}, alpha=0.0, smoothing=0.2)
    assert smooth == pytest.approx(F.cross_entropy(LOGITS, LABELS, label_smoothing=0.2).item())


def test_a_student_that_agrees_has_no_soft_loss():
    assert value({"labels": LABELS, distill.TEACHER: LOGITS}, 3.0) == pytest.approx(0.0, abs=1e-6)
    labels = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert value({"labels": labels, distill.TEACHER: LOGITS}, task=SEVERAL) == pytest.approx(0.0, abs=1e-6)


def test_soft_loss_is_the_scaled_divergence():
    p, q = (TOLD / 2).softmax(-1), (LOGITS / 2).softmax(-1)
    wanted = 4 * (p * (p / q).log()).sum(-1).mean().item()
    assert value({"labels": LABELS, distill.TEACHER: TOLD}) == pytest.approx(wanted, rel=1e-5)


def test_of_several_classes_each_is_softened_by_itself():
    labels = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    p, q = (TOLD / 2).sigmoid(), (LOGITS / 2).sigmoid()
    wanted = 4 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean().item()
    assert value({"labels": labels, distill.TEACHER: TOLD}, task=SEVERAL) == pytest.approx(wanted, rel=1e-5)


def test_rows_without_labels_learn_from_the_teacher_alone():
    rows = distill.with_teacher([{"labels": 0, "x": 1}, {"x": 2}], TOLD, labelled=1)
    assert rows[1]["labels"] == 0, "the likeliest class"
    batch = {"labels": LABELS, distill.TEACHER: TOLD, losses.LABELLED: torch.tensor([1.0, 0.0])}
    hard = F.cross_entropy(LOGITS, LABELS, reduction="none")
    soft = losses.softened(LOGITS, TOLD, 2.0, several=False)
    wanted = (0.7 * 4 * soft[0] + 0.3 * hard[0] + 4 * soft[1]) / 2
    assert value(batch, alpha=0.7) == pytest.approx(wanted.item(), rel=1e-5)
    other = batch | {"labels": torch.tensor([0, 1])}
    assert value(other, alpha=0.7) == value(batch, alpha=0.7), "the second row's label is not read"


def test_what_stands_for_the_labels_of_rows_of_several_classes():
    logits = torch.tensor([[1.0, -1.0, 2.0], [-2.0, -1.0, -3.0], [0.0, 0.0, 0.0]])
    rows = distill.with_teacher([{"labels": [0]}, {}, {}], logits[[2, 0, 1]], labelled=1)
    assert [row["labels"] for row in rows] == [[0], [0, 2], [1]]


def test_a_teacher_that_looks_itself_takes_the_place_of_what_it_said():
    batch = {"labels": LABELS, distill.TEACHER: TOLD, "input_ids": LABELS}
    seen = []
    found = value(batch, live=lambda inputs: seen.append(sorted(inputs)) or LOGITS)
    assert (found, seen) == (pytest.approx(0.0, abs=1e-6), [["input_ids"]])
