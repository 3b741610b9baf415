"""Near-duplicates: pairs, the links that make clusters, and which rows stay when each cluster is thinned out.

Two texts are near-duplicates when the sets of character 5-grams (CJK: 2-grams) of their folded forms have a Jaccard
similarity of 0.8 or more; a text shorter than the gram is its own gram. A CJK text and one that holds CJK characters
without being one are compared by 2-grams. Or, with `method="simhash"`: when their SimHash signatures differ in at most
`distance` of 64 bits.

Of 512 distinct texts or fewer every pair is compared. Of more, those that share a key of their signatures (recall at
the threshold: 0.9992), each pair verified. Where more than 32 share a key, a crowd, comparing all with all would be
quadratic: there each is compared with the crowd's first or best, and then by the grams that are rare among the crowds'
texts, which loses nothing as long as no such gram is shared by more than 128 texts; of more, each is compared with the
128 next in size. Where that cuts a search for links or for what stays short, and crowds connect no more than 8,192
texts, all of these are compared. So the work stays n log n on texts cut from one template too.

Texts are a list of strings or an Arrow array (null: an empty text), read in blocks; of each 72 bytes of keys are kept.
Each function takes the texts, or what `prepare` made of them, for several questions about the same texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.near.index import Index
from toolkit.data.near.minhash import THRESHOLD, MinHash
from toolkit.data.near.search import Search, components
from toolkit.data.near.simhash import SimHash
from toolkit.data.near.thinning import kept

if TYPE_CHECKING:
    from toolkit.data.folding import Texts

__all__ = ["METHODS", "SEED", "THRESHOLD", "Search", "clusters", "keep", "links", "pairs", "prepare"]

SEED = 7  # of the hash functions; the pairs found do not depend on it but for one in a thousand at the threshold
DISTANCE = 3
LABEL = "near-duplicates"
METHODS: dict[str, Callable[[Any, int, int, str], Index]] = {
    "minhash": lambda texts, seed, distance, label: MinHash(texts, seed, label),
    "simhash": lambda texts, seed, distance, label: SimHash(texts, distance, label),
}


def prepare(
    texts: Texts, label: str = LABEL, seed: int = SEED, method: str = "minhash", distance: int = DISTANCE
) -> Search:
    """Texts read once for several of the questions below, which take the result in their place.

    Args:
        seed: of the hash functions: another one finds what the first missed.
    """
    return Search(METHODS[method](texts, seed, distance, label), label)


def pairs(texts: Texts | Search, label: str = LABEL, **options: Any) -> tuple[list[tuple[int, int]], int]:
    """The near-duplicate pairs (i < j) of the texts, sorted, and how many candidates were checked.

    Of texts that fold to the same form (SimHash: have the same signature) the first stands for all: each later one is
    paired with it, and with no other. A text without any character is near nothing. Of a crowd that are all near one
    another not all pairs are found: use `links` or `keep`, which need no more.

    Args:
        options: as in `prepare`.
    """
    search = _search(texts, label, options)
    search.check_crowds()
    same = _same(search.index)
    found = _sorted(np.concatenate([search.rows(), same]))
    return list(map(tuple, found.tolist())), search.checked + len(same)


def links(texts: Texts | Search, label: str = LABEL, **options: Any) -> tuple[Any, int]:
    """Near-duplicate pairs (i < j), int64 (k, 2), enough to connect what all pairs connect; and how many were checked.

    Where many texts are all near one another there are about as many links as texts, not as pairs.

    Args:
        options: as in `prepare`.
    """
    search = _search(texts, label, options)
    search.connect_crowds()
    same = _same(search.index)
    return _sorted(np.concatenate([search.rows(), same])), search.checked + len(same)


def keep(
    texts: Texts | Search, order: Any, groups: Any = None, anchors: Any = None, label: str = LABEL, **options: Any
) -> tuple[Any, int]:
    """Which texts stay when none is to be near a better one that stays.

    Text by text in `order`: one goes when a text that stays is near it and of its group, or an anchor. Anchors stay
    whatever is near.

    Args:
        order: row numbers, the best first. Texts that are not in it are not there.
        groups: the group of each text (its label, say); by default all are of one.
        anchors: bool for each text.
        options: as in `prepare`.

    Returns:
        int64: for each text the one that it goes for, or -1; for an anchor, a better anchor that it is near, or -1.
        And how many pairs were checked.
    """
    search = _search(texts, label, options)
    return kept(search, order, groups, anchors), search.checked


def _search(texts: Any, label: str, options: dict[str, Any]) -> Search:
    return texts.again() if isinstance(texts, Search) else prepare(texts, label, **options)


def _same(index: Index) -> Any:
    """(k, 2): each text with the first of those that are taken for the same."""
    rows = np.flatnonzero(index.entry >= 0)
    first = index.rows[index.entry[rows]]
    return np.stack([first, rows], 1)[first != rows]


def _sorted(pairs: Any) -> Any:
    return pairs[np.lexsort(pairs.T[::-1])]


def clusters(count: int, *linked: Any) -> list[int]:
    """A cluster number for each of `count` rows: linked rows share one. Links are pairs, or arrays (k, 2)."""
    every = [np.asarray(some, np.int64).reshape(-1, 2) for some in linked]
    if not sum(map(len, every)):
        return list(range(count))
    return [int(number) for number in components(count, np.concatenate(every))]
