"""What can be told of a pruning before any work: whether it is sound, and what it leaves."""

from __future__ import annotations

from typing import Any

from toolkit.config import changed, leaves
from toolkit.errors import ToolkitError
from toolkit.step import Job
from toolkit.training.config import TrainConfig

FFN, CHANNELS = 0.5, 0.25  # what goes where nothing else is said
TRAINS = {"gradual", "teacher", "temperature", "alpha", *(leaf.name for leaf in leaves(TrainConfig))} - {"max_length"}
NOT_FASTER = "zeros are stored and computed like other numbers, so that nothing is smaller or faster for them alone"


def check_teacher(job: Job, names: list[str], data: Any) -> None:
    """A teacher of the same classes; it reads with its own tokenizer.

    Raises:
        ToolkitError: other classes, other contents, no classifier.
    """
    from toolkit.commands import _models

    teacher = job.inputs.get("teacher")
    if teacher is None:
        return
    own = _models.check(teacher, "prune", data, backends=("torch",))
    if set(own) != set(names):
        odd = sorted(set(own) ^ set(names))
        raise ToolkitError(
            f"--teacher {teacher.given} tells other classes ({', '.join(odd[:5])})",
            "give one trained on the same labels",
        )


def check_options(config: Any) -> None:
    """One target at most, and no amounts beside it; images as the teacher saw them; no training without recovery.

    Raises:
        ToolkitError: other options.
    """
    from toolkit.commands import _training

    targets = [name for name, value in vars(config.target).items() if value is not None]
    amounts = [name for name, value in vars(config.amounts).items() if value is not None]
    given = [f"--{name.replace('_', '-')}" for name in (*targets, *amounts)]
    if len(targets) > 1 or (targets and amounts):
        raise ToolkitError(f"{given[0]} and {given[1]} exclude each other", "give one target, or amounts by hand")
    if targets and not config.sensitivity:
        raise ToolkitError(f"{given[0]} is found by what each part costs", "leave --no-sensitivity out")
    _training.check_taught_images(config.train.images)
    trains = [leaf.flag for leaf in changed(config) if leaf.name in TRAINS]
    if trains and not config.recovery.recover:
        raise ToolkitError(f"{trains[0]} is for training back", "leave --no-recover out")


def check_besides(job: Job) -> dict[str, Any]:
    """What goes besides is of this model; gives the plan's lines about it.

    Raises:
        ToolkitError: a vocabulary that cannot be cut, an option without the one that it belongs to, sharded training.
    """
    from toolkit.artifacts import loading
    from toolkit.artifacts import model as models
    from toolkit.compression import vocabulary
    from toolkit.training import distributed

    asked, given, out = job.config.besides, job.inputs["source"], {}
    defaults = type(asked)()
    for switch, options in (("vocab", ("vocab_min_count", "vocab_common")), ("unstructured", ("unstructured_scope",))):
        odd = [name for name in options if getattr(asked, name) != getattr(defaults, name)]
        if odd and not getattr(asked, switch):
            raise ToolkitError(
                f"--{odd[0].replace('_', '-')} is of --{switch}", f"give --{switch} too, or leave it out"
            )
    assert given.path is not None
    if asked.vocab:
        if models.reads(given.path) != "text":
            raise ToolkitError(f"--vocab: {given.given} reads images", "leave it out")
        tokenizer = loading.load_tokenizer(given.path)
        vocabulary.check(tokenizer)
        if len(tokenizer) <= asked.vocab_common:
            job.warn(
                f"--vocab: the {asked.vocab_common:,} most common pieces stay, and {given.given} has "
                f"{len(tokenizer):,} in all; --vocab-common 0 keeps what train uses alone"
            )
        uses = f"{asked.vocab_min_count} or more uses in train, or among the {asked.vocab_common:,} most common"
        out["vocabulary"] = {"pieces": len(tokenizer), "stays": uses}
    if asked.unstructured:
        if distributed.sharded(job.config.train):
            raise ToolkitError(
                "--unstructured holds whole matrices, and training is sharded", "leave --fsdp and --deepspeed out"
            )
        job.warn(f"--unstructured: {NOT_FASTER}")
        out["zeros"] = asked.unstructured
    return out


def sizes(job: Job) -> tuple[Any, Any]:
    """The sizes of the model given, and those asked for by hand; None where a target decides.

    Raises:
        ToolkitError: an architecture that is not known here, sizes that do not reload, nothing to do.
    """
    from toolkit.artifacts import model as models
    from toolkit.compression import families
    from toolkit.compression.sensitivity import AMOUNTS

    path, asked = job.inputs["source"].path, job.config
    assert path is not None
    family = families.of(models.read_config(path).get("model_type"))
    config = _config(job)
    whole = family.shape(config)
    convolutional = config.model_type == families.RESNET
    if any(value is not None for value in vars(asked.target).values()):
        if 1 in (asked.target.target_speedup, asked.target.target_params):
            raise ToolkitError("nothing to prune: a target of 1 is what the model has", "ask for less than it has")
        if all(to == whole for to in family.grid(config, AMOUNTS)):
            raise ToolkitError(
                "nothing to prune: no part of the model can be smaller", "quantize it, or distill another"
            )
        return whole, None
    alone = all(value is None for value in vars(asked.amounts).values())
    alone &= not asked.besides.vocab and not asked.besides.unstructured
    to = (_channels if convolutional else _parts)(config, asked.amounts, alone)
    if to == whole and not asked.besides.vocab and not asked.besides.unstructured:
        less = "--channels" if convolutional else "--ffn"
        raise ToolkitError(
            "nothing to prune: the amounts leave everything as it is",
            f"give {less} above 0, or {'--layers' if convolutional else '--layers, --heads or --hidden'} below the "
            "model's",
        )
    return whole, to


def _parts(config: Any, amounts: Any, alone: bool) -> Any:
    from toolkit.compression import prune as pruning

    if amounts.channels is not None:
        raise ToolkitError(f"--channels: a {config.model_type} has none", "give --ffn, --layers, --heads or --hidden")
    return pruning.wanted(
        config,
        layers=amounts.layers,
        ffn=FFN if alone else amounts.ffn or 0.0,
        heads=amounts.heads or 0.0,
        hidden=amounts.hidden,
    )


def _channels(config: Any, amounts: Any, alone: bool) -> Any:
    from toolkit.compression import channels

    odd = [name for name in ("ffn", "heads", "hidden") if getattr(amounts, name) is not None]
    if odd:
        raise ToolkitError(f"--{odd[0]}: a {config.model_type} has none", "give --channels or --layers")
    return channels.wanted(config, channels=CHANNELS if alone else amounts.channels or 0.0, blocks=amounts.layers)


def _config(job: Job) -> Any:
    from toolkit.artifacts import loading

    path = job.inputs["source"].path
    assert path is not None
    return loading.load_config(path)


def parameters(job: Job, *found: Any) -> list[int]:
    import transformers

    from toolkit.compression import families

    config = _config(job)
    kind = getattr(transformers, config.architectures[0])
    return [families.of(config.model_type).parameters(kind, config, to) for to in found]
