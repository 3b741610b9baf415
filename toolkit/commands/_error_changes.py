"""`error-analysis`, two models: against a baseline's errors, and what the measures of an old plan have done."""

from __future__ import annotations

import json
from typing import Any

from toolkit.commands import _error_rows
from toolkit.commands._error_rows import Rows
from toolkit.commands._error_search import Found
from toolkit.errors import ToolkitError
from toolkit.step import Job

MOST_EXAMPLES = 10
JOINED = 0.5  # share of a finding's rows that must be there again to be compared one by one


def check(job: Job, rows: Rows) -> None:
    """Whether --after names an analysis with a plan, and --baseline an evaluation of the same rows.

    Raises:
        ToolkitError: it is something else.
    """
    if "baseline" in job.inputs:
        other = _error_rows.read(job, job.inputs["baseline"])
        job.kept["baseline"] = other, *_same_rows(job, rows, other)
    given = job.inputs.get("after")
    if not given:
        return
    if given.kind != "analysis" or not (given.path and (given.path / "plan.json").is_file()):
        raise ToolkitError(f"{given.given} holds no plan.json", "give what 'toolkit error-analysis' wrote")
    classes = json.loads((given.path / "plan.json").read_text(encoding="utf-8")).get("classes", rows.names)
    if not {*classes} & {*rows.names}:
        raise ToolkitError(
            f"{given.given} is of other classes ({classes[0]} …; here {rows.names[0]} …)",
            "give the analysis of the model before",
        )


def baseline(job: Job, rows: Rows, found: Found) -> dict[str, Any] | None:
    """Errors that the baseline made and this model does not (fixed), the other way round (broken), and common ones."""
    if "baseline" not in job.kept:
        return None
    import numpy as np

    from toolkit.evaluation import paired
    from toolkit.evaluation.slices import changes

    other, here, there = job.kept["baseline"]
    before, after = other.wrong[there], rows.wrong[here]
    member = found.every.member.tocsr()[here].tocsc()
    out: dict[str, Any] = {"baseline": job.inputs["baseline"].given, "rows": len(here)} | changes.counts(before, after)
    out["difference"] = paired.difference(before, after)
    for name, flips in (("fixed", before & ~after), ("broken", ~before & after)):
        out[f"{name}_gather"] = _gather(job, found, member, flips)
        some = here[np.flatnonzero(flips)[:MOST_EXAMPLES]]
        theirs = dict(zip(here.tolist(), there.tolist(), strict=True))
        out[f"{name}_examples"] = [_example(rows, other, int(i), theirs[int(i)]) for i in some]
    return out


def _same_rows(job: Job, rows: Rows, other: Rows) -> tuple[Any, Any]:
    """The numbers of the rows that both have, by id.

    Raises:
        ToolkitError: none, or most have other contents.
    """
    import numpy as np

    name = job.inputs["baseline"].given
    refused = ToolkitError(f"{name} was made on other data", "evaluate both models on the same rows")
    if "id" not in rows.table or "id" not in other.table:
        raise refused
    place = {key: i for i, key in enumerate(other.table["id"])}
    pairs = np.array([(i, place[key]) for i, key in enumerate(rows.table["id"]) if key in place], int).reshape(-1, 2)
    here, there = pairs.T
    by = rows.known_by if rows.known_by == other.known_by else rows.content
    same = [a.table[by].to_numpy()[b] for a, b in ((rows, here), (other, there))]
    if not len(here) or (same[0] != same[1]).mean() > 1 - JOINED:
        raise refused
    if len(here) < max(len(rows), len(other)):
        job.warn(f"{name} has other rows too: compared are the {len(here)} that both have")
    return here, there


def _gather(job: Job, found: Found, member: Any, flips: Any) -> list[dict[str, Any]]:
    """The slices that such rows gather in, beyond what shuffling shows."""
    from dataclasses import replace

    from toolkit.evaluation.slices import control

    every = replace(found.every, member=member)
    return [every.figures(i, flips) for i in control.find(every, flips, job.config.seed)[1]]


