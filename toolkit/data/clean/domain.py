"""Texts from outside the domain: told by a list of terms, by contrast with texts of the domain, or by either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import lexicon
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit.data.clean.rows import Rows

REASON = "outside the domain"
LEXICON, OUTSIDE = "domain.txt", "outside.txt"  # files of the artifact
_TOLD = 5  # terms that a row's detail names
_TOP = 20  # terms of each side in the report
_FEWEST, _AT_MOST = 5, 5000  # of the lexicon


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Reject or flag the texts that the terms tell to be outside, and export the lexicons.

    Raises:
        ToolkitError: a reference without texts.
    """
    if rows.kind != "text" or not (given.get("terms") or given.get("reference")):
        return None
    listed = lexicon.Listed(given.get("terms") or [])
    learnt = _learnt(rows, given["reference"]) if given.get("reference") else None
    kept: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    decided: list[tuple[int, str, list[tuple[str, float]], float]] = []
    with console.progress("domain", rows.count()) as advance:
        for numbers, texts in rows.blocks("text"):
            for row, text in zip(numbers.tolist(), texts, strict=True):
                found = _judge(text or "", listed, learnt, config.domain.domain_share)
                if found:
                    decided.append((row, text, *found))
                    outside.update(term for term, _ in found[0])
                (dropped if found else kept).update(lexicon.terms(text or ""))
            advance(len(numbers))
    for row, _, found_terms, share in decided:
        _act(rows, row, found_terms, share, config.domain.domain_action)
    weights = listed.weights | (learnt.weights if learnt else {})
    fewest = _FEWEST if sum(kept.values()) > 10_000 else 2
    own = lexicon.of_domain(kept, dropped, fewest, _AT_MOST)
    rows.files[LEXICON] = "".join(f"{term}\n" for term in own)
    against = sorted(outside, key=lambda term: (-outside[term] * weights[term], term))
    rows.files[OUTSIDE] = "".join(f"{term}\t{weights[term]:g}\n" for term in against)
    return _figures(decided, learnt) | {
        "outside_terms": [{"term": t, "weight": round(weights[t], 2), "rows": outside[t]} for t in against[:_TOP]],
        "domain_terms": own[:_TOP],
        "lexicon": len(own),
    }


def _learnt(rows: Rows, reference: Any) -> lexicon.Lexicon:
    wanted = [text for text in reference if text and text.strip()]
    if not wanted:
        raise ToolkitError("the domain reference has no texts", "give a dataset with a text column")
    fit = np.flatnonzero(rows.fit)
    found = lexicon.learn((text for text in rows.values("text", fit) if text), wanted)
    if not np.isfinite(found.bound):
        console.warn(
            f"domain: nothing in the source stands out against the reference; its {len(wanted)} texts are enough to "
            f"show outside texts where they are {min(found.smallest_share, 1):.1%} of the source or more"
        )
    return found


def _judge(
    text: str, listed: lexicon.Listed, learnt: lexicon.Lexicon | None, least: float
) -> tuple[list[tuple[str, float]], float] | None:
    """(terms that decided, share of the evidence) where a text is outside."""
    share, terms = listed.score(text)
    if terms and share >= least:
        return terms, share
    if learnt and np.isfinite(learnt.bound):
        score, share, terms = learnt.score(text)
        if terms and score >= learnt.bound and share >= least:
            return terms, share
    return None


def _act(rows: Rows, row: int, terms: list[tuple[str, float]], share: float, action: str) -> None:
    if action == "flag":
        rows.flag(row, f"{REASON}: {', '.join(term for term, _ in terms[:_TOLD])}")
    else:
        told = ", ".join(f"{term} {weight:.1f}" for term, weight in terms[:_TOLD])
        rows.reject(row, REASON, f"{told} ({share:.0%} of the evidence)")


def _figures(decided: list[Any], learnt: lexicon.Lexicon | None) -> dict[str, Any]:
    out: dict[str, Any] = {"outside": len(decided)}
    if learnt:
        found = np.isfinite(learnt.bound)
        out["estimated_precision"] = round(1 - learnt.false_share, 3) if found else None
        out["smallest_share"] = round(min(learnt.smallest_share, 1.0), 4)
    return out
