"""Noise: what hasty fingers, spelling and scanners do to a text, by nlpaug.

A word gets one slip; `alpha` is the share of the words that do. Numbers stay, and so do words too short to be read
after it. Keys, scans, spelling and added letters are of Latin letters, and can do nothing with a Chinese text.
"""

from __future__ import annotations

import random as global_random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import Any

from toolkit.data.augment.strategy import Share
from toolkit.data.augment.text.eda import count, places
from toolkit.data.text import LETTER, is_cjk

SHORTEST, SHORTEST_CJK = 4, 2  # letters of a word that is still read after a slip
_ONE: dict[str, Any] = {"tokenizer": lambda word: [word], "reverse_tokenizer": "".join}
_ONE_LETTER: dict[str, Any] = {**_ONE, "aug_char_max": 1, "aug_char_min": 1, "min_char": 1}


def keyboard(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A letter becomes one of a neighbouring key (English)."""
    return _slip(tokens, rng, alpha, _keyboard(), lambda word: any(c in _keyboard().model.model for c in word))


def ocr(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A letter becomes one that a scanner takes it for, as in l and 1 (English)."""
    return _slip(tokens, rng, alpha, _ocr(), lambda word: any(c in _ocr().model.model for c in word))


def spelling(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A word as people misspell it, by nlpaug's list of 13,000 words with errors seen (English)."""
    return _slip(tokens, rng, alpha, _spelling(), lambda word: word.lower() in _spelling().model.dict)


def char_swap(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """Two letters of a word change places (Belinkov & Bisk, 2018)."""
    return _slip(tokens, rng, alpha, _characters("swap"), lambda word: len(set(word)) > 1, chinese=True)


def char_delete(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A word loses a letter."""
    return _slip(tokens, rng, alpha, _characters("delete"), lambda word: True, chinese=True)


def char_insert(tokens: list[str], rng: Random, *, alpha: Share = 0.1) -> str | None:
    """A word gets a letter more (English)."""
    return _slip(tokens, rng, alpha, _characters("insert"), lambda word: True)


def _slip(
    tokens: list[str], rng: Random, alpha: float, slip: Any, able: Callable[[str], bool], chinese: bool = False
) -> str | None:
    """The text with a slip in some of the words that the augmenter can do something with; None if there is none."""
    if not chinese and is_cjk("".join(tokens)):
        return None
    words, out = places(tokens), list(tokens)
    fit = [i for i in words if _long(tokens[i], chinese) and able(tokens[i])]
    if not fit:
        return None
    with _seeded(rng.getrandbits(32)):
        for i in rng.sample(fit, min(count(words, alpha), len(fit))):
            out[i] = _cased(slip, tokens[i]) if slip is _spelling() else _augmented(slip, tokens[i])
    return "".join(out)


def _long(word: str, chinese: bool) -> bool:
    if is_cjk(word):
        return chinese and len(word) >= SHORTEST_CJK
    return len(word) >= SHORTEST and LETTER.search(word) is not None


def _augmented(slip: Any, word: str) -> str:
    changed = slip.augment(word, n=1)
    return str(changed[0] if isinstance(changed, list) else changed)


def _cased(slip: Any, word: str) -> str:
    """The misspelt word, capitals as they stood."""
    changed = _augmented(slip, word.lower())
    return changed.upper() if word.isupper() else changed.capitalize() if word[0].isupper() else changed


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """nlpaug draws from the global generators and has no seed of its own: seed them, and put them back."""
    import numpy as np

    state, np_state = global_random.getstate(), np.random.get_state()
    global_random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        global_random.setstate(state)
        np.random.set_state(np_state)


@cache
def _keyboard() -> Any:
    from nlpaug.augmenter.char import KeyboardAug

    letters = {"include_special_char": False, "include_upper_case": False, "include_numeric": False}
    return KeyboardAug(**_ONE_LETTER, **letters)


@cache
def _ocr() -> Any:
    from nlpaug.augmenter.char import OcrAug

    return OcrAug(**_ONE_LETTER)


@cache
def _characters(action: str) -> Any:
    from nlpaug.augmenter.char import RandomCharAug

    return RandomCharAug(action=action, **_ONE_LETTER, include_upper_case=False, include_numeric=False, spec_char=None)


@cache
def _spelling() -> Any:
    """Its list without errors that are words themselves, sorted: nlpaug's sets have another order in each process."""
    from nlpaug.augmenter.word import SpellingAug

    slip = SpellingAug(**_ONE, include_reverse=False)
    known = {word.lower() for word in slip.model.dict}
    kept: dict[str, set[str]] = {}
    for word, errors in slip.model.dict.items():
        good = {e.lower() for e in errors if e.replace("'", "").isalpha() and e.isascii()} - known
        kept.setdefault(word.lower(), set()).update(good)
    slip.model.dict = {word: sorted(errors) for word, errors in kept.items() if errors and len(word) >= SHORTEST}
    return slip
