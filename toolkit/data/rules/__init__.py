"""The rules of low quality: one data file a language in this folder, more from a user's file of the same form.

A rule is a dict with a `name` (the reason of a reject) and exactly one of
    patterns  regular expressions (RE2's syntax, case plays no part); it fits where `hits` of them (1) are found
              and none of `unless`
    whole     regular expressions; it fits where the text is nothing but them, repeated or mixed, with signs between
    words     plain words; as `whole`, but a word that would be long enough as a text of its own is passed over
    measure   a name of `measures.MEASURES`, with a bound: `below` or `above` a number, "min_length" or "max_length"
and may have
    language  "en", "zh" or "any" (default): the texts it looks at, told by their script
    up_to     it looks at texts of up to so many characters
    action    "reject" (default) or "flag"
    expected  true: it looks at every text, but only when `--language` asks for its language
    off       true, with a name alone: switches that rule off
A rule of the user with the name of a built-in one replaces it, in its language or in all.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from toolkit.data.rules.measures import MEASURES
from toolkit.data.sources import decode
from toolkit.errors import ToolkitError, did_you_mean

Rule = dict[str, Any]

LANGUAGES = ("en", "zh")
KINDS = ("patterns", "whole", "words", "measure")
KEYS = ("name", "language", "action", "expected", "off", "up_to", "hits", "unless", "below", "above", *KINDS)
BOUNDS = ("min_length", "max_length")


@cache
def built_in() -> tuple[Rule, ...]:
    """The package's own rules, in the order in which they are tried."""
    out = []
    for language in LANGUAGES:
        text = resources.files("toolkit.data.rules").joinpath(f"{language}.json").read_text(encoding="utf-8")
        out += [{**rule, "language": language, "own": True} for rule in json.loads(text)["rules"]]
    return tuple(out)


def load(path: str | Path) -> list[Rule]:
    """A user's rules.

    Raises:
        ToolkitError: the file is no list of rules; says which rule is wrong, and what is.
    """
    path = Path(path)
    try:
        found = json.loads(decode(path.read_bytes(), path.name))
    except ValueError as e:
        raise ToolkitError(f"{path} is no JSON", str(e)) from e
    language = "any"
    if isinstance(found, dict):
        language = found.get("language", "any")
        found = found.get("rules")
    if not isinstance(found, list) or not all(isinstance(rule, dict) for rule in found):
        raise ToolkitError(f"{path} holds no list of rules", 'write [{"name": "…", "patterns": ["…"]}, …]')
    rules = [{"language": language, **rule} for rule in found]
    for number, rule in enumerate(rules, 1):
        name = rule.get("name")
        where = f"{path}, rule '{name}'" if isinstance(name, str) else f"{path}, rule {number}"
        _check(rule, where)
    return rules


def _check(rule: Rule, where: str) -> None:
    unknown = next((key for key in rule if key not in KEYS), None)
    if unknown:
        raise ToolkitError(f"{where} has an unknown key '{unknown}'", did_you_mean(unknown, KEYS))
    if not isinstance(rule.get("name"), str) or not rule["name"].strip():
        raise ToolkitError(f"{where} has no name", "a name is the reason that rejected rows are given")
    _check_choice(rule["language"], ("any", *LANGUAGES), f"{where}: language")
    _check_choice(rule.get("action", "reject"), ("reject", "flag"), f"{where}: action")
    for key in ("off", "expected"):
        if not isinstance(rule.get(key, False), bool):
            raise ToolkitError(f"{where}: '{key}' is neither true nor false", f"write {key}: true, or leave it out")
    if rule.get("off"):
        names = {known["name"] for known in built_in()}
        if rule["name"] not in names:
            raise ToolkitError(f"{where} switches off what is no built-in rule", did_you_mean(rule["name"], names))
        return
    if rule.get("expected") and rule["language"] == "any":
        raise ToolkitError(f"{where} is 'expected' of no language", "give it a language, en or zh")
    kinds = [kind for kind in KINDS if kind in rule]
    if len(kinds) != 1:
        raise ToolkitError(
            f"{where} has {' and '.join(kinds) or 'nothing to look for'}", f"give exactly one of {', '.join(KINDS)}"
        )
    for key in ("up_to", "hits"):
        if not _is_number(rule.get(key, 1)) or rule.get(key, 1) < 1:
            raise ToolkitError(f"{where}: '{key}' is no number of 1 or more", "write it as a number")
    if kinds[0] == "measure":
        _check_measure(rule, where)
        return
    for key in (kinds[0], "unless"):
        _check_texts(rule, key, where)
    for regex in regexes(rule, 0) + rule.get("unless", []):
        _check_regex(regex, where)


