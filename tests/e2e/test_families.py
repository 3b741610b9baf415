"""A model of every family goes through prune, distill and quantize as commands."""

import json
from pathlib import Path

import pytest
import torch
import transformers as t
from helpers import pictures

import toolkit
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.training import builtin

SIZES = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
SHORT = {"max_position_embeddings": 130}
TEXT = {
    "bert": lambda common: t.BertForSequenceClassification(t.BertConfig(**SIZES, **SHORT, **common)),
    "roberta": lambda common: t.RobertaForSequenceClassification(t.RobertaConfig(**SIZES, **SHORT, **common)),
    "distilbert": lambda common: t.DistilBertForSequenceClassification(
        t.DistilBertConfig(dim=64, n_layers=3, n_heads=4, hidden_dim=96, **SHORT, **common)
    ),
}
DEPTH = {"distilbert": "n_layers"}


def loud(model):
    """Random weights, large enough that answers differ from row to row."""
    for parameter in model.parameters():
        parameter.data *= 3 if parameter.dim() == 2 else 1
    return model


def through(source: Path, data: Path, out: Path) -> None:
    """Prune, distill and quantize, each from what the one before made."""
    pruned = toolkit.prune(
        source, data=str(data), layers=2, ffn=0.5, recover=False, sensitivity=False, out=out / "prune"
    ).artifact
    taught = toolkit.distill(
        source, data=str(data), student=str(pruned), hidden_weight=1.0, epochs=1, precision="fp32", out=out / "distill"
    ).artifact
    small = toolkit.quantize(taught, data=str(data), out=out / "quantize").artifact
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (source, taught))
    depth = DEPTH.get(before["model_type"], "num_hidden_layers")
    assert (before[depth], after[depth]) == (3, 2)
    assert models.parameters(taught) < models.parameters(source)
    pruned_weights, taught_weights = (loading.load(folder)[0].state_dict() for folder in (pruned, taught))
    assert all(pruned_weights[name].shape == value.shape for name, value in taught_weights.items())
    assert any(not torch.equal(pruned_weights[name], value) for name, value in taught_weights.items())
    weights = (small / "openvino_model.bin").stat().st_size / (taught / "model.safetensors").stat().st_size
    assert weights < 0.4
    assert json.loads((small / "metrics.json").read_text())["comparison"]["flipped"] <= 0.25


@pytest.mark.usefixtures("few_timed")
@pytest.mark.parametrize("kind", TEXT)
def test_text(model, split, tmp_path, kind):
    tokenizer = t.AutoTokenizer.from_pretrained(model)
    names = models.labels(model)
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "num_labels": len(names)}
    common |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    torch.manual_seed(0)
    loading.save(tmp_path / "model", loud(TEXT[kind](common)), tokenizer)
    through(tmp_path / "model", split, tmp_path)


@pytest.mark.usefixtures("few_timed")
@pytest.mark.parametrize("kind", ["ViT", "DeiT"])
def test_images(tmp_path, kind):
    data = toolkit.split(pictures(tmp_path / "in"), out=tmp_path / "split", validation=0.25, test=0.25).artifact
    stock, processor = builtin.build("builtin:vit-tiny", [], ["cat", "dog"], seed=0)
    config = getattr(t, f"{kind}Config")(
        **SIZES, image_size=stock.config.image_size, patch_size=8,
        id2label=stock.config.id2label, label2id=stock.config.label2id,
    )  # fmt: skip
    torch.manual_seed(0)
    loading.save(tmp_path / "model", loud(getattr(t, f"{kind}ForImageClassification")(config)), processor)
    through(tmp_path / "model", data, tmp_path)
