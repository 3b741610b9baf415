"""What a finished search tells: the report, the table of its trials, the card."""

from __future__ import annotations

from typing import Any

from toolkit.step import Job

MOST_ROWS = 200
MOST_COLUMNS = 8


def trials_table(study: Any) -> Any:
    """One row a trial, as `trials.csv` holds it."""
    import pandas as pd

    trials = study.get_trials(deepcopy=False)
    names = list(dict.fromkeys(name for t in trials for name in t.params))
    rows = [
        {"number": t.number, "value": t.value, "state": t.state.name}
        | {f"params_{name}": t.params.get(name) for name in names}
        | {"epochs": max(t.intermediate_values, default=0), "seconds": t.user_attrs.get("seconds")}
        | {"reason": _reason(t), "worker": t.user_attrs.get("worker")}
        for t in trials
    ]
    return pd.DataFrame(rows)


def _reason(trial: Any) -> str | None:
    """Why a trial does not count."""
    found = trial.user_attrs.get("failed") or trial.user_attrs.get("lost")
    return str(found) if found else None


def readme(study: Any, has_model: bool) -> str:
    """The card of the artifact."""
    lines = [
        "# Study",
        f"The best is trial {study.best_trial.number}. `toolkit finetune DATASET --config DIR` trains as it did; what "
        "is given beside it (`--epochs`, `--model` …) goes before.",
        "`optuna-dashboard sqlite:///study.db` opens the study; `trials.csv` lists all trials, those that failed "
        "with the reason.",
    ]
    if has_model:
        lines.append(
            "`model/` is the model that the best trial trained: `toolkit evaluate DIR/model --data DATASET`, "
            "`toolkit finetune DATASET --model DIR/model`, `from_pretrained('DIR/model')`."
        )
    return "\n\n".join(lines) + "\n"


def page(job: Job, study: Any, space: dict[str, Any], metric: str) -> dict[str, Any]:
    """The report: how the search went, what mattered, all trials."""
    from toolkit.training import draw, search, studies

    found, broken = studies.finished(study), studies.failed(study)
    best, early = study.best_trial, sum(t.state.name == "PRUNED" for t in found)
    workers = _number(len({t.user_attrs.get("worker") for t in found}), "worker")
    whole = [t for t in found if t.state.name == "COMPLETE"]
    known = next((t for t in whole if t.user_attrs.get(search.DRAW) == draw.START), None)
    cards = [
        {"label": f"best {metric}", "value": best.value, "note": f"on validation, trial {best.number}"},
        {"label": "trials", "value": len(found), "note": f"{early} of them stopped early"},
        {"label": "failed", "value": len(broken), "note": "not counted as trials"},
        {"label": "minutes", "value": round(studies.spent(study) / 60, 1), "note": f"of {workers}"},
    ]
    if known is not None:
        note = f"{metric} of trial {known.number}: all that is searched at its default"
        cards.insert(1, {"label": "not searched", "value": known.value, "note": note})
    options = ", ".join(f"{name} {_plain(value)}" for name, value in best.params.items())
    return {
        "title": "Search report",
        "kicker": "toolkit tune",
        "lead": f"The best of {_number(len(found), 'trial')} reaches {metric} {best.value:.4f} on validation.\n\n"
        f"Its options: {options}.",
        "lang": "en",
        "cards": cards,
        "sections": [
            _history(study, metric),
            *_mattered(study, found),
            _together(study, found, _foremost(study, space), metric),
            _trials(study, found, space, metric),
            *([_failures(broken, space)] if broken else []),
        ],
        "footer": job.footer()
        | {"sampler": job.config.sampler, "pruner": job.config.pruner, "study": study.study_name},
    }


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _sign(study: Any) -> int:
    return 1 if study.direction.name == "MAXIMIZE" else -1


