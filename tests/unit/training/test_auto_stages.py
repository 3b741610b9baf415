import json

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from toolkit.training import auto_stages
from toolkit.training.config import Layers, Optim

FACTS = {
    "rows": 500, "parameters": 100_000_000, "lower": 60_000_000, "memory": 16e9, "optimizer": "adamw",
    "layer_decay": 1.0, "scratch": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "stages", "says"),
    [
        ({}, "none", "500 rows"),
        ({"memory": 2e9}, "three-phase", "1.6 GB to train 100M weights, 2.0 GB free: 0.9 GB with"),
        ({"memory": 2e9, "optimizer": "adafactor"}, "none", "memory is enough"),
        ({"memory": 2e9, "scratch": True}, "none", "the weights are new"),
    ],
)
def test_the_choice_and_its_reason(changes, stages, says):
    found = auto_stages.choose(**(FACTS | changes))
    assert found.stages == stages
    assert says in found.reason


def model():
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(vocab_size=50, **small))


def test_other_stages_stay(tmp_path):
    layers = Layers(stages="gradual")
    assert auto_stages.settle(layers, Optim(), model(), 10, tmp_path, "cpu", False) is layers
    assert not list(tmp_path.iterdir())


def test_a_resumed_training_keeps_its_choice(tmp_path, monkeypatch):
    def settled(free):
        monkeypatch.setattr(auto_stages, "_free", lambda device: free)
        return auto_stages.settle(Layers(stages="auto", layer_decay=0.9), Optim(), model(), 10, tmp_path, "cpu", False)

    first = settled(1e4)
    assert (first.stages, first.layer_decay) == ("three-phase", 0.9)
    assert settled(1e12) == first
    assert set(json.loads((tmp_path / auto_stages.FILE).read_text())) == {"stages", "layer_decay", "reason"}


def test_what_stands_still_is_counted():
    made = model()
    embeddings = sum(p.numel() for p in made.bert.embeddings.parameters())
    assert auto_stages._lower(made) == embeddings + sum(p.numel() for p in made.bert.encoder.layer[0].parameters())


def test_memory_is_asked_of_the_machine():
    assert 1e8 < auto_stages._free("cpu") < 1e14
