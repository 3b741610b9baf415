"""The digest by which a file is known again."""

from __future__ import annotations

from pathlib import Path


def of_file(path: Path) -> str:
    """xxh3-128 of a file's bytes, in hex."""
    import xxhash

    state = xxhash.xxh3_128()
    with path.open("rb") as f:
        while block := f.read(1 << 22):
            state.update(block)
    return state.hexdigest()
