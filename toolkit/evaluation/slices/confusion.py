"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.slices.control import ALPHA, SHUFFLES
from toolkit.evaluation.statistics import wilson

MOST = 20
MISSED, EXTRA = "(missed)", "(extra)"


def pairs(labels: Sequence[Any], predicted: Sequence[Any], seed: int) -> list[dict[str, Any]]:
    """Pairs (label, predicted) that differ, the most frequent first, each with p.

    p: how often some pair would have as many errors more than expected, were each class taken for others as these are
    answered in general. Of rows of several classes a class that is missing counts as (label, "(missed)"),
    one too many as ("(extra)", predicted); these have no p.
    """
    if len(labels) and not isinstance(labels[0], str):
        return _several(labels, predicted)
    names, codes = np.unique(np.concatenate([labels, predicted]).astype(str), return_inverse=True)
    true, said = codes[: len(labels)], codes[len(labels) :]
    support = np.bincount(true, minlength=len(names))
    failed = true != said
    true, said = true[failed], said[failed]
    found, counts = np.unique(true * len(names) + said, return_counts=True)
    p, expected = _chance(true, said, found, counts, len(names), seed)
    order = np.lexsort((found, -counts))[:MOST]
    return [
        _pair(names[found[i] // len(names)], names[found[i] % len(names)], counts[i], support[found[i] // len(names)])
        | {"expected": float(expected[i]), "p": float(p[i])}
        for i in order
    ]


def _pair(label: str, predicted: str, errors: int, support: int) -> dict[str, Any]:
    low, high = wilson(int(errors), int(support))
    share = {"value": errors / support, "low": low, "high": high}
    return {"label": str(label), "predicted": str(predicted), "errors": int(errors), "rows": int(support)} | {
        "share_of_label": share
    }


def _chance(true: Any, said: Any, found: Any, counts: Any, classes: int, seed: int) -> tuple[Any, Any]:
    """(p, expected number) of each pair. The control draws each error's answer anew from `_pull` without its own class;
    a pair has to exceed the largest excess (Poisson's likelihood ratio) of a draw.
    """
    if not len(found):
        return np.ones(0), np.zeros(0)
    of_true, of_said = (np.bincount(v, minlength=classes).astype(float) for v in (true, said))
    pull = _pull(of_true, of_said)
    rest = pull.sum() - pull

    def excess(pairs: Any, seen: Any) -> Any:
        i, j = pairs // classes, pairs % classes
        expected = of_true[i] * pull[j] / rest[i]
        return np.where(seen > expected, seen * np.log(seen / expected) - (seen - expected), 0.0), expected

    rng, largest = np.random.default_rng(seed), np.zeros(SHUFFLES)
    reached = np.cumsum(pull)
    for i in range(SHUFFLES):
        place = rng.random(len(true)) * rest[true]
        place += np.where(place < reached[true] - pull[true], 0.0, pull[true])  # over the own class
        drawn = np.minimum(np.searchsorted(reached, place, side="right"), classes - 1)
        largest[i] = excess(*np.unique(true * classes + drawn, return_counts=True))[0].max()
    scores, expected = excess(found, counts)
    above = SHUFFLES - np.searchsorted(np.sort(largest), scores, side="left")
    return (1 + above) / (SHUFFLES + 1), expected


def _pull(of_true: Any, of_said: Any, rounds: int = 100) -> Any:
    """How much each class draws errors, whatever the true class: errors from i to j are expected in proportion to it.

    Quasi-independence (Goodman, 1968), fitted by iterative proportions: a class is never wrong for itself.
    """
    push, pull = np.ones(len(of_true)), of_said.copy()
    for _ in range(rounds):
        push = of_true / np.maximum(pull.sum() - pull, 1e-300)
        pull = of_said / np.maximum(push.sum() - push, 1e-300)
    return pull / pull.sum()


def beyond_chance(pair: dict[str, Any]) -> bool:
    return float(pair.get("p", 1.0)) <= ALPHA


def _several(labels: Sequence[Any], predicted: Sequence[Any]) -> list[dict[str, Any]]:
    from collections import Counter

    support, rows = Counter(name for row in labels for name in row), len(labels)
    missed = Counter(name for t, p in zip(labels, predicted, strict=True) for name in set(t) - set(p))
    extra = Counter(name for t, p in zip(labels, predicted, strict=True) for name in set(p) - set(t))
    found = [_pair(name, MISSED, count, support[name]) for name, count in missed.items()]
    found += [_pair(EXTRA, name, count, rows - support[name]) for name, count in extra.items()]
    return sorted(found, key=lambda f: (-f["errors"], f["label"], f["predicted"]))[:MOST]
