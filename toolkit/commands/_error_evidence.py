"""The page of `error-analysis`, the evidence: strata, slices, classes, labels, and the surest errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.commands._error_rows import Rows
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.reports.language import Say

MOST_BARS = 12
MOST_SHOWN = 40  # slices in the table
LONG = 160  # characters of a text beside others


def kind_of(say: Say, kind: str) -> str:
    return {
        "label": say("labels probably wrong"),
        "class": say("class"),
        "column": say("column"),
        "keyword": say("keyword"),
        "cluster": say("rows that are alike"),
        "conjunction": say("several conditions"),
        "confusion": say("confused classes"),
        "calibration": say("too sure"),
    }[kind]


def named(say: Say, told: dict[str, Any]) -> str:
    """What a slice is called: its conditions."""
    if told["kind"] in ("class", "keyword", "confusion", "cluster"):
        return str(told["value"])
    if told["kind"] == "label":
        return say("see rows/{number}.csv", number=told["number"])
    if told.get("where"):
        return " ∧ ".join(f"{c['column']} = {c['value']}" for c in told["where"])
    return f"{told['column']} = {told['value']}"


def percent(estimate: dict[str, Any] | None) -> dict[str, Any] | None:
    """A share and its interval in percent, of one decimal."""
    if estimate is None or estimate["value"] is None:
        return None
    return {key: round(100 * estimate[key], 1) for key in ("value", "low", "high")}


def short(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LONG else f"{text[:LONG]}…"


def told_once(columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    """A table of which the column after "id" is left out where it says the same: an image's id is often its path."""
    at = columns.index("id") + 1
    if rows and all(row[at] == row[at - 1] for row in rows):
        columns, *rows = (cells[:at] + cells[at + 1 :] for cells in (columns, *rows))
    return {"columns": columns, "rows": rows}


