"""Text helpers for both languages: script, folding, words."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

# kana, Han (々〇 and the rare characters beyond the first plane too), Hangul
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
CJK_CHAR = re.compile(f"[{CJK}]")
NON_WORD = re.compile(r"[\W_]+")
LETTER = re.compile(r"[^\W\d_]")
_ASCII = bytes(ord(c.lower()) if c.isalnum() else 32 for c in map(chr, range(128))).ljust(256)  # what each folds to
_WORD = rf"[^\W{CJK}]+(?:(?:['’-]|(?<=\d)[.,:](?=\d))[^\W{CJK}]+)*"  # let's, e-mail and 3.50 are one
# jieba takes the square of a run's length for words that it does not know
_TOKEN = re.compile(rf"\s+|[{CJK}]{{1,1000}}|{_WORD}|.", re.DOTALL)
# The same where nothing is Chinese, and twice as fast: words are not tried again. A `)*+` is wrong in Python 3.11.2.
_PLAIN_TOKEN = re.compile(r"\w++(?:['’.,:-](?:(?<=['’-])|(?<=\d.)(?=\d))\w++)*|\s++|.", re.DOTALL)


def is_cjk(text: str) -> bool:
    """Whether a text is Chinese (or Japanese, Korean) rather than Latin script: a fifth of its letters decide.

    A fifth, since Chinese texts quote Latin names, and one Chinese character says what four Latin letters do.
    """
    if text.isascii():
        return False
    cjk = len(CJK_CHAR.findall(text))
    return cjk > 0 and cjk * 5 >= len(LETTER.findall(text))


def language(text: str) -> str:
    """ "zh" or "en": which rules a text falls under."""
    return "zh" if is_cjk(text) else "en"


def fold(text: str) -> str:
    """What two texts are compared by: NFKC, lower case, runs of non-word characters as one space.

    A text of signs alone (emoji, "?!") keeps them, or all such texts would be the same.
    """
    if text.isascii():
        return b" ".join(text.encode().translate(_ASCII).split()).decode() or text.strip()
    plain = unicodedata.normalize("NFKC", text).lower()
    return NON_WORD.sub(" ", plain).strip() or plain.strip()


def tokens(text: str) -> list[str]:
    """Words, signs and white space in order: joined, they are the text again. Chinese runs are cut by jieba."""
    if text.isascii() or not CJK_CHAR.search(text):
        return _PLAIN_TOKEN.findall(text)
    out: list[str] = []
    for token in _TOKEN.findall(text):
        out += chinese_words(token) if CJK_CHAR.match(token) else [token]
    return out


def words(text: str) -> list[str]:
    """The tokens that hold a letter or a digit."""
    return [token for token in tokens(text) if token[0].isalnum()]


def chinese_words(text: str) -> list[str]:
    """A run of Chinese cut into words by jieba."""
    found: list[str] = _jieba().lcut(text)
    return found


@cache
def _jieba() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)  # empties a cache of logging: at each call it would take as long as the cut
    return jieba
