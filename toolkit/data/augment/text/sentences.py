"""Sentences of English and Chinese texts, and their shuffle."""

from __future__ import annotations

import re
from random import Random

from toolkit.data.text import CJK

CLOSING = "\"'”’)\\]}》」』）】"
# an end sign with what closes after it, and white space (none needed in Chinese); or an empty line
_END = re.compile(
    rf"(?<![.!?…])[.!?…]++[{CLOSING}]*+(\s++)|[。！？]++[{CLOSING}]*+(\s*+)|(?<=[{CJK}])(\n\s*)|(\n\s*\n\s*)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:mr|mrs|ms|dr|prof|rev|gen|col|capt|lt|sgt|sen|rep|gov|st|mt|jr|sr|no|nos|vol|fig|figs|eq|sec|ch|pp?|vs|cf|al"
    r"|inc|ltd|co|corp|dept|est|approx|ca|resp|tel|ext|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
    r"|e\.g|i\.e|a\.m|p\.m|etc|(?-i:[A-HJ-Z])|(?:[a-z]\.)+[a-z]|\d+)$",
    re.IGNORECASE,
)
_LONGEST = 12  # of an abbreviation and the sign before it


def split(text: str) -> list[tuple[str, str]]:
    """(sentence, the white space after it) in order: joined, they are the text.

    A full stop ends a sentence unless it stands after an abbreviation, an initial or a bare number, or a small letter
    follows in a text that has capitals.
    """
    cased, out, start = not text.islower(), [], 0
    for found in _END.finditer(text):
        white = next(i for i in (1, 2, 3, 4) if found[i] is not None)
        end = found.start(white)
        if found.end() == len(text) or (white == 1 and not _ends(text, start, found, cased)):
            continue
        if text[start:end].strip():
            out.append((text[start:end], found[white]))
            start = found.end()
    return [*out, (text[start:], "")] if start < len(text) else out


def _ends(text: str, start: int, found: re.Match[str], cased: bool) -> bool:
    after = text[found.end()]
    if cased and after.islower() and text[found.start() - 1 : found.start()] != " ":
        return False
    before = text[max(start, found.start() - _LONGEST) : found.start()]
    return text[found.start()] != "." or not _ABBREVIATION.search(before)


def sentence_shuffle(tokens: list[str], rng: Random) -> str | None:
    """Put the sentences into another order; white space stays where it is."""
    parts = split("".join(tokens).strip())
    bodies = [body for body, _ in parts]
    if len(set(bodies)) < 2:
        return None
    bodies[-1] = _closed(bodies[-1])
    order = list(bodies)
    while order == bodies:
        rng.shuffle(order)
    out = []
    for body, (_, white) in zip(order, parts, strict=True):
        out += [body, white or (" " if body[-1].isascii() else "")]
    return "".join(out[:-1])


def _closed(body: str) -> str:
    """A last sentence may lack its end sign; before another one it needs it."""
    if not body[-1].isalnum():
        return body
    return body + ("。" if re.match(f"[{CJK}]", body[-1]) else ".")
