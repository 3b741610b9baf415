"""From whatever columns a source has to the standard ones: `id`, content, `label`, others passed through.

The content of a row is its `text` (with `text_pair` a pair of texts), `image` or `series`; where there is none of
these, its features: all columns that play no other part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.data import roles
from toolkit.data.labels import classes_apart, encode_labels, label_array
from toolkit.data.options import ColumnOptions
from toolkit.data.roles import CONTENT, kind_of
from toolkit.errors import ToolkitError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict


def choose(
    tables: Mapping[str, pa.Table], options: ColumnOptions, source: str, *, need_label: bool = True
) -> tuple[dict[str, pa.Table], str]:
    """Rename the chosen columns to their standard names; also says what was chosen ("" where nothing was renamed).

    Raises:
        ToolkitError: a column that was asked for is not there, or none can be found.
    """
    first = next(iter(tables.values()))
    _check_names(tables, source)
    chosen = {role: asked for role in ("text", "text_pair", "image", "label", "group", "time")
              if (asked := getattr(options, role, None))}  # fmt: skip
    for asked in chosen.values():
        if asked not in first.column_names:
            raise ToolkitError(f"{source} has no column '{asked}'", did_you_mean(asked, first.column_names))
    if not {"text", "image"} & set(chosen):
        chosen |= roles.find_content(first, options, source, chosen)
        if "text" in chosen and "text_pair" not in chosen:  # a text that was asked for stands alone
            chosen |= roles.find_pair(first, chosen["text"], chosen)
    if "text_pair" in chosen and "text" not in chosen:
        raise ToolkitError(f"{source}: '{chosen['text_pair']}' has no first text beside it", "name it with --text")
    if "label" not in chosen and need_label:
        chosen["label"] = roles.find_label(first, chosen, source)
    for role in chosen:
        twin = next((other for other in chosen if other != role and chosen[other] == chosen[role]), None)
        if twin:
            both = " and ".join(f"--{name.replace('_', '-')}" for name in (twin, role))
            raise ToolkitError(f"{source}: '{chosen[role]}' cannot be both {twin} and {role}", f"name both with {both}")
    renames = {column: role for role, column in chosen.items() if column != role}
    content = next((role for role in CONTENT if role in chosen), CONTENT[-1])
    alone = "text" in chosen and "text_pair" not in chosen
    others = CONTENT[: CONTENT.index(content)] + ("text_pair",) * alone
    for role in [*renames.values(), *others]:  # what would be taken for the content too
        if role in first.column_names and role not in renames:  # another column already bears the standard name
            renames[role] = aside(role, first.column_names)
    out = {split: _renamed(table, renames) for split, table in tables.items()} if renames else dict(tables)
    separator = getattr(options, "label_separator", None)
    if separator and "label" in next(iter(out.values())).column_names:
        out = {split: classes_apart(table, separator) for split, table in out.items()}
    return out, ", ".join(f"{role} is column '{column}'" for column, role in renames.items())


def _check_names(tables: Mapping[str, pa.Table], source: str) -> None:
    first = next(iter(tables.values()))
    for split, table in tables.items():
        twice = sorted(name for name, count in Counter(table.column_names).items() if count > 1)
        if twice:
            told = ", ".join(name or "nothing" for name in twice)
            raise ToolkitError(f"{source}: {split} has several columns named {told}", "rename all but one")
        odd = sorted({*table.column_names} ^ {*first.column_names})
        if odd:
            told = ", ".join(odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
            raise ToolkitError(
                f"{source}: {split} has other columns than the first split ({told})", "give all splits the same columns"
            )


def _renamed(table: pa.Table, renames: Mapping[str, str]) -> pa.Table:
    """The table under other names, with what its schema says of the columns (class names)."""
    from datasets import Dataset, Features

    features = {renames.get(name, name): feature for name, feature in Dataset(table).features.items()}
    return table.rename_columns(list(features)).replace_schema_metadata(Features(features).arrow_schema.metadata)


def _set(table: pa.Table, name: str, column: Any) -> pa.Table:
    """The table with another column in the place of one; what its schema said of the columns goes."""
    return table.set_column(table.column_names.index(name), name, column).replace_schema_metadata()


def aside(name: str, columns: Iterable[str]) -> str:
    """What a column of the source is called whose name is needed for something else: NAME_original, or like it."""
    free = f"{name}_original"
    while free in columns:
        free += "_"
    return free


def to_dataset(tables: Mapping[str, pa.Table], source: str, *, complete: bool) -> DatasetDict:
    """Tables with standard columns as a DatasetDict with `id`; with `complete`, labels become one ClassLabel.

    Raises:
        ToolkitError: an empty content or label where `complete` demands them.
    """
    from datasets import Dataset, DatasetDict

    plain = _same_types({split: _plain(table) for split, table in tables.items()}, source)
    out = DatasetDict({split: Dataset(_with_image_feature(table)) for split, table in _with_ids(plain).items()})
    if not complete:
        return out
    for split, rows in out.items():
        _demand_complete(rows, split, source)
    return encode_labels(out)


def _with_image_feature(table: pa.Table) -> pa.Table:
    """A schema that says that the column `image` holds images."""
    from datasets import Dataset, Features, Image

    if kind_of(table.column_names) != "image":
        return table
    features = Features({**Dataset(table).features, "image": Image()})
    return table.replace_schema_metadata(features.arrow_schema.metadata)


def _plain(table: pa.Table) -> pa.Table:
    """Texts as strings, whatever they were; nested ones are refused, and so are nested labels but for lists."""
    import pyarrow as pa

    for name in {"text", "text_pair", "label"} & set(table.column_names):
        kind = table.column(name).type
        classes = name == "label" and pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type)
        if pa.types.is_nested(kind) and not classes:
            raise ToolkitError(f"column '{name}' is nested ({kind})", "flatten it first")
    kind = kind_of(table.column_names)
    if kind == "series":
        return _set(table, "series", _channels(table.column("series")))
    for name in roles.compared(table.column_names) if kind == "text" else []:
        table = _cast(table, name, pa.string())
    return table


def _channels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Series as lists of channels, each a list of numbers; those of plain numbers have one channel."""
    import pyarrow as pa

    inner = column.type.value_type
    several = pa.types.is_nested(inner)
    if several and pa.types.is_nested(inner.value_type):
        raise ToolkitError(f"column 'series' is nested ({column.type})", "flatten it first")
    kind = pa.list_(pa.list_(inner.value_type) if several else pa.float64())
    if column.type != kind:
        column = column.cast(kind).take(pa.array(range(len(column))))  # leaves what lies behind empty cells
    if several:
        return column
    values = column.combine_chunks()
    lists = pa.ListArray.from_arrays(pa.array(range(len(values) + 1), pa.int32()), values)
    return pa.chunked_array([lists])


