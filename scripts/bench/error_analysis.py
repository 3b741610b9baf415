"""How long error-analysis takes, and how much memory.

    python scripts/bench/error_analysis.py [--rows 100000] [--classes 100]

Made-up predictions: texts of 5 to 40 words drawn as words are (Zipf) from 20,000, a fifth of them Chinese; two more
columns; a tenth of the answers wrong. Told are the seconds and the peak memory of the whole call, start included, on
the predictions alone (the model and the data are not at hand).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset

from toolkit.artifacts import evaluation, manifest
from toolkit.evaluation import metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = made(given.rows, given.classes, Path(folder) / "evaluation")
        started = time.monotonic()
        command = [sys.executable, "-m", "toolkit", "error-analysis", str(source), "--out", f"{folder}/analysis"]
        subprocess.run([*command, "--quiet"], check=True)
        seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    core = used.ru_utime + used.ru_stime
    print(f"{given.rows} rows, {given.classes} classes: {seconds:.1f} s ({core:.1f} s of a core)", end=", ")
    print(f"{used.ru_maxrss / 1024**2:.2f} GiB at most")


def made(rows: int, classes: int, out: Path) -> Path:
    """An evaluation artifact of so many rows."""
    rng = np.random.default_rng(0)
    latin = np.array([f"word{i}" for i in range(20_000)])
    chinese = np.array([chr(0x4E00 + i % 3000) + chr(0x4E00 + i * 7 % 3000) for i in range(20_000)])
    drawn = np.minimum(rng.zipf(1.3, (rows, 40)) - 1, 19_999)
    lengths = rng.integers(5, 41, rows)
    texts = [
        "".join(chinese[words[:n]]) if i % 5 == 0 else " ".join(latin[words[:n]])
        for i, (words, n) in enumerate(zip(drawn, lengths, strict=True))
    ]
    labels = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    said = np.where(rng.random(rows) < 0.1, rng.integers(0, classes, rows), labels)
    logits[np.arange(rows), said] += 6
    probabilities = metrics.softmax(logits)
    names = [f"class {i}" for i in range(classes)]
    columns = {"source": rng.choice(["app", "mail", "web"], rows), "amount": rng.lognormal(size=rows)}
    shown = Dataset.from_dict({"id": [f"row-{i}" for i in range(rows)], "text": texts, "label": labels} | columns)
    shown = shown.cast_column("label", ClassLabel(names=names))
    return publish(out, shown, probabilities, names)


def publish(out: Path, rows: Any, probabilities: Any, names: list[str]) -> Path:
    """What `toolkit evaluate` writes of such rows (a Dataset), without the measuring: enough for error-analysis."""
    out.mkdir(parents=True)
    chosen = probabilities.argmax(1)
    evaluation.write(out / "predictions.parquet", rows, probabilities, names, chosen, probabilities.max(1))
    outputs = manifest.outputs_of(out)
    told = {"schema_version": manifest.SCHEMA_VERSION, "kind": "evaluation", "command": "evaluate", "stamp": ""}
    told |= {"digest": manifest.content_digest(outputs), "config": {}, "seed": 0, "inputs": [], "metrics": {}}
    manifest.write_json(out / manifest.NAME, told | {"outputs": outputs, "gates": []})
    return out


if __name__ == "__main__":
    main()
