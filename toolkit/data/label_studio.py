"""Label Studio: its JSON exports (full and JSON-MIN) as a table, and rows as tasks to import with a labelling config.

Read are `choices`, one a task: classification. Task format as in Label Studio's documentation ("Label Studio JSON
format of annotated tasks"); `completions` are what versions before 1.0 wrote instead of `annotations`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.data.columns import aside
from toolkit.data.labels import label_text
from toolkit.data.roles import IMAGE_PATH
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import pyarrow as pa

ROW_ID = "row_id"  # our id among a task's data: Label Studio overwrites `id` in some of its exports
_KINDS = ("annotations", "completions", "predictions")
_MIN = {"annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}  # JSON-MIN's own keys
_ASIDE = {"textarea", "rating", "number", "datetime"}  # beside the choices: remarks, no regions
_OWN = ("id", "label", "annotations")  # columns that are made here
_REFERENCE = re.compile(rf"^(https?|s3|gs|azure-blob)://|^/data/|{IMAGE_PATH.pattern}", re.IGNORECASE)
_SHOWN = 3  # violations that are named


@dataclass
class _Found:
    """What was met while reading."""

    cancelled: int = 0
    aside: int = 0
    invalid: list[str] = field(default_factory=list)  # annotations without exactly one choice


def is_export(rows: Any) -> bool:
    """Whether parsed JSON is a Label Studio export (or import) file."""
    first = rows[0] if isinstance(rows, list) and rows else None
    if not isinstance(first, dict):
        return False
    full = _is_task(first) and any(kind in first for kind in _KINDS)
    return full or {"annotator", "annotation_id", "lead_time"} <= set(first)


def _is_task(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("data"), dict)


def to_table(tasks: Any, path: Any, control: str | None = None) -> pa.Table:
    """Tasks as rows: `id`, the keys of their data, `label`, and `annotations`, all votes.

    `id` is the data's own `row_id` or `id` if that tells all tasks apart, else the task's. `label` is that of the
    ground truth, or what all annotators chose, else null: the consensus is found by the stage `annotation`.
    `annotations` is a list of {rater, label, ground_truth}; its label is null where an annotation has not exactly one
    choice. Skipped (cancelled) annotations and predictions are no votes.

    Args:
        control: the name of the <Choices> to read where there are several.

    Raises:
        ToolkitError: regions (boxes, spans), several <Choices> of which none is named, no annotation at all.
    """
    import pyarrow as pa

    if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
        tasks = _from_min(tasks, path, control)
    control = _control(tasks, path, control)
    found = _Found()
    votes = [_votes(task, control, path, found) for task in tasks]
    _tell(tasks, votes, path, found)
    columns = _data_columns([task["data"] for task in tasks])
    ids = _ids(tasks, columns)
    for name in _OWN:
        if name in columns:
            columns[aside(name, columns)] = columns.pop(name)
    kind = pa.list_(pa.struct([("rater", pa.string()), ("label", pa.string()), ("ground_truth", pa.bool_())]))
    return pa.table(
        {"id": pa.array(ids, pa.string())}
        | {name: pa.array(values) for name, values in columns.items()}
        | {"label": pa.array([_agreed(v) for v in votes], pa.string()), "annotations": pa.array(votes, kind)}
    )


def _from_min(records: Any, path: Any, control: str | None) -> list[dict[str, Any]]:
    """JSON-MIN (one flat record an annotation) as tasks; what was chosen stands between `id` and `annotator`."""
    if not is_export(records) or not all(isinstance(r, dict) and "annotator" in r for r in records):
        raise ToolkitError(f"{path} is no Label Studio export", "export the project as JSON")
    names = list(dict.fromkeys(name for record in records for name in record))
    after = names[names.index("id") + 1 :] if "id" in names else names
    chosen = [name for name in after if name not in _MIN]
    if len(chosen) != 1:
        wanted = [name for name in (control, "label", "choice", "sentiment") if name in chosen]
        if not wanted:
            raise ToolkitError(
                f"{path}: several columns may be the annotators' ({', '.join(chosen) or 'none'})",
                "name it with --label, or export the project as JSON",
            )
        chosen = wanted
    tasks: dict[Any, dict[str, Any]] = {}
    for number, record in enumerate(records):
        data = {name: value for name, value in record.items() if name not in {*_MIN, "id", chosen[0]}}
        key = record.get("id", f"record {number}")
        task = tasks.setdefault(key, {"id": key, "data": data, "annotations": []})
        result = _min_result(record.get(chosen[0]), chosen[0])
        task["annotations"].append({"completed_by": record["annotator"], "result": result})
    return list(tasks.values())


def _min_result(value: Any, control: str) -> list[dict[str, Any]]:
    """A flattened value as a full result: texts are choices, objects say by their keys what they are."""
    parts = value if isinstance(value, list) else [value]
    texts = [part for part in parts if isinstance(part, str)]
    out = [{"type": "choices", "from_name": control, "value": {"choices": texts}}] if texts else []
    for part in parts:
        if isinstance(part, dict):
            kind = "choices" if "choices" in part else next((k for k in part if isinstance(part[k], list)), "region")
            out.append({"type": kind, "from_name": control, "value": part})
    return out


def _annotations(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [a for a in task.get("annotations") or task.get("completions") or [] if isinstance(a, dict)]


def _results(annotation: Mapping[str, Any], task: Mapping[str, Any], path: Any) -> list[dict[str, Any]]:
    results = annotation.get("result") or []
    sound = isinstance(results, list) and all(
        isinstance(r, dict) and isinstance(r.get("value") or {}, dict) for r in results
    )
    if not sound:
        raise ToolkitError(
            f"{path}: task {task.get('id')} has an annotation that cannot be read", "export the project as JSON again"
        )
    return list(results)


def _control(tasks: list[dict[str, Any]], path: Any, asked: str | None) -> str | None:
    """The name of the <Choices> that is read."""
    results = (r for task in tasks for a in _annotations(task) for r in _results(a, task, path))
    names = sorted({str(r.get("from_name")) for r in results if r.get("type") == "choices"})
    wanted = [name for name in (asked, "label") if name in names] or names
    if len(wanted) > 1 and wanted == names:
        raise ToolkitError(
            f"{path} has several choices a task ({', '.join(names)})", "name the one to read with --label"
        )
    return wanted[0] if wanted else None


def _votes(task: Mapping[str, Any], control: str | None, path: Any, found: _Found) -> list[dict[str, Any]]:
    """One {rater, label, ground_truth} for each annotation that was not cancelled."""
    out = []
    for annotation in _annotations(task):
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            found.cancelled += 1
            continue
        choices: list[str] = []
        for result in _results(annotation, task, path):
            choices += _choices(result, control, task, path, found)
        rater = _rater(annotation.get("completed_by"))
        if len(choices) != 1:
            found.invalid.append(f"task {task.get('id')} by {rater}: {len(choices) or 'no'} choices")
        label = choices[0] if len(choices) == 1 else None
        out.append({"rater": rater, "label": label, "ground_truth": bool(annotation.get("ground_truth"))})
    return out


def _choices(result: Any, control: str | None, task: Mapping[str, Any], path: Any, found: _Found) -> list[str]:
    kind, value = result.get("type"), result.get("value") or {}
    if kind in _ASIDE:
        found.aside += 1
        return []
    if kind != "choices" or {"start", "x", "points"} & set(value):
        told = (
            f"choices of a region ({', '.join(sorted(value))})" if kind == "choices" else f"a region of type '{kind}'"
        )
        raise ToolkitError(
            f"{path}: task {task.get('id')} has {told}", "only choices for whole tasks are read (classification)"
        )
    if result.get("from_name", control) != control:
        return []
    chosen = value.get("choices") or []
    return [text for text in map(label_text, [chosen] if isinstance(chosen, str) else chosen) if text]


def _rater(who: Any) -> str:
    """The annotator's number; an address only where there is no number, since reports would carry it on."""
    if isinstance(who, Mapping):
        who = next((who[key] for key in ("id", "email", "username") if who.get(key) is not None), None)
    return "unknown" if who is None else str(who)


