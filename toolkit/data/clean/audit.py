"""The loop with a person who checks labels: a sample of rows goes out, and what comes back is applied."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import agreement, label_studio
from toolkit.data.clean.format import repair
from toolkit.data.clean.rows import Rows
from toolkit.data.labels import SEPARATOR, label_text
from toolkit.data.text import fold
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

DROP = ("drop", "remove", "删除")  # written for a label: the row goes
RANDOM = "random"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would reckon a text that begins so


def sample(
    rows: Rows, share: float, seed: int, suspicious: Mapping[int, tuple[str, str]] | None = None
) -> dict[str, str | bytes]:
    """The files of an audit: audit.csv, audit.label_studio.json to import, and its labelling config (.xml).

    First the suspicious rows in their order, then a simple random `share` of the living rows (one at least), drawn by
    the hash of their ids, so that the order of the rows plays no part. A row that was drawn says so under `why` even
    where it is suspicious too, so that the random part stays one. A person corrects `label` in the csv (or writes
    "drop"), or annotates in Label Studio; either file serves as --corrections. `was` stays, to tell what was wrong.

    Args:
        suspicious: row -> (suggested label, why).
    """
    living = rows.living()
    found = {int(row): told for row, told in (suspicious or {}).items() if rows.alive[row]}
    drawn = _drawn(living, rows.values("id", living), share, seed)
    chance = set(drawn)
    numbers = [*found, *(row for row in drawn if row not in found)]
    if not numbers:
        return {}
    content, shown = _content(rows, numbers)
    records = []
    columns = zip(numbers, rows.values("id", numbers), shown, rows.values("label", numbers), strict=True)
    for row, name, text, label in columns:
        suggested, why = found.get(row, ("", ""))
        why = "; ".join(part for part in (RANDOM if row in chance else "", why) if part)
        records.append({"id": name, content: text, "label": label, "was": label, "suggested": suggested, "why": why})
    files: dict[str, str | bytes] = {"audit.csv": to_csv(records, content)}
    if not rows.several:  # Label Studio is asked for exactly one class
        labels = sorted(label for label in rows.table.column("label").filter(rows.alive).unique().to_pylist() if label)
        choices = [*labels, *(DROP[:1] if DROP[0] not in labels else ())]
        tasks = [json.dumps(task, ensure_ascii=False) for task in label_studio.to_tasks(records, content)]
        files["audit.label_studio.json"] = "[\n" + ",\n".join(tasks) + "\n]\n"
        files["audit.label_studio.xml"] = label_studio.config_xml(choices, content)
    return files


def _drawn(living: Any, ids: list[str], share: float, seed: int) -> list[int]:
    from xxhash import xxh3_64_intdigest

    if not share or not len(living):
        return []
    keys = np.array([xxh3_64_intdigest(name.encode(), seed) for name in ids], dtype=np.uint64)
    count = max(1, round(share * len(living)))
    out: list[int] = living[np.argsort(keys, kind="stable")[:count]].tolist()
    return out


def _content(rows: Rows, numbers: list[int]) -> tuple[str, list[str | None]]:
    """What a person sees of the rows, and what its column is called: an image's path, a table's features in words."""
    import pyarrow.compute as pc

    if rows.kind == "text":
        return "text", rows.values("text", numbers)
    if rows.kind == "image":
        return "image", pc.struct_field(rows.table.column("image"), "path").take(numbers).to_pylist()
    if rows.kind == "series":
        return "series", [f"series {name}" for name in rows.values("id", numbers)]
    names = rows.features or sorted(rows.aside & set(rows.table.column_names))
    cells = rows.table.select(names).take(numbers).to_pylist()
    return "features", ["; ".join(f"{k} = {v}" for k, v in row.items() if v is not None) for row in cells]


def to_csv(records: list[dict[str, Any]], content: str) -> bytes:
    """With a mark of its encoding, which Excel needs; a text that would be a formula begins with an apostrophe.

    Args:
        records: one at least; the columns are the keys of the first.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(records[0]))
    writer.writeheader()
    for record in records:
        shown = {name: record[name] or "" for name in (content, "text_pair") if name in record}
        guarded = {name: f"'{text}" if text.startswith(_FORMULA) else text for name, text in shown.items()}
        writer.writerow(record | guarded)
    return out.getvalue().encode("utf-8-sig")


