"""The curves of a training, from the lines of its `metrics.jsonl`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from toolkit.reports import curves

HEALTHY = (1e-3, 1e-1)  # of a group's gradient norm
Line = Mapping[str, float]  # a line of metrics.jsonl


def series(lines: Sequence[Line], key: str) -> list[float]:
    """A figure at each line, NaN where it was not measured."""
    return [line.get(key, math.nan) for line in lines]


def groups(lines: Sequence[Line], prefix: str) -> dict[str, list[float]]:
    """The figures `prefix/GROUP` of each group of layers, in the order of the layers."""
    order = ("embeddings", "model", "layer", "head")
    found = {key for line in lines for key in line if key.startswith(f"{prefix}/")}
    names = sorted((key.partition("/")[2] for key in found), key=lambda name: (_place(name, order), _number(name)))
    return {name: series(lines, f"{prefix}/{name}") for name in names}


def _place(name: str, order: Sequence[str]) -> int:
    return next((i for i, start in enumerate(order) if name.startswith(start)), len(order))


def _number(name: str) -> int:
    digits = name.rpartition(".")[2].partition("-")[0]
    return int(digits) if digits.isdigit() else 0


def sections(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The report's sections on a training: how it learned, how healthy it was, how fast."""
    steps = [float(line["step"]) for line in lines]

    def drawn(name: str, caption: str, values: Mapping[str, list[float]], ylabel: str, **how: Any) -> list[Any]:
        there = {key: found for key, found in values.items() if any(map(math.isfinite, found))}
        if not there:
            return []
        return [
            {
                "name": name,
                "caption": caption,
                "figure": curves.line(steps, there, xlabel="step", ylabel=ylabel, **how),
            }
        ]

    told = {key.removeprefix("eval_"): series(lines, key) for key in _validation(lines)}
    rates = groups(lines, "learning_rate") or {"all": series(lines, "learning_rate")}
    saturated = {
        name: found for name, found in groups(lines, "activation_saturated").items() if any(v > 0 for v in found)
    }
    learned = [
        *drawn("loss", "Loss", {"train": series(lines, "loss"), "validation": series(lines, "eval_loss")}, "loss"),
        *drawn("validation", "Figures on validation", told, "share"),
        *drawn("rate", "Learning rate", rates, "rate"),
    ]
    healthy = [
        *drawn(
            "gradients",
            "Norm of the gradients before clipping",
            {"all": series(lines, "grad_norm")} | groups(lines, "grad_norm"),
            "norm",
            log_y=True,
            band=HEALTHY,
            band_name="healthy",
        ),
        *drawn(
            "updates",
            "A step's change of the weights, as a share of their norm",
            groups(lines, "update_ratio"),
            "change / weights",
            log_y=True,
        ),
        *drawn("activations", "Standard deviation of the outputs", groups(lines, "activation_std"), "std", log_y=True),
        *drawn("saturated", "Units where the activation function is flat", saturated, "share"),
    ]
    fast = [
        *drawn("speed", "Rows a second", {"rows": series(lines, "samples_per_second")}, "rows a second"),
        *drawn("memory", "Memory", _memory(lines), "MB"),
        *drawn("gpu", "Use of the GPU", {"use": series(lines, "gpu/use")}, "share"),
        *drawn(
            "pcie",
            "Traffic with the GPU",
            {
                "to the GPU": series(lines, "gpu/pcie_received_mb_per_second"),
                "from it": series(lines, "gpu/pcie_sent_mb_per_second"),
            },
            "MB a second",
        ),
    ]
    explained = (
        f"A group's gradient norm is healthy from {HEALTHY[0]:g} to {HEALTHY[1]:g}: below, its layers hardly learn; "
        "above, clipping decides. Changes of about a thousandth of the weights a step are usual."
    )
    found: list[dict[str, Any]] = [
        {"title": "Learning", "figures": learned},
        {"title": "Health", "text": explained, "figures": healthy, "table": table(lines)},
        {"title": "Speed and memory", "figures": fast},
    ]
    return [section for section in found if section["figures"]]


def _validation(lines: Sequence[Line]) -> list[str]:
    """The figures of validation that are shares."""
    found = dict.fromkeys(key for line in lines for key in line if key.startswith("eval_"))
    left_out = ("loss", "runtime", "per_second")
    return [key for key in found if not key.endswith(left_out)]


def _memory(lines: Sequence[Line]) -> dict[str, list[float]]:
    names = {"process": "memory/process_mb", "GPU": "memory/gpu_mb", "GPU, at most": "memory/gpu_peak_mb"}
    return {name: series(lines, key) for name, key in names.items()}


def table(lines: Sequence[Line]) -> dict[str, Any]:
    """A row a group of layers: medians over the logged steps."""
    gradients = groups(lines, "grad_norm")
    others = [groups(lines, name) for name in ("update_ratio", "updated", "activation_std", "activation_zeros")]
    rows = []
    for name in dict.fromkeys([*gradients, *(key for found in others for key in found)]):
        norms = [v for v in gradients.get(name, []) if math.isfinite(v)]
        inside = sum(HEALTHY[0] <= v <= HEALTHY[1] for v in norms) / len(norms) if norms else None
        rows.append([name, _median(norms), {"share": inside}, *(_median(found.get(name, [])) for found in others)])
    columns = ["layers", "gradient norm", "healthy", "change / weights", "weights changed", "output std", "zeros"]
    return {"columns": columns, "rows": rows, "note": "Medians over the logged steps."}


def _median(values: Sequence[float]) -> float | None:
    known = [v for v in values if math.isfinite(v)]
    return median(known) if known else None
