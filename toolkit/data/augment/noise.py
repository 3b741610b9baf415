"""Character noise by nlpaug: what fingers and scanners do to a text."""

from __future__ import annotations

import random as global_random
from functools import cache
from random import Random
from typing import Any

from toolkit.data.text import join


def char_noise(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """Typing slips in English words (a neighbouring key, two letters swapped, one lost), lost or swapped characters in
    Chinese.
    """
    import numpy as np

    # nlpaug draws from the global generators and has no seed of its own
    state, np_state = global_random.getstate(), np.random.get_state()  # noqa: NPY002
    seed = rng.getrandbits(32)
    global_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        augmenter = rng.choice(_chinese(alpha) if chinese else _latin(alpha))
        out = augmenter.augment(join(tokens), n=1)
    finally:
        global_random.setstate(state)
        np.random.set_state(np_state)  # noqa: NPY002
    return str(out[0] if isinstance(out, list) else out)


@cache
def _latin(alpha: float) -> list[Any]:
    from nlpaug.augmenter.char import KeyboardAug, RandomCharAug

    shared = {"aug_word_p": alpha, "aug_char_max": 1, "aug_word_min": 1}
    letters = {"include_special_char": False, "include_upper_case": False, "include_numeric": False}
    return [
        KeyboardAug(**shared, **letters),
        RandomCharAug(action="swap", **shared),
        RandomCharAug(action="delete", **shared),
    ]


@cache
def _chinese(alpha: float) -> list[Any]:
    from nlpaug.augmenter.char import RandomCharAug

    shared = {"aug_word_p": alpha, "aug_char_max": 1, "aug_word_min": 1, "min_char": 2}
    whole = {"tokenizer": _phrases, "reverse_tokenizer": "".join}
    return [RandomCharAug(action=action, **shared, **whole) for action in ("swap", "delete")]


def _phrases(text: str) -> list[str]:
    """Chinese text in pieces of four characters: what nlpaug takes for words."""
    return [text[i : i + 4] for i in range(0, len(text), 4)]
