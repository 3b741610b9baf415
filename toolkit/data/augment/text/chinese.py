"""Noise of Chinese characters: what pinyin input and hasty reading mix up.

The table is the package's own: common characters of the same pinyin and tone, and pairs that look alike. Negations and
numerals are left out of it, since a text without them says something else.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from random import Random

from toolkit.data.augment.strategy import Share
from toolkit.data.augment.text.eda import count, places
from toolkit.data.text import is_cjk


def homophone(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A character of a word becomes one that sounds the same (Chinese)."""
    return _replaced(tokens, rng, alpha, "homophones")


def look_alike(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A character of a word becomes one that looks like it (Chinese)."""
    return _replaced(tokens, rng, alpha, "look_alikes")


def _replaced(tokens: list[str], rng: Random, alpha: float, kind: str) -> str | None:
    """The text with one character changed in a share of its words; None where none of them can be."""
    known = table(kind)
    words, out = places(tokens), list(tokens)
    fit = [i for i in words if is_cjk(tokens[i]) and any(c in known for c in tokens[i])]
    if not fit:
        return None
    for i in rng.sample(fit, min(count(words, alpha), len(fit))):
        at = rng.choice([k for k, c in enumerate(tokens[i]) if c in known])
        out[i] = tokens[i][:at] + rng.choice(known[tokens[i][at]]) + tokens[i][at + 1 :]
    return "".join(out)


@cache
def table(kind: str) -> dict[str, str]:
    """character -> those that it is mixed up with. kind: "homophones" or "look_alikes"."""
    text = resources.files(__package__).joinpath("chinese.json").read_text(encoding="utf-8")
    out: dict[str, str] = {}
    for group in json.loads(text)[kind]:
        for character in group:
            out[character] = out.get(character, "") + group.replace(character, "")
    return out
