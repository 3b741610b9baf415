"""The work of `tune`: a study is run, told and written."""

from __future__ import annotations

import functools
import json
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import config as configs
from toolkit import console
from toolkit.artifacts import manifest, report
from toolkit.commands import _tasks, _trained, _training, _tune_plan, _tune_report
from toolkit.errors import ToolkitError
from toolkit.step import Job

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.training.search import Search

STUDY, WORKER, MODEL = "study.db", "worker", "model"
OF_A_SEARCH = (  # which a training does not have
    "space", "sampler", "pruner", "total_trials", "timeout", "storage", "study_name", "keep_model", "grace",
)  # fmt: skip


def run(job: Job) -> None:
    """Search, and write what was found."""
    from toolkit.training import search, storage, studies, tasks
    from toolkit.training import space as spaces

    config = job.config
    name, data = _tasks.splits(job)
    space, metric = _tune_plan.space_of(job, name, data), _tasks.metric(job, name, data)
    _go_on_from_previous(job)
    model, prepare = _loaded(job, name, data)
    place = config.storage or str(job.work / STUDY)
    direction = "minimize" if metric in tasks.LESS_IS_BETTER else "maximize"
    study = storage.study(place, _tune_plan.study_name(job, space), direction, _tune_plan.made(job, space))
    settings = _settings(job, model, prepare, space, metric, _training.kind(data))
    with storage.guarded(place):
        if config.sampler == "grid":
            console.note(f"a grid of {len(spaces.cells(space))} cells")
        search.run(settings, study, total=config.total_trials, seconds=config.timeout)
        if studies.best(study) is None:
            raise ToolkitError("no trial is complete", "raise --timeout, or take --pruner none")
        _write(job, settings, study)
        if config.keep_model:
            _write_model(job, settings, study)


def _go_on_from_previous(job: Job) -> None:
    """Take over the study and this worker's name from the finished artifact that is to be continued."""
    before = job.previous
    if before and not (job.work / WORKER).exists():
        if not job.config.storage:
            shutil.copy(before / STUDY, job.work / f"{STUDY}.new")
            (job.work / f"{STUDY}.new").rename(job.work / STUDY)
        best = json.loads((before / "best.json").read_text(encoding="utf-8"))
        _put(job.work / WORKER, best["worker"])


def _put(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_text(text)
    aside.rename(path)


def _loaded(job: Job, name: str, data: DatasetDict) -> tuple[Any, Any]:
    """The model and what gives task and encoded rows for a --max-length: what cannot be read is no trial's fault."""
    model, task, rows = _tasks.load(job, name, data)

    @functools.lru_cache(maxsize=2)
    def prepare(max_length: int | None) -> Any:
        bound = _tasks.bound_again(job, name, model, task, max_length)
        return bound, bound.encode(rows["train"]), bound.encode(rows["validation"])

    with console.without_notes():
        prepare(job.config.train.max_length)
    return model, prepare


def _settings(job: Job, model: Any, prepare: Any, space: dict[str, Any], metric: str, kind: str) -> Search:
    """What all trials share."""
    from toolkit.training import search
    from toolkit.training import space as spaces

    config, scratch = job.config, job.inputs["model"].path is None
    base = replace(config.train, metric=metric)
    if not (job.work / WORKER).exists():
        _put(job.work / WORKER, uuid.uuid4().hex[:12])
    return search.Search(
        model=model,
        prepare=prepare,
        base=base,
        space=space,
        work=job.work,
        worker=(job.work / WORKER).read_text(),
        sampler=config.sampler,
        pruner=config.pruner,
        seed=config.seed,
        scratch=scratch,
        start=spaces.start(space, base, model, "scratch" if scratch else "pretrained", kind),
        keep=config.keep_model,
        grace=config.grace,
    )


def _write(job: Job, settings: Search, study: Any) -> None:
    """The study's files and figures."""
    from toolkit.training import search, storage, studies
    from toolkit.training import space as spaces

    metric, found, best = settings.base.metric, studies.finished(study), study.best_trial
    trained = replace(job.config, train=spaces.applied(job.config.train, best.params))
    told = {"trials": len(found), "failed": len(studies.failed(study))}
    manifest.write_json(
        job.folder / "best.json",
        {
            "config": configs.as_dict(trained, without=OF_A_SEARCH),
            "searched": best.params,
            "value": best.value,
            "metric": metric,
            "trial": best.number,
            **told,
            "study": study.study_name,
            "worker": settings.worker,
        },
    )
    if job.config.storage:
        storage.snapshot(study, job.folder / STUDY)
    else:
        shutil.copy(job.work / STUDY, job.folder / STUDY)
    _tune_report.trials_table(study).to_csv(job.folder / "trials.csv", index=False)
    report.write(job.folder, _tune_report.page(job, study, settings.space, str(metric)))
    (job.folder / "README.md").write_text(_tune_report.readme(study, job.config.keep_model), encoding="utf-8")
    job.metrics |= {**told, "best": best.value, "metric": metric, **best.params}
    job.metrics |= {
        "seconds": round(studies.spent(study, settings.worker), 1),
        "exhausted": search.exhausted(settings, study),
        "has_model": job.config.keep_model,
    }
    options = [(key, f"{value:.4g}" if isinstance(value, float) else value) for key, value in best.params.items()]
    console.table(f"best of {len(found)} trials: {metric} {best.value:.4f}", ("option", "value"), options)


def _write_model(job: Job, settings: Search, study: Any) -> None:
    """The best trial's model, as `finetune` would have written it."""
    from toolkit.training import search

    best = study.best_trial
    if job.previous and (job.previous / MODEL).is_dir():
        before = json.loads((job.previous / "best.json").read_text(encoding="utf-8"))
        if before["trial"] == best.number:
            shutil.copytree(job.previous / MODEL, job.folder / MODEL)
            return
    model, task, figures = search.best_model(settings, study)
    (job.folder / MODEL).mkdir()
    inside = replace(job, folder=job.folder / MODEL, work=job.work / "again", metrics={})
    _trained.write(inside, model, task, figures, f"{job.inputs['model'].title}, trial {best.number} of a search")
