"""Tiny classifiers of the architectures that are quantized, and batches for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DeiTConfig,
    DeiTForImageClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    ResNetConfig,
    ResNetForImageClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    RoFormerConfig,
    RoFormerForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)

SMALL = {
    "vocab_size": 80,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "num_labels": 3,
}
DISTIL = {"vocab_size": 80, "dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128, "num_labels": 3}
LOCAL = {"local_attention": 4, "global_attn_every_n_layers": 2, "pad_token_id": 0}  # windows of padding alone occur
SEEN = {"image_size": 16, "patch_size": 8} | {k: v for k, v in SMALL.items() if k != "vocab_size"}
CONVOLVED = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1], "layer_type": "basic", "num_labels": 3}
TEXT: dict[str, Callable[[], Any]] = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SMALL)),
    "distilbert": lambda: DistilBertForSequenceClassification(DistilBertConfig(**DISTIL)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SMALL, pad_token_id=1)),
    "roformer": lambda: RoFormerForSequenceClassification(RoFormerConfig(**SMALL, embedding_size=64)),
    "roformer, values turned": lambda: RoFormerForSequenceClassification(
        RoFormerConfig(**SMALL, embedding_size=64, rotary_value=True)
    ),
    "modernbert": lambda: ModernBertForSequenceClassification(ModernBertConfig(**SMALL | LOCAL)),
}
IMAGE: dict[str, Callable[[], Any]] = {
    "vit": lambda: ViTForImageClassification(ViTConfig(**SEEN)),
    "deit": lambda: DeiTForImageClassification(DeiTConfig(**SEEN)),
    "resnet": lambda: ResNetForImageClassification(ResNetConfig(**CONVOLVED)),
}
ROWS = 16


def make(kind: str) -> Any:
    """A model of seeded weights whose answers differ from row to row."""
    torch.manual_seed(0)
    model = (TEXT | IMAGE)[kind]().eval()
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    linear.weight.data *= 20
    return model


def batch(kind: str) -> dict[str, Any]:
    """16 rows for it."""
    rng = np.random.default_rng(0)
    if kind in IMAGE:
        size = 32 if kind == "resnet" else 16
        return {"pixel_values": rng.normal(size=(ROWS, 3, size, size)).astype(np.float32)}
    ids, mask = rng.integers(5, 80, (ROWS, 12)), np.ones((ROWS, 12), dtype=np.int64)
    mask[3, 7:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def alone(rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Each row of a batch as a batch."""
    return [{name: values[i : i + 1] for name, values in rows.items()} for i in range(ROWS)]
