"""What can be told of a pruning before any work: whether it is sound, and what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.compression.structure import Shape

FFN = 0.5  # what goes where nothing else is said


def check_teacher(job: Job, names: list[str], data: Any) -> None:
    """A teacher of the same classes; it reads with its own tokenizer.

    Raises:
        ToolkitError: other classes, other contents, no classifier.
    """
    from toolkit.commands import _models

    teacher = job.inputs.get("teacher")
    if teacher is None:
        return
    own = _models.check(teacher, "prune --teacher", data, backends=("torch",))
    if set(own) != set(names):
        odd = sorted(set(own) ^ set(names))
        raise ToolkitError(
            f"--teacher {teacher.given} tells other classes ({', '.join(odd[:5])})",
            "give one trained on the same labels",
        )


def check_options(config: Any) -> None:
    """One target at most, and no amounts beside it."""
    targets = [name for name, value in vars(config.target).items() if value is not None]
    amounts = [name for name, value in vars(config.amounts).items() if value is not None]
    given = [f"--{name.replace('_', '-')}" for name in (*targets, *amounts)]
    if len(targets) > 1 or (targets and amounts):
        raise ToolkitError(f"{given[0]} and {given[1]} exclude each other", "give one target, or amounts by hand")
    if targets and not config.sensitivity:
        raise ToolkitError(f"{given[0]} is found by what each part costs", "leave --no-sensitivity out")
    if config.recovery.gradual > 1 and not config.recovery.recover:
        raise ToolkitError("--gradual trains between its rounds", "leave --no-recover out")


def sizes(job: Job) -> tuple[Shape, Shape | None]:
    """The sizes of the model given, and those asked for by hand; None where a target decides.

    Raises:
        ToolkitError: an architecture that is not known here, sizes that do not reload, nothing to do.
    """
    from toolkit.compression import prune as pruning
    from toolkit.compression import structure

    config = _config(job)
    structure.check(config.model_type)
    whole, amounts = structure.shape(config), job.config.amounts
    if any(value is not None for value in vars(job.config.target).values()):
        return whole, None
    alone = all(value is None for value in vars(amounts).values())
    to = pruning.wanted(
        config,
        layers=amounts.layers,
        ffn=FFN if alone else amounts.ffn or 0.0,
        heads=amounts.heads or 0.0,
        hidden=amounts.hidden,
    )
    if to == whole:
        raise ToolkitError(
            "nothing to prune: the amounts leave everything as it is",
            "give --ffn above 0, or --layers, --heads or --hidden below the model's",
        )
    return whole, to


def _config(job: Job) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(job.inputs["source"].path)


def parameters(job: Job, *found: Shape) -> list[int]:
    import transformers

    from toolkit.compression import structure

    config = _config(job)
    kind = getattr(transformers, config.architectures[0])
    return [structure.parameters(kind, config, to) for to in found]
