"""Which column plays which part: told by its name, else by what is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

CONTENT = ("text", "image", "series")
# Columns with a part of their own: no feature of a table.
STANDARD = (
    *(*CONTENT, "id", "label", "source", "group", "time", "fold", "flags", "annotations"),
    *("parent_id", "method", "partner_id", "label_weights"),  # of augmented rows
)
NAMES = {
    "text": (
        "text",
        "sentence",
        "content",
        "review",
        "title",
        "question",
        "query",
        "utterance",
        "message",
        "文本",
        "内容",
        "标题",
        *("sentence1", "question1", "premise", "text1", "text_a", "sentence_a", "文本1", "句子1"),
    ),
    "image": ("image", "img", "picture", "photo", "file_name", "image_path", "图片", "图像"),
    "series": ("series",),
    "label": ("label", "labels", "class", "category", "intent", "sentiment", "topic", "target", "标签", "类别"),
}
# The first text of a pair -> what its second one is called.
PAIRS = {
    "text": ("text_pair", "text2", "text_b"),
    "sentence": ("sentence2",),
    "question": ("question2",),
    "文本": ("文本2",),
    "sentence1": ("sentence2",),
    "question1": ("question2",),
    "premise": ("hypothesis",),
    "text1": ("text2",),
    "text_a": ("text_b",),
    "sentence_a": ("sentence_b",),
    "文本1": ("文本2",),
    "句子1": ("句子2",),
}
_ROW_NUMBERS = re.compile(r"(unnamed: ?\d+)?", re.IGNORECASE)
_SAMPLE = 1000  # rows that a column is told by


class NoLabel(ToolkitError):
    """No column can be told to hold the labels."""


def kind_of(names: list[str]) -> str:
    """What a row's content is, told from the standard column names: "text", "image", "series" or "table"."""
    return next((role for role in CONTENT if role in names), "table")


def compared(names: list[str]) -> list[str]:
    """The columns that rows are compared by: their content, a pair of texts whole; of a table its features."""
    kind = kind_of(names)
    if kind == "table":
        return features_of(names)
    return [kind, *(["text_pair"] if kind == "text" and "text_pair" in names else [])]


def features_of(names: list[str]) -> list[str]:
    """The columns that play no standard part, nor are the row numbers that pandas writes under no name."""
    return [name for name in names if name not in STANDARD and not _ROW_NUMBERS.fullmatch(name.strip())]


def find_content(table: pa.Table, options: ColumnOptions, source: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """The column with the content, by name and by type; none for a table of features."""
    free = [name for name in table.column_names if name not in chosen.values()]
    by_lower = {name.strip().lower(): name for name in free}
    takes_images = hasattr(options, "image")
    for role in ("series", "image", "text"):
        if role == "image" and not takes_images:
            continue
        named = next((by_lower[name] for name in NAMES[role] if name in by_lower), None)
        if named is not None and _may_be(role, table.column(named)):
            return {role: named}
    for role, test in (("series", _is_series), ("image", _is_image), ("text", _is_text)):
        typed = [name for name in free if name not in STANDARD and test(table.column(name))]
        if typed and (role != "image" or takes_images):
            return {role: max(typed, key=lambda name: (_mean_length(table.column(name)), name))}
    if takes_images and any(name not in STANDARD for name in free if name.lower() not in NAMES["label"]):
        return {}
    raise ToolkitError(
        f"{source} has no text column that can be told",
        f"name it with --text; columns are {', '.join(table.column_names)}",
    )


def find_pair(table: pa.Table, text: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """The column with the second text of a pair, by the names of both; none where there is no such name."""
    by_lower = {name.strip().lower(): name for name in table.column_names if name not in chosen.values()}
    second = next((by_lower[name] for name in PAIRS.get(text.strip().lower(), ()) if name in by_lower), None)
    return {} if second is None else {"text_pair": second}


def find_label(table: pa.Table, chosen: Mapping[str, str], source: str) -> str:
    by_lower = {name.strip().lower(): name for name in table.column_names}
    named = next((by_lower[name] for name in NAMES["label"] if name in by_lower), None)
    if named is not None:
        return str(named)
    raise NoLabel(
        f"{source} has no label column that can be told",
        f"name it with --label; columns are {', '.join(table.column_names)}",
    )


def _may_be(role: str, column: pa.ChunkedArray) -> bool:
    """Whether a column that is called so can play this part; what is called a text may be numbers."""
    if role == "series":
        return _is_series(column, least=1)
    return role == "text" or _is_image(column)


def _is_series(column: pa.ChunkedArray, least: int = 2) -> bool:
    """Whether a column holds lists of numbers; of integers, `least` levels of lists (one may be ids of tokens)."""
    import pyarrow as pa

    kind = column.type
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth > 0 and (pa.types.is_floating(kind) or (pa.types.is_integer(kind) and depth >= least))


def _is_image(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        return {field.name for field in column.type} == {"bytes", "path"}
    values = _sampled(column)
    return bool(values) and all(IMAGE_PATH.search(value) for value in values)


IMAGE_PATH = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)


def _is_text(column: pa.ChunkedArray) -> bool:
    """Whether a column holds sentences: mostly filled, mostly different, of several words (or Chinese)."""
    from toolkit.data.text import is_cjk

    values = _sampled(column)
    if len(values) < 0.9 * min(len(column), _SAMPLE) or len(set(values)) < 0.5 * len(values):
        return False
    wordy = sum(is_cjk(value) or value.count(" ") > 1 for value in values)
    return wordy > 0.5 * len(values) and _mean_length(column) >= 8


def _sampled(column: pa.ChunkedArray) -> list[str]:
    """The filled cells among the first ones of a column of strings; none of another type."""
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return []
    return [value for value in column[:_SAMPLE].to_pylist() if value and value.strip()]


def _mean_length(column: pa.ChunkedArray) -> float:
    values = _sampled(column)
    return sum(map(len, values)) / max(len(values), 1)
