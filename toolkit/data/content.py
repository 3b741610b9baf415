"""What two rows are compared by, whatever they hold: a key of the normalised content, and pairs that are near."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import roles
from toolkit.data.text import fold

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 65_536


def keys(table: pa.Table, alive: Any | None = None) -> Any:
    """A 128-bit key (n, 2; uint64) of each row's normalised content; of rows that are not alive, zeros."""
    out = np.zeros((table.num_rows, 2), dtype=np.uint64)
    kind = roles.kind_of(table.column_names)
    named = roles.compared(table.column_names)
    if not named:  # without content no row is like another
        out[:, 0] = np.arange(1, len(out) + 1)
        return out
    for start in range(0, table.num_rows, _BLOCK):
        here = np.arange(start, min(start + _BLOCK, table.num_rows))
        if alive is not None:
            here = here[alive[here]]
        if len(here):
            out[here] = np.frombuffer(_digests(table.select(named).take(here), kind), np.uint64).reshape(-1, 2)
    return out


def image_keys(looks: Any, numbers: Any) -> Any:
    """The keys of these rows' images; one that cannot be read is like no other."""
    found = looks.digest[numbers]
    for k, row in enumerate(numbers.tolist()):
        if looks.error[row] is not None:
            found[k] = (row, np.iinfo(np.uint64).max)
    return found


def _digests(block: pa.Table, kind: str) -> bytes:
    from xxhash import xxh3_128_digest

    if kind == "text":
        columns = [map(_folded, block.column(name).to_pylist()) for name in block.column_names]
        return b"".join(xxh3_128_digest("\0".join(row).encode()) for row in zip(*columns, strict=True))
    if kind == "image":
        from toolkit.data import images

        looks = images.look(block.column("image"))
        return bytes(image_keys(looks, np.arange(len(looks))).tobytes())
    rows = zip(*(block.column(name).to_pylist() for name in block.column_names), strict=True)
    return b"".join(xxh3_128_digest(json.dumps(row, default=str).encode()) for row in rows)


def _folded(text: str | None) -> str:
    return fold(text or "")


def texts(table: pa.Table) -> pa.ChunkedArray:
    """What the near-duplicates of texts are found by: the text, of a pair both, one after the other."""
    import pyarrow.compute as pc

    if roles.compared(table.column_names) == ["text"]:
        return table.column("text")
    first, second = (pc.fill_null(table.column(name), "") for name in ("text", "text_pair"))
    return pc.binary_join_element_wise(first, second, " \n ")


def groups(found: Any, numbers: Any) -> list[Any]:
    """Arrays of two or more of the row `numbers` that have equal keys."""
    import numpy as np

    part = found[numbers]
    order = np.lexsort((numbers, part[:, 0], part[:, 1]))
    part, ordered = part[order], numbers[order]
    edges = np.flatnonzero(np.concatenate([[True], (part[1:] != part[:-1]).any(1), [True]]))
    sizes = np.diff(edges)
    return [ordered[a : a + n] for a, n in zip(edges[:-1][sizes > 1], sizes[sizes > 1], strict=True)]


def links(table: pa.Table, label: str = "near-duplicates", **options: Any) -> tuple[Any, int]:
    """Near-duplicate pairs (k, 2) of rows, enough to connect what all of them connect, and how many were checked.

    Texts and images have near-duplicates (`near`, `images`); series and rows of a table only equal ones.
    """
    kind = roles.kind_of(table.column_names)
    if kind == "text":
        from toolkit.data import near

        found: tuple[Any, int] = near.links(texts(table), label, **options)
        return found
    if kind == "image":
        from toolkit.data import images

        pairs, checked = images.pairs(table.column("image"), label, **options)
        return np.array(pairs, np.int64).reshape(-1, 2), checked
    equal = groups(keys(table), np.arange(table.num_rows))
    pairs = sorted((int(group[0]), int(row)) for group in equal for row in group[1:])
    return np.array(pairs, np.int64).reshape(-1, 2), len(pairs)
