from pathlib import Path

import numpy as np
import pytest

from toolkit.compression import measure
from toolkit.inference import timing


class Fake:
    """Answers contents by their numbers, and takes as long as it is told to."""

    def __init__(self, answers, rate, seconds, several=False):
        self.answers, self.rate, self.seconds, self.several = np.array(answers, float), rate, seconds, several
        self.names = ["a", "b", "c"]

    def probabilities(self, contents, batch_size, label=""):
        return self.answers[list(contents)]

    def throughput(self, contents, batch_size):
        return self.rate

    def latencies(self, contents):
        return [self.seconds] * len(contents)


def pair_of(before, after, **options):
    return {"input": Fake(before, 100.0, 0.010, **options), "small": Fake(after, 250.0, 0.002, **options)}


def test_what_is_lost_and_won_is_told_of_the_second_against_the_first(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    one_hot = np.eye(3)
    labels = [0, 0, 0, 0, 1, 1, 2, 2]
    before, after = one_hot[[0, 0, 0, 0, 1, 1, 0, 0]], one_hot[[0, 1, 1, 0, 1, 2, 1, 2]]
    figures = measure.compare(pair_of(before, after), range(8), labels, 4)
    assert (figures["input"]["accuracy"], figures["small"]["accuracy"]) == (6 / 8, 4 / 8)
    told = figures["comparison"]
    drop = told["accuracy_drop"]
    assert drop["value"] == 2 / 8
    assert drop["low"] < 0.25 < drop["high"]
    assert told["flipped"] == 5 / 8, "wrong both times, but not alike, is flipped too"
    assert told["speedup"] == 2.5
    assert told["latency_ratio"] == 5.0
    assert figures["small"]["latency_ms"]["p50"] == 2.0


def test_all_classes_of_a_row_have_to_be_right(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    before = [[0.9, 0.8, 0.1], [0.1, 0.9, 0.2], [0.2, 0.1, 0.9]]
    after = [[0.9, 0.1, 0.1], [0.1, 0.9, 0.2], [0.9, 0.1, 0.9]]
    figures = measure.compare(pair_of(before, after, several=True), range(3), [[0, 1], [1], [2]], 4)
    assert (figures["input"]["accuracy"], figures["small"]["accuracy"]) == (1, pytest.approx(1 / 3))
    assert figures["comparison"]["accuracy_drop"]["value"] == figures["comparison"]["flipped"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("flags", "known", "said"),
    [
        ("avx2", ("static", 10), "no instructions"),
        ("avx512_vnni", ("static", 400_000), "small (400,000 parameters)"),
        ("amx_bf16 amx_int8", ("dynamic", 10**8, 400), "long (400 tokens"),
        ("i8mm", ("static", 10**8), "profile it"),
        ("avx2", ("weights", 10), "computed in float32"),
    ],
)
def test_the_reason_is_one_that_holds(monkeypatch, flags, known, said):
    monkeypatch.setattr(Path, "read_text", lambda path: f"flags : {flags}")
    assert said in measure.slow_reason(*known)