def _cast(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    import pyarrow as pa

    column = table.column(name)
    if column.type == kind:
        return table
    try:
        cast = column.cast(kind) if column.null_count < len(column) else pa.nulls(len(column), kind)
        return table.set_column(table.column_names.index(name), name, cast)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise ToolkitError(f"column '{name}' ({column.type}) cannot be read as {kind}", "convert it first") from e


def _same_types(tables: Mapping[str, pa.Table], source: str) -> Mapping[str, pa.Table]:
    """Each column of one type in all splits: the wider of two kinds of number, else text. Labels are matched later."""
    import pyarrow as pa

    for name in next(iter(tables.values())).column_names:
        columns = [table.column(name) for table in tables.values()]
        if name == "label" or len({column.type for column in columns}) == 1:
            continue
        told = [column for column in columns if column.null_count < len(column)]  # an empty one tells no type
        fields = [pa.schema([(name, column.type)]) for column in told or columns]
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
                kept = aside("id", table.column_names)
                console.note(f"the ids of {split} do not tell its rows apart: rows are numbered, ids stand in {kept}")
                table = table.rename_columns([kept if c == "id" else c for c in table.column_names])
            ids = _paths(table)
            if ids is None:
                ids = pa.array([f"{split}-{i}" for i in range(table.num_rows)], pa.string())
            table = table.add_column(0, "id", ids)
        while pc.any(pc.is_in(ids, value_set=taken)).as_py():
            ids = pc.binary_join_element_wise(split, ids, "-")
        taken = pa.concat_arrays([taken, ids])
        out[split] = table.set_column(table.column_names.index("id"), "id", ids)
    return out


def _paths(table: pa.Table) -> pa.Array | None:
    """The paths of images, if they tell all rows apart."""
    import pyarrow.compute as pc

    if kind_of(table.column_names) != "image":
        return None
    paths = pc.struct_field(table.column("image"), "path").combine_chunks()
    return None if paths.null_count or pc.count_distinct(paths).as_py() < len(paths) else paths


def _own_ids(table: pa.Table) -> pa.Array | None:
    """The `id` column as text, if there is one that tells all rows apart."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "id" not in table.column_names:
        return None
    kind = table.column("id").type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return None
    ids = table.column("id").cast(pa.string()).combine_chunks()
    return None if ids.null_count or pc.count_distinct(ids).as_py() < len(ids) else ids


def _demand_complete(rows: Any, split: str, source: str) -> None:
    """Every row has a content and a label.

    Raises:
        ToolkitError: one has not.
    """
    import pyarrow.compute as pc

    table = rows.with_format("arrow")[:]
    empty = {"label": blank(label_array(rows))}
    if kind_of(table.column_names) != "table":
        empty |= {name: blank(table.column(name)) for name in roles.compared(table.column_names)}
    for column, mask in empty.items():
        if pc.any(mask).as_py():
            first = rows["id"][mask.index(True).as_py()]
            raise ToolkitError(
                f"{source}: {pc.sum(mask).as_py()} rows of {split} have no {column} (first: id {first})",
                "run 'toolkit clean' on it first",
            )


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which cells hold nothing: null, white space alone, an empty list, an image without bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.fill_null(pc.equal(pc.list_value_length(column), 0), True)
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        return pc.fill_null(pc.equal(pc.binary_length(pc.struct_field(column, "bytes")), 0), True)
    return pc.is_null(column)


def with_column(rows: Any, name: str, values: Any, feature: Any = None) -> Any:
    """The rows with a column set (in its old place, or at the end), straight in Arrow: no copies, no progress bars.

    Args:
        values: one value a row: a list of texts or class numbers, or an Arrow array of any type.
        feature: its `datasets` feature; text where not given.
    """
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features, Value

    feature = feature or Value("string")
    table, features = rows.with_format("arrow")[:], Features(rows.features)
    features[name] = feature
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.array(values, pa.int64() if hasattr(feature, "names") else pa.string())
    column = pa.chunked_array([values]) if isinstance(values, pa.Array) else values
    if name in table.column_names:
        table = table.set_column(table.column_names.index(name), name, column)
    else:
        table = table.append_column(name, column)
    return Dataset(table.replace_schema_metadata(), info=DatasetInfo(features=features))
