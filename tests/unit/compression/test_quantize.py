import io
import sys

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RoFormerConfig,
    RoFormerForSequenceClassification,
)

from toolkit.compression import quantize
from toolkit.errors import ToolkitError
from toolkit.inference.backends import BACKENDS


@pytest.mark.parametrize("count", [10, 33, 100])
def test_sample_has_the_shares_of_the_classes(count):
    labels = [0] * 500 + [1] * 300 + [2] * 200
    drawn = np.bincount([labels[i] for i in quantize.stratified(labels, count, seed=0)], minlength=3)
    assert drawn.sum() == count
    assert np.abs(drawn - count * np.array([0.5, 0.3, 0.2])).max() <= 1


def test_sample_is_seeded_and_without_repeats():
    labels = [0, 1] * 50
    first = quantize.stratified(labels, 40, seed=1)
    assert first == quantize.stratified(labels, 40, seed=1)
    assert first != quantize.stratified(labels, 40, seed=2)
    assert len(set(first)) == 40


SMALL = {
    "vocab_size": 80,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
MODELS = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SMALL, num_labels=3)),
    "roformer": lambda: RoFormerForSequenceClassification(RoFormerConfig(**SMALL, embedding_size=64, num_labels=3)),
    "roformer, values turned": lambda: RoFormerForSequenceClassification(
        RoFormerConfig(**SMALL, embedding_size=64, num_labels=3, rotary_value=True)
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_openvino_answers_as_torch_does_and_int8_nearly_so(kind, capsys):
    torch.manual_seed(0)
    model = MODELS[kind]().eval()
    getattr(model.classifier, "out_proj", model.classifier).weight.data *= 20  # answers that differ
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 80, (16, 12))
    mask = np.ones_like(ids)
    mask[3, 7:] = 0
    batch = {"input_ids": ids, "attention_mask": mask}
    float_model = quantize.to_openvino(model)
    expected = BACKENDS["torch"](model, "cpu")(batch)
    assert np.allclose(BACKENDS["openvino"](float_model, "cpu")(batch), expected, atol=1e-3)
    batches = [{"input_ids": ids[i : i + 1], "attention_mask": mask[i : i + 1]} for i in range(16)]
    answered = BACKENDS["openvino"](quantize.int8(float_model, batches), "cpu")(batch)
    assert np.abs(answered - expected).mean() < 0.1 * np.abs(expected).mean()
    assert capsys.readouterr().out == ""  # stdout carries the result alone
    assert not isinstance(sys.stdout, io.StringIO)


def test_openvino_takes_the_types_of_pairs(capsys):
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**SMALL, num_labels=3)).eval()
    model.bert.embeddings.token_type_embeddings.weight.data *= 50
    model.classifier.weight.data *= 20
    ids = np.random.default_rng(0).integers(5, 80, (4, 12))
    types = (np.arange(12) > 5).astype(np.int64)[None].repeat(4, 0)
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
    converted = BACKENDS["openvino"](quantize.to_openvino(model, list(batch)), "cpu")
    expected = BACKENDS["torch"](model, "cpu")(batch)
    assert np.allclose(converted(batch), expected, atol=1e-3)
    assert not np.allclose(converted(batch | {"token_type_ids": 0 * types}), expected, atol=1e-2)
    with pytest.raises(ToolkitError, match="quantized on pairs of texts, the data holds single texts"):
        converted({name: batch[name] for name in ("input_ids", "attention_mask")})
