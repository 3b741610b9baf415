"""Translation there and back by two sequence-to-sequence models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit import console
from toolkit.data.text import CJK, language

LONGEST = 512  # tokens; a longer text is not translated, for a model cuts it short
CHARACTERS = 20  # of a token, at most
REMEMBERED = 50_000  # texts
GROWTH, MORE = 2, 16  # a translation of n tokens has at most GROWTH * n + MORE
_BETWEEN_CHINESE = re.compile(rf"(?<=[{CJK}]) (?=[{CJK}])")  # of tokenizers that set one between any two tokens


@dataclass
class Model:
    """A model with its tokenizer. batch_size: texts at a time."""

    model: Any
    tokenizer: Any
    device: str = "cpu"
    batch_size: int = 32

    def __post_init__(self) -> None:
        self.model = self.model.to(self.device).eval()
        positions = getattr(self.model.config, "max_position_embeddings", None) or LONGEST
        self.longest = min(LONGEST, self.tokenizer.model_max_length, positions)

    def translate(self, texts: Sequence[str], beams: int, best: int, label: str) -> list[list[str]]:
        """The `best` translations of each text, best first; none of one that is empty or too long."""
        import torch

        ids = [self._ids(text) for text in texts]
        fit = [i for i, row in enumerate(ids) if row]
        order = sorted(fit, key=lambda i: (len(ids[i]), ids[i]))
        out: list[list[str]] = [[] for _ in texts]
        for batch in console.track(_batches(order, ids, self.batch_size), label):
            padded = self.tokenizer.pad({"input_ids": [ids[i] for i in batch]}, return_tensors="pt").to(self.device)
            with torch.inference_mode():
                found = self.model.generate(
                    input_ids=padded["input_ids"],
                    attention_mask=padded["attention_mask"],
                    num_beams=beams,
                    num_return_sequences=best,
                    do_sample=False,
                    min_length=0,
                    max_length=None,
                    max_new_tokens=min(GROWTH * len(ids[batch[0]]) + MORE, self.longest - 1),
                )
            decoded = self.tokenizer.batch_decode(found, skip_special_tokens=True)
            said = [_BETWEEN_CHINESE.sub("", text).strip() for text in decoded]
            for k, i in enumerate(batch):
                out[i] = [text for text in said[k * best : (k + 1) * best] if text]
        return out

    def _ids(self, text: str) -> list[int]:
        """Its tokens; none of a text that is too long, or half of which the model does not know."""
        if not text.strip() or len(text) > CHARACTERS * self.longest:
            return []
        ids: list[int] = self.tokenizer(text)["input_ids"]
        plain = [i for i in ids if i not in (self.tokenizer.eos_token_id, self.tokenizer.bos_token_id)]
        known = sum(i != self.tokenizer.unk_token_id for i in plain)
        return ids if 2 * known > len(plain) and len(ids) <= self.longest else []


def _batches(order: list[int], ids: list[list[int]], size: int) -> list[list[int]]:
    """Texts of one length at a time: nothing is padded, so a text is translated alone as among others."""
    out: list[list[int]] = []
    for i in order:
        if out and len(out[-1]) < size and len(ids[out[-1][0]]) == len(ids[i]):
            out[-1].append(i)
        else:
            out.append([i])
    return out


class Translator:
    """`forward` into the other language, `backward` again. source: what forward reads ("en", "zh"; None: anything)."""

    def __init__(self, forward: Model, backward: Model, source: str | None = None) -> None:
        self.forward, self.backward = forward, backward
        self.source = source or reads(forward.tokenizer)
        self._known: dict[tuple[str, int, int], list[str]] = {}

    def __call__(self, texts: Sequence[str], rounds: int, beams: int) -> list[list[str]]:
        """Each text's beams of the last trip back after `rounds` round trips, best first.

        None of a text in another language than `source`, too long, or lost on the way. What was found is remembered
        for a while: a child that is tried again has its parent's translations at hand.
        """
        if len(self._known) > REMEMBERED:
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if (text, rounds, beams) not in self._known]
        for text, found in zip(new, self._trips(new, rounds, beams), strict=True):
            self._known[text, rounds, beams] = found
        return [self._known[text, rounds, beams] for text in texts]

    def _trips(self, texts: list[str], rounds: int, beams: int) -> list[list[str]]:
        own = [text if self.source in (None, language(text)) else "" for text in texts]
        found = [[text] for text in own]
        for trip in range(rounds):
            last = trip == rounds - 1
            there = self.forward.translate([_best(f) for f in found], beams, 1, f"there {trip + 1}/{rounds}")
            found = self.backward.translate(
                [_best(t) for t in there], beams, beams if last else 1, f"back {trip + 1}/{rounds}"
            )
        return found


def _best(found: list[str]) -> str:
    return found[0] if found else ""


def reads(tokenizer: Any) -> str | None:
    """The language that a translation model's tokenizer names as its source ("en", "zh"); None where it names none."""
    named = str(getattr(tokenizer, "source_lang", None) or "").lower()
    return next((code for code in ("zh", "en") if named.startswith(code)), None)
