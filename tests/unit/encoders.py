"""Tiny classifiers of every family that can be cut, and a batch for each."""

from typing import Any

import torch
import transformers as t

SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
TEXT = {"vocab_size": 60} | SIZES
IMAGE = {"image_size": 32, "patch_size": 8} | SIZES


def text(name: str, **more: Any) -> Any:
    return getattr(t, f"{name}ForSequenceClassification")(getattr(t, f"{name}Config")(**TEXT, **more))


MODELS = {
    "bert": lambda: text("Bert"),
    "roberta": lambda: text("Roberta", pad_token_id=1),
    "xlm-roberta": lambda: text("XLMRoberta", pad_token_id=1),
    "camembert": lambda: text("Camembert", pad_token_id=1),
    "electra": lambda: text("Electra", embedding_size=32),
    "electra, projected": lambda: text("Electra", embedding_size=16),
    "roformer": lambda: text("RoFormer", embedding_size=32),
    "roformer, projected": lambda: text("RoFormer", embedding_size=16),
    "distilbert": lambda: t.DistilBertForSequenceClassification(
        t.DistilBertConfig(vocab_size=60, dim=32, n_layers=4, n_heads=4, hidden_dim=48)
    ),
    "vit": lambda: t.ViTForImageClassification(t.ViTConfig(**IMAGE)),
    "deit": lambda: t.DeiTForImageClassification(t.DeiTConfig(**IMAGE)),
}
FREE = ("vit", "deit")  # whose heads may go alone


def make(name: str) -> Any:
    """A model with random weights, the same each time."""
    torch.manual_seed(0)
    return MODELS[name]().eval()


def batch(name: str) -> dict[str, Any]:
    """Six rows with labels."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.tensor([0, 1] * 3)
    if name in FREE:
        return {"pixel_values": torch.randn(6, 3, 32, 32, generator=generator), "labels": labels}
    ids = torch.randint(5, 60, (6, 9), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def logits(model: Any, batch: dict[str, Any]) -> Any:
    with torch.inference_mode():
        return model(**{key: value for key, value in batch.items() if key != "labels"}).logits
