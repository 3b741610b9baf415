"""The cleaning stages: a stage is a file with `run(rows, config, given)` and a line in `STAGES`, in their usual order.

A stage works on the rows in place and returns figures for the report (or None); `given` holds what the command loaded
for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from toolkit import console
from toolkit.data.clean import (
    annotation,
    contradictions,
    domain,
    duplicates,
    format,
    label_noise,
    low_quality,
    missing,
    outliers,
    scaling,
)
from toolkit.data.clean.rows import Rows
from toolkit.errors import ToolkitError, did_you_mean

Stage = Callable[[Rows, Any, Mapping[str, Any]], dict[str, Any] | None]

STAGES: dict[str, Stage] = {
    "annotation": annotation.run,
    "format": format.run,
    "missing": missing.run,
    "low-quality": low_quality.run,
    "domain": domain.run,
    "contradictions": contradictions.run,
    "exact-duplicates": duplicates.exact,
    "near-duplicates": duplicates.near,
    "label-noise": label_noise.run,
    "outliers": outliers.run,
    "scaling": scaling.run,
}

BY_CONTENT = ("contradictions", "exact-duplicates", "near-duplicates")  # they compare the contents of rows

# Stages that run only where their options ask for them (or `--stages` names them).
ASKED: dict[str, Callable[[Any], bool]] = {
    "annotation": lambda c: bool(c.annotation.raters or c.annotation.votes or c.annotation.rater
                                 or c.annotation.corrections),
    "domain": lambda c: bool(c.domain.domain_reference or c.domain.domain_terms),
    "label-noise": lambda c: c.noise.label_noise != "off",
    "outliers": lambda c: c.outliers.outliers != "off",
    "scaling": lambda c: c.scaling.scale != "off" or bool(c.scaling.scaler),
}  # fmt: skip


def chosen(config: Any, kind: str, *, annotated: bool = False) -> list[str]:
    """The stages to run, in order: those of `--stages`, or the usual ones that are asked for; less those of `--skip`.

    Args:
        kind: of the content. A table of raters' labels has no content that could tell rows apart.
        annotated: whether the source brings its raters' labels along.

    Raises:
        ToolkitError: an unknown stage, `missing` left out, or a stage without what it needs.
    """
    asked, skipped = _listed(config.stages), _listed(config.skip)
    for name in asked + skipped:
        if name not in STAGES:
            raise ToolkitError(f"no stage '{name}'", did_you_mean(name, STAGES))
    wanted = asked or [n for n in STAGES if n not in ASKED or ASKED[n](config) or (n == "annotation" and annotated)]
    options = config.annotation
    rated = bool(options.raters or options.votes or options.rater)
    if not asked and kind == "table" and rated:
        wanted = [name for name in wanted if name not in BY_CONTENT]
    out = list(dict.fromkeys(name for name in wanted if name not in skipped))
    if "missing" not in out:
        raise ToolkitError("the stage 'missing' cannot be left out", "every row of a dataset has a content and a label")
    for name, needs in (("domain", "--domain-reference or --domain-terms"), ("scaling", "--scale or --scaler")):
        if name in out and not ASKED[name](config):
            raise ToolkitError(f"the stage '{name}' needs {needs}", "give one, or leave the stage out")
    for gate in ("min_kappa", "min_agreement"):
        if getattr(options, gate) is not None and not ("annotation" in out and (annotated or rated)):
            raise ToolkitError(
                f"--{gate.replace('_', '-')} needs raters", "give --raters, --votes, or --item and --rater"
            )
    if "annotation" in out and not (annotated or ASKED["annotation"](config)):
        raise ToolkitError(
            "the stage 'annotation' needs raters", "give --raters, --votes, --item and --rater, or --corrections"
        )
    return out


def _listed(values: list[str] | None) -> list[str]:
    return [name.strip() for value in values or [] for name in value.split(",") if name.strip()]


def clean(rows: Rows, config: Any, names: list[str], given: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run the stages over `rows` in place; gives what each removed, changed, found and took.

    Raises:
        ToolkitError: no row is left; says which stage took most.
    """
    report: dict[str, dict[str, Any]] = {}
    for name in names:
        _run(rows, name, STAGES[name], config, given or {}, report)
    while "missing" in names and _run(rows, "missing", missing.drop_late, config, given or {}, report):
        for name in names if rows.kind == "table" else ():  # rows may be equal without the column
            if name in BY_CONTENT:
                _run(rows, name, STAGES[name], config, given or {}, report)
    return list(report.values())


def _run(
    rows: Rows, name: str, stage: Stage, config: Any, given: Mapping[str, Any], report: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    """Run a stage, add up in the report what it did, and give its figures."""
    started, alive, changed = time.perf_counter(), rows.count(), rows.changed
    rows.stage = name
    figures = stage(rows, config, given)
    rows.settle()
    removed, changed = alive - rows.count(), rows.changed - changed
    first = name not in report
    entry = report.setdefault(name, {"name": name, "removed": 0, "changed": 0, "seconds": 0.0})
    seconds = round(entry["seconds"] + time.perf_counter() - started, 3)
    entry |= {"removed": entry["removed"] + removed, "changed": entry["changed"] + changed, "seconds": seconds}
    if figures:
        entry["figures"] = figures | entry.get("figures", {})
    if first or removed or changed:
        console.note(f"{name}: {removed} removed, {changed} changed")
    if not rows.count():
        worst = max(report.values(), key=lambda stage: stage["removed"])["name"]
        why = Counter((reason, detail) for _, stage, reason, detail in rows.rejects if stage == worst)
        (reason, detail), count = why.most_common(1)[0]
        told = f"{reason}: {detail}" if count > 1 and detail else reason
        raise ToolkitError(
            f"all rows were removed, the last by '{name}', most by '{worst}' ({told})",
            f"look at the source, or change what '{worst}' asks for",
        )
    return figures
