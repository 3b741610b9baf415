"""Character noise by nlpaug: what hasty fingers do to a text."""

from __future__ import annotations

import random as global_random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import Any

from toolkit.data.augment.eda import count, places
from toolkit.data.text import is_cjk

SHORTEST, SHORTEST_CJK = 4, 2  # a slip in a shorter word leaves nothing to read


def char_noise(tokens: list[str], rng: Random, alpha: float, chinese: bool) -> str:
    """One slip a word: a neighbouring key, two letters swapped or one lost; in Chinese swapped or lost."""
    words, out = places(tokens), list(tokens)
    able = [i for i in words if len(tokens[i]) >= (SHORTEST_CJK if is_cjk(tokens[i]) else SHORTEST)]
    with _seeded(rng.getrandbits(32)):
        for i in rng.sample(able, min(count(words, alpha), len(able))):
            slip = rng.choice(_slips()[1 if is_cjk(tokens[i]) else 0])
            changed = slip.augment(tokens[i], n=1)
            out[i] = str(changed[0] if isinstance(changed, list) else changed)
    return "".join(out)


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
def _slips() -> tuple[list[Any], list[Any]]:
    """nlpaug's augmenters for a Latin and for a Chinese word."""
    from nlpaug.augmenter.char import KeyboardAug, RandomCharAug

    one: dict[str, Any] = {"aug_char_max": 1, "tokenizer": lambda word: [word], "reverse_tokenizer": "".join}
    letters = {"include_special_char": False, "include_upper_case": False, "include_numeric": False}
    keyboard = KeyboardAug(**one, **letters, min_char=SHORTEST)
    latin, cjk = (
        [RandomCharAug(action=action, **one, min_char=least) for action in ("swap", "delete")]
        for least in (SHORTEST, SHORTEST_CJK)
    )
    return [keyboard, *latin], cjk
