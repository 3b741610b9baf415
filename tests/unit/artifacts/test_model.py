import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification, BertModel

from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError
from toolkit.training import builtin

SMALL = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
NAMES = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}


@pytest.fixture(scope="module")
def tokenizer():
    return builtin.train_tokenizer(["some words to learn from"] * 8)


def saved(folder, model, tokenizer):
    loading.save(folder, model, tokenizer)
    return folder


@pytest.fixture
def classifier(tmp_path, tokenizer):
    return saved(tmp_path / "m", BertForSequenceClassification(BertConfig(**SMALL, **NAMES)), tokenizer)


def head(model):
    return model.classifier.weight.detach()


def test_the_head_stays_for_the_same_classes_and_is_new_for_others_of_the_same_number(classifier):
    stored = head(loading.load(classifier)[0])
    assert torch.equal(head(loading.load(classifier, ["neg", "pos"])[0]), stored)
    other, _ = loading.load(classifier, ["cat", "dog"])
    assert not torch.equal(head(other), stored)
    assert other.config.id2label == {0: "cat", 1: "dog"}
    more, _ = loading.load(classifier, ["a", "b", "c"])
    assert head(more).shape == (3, 32)
    assert torch.equal(more.bert.embeddings.word_embeddings.weight, other.bert.embeddings.word_embeddings.weight)


def test_a_bare_encoder_gets_a_head(tmp_path, tokenizer):
    folder = saved(tmp_path / "m", BertModel(BertConfig(**SMALL)), tokenizer)
    assert models.labels(folder) is None
    assert head(loading.load(folder, ["a", "b", "c"])[0]).shape == (3, 32)
    with pytest.raises(ToolkitError, match="is not a classifier"):
        models.demand_classifier(folder, "evaluate")


def test_a_classifier_of_tokens_is_none_of_texts(tmp_path, tokenizer):
    assert models.labels(saved(tmp_path / "m", BertForTokenClassification(BertConfig(**SMALL)), tokenizer)) is None


def test_names_that_transformers_leaves_out(tmp_path, tokenizer):
    folder = saved(tmp_path / "m", BertForSequenceClassification(BertConfig(**SMALL)), tokenizer)
    config = json.loads((folder / "config.json").read_text())
    config.pop("id2label", None)
    (folder / "config.json").write_text(json.dumps(config))
    assert models.labels(folder) == ["LABEL_0", "LABEL_1"]


@pytest.mark.parametrize("part", ["classifier.weight", "bert.encoder.layer.1.output.dense.weight"])
def test_weights_that_are_missing_are_told_and_not_made_up(classifier, part):
    weights = load_file(classifier / "model.safetensors")
    del weights[part]
    save_file(weights, classifier / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ToolkitError, match=part):
        loading.load(classifier)
    if part.startswith("bert"):
        with pytest.raises(ToolkitError, match=part):
            loading.load(classifier, ["x", "y"])


def test_size_counts_what_inference_loads_and_nothing_else(classifier):
    before = models.inference_bytes(classifier)
    assert before > (classifier / "model.safetensors").stat().st_size
    for name in ("training_args.bin", "pytorch_model.bin", "README.md", "metrics.json"):
        (classifier / name).write_bytes(b"x" * 10_000)
    assert models.inference_bytes(classifier) == before


def test_parameters_are_those_of_the_model(classifier):
    assert models.parameters(classifier) == loading.load(classifier)[0].num_parameters()
