"""Children for the rows of train: drawn, made on all cores, checked against what is there already, counted."""

from __future__ import annotations

import math
import os
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, count, islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import xxhash

from toolkit import console
from toolkit.errors import ToolkitError

ATTEMPTS = 3  # at a child, each with another draw


class Task(NamedTuple):
    """One attempt at a child: of which row, which copy, by which of the modality's choices, from which seed."""

    row: int
    copy: int
    choice: int
    seed: int


class Made(NamedTuple):
    """What came of a task: a new value, or why there is none (verdict other than "made")."""

    method: str
    value: Any
    verdict: str = "made"
    key: int = 0  # equal for values that a person would call equal; 0: equal to none
    partner: int = -1  # the second parent of a mixture
    share: float = 1.0  # of the first parent in it


class Child(NamedTuple):
    row: int
    copy: int
    made: Made


class Modality(Protocol):
    """What a kind of content brings: its methods, bound to the rows."""

    weights: Sequence[float]  # of each choice
    chunk: int  # tasks that one worker takes at a time
    block: int  # children that are made, checked and handed on together
    batched: frozenset[int]  # choices that run here, many at a time (models)
    mixes: bool  # whether children have a second parent

    def make(self, tasks: list[Task]) -> list[Made]:
        """Try each; the same tasks give the same results in any process."""

    def assembled(self, parents: Any, values: list[Any]) -> Any:
        """A table of parents, with the children's contents in place of their own."""


Judge = Callable[[list[Child]], Any]  # whether each child is to be kept (bool array)
Run = Callable[[list[Task]], list[Made]]
Counts = Counter[tuple[str, str]]  # by (method, verdict)


def children(
    modality: Modality,
    ids: Sequence[str],
    quota: Any,
    taken: set[int],
    *,
    seed: int,
    workers: int = 1,
    judge: Judge | None = None,
    first: Any = None,
) -> Iterator[tuple[list[Child], Counts]]:
    """Up to `quota[i]` children of row i, block by block in the order of the ids, with counts by (method, verdict).

    A child's seed is its row's id and its own number, and of two children that are equal the first by id stays: neither
    workers nor the order of the rows play a part.

    Args:
        taken: keys that no child may have (those of every row of every split); those of the children are added.
        judge: tells the children to keep, for checks that run many at a time.
        first: the number of each row's first copy (0 where not given): a second call goes on from there.

    Raises:
        ToolkitError: a worker was killed.
    """
    first = np.zeros(len(ids), dtype=np.int64) if first is None else first
    order = [row for row in sorted(range(len(ids)), key=ids.__getitem__) if quota[row]]
    pairs = ((row, copy) for row in order for copy in range(first[row], first[row] + quota[row]))
    weights, total = [*modality.weights], int(np.sum(quota))
    totals = [*accumulate(weights)]
    workers = min(workers, math.ceil(total / modality.chunk))
    with _pool(modality, workers) as work, console.progress("augmenting", total) as advance:
        while wanted := [*islice(pairs, modality.block)]:
            accepted: list[Child | None] = [None] * len(wanted)
            counts: Counts = Counter()
            left, failures = [*range(len(wanted))], [0] * len(wanted)
            weighed: dict[int, list[float]] = {}  # without the choices that can do nothing with a row
            for attempt in count():
                asked = [(*wanted[place], weighed.get(place)) for place in left]
                tasks = [
                    _task(totals if own is None else [*accumulate(own)], ids[row], row, copy, attempt, seed)
                    for row, copy, own in asked
                ]
                outcomes, before, left = _attempt(tasks, work, taken, judge, counts), left, []
                for place, task, outcome in zip(before, tasks, outcomes, strict=True):
                    if isinstance(outcome, Child):
                        accepted[place] = outcome
                        continue
                    if outcome == "impossible" and len(weights) > 1:  # another method has all its attempts
                        own = weighed.setdefault(place, [*weights])
                        own[task.choice] = 0.0
                        if not any(own):
                            continue
                    else:
                        failures[place] += 1
                    if failures[place] < ATTEMPTS:
                        left.append(place)
                advance(len(before) - len(left))
                if not left:
                    break
            missing = sum(child is None for child in accepted)
            counts["", "passed over"] += missing
            yield [child for child in accepted if child is not None], counts


def _attempt(tasks: list[Task], work: Run, taken: set[int], judge: Judge | None, counts: Counts) -> list[Child | str]:
    """The child of each task, or why there is none; adds to `taken` and `counts`."""
    out: list[Child | str] = ["flipped"] * len(tasks)
    fresh: list[tuple[int, Child]] = []
    verdicts = []  # counted at once: one by one takes longer than many a method
    for place, (task, made) in enumerate(zip(tasks, work(tasks), strict=True)):
        if made.verdict != "made" or (made.key and made.key in taken):
            verdict = made.verdict if made.verdict != "made" else "duplicate"
            out[place] = verdict
            verdicts.append((made.method, verdict))
            continue
        if made.key:
            taken.add(made.key)
        fresh.append((place, Child(task.row, task.copy, made)))
    good = judge([child for _, child in fresh]) if judge and fresh else [True] * len(fresh)
    for (place, child), kept in zip(fresh, good, strict=True):
        verdicts.append((child.made.method, "made" if kept else "flipped"))
        if kept:
            out[place] = child
    counts.update(verdicts)
    return out


def _task(totals: list[float], id_: str, row: int, copy: int, attempt: int, seed: int) -> Task:
    """totals: the weights of the choices, summed up."""
    drawn = xxhash.xxh3_128_intdigest(f"{seed}:{id_}:{copy}:{attempt}".encode())
    point = (drawn >> 64) / 2**64 * totals[-1]
    return Task(row, copy, min(bisect_right(totals, point), len(totals) - 1), drawn & (2**64 - 1))


_modality: Any = None  # of a worker, as it stood when the worker was forked


@contextmanager
def _pool(modality: Modality, workers: int) -> Iterator[Run]:
    """Runs tasks, in their order, in processes forked from this one; those of batched choices here."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_all_start_methods, get_context

    global _modality
    _modality = modality

    def run(tasks: list[Task], everywhere: Callable[[list[list[Task]]], Any]) -> list[Made]:
        out: list[Any] = [None] * len(tasks)
        here = [i for i, task in enumerate(tasks) if task.choice in modality.batched]
        there = [i for i, task in enumerate(tasks) if task.choice not in modality.batched]
        chunks = [there[k : k + modality.chunk] for k in range(0, len(there), modality.chunk)]
        results = everywhere([[tasks[i] for i in chunk] for chunk in chunks])
        for i, made in zip(here, modality.make([tasks[i] for i in here]) if here else [], strict=True):
            out[i] = made
        for chunk, found in zip(chunks, results, strict=True):
            for i, made in zip(chunk, found, strict=True):
                out[i] = made
        return out

    if workers <= 1 or "fork" not in get_all_start_methods():
        yield lambda tasks: run(tasks, lambda chunks: map(_work, chunks))
        return
    try:
        with ProcessPoolExecutor(workers, get_context("fork"), _leave_with, (os.getpid(),)) as pool:
            pool.submit(_work, []).result()  # all are forked here, before any thread draws a progress bar
            yield lambda tasks: run(tasks, lambda chunks: pool.map(_work, chunks))
    except BrokenProcessPool as e:
        raise ToolkitError(
            "a worker was killed, as the system does where memory is short", "give fewer --workers, or free memory"
        ) from e


def _work(tasks: list[Task]) -> list[Made]:
    made: list[Made] = _modality.make(tasks)
    return made


def _leave_with(parent: int) -> None:
    """A worker whose parent was killed goes too."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
