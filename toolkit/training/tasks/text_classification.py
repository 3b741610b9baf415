"""One label a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert")  # their positions start after the padding id
LONGEST = 8192  # where neither model nor tokenizer tells
SHARES = "label_weights"  # of a mixture's classes; other rows have none
MULTIPLE = 8  # lengths are padded up to this: matrix kernels like it, and fewer shapes occur


def encode(tokenizer: Any, rows: Any, max_length: int) -> list[dict[str, Any]]:
    """Token ids (and the label, where there is one) of each row; nothing is padded yet.

    Args:
        rows: a Dataset with `text` and perhaps `label` and `label_weights`.
        max_length: tokens kept of a text, special ones included.
    """
    ids = tokenizer(list(rows["text"]), truncation=True, max_length=max_length, return_attention_mask=False)[
        "input_ids"
    ]
    if "label" not in rows.column_names:
        return [{"input_ids": i} for i in ids]
    out = [{"input_ids": i, "labels": label} for i, label in zip(ids, rows["label"], strict=True)]
    if SHARES in rows.column_names:
        for row, shares in zip(out, rows[SHARES], strict=True):
            row.update({SHARES: shares} if shares else {})
    return out


def loss(model: Any, batch: dict[str, Any], smoothing: float = 0.0) -> tuple[Any, Any]:
    """(cross-entropy to the labels, or to the shares of the classes where rows are mixtures; model outputs).

    Args:
        smoothing: share of each label that is spread over all classes (Szegedy et al., 2016).
    """
    from torch.nn.functional import cross_entropy

    shares = batch.get(SHARES)
    outputs = model(**{key: value for key, value in batch.items() if key != SHARES})
    if shares is None and not smoothing:
        return outputs.loss, outputs
    target = batch["labels"] if shares is None else shares
    return cross_entropy(outputs.logits.float(), target, label_smoothing=smoothing), outputs


def collate(pad_id: int, rows: Sequence[dict[str, Any]], length: int | None = None) -> dict[str, Any]:
    """Rows as tensors (batch, length), padded to the longest or to `length`."""
    import numpy as np
    import torch

    longest = length or -(-max(len(row["input_ids"]) for row in rows) // MULTIPLE) * MULTIPLE
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for i, row in enumerate(rows):
        n = len(row["input_ids"])
        ids[i, :n] = row["input_ids"]
        mask[i, :n] = 1
    batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if "labels" in rows[0]:
        batch["labels"] = torch.tensor([row["labels"] for row in rows])
    classes = next((len(row[SHARES]) for row in rows if SHARES in row), 0)
    if classes:
        unit = np.eye(classes, dtype=np.float32)
        shares = np.array([row.get(SHARES, unit[row["labels"]]) for row in rows], dtype=np.float32)
        batch[SHARES] = torch.from_numpy(shares)
    own = set(rows[0]) - {"input_ids", "labels", SHARES}
    return batch | {key: torch.stack([row[key] for row in rows]) for key in sorted(own)}


def max_tokens(config: Any, tokenizer: Any, wanted: int | None = None) -> int:
    """The tokens a model reads: what its positions and its tokenizer allow, at most `wanted`."""
    limits = [tokenizer.model_max_length, wanted or LONGEST]
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1
    return int(min(limits + [positions] * bool(positions)))