def _agreed(votes: list[dict[str, Any]]) -> str | None:
    truth = {vote["label"] for vote in votes if vote["ground_truth"] and vote["label"]}
    labels = truth or {vote["label"] for vote in votes if vote["label"]}
    return labels.pop() if len(labels) == 1 else None


def _tell(tasks: list[dict[str, Any]], votes: list[list[dict[str, Any]]], path: Any, found: _Found) -> None:
    if found.aside:
        console.note(f"{path}: {found.aside} remarks beside the choices are not read")
    if found.cancelled:
        console.note(f"{path}: {found.cancelled} skipped annotations are no votes")
    if found.invalid:
        count, named = len(found.invalid), "; ".join(found.invalid[:_SHOWN])
        more = "; …" if count > _SHOWN else ""
        console.warn(f"{path}: {count} annotations have not exactly one choice and are no votes ({named}{more})")
    empty = sum(not v for v in votes)
    if not any(vote["label"] for v in votes for vote in v):
        why = "has an annotation" if empty == len(tasks) else "has an annotation with exactly one choice"
        raise ToolkitError(f"{path}: none of its {len(tasks)} tasks {why}", "annotate them, and export as JSON again")
    if empty:
        console.warn(f"{path}: {empty} of {len(tasks)} tasks have no annotation: their label is missing")


