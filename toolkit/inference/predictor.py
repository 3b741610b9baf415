"""One way to run any model artifact: contents in, probabilities out, padded to few sizes so that nothing recompiles.

Contents are put in the order of their guessed lengths and read a chunk at a time, while the model runs the chunk
before: neither the tokenizer (or decoder of images) nor the memory for what it makes stands in the way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toolkit import console, reading
from toolkit.errors import ToolkitError
from toolkit.evaluation import metrics
from toolkit.inference.backends import BACKENDS, Backend, inside, scaling
from toolkit.reading import Encoded, Reader
from toolkit.reading.image import ImageReader

CHUNK = 16  # batches of texts that are read at once, to find those of like lengths
IMAGES = 32  # images that are read at once, or a batch of more: work for all cores, and little to wait for at first
Batch = tuple[list[int], Encoded]  # places of the rows among the contents, and the rows


@dataclass
class Predictor:
    """A model ready to predict.

    names: the classes in the order of the probability columns.
    several: whether rows have any number of classes, each with a probability of its own; else they add up to one.
    """

    backend: Backend
    reader: Reader
    names: list[str]
    several: bool = False

    def probabilities(self, contents: Sequence[Any], batch_size: int = 32, label: str = "") -> Any:
        """Class probabilities, float64 (contents, classes), in the order of the contents (as the reader takes them)."""
        logits = self.logits(contents, batch_size, label)
        return metrics.sigmoid(logits) if self.several else metrics.softmax(logits)

    def logits(self, contents: Sequence[Any], batch_size: int = 32, label: str = "") -> Any:
        """What the model answers, float64 (contents, classes)."""
        out, lost = np.zeros((len(contents), len(self.names))), 0
        answers = self._answers(contents, batch_size)
        if label:
            answers = console.track(answers, label, -(-len(contents) // batch_size))
        for (places, rows), found in answers:
            if out.shape[1] != found.shape[1]:  # features stand beside the logits
                out = np.zeros((len(contents), found.shape[1]))
            out[places] = found
            lost += sum(map(self.reader.empty, rows))
        if label:
            reading.tell_empty(self.reader, lost, len(contents))
        return out

    def features(self, contents: Sequence[Any], batch_size: int = 32, label: str = "") -> tuple[Any, Any | None]:
        """Logits and what the model's last layer reads, float64 (contents, width), in one run.

        None in place of the latter where the runtime does not show it (OpenVINO, ONNX).
        """
        backend = inside(self.backend, len(self.names))
        if backend is None:
            return self.logits(contents, batch_size, label), None
        both = replace(self, backend=backend).logits(contents, batch_size, label)
        return both[:, : len(self.names)], both[:, len(self.names) :]

    def _answers(self, contents: Sequence[Any], batch_size: int) -> Iterator[tuple[Batch, Any]]:
        """Each batch and its logits, float64."""
        if len(contents) <= batch_size:  # all cores on it, and no threads of ours
            if len(contents):
                batch = [*range(len(contents))], self.reader.encode(contents)
                yield self._answer(batch, batch_size, alone=True)
            return
        order = sorted(range(len(contents)), key=lambda i: self.reader.guess(contents[i]))
        step = batch_size * (-(-IMAGES // batch_size) if self.reader.kind == "image" else CHUNK)
        chunks = (order[start : start + step] for start in range(0, len(order), step))
        lanes = self.backend.lanes

        def read(places: list[int]) -> Batch:
            return places, self.reader.encode([contents[i] for i in places])

        with ThreadPoolExecutor(1, "reading") as ahead, ThreadPoolExecutor(lanes, "running") as runners:
            read_chunks = _ahead(ahead, read, chunks, 1)
            batches = (batch for places, rows in read_chunks for batch in self._batches(places, rows, batch_size))
            if lanes == 1:  # in this thread: PyTorch makes a team of threads for each thread that calls it
                yield from (self._answer(batch, batch_size) for batch in batches)
            else:
                yield from _ahead(runners, lambda batch: self._answer(batch, batch_size), batches, 2 * lanes)

    def _batches(self, places: list[int], rows: Encoded, batch_size: int) -> Iterator[Batch]:
        """Rows of like sizes together."""
        order = sorted(range(len(rows)), key=lambda i: self.reader.size(rows[i]))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            yield [places[i] for i in chosen], [rows[i] for i in chosen]

    def _answer(self, batch: Batch, batch_size: int, alone: bool = False) -> tuple[Batch, Any]:
        """A short batch is filled up to a power of two or `batch_size`, so that shapes are few."""
        rows = batch[1]
        longest = max(map(self.reader.size, rows))
        size = self.reader.bucket(longest, self.backend.multiple(longest, alone))
        count = min(batch_size, 1 << (len(rows) - 1).bit_length())
        run = self.backend.alone if alone else self.backend
        logits = run(self.reader.batch(rows + rows[:1] * (count - len(rows)), size))
        if not np.isfinite(logits).all():
            hint = "its weights or its conversion are broken: make it again, or with another --backend"
            raise ToolkitError("the model's answers are not finite numbers", hint)
        return batch, logits[: len(rows)].astype(np.float64)

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


def _ahead(pool: Executor, work: Callable[[Any], Any], items: Iterable[Any], count: int) -> Iterator[Any]:
    """What `work` makes of the items, in their order, begun on at most `count` before it is asked for."""
    begun: deque[Future[Any]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) > count:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def build(backend: str, model: Any, reader: Reader, names: list[str], device: str, several: bool = False) -> Predictor:
    """A Predictor over a loaded model of that backend.

    OpenVINO scales pixels itself: bytes are a quarter of the memory to fill for each batch.
    """
    if backend == "openvino" and isinstance(reader, ImageReader):
        channels = reader.shape[-1]
        model = scaling(model, reader.factor[:channels], reader.offset[:channels])
        reader = copy(reader)
        reader.raw = True
    return Predictor(BACKENDS[backend](model, device), reader, names, several)
