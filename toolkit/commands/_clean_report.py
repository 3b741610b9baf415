"""The page that `clean` leaves: what went, why, and what the data looked like before and after."""

from __future__ import annotations

from typing import Any

MOST_BARS = 40  # classes that a figure of them has room for
SHEET_PAIRS = 24  # of near copies that the report shows


def page(result: dict[str, Any], rows: Any, sizes: dict[str, Any], *, would_be: bool) -> dict[str, Any]:
    """The report: what went, why, and what the data looks like now."""
    counts, before, after = result["rows"], result["profile"]["before"], result["profile"]["after"]
    share = 1 - counts["out"] / counts["in"]
    would = "would be " if would_be else ""
    return {
        "title": "Cleaning report",
        "kicker": "toolkit clean",
        "lead": f"{counts['in'] - counts['out']} of {counts['in']} rows ({share:.1%}) {would or 'were '}removed, "
        f"{rows.changed} cells {would}changed.",
        "lang": "en",
        "cards": [
            {"label": "rows in", "value": counts["in"], "note": ""},
            {"label": "rows out", "value": counts["out"], "note": ""},
            {"label": "cells changed", "value": rows.changed, "note": "see changes.parquet"},
            {"label": "exact duplicates before", "value": before["exact_duplicates"], "note": ""},
        ],
        "sections": [
            {"title": "Stages", "table": _stage_table(result["stages"])},
            *_figure_sections(result["stages"]),
            _classes(before, after),
            *_shapes(before, after, sizes),
            *_near_copies(rows),
            {
                "title": "Removed rows",
                "text": "A few of each stage; all are in rejected.parquet.",
                "table": _removed(rows),
            },
            {
                "title": "Changed cells",
                "text": "The first of each stage; all are in changes.parquet.",
                "table": _changed(rows),
            },
        ],
    }


def _stage_table(stages: list[dict[str, Any]]) -> dict[str, Any]:
    columns = ["name", "removed", "changed", "seconds"]
    return {"columns": ["stage", *columns[1:]], "rows": [[s[c] for c in columns] for s in stages]}


