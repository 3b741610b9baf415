"""The page that `error-analysis` leaves: what to do next, and where the errors gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.commands._error_rows import Rows
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.reports.language import Say

MOST_BARS = 12
MOST_SHOWN = 40  # slices and pairs in a table
LONG = 160  # characters of a text beside others


def page(
    job: Job,
    rows: Rows,
    slices: dict[str, Any],
    made: list[dict[str, Any]],
    worst: list[int],
    explained: list[dict[str, Any]],
) -> dict[str, Any]:
    """The report. `worst`: the numbers of the wrong rows, the surest first; `explained`: what decided the first."""
    from toolkit.reports import language

    say = language.speaker(job.config.lang)
    sure = slices["confidence"][0]
    told = sum(f["errors_not_above"] for f in made if f["kind"] != "calibration")
    return {
        "title": say("Error analysis"),
        "kicker": "toolkit error-analysis",
        "lead": say(
            "{errors} of {rows} rows are wrong; the findings below tell {told} of these errors. "
            "Of {sure} rows that the model is sure of, {wrong} are wrong.",
            errors=slices["errors"], rows=slices["rows"], told=told, sure=sure["rows"], wrong=sure["errors"],
        ),
        "lang": job.config.lang,
        "cards": [
            {"label": say("rows"), "value": slices["rows"]},
            {"label": say("errors"), "value": slices["errors"], "note": f"{slices['errors'] / slices['rows']:.1%}"},
            {"label": say("findings"), "value": len(made), "note": say("{told} errors told", told=told)},
            {
                "label": say("sure and wrong"),
                "value": sure["errors"],
                "note": say("confidence above {bound}", bound=0.9),
            },
        ],
        "sections": [
            _next(say, made),
            *_after(say, slices["after"]),
            *_baseline(say, slices["baseline"], rows.content),
            *_worst(job, say, rows, worst, explained),
            _confidence(say, slices, rows),
            *_labels(say, slices["labels"], rows.content),
            *_confusions(say, slices["confusions"]),
            _slices(say, slices["slices"]),
            _columns(say, slices["columns"]),
        ],
        "footer": job.footer(),
    }  # fmt: skip


def kind_of(say: Say, kind: str) -> str:
    return {
        "label": say("labels probably wrong"),
        "class": say("class"),
        "column": say("column"),
        "keyword": say("keyword"),
        "cluster": say("texts that are alike"),
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


def _next(say: Say, made: list[dict[str, Any]]) -> dict[str, Any]:
    """The plan: what, with which evidence, and the command."""
    from toolkit.reports import figures

    bars = [f for f in made if f["gain_at_most"]][:MOST_BARS]
    drawn = figures.bars(
        [f"{f['number']}. {named(say, f)}" for f in bars],
        {
            say("at most"): [100 * f["gain_at_most"] for f in bars],
            say("expected"): [100 * f["expected_gain"] for f in bars],
        },
        horizontal=True,
        xlabel=say("points of accuracy"),
    )
    text = say(
        "The most to gain first. At most: all errors of the slice gone; expected: the slice as good as the other rows, "
        "of labels the probability that they are wrong. Errors that a finding above holds too are not counted as new. "
        "The rows of each finding are in rows/, as csv and for Label Studio. When a measure is taken, evaluate again "
        "and call error-analysis with --after and this folder."
    )
    nothing = say("Nothing stands out from what errors at random would show too.")
    return {
        "title": say("What to do next"),
        "text": text if made else nothing,
        "figures": [{"name": "plan", "caption": say("What could be gained"), "figure": drawn}] if bars else [],
        "tables": [
            {
                "columns": [
                    "#", say("finding"), say("which rows"), say("errors"), say("rows"), say("new"),
                    say("error rate (95% interval)"), say("gain at most"),
                ],
                "rows": [
                    [
                        f["number"], kind_of(say, f["kind"]), named(say, f), f["errors"], f["rows"],
                        f["errors_not_above"], f["interval"],
                        {"share": f["gain_at_most"], "text": f"{f['gain_at_most']:.1%}"},
                    ]
                    for f in made
                ],
            },
            {"columns": ["#", say("command that addresses it")], "rows": [[f["number"], f["command"]] for f in made]},
        ][: 2 * bool(made)],
    }  # fmt: skip


def _after(say: Say, after: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not after:
        return []
    verdicts = {"keep": say("keep"), "discard": say("discard"), "undecided": say("undecided")}
    return [
        {
            "title": say("What the last plan has done"),
            "text": say(
                "For each finding of {analysis} the error rate of its rows then and now. Keep: fewer errors, and the "
                "interval says so. Discard: more, or at best a tenth less.",
                analysis=after["analysis"],
            ),
            "table": {
                "columns": [
                    "#", say("finding"), say("which rows"), say("before"), say("after"), say("difference"),
                    say("verdict"),
                ],
                "rows": [
                    [
                        f["number"], kind_of(say, f["kind"]), f["value"], f["before"], f["after"], f["difference"],
                        verdicts[f["verdict"]],
                    ]
                    for f in after["findings"]
                ],
            },
        }
    ]  # fmt: skip


def _baseline(say: Say, found: dict[str, Any] | None, content: str) -> list[dict[str, Any]]:
    if not found:
        return []
    gather = [
        [what, kind_of(say, s["kind"]), named(say, s), s["errors"], s["rows"], s["lift"]]
        for what, key in ((say("fixed"), "fixed_gather"), (say("broken"), "broken_gather"))
        for s in found[key]
    ]
    examples = [
        [what, e["id"], _short(e[content]), _text(e["label"]), _text(e["before"]), _text(e["after"])]
        for what, key in ((say("broken"), "broken_examples"), (say("fixed"), "fixed_examples"))
        for e in found[key]
    ]
    return [
        {
            "title": say("Against the baseline"),
            "text": say(
                "Of {rows} rows that {baseline} has too, {fixed} errors are fixed, {broken} are new and {common} are "
                "common.",
                **{key: found[key] for key in ("rows", "baseline", "fixed", "broken", "common")},
            ),
            "tables": [
                {
                    "columns": [say("error rate, after minus before")],
                    "rows": [[found["difference"]]],
                },
                {
                    "columns": [
                        say("change"), say("finding"), say("which rows"), say("changed"), say("rows"), say("lift"),
                    ],
                    "rows": gather,
                    "note": say("Where changes gather, beyond what shuffled changes show."),
                },
                {
                    "columns": [say("change"), "id", content, say("label"), say("before"), say("after")],
                    "rows": examples,
                },
            ],
        }
    ]  # fmt: skip


def _confidence(say: Say, slices: dict[str, Any], rows: Rows) -> dict[str, Any]:
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
    head = [column, say("rows"), say("errors"), say("error rate (95% interval)"), say("lift")]
    return {"columns": head, "rows": [[s["value"], s["rows"], s["errors"], s["error_rate"], s["lift"]] for s in found]}


def _confusions(say: Say, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
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
                    say("share of label (95% interval)"),
                ],
                "rows": [
                    [c["label"], c["predicted"], c["errors"], c.get("expected"), c.get("p"), c["share_of_label"]]
                    for c in found
                ],
            },
        }
    ]  # fmt: skip


def _labels(say: Say, found: dict[str, Any] | None, content: str) -> list[dict[str, Any]]:
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
            "table": {
                "columns": ["id", content, say("label"), say("perhaps"), say("probability that it is wrong")],
                "rows": [
                    [
                        r["id"], _short(r[content]), _text(r["label"]), _text(r["suggested"]),
                        {"share": r["p_wrong"], "text": f"{r['p_wrong']:.0%}"},
                    ]
                    for r in found["rows"]
                ],
            },
        }
    ]  # fmt: skip


def _slices(say: Say, found: list[dict[str, Any]]) -> dict[str, Any]:
    text = say(
        "Of all values, words, clusters of texts and two or three of these at once, those that hold more errors than "
        "any slice does when the errors are shuffled. Part of: the finding that it shares its errors with."
    )
    return {
        "title": say("Slices"),
        "text": text if found else say("No slice holds more errors than shuffled errors show."),
        "table": {
            "columns": [
                say("finding"), say("which rows"), say("rows"), say("errors"), say("error rate (95% interval)"),
                say("lift"), "p", say("part of"),
            ],
            "rows": [
                [
                    kind_of(say, s["kind"]), named(say, s), s["rows"], s["errors"], s["error_rate"], s["lift"], s["p"],
                    s["part_of"],
                ]
                for s in found[:MOST_SHOWN]
            ],
        } if found else None,
    }  # fmt: skip


def _columns(say: Say, columns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"title": say("By column"), "tables": [_slice_table(say, name, found) for name, found in columns.items()]}


def _worst(job: Job, say: Say, rows: Rows, worst: list[int], explained: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The surest errors, with what decided them; of images the sheet that `evaluate` left, or their occlusion maps."""
    if not worst:
        return []
    shown, content = worst[: job.config.examples], rows.content
    drawn = _drawn(job, say, explained)
    decided = bool(explained and not drawn) or any("place" in told for told in explained)
    table = []
    for k, i in enumerate(shown):
        row, told = rows.table.iloc[i], explained[k] if k < len(explained) else {}
        seen = {"weights": told["parts"]} if "parts" in told else _short(row[content])
        cells = [
            str(row["id"]) if "id" in rows.table else f"row {i}",
            seen,
            _text(row["label"]),
            _text(row["predicted"]),
        ]
        table.append(
            [*cells, float(row["confidence"]), *([told.get("place")] if decided and content == "image" else [])]
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
            "table": {"columns": columns, "rows": table},
        }
    ]


def _drawn(job: Job, say: Say, explained: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from toolkit.data import images

    if explained and "drawn" in explained[0]:
        picture = images.sheet([told["drawn"] for told in explained], columns=6, size=150)
        caption = say("What decided: orange is what the answer would miss, framed the square it would miss the most")
        return [{"name": "regions", "caption": caption, "picture": picture}]
    path = job.inputs["source"].path
    assert path is not None
    sheet = path / "figures" / "errors.png"
    caption = say("The first of them, row by row")
    return [{"name": "errors", "caption": caption, "picture": sheet.read_bytes()}] if sheet.is_file() else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


def _short(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LONG else f"{text[:LONG]}…"
