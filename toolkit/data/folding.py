"""Many texts folded at once, as arrays of code points, by a table look-up a character: the results of `text.fold`.

A character that folds alone to one character, or to a space, has its result in the table. Texts with any other (a
combining mark, "½", "ﬁ", Σ …) and texts of signs alone are folded one by one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from toolkit.data.text import CJK_CHAR, LETTER, NON_WORD, fold, is_cjk

if TYPE_CHECKING:
    import pyarrow as pa

Texts: TypeAlias = "Sequence[str] | pa.Array | pa.ChunkedArray"

CHARACTERS = 1 << 16  # of a block: its arrays stay in the processor's cache
ROWS = 1 << 16
_HARD, _CJK, _LETTER, _CODE = (np.uint32(flag) for flag in (1 << 31, 1 << 30, 1 << 29, (1 << 21) - 1))
_SPACE = np.uint32(32)
_table = np.zeros(0x110000, np.uint32)  # code point -> what it folds to, with flags; 0: not seen yet


class Folded(NamedTuple):
    """Folded texts, one after another."""

    codes: Any  # uint32, code points of all
    lengths: Any  # int64, characters of each
    cjk: Any  # uint8: 2 a CJK text by `is_cjk`, 1 another one that holds a CJK character, 0 the rest


class Source:
    """Texts in a list or an Arrow array (chunks stay where they are; null is empty), read block by block."""

    def __init__(self, texts: Texts) -> None:
        chunks: list[Any] = list(getattr(texts, "chunks", [texts]))
        self.chunks = [_plain(chunk) if hasattr(chunk, "take") else chunk for chunk in chunks]
        self.starts = np.cumsum([0] + [len(chunk) for chunk in self.chunks])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def blocks(self) -> list[tuple[int, int]]:
        """(first row, row after the last) of blocks of at most CHARACTERS, or of one text that is longer."""
        out = []
        for start, chunk in zip(self.starts[:-1].tolist(), self.chunks, strict=True):
            ends = np.cumsum(_sizes(chunk))
            at = 0
            while at < len(ends):
                limit = (ends[at - 1] if at else 0) + CHARACTERS
                stop = min(max(int(np.searchsorted(ends, limit, "right")), at + 1), at + ROWS)
                out.append((start + at, start + stop))
                at = stop
        return out

    def folded(self, start: int, stop: int) -> Folded:
        """The texts of one block."""
        chunk = int(np.searchsorted(self.starts, start, "right")) - 1
        first = int(self.starts[chunk])
        return folded(self.chunks[chunk][start - first : stop - first])

    def take(self, rows: Any) -> Folded:
        """The texts of some rows, in their order."""
        if len(self.chunks) == 1:
            return folded(_taken(self.chunks[0], rows))
        import pyarrow as pa

        order = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[order], self.starts)
        parts = [
            chunk.take(rows[order[a:b]] - start).cast(pa.large_string())
            for chunk, start, a, b in zip(self.chunks, self.starts, ends[:-1], ends[1:], strict=False)
            if b > a
        ]
        return folded(pa.concat_arrays(parts).take(np.argsort(order)) if parts else [])


def _taken(texts: Any, rows: Any) -> Any:
    return texts.take(rows) if hasattr(texts, "take") else [texts[i] for i in rows.tolist()]


def _plain(array: Any) -> Any:
    """An Arrow array without views or a dictionary."""
    import pyarrow as pa

    return array if array.type in (pa.string(), pa.large_string()) else array.cast(pa.large_string())


def _sizes(texts: Any) -> Any:
    """Characters of each text, or bytes: no fewer."""
    if hasattr(texts, "take"):
        import pyarrow.compute as pc

        return pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _joined(texts: Any) -> tuple[str, Any]:
    """All texts as one, and the characters of each."""
    if not hasattr(texts, "take"):
        return "".join(texts), np.fromiter(map(len, texts), np.int64, len(texts))
    import pyarrow as pa
    import pyarrow.compute as pc

    array = texts.cast(pa.large_string()).fill_null("")
    _, offsets, data = array.buffers()
    edges = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    text = bytes(memoryview(data)[edges[0] : edges[-1]]).decode() if data is not None else ""
    return text, pc.utf8_length(array).to_numpy().astype(np.int64)


def folded(texts: Any) -> Folded:
    """The texts of a list or an Arrow array, folded."""
    text, lengths = _joined(texts)
    codes = _looked_up(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    word = codes != _SPACE
    keep = word.copy()  # of a run of signs the last one, but at the end of a text and at its start
    keep[:-1] |= word[1:]
    keep[ends[lengths > 0] - 1] = word[ends[lengths > 0] - 1]
    kept = np.flatnonzero(keep)
    led = np.flatnonzero(lengths)
    led = led[~word[starts[led]]]
    first = np.searchsorted(kept, starts[led])
    first = first[first < np.searchsorted(kept, ends[led])]
    keep[kept[first]] = False
    kept = np.delete(kept, first)
    out, sizes = codes.take(kept), _count(keep, starts, lengths)
    hard = (sizes == 0) & (lengths > 0)  # signs alone
    if (codes >= _HARD).any():
        hard |= _count(codes >= _HARD, starts, lengths) > 0
    block = Folded(out & _CODE, sizes, _scripts(out, sizes))
    return _with_hard(block, text, starts, lengths, np.flatnonzero(hard)) if hard.any() else block


def _count(mask: Any, starts: Any, lengths: Any) -> Any:
    """How many characters of each text are in the mask."""
    out, some = np.zeros(len(lengths), np.int64), lengths > 0
    if some.any():
        out[some] = np.add.reduceat(mask, starts[some], dtype=np.int32)
    return out


def _scripts(codes: Any, lengths: Any) -> Any:
    """Which texts are CJK, from the flags of their characters: `text.is_cjk`."""
    marked = codes & _CJK > 0
    if not marked.any():
        return np.zeros(len(lengths), np.uint8)
    starts = np.cumsum(lengths) - lengths
    cjk, letters = _count(marked, starts, lengths), _count(codes & _LETTER > 0, starts, lengths)
    return (cjk > 0).astype(np.uint8) + ((cjk > 0) & (cjk * 5 >= letters))


def _with_hard(block: Folded, text: str, starts: Any, lengths: Any, rows: Any) -> Folded:
    """The block with some rows folded one by one."""
    texts = [fold(text[a : a + n]) for a, n in zip(starts[rows].tolist(), lengths[rows].tolist(), strict=True)]
    own = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    sizes, cjk = block.lengths.copy(), block.cjk.copy()
    sizes[rows] = [len(t) for t in texts]
    cjk[rows] = [2 if is_cjk(t) else bool(CJK_CHAR.search(t)) for t in texts]
    first = np.cumsum(block.lengths) - block.lengths
    first[rows] = len(block.codes) + np.cumsum(sizes[rows]) - sizes[rows]
    at = np.repeat(first - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    return Folded(np.concatenate([block.codes, own])[at], sizes, cjk)


def _looked_up(codes: Any) -> Any:
    """What each character folds to, with flags."""
    out = _table[codes]
    if len(out) and not out.all():
        for code in np.unique(codes[out == 0]).tolist():
            _table[code] = _entry(chr(code))
        out = _table[codes]
    return out


def _entry(char: str) -> int:
    plain = unicodedata.normalize("NFKC", char)
    if any(map(_depends, char + plain)):
        return int(_HARD)
    plain = NON_WORD.sub(" ", plain.lower())
    if plain.isspace():
        return int(_SPACE)
    if len(plain) > 1:
        return int(_HARD)
    return ord(plain) | int(_CJK) * bool(CJK_CHAR.match(plain)) | int(_LETTER) * bool(LETTER.match(plain))


def _depends(char: str) -> bool:
    """Whether what a character folds to may depend on the one before it: marks, vowels and finals of Hangul, Σ."""
    code = ord(char)
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:  # variation selectors: marks that never combine
        return False
    return unicodedata.category(char) in ("Mn", "Mc") or 0x1160 <= code <= 0x11FF or char == "Σ"
