"""Imports of libraries that would report to their makers: nothing here asks the network unbidden."""

from __future__ import annotations

import logging
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
