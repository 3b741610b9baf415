"""The table of text augmentations: name -> function `(tokens, rng, alpha, chinese) -> text`, one file a family."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from toolkit.data.augment import eda, noise

METHODS: dict[str, Callable[[list[str], Random, float, bool], str]] = {
    "synonym_replacement": eda.synonym_replacement,
    "random_insertion": eda.random_insertion,
    "random_swap": eda.random_swap,
    "random_deletion": eda.random_deletion,
    "char_noise": noise.char_noise,
}
