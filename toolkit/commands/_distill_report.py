"""What the report of `distill` says of student and teacher."""

from __future__ import annotations

from typing import Any

SHOWN = {
    "accuracy": "accuracy",
    "parameters": "parameters",
    "size_bytes": "bytes",
    "samples_per_second": "samples a second at batch 32",
    "latency_ms": "median latency at batch 1 (ms)",
}


def lead(figures: dict[str, Any]) -> str:
    """The outcome in a sentence; `figures` hold the model's sizes by now."""
    student, teacher = figures["student"] | figures["model"], figures["teacher"]
    apart = figures["comparison"]["accuracy_difference"]
    times = student["samples_per_second"] / teacher["samples_per_second"]
    return (
        f"The student has {student['parameters'] / teacher['parameters']:.0%} of the teacher's parameters and answers "
        f"{times:.1f} times as many rows a second; its accuracy differs from the teacher's by {apart['value']:+.2%} "
        f"(95% interval {apart['low']:+.2%} to {apart['high']:+.2%})."
    )


def against_teacher(figures: dict[str, Any]) -> dict[str, Any]:
    """Lead, card and section, as `_trained.write` takes them."""
    student, teacher, found = figures["student"] | figures["model"], figures["teacher"], figures["comparison"]
    apart, agreement = found["accuracy_difference"], found["agreement"]
    ratio = {key: f"{student[key] / teacher[key]:.2f}" if teacher[key] else "" for key in SHOWN}
    rows = [[name, teacher[key], student[key], ratio[key]] for key, name in SHOWN.items()]
    rows += [["accuracy, student - teacher", None, apart, ""], ["rows on which both agree", None, agreement, ""]]
    note = f"On {figures['validation']['rows']} rows of validation; the interval of the difference is paired."
    if weights := teacher.get("weights"):
        told = ", ".join(f"{name} ({weight:.2f})" for name, weight in weights.items())
        note += f" The teacher is the weighted mean of {told}."
    table = {"columns": ["figure", "teacher", "student", "student / teacher"], "rows": rows, "note": note}
    card = {"label": "agreement", "value": agreement["value"], "note": "of student and teacher, on validation"}
    return {"lead": lead(figures), "cards": [card], "sections": [{"title": "Student and teacher", "table": table}]}
