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
    ),
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
        twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
        if twice:
            raise ToolkitError(f"{source}: {split} has several columns named {', '.join(twice)}", "rename all but one")
        if set(table.column_names) != set(first.column_names):
            raise ToolkitError(
                f"{source}: {split} has other columns than the first split", "give all splits the same columns"
            )
    roles = NAMES if need_label or options.label else {"text": NAMES["text"]}
    chosen = {role: _choose(first, role, getattr(options, role), source) for role in roles}
    if chosen["text"] == chosen.get("label"):
        raise ToolkitError(
            f"{source}: '{chosen['text']}' cannot be both text and label", "name both with --text and --label"
        )
    renames = {column: role for role, column in chosen.items() if column != role}
    for role in list(renames.values()):
        if role in first.column_names and role not in renames:  # another column already bears the standard name
            renames[role] = _free(f"{role}_original", first.column_names)
    if not renames:
        return dict(tables), ""
    renamed = {split: _renamed(table, renames) for split, table in tables.items()}
    return renamed, ", ".join(f"{role} is column '{column}'" for column, role in renames.items())


def _renamed(table: pa.Table, renames: Mapping[str, str]) -> pa.Table:
    """The table under other names, with what its schema says of the columns (class names)."""
    from datasets import Dataset, Features

    features = {renames.get(name, name): feature for name, feature in Dataset(table).features.items()}
    return table.rename_columns(list(features)).replace_schema_metadata(Features(features).arrow_schema.metadata)


def _choose(table: pa.Table, role: str, asked: str | None, source: str) -> str:
    columns = table.column_names
    if asked:
        if asked not in columns:
            raise ToolkitError(f"{source} has no column '{asked}'", did_you_mean(asked, columns))
        return asked
    by_lower = {c.strip().lower(): c for c in columns}
    for name in NAMES[role]:
        if name in by_lower:
            return str(by_lower[name])
    raise ToolkitError(
        f"{source} has no {role} column that can be told", f"name it with --{role}; columns are {', '.join(columns)}"
    )


def _free(name: str, columns: list[str]) -> str:
    """`name`, or what is like it and no column's name yet."""
    while name in columns:
        name += "_"
    return name


def to_dataset(tables: Mapping[str, pa.Table], source: str, *, complete: bool) -> DatasetDict:
    """Tables with standard columns as a DatasetDict with `id`; with `complete`, labels become one ClassLabel.

    Raises:
        ToolkitError: an empty text or label where `complete` demands them.
    """
    from datasets import Dataset, DatasetDict

    plain = _same_types({split: _plain(table) for split, table in tables.items()}, source)
    out = DatasetDict({split: Dataset(table) for split, table in _with_ids(plain).items()})
    if not complete:
        return out
    for split, rows in out.items():
        _demand_complete(rows, split, source)
    return encode_labels(out)


def _plain(table: pa.Table) -> pa.Table:
    """Texts as strings, whatever they were; nested ones are refused."""
    import pyarrow as pa

    for name in {"text", "label"} & set(table.column_names):
        if pa.types.is_nested(table.column(name).type):
            raise ToolkitError(f"column '{name}' is nested ({table.column(name).type})", "flatten it first")
    return _cast(table, "text", pa.string())


