"""Text helpers for both languages: script, folding, words."""

from __future__ import annotations

import re
import unicodedata

CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"  # kana, Han, Hangul
_CJK_CHAR = re.compile(f"[{CJK}]")
_NON_WORD = re.compile(r"[\W_]+")
_LETTER = re.compile(r"[^\W\d_]")
_TOKEN = re.compile(rf"[{CJK}]+|[^\W{CJK}]+(?:['’-][^\W{CJK}]+)*|[^\w\s]", re.UNICODE)


def is_cjk(text: str) -> bool:
    """Whether a text is Chinese (or Japanese, Korean) rather than Latin script: a fifth of its letters decide.

    A fifth, since Chinese texts quote Latin names, and one Chinese character says what four Latin letters do.
    """
    cjk = len(_CJK_CHAR.findall(text))
    return cjk > 0 and cjk * 5 >= len(_LETTER.findall(text))


def language(text: str) -> str:
    """"zh" or "en": which rules a text falls under."""
    return "zh" if is_cjk(text) else "en"


def fold(text: str) -> str:
    """What two texts are compared by: NFKC, lower case, runs of non-word characters as one space."""
    return _NON_WORD.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip()


def tokens(text: str) -> list[str]:
    """Words and punctuation marks in order; Chinese runs are cut by jieba."""
    out: list[str] = []
    for token in _TOKEN.findall(text):
        out += chinese_words(token) if _CJK_CHAR.match(token) else [token]
    return out


def words(text: str) -> list[str]:
    """The tokens that hold a letter or a digit."""
    return [token for token in tokens(text) if token[0].isalnum()]


def chinese_words(text: str) -> list[str]:
    """A run of Chinese cut into words by jieba."""
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)
    return [str(word) for word in jieba.cut(text)]


def join(parts: list[str]) -> str:
    """Tokens back to a text: spaces between Latin words, none around Chinese, none before closing punctuation."""
    out = ""
    for part in parts:
        if out and _spaced(out[-1], part[0]):
            out += " "
        out += part
    return out


def _spaced(before: str, after: str) -> bool:
    if _CJK_CHAR.match(before) or _CJK_CHAR.match(after):
        return False
    if after in ".,;:!?)]}%…'’”。，；：！？、）】》" or before in "([{$£€“‘（【《。，；：！？、":
        return False
    return True
