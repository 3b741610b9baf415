from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import token_rows
from transformers import BertConfig, BertForSequenceClassification, ResNetConfig, ResNetForImageClassification

from toolkit.compression import channel_importance, importance
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


RESNET = ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[3, 2], layer_type="basic", num_labels=2)


@pytest.fixture(scope="module")
def of_images():
    """A ResNet, its task, and rows of its two classes."""
    torch.manual_seed(0)
    model = ResNetForImageClassification(RESNET).eval()
    found = bind("image-classification", SimpleNamespace(kind="image", batch=stacked))
    return model, found, [{"pixel_values": torch.rand(3, 32, 32).numpy(), "labels": i % 2} for i in range(8)]


def stacked(rows):
    return {"pixel_values": np.stack([row["pixel_values"] for row in rows])}


@pytest.mark.parametrize(
    ("given", "depths", "widths"),
    [
        ("layers:3", [1, 2], [16, 32]),
        ("layers:4:top", [2, 2], [16, 32]),
        ("layers:2", [1, 1], [16, 32]),
        ("channels:0.5", [3, 2], [8, 16]),
        ("layers:4+channels:0.5", [2, 2], [8, 16]),
    ],
)
def test_a_resnet_loses_blocks_and_channels(of_images, given, depths, widths):
    teacher, task, rows = of_images
    assert students.check(given, RESNET.to_dict()) == (2, 2), "states are compared by stage"
    student = students.made(teacher, given, task, rows)
    assert (student.config.depths, student.config.hidden_sizes) == (depths, widths)
    assert student(**task.collate(rows)).logits.isfinite().all()
    if widths == [16, 32]:  # the last block of the first stage is among those next to the head
        own, whole = (m.resnet.encoder.stages[0].layers[-1].layer[0].convolution.weight for m in (student, teacher))
        assert torch.equal(own, whole) == ("top" in given)
    again = ResNetForImageClassification(student.config)
    again.load_state_dict(student.state_dict())
    assert teacher.config.depths == [3, 2]


def test_blocks_are_picked_by_importance(of_images, monkeypatch):
    gone = [{"stage": 0, "layer": 2}, {"stage": 1, "layer": 1}]
    monkeypatch.setattr(channel_importance, "least_important_blocks", lambda model, task, batches, n: gone[:n])
    assert students.made(of_images[0], "layers:3:importance", *of_images[1:]).config.depths == [2, 1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("layers:1", "the teacher has 5 blocks in 2 stages, and the first of each stays.*ask for 2 to 5"),
        ("layers:6", "the teacher has 5 blocks"),
        ("layers:5", "all of the teacher"),
        ("channels:1", "all of the teacher"),
        ("channels:0", "above 0 and at most 1"),
        ("ffn:0.5", "a resnet has no feed-forward neurons.*channels:SHARE"),
    ],
)
def test_students_that_no_resnet_has(given, says):
    with pytest.raises(ToolkitError, match=says):
        students.check(given, RESNET.to_dict())


def test_an_encoder_has_no_channels():
    with pytest.raises(ToolkitError, match="a bert has no channels: write ffn:SHARE"):
        students.check("channels:0.5", CONFIG)


def test_teachers_that_cannot_be_cut():
    with pytest.raises(ToolkitError, match="models of type 'odd' cannot be cut"):
        students.check("layers:2", {"model_type": "odd"})
