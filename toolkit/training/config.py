"""The options that every training command shares; light, since the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from typer import Option

from toolkit.config import RUNTIME, Input

# What `None` stands for, by where the weights come from.
LR = {
    "adamw": {"pretrained": 5e-5, "scratch": 5e-4},
    "sgd": {"pretrained": 1e-2, "scratch": 5e-2},
    "adafactor": {"pretrained": 5e-4, "scratch": 5e-3},
    "lion": {"pretrained": 1e-5, "scratch": 1e-4},
}
BETA2 = {"adamw": 0.999, "lion": 0.99}
MAX_LENGTH = 128
EPOCHS = {"pretrained": 4.0, "scratch": 15.0}

ModelOption = Annotated[
    str,
    Option(
        help="Model artifact, folder, hub name or builtin:NAME.",
        show_default="builtin:text-tiny; builtin:image-tiny for images",
    ),
    Input("model"),
]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], Option(help="Where to compute."), RUNTIME]


@dataclass(frozen=True, kw_only=True)
class Learn:
    """What is learned."""

    task: Annotated[
        Literal["text-classification", "image-classification", "masked-lm"] | None,
        Option(help="What is learned of the rows.", show_default="told from the data; texts without labels: masked-lm"),
    ] = None
    masking: Annotated[float, Option(help="masked-lm: share of the words that are hidden.", min=0.01, max=0.9)] = 0.15
    next_sentence: Annotated[bool, Option(help="masked-lm: learn too which sentence follows which.")] = False
    add_tokens: Annotated[
        str | None, Option(metavar="FILE", help="Terms for the vocabulary: one a line, or a csv column."), Input("file")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Optim:
    """The optimizer."""

    optimizer: Annotated[Literal["adamw", "sgd", "adafactor", "lion"], Option(help="How weights are stepped.")] = (
        "adamw"
    )
    lr: Annotated[
        float | None, Option(help="Peak learning rate.", min=0.0, show_default="5e-5; 5e-4 from scratch (adamw)")
    ] = None
    weight_decay: Annotated[float, Option(help="Decay of weights; biases and norms have none.", min=0.0)] = 0.01
    accumulate: Annotated[int, Option(help="Batches a step: their gradients are averaged.", min=1)] = 1
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float | None = None  # 0.999; lion 0.99
    max_grad_norm: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate over the steps."""

    warmup: Annotated[float, Option(help="Share of the steps in which the rate rises.", min=0.0, max=0.9)] = 0.05
    scheduler: Annotated[
        Literal["linear", "cosine", "restarts", "plateau", "constant"],
        Option(help="How the rate falls; plateau: when validation gets no better."),
    ] = "linear"
    cycle: Annotated[float, Option(help="Share of the steps of the first cycle of restarts.", min=0.001, max=1.0)] = (
        0.25
    )
    cycle_growth: Annotated[float, Option(help="How many times as long each next cycle is.", min=1.0)] = 2.0
    floor: Annotated[float, Option(help="Share of the peak rate that it never falls below.", min=0.0, max=1.0)] = 0.0
    plateau_patience: Annotated[int, Option(help="Evaluations without gain before plateau cuts the rate.", min=0)] = 1
    plateau_factor: Annotated[float, Option(help="What plateau multiplies the rate by.", min=0.0, max=1.0)] = 0.5


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Which layers learn when, and how fast."""

    stages: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE", help="three-phase, head-then-top, gradual, or a file of stages.", show_default="none"
        ),
        Input("file", literal="none|three-phase|head-then-top|gradual"),
    ] = None
    layer_decay: Annotated[
        float, Option(help="What a layer's rate is multiplied by for each layer above it.", min=0.01, max=1.0)
    ] = 1.0


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained."""

    epochs: Annotated[float | None, Option(help="Passes over train.", min=0.01, show_default="4; 15 from scratch")] = (
        None
    )
    batch_size: Annotated[int, Option(help="Rows a step.", min=1)] = 32
    max_length: Annotated[
        int | None, Option(help="Tokens a text is cut to.", min=4, show_default="128; prune and distill: the model's")
    ] = None
    dropout: Annotated[
        float | None, Option(help="Dropout of the model's layers.", min=0.0, max=0.9, show_default="the model's")
    ] = None
    label_smoothing: Annotated[
        float, Option(help="Share of each label that is spread over all classes.", min=0.0, max=0.9)
    ] = 0.0
    patience: Annotated[
        int, Option(help="Epochs without a better validation figure before it stops; 0: never.", min=0)
    ] = 3
    metric: Annotated[
        Literal["accuracy", "f1_macro", "f1_micro", "loss", "perplexity"] | None,
        Option(
            help="Validation figure that picks the best weights; f1_micro: of rows with several classes.",
            show_default="accuracy; masked-lm: loss",
        ),
    ] = None
    precision: Annotated[Literal["auto", "fp32", "bf16"], Option(help="auto: bf16 where the processor has it.")] = (
        "auto"
    )
    optim: Optim = field(default_factory=Optim)
    schedule: Schedule = field(default_factory=Schedule)
    layers: Layers = field(default_factory=Layers)
    save_every: Annotated[int, Option(help="Steps between checkpoints, besides one an epoch.", min=1), RUNTIME] = 200
    keep: Annotated[int, Option(help="Checkpoints kept.", min=1), RUNTIME] = 2
    log_every: Annotated[int, Option(help="Steps between log lines.", min=1), RUNTIME] = 20
    device: Device = "auto"