def apply(rows: Rows, table: pa.Table) -> tuple[dict[str, Any], Any]:
    """Give rows the labels that came back (columns `id`, `label`; `note`, `was`, `why` where there), by id.

    "drop" (or "remove", "删除"; where no class is called so) rejects the row, a protected one too, since a person said
    so. An empty label decides nothing: a cell that was emptied by accident must not remove a row.

    Returns:
        Figures: applied, removed, unchanged, undecided (no label), gone (rejected before), unknown (no such row), and
        where rows of a random sample are among them the estimated share of wrong labels with Wilson's interval.
        And a bool array: which rows a correction decided.

    Raises:
        ToolkitError: one id with two labels, no id that is in the source, or most texts are not those of their ids.
    """
    import pyarrow.compute as pc

    decided, undecided = _decided(table, several=rows.several)
    if not decided:
        console.warn(f"the corrections decide nothing: all of their {undecided} labels are empty")
    ids = rows.table.column("id")
    place = pc.index_in(_strings(list(decided)), value_set=ids.combine_chunks()).to_pylist()
    at = {row: entry for row, entry in zip(place, decided.values(), strict=True) if row is not None}
    if decided and not at:
        first = next(iter(decided))
        raise ToolkitError(
            f"none of the {len(decided)} ids of the corrections is in the source (the first is '{first}')",
            "give corrections of this source; their ids are those of audit.csv",
        )
    _check_texts(rows, at)
    living = [row for row in sorted(at) if rows.alive[row]]
    before = dict(zip(living, rows.values("label", living), strict=True))
    counts = _change(rows, {row: at[row] for row in living}, before)
    fixed = np.zeros(len(rows), dtype=bool)
    fixed[living] = True
    unknown = len(decided) - len(at)
    if unknown:
        console.warn(f"{unknown} of {len(decided)} corrections are of no row of the source")
    figures = counts | {"undecided": undecided, "gone": len(at) - len(living), "unknown": unknown}
    audited = [row for row in living if at[row]["why"].split(";")[0].strip() == RANDOM]
    if audited:
        wrong = sum(at[row]["label"] != (at[row]["was"] or before[row]) for row in audited)
        figures |= {"audited": len(audited), "wrong": wrong, "error_rate": agreement.share(wrong, len(audited))}
    return figures, fixed


def _change(rows: Rows, at: Mapping[int, dict[str, Any]], before: Mapping[int, str | None]) -> dict[str, Any]:
    written = {label for label in rows.table.column("label").unique().to_pylist() if label}
    classes = _classes(written, rows)
    drops = {row for row in at if at[row]["label"].lower() in DROP and at[row]["label"] not in classes}
    kept = [row for row in at if row not in drops]
    new = sorted(_classes({at[row]["label"] for row in kept}, rows) - classes)
    if new and classes:
        console.warn(f"the corrections bring labels that no row had: {', '.join(new[:10])}")
    rows.replace("label", kept, [at[row]["label"] for row in kept])
    wrong = [row for row in kept if at[row]["label"] != (before[row] or at[row]["was"])]  # None: raters were to give it
    for row in sorted(drops):
        rows.reject(row, "removed by correction", at[row]["note"] or "", unusable=True)
    return {"applied": len(wrong), "removed": len(drops), "unchanged": len(at) - len(drops) - len(wrong)}


def _classes(labels: set[str], rows: Rows) -> set[str]:
    return {part for label in labels for part in label.split(SEPARATOR)} if rows.several else labels


def _decided(table: pa.Table, *, several: bool) -> tuple[dict[str, dict[str, Any]], int]:
    """id -> what was decided of it, and how many rows say nothing."""
    wanted = {name: name for name in ("id", "label", "note", "was", "why", "text")}
    if label_studio.ROW_ID in table.column_names:  # a csv export of Label Studio, whose own `id` is the task's
        wanted["id"] = label_studio.ROW_ID
    empty = [None] * table.num_rows
    cells = {
        role: table.column(name).to_pylist() if name in table.column_names else empty for role, name in wanted.items()
    }
    out: dict[str, dict[str, Any]] = {}
    undecided = 0
    for values in zip(*cells.values(), strict=True):
        entry: dict[str, Any] = dict(zip(cells, values, strict=True))
        name, label = label_text(entry["id"]), label_text(entry["label"])
        if name is None or label is None:
            undecided += 1
            continue
        if several:
            label = SEPARATOR.join(sorted({part.strip() for part in label.split(SEPARATOR)} - {""}))
        if name in out and out[name]["label"] != label:
            told = f"'{out[name]['label']}' and '{label}'"
            raise ToolkitError(f"the corrections give the row '{name}' two labels ({told})", "keep one of the two")
        out[name] = entry | {"label": label, "was": label_text(entry["was"]), "why": str(entry["why"] or "")}
    return out, undecided


def _check_texts(rows: Rows, at: Mapping[int, dict[str, Any]]) -> None:
    """Ids that stand for places in a file fit another file too; the texts tell.

    Raises:
        ToolkitError: more than half of the texts differ.
    """
    told = [row for row in at if at[row]["text"]] if rows.kind == "text" else []
    texts = rows.values("text", told)
    other = sum(_same(text) != _same(str(at[row]["text"])) for row, text in zip(told, texts, strict=True))
    if other > len(told) / 2:
        raise ToolkitError(
            f"{other} of {len(told)} corrections have another text than the row of their id",
            "they were made from another state of the source: give that one, or leave their text column out",
        )


def _same(text: str | None) -> str:
    return fold(repair(text or ""))


def _strings(values: list[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())
