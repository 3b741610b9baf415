"""`error-analysis`, the plan: each finding with the command that addresses it, and the rows that it is about."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from toolkit.commands import _error_rows
from toolkit.commands._error_rows import Rows
from toolkit.commands._error_search import Found
from toolkit.step import Job

MOST_CLASSES = 3  # of a slice whose rows are wrong that more data is made for
MOST_CONFUSIONS = 10
MOST_ROWS = 1000  # of a finding that are written out: those that are wrong, the surest first


def findings(
    job: Job, rows: Rows, found: Found, confusions: list[dict[str, Any]], doubted: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """What to do next, the most to gain first.

    Each has, besides what plan.json shows, `inside`: the numbers of its rows, and `hit`: which of them count.
    """
    made = [_slice(rows, found, i) for i in found.picked]
    made += [_confusion(rows, pair) for pair in confusions if _surprising(pair)][:MOST_CONFUSIONS]
    made += [*_labels(rows, doubted), *_calibration(rows)]
    made.sort(key=lambda f: (-f["gain_at_most"], -f["expected_gain"], f["kind"], f["column"], f["value"]))
    _tell_once(rows, made)
    for number, finding in enumerate(made, 1):
        finding["number"] = number
        finding["command"] = _command(job, rows, finding)
    return made


def _finding(rows: Rows, figures: dict[str, Any], inside: Any, hit: Any, expected: float, where: Any) -> dict[str, Any]:
    errors = int(hit.sum())
    return {
        "kind": figures["kind"],
        "column": figures["column"],
        "value": figures["value"],
        "rows": len(inside),
        "errors": errors,
        "lift": figures["lift"],
        "interval": figures["error_rate"],
        "command": "",
        "gain_at_most": errors / len(rows),
        "expected_gain": expected,
        "where": where,
        "inside": inside,
        "hit": hit,
    }


def _slice(rows: Rows, found: Found, i: int) -> dict[str, Any]:
    """Expected: as if the slice's rows were right as often as the others."""
    inside, figures = found.every.rows(i), found.every.figures(i, rows.wrong)
    others = (rows.wrong.sum() - figures["errors"]) / (len(rows) - len(inside))
    expected = float(figures["errors"] - len(inside) * others) / len(rows)
    return _finding(rows, figures, inside, rows.wrong[inside], max(expected, 0.0), figures["where"])


def _surprising(pair: dict[str, Any]) -> bool:
    from toolkit.evaluation.slices import confusion

    return confusion.beyond_chance(pair)


def _confusion(rows: Rows, pair: dict[str, Any]) -> dict[str, Any]:
    """Expected: as if the two were confused no more than classes that are as often wrong are."""
    import numpy as np

    true, said = rows.names.index(pair["label"]), rows.names.index(pair["predicted"])
    inside = np.flatnonzero(rows.labels == true)
    figures = {
        "kind": "confusion",
        "column": "label -> predicted",
        "value": f"{pair['label']} -> {pair['predicted']}",
        "lift": pair["errors"] / pair["expected"],
        "error_rate": pair["share_of_label"],
    }
    where = [{"column": "label", "value": pair["label"]}, {"column": "predicted", "value": pair["predicted"]}]
    expected = (pair["errors"] - pair["expected"]) / len(rows)
    return _finding(rows, figures, inside, rows.answers[inside] == said, expected, where)


