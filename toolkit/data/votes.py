"""Votes of raters on items, and what they come to: the majority, or Dawid and Skene's weighing of the raters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data.labels import label_order, label_text

SMOOTHING = 3.0  # votes added to a rater's matrix for each true class, spread evenly: of 0.01 to 3 the best, simulated
ROUNDS, TOLERANCE = 200, 1e-4  # of the EM algorithm: at most, and the largest change of a probability that ends it


def _nobody() -> Any:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Votes:
    """Who gave which item which class: (item, rater, class) triples, one vote a rater and item, and their counts."""

    classes: list[str]
    counts: Any  # (items, classes) votes
    raters: list[str] = field(default_factory=list)  # empty where only counts are known, and so the next three
    item: Any = field(default_factory=_nobody)  # (votes,) numbers of items, ascending
    rater: Any = field(default_factory=_nobody)  # (votes,) numbers of raters
    label: Any = field(default_factory=_nobody)  # (votes,) numbers of classes
    contradicted: int = 0  # votes left out, since their rater gave the item another class too


def encode(values: Any) -> tuple[Any, list[str]]:
    """Numbers (int64, -1 where missing) into the sorted names of the values of a list or an Arrow column."""
    import pyarrow as pa

    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    coded = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
    texts = [label_text(value) for value in coded.dictionary.to_pylist()]
    names = sorted({text for text in texts if text is not None}, key=label_order)
    place = {name: i for i, name in enumerate(names)}
    found = np.array([-1 if text is None else place[text] for text in texts] + [-1])
    return found[coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)], names


def from_columns(columns: Mapping[str, Any]) -> Votes:
    """Votes of a wide table: rater -> his class of each item, null where he gave none."""
    coded = {rater: encode(values) for rater, values in columns.items()}
    classes = sorted({name for _, names in coded.values() for name in names}, key=label_order)
    place = {name: i for i, name in enumerate(classes)}
    table = np.stack([np.array([*map(place.__getitem__, n), -1], np.int64)[c] for c, n in coded.values()], axis=1)
    item, rater = np.nonzero(table >= 0)
    return _gathered(item, rater, table[item, rater], len(table), list(columns), classes)


def from_long(items: Any, raters: Any, labels: Any, size: int) -> Votes:
    """Votes of a long table: numbers of items (0 to `size` - 1), raters and classes of each vote.

    A rater who gave an item one class twice has one vote; one who gave it several has none, since none is his word.
    """
    rater, names = encode(raters)
    label, classes = encode(labels)
    known = (rater >= 0) & (label >= 0)
    return _gathered(np.asarray(items)[known], rater[known], label[known], size, names, classes)


def from_counts(counts: Any, classes: Sequence[str]) -> Votes:
    """Votes of a matrix (items, classes) of counts: who voted is not known."""
    return Votes(list(classes), np.asarray(counts, dtype=np.int64))


def _gathered(item: Any, rater: Any, label: Any, size: int, raters: list[str], classes: list[str]) -> Votes:
    order = np.lexsort((label, rater, item))
    item, rater, label = item[order], rater[order], label[order]
    same_rater = (item[1:] == item[:-1]) & (rater[1:] == rater[:-1])
    other = same_rater & (label[1:] != label[:-1])
    start = np.concatenate([[True], ~same_rater])[: len(item)]
    run = np.cumsum(start) - 1  # one run a rater and item
    torn = np.zeros(len(item), dtype=bool)
    torn[run[1:][other]] = True
    torn = torn[run]
    kept = start & ~torn
    item, rater, label = item[kept], rater[kept], label[kept]
    counts = np.bincount(item * len(classes) + label, minlength=size * len(classes)).reshape(size, len(classes))
    return Votes(classes, counts, raters, item, rater, label, int(torn.sum()))


def majority(votes: Votes) -> Any:
    """The class with most votes of each item (int64), -1 where several have most or nobody voted.

    A tie has no majority: to settle it by the commoner class would call a coin toss a label.
    """
    if not votes.classes:
        return np.full(len(votes.counts), -1)
    top = votes.counts.max(1, keepdims=True)
    clear = (top[:, 0] > 0) & ((votes.counts == top).sum(1) == 1)
    return np.where(clear, votes.counts.argmax(1), -1)


def dawid_skene(votes: Votes, smoothing: float = SMOOTHING) -> dict[str, Any]:
    """True classes and raters' confusion matrices by expectation maximisation (Dawid and Skene, 1979).

    Starts from the shares of the votes, so the result is the same each time, whatever the order of the raters.

    Returns:
        label (items,), -1 where classes are equally probable or nobody voted; posterior (items, classes);
        confusion (raters, true class, given class), rows that sum to 1; prior (classes,); accuracy (raters,), the
        chance that a rater is right on an item; rounds; converged.
    """
    from scipy.sparse import csr_matrix

    items, classes = votes.counts.shape
    raters = len(votes.raters)
    given = votes.rater * classes + votes.label  # (rater, given class) of each vote, a row of the matrix
    cast = csr_matrix((np.ones(len(given)), (given, votes.item)), shape=(raters * classes, items))
    rated = votes.counts.sum(1) > 0
    posterior = votes.counts / np.maximum(votes.counts.sum(1, keepdims=True), 1)
    converged, done = False, 0
    with console.progress("weighing the raters", None) as advance:
        while not converged and done < ROUNDS:
            before = posterior
            prior = posterior[rated].mean(0)
            confusion = (cast @ posterior).reshape(
                raters, classes, classes
            ) + smoothing / classes  # (rater, given, true)
            confusion /= np.maximum(confusion.sum(1, keepdims=True), 1e-300)
            evidence = cast.T @ _log(confusion).reshape(raters * classes, classes) + _log(prior)
            posterior = np.exp(evidence - evidence.max(1, keepdims=True))
            posterior /= posterior.sum(1, keepdims=True)
            posterior[~rated] = 0.0  # and so no part of the raters' counts
            converged = bool(np.abs(posterior - before).max(initial=0.0) < TOLERANCE)
            done += 1
            advance()
    ordered = np.sort(posterior, axis=1)
    clear = rated & (ordered[:, -1] - (ordered[:, -2] if classes > 1 else 0.0) > 1e-6)
    return {
        "label": np.where(clear, posterior.argmax(1), -1),
        "posterior": posterior,
        "confusion": confusion.transpose(0, 2, 1),
        "prior": prior,
        "accuracy": (np.einsum("rcc->rc", confusion) * prior).sum(1),
        "rounds": done,
        "converged": converged,
    }


def _log(values: Any) -> Any:
    return np.log(np.maximum(values, 1e-300))