def _check_choice(value: Any, known: tuple[str, ...], where: str) -> None:
    if value not in known:
        raise ToolkitError(f"{where} '{value}' is unknown", did_you_mean(str(value), known))


def _check_measure(rule: Rule, where: str) -> None:
    _check_choice(rule["measure"], tuple(MEASURES), f"{where}: measure")
    bounds = [key for key in ("below", "above") if key in rule]
    if len(bounds) != 1 or not (_is_number(rule[bounds[0]]) or rule[bounds[0]] in BOUNDS):
        raise ToolkitError(f"{where} has no one bound", f"give 'below' or 'above': a number, {' or '.join(BOUNDS)}")


def _check_texts(rule: Rule, key: str, where: str) -> None:
    values = rule.get(key, ["-"])
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v.strip() for v in values):
        raise ToolkitError(f"{where}: '{key}' is no list of texts", f'write {key}: ["…", "…"]')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_regex(regex: str, where: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), regex, ignore_case=True)
    except pa.ArrowInvalid as e:
        hint = f"{' '.join(str(e).split())}; the syntax is RE2's, without look-around and back-references"
        raise ToolkitError(f"{where}: '{regex}' is no regular expression", hint) from e


def load_terms(path: str | Path) -> list[dict[str, Any]]:
    """A user's list of terms: one a line, its weight (1 where not given) after a tab.

    Raises:
        ToolkitError: there are none, or a weight is no number above 0; says which line.
    """
    path = Path(path)
    out = []
    for number, line in enumerate(decode(path.read_bytes(), path.name).splitlines(), 1):
        term, tab, written = line.partition("\t")
        if not line.strip():
            continue
        try:
            weight = float(written) if tab else 1.0
        except ValueError:
            weight = 0.0
        if not term.strip() or not 0 < weight < float("inf"):
            raise ToolkitError(
                f"{path}, line {number} is no term with a weight", "write a term, or a term, a tab and a number above 0"
            )
        out.append({"term": term.strip(), "weight": weight})
    if not out:
        raise ToolkitError(f"{path} holds no terms", "write one a line")
    return out


def chosen(config: Any, extra: list[Rule]) -> list[Rule]:
    """The rules in force, each of one language and with its bound as a number; those of the user come first.

    Args:
        config: min_length, min_length_cjk, max_length, language.
    """
    mine = [{**rule, "language": language} for rule in extra for language in LANGUAGES
            if rule["language"] in (language, "any")]  # fmt: skip
    taken = {(rule["name"], rule["language"]) for rule in mine}
    rules = mine + [rule for rule in built_in() if (rule["name"], rule["language"]) not in taken]
    out = []
    for rule in rules:
        if rule.get("off") or (rule.get("expected") and rule["language"] != config.language):
            continue
        bounds = {"min_length": config.min_length if rule["language"] == "en" else config.min_length_cjk}
        bounds["max_length"] = config.max_length
        asked = {key: bounds[rule[key]] for key in ("below", "above") if isinstance(rule.get(key), str)}
        out.append({**rule, **asked, "regexes": regexes(rule, bounds["min_length"])})
    return [rule for rule in out if rule["regexes"] or "measure" in rule]


def regexes(rule: Rule, min_length: int) -> list[str]:
    """What to look for in a text, as regular expressions; none for a measure."""
    if "patterns" in rule:
        return list(rule["patterns"])
    pieces = rule.get("whole", [])
    if "words" in rule:
        pieces = [re.escape(word) for word in rule["words"] if len(word) < min_length or not min_length]
        if not min_length:
            return []
    if not pieces:
        return []
    if rule["language"] == "zh":
        return [rf"^[^\pL\pN]*(?:(?:{'|'.join(pieces)})[^\pL\pN]*)+$"]
    # between Latin words stands a sign, but a word may be repeated without: "hahaha"
    return [rf"^[^\pL\pN]*(?:(?:{'|'.join(f'(?:{piece})+' for piece in pieces)})(?:[^\pL\pN]+|$))+$"]
