"""Texts, and pairs of them, as token ids."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toolkit import console
from toolkit.reading import Encoded
from toolkit.reading.words import Words, fits

OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert")  # their positions start after the padding id
LONGEST = 8192  # where neither model nor tokenizer tells
MULTIPLE = 2  # lengths are padded up to this: for each that occurs, kernels are made anew
OCTAVE = 8  # lengths from one power of two to the next that inference pads to, at most
BLOCK = 8192  # texts that are tokenised at once
CHARACTERS = 32  # of a text for each token that is read of it: what lies beyond is hardly ever wanted


@dataclass
class TextReader:
    """A tokenizer and the tokens that its model reads, special ones included.

    A content is a text, or a tuple of two; of a pair the longer text is cut first.
    """

    processor: Any
    max_length: int
    types: bool = False  # whether the model is told which token is of which text of a pair
    kind: str = "text"

    def contents(self, rows: Any) -> list[Any]:
        texts = [text or "" for text in rows["text"]]
        if "text_pair" not in rows.column_names:
            return texts
        return list(zip(texts, (text or "" for text in rows["text_pair"]), strict=True))

    def encode(self, contents: Sequence[Any]) -> Encoded:
        out: Encoded = []
        starts = range(0, len(contents), BLOCK)
        for start in console.track(starts, "tokenising, blocks of texts") if len(contents) > BLOCK else starts:
            out += self._block(contents[start : start + BLOCK])
        return out

    def _block(self, contents: Sequence[Any]) -> Encoded:
        if isinstance(contents[0], tuple):
            return self._tokens([tuple(map(self._enough, texts)) for texts in contents])
        most = self._most
        rows = self._tokens([self._part(text) if len(text) > most else text for text in contents])
        for i, text in enumerate(contents):
            if len(text) > most and self.size(rows[i]) < self.max_length:
                rows[i] = self._tokens([text])[0]
        return rows

    @property
    def _most(self) -> int:
        """Characters of a text that hold what is read of it, and more, but for odd ones."""
        return self.max_length * CHARACTERS

    def _part(self, text: str) -> str:
        """So many of them: a tokenizer reads a text to its end before it cuts."""
        return text[-self._most :] if self.processor.truncation_side == "left" else text[: self._most]

    def _enough(self, text: str) -> str:
        """That part, or the whole text where it is short, or the part holds fewer tokens than are read."""
        whole = len(text) <= self._most or self.size(self._tokens([self._part(text)])[0]) < self.max_length
        return text if whole else self._part(text)

    def _tokens(self, contents: list[Any]) -> Encoded:
        """int32 `input_ids`, and for pairs int8 `token_type_ids`: a list of numbers would take 8 times the memory."""
        types = self.types and isinstance(contents[0], tuple)
        if self.tokenizer is None:  # written in Python
            parts = zip(*contents, strict=True) if isinstance(contents[0], tuple) else [contents]
            found = self.processor(
                *map(list, parts),
                truncation=True,
                max_length=self.max_length,
                return_attention_mask=False,
                return_token_type_ids=types,
            )
            ids, kinds = found["input_ids"], found["token_type_ids"] if types else []
        elif self._words and not isinstance(contents[0], tuple):
            ids, kinds = self._words.ids(contents), []
        else:
            encodings = self.tokenizer.encode_batch_fast(contents)
            ids, kinds = [e.ids for e in encodings], [e.type_ids for e in encodings] if types else []
        rows = [{"input_ids": np.array(values, np.int32)} for values in ids]
        for row, values in zip(rows, kinds, strict=False):
            row["token_type_ids"] = np.array(values, np.int8)
        for row in rows:
            if not len(row["input_ids"]):  # attention over nothing is not a number
                row |= {name: np.zeros(1, values.dtype) for name, values in row.items()}
                row["input_ids"][:] = next(
                    i for i in (self.processor.unk_token_id, self.processor.pad_token_id) if i is not None
                )
        return rows

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer's own Rust part, cutting at `max_length`; None of one that has none.

        Called past transformers it takes half the time: no offsets are made, no lists copied. A copy, for transformers
        changes the original with each call.
        """
        if not getattr(self.processor, "is_fast", False):
            return None
        own = copy.deepcopy(self.processor.backend_tokenizer)
        own.no_padding()
        own.enable_truncation(self.max_length, direction=self.processor.truncation_side)
        own.encode_special_tokens = self.processor.split_special_tokens
        return own

    @cached_property
    def _words(self) -> Words | None:
        if self.tokenizer is None or not fits(self.tokenizer, self.max_length):
            return None
        return Words(self.tokenizer, self.max_length, self.processor.truncation_side == "left")

    @cached_property
    def _special(self) -> set[int]:
        return set(self.processor.all_special_ids)

    def empty(self, row: dict[str, Any]) -> bool:
        return self._special.issuperset(row["input_ids"].tolist())

    def size(self, row: dict[str, Any]) -> int:
        return len(row["input_ids"])

    def guess(self, content: Any) -> int:
        # bytes: a Chinese character is three of them and a token, a word piece of English about four
        texts = content if isinstance(content, tuple) else (content,)
        return sum(len(text.encode(errors="replace")) for text in texts)

    def bucket(self, size: int, multiple: int) -> int:
        step = max(multiple, (1 << size.bit_length()) // 2 // OCTAVE)
        return max(size, min(-(-size // step) * step, self.max_length))

    def batch(self, rows: Encoded, size: int | None = None) -> dict[str, Any]:
        length = size or -(-max(map(self.size, rows)) // MULTIPLE) * MULTIPLE
        out = {"input_ids": np.full((len(rows), length), self.processor.pad_token_id, dtype=np.int64)}
        for name in ("attention_mask", *(["token_type_ids"] if "token_type_ids" in rows[0] else [])):
            out[name] = np.zeros((len(rows), length), dtype=np.int64)
        for i, row in enumerate(rows):
            n = len(row["input_ids"])
            out["attention_mask"][i, :n] = 1
            for name in out.keys() - {"attention_mask"}:
                out[name][i, :n] = row[name]
        return out


def max_tokens(config: Any, tokenizer: Any, wanted: int | None = None) -> int:
    """The tokens a model reads: what its tokenizer says; or `wanted`, as far as its positions go.

    A tokenizer says what the training before was given, so only one that has no positions beside it bounds `wanted`.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1
    told = [] if wanted and positions else [tokenizer.model_max_length]
    return int(min([wanted or LONGEST, *told, *([positions] if positions else [])]))


def tells_texts_apart(config: Any, tokenizer: Any) -> bool:
    """Whether a model has types of tokens for the two texts of a pair: BERT has, RoBERTa and DistilBERT have not."""
    types: int = getattr(config, "type_vocab_size", 0)
    return types > 1 and "token_type_ids" in tokenizer.model_input_names
