"""What the new rows bring: the classes that they make up, and `--check`."""

from __future__ import annotations

import math
from typing import Any

from toolkit.commands._augment_plan import first_codes, wish
from toolkit.commands._augment_resources import kind
from toolkit.step import Job


def gain(job: Job, train: Any, children: Any, grown: Any) -> dict[str, dict[str, Any]]:
    """What the new rows bring to the built-in linear model (all, and each method's), and to `--model`.

    Args:
        train, children: tables. grown: the splits, the children in train.
    """
    from toolkit.data.augment import check, grow

    originals = train.filter(grow.parents(train, first_codes(train), None))
    found = check.gains(kind(job), originals, children, first_codes(originals), job.config.seed)
    if job.inputs.get("model") is not None:
        found["model"] = _of_model(job, children, grown)
    return found


def _of_model(job: Job, children: Any, grown: Any) -> dict[str, Any]:
    from toolkit.commands import _training
    from toolkit.data import split
    from toolkit.training import gain
    from toolkit.training.config import MAX_LENGTH, TrainConfig

    model, seed = job.inputs["model"], job.config.seed
    if "validation" not in grown:
        grown = split.with_validation(grown, _training.VALIDATION_SHARE, seed)
    grown, names = _training.in_model_order(grown, model, job.config.source)
    new = set(children.column("id").to_pylist())
    mask = [id_ in new for id_ in grown["train"]["id"]]
    more, own = (grown["train"].select([i for i, m in enumerate(mask) if m == wanted]) for wanted in (True, False))
    return gain.gain(
        lambda number: _training.load_given(model, names, own, number, MAX_LENGTH),
        own,
        more,
        grown["validation"],
        TrainConfig(device=job.config.device),
        job.work / "check",
        seed=seed,
        scratch=model.path is None,
    )


def classes(train: Any, grown: Any, names: list[str]) -> dict[str, dict[str, int]]:
    """Rows of each class before and after; a row of several classes counts in each."""
    before, after = _sizes(train, len(names)), _sizes(grown["train"].with_format("arrow")[:], len(names))
    return {name: {"in": a, "out": b} for name, a, b in zip(names, before, after, strict=True)}


def _sizes(table: Any, many: int) -> list[int]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column("label")
    codes = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    sizes: list[int] = np.bincount(codes.to_numpy(), minlength=many).tolist()
    return sizes


def lacking(job: Job, sizes: dict[str, dict[str, int]]) -> list[str]:
    """The classes that `--target-ratio` did not make up, with their rows."""
    wished = wish(job)
    if wished.ratio is None or wished.max_rows is not None:
        return []
    least = math.ceil(max(found["out"] for found in sizes.values()) / wished.ratio)
    return [
        f"{name} ({found['out']} of {least})"
        for code, (name, found) in enumerate(sizes.items())
        if found["out"] < least and (wished.only is None or code in wished.only)
    ]
