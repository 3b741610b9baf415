"""Labels: raw values to class names, class names to numbers, one class a row or several."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

MOST_FRACTIONS = 20  # classes such as 0.5; with more of them, if rows have hardly one twice, they measure something
SEPARATOR = "|"  # between the classes of a row that has several, wherever they are one text


def label_text(value: Any) -> str | None:
    """A raw label as its class name, None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a csv column of integers with a gap is read as floats
    text = str(value).strip()
    return None if text.lower() in ("", "nan", "<na>") else text  # how pandas writes a gap


def label_array(rows: Any) -> pa.ChunkedArray:
    """Each row's class name as an Arrow column, null where it is missing (hubs write -1 into a ClassLabel for that).

    Several classes of a row are joined by `SEPARATOR`, in order.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    feature, column = rows.features["label"], rows.with_format("arrow")[:].column("label")
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        known = names_of(rows.features)
        joined = [
            _joined((None if v is None or v < 0 else known[v]) if known else v for v in values) if values else None
            for values in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(joined, pa.string())])
    coded = column.combine_chunks().dictionary_encode()
    values = coded.dictionary.to_pylist()
    own = getattr(feature, "names", None)
    texts = [(None if v is None or v < 0 else own[v]) if own else label_text(v) for v in values]
    return pa.chunked_array([pc.take(pa.array(texts, pa.string()), coded.indices)])


def as_texts(rows: Any) -> pa.Table:
    """The rows with a column `label` of class names (null where there is none), and other categories as texts too."""
    import pyarrow as pa

    table = rows.with_format("arrow")[:]
    if "label" not in table.column_names:
        table = table.append_column("label", pa.nulls(table.num_rows, pa.string()))
    else:
        table = table.set_column(table.column_names.index("label"), "label", label_array(rows))
    for name, feature in rows.features.items():
        if name != "label" and isinstance(getattr(feature, "names", None), list):  # a category, not a number
            texts = pa.array(feature.names, pa.string()).take(table.column(name).combine_chunks())
            table = table.set_column(table.column_names.index(name), name, pa.chunked_array([texts]))
    return table


def _joined(values: Iterable[Any]) -> str | None:
    texts = sorted({text for text in map(label_text, values) if text})
    bad = next((text for text in texts if SEPARATOR in text), None)
    if bad:
        raise ToolkitError(f"the class '{bad}' holds a '{SEPARATOR}'", "rename it: that sign stands between classes")
    return SEPARATOR.join(texts) or None


def split_classes(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """A column of written classes ("a;b") as lists of class names."""
    import pyarrow as pa

    lists = [
        None if text is None else [part.strip() for part in text.split(separator) if part.strip()]
        for text in column.cast(pa.string()).to_pylist()
    ]
    return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])


def classes_apart(table: pa.Table, separator: str) -> pa.Table:
    """A table whose written labels are lists of classes; those that are classes already stay as they are."""
    from datasets import Dataset

    feature = Dataset(table).features["label"]
    if hasattr(feature, "names") or hasattr(feature, "feature"):
        return table
    lists = split_classes(table.column("label"), separator)
    return table.set_column(table.column_names.index("label"), "label", lists).replace_schema_metadata()


def is_multi(features: Any) -> bool:
    """Whether rows may have several classes."""
    return hasattr(features["label"], "feature")


def names_of(features: Any) -> list[str]:
    """The class names of a dataset with encoded labels (none where they are not encoded)."""
    feature = features["label"]
    return list(getattr(getattr(feature, "feature", feature), "names", None) or [])


def encode_labels(data: DatasetDict) -> DatasetDict:
    """Labels of all splits as one ClassLabel (or a list of it), names in `label_order`; an existing one stays."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets import ClassLabel, List

    from toolkit.data.columns import with_column

    features = [rows.features["label"] for rows in data.values()]
    one = names_of(next(iter(data.values())).features) and all(feature == features[0] for feature in features)
    if one and not any(_holds_gaps(rows) for rows in data.values()):
        return data
    multi = any(is_multi(rows.features) for rows in data.values())
    texts = {split: label_array(rows) for split, rows in data.items()}
    found = {name for column in texts.values() for name in column.unique().to_pylist() if name is not None}
    classes = {part for name in found for part in name.split(SEPARATOR)} if multi else found
    names = names_of(next(iter(data.values())).features) if one else sorted(classes, key=label_order)
    feature = ClassLabel(names=names)
    for split, rows in data.items():
        if multi:
            codes = [
                None if t is None else [feature.str2int(p) for p in t.split(SEPARATOR)]
                for t in texts[split].to_pylist()
            ]
            data[split] = with_column(rows, "label", pa.array(codes, pa.list_(pa.int64())), List(feature))
        else:
            index = pc.index_in(texts[split], value_set=pa.array(feature.names, pa.string())).cast(pa.int64())
            data[split] = with_column(rows, "label", index, feature)
    return data


def _holds_gaps(rows: Any) -> bool:
    """Whether some list of classes holds a gap among them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows.with_format("arrow")[:].column("label")
    if not pa.types.is_list(column.type):
        return False
    flat = pc.list_flatten(column)
    return bool(flat.null_count or pc.any(pc.less(flat, 0)).as_py())


def label_order(name: str) -> tuple[int, float, str]:
    """Numbers by value, then texts."""
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    return (1, 0.0, name) if math.isnan(number) else (0, number, name)


def check_labels(data: DatasetDict, source: str) -> None:
    """At least two classes in train, none elsewhere that train never saw, and weights that are shares of them.

    Raises:
        ToolkitError: one of these does not hold.
    """
    names = names_of(data["train"].features)
    seen = _seen(data["train"])
    measured = [name for name in names if _is_fraction(name)]
    if len(measured) > max(MOST_FRACTIONS, len(data["train"]) / 10):
        raise ToolkitError(
            f"{source}: the labels are measurements ({len(measured)} values such as {measured[0]}), not classes",
            "put them into classes first, or name another column with --label",
        )
    if len(seen) < 2:
        only = names[next(iter(seen))] if seen else "none"
        raise ToolkitError(f"{source} has one class only ({only})", "a classifier needs rows of two classes or more")
    for split, rows in data.items():
        unseen = sorted(names[i] for i in _seen(rows) - seen)
        if unseen:
            raise ToolkitError(
                f"{source}: {split} has labels that train never saw ({', '.join(unseen[:5])})",
                "add rows of them to train, or remove them from it",
            )
    _check_weights(data["train"], len(names), source)


def _is_fraction(name: str) -> bool:
    try:
        return not float(name).is_integer()
    except (ValueError, OverflowError):
        return False


def _check_weights(rows: Any, classes: int, source: str) -> None:
    """`label_weights` (mixtures have them) are a share for each class, and add up to one."""
    if "label_weights" not in rows.column_names:
        return
    for number, weights in enumerate(rows.with_format("arrow")[:].column("label_weights").to_pylist()):
        if weights and not (len(weights) == classes and min(weights) >= 0 and abs(sum(weights) - 1) < 1e-3):
            raise ToolkitError(
                f"{source}: label_weights of train's row {number} are no shares of the {classes} classes",
                "give one number a class, in the classes' order, that add up to 1",
            )


def _seen(rows: Any) -> set[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows.with_format("arrow")[:].column("label")
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    return set(column.unique().to_pylist()) - {None}
