"""A smaller model against the one it came from: accuracy on the same rows, speed in turns."""

from __future__ import annotations

from typing import Any

from toolkit import cpu
from toolkit.evaluation import metrics, paired
from toolkit.inference import timing

STORED = ("weights", "fp16", "bf16")  # methods of `quantize` after which float32 is computed in
INSTRUCTIONS = {"VNNI", "AMX", "I8MM"}  # of INT8
SMALL = 5_000_000  # parameters
LONG = 256  # tokens


def compare(pair: dict[str, Any], contents: list[Any], labels: list[Any], batch_size: int) -> dict[str, Any]:
    """Accuracy (paired), flips, speed and latency of two predictors on the same rows, timed in turns.

    Args:
        labels: class numbers, or lists of them where the predictors tell several classes a row: of such a row all
            have to be right.
    """
    predicted = {
        name: metrics.predicted(p.probabilities(contents, batch_size, f"predicting ({name})"), p.several)
        for name, p in pair.items()
    }
    right = {
        name: metrics.agree(predicted[name], metrics.coded(labels, len(p.names), p.several)) for name, p in pair.items()
    }
    speed = timing.measure(pair, contents, batch_size)
    figures: dict[str, Any] = {name: {"accuracy": float(right[name].mean()), **speed[name]} for name in pair}
    first, second = pair
    figures["comparison"] = {
        "accuracy_drop": paired.difference(right[second], right[first]),
        "flipped": float((~metrics.agree(predicted[first], predicted[second])).mean()),
        "speedup": speed[second]["samples_per_second"] / speed[first]["samples_per_second"],
        "latency_ratio": speed[first]["latency_ms"]["p50"] / speed[second]["latency_ms"]["p50"],
    }
    return figures


def slow_reason(method: str, parameters: int, tokens: float | None = None) -> str:
    """Why a model quantized by a method may not be faster on this machine.

    Args:
        parameters: of the model.
        tokens: that a row has on average, where it is a text.
    """
    if method in STORED:
        return f"{method} makes what is stored smaller; it is computed in float32 as before"
    if not INSTRUCTIONS & {*cpu.units()}:
        return "the processor has no instructions for it (VNNI, AMX; i8mm of ARM)"
    if parameters < SMALL:
        return (
            f"the model is small ({parameters:,} parameters): what is around its matrix products takes most of the time"
        )
    if tokens is not None and tokens > LONG:
        return f"the texts are long ({tokens:.0f} tokens on average): attention takes most of the time"
    return "what is around the matrix products (attention, normalisation, copies) takes most of the time: profile it"
