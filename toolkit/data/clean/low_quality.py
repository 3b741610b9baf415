"""Texts that carry nothing: by the rules of `toolkit.data.rules`, the first that fits gives the reason."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import rules as rule_module
from toolkit.data.rules.measures import COUNTED, MEASURES, Block, block

if TYPE_CHECKING:
    import pyarrow as pa

    from toolkit.data.clean.rows import Rows

_CHARACTERS_AT_ONCE = 2_000_000
_LONGEST_DETAIL = 60
# What a fifth of a class looks like is what the class is about (spam, greetings), not dirt.
_CONTENT_SHARE, _CONTENT_ROWS = 0.2, 5
_KEPT = "kept: "  # begins the flag of a row that stays for that

Hit = tuple[int, dict[str, Any], str]  # row, rule, what was found


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Reject or flag the texts that a rule fits.

    A rule of the package that fits a fifth of a class (five rows at least) leaves that class alone and is told of,
    unless an option sets its bound. Rows that stay for that are flagged, and stay when there are fewer of them later.
    """
    if rows.kind != "text":
        return None
    chosen = rule_module.chosen(config.quality, given.get("rules") or [])
    hits: list[Hit] = []
    with console.progress("low quality", rows.count()) as advance:
        for numbers, texts in rows.blocks("text"):
            for start, end in _pieces(texts):
                hits += _hits(numbers[start:end], [text or "" for text in texts[start:end]], chosen)
                advance(end - start)
    hits.sort(key=operator.itemgetter(0))
    labels = _labels(rows, hits)
    spared = _content(rows, hits, labels)
    stayed = _stayed(rows, hits)
    removed: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    kept: Counter[tuple[str, str]] = Counter()
    for row, rule, found in hits:
        content = rule["name"], str(labels.get(row))
        if _guarded(rule) and (content in spared or (row, rule["name"]) in stayed):
            rows.flag(row, _KEPT + rule["name"])
            kept[content] += 1
            continue
        if rule.get("action") == "flag":
            rows.flag(row, rule["name"])
            flagged[rule["name"]] += 1
        else:
            rows.reject(row, rule["name"], found)
            removed[rule["name"]] += not rows.alive[row]
    told = [{"rule": name, "label": label, "rows": count} for (name, label), count in sorted(kept.items())]
    return {"rejected": _sorted(removed), "flagged": _sorted(flagged), "kept_as_content": told}


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if count}


