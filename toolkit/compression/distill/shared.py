"""How a teacher reads what a student reads: the same tokens or pixels, under the numbers that the teacher knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from toolkit.errors import ToolkitError

Translate = Callable[[dict[str, Any]], dict[str, Any]]  # the student's inputs -> the teacher's


def translation(student: Any, teacher: Any, pairs: bool) -> Translate:
    """Between two readers.

    A student's vocabulary may be a part of the teacher's, under other numbers (`prune --vocab`): the teacher then reads
    the student's tokens.

    Args:
        pairs: whether rows are pairs of texts.

    Raises:
        ToolkitError: they cannot read the same.
    """
    if student.kind == "image":
        return of_pixels(student, teacher)
    if pairs and student.types != teacher.types:
        raise ToolkitError("student and teacher mark the two texts of a pair in different ways", _hint())
    if student.max_length > teacher.max_length:
        longest = f"the student reads {student.max_length} tokens, the teacher {teacher.max_length}"
        raise ToolkitError(longest, f"add --max-length {teacher.max_length}")
    own, known = (reader.processor.get_vocab() for reader in (student, teacher))
    lacking = sorted(own.keys() - known.keys())
    if lacking:
        some = ", ".join(map(repr, lacking[:3]))
        raise ToolkitError(
            f"the student's tokenizer has {len(lacking)} of {len(own)} tokens that the teacher's has not ({some})",
            _hint(),
        )
    if own == known:
        return lambda inputs: inputs
    numbers = torch.zeros(max(own.values()) + 1, dtype=torch.int64)
    for token, number in own.items():
        numbers[number] = known[token]
    return lambda inputs: inputs | {"input_ids": numbers.to(inputs["input_ids"].device)[inputs["input_ids"]]}


def of_mixed(student: Any, teacher: Any) -> Translate:
    """Between two readers of images, of which each sees two.

    Raises:
        ToolkitError: they cannot read the same.
    """
    try:
        return of_pixels(student, teacher)
    except ToolkitError as e:
        hint = "leave --mixup and --cutmix out"
        raise ToolkitError(f"a teacher cannot judge mixed images: {e.message}", hint) from e


def of_pixels(student: Any, teacher: Any) -> Translate:
    """Between two readers of images.

    Raises:
        ToolkitError: images of other sizes.
    """
    if student.shape != teacher.shape:
        sizes = ["{1} x {0} pixels, {2} channels".format(*reader.shape) for reader in (student, teacher)]
        raise ToolkitError(f"the student reads images of {sizes[0]}, the teacher of {sizes[1]}", _hint())
    channels = student.shape[-1]
    (factor, offset), (to_factor, to_offset) = (
        [torch.from_numpy(part[:channels])[:, None, None] for part in (reader.factor, reader.offset)]
        for reader in (student, teacher)
    )
    if torch.equal(factor, to_factor) and torch.equal(offset, to_offset):
        return lambda inputs: inputs
    ratio = to_factor / factor
    shift = to_offset - offset * ratio

    def translate(inputs: dict[str, Any]) -> dict[str, Any]:
        pixels = inputs["pixel_values"]
        return inputs | {"pixel_values": pixels * ratio.to(pixels.device) + shift.to(pixels.device)}

    return translate


def _hint() -> str:
    return "leave out --hidden-weight, --attention-weight and --embedding-weight, or take a student that reads alike"
