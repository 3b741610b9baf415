"""Tables of synonyms: the package's own, WordNet's, or the user's."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from toolkit.data.augment.text import inflection
from toolkit.data.augment.text.inflection import STOP
from toolkit.errors import ToolkitError

Table = dict[str, list[str]]
DEBIAN = "/usr/share/wordnet"  # where its package wordnet-base puts the files
SENSES = 2  # of a word in WordNet: what it seldom means would change the text's meaning


def load(path: str | None = None) -> Table:
    """word in lower case -> its synonyms. None: the package's own; "wordnet" or a folder: WordNet 3.0; else a file.

    A file (csv, tsv, txt, json) has a group of words a line, or (json) a list of groups, or word -> its synonyms. It
    says each form itself; to WordNet's words and our own the regular forms of the words are added.

    Raises:
        ToolkitError: nothing there that can be used.
    """
    if path is None:
        return _own()
    found = Path(DEBIAN if path == "wordnet" else path)
    if found.is_dir():
        return _wordnet(found)
    if not found.exists():
        hint = "apt-get install wordnet-base, or give a folder or file" if path == "wordnet" else "check the path"
        raise ToolkitError(f"there are no synonyms at {found}", hint)
    return _of_file(found)


@cache
def _own() -> Table:
    text = resources.files(__package__).joinpath("synonyms.json").read_text(encoding="utf-8")
    groups = json.loads(text)
    table = _of_groups([*groups["zh"], *groups["en"]["other"]])
    nouns, verbs = (_of_groups(groups["en"][kind]) for kind in ("noun", "verb"))
    shy = _of_groups(groups["en"]["verb_forms"])  # their base forms are as often nouns ("the need")
    return _joined([table, nouns, verbs, _plurals(nouns), _verb_forms(verbs), _verb_forms(shy)])


def _of_groups(groups: Iterable[Sequence[str]]) -> Table:
    """Each word -> the other words of its groups."""
    table: Table = {}
    for group in groups:
        for word in group:
            own = table.setdefault(word.lower(), [])
            own += [other for other in group if other.lower() != word.lower() and other not in own]
    return {word: others for word, others in table.items() if others}


def _joined(tables: Iterable[Table]) -> Table:
    out: Table = {}
    for table in tables:
        for word, others in table.items():
            own = out.setdefault(word, [])
            own += [other for other in others if other not in own] if own else others
    return out


def _plurals(nouns: Table) -> Table:
    """The same for their plurals; where a noun is in the table by itself in the plural ("goods"), it has its own."""
    forms = {noun: form for noun in nouns if (form := _plural(noun))}
    return {
        form: found
        for noun, form in forms.items()
        if form not in nouns and (found := [many for other in nouns[noun] if (many := _plural(other))])
    }


def _verb_forms(verbs: Table) -> Table:
    """The same for the -s, -ing and past forms."""
    tables = []
    for base, others in verbs.items():
        forms = _forms(base)
        if not forms:
            continue
        known = [found for other in others if (found := _forms(other))]
        plain = forms.past == forms.participle  # it may be either: so must be what stands for it
        pairs = [
            (forms.third, [other.third for other in known]),
            (forms.ing, [other.ing for other in known]),
            (forms.past, [other.past for other in known if not plain or other.past == other.participle]),
            (forms.participle, [other.participle for other in known if not plain or other.past == other.participle]),
        ]
        tables += [{form: list(found)} for form, found in pairs if found and form not in verbs and form != base]
    return _joined(tables)


_plural, _forms = cache(inflection.plural), cache(inflection.verb)


def _of_file(path: Path) -> Table:
    groups: list[list[str]] = []
    pairs: dict[str, list[str]] = {}
    for entry in _entries(path):
        words = _cleaned(entry)
        if len(words) > 1 and isinstance(entry, _Pair):
            pairs.setdefault(words[0].lower(), []).extend(words[1:])
        elif len(words) > 1:
            groups.append(words)
    own = {word: [other for other in dict.fromkeys(found) if other.lower() != word] for word, found in pairs.items()}
    table = _joined([_of_groups(groups), {word: found for word, found in own.items() if found}])
    if not table:
        hint = "a line is a group of words, as in big,large,huge; a JSON file may also map a word to its synonyms"
        raise ToolkitError(f"{path} has no synonyms", hint)
    return table


class _Pair(list[Any]):
    """A word and, after it, what may stand for it (not the other way round)."""


def _entries(path: Path) -> Iterator[list[Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            found = json.loads(text)
            if isinstance(found, dict):
                found = [_Pair([word, *(own if isinstance(own, list) else [own])]) for word, own in found.items()]
            yield from (entry for entry in found if isinstance(entry, list))
            return
    except (UnicodeDecodeError, ValueError, TypeError) as e:
        raise ToolkitError(f"{path} cannot be read as a table of synonyms", "write it as UTF-8 text or JSON") from e
    tabs = path.suffix.lower() == ".tsv" or "\t" in text
    yield from csv.reader(text.splitlines(), delimiter="\t" if tabs else ",")


def _cleaned(words: Iterable[Any]) -> list[str]:
    """The words without blanks around, each once; what is no word is left out."""
    found = (" ".join(word.split()) for word in words if isinstance(word, str))
    return list({word.lower(): word for word in found if word and not word.startswith("#")}.values())


def _wordnet(folder: Path) -> Table:
    """The first senses' synonyms; of single words in lower case, for names are no matter of synonyms.

    Senses that WordNet's own texts never have are left out where a word has others: they are rare, or crude. EDA leaves
    stop words alone, and WordNet knows odd things by their names ("as": arsenic).
    """
    kinds = ("noun", "verb", "adj", "adv")
    try:
        indexes = {kind: _index(folder / f"index.{kind}") for kind in kinds}
        met = {lemma for index in indexes.values() for lemma, (_, tagged) in index.items() if tagged}
        tables = {kind: _of_kind((folder / f"data.{kind}").read_bytes(), indexes[kind], met) for kind in kinds}
    except (OSError, ValueError, IndexError) as e:
        hint = "it needs the files index.* and data.* of WordNet 3.0 for noun, verb, adj and adv"
        raise ToolkitError(f"{folder} has no WordNet that can be read", hint) from e
    return _joined([*tables.values(), _plurals(tables["noun"]), _verb_forms(tables["verb"])])


def _index(path: Path) -> dict[str, tuple[list[str], int]]:
    """lemma -> (where its synsets are, the frequent ones first; how many of them have been met), as wndb(5WN) tells."""
    out = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        lemma, _, rest = line.partition(" ")
        if "_" not in lemma and lemma not in STOP and _PLAIN(lemma):
            fields = rest.split()
            offsets = fields[-int(fields[1]) :]
            out[lemma] = offsets, int(fields[-len(offsets) - 1])
    return out


def _of_kind(data: bytes, index: dict[str, tuple[list[str], int]], met: set[str]) -> Table:
    table: Table = {}
    for lemma, (offsets, tagged) in index.items():
        if not tagged and lemma in met:
            continue
        synsets = [_synset(data, int(offset)) for offset in offsets[: min(SENSES, max(tagged, 1))]]
        others = dict.fromkeys(word for words in synsets if lemma in words for word in words if word != lemma)
        if others:
            table[lemma] = list(others)
    return table


def _synset(data: bytes, offset: int) -> list[str]:
    """The words of a synset that may stand in a text; its line is `offset file type count word id word id …`."""
    if int(data[offset : offset + 8]) != offset:
        raise ValueError(offset)
    count = int(data[offset + 14 : offset + 16], 16)
    if count < 2:
        return []
    line = data[offset : data.index(b"\n", offset)].decode("latin-1").split(" ", 4 + 2 * count)
    words = [word.partition("(")[0] for word in line[4 : 4 + 2 * count : 2]]  # "(p)": where an adjective may stand
    return [word.replace("_", " ") for word in words if _PLAIN(word) and word not in STOP]


_PLAIN = re.compile("[a-z]+(?:[-_][a-z]+)*[a-z]").fullmatch
