"""Format repair: wrong encodings, HTML entities and markup, control characters, full-width forms, white space.

Images are repaired by `toolkit.data.images`; of series and numbers of tables, what is infinite becomes missing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import roles

if TYPE_CHECKING:
    from toolkit.data.clean.rows import Rows

IMAGES_AT_ONCE = 256

# Full-width letters, digits and technical signs have ASCII twins; the punctuation ，。！？：；（） is proper Chinese.
_FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_FULL_WIDTH |= {ord(sign): ord(sign) - 0xFEE0 for sign in "＃＄％＆＊＋－／＜＝＞＠＼＾＿｜"}
# Other looks of a letter that mean the letter: Kangxi radicals (PDFs write ⼈ for 人), half-width kana, 𝐦𝐚𝐭𝐡 letters.
_LOOKS = re.compile("[\u2f00-\u2fd5\uff66-\uff9f\U0001d400-\U0001d7ff]+")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff]")
_SPACE = re.compile(r"\s+")
# What nothing here changes, nor what stands beside it: ASCII without & and <, Chinese and its punctuation, kana and
# Hangul syllables. Texts of these with single spaces need nothing: most rows of both languages end here.
_SAFE = (
    "!-%'-;=-~‘’“”–—…·"
    "\u3001-\u3011\u3014-\u301b\u3041-\u3096\u309d-\u309f\u30a1-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "！（），．：；？［］～"
)
_PLAIN = re.compile(rf"[{_SAFE}]+(?: [{_SAFE}]+)*\Z")

_BLOCK_TAGS = "address|article|blockquote|body|br|center|dd|div|dl|dt|footer|form|h[1-6]|head|header|hr|html|iframe|img"
_BLOCK_TAGS += "|input|li|link|main|meta|nav|ol|option|p|pre|section|select|table|tbody|td|tfoot|th|thead|title|tr|ul"
_INLINE_TAGS = "a|abbr|b|big|button|cite|code|em|font|i|label|s|small|span|strike|strong|sub|sup|tt|u"
_ATTRIBUTE = r"\s+[a-z][\w:-]*\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+)"
_TAG = re.compile(rf"<(/?)(?:({_BLOCK_TAGS})|({_INLINE_TAGS}))((?:{_ATTRIBUTE})*)\s*/?>", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any] | None:
    if rows.kind == "image":
        return _images(rows)
    if rows.kind == "series":
        return _series(rows)
    texts = rows.kind == "text"
    columns = roles.compared(rows.table.column_names) if texts else [n for n in rows.features if _is_text(rows, n)]
    for column in columns:
        _texts(rows, column)
    if rows.kind == "table":
        return _infinite(rows)
    return None


def _texts(rows: Rows, column: str) -> None:
    with console.progress("format", rows.count()) as advance:
        for numbers, texts in rows.blocks(column):
            doubtful = [k for k, text in enumerate(texts) if text and not _PLAIN.match(text)]
            after = {k: repaired for k in doubtful if (repaired := repair(texts[k])) != texts[k]}
            rows.replace(column, numbers[list(after)], list(after.values()))
            advance(len(numbers))


def repair(text: str) -> str:
    """The text as it was meant; repairing it again changes nothing.

    Encodings and entities by ftfy (Speer, 2019). Curly quotes and Chinese punctuation stay. Markup goes only where it
    is clearly that: comments, scripts, tags with attributes, <br>, <hr> and <p>, and tags whose partner is in the text;
    "a <b c" and a lone "<b>" stay.
    """
    for _ in range(100):  # an entity may hide an entity, a tag a tag; two rounds do for nearly all
        before = text
        text = _fix(text)
        if text == before:
            break
    return text


def _fix(text: str) -> str:
    import ftfy

    text = ftfy.fix_text(text, _ftfy_config())
    text = _INVISIBLE.sub("", text.translate(_FULL_WIDTH))
    text = _LOOKS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    if "<" in text and ">" in text:
        text = _without_markup(text)
    return _SPACE.sub(" ", text).strip()


def _without_markup(text: str) -> str:
    text = _HIDDEN.sub(" ", text)
    tags = list(_TAG.finditer(text))
    if not tags:
        return text
    names = [(bool(tag[1]), (tag[2] or tag[3]).lower()) for tag in tags]
    known = set(names)
    out, end = [], 0
    for tag, (closing, name) in zip(tags, names, strict=True):
        if tag[4] or name in ("br", "hr", "p") or (not closing, name) in known:
            out += [text[end : tag.start()], " " if tag[2] else ""]
            end = tag.end()
    return "".join([*out, text[end:]])


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


def _images(rows: Rows) -> dict[str, Any]:
    """Each image decoded once: what cannot be is rejected, what was mended (rotation, colour mode) is replaced."""
    from toolkit.data import images

    mended_by: Counter[str] = Counter()
    unreadable, living = 0, rows.living()
    with console.progress("format", len(living)) as advance:
        for start in range(0, len(living), IMAGES_AT_ONCE):
            batch = living[start : start + IMAGES_AT_ONCE]
            numbers, cells = [], []
            for row, cell in zip(batch.tolist(), rows.values("image", batch), strict=True):
                if cell is None or not cell["bytes"]:
                    continue  # the stage `missing` tells
                try:
                    data, mended = images.repair(cell["bytes"])
                except images.Unreadable as e:
                    rows.reject(row, "unreadable image", str(e), unusable=True)
                    unreadable += 1
                    continue
                if data is not None:
                    numbers.append(row)
                    cells.append({**cell, "bytes": data})
                    mended_by.update(mended.split(", "))
            rows.replace("image", numbers, cells)
            advance(len(batch))
    return {"unreadable": unreadable, "repaired": dict(sorted(mended_by.items()))}


def _series(rows: Rows) -> dict[str, Any]:
    import pyarrow.compute as pc

    found = 0
    for chunk in rows.table.column("series").chunks:
        values = chunk.flatten().flatten()
        found += int(pc.sum(pc.is_inf(values)).as_py() or 0)
    if found:
        for numbers, series in rows.blocks("series"):
            odd = [k for k, cell in enumerate(series) if cell and any(_odd(v) for channel in cell for v in channel)]
            mended = [[[None if _odd(v) else v for v in channel] for channel in series[k]] for k in odd]
            rows.replace("series", numbers[odd], mended)
    return {"infinite_values": found}


def _infinite(rows: Rows) -> dict[str, Any]:
    import pyarrow as pa

    found = 0
    for name in rows.features:
        if pa.types.is_floating(rows.table.column(name).type):
            odd = np.flatnonzero(np.isinf(rows.floats(name)) & rows.alive)
            rows.replace(name, odd, [None] * len(odd))
            found += len(odd)
    return {"infinite_values": found}


def _odd(value: float | None) -> bool:
    return value in (np.inf, -np.inf)


def _is_text(rows: Rows, name: str) -> bool:
    import pyarrow as pa

    kind = rows.table.column(name).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