def _cast(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    import pyarrow as pa

    column = table.column(name)
    if column.type == kind:
        return table
    try:
        return table.set_column(table.column_names.index(name), name, column.cast(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise ToolkitError(f"column '{name}' ({column.type}) cannot be read as {kind}", "convert it first") from e


def _same_types(tables: Mapping[str, pa.Table], source: str) -> Mapping[str, pa.Table]:
    """Each column of one type in all splits: the wider of two kinds of number, else text. Labels are matched later."""
    import pyarrow as pa

    for name in next(iter(tables.values())).column_names:
        fields = [pa.schema([(name, table.schema.field(name).type)]) for table in tables.values()]
        if name == "label" or len(set(fields)) == 1:
            continue
        try:
            kind = pa.unify_schemas(fields, promote_options="permissive").field(0).type
        except pa.ArrowTypeError:
            kind = pa.string()
        tables = {split: _cast(table, name, kind) for split, table in tables.items()}
    return tables


def _with_ids(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Every row has an `id` that is text and unique in all splits.

    Of an id that stands in several splits all but the first get the split's name before them; a column that is not
    unique within a split is kept aside.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    out, taken = {}, pa.array([], pa.string())
    for split, table in tables.items():
        ids = _own_ids(table)
        if ids is None:
            if "id" in table.column_names:
                aside = _free("id_original", table.column_names)
                table = table.rename_columns([aside if c == "id" else c for c in table.column_names])
            ids = pa.array([f"{split}-{i}" for i in range(table.num_rows)], pa.string())
            table = table.add_column(0, "id", ids)
        while pc.any(pc.is_in(ids, value_set=taken)).as_py():
            ids = pc.binary_join_element_wise(split, ids, "-")
        taken = pa.concat_arrays([taken, ids])
        out[split] = table.set_column(table.column_names.index("id"), "id", ids)
    return out


def _own_ids(table: pa.Table) -> pa.Array | None:
    """The `id` column as text, if there is one that tells all rows apart."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "id" not in table.column_names or pa.types.is_nested(table.column("id").type):
        return None
    ids = table.column("id").cast(pa.string()).combine_chunks()
    return None if ids.null_count or pc.count_distinct(ids).as_py() < len(ids) else ids


def label_text(value: Any) -> str | None:
    """A raw label as its class name, None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a csv column of integers with a gap is read as floats
    text = str(value).strip()
    return None if text.lower() in ("", "nan", "<na>") else text  # how pandas writes a gap


def label_texts(rows: Any) -> list[str | None]:
    """Each row's class name, None where the label is missing (hubs write -1 into a ClassLabel for that)."""
    names = getattr(rows.features["label"], "names", None)
    if names:
        return [None if v is None or v < 0 else names[v] for v in rows["label"]]
    return [label_text(v) for v in rows["label"]]


def _demand_complete(rows: Any, split: str, source: str) -> None:
    for column, values in (("text", rows["text"]), ("label", label_texts(rows))):
        empty = [i for i, value in enumerate(values) if not (value or "").strip()]
        if empty:
            raise ToolkitError(
                f"{source}: {len(empty)} rows of {split} have no {column} (first: id {rows['id'][empty[0]]})",
                "run 'toolkit clean' on it first",
            )


def with_column(rows: Any, name: str, values: Any, feature: Any = None) -> Any:
    """The rows with a column set (in its old place, or at the end), straight in Arrow: no copies, no progress bars.

    Args:
        values: a list or an Arrow array, one value a row.
        feature: its `datasets` feature; text where not given.
    """
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features, Value

    feature = feature or Value("string")
    table, features = rows.with_format("arrow")[:], Features(rows.features)
    features[name] = feature
    column = pa.array(values, pa.int64() if hasattr(feature, "names") else pa.string())
    if name in table.column_names:
        table = table.set_column(table.column_names.index(name), name, column)
    else:
        table = table.append_column(name, column)
    return Dataset(table.replace_schema_metadata(), info=DatasetInfo(features=features))


def encode_labels(data: DatasetDict) -> DatasetDict:
    """Labels of all splits as one ClassLabel, names sorted (numbers by value); an existing ClassLabel stays."""
    from datasets import ClassLabel

    features = [rows.features["label"] for rows in data.values()]
    if isinstance(features[0], ClassLabel) and all(feature == features[0] for feature in features):
        return data
    texts = {split: label_texts(rows) for split, rows in data.items()}
    names = sorted({name for values in texts.values() for name in values if name is not None}, key=_label_order)
    feature, index = ClassLabel(names=names), {name: i for i, name in enumerate(names)}
    for split, rows in data.items():
        codes = [None if t is None else index[t] for t in texts[split]]
        data[split] = with_column(rows, "label", codes, feature)
    return data


def _label_order(name: str) -> tuple[int, float, str]:
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    return (1, 0.0, name) if math.isnan(number) else (0, number, name)


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
