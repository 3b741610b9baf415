"""Sentence vectors of any encoder: the mean of its last hidden states over the tokens (Reimers & Gurevych, 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit import console

MAX_TOKENS = 256


def embed(model: Any, tokenizer: Any, texts: Sequence[str], device: str, length: int, batch_size: int = 64) -> Any:
    """Vectors of unit length, float32 (texts, width), in the order of the texts."""
    import torch

    model = model.to(device).eval()
    ids = tokenizer(list(texts), truncation=True, max_length=min(length, MAX_TOKENS), return_token_type_ids=False)
    order = sorted(range(len(texts)), key=lambda i: len(ids["input_ids"][i]))
    out = None
    for start in console.track(range(0, len(order), batch_size), "embedding"):
        rows = order[start : start + batch_size]
        batch = tokenizer.pad({key: [values[i] for i in rows] for key, values in ids.items()}, return_tensors="pt")
        batch = {key: value.to(device) for key, value in batch.items()}
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state.float()
        mask = batch["attention_mask"][:, :, None].float()
        mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).cpu().numpy()
        if out is None:
            out = np.zeros((len(texts), mean.shape[1]), dtype=np.float32)
        out[rows] = mean
    return out
