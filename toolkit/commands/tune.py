"""`toolkit tune`: Bayesian search over the training options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console
from toolkit.config import RUNTIME, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Job, Step
from toolkit.training.config import Learn, ModelOption, TrainConfig


@dataclass(frozen=True, kw_only=True)
class TuneConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to train on."), Input("dataset")]
    model: ModelOption = "builtin"
    columns: ContentOptions = field(default_factory=ContentOptions)
    learn: Learn = field(default_factory=Learn)
    total_trials: Annotated[
        int, Option(help="Trials in the study; one that has fewer goes on to this number.", min=1), RUNTIME
    ] = 20
    prune_trials: Annotated[bool, Option(help="Stop trials that are worse than the median at the same epoch.")] = True
    train: TrainConfig = field(default_factory=TrainConfig)


def enough(config: TuneConfig, summary: dict[str, Any]) -> bool:
    """Whether a finished study has the trials that are asked for."""
    return bool(summary["trials"] >= config.total_trials)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _tasks
    from toolkit.training import search

    name, data = _tasks.splits(job)
    scratch = job.inputs["model"].path is None
    return {
        "task": name,
        "rows": {s: len(r) for s, r in data.items()},
        "trials": job.config.total_trials,
        "space": search.space(scratch),
    }


def tune(job: Job) -> None:
    """Search learning rate, batch size, weight decay and dropout by Optuna's TPE; best.json feeds `finetune --config`.

    --total-trials is the total: a study that was killed, or that is asked for more, goes on to that number.
    """
    import shutil

    from toolkit.artifacts import manifest, report
    from toolkit.commands import _tasks
    from toolkit.training import search, tasks

    config, given = job.config, job.inputs["model"]
    name, data = _tasks.splits(job)
    if job.previous and not (job.work / "study.db").exists():
        shutil.copy(job.previous / "study.db", job.work / "study.db.new")
        (job.work / "study.db.new").rename(job.work / "study.db")

    model, task, data = _tasks.load(job, name, data)
    metric = tasks.metric(task.figures_of, config.train.metric)
    rows, validation = (task.encode(data[split]) for split in ("train", "validation"))
    study = search.search(
        model,
        task,
        rows,
        validation,
        config.train,
        job.work,
        total=config.total_trials,
        prune=config.prune_trials,
        scratch=given.path is None,
        seed=config.seed,
    )
    found = search.finished(study)
    best = {
        "config": {"train": search.as_config(study.best_params)},
        "value": study.best_value,
        "metric": metric,
        "trial": study.best_trial.number,
        "trials": len(found),
    }
    manifest.write_json(job.folder / "best.json", best)
    shutil.copy(job.work / "study.db", job.folder / "study.db")
    study.trials_dataframe(("number", "value", "params", "state")).to_csv(job.folder / "trials.csv", index=False)
    report.write(job.folder, page(job, study, found, metric))
    (job.folder / "README.md").write_text(
        "# Study\n\n`optuna-dashboard sqlite:///study.db` opens it; `finetune … --config DIR` takes its best.\n",
        encoding="utf-8",
    )
    job.metrics |= {"trials": len(found), "best": study.best_value, "metric": metric, **study.best_params}
    options = [(key, f"{value:.4g}") for key, value in study.best_params.items()]
    console.table(f"best of {len(found)} trials: {metric} {study.best_value:.4f}", ("option", "value"), options)


def page(job: Job, study: Any, found: list[Any], metric: str) -> dict[str, Any]:
    """The report: history, the best trials, what mattered."""
    from toolkit.reports import curves
    from toolkit.training import search

    values = [t.value for t in found]
    sign = 1 if study.direction.name == "MAXIMIZE" else -1
    best: list[float] = []
    for value in values:
        best.append(value if not best else sign * max(sign * value, sign * best[-1]))
    names = list(study.best_params)
    ranked = sorted(found, key=lambda t: -sign * t.value)[:20]
    importance = search.importance(study)
    return {
        "title": "Search report",
        "kicker": "toolkit tune",
        "lead": f"The best of {len(found)} trials reaches {metric} {study.best_value:.4f} on validation.",
        "lang": "en",
        "cards": [
            {
                "label": "trials",
                "value": len(found),
                "note": f"{sum(t.state.name == 'PRUNED' for t in found)} stopped early",
            },
            {"label": f"best {metric}", "value": study.best_value, "note": "on validation"},
        ],
        "sections": [
            {
                "title": "History",
                "figures": [
                    {
                        "name": "history",
                        "caption": "Each trial and the best so far",
                        "figure": curves.history(values, best),
                    }
                ],
            },
            {
                "title": "Best trials",
                "table": {
                    "columns": ["trial", metric, "state", *names],
                    "rows": [
                        [t.number, t.value, t.state.name.lower(), *(t.params.get(n) for n in names)] for t in ranked
                    ],
                },
            },
            {
                "title": "What mattered",
                "text": "Share of the figure's variance that an option explains (fANOVA); a guess if trials are few.",
                "table": {"columns": ["option", "importance"], "rows": [[n, v] for n, v in importance.items()]},
            },
        ],
        "footer": job.footer(),
    }


STEP = Step(
    name="tune",
    kind="study",
    config=TuneConfig,
    run=tune,
    plan=plan,
    resumable=True,
    enough=enough,
    takes=("text", "image"),
)
