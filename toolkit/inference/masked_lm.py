"""Words in a gap of a text, scored and proposed by a masked language model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.text import is_cjk

WINDOW = 128  # tokens around a gap that the model reads
CHARACTERS = 1000  # of each side that are tokenised for them
WIDE = 24  # pieces tried at each place of a gap of several
MOST_PIECES = 8  # of a candidate; a longer one is scored -inf
Gap = tuple[str, str]  # the text on either side of a missing word


class MaskedLM:
    """A model with a masked-language head, and its tokenizer.

    Gaps are run in the order of their lengths, so that the order in which they are given plays no part.
    """

    def __init__(self, model: Any, tokenizer: Any, device: str = "cpu", batch_size: int = 32) -> None:
        self.model, self.tokenizer, self.device, self.batch_size = (
            model.to(device).eval(),
            tokenizer,
            device,
            batch_size,
        )
        window = min(WINDOW, tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", WINDOW))
        self.side = max(1, (window - MOST_PIECES - 4) // 2)

    def rank(self, gaps: Sequence[Gap], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """For each gap the score of each of its candidates: the mean log-probability of their pieces, all masked."""
        out = [[-np.inf] * len(words) for words in candidates]
        wanted: dict[tuple[Gap, int], list[tuple[int, int, list[int]]]] = {}
        for i, (gap, words) in enumerate(zip(gaps, candidates, strict=True)):
            for k, word in enumerate(words):
                pieces = self._pieces(word)
                if pieces:
                    wanted.setdefault((gap, len(pieces)), []).append((i, k, pieces))
        for key, scores in self._scores(list(wanted)):
            for i, k, pieces in wanted[key]:
                out[i][k] = float(np.mean(scores[range(len(pieces)), pieces]))
        return out

    def fill(self, gaps: Sequence[Gap], sizes: Sequence[int], count: int) -> list[list[str]]:
        """For each gap the best `count` fillings of `size` pieces, best first.

        Those of one piece are whole words; those of several (three at most) are Chinese, a character a piece, the best
        by the sum of what the model gives each place, from its `WIDE` best there.
        """
        keys = list(zip(gaps, sizes, strict=True))
        found = {(gap, size): self._best(scores, size, count) for (gap, size), scores in self._scores(keys)}
        return [found[key] for key in keys]

    def _best(self, scores: Any, size: int, count: int) -> list[str]:
        kept, many = (self._words, count) if size == 1 else (self._characters, WIDE)
        best = [kept[np.argsort(-row[kept], kind="stable")[:many]].tolist() for row in scores]
        ways = sorted(itertools.product(*best), key=lambda ids: -float(scores[range(size), list(ids)].sum()))
        return ["".join(self._vocabulary[i] for i in ids) for ids in ways[:count]]

    def _scores(self, wanted: Sequence[tuple[Gap, int]]) -> Iterator[tuple[tuple[Gap, int], Any]]:
        """(gap, masks) and its log-probabilities, float32 (masks, vocabulary), of each that differs."""
        import torch

        mask = self.tokenizer.mask_token_id
        unique = list(dict.fromkeys(wanted))
        sides = [self._sides(gap) for gap, _ in unique]
        rows = [[*left, *[mask] * n, *right] for (left, right), (_, n) in zip(sides, unique, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), rows[i]))
        for start in console.track(range(0, len(order), self.batch_size), "reading contexts"):
            batch = order[start : start + self.batch_size]
            padded = self.tokenizer.pad({"input_ids": [rows[i] for i in batch]}, return_tensors="pt").to(self.device)
            with torch.inference_mode():
                logits = self.model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).logits
            for k, i in enumerate(batch):
                at = len(sides[i][0])
                yield unique[i], torch.log_softmax(logits[k, at : at + unique[i][1]].float(), -1).cpu().numpy()

    def _sides(self, gap: Gap) -> tuple[list[int], list[int]]:
        """The pieces before and after a gap, those of begin and end among them."""
        left = self._ids(gap[0][-CHARACTERS:].rstrip())[-self.side :]
        right = self._ids(gap[1][:CHARACTERS])[: self.side]
        begin = self.tokenizer.cls_token_id if self.tokenizer.cls_token_id is not None else self.tokenizer.bos_token_id
        end = self.tokenizer.sep_token_id if self.tokenizer.sep_token_id is not None else self.tokenizer.eos_token_id
        return [*([] if begin is None else [begin]), *left], [*right, *([] if end is None else [end])]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _pieces(self, word: str) -> list[int]:
        """The pieces of a word; none of one that is too long or not in the vocabulary."""
        ids = self._ids(word if is_cjk(word) else f" {word}")
        if len(ids) > 1 and not self._vocabulary[ids[0]].strip("▁Ġ "):
            ids = ids[1:]  # the mark of a space alone
        return ids if 0 < len(ids) <= MOST_PIECES and self.tokenizer.unk_token_id not in ids else []

    @cached_property
    def _vocabulary(self) -> list[str]:
        """The text of each piece."""
        return [text.strip() for text in self.tokenizer.batch_decode([[i] for i in range(self._size)])]

    @cached_property
    def _size(self) -> int:
        return min(len(self.tokenizer), int(self.model.config.vocab_size))

    @cached_property
    def _words(self) -> Any:
        """The pieces that are words of letters alone."""
        raw = self.tokenizer.convert_ids_to_tokens(list(range(self._size)))
        marked = any(token.startswith(("▁", "Ġ")) for token in raw)
        special = set(self.tokenizer.all_special_ids)
        whole = [
            i
            for i, token in enumerate(raw)
            if self._vocabulary[i].isalpha()
            and i not in special
            and (is_cjk(self._vocabulary[i]) or not marked or token[0] in "▁Ġ")
        ]
        return np.array(whole, dtype=np.int64)

    @cached_property
    def _characters(self) -> Any:
        """The pieces that are one Chinese character."""
        ids = [i for i in self._words.tolist() if len(self._vocabulary[i]) == 1 and is_cjk(self._vocabulary[i])]
        return np.array(ids, dtype=np.int64)
