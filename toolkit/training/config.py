"""The options that every training command shares; light, since the command line reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from typer import Option

from toolkit.config import RUNTIME, Bounds, Input, changed, leaves, value_of
from toolkit.errors import ToolkitError

# What `None` stands for, by where the weights come from.
LR = {
    "adamw": {"pretrained": 5e-5, "scratch": 5e-4},
    "sgd": {"pretrained": 1e-2, "scratch": 5e-2},
    "adafactor": {"pretrained": 5e-4, "scratch": 5e-3},
    "lion": {"pretrained": 1e-5, "scratch": 1e-4},
}
BETA2 = {"adamw": 0.999, "lion": 0.99}
MAX_LENGTH = 128
# Pretrained models of texts that are narrower than BERT base: the middle of 3e-5 to 3e-4, which its authors search
# for smaller models (README of google-research/bert), is twice the base size's.
WIDE, NARROW = 768, 2.0
CONVOLUTION_LR = {("adamw", "scratch"): 2e-3}  # where image models without attention want another
CROP = {"pretrained": 1.0, "scratch": 0.5}
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

# Options that do something under some choices of another alone.
READ_WITH = {
    "momentum": ("optimizer", ("sgd",)),
    "beta1": ("optimizer", ("adamw", "lion")),
    "beta2": ("optimizer", ("adamw", "lion")),
    "max_grad_norm": ("clip", ("norm",)),
    "clip_factor": ("clip", ("adaptive",)),
    "floor": ("scheduler", ("linear", "cosine", "restarts", "plateau")),
    "cycle": ("scheduler", ("restarts",)),
    "cycle_growth": ("scheduler", ("restarts",)),
    "plateau_patience": ("scheduler", ("plateau",)),
    "plateau_factor": ("scheduler", ("plateau",)),
}

# What may differ when a training that stopped because it was not finite goes on from its last checkpoint.
ADJUSTABLE = (
    "lr", "weight_decay", "momentum", "beta1", "beta2", "clip", "max_grad_norm", "clip_factor",
    "warmup", "scheduler", "floor", "cycle", "cycle_growth", "plateau_patience", "plateau_factor",
    "dropout", "hidden_dropout", "attention_dropout", "classifier_dropout", "drop_path", "label_smoothing", "r_drop",
    "precision", "attention", "compile", "tf32",
)  # fmt: skip


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
        float | None,
        Option(
            help="Peak learning rate.",
            min=0.0,
            show_default="5e-5, 1e-4 of narrow text models; 5e-4 from scratch, 2e-3 of convolutions (adamw)",
        ),
    ] = None
    find_lr: Annotated[bool, Option(help="Find the rate by a short run with a growing one.")] = False
    weight_decay: Annotated[float, Option(help="Decay of weights; biases and norms have none.", min=0.0)] = 0.01
    accumulate: Annotated[int, Option(help="Batches a step: their gradients are averaged.", min=1)] = 1
    clip: Annotated[
        Literal["norm", "adaptive", "none"], Option(help="Gradients are cut to a norm, or to a share of their weights.")
    ] = "norm"
    momentum: Annotated[float, Bounds(0, 1)] = 0.9
    beta1: Annotated[float, Bounds(0, 0.999999)] = 0.9
    beta2: Annotated[float | None, Bounds(0, 0.999999)] = None  # 0.999; lion 0.99
    max_grad_norm: Annotated[float, Bounds(0)] = 1.0  # of --clip norm; 0: none
    clip_factor: Annotated[float, Bounds(0)] = 0.01  # of --clip adaptive


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate over the steps."""

    warmup: Annotated[float, Option(help="Share of the steps in which the rate rises.", min=0.0, max=0.9)] = 0.05
    scheduler: Annotated[
        Literal["linear", "cosine", "restarts", "plateau", "constant"],
        Option(help="How the rate falls; plateau: when validation gets no better."),
    ] = "linear"
    cycle: Annotated[float, Bounds(0.001, 1)] = 1 / 3  # restarts: share of the steps of the first cycle (T_0)
    cycle_growth: Annotated[float, Bounds(1)] = 2.0  # how many times as long each next cycle is (T_mult)
    floor: Annotated[float, Bounds(0, 1)] = 0.0  # share of the peak rate that it never falls below (eta_min)
    plateau_patience: Annotated[int, Bounds(0)] = 1  # evaluations without gain before it cuts the rate
    plateau_factor: Annotated[float, Bounds(0, 1)] = 0.5  # what it multiplies the rate by


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Which layers learn when, and how fast."""

    stages: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help="auto, head-first, three-phase, head-then-top, gradual, or a file.",
            show_default="none",
        ),
        Input(
            "file",
            literal="none|auto|head-first|three-phase|head-then-top|gradual",
            forms="write none, auto, head-first, three-phase, head-then-top or gradual",
        ),
    ] = None
    layer_decay: Annotated[
        float, Option(help="What a layer's rate is multiplied by for each layer above it.", min=0.01, max=1.0)
    ] = 1.0


@dataclass(frozen=True, kw_only=True)
class Regularise:
    """What keeps a model from learning its rows by heart, or its frequent classes alone."""

    dropout: Annotated[
        float | None,
        Option(help="Dropout of hidden states, attention and head.", min=0.0, max=0.9, show_default="the model's"),
    ] = None
    layer_drop: Annotated[float, Option(help="How often a layer is left out of a step.", min=0.0, max=0.9)] = 0.0
    label_smoothing: Annotated[
        float, Option(help="Share of each label that is spread over all classes.", min=0.0, max=0.9)
    ] = 0.0
    r_drop: Annotated[
        float,
        Option(help="Answer each row twice, with other dropouts; weight of how far the two lie apart.", min=0.0),
    ] = 0.0
    class_weights: Annotated[
        Literal["none", "balanced"], Option(help="balanced: each class counts as much in the loss as any other.")
    ] = "none"
    oversample: Annotated[
        float, Option(help="0: rows as often as they are; 1: classes equally often; or between.", min=0.0, max=1.0)
    ] = 0.0
    patience: Annotated[
        int, Option(help="Epochs without a better validation figure before it stops; 0: never.", min=0)
    ] = 3
    hidden_dropout: Annotated[float | None, Bounds(0, 0.9)] = None  # these go before `dropout`
    attention_dropout: Annotated[float | None, Bounds(0, 0.9)] = None
    classifier_dropout: Annotated[float | None, Bounds(0, 0.9)] = None
    drop_path: Annotated[float | None, Bounds(0, 0.9)] = None  # of architectures that have it (stochastic depth)
    layer_drops: Annotated[list[float] | None, Bounds(0, 1)] = None  # a layer each, or stretched over them
    layer_drop_grows: bool = False  # from 0 below the first layer to `layer_drop` at the last
    weights: Annotated[dict[str, float] | None, Bounds(0)] = None  # of classes by name; others weigh 1


@dataclass(frozen=True, kw_only=True)
class Images:
    """How images are read and varied; of texts nothing here may be asked for."""

    resolution: Annotated[
        int | None, Option(help="Pixels a side, a multiple of 32.", min=32, show_default="the model's; builtin: 64")
    ] = None
    flip: Annotated[bool, Option(help="Mirror every other image, drawn anew each time.")] = False
    crop: Annotated[
        float | None,
        Option(
            help="Least share of an image that is seen, drawn anew each time; 1: all.",
            min=0.01,
            max=1.0,
            show_default="1; 0.5 from scratch",
        ),
    ] = None
    mixup: Annotated[float, Option(help="Mix each image with another: alpha of the shares; 0: none.", min=0.0)] = 0.0
    cutmix: Annotated[
        float, Option(help="Paste a box of another image: alpha; with --mixup, one is drawn a batch.", min=0.0)
    ] = 0.0


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
    metric: Annotated[
        Literal["accuracy", "f1_macro", "f1_micro", "loss", "perplexity"] | None,
        Option(
            help="Validation figure that picks the best weights; f1_micro: of rows with several classes.",
            show_default="accuracy; masked-lm: loss",
        ),
    ] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], Option(help="Number format; auto: bf16 where it is native.")
    ] = "auto"
    attention: Annotated[
        Literal["auto", "sdpa", "eager", "flash"], Option(help="How attention is computed; auto: sdpa where it can.")
    ] = "auto"
    compile: Annotated[bool, Option(help="Compile the model with torch.compile.")] = False
    tf32: bool | None = None  # where a GPU has it
    checkpoint_activations: Annotated[
        bool, Option(help="Compute activations twice rather than keep them: less memory.")
    ] = False
    optim: Optim = field(default_factory=Optim)
    schedule: Schedule = field(default_factory=Schedule)
    layers: Layers = field(default_factory=Layers)
    regularise: Regularise = field(default_factory=Regularise)
    images: Images = field(default_factory=Images)
    save_every: Annotated[int, Option(help="Steps between checkpoints, besides one an epoch.", min=1), RUNTIME] = 200
    keep: Annotated[int, Option(help="Checkpoints kept.", min=1), RUNTIME] = 2
    log_every: Annotated[int, Option(help="Steps between log lines.", min=1), RUNTIME] = 20
    device: Device = "auto"
    fsdp: Annotated[bool, Option(help="Shard model and optimizer over the processes (FSDP2; GPUs).")] = False
    deepspeed: Annotated[
        str | None,
        Option(metavar="FILE", help="Shard as this DeepSpeed config says (ZeRO; JSON).", show_default="none"),
        Input("file"),
    ] = None


def check(config: TrainConfig) -> None:
    """What excludes each other.

    Raises:
        ToolkitError: two options that do.
    """
    if config.optim.find_lr and config.optim.lr is not None:
        raise ToolkitError("--find-lr and --lr exclude each other", "give one of them")
    if config.regularise.weights and config.regularise.class_weights != "none":
        raise ToolkitError("--class-weights and regularise.weights exclude each other", "give one of them")
    if config.regularise.layer_drops and config.regularise.layer_drop:
        raise ToolkitError("--layer-drop and regularise.layer_drops exclude each other", "give one of them")


def unread(config: TrainConfig, searched: Collection[str] = ()) -> list[str]:
    """A line for each option that was given and that another leaves without a meaning.

    Args:
        searched: options that have other values too.
    """
    values = {leaf.name: value_of(config, leaf) for leaf in leaves(TrainConfig)}
    given = [(leaf, *READ_WITH[leaf.name]) for leaf in changed(config) if leaf.name in READ_WITH]
    return [
        f"{leaf.flag} changes nothing: it is of --{by} {' or '.join(choices)}, not of {values[by]}"
        for leaf, by, choices in given
        if values[by] not in choices and by not in searched
    ]


def settled(config: TrainConfig, started: str, model: Any, kind: str) -> TrainConfig:
    """The config with the epochs, the rate and the crop that `None` stands for.

    Args:
        started: where the weights come from, "pretrained" or "scratch". kind: what the model reads, "text" or "image".
    """
    optim, images = config.optim, config.images
    lr, epochs = optim.lr, EPOCHS[started] if config.epochs is None else config.epochs
    if lr is None:
        lr = LR[optim.optimizer][started]
        if kind == "text" and started == "pretrained" and 0 < width(model.config.to_dict()) < WIDE:
            lr *= NARROW
        if kind == "image" and not any("attention" in name for name, _ in model.named_modules()):
            lr = CONVOLUTION_LR.get((optim.optimizer, started), lr)
    if kind == "image":
        images = varied(images, started)
    return replace(config, epochs=epochs, optim=replace(optim, lr=lr), images=images)


def width(told: Mapping[str, Any]) -> int:
    """The hidden size that a model's config tells; 0 where it tells none."""
    return next((told[key] for key in ("hidden_size", "dim", "d_model", "n_embd") if isinstance(told.get(key), int)), 0)


def varied(images: Images, started: str) -> Images:
    """With the crop that `None` stands for."""
    return replace(images, crop=CROP[started]) if images.crop is None else images
