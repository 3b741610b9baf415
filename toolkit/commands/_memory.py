"""Peak memory of a model: that of a fresh process which only loads it and predicts."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import ToolkitError

ROWS = 256


@dataclass
class Picture:
    """An image that came through a pipe, as `reading.image` takes it."""

    data: str

    def cell(self) -> dict[str, Any]:
        return {"bytes": base64.b64decode(self.data), "path": None}

    def name(self) -> str:
        return "image"


def peak(folder: Path, contents: Sequence[Any]) -> int:
    """Bytes that a process holds at most, its libraries included, when it predicts the first rows at batch 32.

    The process of a command that trains or converts holds far more; so each model gets one of its own.

    Raises:
        ToolkitError: it failed.
    """
    rows = [
        {"image": base64.b64encode(content.cell()["bytes"]).decode()} if hasattr(content, "cell") else {"text": content}
        for content in contents[:ROWS]
    ]
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], input=json.dumps(rows), capture_output=True, text=True
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["killed"]
        raise ToolkitError(f"the peak memory of {folder} could not be measured ({told[-1][:160]})", "is memory short?")
    return int(done.stdout.split()[-1])


def main() -> None:
    """Read contents from stdin, predict them, print the peak."""
    from toolkit import inputs
    from toolkit.commands import _models
    from toolkit.inference import timing

    rows = json.load(sys.stdin)
    contents = [
        Picture(row["image"])
        if "image" in row
        else tuple(row["text"])
        if isinstance(row["text"], list)
        else row["text"]
        for row in rows
    ]
    _models.predictor(inputs.resolve("source", "model", sys.argv[1]), "evaluate", "cpu").probabilities(contents)
    print(timing.peak_memory_bytes())
