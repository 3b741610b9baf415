"""Which slices hold more errors than chance puts there, told by the same search on shuffled errors.

The largest score of all slices under each shuffle is what a slice has to exceed (Westfall & Young, 1993): with
probability 1 - `ALPHA` nothing at all is found where errors fall on rows at random, however many slices are tried and
however they overlap. The score is the likelihood ratio of another error rate inside than outside (Dunning, 1993) minus
2 log m, m slices being of that kind: a word out of thousands must tell more than a source out of three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit import console
from toolkit.evaluation.slices.family import Family

SHUFFLES = 300
ALPHA = 0.01
_BLOCK = 50


def penalties(kinds: Sequence[str]) -> Any:
    """What is taken from each slice's likelihood ratio: 2 log of the number of slices of its kind."""
    counted = Counter(kinds)
    return np.array([2 * np.log(counted[kind]) for kind in kinds])


def likelihood_ratio(errors: Any, rows: Any, all_errors: float, all_rows: float) -> Any:
    """2 log of the likelihood ratio of a rate of its own for each slice; 0 where it is not above the others' rate."""
    from scipy.special import xlogy

    others, rest = all_errors - errors, all_rows - rows
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (
            xlogy(errors, errors / rows)
            + xlogy(rows - errors, 1 - errors / rows)
            + xlogy(others, others / rest)
            + xlogy(rest - others, 1 - others / rest)
            - xlogy(all_errors, all_errors / all_rows)
            - xlogy(all_rows - all_errors, 1 - all_errors / all_rows)
        )
        above = errors * all_rows > all_errors * rows
    return np.where(above & (rows > 0), 2 * np.nan_to_num(value), 0.0)


def largest_by_chance(member: Any, penalty: Any, wrong: Any, seed: int) -> Any:
    """The largest score of all slices under each of `SHUFFLES` shuffles of the errors."""
    rng = np.random.default_rng(seed)
    rows = np.diff(member.indptr).astype(float)[:, None]
    across, out = member.T, []
    for start in console.track(range(0, SHUFFLES, _BLOCK), "shuffled control"):
        shuffled = np.repeat(wrong[None].astype(np.float32), min(_BLOCK, SHUFFLES - start), axis=0)
        errors = across @ np.ascontiguousarray(rng.permuted(shuffled, axis=1).T)
        scores = likelihood_ratio(errors, rows, wrong.sum(), len(wrong)) - penalty[:, None]
        out.append(scores.max(0))
    return np.concatenate(out)


def find(every: Family, wrong: Any, seed: int) -> tuple[Any, list[int]]:
    """For each slice the probability that shuffled errors give some slice such a score, and the slices that tell the
    errors, the strongest first.

    Several conditions must stand out among the rows of fewer of them, too, or they owe their errors to these (then the
    probability is 1): the errors of a word gather in some source by chance.
    """
    penalty = penalties(every.kinds)
    p, bound = judge(every.member, penalty, wrong, seed)
    rows, errors = np.diff(every.member.indptr).astype(float), every.member.T @ wrong.astype(float)
    conditions = [frozenset((c["column"], c["value"]) for c in where) for where in every.where]
    place = {found: i for i, found in enumerate(conditions)}
    for i in np.flatnonzero(p <= ALPHA):
        fewer = [place[less] for c in conditions[i] if (less := conditions[i] - {c}) in place]
        beyond = likelihood_ratio(errors[i], rows[i], errors[fewer], rows[fewer])
        if (beyond <= penalty[i]).any():
            p[i], penalty[i] = 1.0, np.inf
    return p, pick(every.member, penalty, wrong, bound)


def judge(member: Any, penalty: Any, wrong: Any, seed: int) -> tuple[Any, float]:
    """For each slice the probability that shuffled errors give some slice such a score, and the score to exceed."""
    if not member.shape[1] or not 0 < wrong.sum() < len(wrong):
        return np.ones(member.shape[1]), np.inf
    scores = _scores(member, penalty, wrong, np.ones(len(wrong), bool))
    chance = np.sort(largest_by_chance(member, penalty, wrong, seed))
    above = len(chance) - np.searchsorted(chance, scores, side="left")
    bound = chance[-int(ALPHA * (SHUFFLES + 1))]
    return (1 + above) / (SHUFFLES + 1), float(bound)


def _scores(member: Any, penalty: Any, wrong: Any, left: Any) -> Any:
    """Of each slice its score among the rows that are left."""
    rows, errors = member.T @ left.astype(np.float32), member.T @ (wrong & left).astype(np.float32)
    return (
        likelihood_ratio(errors.astype(float), rows.astype(float), float((wrong & left).sum()), float(left.sum()))
        - penalty
    )


def pick(member: Any, penalty: Any, wrong: Any, bound: float) -> list[int]:
    """The slices that tell the errors, the strongest first: each has too many errors among the rows of none before it.

    What another slice explains is so told once: a word that stands in one bad source alone is that source. What stands
    out only among the rest is not picked: the bound is that of all rows.
    """
    left, out = np.ones(len(wrong), bool), []
    unseen = _scores(member, penalty, wrong, left) <= bound
    while (wrong & left).any() and member.shape[1]:
        scores = np.where(unseen, -np.inf, _scores(member, penalty, wrong, left))
        best = int(scores.argmax())
        if scores[best] <= bound:
            break
        out.append(best)
        left[member.indices[member.indptr[best] : member.indptr[best + 1]]] = False
    return out
