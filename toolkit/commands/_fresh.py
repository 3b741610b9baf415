"""Start-up time and peak memory of a model: those of a fresh process that only loads it and predicts."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
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


def measure(folder: Path, contents: Sequence[Any], device: str = "cpu") -> dict[str, Any]:
    """`startup_seconds` and `peak_memory_bytes` of a process of its own.

    Start-up is from the process's start to its first answer: interpreter, libraries, weights, one row. Files were read
    before, so the disk has no part in it. The peak is what the process holds at most, its libraries included, when it
    predicts the first rows at batch 32; that of a command that trains or converts would be far more.

    Raises:
        ToolkitError: it failed.
    """
    rows = [
        {"image": base64.b64encode(content.cell()["bytes"]).decode()} if hasattr(content, "cell") else {"text": content}
        for content in contents[:ROWS]
    ]
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import main; main()"
    argv = [sys.executable, "-c", code, str(folder), device, str(time.time())]
    done = subprocess.run(argv, input=json.dumps(rows), capture_output=True, text=True)
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["killed"]
        raise ToolkitError(f"{folder} could not be run in a fresh process ({told[-1][:160]})", "is memory short?")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Read contents from stdin, predict them, print what it took; arguments: folder, device, when it was started."""
    from toolkit import inputs
    from toolkit.commands import _models
    from toolkit.inference import timing

    folder, device, started = sys.argv[1:]
    rows = json.load(sys.stdin)
    contents = [
        Picture(row["image"])
        if "image" in row
        else tuple(row["text"])
        if isinstance(row["text"], list)
        else row["text"]
        for row in rows
    ]
    predictor = _models.predictor(inputs.resolve("source", "model", folder), "evaluate", device)
    predictor.probabilities(contents[:1])
    startup = time.time() - float(started)
    predictor.probabilities(contents)
    print(
        json.dumps({"startup_seconds": round(startup, 3), "peak_memory_bytes": timing.peak_memory_bytes()}), flush=True
    )
