"""Imports of libraries that would report to their makers: nothing here asks the network unbidden."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any


def openvino() -> Any:
    """The `openvino` package. It and NNCF do without `openvino_telemetry` where that cannot be imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def nncf() -> Any:
    """The `nncf` package, its log at errors only."""
    openvino()
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf


def onnxruntime() -> Any:
    """The `onnxruntime` package (an ImportError where it is not installed: it is an extra)."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # of its builds for Windows
    return onnxruntime


def albumentations() -> Any:
    """The `albumentations` package, on one thread; it looks for no newer release and brings no torch (two seconds)."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    tensors = "albumentations.pytorch"
    spared = "torch" not in sys.modules and sys.modules.setdefault(tensors, None) is None  # type: ignore[arg-type]
    import albumentations
    import cv2

    if spared:
        sys.modules.pop(tensors, None)  # who wants it later can still import it
    cv2.setNumThreads(0)  # workers are processes, and a forked one has none of its parent's threads
    return albumentations


def transformers() -> None:
    """No warnings and no progress bars of transformers', which would stand among ours."""
    from transformers import logging as of_transformers

    of_transformers.set_verbosity_error()
    of_transformers.disable_progress_bar()
