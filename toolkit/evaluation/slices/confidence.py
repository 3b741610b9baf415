"""Strata of confidence, and whether it can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.evaluation.slices.family import slice_of

HIGH, LOW = 0.9, 0.5
SURE = 2.58  # standard deviations beyond which confidence and share right differ (99%)
MATTERS = 0.02  # and by how much at least


def strata(wrong: Any, confidence: Any) -> list[dict[str, Any]]:
    """High (above 0.9: the model is sure), middle, low (below 0.5)."""
    parts = {
        f"high (> {HIGH})": confidence > HIGH,
        f"middle ({LOW} to {HIGH})": (confidence >= LOW) & (confidence <= HIGH),
        f"low (< {LOW})": confidence < LOW,
    }
    return [slice_of("confidence", name, wrong, member) for name, member in parts.items()]


def overconfidence(wrong: Any, confidence: Any) -> dict[str, Any] | None:
    """How many errors more than its confidence says the model makes; None where that may be chance or is little.

    Returns:
        {"expected", "errors"}: of all rows, each row's chance of an error being 1 - confidence (Spiegelhalter, 1986).
    """
    expected = float((1 - confidence).sum())
    spread = float(np.sqrt((confidence * (1 - confidence)).sum()))
    beyond = float(wrong.sum()) - expected
    if beyond <= max(SURE * spread, MATTERS * len(wrong)):
        return None
    return {"expected": expected, "errors": int(wrong.sum())}
