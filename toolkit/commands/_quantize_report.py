"""What `quantize` tells: a table, a report and a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.artifacts import model as models
from toolkit.commands import _training_report
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.commands._quantize_plan import Found

RUN = {
    "openvino": "Run it with `toolkit predict DIR --data …`, OpenVINO or optimum-intel.",
    "onnx": "Run it with `toolkit predict DIR --data …` or ONNX Runtime.",
    "torch": "Run it with `toolkit predict DIR --data …`.",
}


def _rows(figures: dict[str, Any]) -> list[list[str]]:
    """The comparison as a table's rows: figure, input, quantized."""
    from toolkit.reports import side_by_side

    flipped = ["predictions flipped", "", f"{figures['comparison']['flipped']:.2%}"]
    return [*side_by_side.rows(figures["input"], figures["quantized"]), flipped]


def measured_on(figures: dict[str, Any]) -> str:
    """Which rows the figures are of."""
    on = figures["measured_on"]
    chosen = f"; {on['chosen_on']} other rows of it were chosen by" if "chosen_on" in on else ""
    return f"{on['rows']} rows of {on['split']}{chosen}"


def tell(job: Job, figures: dict[str, Any]) -> None:
    """The table, and why it is slower where it is."""
    from toolkit.compression import measure

    comparison, made = figures["comparison"], figures["quantization"]
    drop = comparison["accuracy_drop"]
    title = (
        f"{comparison['speedup']:.2f} times the samples a second, accuracy lost {drop['value']:.4f} "
        f"(95% interval {drop['low']:.4f} to {drop['high']:.4f}) on {measured_on(figures)}"
    )
    console.table(title, ("figure", "input", "quantized"), _rows(figures))
    if comparison["speedup"] < 1:
        tokens = figures["measured_on"].get("tokens")
        reason = measure.slow_reason(made["method"], figures["model"]["parameters"], tokens)
        job.warn(f"it is slower than the input model here ({comparison['speedup']:.2f} times): {reason}")


def card(given: str, found: Found, figures: dict[str, Any], warnings: list[str], lines: list[str]) -> str:
    """The model card, `lines` at its end."""
    made = figures["quantization"]
    kept = made.get("float_layers")
    groups = {
        "quantization": {name: value for name, value in made.items() if name != "float_layers"},
        "comparison": {name: value for name, value in figures["comparison"].items() if name != "flipped"},
        "model": figures["model"],
    }
    flat = _training_report.told(groups) | ({} if kept is None else {"layers in float": ", ".join(kept) or "none"})
    side = "".join(f"| {' | '.join(row)} |\n" for row in _rows(figures))
    beside = f"On {measured_on(figures)}:\n\n| figure | input | quantized |\n|---|---|---|\n{side}"
    title = f"{given}, {found.method} {found.bits} bits"
    warned = [f"Note: {warning}.\n" for warning in warnings]
    told = [beside, *warned, RUN[made["backend"]], *lines]
    return models.card(title, f"{found.kind}-classification", found.names, flat, told)


def page(job: Job, figures: dict[str, Any]) -> dict[str, Any]:
    """The report: input against quantized, and how it was made."""
    comparison, made = figures["comparison"], figures["quantization"]
    drop = comparison["accuracy_drop"]
    kept = made.get("float_layers")
    return {
        "title": "Quantization report",
        "kicker": "toolkit quantize",
        "lead": "\n\n".join(
            [
                f"{comparison['speedup']:.2f} times the samples a second, {comparison['size_ratio']:.0%} of the size, "
                f"accuracy lost {drop['value']:.4f} (95% interval {drop['low']:.4f} to {drop['high']:.4f}).",
                *(f"Note: {warning}." for warning in job.warnings),
            ]
        ),
        "lang": "en",
        "cards": [
            {"label": "speed-up", "value": f"{comparison['speedup']:.2f}×", "note": "batch 32"},
            {"label": "size", "value": f"{comparison['size_ratio']:.0%}", "note": "of the input model"},
            {"label": "predictions flipped", "value": f"{comparison['flipped']:.2%}", "note": ""},
        ],
        "sections": [
            {
                "title": "Side by side",
                "text": f"On {measured_on(figures)}. Timed in turns in one process; the median round counts.",
                "table": {
                    "columns": ["figure", "input", "quantized"],
                    "rows": _rows(figures),
                },
            },
            {
                "title": "Method",
                "text": f"{made['method']}, {made['bits']} bits, for {made['backend']}."
                + (f" Layers left in float: {', '.join(kept) or 'none'}." if kept is not None else ""),
            },
        ],
        "footer": job.footer(),
    }
