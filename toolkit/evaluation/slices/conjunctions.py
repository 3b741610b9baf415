"""Rows that fulfil two or three conditions at once.

Frequent sets of conditions level by level (Agrawal & Srikant, 1994): a set is tried only where its parts have rows
enough. Slices of several predicates as in SliceFinder (Chung et al., 2019) and SliceLine (Sagadeeva & Boehm, 2021);
here rows alone decide what is tried, not errors, so that the same sets stand for the shuffled control.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation.slices.family import Condition, Family

LEAST, SHARE = 20, 0.005  # rows of a set: the number, or the share of all rows where that is more
SAME = 0.9  # a set with more of a part's rows than this is that part
WORDS = 300  # the most frequent that are joined with other conditions
MOST = 10_000  # sets of a level: those with the most rows
CELLS = 20_000_000  # rows of all sets of a level together
_BLOCK = 500


def family(parts: Family) -> Family:
    """Slices of two conditions of any parts, and of three where none is a word."""
    rows = parts.member.shape[0]
    least = max(LEAST, SHARE * rows)
    counts = np.diff(parts.member.indptr)
    word = np.array([kind == "keyword" for kind in parts.kinds], bool)
    frequent = counts >= least
    some = np.flatnonzero(frequent & ~word)
    common = np.flatnonzero(frequent & word)
    some = np.concatenate([some, common[np.argsort(-counts[common], kind="stable")[:WORDS]]]).astype(int)
    atoms, word = parts.member[:, some], word[some]
    columns = np.unique([_column(parts, i) for i in some.tolist()], return_inverse=True)[1]
    single = np.arange(len(some))[:, None]
    pairs, of_pairs = _joined(single, atoms, atoms, columns, word, least)
    plain = np.flatnonzero(~word[pairs].any(1)) if len(pairs) else np.zeros(0, int)
    triples, of_triples = _joined(pairs[plain], of_pairs[:, plain], atoms, columns, word, least, words=False)
    return _family([*pairs.tolist(), *triples.tolist()], [of_pairs, of_triples], [parts.where[i][0] for i in some])


def _column(parts: Family, i: int) -> str:
    """What a set has one condition of. A cluster is of what the model makes of the rows: with the label it would tell
    no more than that the answer is another.
    """
    return "label" if parts.kinds[i] == "cluster" else str(parts.where[i][0]["column"])


def _family(sets: list[list[int]], members: list[Any], conditions: list[Condition]) -> Family:
    from scipy.sparse import hstack

    where = [[conditions[i] for i in one] for one in sets]
    return Family(["conjunction"] * len(sets), where, hstack(members, format="csc"))


def _joined(
    sets: Any, member: Any, atoms: Any, columns: Any, word: Any, least: float, *, words: bool = True
) -> tuple[Any, Any]:
    """Each set with one condition more, of a column that it has not (words may be several): the sets, and their rows.

    Args:
        sets: numbers of the conditions, sorted, (sets, level). member: their rows, csc.
    """
    from scipy.sparse import csc_array, hstack

    level = sets.shape[1]
    none = np.zeros((0, level + 1), int), csc_array((atoms.shape[0], 0), dtype=np.float32)
    if not len(sets):
        return none
    shared = (member.T @ atoms).tocoo()
    left, right, count = shared.row, shared.col, shared.data
    smaller = np.minimum(np.diff(member.indptr)[left], np.diff(atoms.indptr)[right])
    fits = (right > sets[left].max(1)) & (count >= least) & (count <= SAME * smaller)
    other = (columns[sets[left]] != columns[right][:, None]).all(1) | (word[right] & words)
    fits &= other & (words | ~word[right])
    left, right, count = left[fits], right[fits], count[fits]
    order = np.lexsort((right, left, -count))[:MOST]
    order = order[np.cumsum(count[order]) <= CELLS]
    left, right = left[order], right[order]
    if not len(left):
        return none
    blocks = [
        member[:, left[at : at + _BLOCK]].multiply(atoms[:, right[at : at + _BLOCK]]).tocsc()
        for at in range(0, len(left), _BLOCK)
    ]
    return np.column_stack([sets[left], right]), hstack(blocks, format="csc")
