"""`toolkit tune`: search over the training options, alone or with other workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from typer import Argument, Option

from toolkit.config import RUNTIME, SECRET, Bounds, Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Job, Step
from toolkit.training.config import Learn, ModelOption, TrainConfig


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
    from toolkit.commands import _tune_plan

    return _tune_plan.planned(job)


def tune(job: Job) -> None:
    """Search the training options; best.json feeds `finetune --config`.

    --total-trials is the total: a study that was killed, or that is asked for more, goes on to that number. Workers
    that are given the same --storage share a study, each with its own --out.
    """
    from toolkit.commands import _tune

    _tune.run(job)


STEP = Step(
    name="tune",
    kind="study",
    config=TuneConfig,
    run=tune,
    plan=plan,
    version=4,
    resumable=True,
    enough=enough,
    takes=("text", "image"),
    alone="start it once for each GPU or machine, with the same --storage: each trial trains in one process",
)
