"""`toolkit tune`: search over the training options, alone or with other workers."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from toolkit import config as configs
from toolkit import console
from toolkit.config import RUNTIME, SECRET, Bounds, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.errors import ToolkitError
from toolkit.step import Job, Step
from toolkit.training.config import Learn, ModelOption, TrainConfig

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.inputs import Given
    from toolkit.training.search import Search

STUDY, WORKER, MODEL = "study.db", "worker", "model"
OF_A_SEARCH = (  # which a training does not have
    "space", "sampler", "pruner", "total_trials", "timeout", "storage", "study_name", "keep_model", "grace",
)  # fmt: skip
OF_A_WORKER = ("storage", "study_name", "sampler", "pruner")  # in which the workers of one study may differ


@dataclass(frozen=True, kw_only=True)
class TuneConfig(Config):
    source: Annotated[str, Argument(metavar="DATASET", help="What to train on."), Input("dataset")]
    model: ModelOption = "builtin"
    columns: ContentOptions = field(default_factory=ContentOptions)
    learn: Learn = field(default_factory=Learn)
    space: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="What to search: option -> {low, high, log, step} or {choices}.",
            show_default="by task and model",
        ),
        Input("file"),
    ] = None
    sampler: Annotated[Literal["tpe", "gp", "random", "grid"], Option(help="What draws the next trial.")] = "tpe"
    pruner: Annotated[Literal["median", "hyperband", "none"], Option(help="What stops a trial between epochs.")] = (
        "median"
    )
    total_trials: Annotated[
        int, Option(help="Trials in the study; one that has fewer goes on to this number.", min=1), RUNTIME
    ] = 20
    timeout: Annotated[
        float | None, Option(help="Seconds of this worker's trials after which it begins no other.", min=0.0), RUNTIME
    ] = None
    storage: Annotated[
        str | None,
        Option(
            metavar="URL|FILE",
            help="Where many workers share a study: postgresql://…, mysql://…, NAME.db or NAME.log (a journal).",
            show_default="SQLite in --out",
        ),
        SECRET,
    ] = None
    study_name: Annotated[
        str | None, Option(help="The study's name in the storage.", show_default="from data, model and options")
    ] = None
    keep_model: Annotated[bool, Option("--keep-model", help="Keep the best trial's model in --out."), RUNTIME] = False
    # Seconds without a sign of life after which another worker is dead.
    grace: Annotated[float, Bounds(1), RUNTIME] = 120.0
    train: TrainConfig = field(default_factory=TrainConfig)


def enough(config: TuneConfig, summary: dict[str, Any]) -> bool:
    """Whether a finished study has what is asked for."""
    timed_out = config.timeout is not None and summary["seconds"] >= config.timeout
    searched = summary["trials"] >= config.total_trials or summary["exhausted"] or timed_out
    return searched and (summary["has_model"] or not config.keep_model)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _tasks
    from toolkit.training import space as spaces
    from toolkit.training import storage

    config = job.config
    if config.train.optim.find_lr:
        raise ToolkitError("a search tries rates itself", "leave --find-lr out")
    if config.storage:
        storage.check(config.storage)
    name, data = _tasks.splits(job)
    space, rows = _space(job, name, data), {split: len(part) for split, part in data.items()}
    planned = {"task": name, "rows": rows, "trials": config.total_trials, "space": space}
    if config.sampler == "grid":
        cells = len(spaces.cells(space))
        planned |= {"cells": cells, "trials": min(cells, config.total_trials)}
    if config.storage:
        planned |= {"storage": configs.without_password(config.storage), "study": _study_name(job, space)}
    return planned


def _space(job: Job, name: str, data: DatasetDict) -> dict[str, dict[str, Any]]:
    """What is searched."""
    from toolkit.artifacts import model as models
    from toolkit.commands import _training
    from toolkit.training import space, tasks
    from toolkit.training.config import width

    base, given, kind = job.config.train, job.inputs["model"], _training.kind(data)
    if "space" in job.inputs:
        path = Path(job.config.space)
        found = space.read(configs.read_mapping(path, f"the space {path}"), str(path), base, kind)
        odd = [key for key in ("class_weights", "oversample", "r_drop") if key in found and name == tasks.MASKED_LM]
        if odd:
            raise ToolkitError(f"{path}: {odd[0]} is for rows that have a class", "leave it out")
        return found
    wide = width(models.read_config(given.path)) if given.path else None
    found = space.default(kind, wide, base, _dropouts(given, kind))
    if name == tasks.MASKED_LM:  # has no labels to smooth
        found.pop("label_smoothing", None)
    return found


def _dropouts(given: Given, kind: str) -> set[float]:
    """The rates of dropout that the model comes with."""
    from toolkit.artifacts import loading
    from toolkit.training import builtin, dropout

    if given.path is not None:
        return dropout.rates(loading.load_config(given.path))
    if kind == "text":
        return {builtin.TEXT_DROPOUT}  # a model of texts would learn its vocabulary to tell
    return dropout.rates(builtin.build(given.given, [], None, 0)[0].config)


def _made(job: Job, space: dict[str, Any]) -> dict[str, Any]:
    """What a study is made for: workers that differ in one of these do not share it."""
    deciding = configs.as_dict(job.config, only_deciding=True)
    others = {name: value for name, value in deciding.items() if name not in OF_A_WORKER}
    return {
        "data": job.inputs["source"].digest,
        "model": job.inputs["model"].digest,
        "space": space,
        "metric": job.config.train.metric,
        "set of options": others,
    }


def _study_name(job: Job, space: dict[str, Any]) -> str:
    from toolkit.artifacts import manifest

    config = job.config
    return config.study_name or f"tune-{manifest.digest_json([_made(job, space), config.sampler, config.pruner])[:12]}"


def tune(job: Job) -> None:
    """Search the training options; best.json feeds `finetune --config`.

    --total-trials is the total: a study that was killed, or that is asked for more, goes on to that number. Workers
    that are given the same --storage share a study, each with its own --out.
    """
    from toolkit.commands import _tasks, _training
    from toolkit.training import search, storage, studies, tasks
    from toolkit.training import space as spaces

    config = job.config
    name, data = _tasks.splits(job)
    space, metric = _space(job, name, data), _tasks.metric(job, name, data)
    _go_on_from_previous(job)
    model, prepare = _loaded(job, name, data)
    place = config.storage or str(job.work / STUDY)
    direction = "minimize" if metric in tasks.LESS_IS_BETTER else "maximize"
    study = storage.study(place, _study_name(job, space), direction, _made(job, space))
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
    import functools

    from toolkit.commands import _tasks

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
    import uuid

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
    from toolkit.artifacts import manifest, report
    from toolkit.commands import _tune_report
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
    from toolkit.commands import _trained
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


STEP = Step(
    name="tune",
    kind="study",
    config=TuneConfig,
    run=tune,
    plan=plan,
    version=3,
    resumable=True,
    enough=enough,
    takes=("text", "image"),
    alone="start it once for each GPU or machine, with the same --storage: each trial trains in one process",
)
