"""Where a prediction's processor time goes: reading (tokenising, decoding), making batches, running the model.

Use: parts.py DATA MODEL... [--split test] [--rows 1024] [--batch 32]

Milliseconds of one core a row, the least of several runs, so that a busy machine disturbs little. `all` is the
Predictor's whole call, whose threads cost something too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from toolkit import inputs
from toolkit.commands import _models
from toolkit.data.options import ContentOptions
from toolkit.data.sample import spread

RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    data = inputs.load_dataset(inputs.resolve("data", "dataset", given.data), ContentOptions(), kinds=("text", "image"))
    rows = data[given.split]
    rows = rows.select(spread(len(rows), given.rows))
    print(f"| ms of a core a row | reading | batches | model | all |\n| --- | {' | '.join(['---:'] * 4)} |")
    for model in given.models:
        told = [f"{ms:.3f}" for ms in parts(model, rows, given.batch)]
        print(f"| {model} | {' | '.join(told)} |", flush=True)


def parts(model: str, rows: Any, size: int) -> list[float]:
    """Reading, making batches, running, and all of it by the Predictor."""
    predictor = _models.predictor(inputs.resolve("source", "model", model), "evaluate", "cpu")
    reader, backend = predictor.reader, predictor.backend
    contents = reader.contents(rows)
    read = sorted(reader.encode(contents), key=reader.size)
    groups = [read[start : start + size] for start in range(0, len(read), size)]

    def batch(group: Any) -> Any:
        longest = reader.size(group[-1])
        return reader.batch(group, reader.bucket(longest, backend.multiple(longest, alone=False)))

    batches = [batch(group) for group in groups]
    predictor.probabilities(contents, size)
    ways: list[Callable[[], Any]] = [
        lambda: reader.encode(contents),
        lambda: [batch(group) for group in groups],
        lambda: [backend(one) for one in batches],
        lambda: predictor.probabilities(contents, size),
    ]
    return [1e3 * min(seconds(way) for _ in range(RUNS)) / len(contents) for way in ways]


def seconds(work: Callable[[], Any]) -> float:
    """Of the processor."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
