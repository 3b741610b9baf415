"""One way to run any model artifact: contents in, probabilities out, padded to few sizes so that nothing recompiles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit import console, reading
from toolkit.evaluation import metrics
from toolkit.inference.backends import BACKENDS, Run
from toolkit.reading import Encoded, Reader

WARM_UP = 3
LATENCY_ROWS = 200


@dataclass
class Predictor:
    """A model ready to predict.

    names: the classes in the order of the probability columns.
    several: whether rows have any number of classes, each with a probability of its own; else they add up to one.
    """

    run: Run
    reader: Reader
    names: list[str]
    several: bool = False

    def probabilities(self, contents: Sequence[Any], batch_size: int = 32, label: str = "") -> Any:
        """Class probabilities, float64 (contents, classes), in the order of the contents (as the reader takes them)."""
        rows = self.reader.encode(contents)
        if label:
            reading.tell_empty(self.reader, rows)
        order = sorted(range(len(rows)), key=lambda i: self.reader.size(rows[i]))
        out = np.zeros((len(rows), len(self.names)))
        starts = range(0, len(rows), batch_size)
        for start in console.track(starts, label) if label else starts:
            chosen = order[start : start + batch_size]
            logits = self._logits([rows[i] for i in chosen], batch_size).astype(np.float64)
            out[chosen] = metrics.sigmoid(logits) if self.several else metrics.softmax(logits)
        return out

    def _logits(self, rows: Encoded, batch_size: int) -> Any:
        """Logits of one batch; a short last batch is filled up, so that its shape is one that was seen."""
        size = self.reader.bucket(max(map(self.reader.size, rows)))
        filled = rows + rows[:1] * (batch_size - len(rows))
        return self.run(self.reader.batch(filled, size))[: len(rows)]

    def latencies(self, contents: Sequence[Any]) -> list[float]:
        """Seconds for each content alone, reading it included."""
        out = []
        for content in contents:
            started = time.perf_counter()
            self.probabilities([content], batch_size=1)
            out.append(time.perf_counter() - started)
        return out

    def throughput(self, contents: Sequence[Any], batch_size: int = 32) -> float:
        """Contents a second, reading them included."""
        started = time.perf_counter()
        self.probabilities(contents, batch_size)
        return len(contents) / (time.perf_counter() - started)

    def warm_up(self, contents: Sequence[Any], batch_size: int = 32) -> None:
        """Bring every shape into the caches, so that a timing times the model."""
        for _ in range(WARM_UP):
            self.probabilities(contents[: 4 * batch_size], batch_size)
            self.probabilities(contents[:1], 1)


def build(backend: str, model: Any, reader: Reader, names: list[str], device: str, several: bool = False) -> Predictor:
    """A Predictor over a loaded model of that backend."""
    return Predictor(BACKENDS[backend](model, device), reader, names, several)