def _example(rows: Rows, other: Rows, here: int, there: int) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return value if isinstance(value, str) or value is None else list(value)

    row = rows.table.iloc[here]
    return {
        "id": str(row["id"]),
        rows.content: rows.shown(here),
        "label": plain(row["label"]),
        "before": plain(other.table["predicted"].iloc[there]),
        "after": plain(row["predicted"]),
    }


def after(job: Job, rows: Rows, traits: Any) -> dict[str, Any] | None:
    """For each finding of an old plan what its slice's error rate was and is: keep or discard what was done.

    The same rows are compared one by one, by id; where less than half of them are there, the slice's definition is
    applied to the new rows. A slice that only its rows define (a cluster, suspected labels) is undecided then.
    """
    if "after" not in job.inputs:
        return None
    import pandas as pd

    path = job.inputs["after"].path
    assert path is not None
    plan = json.loads((path / "plan.json").read_text(encoding="utf-8"))
    file = path / "findings.parquet"
    kept = pd.read_parquet(file) if file.is_file() else pd.DataFrame({"finding": [], "id": [], "wrong": []})
    described = traits.assign(confidence=rows.confidence)
    verdicts = [_after(job, rows, described, f, kept[kept["finding"] == f["number"]]) for f in plan["findings"]]
    return {"analysis": job.inputs["after"].given, "findings": verdicts}


def _after(job: Job, rows: Rows, traits: Any, finding: dict[str, Any], old: Any) -> dict[str, Any]:
    from toolkit.evaluation import paired
    from toolkit.evaluation.slices import changes
    from toolkit.evaluation.statistics import wilson

    named = {key: finding[key] for key in ("number", "kind", "column", "value")}
    hit = _hits(rows, finding)
    place = {key: i for i, key in enumerate(rows.table["id"])} if "id" in rows.table else {}
    again = old[old["id"].isin(place)]
    if len(again) and len(again) >= JOINED * len(old) and finding["kind"] != "calibration":
        before, now = again["wrong"].to_numpy(bool), hit[[place[key] for key in again["id"]]]
        counts = (int(before.sum()), len(before)), (int(now.sum()), len(now))
        difference, joined = paired.difference(before, now), "id"
    else:
        inside = _inside(rows, traits, finding)
        if inside is None or not inside.any():
            return named | {"joined": None, "before": None, "after": None, "difference": None, "verdict": "undecided"}
        counts = (finding["errors"], finding["rows"]), (int(hit[inside].sum()), int(inside.sum()))
        difference, joined = changes.unpaired(*counts), "definition"
    rates = [{"value": k / n, "rows": n} | dict(zip(("low", "high"), wilson(k, n), strict=True)) for k, n in counts]
    verdict = changes.verdict(rates[0]["value"], difference)
    return (
        named
        | {"joined": joined, "before": rates[0], "after": rates[1], "difference": difference}
        | {"verdict": verdict}
    )


def _hits(rows: Rows, finding: dict[str, Any]) -> Any:
    """Which rows count as a finding's errors: of a confusion those taken for its class."""
    if finding["kind"] == "confusion":
        return (rows.wrong & (rows.table["predicted"] == finding["where"][1]["value"])).to_numpy()
    return rows.wrong


def _inside(rows: Rows, traits: Any, finding: dict[str, Any]) -> Any:
    """Which rows lie in a slice by its definition, boolean (rows,); None where that cannot be told."""
    import numpy as np

    conditions = finding["where"][:1] if finding["kind"] == "confusion" else finding["where"]
    out = np.ones(len(rows), bool)
    for condition in conditions:
        found = _holds(rows, traits, condition)
        if found is None:
            return None
        out &= found
    return out if conditions else None


def _holds(rows: Rows, traits: Any, condition: dict[str, Any]) -> Any:
    import numpy as np

    from toolkit.evaluation.slices import columns, words

    column, value = condition["column"], condition["value"]
    if column == "label":
        named = rows.table["label"]
        return np.array([value == label if isinstance(label, str) else value in label for label in named])
    if column == words.COLUMN and column not in traits:  # the data may have a column of that name
        return np.array([value in text.lower() and value in words.words(text) for text in rows.texts()])
    return columns.holds(condition, traits[column]) if column in traits else None