def _pieces(texts: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Ranges of texts that are small enough to be taken apart at once."""
    start = size = 0
    for end, text in enumerate(texts):
        size += len(text or "")
        if size > _CHARACTERS_AT_ONCE and end > start:
            yield start, end
            start, size = end, len(text or "")
    yield start, len(texts)


def _hits(numbers: Any, texts: list[str], chosen: list[dict[str, Any]]) -> list[Hit]:
    """For each text the first rule that rejects it, or else every one that flags it."""
    whole = block(texts)
    out: list[Hit] = []
    for language in rule_module.LANGUAGES:
        which = whole.cjk if language == "zh" else ~whole.cjk
        if which.any():
            rules = [rule for rule in chosen if rule["language"] == language or rule.get("expected")]
            out += _hits_of_language(numbers[which], whole.part(which), rules)
    return out


def _hits_of_language(numbers: Any, b: Block, rules: list[dict[str, Any]]) -> list[Hit]:
    import pyarrow as pa

    out: list[Hit] = []
    array = pa.array(b.texts, pa.string())
    suspects = _suspects(array, rules)
    done = np.zeros(len(b.texts), dtype=bool)
    for rule in sorted(rules, key=lambda rule: rule.get("action") == "flag"):
        if "measure" in rule:
            fitting, told = _measured(b, rule)
        else:
            fitting, told = _found(array, suspects, rule)
        if "up_to" in rule:
            fitting = fitting[b.lengths[fitting] <= rule["up_to"]]
        for k in fitting[~done[fitting]].tolist():
            out.append((int(numbers[k]), rule, told(k)))
            done[k] = rule.get("action") != "flag"
    return out


def _measured(b: Block, rule: dict[str, Any]) -> tuple[Any, Any]:
    bound = rule["below"] if "below" in rule else rule["above"]
    values = MEASURES[rule["measure"]](b, bound)
    with np.errstate(invalid="ignore"):
        beyond = values < bound if "below" in rule else values > bound
    side, unit = "at least" if "below" in rule else "at most", COUNTED.get(rule["measure"])

    def told(k: int) -> str:
        if unit:
            return f"{values[k]:.0f} {unit}, {side} {bound:g}"
        return f"{values[k]:.0%} {rule['measure']}, {side} {bound:.0%}"

    return np.flatnonzero(beyond), told


def _suspects(array: pa.Array, rules: list[dict[str, Any]]) -> Any:
    """Texts that any pattern fits: a pass or two over all patterns, before each rule is tried on these few.

    Patterns that begin at the text's beginning go by themselves: mixed with others they make RE2 fifty times slower.
    """
    import pyarrow.compute as pc

    groups: dict[Any, list[str]] = {}
    for rule in rules:
        for regex in rule["regexes"]:
            groups.setdefault((rule.get("own") or rule["name"], regex.startswith("^")), []).append(regex)
    found = np.zeros(len(array), dtype=bool)
    for regexes in groups.values():
        anything = "|".join(f"(?:{regex})" for regex in regexes)
        found |= pc.match_substring_regex(array, anything, ignore_case=True).to_numpy(zero_copy_only=False)
    return np.flatnonzero(found)


def _found(array: pa.Array, suspects: Any, rule: dict[str, Any]) -> tuple[Any, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = array.take(suspects)

    def fits(regex: str) -> Any:
        return pc.match_substring_regex(texts, regex, ignore_case=True).to_numpy(zero_copy_only=False)

    each = np.array([fits(regex) for regex in rule["regexes"]])
    fitting = each.sum(0) >= rule.get("hits", 1)
    for regex in rule.get("unless", []):
        fitting &= ~fits(regex)
    first = each.argmax(0)
    details: dict[int, str] = {}
    for number in np.unique(first[fitting]).tolist():
        here = fitting & (first == number)
        around = rf"(?is)\A.*?((?:{rule['regexes'][number]})).*\z"
        pieces = pc.replace_substring_regex(texts.filter(pa.array(here)), around, r"\1").to_pylist()
        details |= zip(suspects[here].tolist(), pieces, strict=True)
    return suspects[fitting], lambda k: _short(details[k])


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"


def _guarded(rule: dict[str, Any]) -> bool:
    """Rules of the package whose bound is no option of its own."""
    return bool(rule.get("own")) and not rule.get("expected") and rule.get("measure") != "characters"


def _labels(rows: Rows, hits: list[Hit]) -> dict[int, str | None]:
    if "label" not in rows.table.column_names:
        return {}
    numbers = sorted({row for row, *_ in hits})
    return dict(zip(numbers, rows.values("label", numbers), strict=True))


def _stayed(rows: Rows, hits: list[Hit]) -> set[tuple[int, str]]:
    """(row, rule) where an earlier `clean` took what the rule found for what the class is about."""
    import pyarrow as pa

    if "flags" not in rows.table.column_names or not pa.types.is_string(rows.table.schema.field("flags").type):
        return set()
    numbers = sorted({row for row, *_ in hits})
    marks = zip(numbers, rows.values("flags", numbers), strict=True)
    return {(row, mark.removeprefix(_KEPT)) for row, marked in marks for mark in (marked or "").split("; ")
            if mark.startswith(_KEPT)}  # fmt: skip


def _content(rows: Rows, hits: list[Hit], labels: Mapping[int, str | None]) -> set[tuple[str, str]]:
    """(rule, class) where a rule fits so much of a class that it must be what the class is about."""
    import pyarrow as pa

    if not labels:
        return set()
    living = rows.table.column("label").filter(pa.array(rows.alive))
    sizes = {entry["values"]: entry["counts"] for entry in living.value_counts().to_pylist()}
    own = [(rule, labels[row]) for row, rule, _ in hits if rule.get("own") and rule.get("action") != "flag"]
    counts = Counter((rule["name"], label, _guarded(rule)) for rule, label in own)
    out = set()
    for (name, label, guarded), count in sorted(counts.items(), key=str):
        if label is None or len(sizes) < 2 or count < max(_CONTENT_ROWS, _CONTENT_SHARE * sizes[label]):
            continue
        told = f"low-quality: '{name}' fits {count} of {sizes[label]} rows of class '{label}'"
        if guarded:
            out.add((name, label))
            console.warn(f"{told}, so it is what they are about, and they stay; a rule of yours may say otherwise")
        else:
            console.warn(f"{told}, which go; if they are what the class is about, change the bound")
    return out
