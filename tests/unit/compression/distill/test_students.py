import numpy as np
import pytest
import torch
from helpers import token_rows
from transformers import BertConfig, BertForSequenceClassification

from toolkit.compression import importance
from toolkit.compression.distill import students
from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training.builtin import train_tokenizer
from toolkit.training.tasks import bind

SIZE = {"hidden_size": 16, "num_hidden_layers": 6, "num_attention_heads": 2, "intermediate_size": 32}
CONFIG = {"model_type": "bert", **SIZE}


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(vocab_size=120, num_labels=2, **SIZE)).eval()


@pytest.fixture(scope="module")
def task():
    return bind("text-classification", TextReader(train_tokenizer(["a text"]), 64))


def rows():
    return [row | {"input_ids": np.array(row["input_ids"], np.int32)} for row in token_rows(20)]


@pytest.mark.parametrize(
    ("given", "kept", "width"),
    [
        ("layers:3", [0, 2, 5], 32),
        ("layers:1", [5], 32),
        ("layers:2:top", [4, 5], 32),
        ("ffn:0.5", [0, 1, 2, 3, 4, 5], 16),
        ("layers:2+ffn:0.25", [0, 5], 8),
        ("ffn:0.25+layers:6", [0, 1, 2, 3, 4, 5], 8),
    ],
)
def test_a_student_is_part_of_its_teacher(teacher, task, given, kept, width):
    students.check(given, CONFIG)
    student = students.made(teacher, given, task, rows())
    assert (student.config.num_hidden_layers, student.config.intermediate_size) == (len(kept), width)
    for layer, number in zip(student.bert.encoder.layer, kept, strict=True):
        own, whole = (m.attention.self.query.weight for m in (layer, teacher.bert.encoder.layer[number]))
        assert torch.equal(own, whole)
        assert own.data_ptr() != whole.data_ptr(), "training the student leaves the teacher alone"
        own, whole = (m.intermediate.dense.weight for m in (layer, teacher.bert.encoder.layer[number]))
        assert {tuple(row.tolist()) for row in own} <= {tuple(row.tolist()) for row in whole}


def test_layers_are_picked_by_importance(teacher, task, monkeypatch):
    least = [(0, 0.1), (5, 0.2), (2, 0.3), (3, 0.4)]
    monkeypatch.setattr(importance, "least_important_layers", lambda model, task, batches, count: least[:count])
    student = students.made(teacher, "layers:2:importance", task, rows())
    for layer, number in zip(student.bert.encoder.layer, (1, 4), strict=True):
        own, whole = (m.attention.self.query.weight for m in (layer, teacher.bert.encoder.layer[number]))
        assert torch.equal(own, whole)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("layers:0", "needs a layer"),
        ("layers:-1", "needs a layer"),
        ("layers:7", "the teacher has 6 layers"),
        ("layers:6", "all of the teacher"),
        ("layers:6+ffn:1", "all of the teacher"),
        ("ffn:0.999", "all of the teacher"),  # widths are multiples of 8
        ("layers:", "needs a "),
        ("layers:two", "needs a "),
        ("layers:3:bottom", "no way to pick layers.*even, top, importance"),
        ("layers:3+layers:2", "'layers:2' is not known"),
        ("layers:3+heads:2", "'heads:2' is not known.*layers:N"),
        ("ffn:0", "above 0 and at most 1"),
        ("ffn:1", "all of the teacher"),
        ("ffn:1.5", "above 0 and at most 1"),
        ("ffn:nan", "above 0 and at most 1"),
        ("ffn:x", "needs a number"),
        ("ffn:0.5:top", "needs a number"),
    ],
)
def test_students_that_cannot_be(given, says):
    with pytest.raises(ToolkitError, match=says):
        students.check(given, CONFIG)


def test_teachers_that_cannot_be_cut():
    with pytest.raises(ToolkitError, match="models of type 'odd' cannot be cut"):
        students.check("layers:2", {"model_type": "odd"})
