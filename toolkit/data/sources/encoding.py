"""The text of a file in blocks of bounded size, whatever its encoding; packed ones (`.gz`) too."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.errors import ToolkitError

BLOCK = 1 << 22  # bytes
MAX_LINE = 64 << 20  # bytes: what is longer is no table, or a quote in it is never closed
MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def raw_blocks(path: Path, *, lines: bool = True) -> Iterator[bytes]:
    """The file's bytes, unpacked, in blocks.

    Args:
        lines: refuse a line that is longer than `MAX_LINE`, before it is in memory.

    Raises:
        ToolkitError: a broken gzip file, or such a line.
    """
    number, length = 1, 0  # of the line that the block ends in
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb", buffering=0) as f:
            while block := f.read(BLOCK):
                end = max(block.rfind(b"\n"), block.rfind(b"\r"))
                number += block.count(b"\n")
                length = len(block) - end - 1 if end >= 0 else length + len(block)
                if lines and length > MAX_LINE:
                    raise ToolkitError(
                        f"{path}, line {number} is longer than {MAX_LINE >> 20} MB",
                        "give a file with one row a line, or cut what is in it",
                    )
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as e:
        raise ToolkitError(f"{path} is no whole gzip file", "pack it again") from e


def blocks(path: Path, encoding: str, *, lines: bool = True) -> Iterator[bytes]:
    """The file's text as UTF-8 in blocks (which may cut a character), without a byte order mark."""
    raw = raw_blocks(path, lines=lines)
    if encoding == "utf-8":
        yield next(raw, b"").removeprefix(codecs.BOM_UTF8)
        yield from raw
    else:
        yield from (text.encode() for text in _decoded(raw, encoding))