def plain(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


def confidence(say: Say, slices: dict[str, Any], rows: Rows) -> dict[str, Any]:
    from toolkit.reports import figures

    confidence, wrong = rows.confidence, rows.wrong
    split = {say("right"): confidence[~wrong].tolist(), say("wrong"): confidence[wrong].tolist()}
    drawn = figures.histogram(split, xlabel=say("confidence"))
    return {
        "title": say("By confidence"),
        "text": say("Errors of high confidence are wrong labels or blind spots; those of low confidence want data."),
        "table": _slice_table(say, "confidence", slices["confidence"]),
        "figures": [
            {"name": "confidence", "caption": say("Confidence of right and wrong predictions"), "figure": drawn}
        ],
    }


def _slice_table(say: Say, column: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    head = [column, say("rows"), say("errors"), say("error rate, % (95% interval)"), say("lift")]
    return {
        "columns": head,
        "rows": [[s["value"], s["rows"], s["errors"], percent(s["error_rate"]), s["lift"]] for s in found],
    }


def confusions(say: Say, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from toolkit.reports import figures

    if not found:
        return []
    bars = found[:MOST_BARS]
    drawn = figures.bars(
        [f"{c['label']} → {c['predicted']}" for c in bars],
        {"errors": [c["errors"] for c in bars]},
        horizontal=True,
        xlabel=say("errors"),
    )
    return [
        {
            "title": say("Confused classes"),
            "text": say(
                "Expected: as many as if each class were taken for the others as these are answered in general; p: the "
                "chance that some pair is so far above it."
            ),
            "figures": [{"name": "confusions", "caption": say("Errors a pair"), "figure": drawn}],
            "table": {
                "columns": [
                    say("label"), say("predicted"), say("errors"), say("expected"), "p",
                    say("share of label, % (95% interval)"),
                ],
                "rows": [
                    [
                        *(c.get(key) for key in ("label", "predicted", "errors", "expected", "p")),
                        percent(c["share_of_label"]),
                    ]
                    for c in found
                ],
            },
        }
    ]  # fmt: skip


def labels(say: Say, found: dict[str, Any] | None, content: str) -> list[dict[str, Any]]:
    if not found or not found["flagged"]:
        return []
    share, precision = found["share"], found["precision"]
    return [
        {
            "title": say("Labels that may be wrong"),
            "text": say(
                "The calibrated model contradicts {flagged} labels. About {share:.1%} of all labels are wrong (95% "
                "interval {low:.1%} to {high:.1%}), and {precision:.0%} of these here.",
                flagged=found["flagged"], share=share["value"], low=share["low"], high=share["high"],
                precision=precision["value"],
            ),
            "table": told_once(
                ["id", content, say("label"), say("perhaps"), say("probability that it is wrong")],
                [
                    [
                        r["id"], short(r[content]), plain(r["label"]), plain(r["suggested"]),
                        {"share": r["p_wrong"], "text": f"{r['p_wrong']:.0%}"},
                    ]
                    for r in found["rows"]
                ],
            ),
        }
    ]  # fmt: skip


def slices(say: Say, found: list[dict[str, Any]]) -> dict[str, Any]:
    text = say(
        "Of all values, words, clusters of rows and two or three of these at once, those that hold more errors than "
        "any slice does when the errors are shuffled. Part of: the finding that it shares its errors with."
    )
    return {
        "title": say("Slices"),
        "text": text if found else say("No slice holds more errors than shuffled errors show."),
        "table": {
            "columns": [
                say("finding"), say("which rows"), say("rows"), say("errors"), say("error rate, % (95% interval)"),
                say("lift"), "p", say("part of"),
            ],
            "rows": [
                [
                    kind_of(say, s["kind"]), named(say, s), s["rows"], s["errors"], percent(s["error_rate"]),
                    s["lift"], s["p"], s["part_of"],
                ]
                for s in found[:MOST_SHOWN]
            ],
        } if found else None,
    }  # fmt: skip


def columns(say: Say, columns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"title": say("By column"), "tables": [_slice_table(say, name, found) for name, found in columns.items()]}


def worst(job: Job, say: Say, rows: Rows, worst: list[int], explained: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The surest errors, with what decided them; of images the sheet that `evaluate` left, or their occlusion maps."""
    if not worst:
        return []
    shown, content = worst[: job.config.examples], rows.content
    drawn = _drawn(job, say, explained)
    decided = bool(explained and not drawn) or any("place" in told for told in explained)
    table = []
    for k, i in enumerate(shown):
        row, told = rows.table.iloc[i], explained[k] if k < len(explained) else {}
        seen = {"weights": told["parts"]} if "parts" in told else short(rows.shown(i))
        cells = [
            str(row["id"]) if "id" in rows.table else f"row {i}",
            seen,
            plain(row["label"]),
            plain(row["predicted"]),
        ]
        table.append(
            [*cells, float(row["confidence"]), *([_place(say, told)] if decided and content == "image" else [])]
        )
    columns = ["id", content, say("label"), say("predicted"), say("confidence")]
    columns += [say("where it is decided")] if decided and content == "image" else []
    how = say(
        "Orange: without it the answer would be less probable; blue: more probable. All errors are in errors.parquet."
    )
    return [
        {
            "title": say("Errors, the surest first"),
            "text": how if explained and content == "text" else say("All errors are in errors.parquet."),
            "figures": drawn,
            "table": told_once(columns, table),
        }
    ]


def _place(say: Say, told: dict[str, Any]) -> str | None:
    places = {
        "top left": say("top left"), "top centre": say("top centre"), "top right": say("top right"),
        "left": say("left side"), "centre": say("centre"), "right": say("right side"),
        "bottom left": say("bottom left"), "bottom centre": say("bottom centre"), "bottom right": say("bottom right"),
    }  # fmt: skip
    return places.get(told.get("place", ""))


def _drawn(job: Job, say: Say, explained: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from toolkit.data import images

    if explained and "drawn" in explained[0]:
        picture = images.sheet([told["drawn"] for told in explained], columns=6, size=150)
        caption = say(
            "What decided, in the order of the rows below: orange is what the answer would miss, framed the square it "
            "would miss the most"
        )
        return [{"name": "regions", "caption": caption, "picture": picture}]
    path = job.inputs["source"].path
    assert path is not None
    sheet = path / "figures" / "errors.png"
    caption = say("The first of them, row by row")
    return [{"name": "errors", "caption": caption, "picture": sheet.read_bytes()}] if sheet.is_file() else []
