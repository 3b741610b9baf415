"""What is learned of a row: one class, or several."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy, cross_entropy

from toolkit.reading.text import TextReader
from toolkit.training import tasks
from toolkit.training.tasks import bind

READER = TextReader(SimpleNamespace(pad_token_id=0), 16)
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.0, 1.0]])


def model(**inputs):
    assert "labels" not in inputs
    return SimpleNamespace(logits=LOGITS)


def batch(task, labels):
    rows = [{"input_ids": np.array([1, 2], np.int32), "labels": label} for label in labels]
    return task.collate(rows)


def test_several_classes_are_a_binary_question_each():
    task = bind("text-classification", READER, several=3)
    made = batch(task, [[0, 2], [1]])
    assert made["labels"].tolist() == [[1, 0, 1], [0, 1, 0]]
    assert made["labels"].dtype == torch.float32
    loss, _ = task.loss(model, made)
    assert float(loss) == pytest.approx(float(binary_cross_entropy(LOGITS.sigmoid(), made["labels"])))


def test_smoothing_leaves_each_answer_some_doubt():
    task = bind("text-classification", READER, several=3)
    made = batch(task, [[0, 2], [1]])
    smoothed, _ = task.loss(model, made, smoothing=0.2)
    target = torch.tensor([[0.9, 0.1, 0.9], [0.1, 0.9, 0.1]])
    assert float(smoothed) == pytest.approx(float(binary_cross_entropy(LOGITS.sigmoid(), target)))


def test_one_class_is_a_cross_entropy():
    task = bind("text-classification", READER)
    loss, _ = task.loss(model, batch(task, [0, 2]), smoothing=0.1)
    assert float(loss) == pytest.approx(float(cross_entropy(LOGITS, torch.tensor([0, 2]), label_smoothing=0.1)))


def test_shares_are_smoothed_as_labels_are():
    task = bind("text-classification", READER)
    rows = [{"input_ids": np.array([1], np.int32), "labels": 0, "label_weights": [0.5, 0.5, 0.0]}] * 2
    loss, _ = task.loss(model, task.collate(rows), smoothing=0.1)
    target = torch.tensor([[0.5, 0.5, 0.0]] * 2)
    assert float(loss) == pytest.approx(float(cross_entropy(LOGITS, target, label_smoothing=0.1)))


@pytest.mark.parametrize("name", ["text-classification", "image-classification"])
def test_figures_are_those_that_are_promised(name):
    for several, right in ((3, np.array([[1.0, 0, 1], [0, 1, 0]])), (0, np.array([0, 1]))):
        task = bind(name, READER, several)
        assert set(task.figures(LOGITS.numpy(), right)) == set(task.figures_of)
        assert type(task) is tasks.find(name, several > 0)
