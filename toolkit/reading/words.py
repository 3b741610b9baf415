"""Texts tokenised word by word, each word once: where a text's tokens are those of its words, a look-up finds them.

A tokenizer keeps track of every character, at microseconds a word (docs/inference.md): beside a small encoder in INT8
that is a sixth of all time.
"""

from __future__ import annotations

import json
from typing import Any

CHARWISE = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}  # nothing reaches past a space
AT_SPACES = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}  # spaces part words, and are left out
WITHIN = AT_SPACES | {"Punctuation", "Digits", "Split"}  # what may follow: it parts words further
KEPT = 1 << 16  # words, the first that come: those are the frequent ones
LETTER = "a"  # shows the special tokens around a text
LONGEST = 32  # bytes of a word that is kept; longer are addresses, and sentences of languages without spaces


class Words:
    """Token ids of texts by those of their words, as `tokenizer` gives them.

    Args:
        tokenizer: of `tokenizers`, one that `fits`, cutting at `longest`.
        longest: tokens of a text, special ones included.
        left: whether the beginning of a text is cut off rather than its end.
    """

    def __init__(self, tokenizer: Any, longest: int, left: bool) -> None:
        self._tokenizer, self._left = tokenizer, left
        self._first, self._last = _ends(tokenizer)
        self._most = longest - len(self._first) - len(self._last)
        self._known: dict[str, list[int]] = {}

    def ids(self, texts: list[str]) -> list[list[int]]:
        known, first, last = self._known, self._first, self._last
        parted = [text.split(" ") for text in texts]  # at no other blank: some tokenizers drop those without parting
        self._learn({word for words in parted for word in words if word not in known})
        out, rest = [], []
        for i, words in enumerate(parted):
            try:
                row = [token for word in words for token in known[word]]
            except KeyError:
                rest.append(i)
                out.append(first)
                continue
            if len(row) > self._most:
                row = row[-self._most :] if self._left else row[: self._most]
            out.append([*first, *row, *last])
        for i, found in zip(rest, self._tokenizer.encode_batch_fast([texts[i] for i in rest]), strict=True):
            out[i] = found.ids
        return out

    def _learn(self, words: set[str]) -> None:
        room = max(0, KEPT - len(self._known))  # threads that learn side by side may pass it by a block
        new = [word for word in words if len(word.encode(errors="replace")) <= LONGEST][:room]
        for word, found in zip(new, self._tokenizer.encode_batch_fast(new, add_special_tokens=False), strict=True):
            self._known[word] = found.ids


def fits(tokenizer: Any, longest: int) -> bool:
    """Whether a text's tokens are those of its words one after another, whatever the text.

    Args:
        tokenizer: of `tokenizers`. longest: tokens of a text that it is to give.
    """
    parts = _parts(tokenizer.pre_tokenizer)
    return (
        CHARWISE.issuperset(_parts(tokenizer.normalizer))
        and AT_SPACES.issuperset(parts[:1])
        and WITHIN.issuperset(parts)
        and bool(parts)
        and not getattr(tokenizer.model, "dropout", None)  # of BPE: drawn anew each time
        and not any(" " in token.content for token in tokenizer.get_added_tokens_decoder().values())
        and tokenizer.num_special_tokens_to_add(False) < longest
        and bool(tokenizer.encode(LETTER, add_special_tokens=False).ids)
    )


def _parts(component: Any) -> list[str]:
    """The types of a normalizer's or pre-tokenizer's parts."""
    told: dict[str, Any] = json.loads(component.__getstate__()) if component else {"type": "Sequence"}
    parts = told.get("normalizers", []) + told.get("pretokenizers", []) if told["type"] == "Sequence" else [told]
    return [part["type"] for part in parts]


def _ends(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text."""
    bare, whole = (tokenizer.encode(LETTER, add_special_tokens=special).ids for special in (False, True))
    added = len(whole) - len(bare)
    start = next(i for i in range(added + 1) if whole[i : i + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]