def _figure_sections(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each stage found beyond its counts: plain figures as one table, nested ones a table each."""
    out = []
    for stage in stages:
        figures = stage.get("figures") or {}
        plain = [[name.replace("_", " "), value] for name, value in figures.items() if _is_cell(value)]
        tables = [{"columns": ["figure", "value"], "rows": plain}] if plain else []
        for name, value in figures.items():
            if isinstance(value, dict) and value and not _is_cell(value):
                tables.append(_nested(name, value))
            elif isinstance(value, list) and value:
                tables.append(_listed(name, value))
        if tables:
            out.append({"title": f"Stage {stage['name']}", "tables": tables})
    return out


def _is_cell(value: Any) -> bool:
    interval = isinstance(value, dict) and set(value) >= {"value", "low", "high"}
    return interval or value is None or isinstance(value, str | int | float)


def _nested(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """A dict of values, or of rows with the same keys, as a table."""
    first = name.replace("_", " ")
    if all(isinstance(row, dict) and not _is_cell(row) for row in value.values()):
        keys = list(dict.fromkeys(key for row in value.values() for key, cell in row.items() if _is_cell(cell)))
        columns = [first, *(key.replace("_", " ") for key in keys)]
        return {"columns": columns, "rows": [[k, *(row.get(key) for key in keys)] for k, row in value.items()]}
    return {"columns": [first, "value"], "rows": [[k, v] for k, v in value.items() if _is_cell(v)]}


def _listed(name: str, values: list[Any]) -> dict[str, Any]:
    """A list of rows with the same keys, or of values, as a table."""
    rows = [value if isinstance(value, dict) else {name.replace("_", " "): value} for value in values]
    return {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}


def _classes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    from toolkit.reports import figures

    names = sorted({*before["labels"], *after["labels"]})
    shares = {
        "before": [before["labels"].get(n, 0) for n in names],
        "after": [after["labels"].get(n, 0) for n in names],
    }
    drawn = []
    if len(names) <= MOST_BARS:
        drawn = [{"name": "labels", "caption": "Rows a class", "figure": figures.bars(names, shares, ylabel="rows")}]
    return {
        "title": "Classes",
        "figures": drawn,
        "table": {
            "columns": ["class", *shares],
            "rows": [list(row) for row in zip(names, *shares.values(), strict=True)],
        },
    }


def _shapes(before: dict[str, Any], after: dict[str, Any], sizes: dict[str, Any]) -> list[dict[str, Any]]:
    """Lengths, languages, sources and gaps, before and after."""
    from toolkit.reports import figures

    out = []
    if sizes:
        unit = "characters" if "languages" in before else "steps"
        drawn = figures.histogram(sizes, xlabel=unit)
        points = list(before["length"])
        out.append(
            {
                "title": "Lengths",
                "figures": [{"name": "lengths", "caption": f"Length in {unit}", "figure": drawn}],
                "table": {
                    "columns": ["", *points],
                    "rows": [[n, *(p["length"][k] for k in points)] for n, p in (("before", before), ("after", after))],
                },
            }
        )
    for title, key, column in (("Languages", "languages", "language"), ("Sources", "sources", "source"),
                               ("Gaps", "missing", "column")):  # fmt: skip
        old, new = before.get(key) or {}, after.get(key) or {}
        if old or new:
            table = [[name, old.get(name, 0), new.get(name, 0)] for name in sorted({*old, *new})]
            if key == "missing":
                table = [[n, *({"share": v, "text": f"{v:.1%}"} for v in shares)] for n, *shares in table]
            out.append({"title": title, "table": {"columns": [column, "before", "after"], "rows": table}})
    if before.get("numbers"):
        points = ["min", "q25", "median", "q75", "max", "mean"]
        table = [[name, when, *(part["numbers"][name][k] for k in points)]
                 for name in before["numbers"] for when, part in (("before", before), ("after", after))
                 if name in part["numbers"]]  # fmt: skip
        out.append({"title": "Numbers", "table": {"columns": ["column", "", *points], "rows": table}})
    return out


def _near_copies(rows: Any) -> list[dict[str, Any]]:
    """Images that went beside those that stay: a person sees at a glance whether they are copies."""
    if rows.kind != "image" or not rows.twins:
        return []
    from toolkit.data import images

    shown = [row for pair in rows.twins[:SHEET_PAIRS] for row in pair]
    sheet = images.sheet(rows.values("image", shown), columns=8)
    told = f"{len(shown) // 2} of {len(rows.twins)} pairs: left the one that went, right the one that stays"
    return [{"title": "Near copies", "figures": [{"name": "near-copies", "caption": told, "picture": sheet}]}]


def _removed(rows: Any, few: int = 5) -> dict[str, Any]:
    """A few rejected rows of each stage and reason."""
    seen: dict[tuple[str, str], int] = {}
    table = []
    for row, stage, reason, detail in rows.rejects:
        seen[stage, reason] = seen.get((stage, reason), 0) + 1
        if seen[stage, reason] <= few:
            table.append([stage, reason, detail, rows.id(row), _shown(rows, row)])
    return {"columns": ["stage", "reason", "detail", "id", rows.kind], "rows": table}


def _shown(rows: Any, row: int) -> str:
    """What a person sees of a row's content."""
    if rows.kind == "text":
        return str(rows.values("text", [row])[0] or "")
    if rows.kind == "image":
        return str((rows.values("image", [row])[0] or {}).get("path") or "")
    if rows.kind == "table":
        return ", ".join(f"{name} {rows.values(name, [row])[0]}" for name in rows.features[:6])
    return ""


def _changed(rows: Any, few: int = 10) -> dict[str, Any]:
    import pyarrow.compute as pc

    changes, names = rows.changes(), ["stage", "column", "id", "before", "after"]
    table: list[list[Any]] = []
    for stage in changes.column("stage").unique():
        first = pc.indices_nonzero(pc.equal(changes.column("stage"), stage))[:few]
        table += map(list, zip(*(changes.column(name).take(first).to_pylist() for name in names), strict=True))
    return {"columns": names, "rows": table}
