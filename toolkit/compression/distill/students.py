"""Students that are cut out of a teacher: `layers:3`, `layers:3:top`, `ffn:0.5`, `layers:3+ffn:0.5`; of ResNets
`layers` are blocks, and `channels:0.5` narrows the stages."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from toolkit.errors import ToolkitError

PICKS = ("even", "top", "importance")
CALIBRATION = 512  # rows that tell importance
FORMS = "layers:N, layers:N:top, layers:N:importance, ffn:SHARE (ResNets: channels:SHARE), or both joined by +"


@dataclass(frozen=True)
class Cut:
    """How many layers the student has (None: all), which, and what share of the teacher's neurons or channels."""

    layers: int | None = None
    pick: str = "even"
    ffn: float = 1.0
    channels: float = 1.0


def parse(given: str) -> Cut:
    """
    Raises:
        ToolkitError: it is none of the forms, or leaves nothing.
    """
    found: dict[str, Any] = {}
    for part in given.split("+"):
        name, _, rest = part.partition(":")
        if name in found or name not in ("layers", "ffn", "channels"):
            raise ToolkitError(f"--student {given}: '{part}' is not known", f"write {FORMS}")
        try:
            if name == "layers":
                count, _, pick = rest.partition(":")
                found |= {"layers": int(count), "pick": pick or "even"}
            else:
                found[name] = float(rest)
        except ValueError as e:
            what = "whole number" if name == "layers" else "number"
            raise ToolkitError(f"--student {given}: '{part}' needs a {what}", f"write {FORMS}") from e
    cut = Cut(**found)
    if cut.pick not in PICKS:
        raise ToolkitError(
            f"--student {given}: '{cut.pick}' is no way to pick layers", f"take one of {', '.join(PICKS)}"
        )
    if cut.layers is not None and cut.layers < 1:
        raise ToolkitError(f"--student {given}: a student needs a layer", "ask for 1 or more")
    for what, share in (("neurons", cut.ffn), ("channels", cut.channels)):
        if not 0 < share <= 1:
            raise ToolkitError(f"--student {given}: the share of {what} is above 0 and at most 1", "0.5 keeps half")
    return cut


def check(given: str, config: dict[str, Any]) -> tuple[int, int]:
    """Whether the teacher of this config has such a part; the layers whose states can be compared, of both.

    Raises:
        ToolkitError: it has not, its architecture is not known, or the part is the whole.
    """
    from toolkit.compression import families

    cut = parse(given)
    try:
        families.of(config.get("model_type"))
    except ToolkitError as e:
        raise ToolkitError(f"--student {given}: {e.message}", "give another model, or builtin:NAME") from e
    return (_check_resnet if config["model_type"] == families.RESNET else _check_encoder)(given, cut, config)


def _check_encoder(given: str, cut: Cut, config: dict[str, Any]) -> tuple[int, int]:
    from toolkit.compression import prune, structure

    whole = structure.told(config)
    if cut.channels < 1:
        raise ToolkitError(f"--student {given}: a {config['model_type']} has no channels", "write ffn:SHARE")
    if cut.layers is not None and cut.layers > whole.layers:
        raise ToolkitError(f"--student {given}: the teacher has {whole.layers} layers", "ask for 1 to that many")
    if cut.layers in (None, whole.layers) and prune.part(whole.ffn, cut.ffn) == whole.ffn:
        raise ToolkitError(f"--student {given}: that is all of the teacher", "ask for fewer layers, or ffn below 1")
    return cut.layers or whole.layers, whole.layers


def _check_resnet(given: str, cut: Cut, config: dict[str, Any]) -> tuple[int, int]:
    from transformers import ResNetConfig

    from toolkit.compression import channels

    own = ResNetConfig.from_dict(config)
    whole, stages = channels.shape(own), len(own.depths)
    if cut.ffn < 1:
        raise ToolkitError(f"--student {given}: a resnet has no feed-forward neurons", "write channels:SHARE")
    if cut.layers is not None and not stages <= cut.layers <= whole.blocks:
        raise ToolkitError(
            f"--student {given}: the teacher has {whole.blocks} blocks in {stages} stages, and the first of each stays",
            f"ask for {stages} to {whole.blocks}",
        )
    if channels.wanted(own, channels=1 - cut.channels, blocks=cut.layers) == whole:
        raise ToolkitError(f"--student {given}: that is all of the teacher", "ask for fewer blocks or channels")
    return stages, stages


def made(teacher: Any, given: str, task: Any, rows: list[dict[str, Any]]) -> Any:
    """The student, its weights the teacher's (as in Sanh et al., 2019).

    Args:
        task: of the teacher. rows: encoded and labelled; they tell importance.
    """
    from toolkit.compression import families

    batches = [task.collate(rows[i : i + 32]) for i in range(0, len(rows), 32)]
    cut_out = _resnet if teacher.config.model_type == families.RESNET else _encoder
    return cut_out(copy.deepcopy(teacher), parse(given), task, batches)


def _encoder(student: Any, cut: Cut, task: Any, batches: list[Any]) -> Any:
    from toolkit.compression import importance, prune, structure

    depth = len(structure.layers(student))
    count = cut.layers or depth
    if cut.pick == "importance":
        gone = {number for number, _ in importance.least_important_layers(student, task, batches, depth - count)}
        kept = [number for number in range(depth) if number not in gone]
    else:
        kept = structure.evenly(depth, count) if cut.pick == "even" else list(range(depth - count, depth))
    structure.keep_layers(student, kept)
    if cut.ffn < 1:
        width = structure.ffn(student, structure.layers(student)[0])[0].out_features
        most = prune.part(width, cut.ffn)
        scores = importance.measured(student, task, batches, "taylor").ffn
        structure.keep_ffn(student, [score.argsort(descending=True)[:most].tolist() for score in scores])
    return student


def _resnet(student: Any, cut: Cut, task: Any, batches: list[Any]) -> Any:
    """Of the blocks that may go: the first of a stage, which changes width and resolution, stays."""
    from toolkit.compression import channel_importance, channels, resnets, structure

    to = channels.wanted(student.config, channels=1 - cut.channels, blocks=cut.layers)
    free = [(s, b) for s, depth in enumerate(student.config.depths) for b in range(1, depth)]
    count = channels.shape(student.config).blocks - to.blocks
    kept = structure.evenly(len(free), len(free) - count) if cut.pick == "even" else range(count, len(free))
    order = [{"stage": s, "layer": b} for i, (s, b) in enumerate(free) if i not in kept]
    stays = resnets.choose(student, task, batches, to, "taylor", None if cut.pick == "importance" else order)
    channels.apply(student, stays)
    channel_importance.settle(student, task, batches)
    return student
