"""`toolkit distill`: a small student learns from large teachers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit.config import Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Job, Step
from toolkit.training.config import ADJUSTABLE, TrainConfig

CUT = r"(layers|ffn|channels):.*"  # a student that is part of its teacher


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is learned of the teacher."""

    temperature: Annotated[float, Option(help="Softens both sides' probabilities.", min=0.1, max=100.0)] = 2.0
    alpha: Annotated[float, Option(help="Weight of the teacher; the labels have the rest.", min=0.0, max=1.0)] = 0.7
    hidden_weight: Annotated[float, Option(help="Weight of the hidden states' loss.", min=0.0)] = 0.0
    attention_weight: Annotated[float, Option(help="Weight of the attention relations' loss.", min=0.0)] = 0.0
    embedding_weight: Annotated[float, Option(help="Weight of the embeddings' loss.", min=0.0)] = 0.0
    layer_map: Annotated[str, Option(help="Layers compared: even, last, or STUDENT:TEACHER,…")] = "even"


@dataclass(frozen=True, kw_only=True)
class DistillConfig(Config):
    source: Annotated[str, Argument(metavar="TEACHER", help="The model to learn from."), Input("model")]
    data: Annotated[str, Option(help="Rows to learn on.", show_default=False), Input("dataset")]
    columns: ContentOptions = field(default_factory=ContentOptions)
    student: Annotated[
        str,
        Option(help="layers:N[:top|:importance], ffn:SHARE, channels:SHARE, or two by +; a model; or builtin:NAME."),
        Input("model", literal=CUT, forms="write layers:N, ffn:SHARE, channels:SHARE or two joined by +"),
    ] = "layers:3"
    teacher: Annotated[
        list[str] | None, Option(metavar="MODEL", help="One more teacher; may be repeated."), Input("model")
    ] = None
    teacher_weights: Annotated[
        list[float] | None, Option(help="Weight of a teacher, TEACHER first; one each.", min=0.0, show_default="equal")
    ] = None
    transfer: Annotated[
        list[str] | None,
        Option(metavar="DATASET", help="More rows, whose labels are not read; may be repeated."),
        Input("dataset"),
    ] = None
    spans: Annotated[
        int,
        Option(
            help="Runs of words of each text as more rows, so many a text; the teacher tells all of them.",
            min=0,
            max=100,
        ),
    ] = 0
    lesson: Lesson = field(default_factory=Lesson)
    train: TrainConfig = field(default_factory=TrainConfig)


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands._distill_plan import settled

    found = settled(job)
    return {
        "rows": {split: len(rows) for split, rows in found.data.items()},
        **({"transfer": [counts for _, counts in found.transfer]} if found.transfer else {}),
        "student": job.config.student,
        "teachers": [given.given for given in found.teachers],
        "classes": len(found.names),
    }


def distill(job: Job) -> None:
    """Train a student on the softened answers of teachers, on their hidden states, and on the labels.

    The student is cut out of TEACHER (`layers:3`, `ffn:0.5`, `layers:3+ffn:0.5`), a model, or a built-in from scratch.
    """
    from toolkit.commands import _distill

    _distill.run(job)


STEP = Step(
    name="distill",
    kind="model",
    config=DistillConfig,
    run=distill,
    plan=plan,
    version=5,
    resumable=True,
    alone=None,
    adjustable=ADJUSTABLE,
    takes=("text", "image"),
)
