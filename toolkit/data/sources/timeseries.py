"""Time series in the `.ts` format of sktime and aeon: directives, then one series a line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.data.sources import encoding
from toolkit.data.sources.gather import gather
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 22  # characters of data a batch
_NUMBERS = re.compile(r"[-+0-9.eE,\s]*")  # what `float` takes for one beside these (1_0, １) is none here


@dataclass
class _Header:
    """What the lines before `@data` say."""

    says: dict[str, str] = field(default_factory=dict)  # directive -> value, both in lower case
    labelled: bool = False
    classes: frozenset[str] = frozenset()  # none: any label, or a number to predict
    length: int | None = None  # of each channel, where they are equal

    def yes(self, name: str) -> bool:
        return self.says.get(name) == "true"


def read_ts(path: Path, spill: Path | None = None) -> pa.Table:
    """Columns `series` (list of channels, each a list of float64, null where missing) and `label` (text).

    Channels may differ in length where the header does not say that they are equal.

    Raises:
        ToolkitError: a line that is not as its header says (it is named), or series with time stamps.
    """
    return gather(_batches(path, encoding.detect(path)), path, spill)


def _batches(path: Path, code: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    kind = pa.list_(pa.list_(pa.float64()))
    header, started = _Header(), False
    series: list[list[list[float | None]]] = []
    labels: list[str | None] = []
    size = 0

    def batch() -> pa.RecordBatch:
        columns = {"series": pa.array(series, kind)}
        return pa.record_batch(columns | ({"label": pa.array(labels, pa.string())} if header.labelled else {}))

    for number, line in _lines(path, code):
        try:
            if started:
                channels, label = _row(line, header)
                series.append(channels)
                labels.append(label)
                size += len(line)
            else:
                started = _directive(line, header)
        except ValueError as e:
            raise ToolkitError(f"{path}, line {number}: {e}", "mend that line, or what the header says") from e
        if size > _BLOCK:
            yield batch()
            series, labels, size = [], [], 0
    if not started:
        raise ToolkitError(f"{path} has no @data line", "give a .ts file of time series")
    if series:
        yield batch()


def _lines(path: Path, code: str) -> Iterator[tuple[int, str]]:
    number = 0
    for lines in encoding.line_blocks(path, code):
        for line in lines:
            number += 1
            line = line.strip()
            if line and not line.startswith("#"):
                yield number, line


def _directive(line: str, header: _Header) -> bool:
    """Take in a line of the header; whether it was the last."""
    name, *values = line.split()
    name = name.lower()
    if not name.startswith("@"):
        raise ValueError("neither a directive (@…) nor a comment (#…) stands before @data")
    if name == "@data":
        if header.yes("@timestamps"):
            raise ValueError("series with time stamps (@timeStamps true) are not read: write their values alone")
        if header.yes("@equallength") and "@serieslength" in header.says:
            header.length = int(header.says["@serieslength"])
        header.labelled = header.yes("@classlabel") or header.yes("@targetlabel")
        return True
    value = values[0].lower() if values else ""
    if name in ("@dimension", "@dimensions", "@serieslength") and not value.isdecimal():
        raise ValueError(f"{name} is '{value[:50]}', no whole number")
    header.says[name.replace("@dimensions", "@dimension")] = value
    if name == "@classlabel":
        header.classes = frozenset(values[1:])
    return False


def _row(line: str, header: _Header) -> tuple[list[list[float | None]], str | None]:
    """Channels and label of a line of data."""
    channels, label = line.split(":"), None
    if header.labelled:
        written = channels.pop().strip()
        label = None if written in ("", "?") else written
        if label is not None and header.classes and label not in header.classes:
            raise ValueError(f"the label '{label[:50]}' is none of @classLabel")
    wanted = 1 if header.yes("@univariate") else int(header.says.get("@dimension", len(channels)))
    if len(channels) != wanted or not channels:
        raise ValueError(f"{len(channels)} channels, the header says {wanted}")
    values = [_values(channel, number) for number, channel in enumerate(channels, 1)]
    if header.yes("@equallength"):
        header.length = len(values[0]) if header.length is None else header.length
        odd = next((i for i, channel in enumerate(values) if len(channel) != header.length), None)
        if odd is not None:
            raise ValueError(f"channel {odd + 1} has {len(values[odd])} values, others {header.length}")
    return values, label


def _values(channel: str, number: int) -> list[float | None]:
    """The numbers of a channel; `?` and NaN are missing ones."""
    parts = channel.split(",")
    try:
        if _NUMBERS.fullmatch(channel):
            return list(map(float, parts))
        return [_value(part.strip()) for part in parts]
    except ValueError:
        bad = next(part for part in parts if not _is_value(part.strip()))
        raise ValueError(f"channel {number} holds '{bad.strip()[:50]}', which is no number") from None


def _value(text: str) -> float | None:
    if text == "?":
        return None
    if not _NUMBERS.fullmatch(text) and text.lower().lstrip("+-") not in ("nan", "inf", "infinity"):
        raise ValueError
    value = float(text)
    return None if math.isnan(value) else value


def _is_value(text: str) -> bool:
    try:
        _value(text)
    except ValueError:
        return False
    return True
