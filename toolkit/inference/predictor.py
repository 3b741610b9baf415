"""One way to run any model artifact: texts in, probabilities out, padded to few lengths so that nothing recompiles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit import console
from toolkit.evaluation.metrics import softmax
from toolkit.inference.backends import BACKENDS, Run

BUCKETS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
LONG_STEP = 128  # between lengths beyond the buckets
WARM_UP = 3
LATENCY_ROWS = 200


@dataclass
class Predictor:
    """A model ready to predict. `names` are the classes in the order of the probability columns."""

    run: Run
    tokenizer: Any
    names: list[str]
    max_length: int
    pad_id: int

    def probabilities(self, texts: Sequence[str], batch_size: int = 32, label: str = "") -> Any:
        """Class probabilities, float64 (texts, classes), in the order of the texts."""
        ids = self._tokenize(texts)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.zeros((len(ids), len(self.names)))
        starts = range(0, len(ids), batch_size)
        for start in console.track(starts, label) if label else starts:
            rows = order[start : start + batch_size]
            out[rows] = softmax(self._logits([ids[i] for i in rows], batch_size).astype(np.float64))
        return out

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _logits(self, ids: list[list[int]], batch_size: int) -> Any:
        """Logits of one batch; a short last batch is filled up, so that its shape is one that was seen."""
        length = self.bucket(max(map(len, ids)))
        array = np.full((batch_size, length), self.pad_id, dtype=np.int64)
        mask = np.zeros((batch_size, length), dtype=np.int64)
        mask[len(ids) :, 0] = 1  # a filler row attends to something
        for i, row in enumerate(ids):
            array[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return self.run(array, mask)[: len(ids)]

    def bucket(self, length: int) -> int:
        """The padded length for a batch whose longest row is `length`."""
        padded = next((b for b in BUCKETS if b >= length), -(-length // LONG_STEP) * LONG_STEP)
        return max(length, min(padded, self.max_length))

    def latencies(self, texts: Sequence[str]) -> list[float]:
        """Seconds for each text alone, tokenising included."""
        out = []
        for text in texts:
            started = time.perf_counter()
            self.probabilities([text], batch_size=1)
            out.append(time.perf_counter() - started)
        return out

    def throughput(self, texts: Sequence[str], batch_size: int = 32) -> float:
        """Texts a second, tokenising included."""
        started = time.perf_counter()
        self.probabilities(texts, batch_size)
        return len(texts) / (time.perf_counter() - started)

    def warm_up(self, texts: Sequence[str], batch_size: int = 32) -> None:
        """Bring every shape into the caches, so that a timing times the model."""
        for _ in range(WARM_UP):
            self.probabilities(texts[: 4 * batch_size], batch_size)
            self.probabilities(texts[:1], 1)


def build(backend: str, model: Any, tokenizer: Any, names: list[str], device: str, length: int) -> Predictor:
    """A Predictor over a loaded model of that backend; `length` is the tokens it reads."""
    return Predictor(BACKENDS[backend](model, device), tokenizer, names, length, tokenizer.pad_token_id)
