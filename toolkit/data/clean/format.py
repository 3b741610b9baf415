"""Format repair: wrong encodings, HTML entities, control characters, full-width forms, white space."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from toolkit import console
from toolkit.data.clean.rows import Rows

# Full-width letters, digits and technical signs have ASCII twins; the punctuation ，。！？：；（） is proper Chinese.
_FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_FULL_WIDTH |= {ord(sign): ord(sign) - 0xFEE0 for sign in "＃＄％＆＊＋－／＜＝＞＠＼＾＿｜"}
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff]")
_SPACE = re.compile(r"\s+")
# Printable ASCII with single spaces and no ampersand needs nothing: most English rows end here.
_PLAIN = re.compile(r"[!-%'-~]+(?: [!-%'-~]+)*\Z")


def run(rows: Rows, config: Any) -> None:
    for i in console.track(rows.living(), "format"):
        text = rows.texts[i]
        if text and not _PLAIN.match(text):
            repaired = repair(text)
            if repaired != text:
                rows.change(i, repaired)


def repair(text: str) -> str:
    """The text as it was meant; repairing it again changes nothing.

    Encodings and entities by ftfy (Speer, 2019); curly quotes and Chinese punctuation stay.
    """
    for _ in range(4):  # an entity may hide an entity
        before = text
        text = _fix(text)
        if text == before:
            break
    return text


def _fix(text: str) -> str:
    import ftfy

    text = ftfy.fix_text(text, _ftfy_config())
    text = _INVISIBLE.sub("", text.translate(_FULL_WIDTH))
    return _SPACE.sub(" ", text).strip()


@cache
def _ftfy_config() -> Any:
    import ftfy

    return ftfy.TextFixerConfig(
        unescape_html=True,
        uncurl_quotes=False,
        fix_character_width=False,
        fix_latin_ligatures=True,
        normalization="NFC",
    )
