"""What stands for a word in an attack that a reader sees through: a synonym, or a slip that leaves it readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from toolkit.data.augment.text import chinese
from toolkit.data.augment.text.eda import in_case_of
from toolkit.data.augment.text.inflection import STOP
from toolkit.data.text import is_cjk

Propose = Callable[[str], list[str]]
MOST = 12  # of what may stand for a word; of more a sample is tried
SHORTEST = 4  # letters of a word that is still read after a slip
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # each row lies half a key to the right of the one above


def synonyms(table: Mapping[str, Sequence[str]], seed: int) -> Propose:
    """Words of the same meaning, function words left alone (as TextFooler; Jin et al., 2020)."""

    def propose(word: str) -> list[str]:
        if word.lower() in STOP:
            return []
        return _some([in_case_of(word, other) for other in table.get(word.lower(), ())], word, seed)

    return propose


def characters(seed: int) -> Propose:
    """One slip in a word (as DeepWordBug; Gao et al., 2018): a swap, a letter lost, doubled or of a key beside it.

    The first letter stays: readers need it (Pruthi et al., 2019). Of a Chinese word two characters change places, or
    one becomes another of the same sound or of a like look.
    """

    def propose(word: str) -> list[str]:
        found = _chinese(word) if is_cjk(word) else _letters(word)
        return _some([other for other in dict.fromkeys(found) if other != word], word, seed)

    return propose


def _letters(word: str) -> list[str]:
    if len(word) < SHORTEST or not word.isalpha():
        return []
    out = []
    for i in range(1, len(word)):
        before, letter, after = word[:i], word[i], word[i + 1 :]
        out += [before + after, before + letter + letter + after]
        out += [before + in_case_of(letter, key) + after for key in _beside(letter.lower())]
        out.append(before + after[:1] + letter + after[1:])
    return out


def _beside(letter: str) -> str:
    """The keys that touch a letter's, none of what is no letter of a keyboard."""
    for y, row in enumerate(KEYS):
        x = row.find(letter)
        if x >= 0:
            touch = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            return "".join(KEYS[j][i] for j, i in touch if 0 <= j < len(KEYS) and 0 <= i < len(KEYS[j]))
    return ""


def _chinese(word: str) -> list[str]:
    out = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)]
    for kind in ("homophones", "look_alikes"):
        known = chinese.table(kind)
        out += [word[:i] + other + word[i + 1 :] for i, c in enumerate(word) for other in known.get(c, "")]
    return out


def _some(found: list[str], word: str, seed: int) -> list[str]:
    """At most `MOST` of them, drawn alike whenever the word is met."""
    return found if len(found) <= MOST else Random(f"{seed} {word}").sample(found, MOST)
