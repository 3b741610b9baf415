"""The page that `error-analysis` leaves: what to do next, and where the errors gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.commands import _error_evidence as evidence
from toolkit.commands._error_evidence import kind_of, named, percent, plain, short
from toolkit.commands._error_rows import Rows
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.reports.language import Say

MOST_BARS = 12


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
            *evidence.worst(job, say, rows, worst, explained),
            evidence.confidence(say, slices, rows),
            *evidence.labels(say, slices["labels"], rows.content),
            *evidence.confusions(say, slices["confusions"]),
            evidence.slices(say, slices["slices"]),
            evidence.columns(say, slices["columns"]),
        ],
        "footer": job.footer(),
    }  # fmt: skip


def _next(say: Say, made: list[dict[str, Any]]) -> dict[str, Any]:
    """The plan: what, with which evidence, and the command."""
    from toolkit.reports import figures

    bars = [f for f in made if f["gain_at_most"]][:MOST_BARS]
    drawn = figures.bars(
        [f"{f['number']}. {kind_of(say, f['kind']) if f['kind'] == 'label' else named(say, f)}" for f in bars],
        {
            say("at most"): [round(100 * f["gain_at_most"], 2) for f in bars],
            say("expected"): [round(100 * f["expected_gain"], 2) for f in bars],
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
                    say("error rate, % (95% interval)"), say("gain at most"),
                ],
                "rows": [
                    [
                        f["number"], kind_of(say, f["kind"]), named(say, f), f["errors"], f["rows"],
                        f["errors_not_above"], percent(f["interval"]),
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
                    "#", say("finding"), say("which rows"), say("before, %"), say("after, %"), say("difference"),
                    say("verdict"),
                ],
                "rows": [
                    [
                        f["number"], kind_of(say, f["kind"]), f["value"],
                        *(percent(f[key]) for key in ("before", "after", "difference")),
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
        [what, e["id"], short(e[content]), plain(e["label"]), plain(e["before"]), plain(e["after"])]
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
                    "columns": [say("error rate, after minus before, %")],
                    "rows": [[percent(found["difference"])]],
                },
                {
                    "columns": [
                        say("change"), say("finding"), say("which rows"), say("changed"), say("rows"), say("lift"),
                    ],
                    "rows": gather,
                    "note": say("Where changes gather, beyond what shuffled changes show."),
                },
                evidence.told_once(
                    [say("change"), "id", content, say("label"), say("before"), say("after")], examples
                ),
            ],
        }
    ]  # fmt: skip
