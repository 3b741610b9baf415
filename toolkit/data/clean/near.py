"""Near-duplicates among the rows under cleaning, of whatever kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import content, images
from toolkit.data import near as texts

if TYPE_CHECKING:
    from toolkit.data.clean.rows import Rows


class Near:
    """Which contents are near one another. Texts are indexed once for all questions; of images all pairs are found.

    number: (rows,) the number of each row's content, equal for equal contents; -1 for none, and for rows that were
        dead before.
    """

    def __init__(self, rows: Rows, method: str) -> None:
        self.rows, living = rows, rows.living()
        self.living, self.number = living, np.full(len(rows), -1, np.int64)
        self.checked = 0
        self._links: Any = np.zeros((0, 2), np.int64)
        if rows.kind == "text":
            self.index = texts.prepare(content.texts(rows.table).take(living), method=method)
            self.number[living] = self.index.entry
            return
        _, first, same = np.unique(rows.keys()[living], axis=0, return_index=True, return_inverse=True)
        self.number[living] = same.reshape(-1)
        if rows.kind == "image":
            found, self.checked = images.pairs(rows.looks(), numbers=living[first])
            self._links = self.number[np.array(found, np.int64).reshape(-1, 2)]

    def pairs(self) -> Any:
        """Pairs (k, 2) of the numbers of near contents."""
        return self._of_texts(texts.pairs) if self.rows.kind == "text" else self._links

    def links(self) -> Any:
        """Pairs (k, 2) that connect what all pairs connect."""
        return self._of_texts(texts.links) if self.rows.kind == "text" else self._links

    def _of_texts(self, search: Any) -> Any:
        found, self.checked = search(self.index)
        numbers = self.index.entry[np.array(found, np.int64).reshape(-1, 2)]
        return numbers[numbers[:, 0] != numbers[:, 1]]

    def leaving(self) -> list[tuple[int, int]]:
        """(row, the row that stays), the best row first: a row goes when one near it stays that has its label, or is
        protected. A protected row is told where a better one of another content is near.
        """
        rows = self.rows
        living = rows.living()[self.number[rows.living()] >= 0]
        if rows.kind == "text":
            gone = self._leaving_texts(living)
        else:
            involved = np.isin(self.number[living], self._links)
            involved |= (
                np.bincount(self.number[living], minlength=self.number.max(initial=0) + 1)[self.number[living]] > 1
            )
            gone = self._greedily(rows.best_first(living[involved]))
        return [(a, b) for a, b in gone if not (rows.protected[a] and self.number[a] == self.number[b])]

    def _leaving_texts(self, living: Any) -> list[tuple[int, int]]:
        rows, count = self.rows, len(self.living)
        place = np.full(len(rows), -1, np.int64)
        place[self.living] = np.arange(count)
        best = place[rows.best_first(living)]
        dead = np.setdiff1d(np.arange(count), best)
        groups = np.arange(count) + len(rows)  # each of the dead is a group of its own: it takes no other along
        labels = rows.label_codes()
        groups[place[living]] = labels[living]
        anchors = rows.protected[self.living] & rows.alive[self.living]
        stays, self.checked = texts.keep(self.index, np.concatenate([best, dead]), groups, anchors)
        return [(int(self.living[a]), int(self.living[stays[a]])) for a in best.tolist() if stays[a] >= 0]

    def _greedily(self, numbers: list[int]) -> list[tuple[int, int]]:
        rows = self.rows
        neighbours: dict[int, list[int]] = {}
        for a, b in self._links.tolist():
            neighbours.setdefault(a, [a]).append(b)
            neighbours.setdefault(b, [b]).append(a)
        labels = rows.labels(numbers)
        kept: dict[tuple[int, str | None], int] = {}  # (content, label) -> the row that stays; label "" is any
        out = []
        for row in numbers:
            own = int(self.number[row])
            near_by = [(other, label) for other in neighbours.get(own, [own]) for label in (labels[row], "")]
            original = next((kept[key] for key in near_by if key in kept), None)
            if original is not None:
                out.append((row, original))
            if original is None or rows.protected[row]:
                kept.setdefault((own, "" if rows.protected[row] else labels[row]), row)
        return out
