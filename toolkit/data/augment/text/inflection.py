"""English forms of words: plurals, and the -s, -ing and past forms of verbs. None where a form is not sure.

The rules are those of school grammar; irregular words are listed, and what neither covers is left alone.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import NamedTuple

_LISTS = json.loads(resources.files(__package__).joinpath("inflection.json").read_text(encoding="utf-8"))


def _words(name: str) -> list[str]:
    """A list of the table, whose lines hold many words each."""
    return " ".join(_LISTS[name]).split()


IRREGULAR: dict[str, tuple[str, str]] = {
    base: (past, participle) for base, past, participle in (verb.split("-") for verb in _words("verbs"))
}
STOP = frozenset(_words("stop"))
_UNSURE = frozenset(_words("unsure"))  # both forms are in use, or the past is not known here
_PREFIXED = {prefix + base for prefix in _words("prefixes") for base in (*IRREGULAR, *_UNSURE)}  # no -ed for these
_PLURALS = dict(pair.split("-") for pair in _words("plurals"))
_NO_PLURAL = frozenset(_words("no_plural"))
_VOWELS = "aeiou"
_ENDS_IN_MAN = ("human", "german", "roman", "shaman", "talisman", "ottoman")
_UNSTRESSED = ("en", "on", "er", "or")  # open, mention, offer: no doubling
_STRESSED = ("fer", "deter", "inter", "aver", "abhor")  # prefer, but not:
_NOT_STRESSED = ("offer", "suffer", "differ", "buffer", "pilfer")


class Forms(NamedTuple):
    """Of a verb."""

    third: str
    ing: str
    past: str
    participle: str


def plural(noun: str) -> str | None:
    """The plural of a noun of one word."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun in _NO_PLURAL or not _simple(noun):
        return None
    if noun.endswith("man"):
        return f"{noun}s" if noun.endswith(_ENDS_IN_MAN) else f"{noun[:-2]}en"
    if noun.endswith("sis"):
        return f"{noun[:-2]}es"
    if noun.endswith(("us", "is", "ics", "men", "ves", "wear", "ware", "stuff")):
        return None
    return _with_s(noun)


def verb(base: str) -> Forms | None:
    """The forms of a verb; of one with a particle ("give back") the first word's."""
    head, space, rest = base.partition(" ")
    third, ing, past = _third(head), _with_vowel(head, "ing"), IRREGULAR.get(head) or _past(head)
    if third is None or ing is None or past is None:
        return None
    return Forms(*(f"{form}{space}{rest}" for form in (third, ing, *past)))


def article(word: str) -> str:
    """ "a" or "an", as the word asks for."""
    low = word.lower()
    if low.startswith(("hour", "honest", "honor", "honour", "heir")):
        return "an"
    silent = re.match(r"u(?:ni(?!n|m)|s[aeiu]|til|re|fo)|eu|ewe|one?\b|once|ubi", low)
    return "a" if silent or low[:1] not in _VOWELS else "an"


def _simple(word: str) -> bool:
    return len(word) > 2 and word.isascii() and word.isalpha() and word.islower()


def _with_s(word: str) -> str | None:
    before, last = word[-2], word[-1]
    if last == "z" and before not in "tz":
        return None
    if last in "sxz" or word.endswith(("ch", "sh")):
        return f"{word}es"
    if last == "o" and before not in _VOWELS:
        return None
    return f"{word[:-1]}ies" if last == "y" and before not in _VOWELS else f"{word}s"


def _third(head: str) -> str | None:
    known = {"be": "is", "have": "has", "do": "does", "go": "goes"}
    return known.get(head) or (_with_s(head) if _simple(head) else None)


def _past(head: str) -> tuple[str, str] | None:
    if head in _UNSURE or head in _PREFIXED or not _simple(head):
        return None
    form = _with_vowel(head, "ed")
    return (form, form) if form else None


def _with_vowel(word: str, ending: str) -> str | None:
    """The word with -ing or -ed."""
    if word in ("be", "do", "go"):
        return f"{word}{ending}"
    odd = word.endswith(("c", "nge")) and not word.endswith(("change", "range", "lenge", "venge"))  # panic, singe
    if odd or not _simple(word):
        return None
    if word.endswith("e"):
        if ending == "ed":
            return f"{word}d"
        if word.endswith("ie"):
            return f"{word[:-2]}ying"
        return f"{word}ing" if word.endswith(("ee", "oe", "ye")) else f"{word[:-1]}ing"
    if word.endswith("y") and ending == "ed" and word[-2] not in _VOWELS:
        return f"{word[:-1]}ied"
    doubled = _doubles(word)
    return None if doubled is None else f"{word}{word[-1] if doubled else ''}{ending}"


def _doubles(word: str) -> bool | None:
    """Whether the last letter doubles before a vowel; None where the stress decides, which we do not know."""
    stem = word.replace("qu", "kw")
    if not re.search(r"[^aeiou][aeiou][^aeiouwxyh]$", stem) and not re.fullmatch(r"[aeiou][^aeiouwxyh]", stem):
        return False
    if len(re.findall(r"[aeiouy]+", stem)) == 1:
        return True
    if word in IRREGULAR:
        return True  # forget, begin
    if word.endswith(_UNSTRESSED) and (word.endswith(_NOT_STRESSED) or not word.endswith(_STRESSED)):
        return False
    return None
