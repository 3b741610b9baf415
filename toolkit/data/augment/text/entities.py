"""Entities of a gazetteer, replaced by others of their kind."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from toolkit.data.augment.strategy import Share
from toolkit.data.augment.text.inflection import article, plural
from toolkit.data.text import CJK
from toolkit.errors import ToolkitError

_START = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")  # where a name may begin: at a word, or at any Chinese character
_CJK = re.compile(f"[{CJK}]").match
_LATIN = re.compile(rf"[^\W_{CJK}]{{2}}").match
_ARTICLE = re.compile(r"\ban? $", re.IGNORECASE)
TRIES = 20
_NUMBERS = {
    "singular": "singular",
    "sg": "singular",
    "s": "singular",
    "plural": "plural",
    "pl": "plural",
    "p": "plural",
}


class Entity(NamedTuple):
    """kind: "" of a name that stands under two, which is found but passed over."""

    name: str
    kind: str
    number: str  # singular or plural


class Gazetteer(NamedTuple):
    """names: by name in lower case. heads: what a name begins with -> the lengths of such names, longest first.

    peers: (kind, number) -> the names to draw from.
    """

    names: dict[str, Entity]
    heads: dict[str, list[int]]
    peers: dict[tuple[str, str], list[str]]


def entity_replacement(tokens: list[str], rng: Random, *, share: Share = 0.5, gazetteer: Gazetteer) -> str | None:
    """Replace this share of the entities, one at least, by others of their kind and number, in the same case.

    A name gets the same replacement wherever it stands in the text.
    """
    text = "".join(tokens)
    found = [(start, end, own) for start, end, own in find(text, gazetteer) if _has_peer(own, gazetteer)]
    if not found:
        return None
    known = {own.name.lower(): own for _, _, own in found}
    chosen = rng.sample(list(known), max(1, round(share * len(known))))
    taken, drawn = set(known), {}
    for name in chosen:
        drawn[name] = _drawn(known[name], gazetteer, taken, rng)
        taken.add(drawn[name].lower())
    out, at = "", 0
    for start, end, own in found:
        if own.name.lower() in drawn:
            new = _in_case_of(text[start:end], own.name, drawn[own.name.lower()])
            out += _agreeing(text[at:start], new) + new
            at = end
    return out + text[at:]


def find(text: str, gazetteer: Gazetteer) -> list[tuple[int, int, Entity]]:
    """(start, end, entity) of the names in a text: the longest at each place, whole words in Latin script."""
    low = text.lower()
    if len(low) != len(text):  # a few capitals have small forms of two characters
        low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    out, free = [], 0
    for head in _START.finditer(low):
        if head.start() >= free:
            end = _longest(low, head, gazetteer)
            if end:
                out.append((head.start(), end, gazetteer.names[low[head.start() : end]]))
                free = end
    return out


def _longest(low: str, head: re.Match[str], gazetteer: Gazetteer) -> int:
    start = head.start()
    for length in _lengths(low, head, gazetteer.heads):
        end = start + length
        inside = low[end - 1 : end + 1]  # the last character of the name, and what comes after it
        if low[start:end] in gazetteer.names and not (len(inside) == 2 and _LATIN(inside)):
            return end
    return 0


def _lengths(low: str, head: re.Match[str], heads: Mapping[str, list[int]]) -> list[int]:
    if not _CJK(head[0]):
        return heads.get(head[0], [])
    return heads.get(low[head.start() : head.start() + 2], []) + heads.get(head[0], [])


def _has_peer(own: Entity, gazetteer: Gazetteer) -> bool:
    return len(gazetteer.peers.get((own.kind, own.number), ())) > 1


def _drawn(own: Entity, gazetteer: Gazetteer, taken: set[str], rng: Random) -> str:
    """Another name of this kind and number; one that the text has already only where others are hard to come by."""
    peers = gazetteer.peers[own.kind, own.number]
    for _ in range(TRIES):
        name = peers[int(rng.random() * len(peers))]
        if name.lower() not in taken:
            return name
    first, second = rng.sample(peers, 2)
    return second if first.lower() == own.name.lower() else first


def _in_case_of(found: str, name: str, replacement: str) -> str:
    if found == name:
        return replacement
    if found.islower():
        return replacement.lower()
    if found.isupper() and len(found) > 1:
        return replacement.upper()
    if found.istitle():
        return re.sub(r"(?:^|(?<=[\s-]))\w", lambda letter: letter[0].upper(), replacement)
    return replacement[0].upper() + replacement[1:] if found[0].isupper() else replacement


def _agreeing(before: str, new: str) -> str:
    """What stands before a name, with the article ("a", "an") that it asks for."""
    found = _ARTICLE.search(before)
    if not found or not new.isascii():
        return before
    right = article(new).capitalize() if found[0][0].isupper() else article(new)
    return f"{before[: found.start()]}{right} "


def load(path: str) -> Gazetteer:
    """A gazetteer: csv, tsv or json rows with name, kind and (if wanted) number, singular or plural; or kind -> names.

    A name under two kinds, or two numbers, is never replaced nor drawn: which one a text means is not known. Where no
    number is given a name is a singular, and of a name in small letters ("apple") the plural is known too.

    Raises:
        ToolkitError: it cannot be read, lacks a column, or holds no name.
    """
    names: dict[str, Entity] = {}
    guessed: dict[str, Entity] = {}
    for name, kind, given in _rows(Path(path)):
        number = _NUMBERS.get(given.lower(), "singular")
        many = None if given else _plural(name)
        if many:
            guessed.setdefault(many, Entity(many, kind, "plural"))
        known = names.setdefault(name.lower(), Entity(name, kind, number))
        if (known.kind, known.number) != (kind, number):
            names[name.lower()] = Entity(name, "", "")
    if not names:
        raise ToolkitError(f"the gazetteer {path} holds no name", "give rows with name, kind and, if wanted, number")
    return indexed(guessed | names)


def indexed(names: dict[str, Entity]) -> Gazetteer:
    """The gazetteer of these names (by name in lower case)."""
    lengths: dict[str, set[int]] = {}
    peers: dict[tuple[str, str], list[str]] = {}
    for low, entity in sorted(names.items()):
        head = _START.match(low)
        if head:
            lengths.setdefault(low[:2] if _CJK(head[0]) else head[0], set()).add(len(low))
        if entity.kind:
            peers.setdefault((entity.kind, entity.number), []).append(entity.name)
    return Gazetteer(names, {head: sorted(found, reverse=True) for head, found in lengths.items()}, peers)


def _plural(name: str) -> str | None:
    words = name.split(" ")
    last = plural(words[-1]) if name.islower() and len(words) < 3 else None
    return " ".join([*words[:-1], last]) if last else None


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _json_rows(json.loads(text)) if path.suffix.lower() == ".json" else _csv_rows(text, path)
    except (OSError, UnicodeDecodeError, ValueError, TypeError, AttributeError) as e:
        raise ToolkitError(f"the gazetteer {path} cannot be read", "write it as UTF-8 csv, tsv or json") from e
    for row in rows:
        name, kind, number = (" ".join(str(row.get(key) or "").split()) for key in ("name", "kind", "number"))
        if name and kind:
            yield name, kind, number


def _json_rows(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [{"name": name, "kind": kind} for kind, names in found.items() for name in names]
    return [row for row in found if isinstance(row, dict)]


def _csv_rows(text: str, path: Path) -> list[Any]:
    lines = text.splitlines()
    tabs = path.suffix.lower() == ".tsv" or "\t" in "".join(lines[:1])
    reader = csv.DictReader(lines, delimiter="\t" if tabs else ",")
    lacking = {"name", "kind"} - set(reader.fieldnames or ())
    if lacking:
        raise ToolkitError(
            f"the gazetteer {path} has no column '{min(lacking)}'", "its first line names the columns: name,kind"
        )
    return list(reader)
