"""How a model reads contents: rows to encoded rows, encoded rows to batches of arrays. One file a kind of content.

Training, inference and compression read through the same reader, so that a model sees in production what it saw then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from toolkit import console

Encoded = list[dict[str, Any]]


class Reader(Protocol):
    """What a model's tokenizer or image processor does, with its limits bound."""

    kind: str  # of the content: the column that it reads
    processor: Any  # with `save_pretrained`

    def contents(self, rows: Any) -> list[Any]:
        """The contents of a Dataset's rows, as `encode` takes them (a pair of texts: a tuple)."""

    def encode(self, contents: Sequence[Any]) -> Encoded:
        """Each content as the model's inputs, nothing padded yet."""

    def empty(self, row: dict[str, Any]) -> bool:
        """Whether an encoded row holds nothing of its content."""

    def size(self, row: dict[str, Any]) -> int:
        """By what rows of a batch should be alike."""

    def guess(self, content: Any) -> int:
        """A number that grows with `size`, told without encoding."""

    def bucket(self, size: int, multiple: int) -> int:
        """The size that inference pads to: a multiple, and one of few."""

    def batch(self, rows: Encoded, size: int | None = None) -> dict[str, Any]:
        """Encoded rows as the model's inputs, numpy arrays (rows, …), padded to `size` or to the largest."""


def of(kind: str, processor: Any, config: Any, *, wanted: int | None = None) -> Reader:
    """The reader of a model.

    Args:
        kind: of the content.
        processor: its tokenizer or image processor.
        config: the model's own.
        wanted: a smaller limit than the model's: tokens of a text.
    """
    if kind == "image":
        from toolkit.reading.image import ImageReader

        return ImageReader(processor, "L" if getattr(config, "num_channels", 3) == 1 else "RGB")
    from toolkit.reading.text import TextReader, max_tokens, tells_texts_apart

    return TextReader(processor, max_tokens(config, processor, wanted), tells_texts_apart(config, processor))


def tell_empty(reader: Reader, lost: int, count: int) -> None:
    """Say how many of `count` rows hold nothing that the model knows, if any."""
    if lost:
        console.warn(f"{lost} of {count} {reader.kind}s hold nothing that the model's tokenizer knows")