def _labels(rows: Rows, doubted: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Expected: the errors that are the labels', each as probable as it is."""
    import numpy as np

    from toolkit.evaluation.slices.family import slice_of

    if not doubted or doubted["share"]["low"] <= 0 or not (doubted["flagged"] & rows.wrong).any():
        return []
    inside = np.flatnonzero(doubted["flagged"])
    figures = {"kind": "label"} | slice_of("label", "probably wrong", rows.wrong, doubted["flagged"])
    expected = float(doubted["p_wrong"][inside][rows.wrong[inside]].sum()) / len(rows)
    return [_finding(rows, figures, inside, rows.wrong[inside], expected, []) | {"precision": doubted["precision"]}]


def _calibration(rows: Rows) -> list[dict[str, Any]]:
    """Nothing to gain in errors: calibration makes no answer another."""
    import numpy as np

    from toolkit.evaluation.slices import confidence

    over = confidence.overconfidence(rows.wrong, rows.confidence)
    inside = np.flatnonzero(rows.confidence > confidence.HIGH)
    if not over or not len(inside):
        return []
    sure = confidence.strata(rows.wrong, rows.confidence)[0]
    low = float(np.nextafter(confidence.HIGH, 1))
    where = [{"column": "confidence", "value": sure["value"], "low": low, "high": 1.0}]
    figures = sure | {"kind": "calibration", "lift": over["errors"] / over["expected"]}
    return [_finding(rows, figures, inside, rows.wrong[inside], 0.0, where) | {"gain_at_most": 0.0}]


def _tell_once(rows: Rows, made: list[dict[str, Any]]) -> None:
    """How many of each finding's errors no finding above it holds."""
    import numpy as np

    told = np.zeros(len(rows), bool)
    for finding in made:
        errors = finding["inside"][finding["hit"]]
        finding["errors_not_above"] = int((~told[errors]).sum())
        told[errors] |= finding["kind"] != "calibration"


def _command(job: Job, rows: Rows, finding: dict[str, Any]) -> str:
    """The command line of this toolkit that addresses a finding."""
    data, model = _given(job, "data")["path"], _trainable(job)
    kind, column, number = finding["kind"], finding["column"], finding["number"]
    columns = [f"--{name.replace('_', '-')}={value}" for name, value in _error_rows.named_columns(job).items()]

    def line(command: str, source: str, *options: str, made: str) -> str:
        return shlex.join(["toolkit", command, source, *columns, *options, "--out", f"{_stem(data)}-{made}-{number}"])

    if kind == "label" or column == "near train":
        return line("clean", data, "--corrections", str(job.out / f"rows/{number}.csv"), made="relabelled")
    if kind == "calibration":
        return line("finetune", data, "--model", model, "--label-smoothing=0.1", made="calibrated")
    if kind == "column" and column not in MEASURED:
        return line("clean", data, "--label-noise=flag", "--outliers=mad", "--outlier-action=flag", made="cleaned")
    return line("augment", data, *_only(rows, finding), made="augmented")


MEASURED = ("language", "length", "width", "height", "aspect", "brightness", "contrast", "sharpness", "colourfulness")


def _only(rows: Rows, finding: dict[str, Any]) -> list[str]:
    """For which classes more rows are made: those of the finding, else those whose rows are wrong in it."""
    if rows.several or finding["column"] in MEASURED:
        return ["--copies=2"]
    if finding["kind"] in ("class", "confusion"):
        classes = [condition["value"] for condition in finding["where"]]
    else:
        errors = finding["inside"][finding["hit"]]
        classes = [name for name, _ in Counter(rows.table["label"].iloc[errors]).most_common(MOST_CLASSES)]
    return [f"--only-classes={name}" for name in classes]


def _given(job: Job, name: str) -> dict[str, Any]:
    """The evaluation's data or model, as an artifact records it: where it is, or was."""
    if name in job.inputs:
        return job.inputs[name].record()
    made = job.inputs["source"].manifest or {}
    theirs = job.step.inherits[name]
    return next((i for i in made.get("inputs", []) if i["name"] == theirs), {"path": name.upper()})


def _trainable(job: Job) -> str:
    """Where the model is, of a quantized one what it was made from."""
    model = _given(job, "model")
    while model.get("lineage", {}).get("command") == "quantize":
        model = next(i for i in model["lineage"]["inputs"] if i["name"] == "source")
    return str(model["path"])


def _stem(data: str) -> str:
    path = Path(data)
    return str(path.parent / path.name.removesuffix(".gz").removesuffix(Path(path.name.removesuffix(".gz")).suffix))


def write(job: Job, rows: Rows, made: list[dict[str, Any]], doubted: dict[str, Any] | None) -> None:
    """plan.json; a csv and a Label Studio import of each finding's rows; findings.parquet, for `--after`."""
    import pandas as pd

    from toolkit.artifacts import manifest

    shown = [{k: v for k, v in finding.items() if k not in ("inside", "hit")} for finding in made]
    plan = {"rows": len(rows), "errors": int(rows.wrong.sum()), "classes": rows.names, "findings": shown}
    manifest.write_json(job.folder / "plan.json", plan)
    (job.folder / "rows").mkdir()
    for finding in made:
        _write_rows(job.folder / "rows", rows, finding, doubted)
    if "id" in rows.table:
        ids = rows.table["id"].astype(str).to_numpy()
        parts = [
            (f["number"], key, bool(hit)) for f in made for key, hit in zip(ids[f["inside"]], f["hit"], strict=True)
        ]
        kept = pd.DataFrame(parts, columns=["finding", "id", "wrong"])
        kept.to_parquet(job.folder / "findings.parquet", index=False)


def _write_rows(folder: Path, rows: Rows, finding: dict[str, Any], doubted: dict[str, Any] | None) -> None:
    """In the form of an audit, so that what comes back is taken by `clean --corrections`."""
    import numpy as np

    from toolkit.data import label_studio
    from toolkit.data.clean import audit

    inside = finding["inside"]
    doubt = doubted["p_wrong"][inside] if doubted else np.zeros(len(inside))
    order = np.lexsort((-rows.confidence[inside], -doubt, ~finding["hit"]))[:MOST_ROWS]
    records = [_record(rows, int(inside[k]), finding, doubted) for k in order]
    (folder / f"{finding['number']}.csv").write_bytes(audit.to_csv(records, rows.content))
    if not rows.several:  # Label Studio is asked for exactly one class
        tasks = label_studio.to_tasks(records, rows.content)
        text = json.dumps(tasks, ensure_ascii=False, indent=1)
        (folder / f"{finding['number']}.label_studio.json").write_text(f"{text}\n", encoding="utf-8")
        config = label_studio.config_xml([*sorted(rows.names), audit.DROP[0]], rows.content, rows.beside)
        (folder / "label_studio.xml").write_text(config, encoding="utf-8")


def _record(rows: Rows, row: int, finding: dict[str, Any], doubted: dict[str, Any] | None) -> dict[str, Any]:
    from toolkit.data.labels import SEPARATOR

    table, name = rows.table, f"row {row}"
    labels, predicted = table["label"].iloc[row], table["predicted"].iloc[row]
    why = f"{finding['kind']}: {finding['value']}"
    if doubted and doubted["flagged"][row]:
        predicted = rows.named(doubted["suggested"][row])
        why = f"label probably wrong: {doubted['p_wrong'][row]:.2f}"
    label, suggested = (v if isinstance(v, str) else SEPARATOR.join(v) for v in (labels, predicted))
    return {
        "id": str(table["id"].iloc[row]) if "id" in table else name,
        **{name: table[name].iloc[row] for name in (rows.content, *rows.beside)},
        "label": label,
        "was": label,
        "suggested": suggested,
        "why": why,
    }