def _decoded(raw: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in raw:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def line_blocks(path: Path, encoding: str) -> Iterator[list[str]]:
    """The file's lines, without the line feed between them, a block's worth at a time."""
    rest: list[bytes] = []
    for block in blocks(path, encoding):
        head, feed, tail = block.rpartition(b"\n")
        if feed:
            yield b"".join([*rest, head]).decode().split("\n")
            rest = []
        rest.append(tail)
    yield b"".join(rest).decode().split("\n")


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file to read from."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source, self._left = source, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._left:
            block = next(self._source, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        count = min(len(into), len(self._left))
        into[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def stream(source: Iterator[bytes]) -> io.BufferedReader:
    """Blocks of bytes as a file that Arrow and `csv` read from."""
    return io.BufferedReader(_Stream(source), 1 << 20)


def detect(path: Path, *, lines: bool = True) -> str:
    """The encoding of a text file: UTF-8, a UTF-16 with its mark, GB 18030 or Windows-1252, whichever fits.

    Raises:
        ToolkitError: an empty or binary file, or an encoding that cannot be told.
    """
    raw = raw_blocks(path, lines=lines)
    if not any(block.removeprefix(codecs.BOM_UTF8).strip() for block in raw):
        raise ToolkitError(f"{path} is empty", "give a file with a header and rows")
    return _detect(lambda: raw_blocks(path, lines=lines), path.name)


def decode(data: bytes, name: str) -> str:
    """Bytes to text: UTF-8, a UTF-16 with its mark, GB 18030 or Windows-1252, whichever fits.

    Raises:
        ToolkitError: a binary file, or an encoding that cannot be told.
    """
    encoding = _detect(lambda: iter([data]), name)
    return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)


def _detect(opened: Callable[[], Iterator[bytes]], name: str) -> str:
    marked = next(opened(), b"").startswith(MARKS)
    if not marked and _is_utf8(opened(), name):
        return "utf-8"
    if marked and _decodes(opened(), "utf-16"):
        return "utf-16"
    _demand_one_encoding(opened() if marked else (_not_binary(block, name) for block in opened()), name)
    for encoding in () if marked else ("gb18030", "cp1252"):
        if _plausible(opened(), encoding):
            console.warn(f"{name} is not UTF-8: read as {encoding}")
            return encoding
    raise ToolkitError(f"{name} is not UTF-8 and no other encoding fits", "convert it: iconv -f ITS_ENCODING -t UTF-8")


def _not_binary(block: bytes, name: str) -> bytes:
    if b"\0" in block:
        raise ToolkitError(f"{name} is a binary file", "give a text file, or .parquet under its own name")
    return block


def _is_utf8(raw: Iterator[bytes], name: str) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in raw:
            decoder.decode(_not_binary(block, name))
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decodes(raw: Iterator[bytes], encoding: str) -> bool:
    try:
        return all("\0" not in text for text in _decoded(raw, encoding))
    except UnicodeDecodeError:
        return False


def _demand_one_encoding(raw: Iterator[bytes], name: str) -> None:
    """A file that is not UTF-8 has no line that is, or it was put together from several."""
    good, bad = [0, 0], [0, 0]  # how many lines, and the first of them
    for number, line in enumerate(_raw_lines(raw), 1):
        if line.isascii():
            continue
        try:
            found = good if len(line.decode()) < len(line) - 2 else None  # two bytes may be UTF-8 by chance
        except UnicodeDecodeError:
            found = bad
        if found is not None:
            found[:] = [found[0] + 1, found[1] or number]
    if good[0] and bad[0]:
        odd = f"line {bad[1]} is not UTF-8 and others are"
        if good[0] < bad[0]:
            odd = f"line {good[1]} is UTF-8 and others are not"
        raise ToolkitError(f"{name} mixes encodings: {odd}", "mend that line, or convert each part with iconv")


def _raw_lines(raw: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for block in raw:
        first, *others = block.split(b"\n")
        rest.append(first)
        for line in others:
            yield b"".join(rest)
            rest = [line]
    yield b"".join(rest)


_CONTROL, _FOREIGN, _HAN, _EVERYDAY, _GB_COMMON, _WESTERN = (1 << i for i in range(6))
_CLASSES = {
    _CONTROL: re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]"),
    _FOREIGN: re.compile(r"[^\x00-\x7f]"),
    _HAN: re.compile(r"[\u4e00-\u9fff]"),
    _GB_COMMON: re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uff65“”‘’…—·]"),
    _WESTERN: re.compile(r"[À-ÖØ-öø-ÿŒœŠšŽžŸ€£¥§©®°±²³·¿¡ªº«»‘’“”–—…•™\u00a0]"),
}


def _plausible(raw: Iterator[bytes], encoding: str) -> bool:
    """Nearly any bytes decode in an old code page; a real text shows common characters, and western ones sparsely."""
    import numpy as np

    marks, counts = _marks(), np.zeros(64, dtype=np.int64)
    try:
        for text in _decoded(raw, encoding):
            codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
            counts += np.bincount(marks[np.minimum(codes, 0xFFFF)], minlength=64)
    except UnicodeDecodeError:
        return False

    def count(mark: int) -> int:
        return int(counts[(np.arange(64) & mark) > 0].sum())

    total, foreign, han = int(counts.sum()), count(_FOREIGN), count(_HAN)
    if count(_CONTROL) > 0.01 * total:
        return False
    if encoding == "gb18030":  # everyday characters are half of a text in the traditional script, nearly all elsewhere
        return count(_GB_COMMON) >= 0.95 * foreign and count(_EVERYDAY) >= 0.4 * han
    return count(_WESTERN) >= 0.99 * foreign and foreign <= 0.3 * total


@cache
def _marks() -> Any:
    """What each character up to U+FFFF is, as bits (65,536; uint8); those beyond count as U+FFFF."""
    import numpy as np

    out = np.zeros(1 << 16, dtype=np.uint8)
    for mark, pattern in _CLASSES.items():
        out[[code for code in range(1 << 16) if pattern.match(chr(code))]] |= mark
    # the 3,755 characters of GB 2312's first level: nearly all of a real text, a fifth of a wrong one
    pairs = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    out[[ord(c) for pair in pairs for c in pair.decode("gb2312", errors="ignore")]] |= _EVERYDAY
    return out