def _history(study: Any, metric: str) -> dict[str, Any]:
    from toolkit.reports import curves

    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    values = [t.value if t.state.name == "COMPLETE" else float("nan") for t in trials]
    best: list[float] = []
    for value in values:
        known = [v for v in (value, *best[-1:]) if v == v]
        best.append(_sign(study) * max(_sign(study) * v for v in known) if known else float("nan"))
    drawn = curves.history(values, best, ylabel=metric, words=("complete", "best so far", "stopped early, or failed"))
    caption = "Each trial in the order in which they began, and the best so far"
    return {"title": "History", "figures": [{"name": "history", "caption": caption, "figure": drawn}]}


def _mattered(study: Any, found: list[Any]) -> list[dict[str, Any]]:
    from toolkit.reports import figures
    from toolkit.training import studies

    shares = studies.importance(study)
    if not shares:
        return []
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    drawn = figures.bars(
        [name for name, _ in ranked], {"importance": [round(v, 3) for _, v in ranked]}, horizontal=True
    )
    complete = sum(t.state.name == "COMPLETE" for t in found)
    text = (
        "How much an option has to do with whether a trial is among the better ones, as a share of all "
        f"(PED-ANOVA, Watanabe et al., 2023). From {_number(complete, 'complete trial')}"
        + (": with so few this is a guess." if complete < 30 else ".")
    )
    return [
        {
            "title": "What mattered",
            "text": text,
            "figures": [{"name": "importance", "caption": "Importance of each option", "figure": drawn}],
        }
    ]


def _ranked(study: Any, found: list[Any]) -> list[Any]:
    """Complete trials from the best on, then those stopped early."""
    return sorted(found, key=lambda t: (t.state.name != "COMPLETE", -_sign(study) * (t.value or 0.0)))


def _foremost(study: Any, space: dict[str, Any]) -> list[str]:
    """The options that matter most, in the order of the space, as many as a page is wide."""
    from toolkit.training import studies

    shares = studies.importance(study)
    chosen = sorted(space, key=lambda name: -shares.get(name, 0.0))[:MOST_COLUMNS]
    return [name for name in space if name in chosen]


def _together(study: Any, found: list[Any], names: list[str], metric: str) -> dict[str, Any]:
    from toolkit.reports import search as pictures

    ranked = _ranked(study, found)
    complete = sum(t.state.name == "COMPLETE" for t in ranked)
    few = max(1, round(complete / 10))
    columns = {name: [t.params.get(name) for t in ranked] for name in names} | {metric: [t.value for t in ranked]}
    drawn = pictures.parallel(
        columns,
        best=[i < few for i in range(len(ranked))],
        stopped=[t.state.name == "PRUNED" for t in ranked],
        words=("the best trial" if few == 1 else "the best tenth", "other trials", "stopped early"),
    )
    caption = "A line a trial, a column an option; the last column is what each reached"
    return {"title": "All options at once", "figures": [{"name": "parallel", "caption": caption, "figure": drawn}]}


def _trials(study: Any, found: list[Any], space: dict[str, Any], metric: str) -> dict[str, Any]:
    rows = [
        [t.number, t.value, "stopped early" if t.state.name == "PRUNED" else "complete"]
        + [max(t.intermediate_values, default=0), t.user_attrs.get("seconds")]
        + [t.params.get(name) for name in space]
        for t in _ranked(study, found)
    ]
    more = len(rows) - MOST_ROWS
    return {
        "title": "Trials",
        "table": {
            "columns": ["trial", metric, "state", "epochs", "seconds", *space],
            "rows": rows[:MOST_ROWS],
            "note": f"{more} more stand in trials.csv" if more > 0 else "",
        },
    }


def _failures(broken: list[Any], space: dict[str, Any]) -> dict[str, Any]:
    rows = [[t.number, t.user_attrs["failed"], *(t.params.get(name) for name in space)] for t in broken]
    return {"title": "Failed", "table": {"columns": ["trial", "reason", *space], "rows": rows[:MOST_ROWS]}}
