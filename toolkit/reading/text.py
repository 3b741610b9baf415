"""Texts as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.reading import Encoded

OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert")  # their positions start after the padding id
LONGEST = 8192  # where neither model nor tokenizer tells
MULTIPLE = 2  # lengths are padded up to this: for each that occurs, kernels are made anew
BUCKETS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
LONG_STEP = 128  # between lengths beyond the buckets


@dataclass
class TextReader:
    """A tokenizer and the tokens that its model reads, special ones included."""

    processor: Any
    max_length: int
    kind: str = "text"

    def contents(self, rows: Any) -> list[str]:
        return [text or "" for text in rows["text"]]

    def encode(self, contents: Sequence[str]) -> Encoded:
        if not contents:
            return []
        encoded = self.processor(
            list(contents),
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return [{"input_ids": ids} for ids in encoded["input_ids"]]

    def size(self, row: dict[str, Any]) -> int:
        return len(row["input_ids"])

    def bucket(self, size: int) -> int:
        padded = next((b for b in BUCKETS if b >= size), -(-size // LONG_STEP) * LONG_STEP)
        return max(size, min(padded, self.max_length))

    def batch(self, rows: Encoded, size: int | None = None) -> dict[str, Any]:
        length = size or -(-max(map(self.size, rows)) // MULTIPLE) * MULTIPLE
        ids = np.full((len(rows), length), self.processor.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for i, row in enumerate(rows):
            n = len(row["input_ids"])
            ids[i, :n] = row["input_ids"]
            mask[i, :n] = 1
        return {"input_ids": ids, "attention_mask": mask}


def max_tokens(config: Any, tokenizer: Any, wanted: int | None = None) -> int:
    """The tokens a model reads: what its positions and its tokenizer allow, at most `wanted`."""
    limits = [tokenizer.model_max_length, wanted or LONGEST]
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1
    return int(min(limits + [positions] * bool(positions)))