def _data_columns(data: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The tasks' data as columns of one type each, what is nested as JSON; the only text is called `text`."""
    names = list(dict.fromkeys(str(name) for row in data for name in row))
    columns = {name: _plain([row.get(name) for row in data]) for name in names}
    texts = [name for name, values in columns.items() if name not in ("id", ROW_ID) and _is_text(values)]
    if "text" not in columns and len(texts) == 1:
        columns = {("text" if name == texts[0] else name): values for name, values in columns.items()}
    return columns


def _plain(values: list[Any]) -> list[Any]:
    values = [json.dumps(v, ensure_ascii=False) if isinstance(v, dict | list) else v for v in values]
    kinds = {type(v) for v in values if v is not None}
    return values if len(kinds) < 2 else [None if v is None else str(v) for v in values]


def _is_text(values: list[Any]) -> bool:
    written = [v for v in values if v is not None]
    return bool(written) and all(isinstance(v, str) and not _REFERENCE.search(v) for v in written)


def _ids(tasks: list[dict[str, Any]], columns: dict[str, list[Any]]) -> list[str]:
    """One text a task; a `row_id` that serves leaves the columns."""
    for name in (ROW_ID, "id"):
        values = columns.get(name, [])
        if values and None not in values and len(set(values)) == len(values):
            return [str(v) for v in columns.pop(name)]
    numbers = [task.get("id") for task in tasks]
    known = None not in numbers and len(set(numbers)) == len(numbers)
    return [str(number) for number in numbers] if known else [f"task-{i}" for i in range(len(tasks))]


def to_tasks(rows: Iterable[Mapping[str, Any]], content: str = "text") -> list[dict[str, Any]]:
    """Rows with `id`, the content, and maybe `label`, as tasks to import: the label stands as a prediction to correct.

    An image goes as its path. Other keys are shown as the task's data.
    """
    tasks = []
    for row in rows:
        others = {name: value for name, value in row.items() if name not in ("id", "label") and value is not None}
        task: dict[str, Any] = {"data": {ROW_ID: row["id"], **others}}
        if row.get("label") is not None:
            chosen = {"from_name": "label", "to_name": content, "type": "choices", "value": {"choices": [row["label"]]}}
            task["predictions"] = [{"model_version": "toolkit", "result": [chosen]}]
        tasks.append(task)
    return tasks


def config_xml(labels: Iterable[str], content: str = "text", beside: Iterable[str] = ()) -> str:
    """The labelling config that goes with `to_tasks`: exactly one of the labels a task.

    Args:
        beside: other texts of a task that are shown, as the second of a pair.
    """
    from xml.sax.saxutils import quoteattr

    tag = "Image" if content == "image" else "Text"
    others = "".join(f"  <Text name={quoteattr(name)} value={quoteattr('$' + name)}/>\n" for name in beside)
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in labels)
    return (
        f"<View>\n  <{tag} name={quoteattr(content)} value={quoteattr('$' + content)}/>\n{others}"
        f'  <Choices name="label" toName={quoteattr(content)} choice="single" required="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )
