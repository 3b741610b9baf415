"""From whatever columns a source has to the standard ones: `id`, `text`, `label`, others passed through."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit.data.options import ColumnOptions
from toolkit.errors import ToolkitError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

NAMES = {
    "text": ("text", "sentence", "content", "review", "title", "question", "query", "utterance", "message", "文本", "内容", "标题"),
    "label": ("label", "labels", "class", "category", "intent", "sentiment", "topic", "target", "标签", "类别"),
}


def choose(
    tables: Mapping[str, pa.Table], options: ColumnOptions, source: str, *, need_label: bool = True
) -> tuple[dict[str, pa.Table], str]:
    """Rename the chosen columns to their standard names; also says what was chosen ("" where nothing was renamed).

    Raises:
        ToolkitError: a column that was asked for is not there, or none can be found.
    """
    first = next(iter(tables.values()))
    for split, table in tables.items():
        if set(table.column_names) != set(first.column_names):
            raise ToolkitError(f"{source}: {split} has other columns than the first split", "give all splits the same columns")
    roles = NAMES if need_label or options.label else {"text": NAMES["text"]}
    chosen = {role: _choose(first, role, getattr(options, role), source) for role in roles}
    if chosen["text"] == chosen.get("label"):
        raise ToolkitError(f"{source}: '{chosen['text']}' cannot be both text and label", "name both with --text and --label")
    renames = {column: role for role, column in chosen.items() if column != role}
    for role in renames.values():
        if role in first.column_names and role not in renames:  # another column already bears the standard name
            renames[role] = f"{role}_original"
    renamed = {s: t.rename_columns([renames.get(c, c) for c in t.column_names]) for s, t in tables.items()}
    return renamed, ", ".join(f"{role} is column '{column}'" for column, role in renames.items())


def _choose(table: pa.Table, role: str, asked: str | None, source: str) -> str:
    columns = table.column_names
    if asked:
        if asked not in columns:
            raise ToolkitError(f"{source} has no column '{asked}'", did_you_mean(asked, columns))
        return asked
    by_lower = {c.lower(): c for c in columns}
    for name in NAMES[role]:
        if name in by_lower:
            return by_lower[name]
    raise ToolkitError(
        f"{source} has no {role} column that can be told", f"name it with --{role}; columns are {', '.join(columns)}"
    )


def to_dataset(tables: Mapping[str, pa.Table], source: str, *, complete: bool) -> DatasetDict:
    """Tables with standard columns as a DatasetDict with `id`; with `complete`, labels become one ClassLabel.

    Raises:
        ToolkitError: an empty text or label where `complete` demands them.
    """
    from datasets import Dataset, DatasetDict

    out = DatasetDict()
    for split, table in tables.items():
        rows = Dataset(_with_ids(_plain(table), split))
        if complete:
            _demand_complete(rows, split, source)
        out[split] = rows
    return encode_labels(out) if complete else out


def _plain(table: pa.Table) -> pa.Table:
    """Texts as strings, whatever they were; nested text is refused."""
    import pyarrow as pa

    for name in ("text", "label"):
        column = table.column(name) if name in table.column_names else table.column("text")
        if pa.types.is_nested(column.type):
            raise ToolkitError(f"column '{name}' is nested ({column.type})", "flatten it first")
    text = table.column("text")
    if not pa.types.is_string(text.type):
        table = table.set_column(table.column_names.index("text"), "text", text.cast(pa.string()))
    return table


def _with_ids(table: pa.Table, split: str) -> pa.Table:
    """Every row has an `id` that is text and unique in its split; a column of that name that is not is kept aside."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "id" in table.column_names:
        ids = table.column("id").cast(pa.string())
        if not ids.null_count and pc.count_distinct(ids).as_py() == len(ids):
            return table.set_column(table.column_names.index("id"), "id", ids)
        table = table.rename_columns(["id_original" if c == "id" else c for c in table.column_names])
    return table.add_column(0, "id", pa.array([f"{split}-{i}" for i in range(table.num_rows)]))


def label_text(value: Any) -> str | None:
    """A raw label as its class name, None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a csv column of integers with a gap is read as floats
    return str(value).strip() or None


def _demand_complete(rows: Any, split: str, source: str) -> None:
    for column in ("text", "label"):
        values = rows[column]
        empty = [i for i, v in enumerate(values) if (label_text(v) if column == "label" else v and v.strip()) is None or v == ""]
        if empty:
            raise ToolkitError(
                f"{source}: {len(empty)} rows of {split} have no {column} (first: id {rows['id'][empty[0]]})",
                "run 'toolkit clean' on it first",
            )


def encode_labels(data: DatasetDict) -> DatasetDict:
    """Labels of all splits as one ClassLabel, names sorted (numbers by value); an existing ClassLabel stays."""
    from datasets import ClassLabel

    if all(isinstance(rows.features["label"], ClassLabel) for rows in data.values()):
        return data
    texts = {split: [label_text(v) for v in rows["label"]] for split, rows in data.items()}
    names = sorted({name for values in texts.values() for name in values if name is not None}, key=_label_order)
    feature, index = ClassLabel(names=names), {name: i for i, name in enumerate(names)}
    for split, rows in data.items():
        codes = [None if t is None else index[t] for t in texts[split]]
        position = rows.column_names
        data[split] = rows.remove_columns("label").add_column("label", codes, feature=feature).select_columns(position)
    return data


def _label_order(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def check_labels(data: DatasetDict, source: str) -> None:
    """At least two classes in train, and none elsewhere that train never saw.

    Raises:
        ToolkitError: either does not hold.
    """
    names = data["train"].features["label"].names
    seen = set(data["train"]["label"])
    if len(seen) < 2:
        only = names[next(iter(seen))] if seen else "none"
        raise ToolkitError(f"{source} has one class only ({only})", "a classifier needs rows of two classes or more")
    for split, rows in data.items():
        unseen = sorted(names[i] for i in set(rows["label"]) - seen)
        if unseen:
            raise ToolkitError(
                f"{source}: {split} has labels that train never saw ({', '.join(unseen[:5])})",
                "add rows of them to train, or remove them from it",
            )
