import time
from types import SimpleNamespace

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification
from unit.inference import tiny

from toolkit import reading
from toolkit.inference import operations, predictor, timing

TEXTS = [tiny.SENTENCES[i % 4] * (1 + i % 5) for i in range(50)]


class Steady:
    """What answers a row in a hundredth of a millisecond and a batch in a millisecond more, and counts its batches."""

    def __init__(self, lanes=2):
        self.passes, self.backend = [], SimpleNamespace(lanes=lanes)

    def _work(self, rows, batch_size):
        batches = -(-rows // batch_size)
        time.sleep(batches * 1e-3 + rows * 1e-5)
        self.passes.append((rows, batch_size))

    def probabilities(self, contents, batch_size=32):
        self._work(len(contents), batch_size)

    def throughput(self, contents, batch_size=32):
        started = time.perf_counter()
        self.probabilities(contents, batch_size)
        return len(contents) / (time.perf_counter() - started)

    def latencies(self, contents):
        self.passes.append((len(contents), "alone"))
        return [0.002 + 0.001 * (i % 10 == 0) for i, _ in enumerate(contents)]


def test_a_model_alone_is_timed_at_every_size():
    steady = Steady()
    found = timing.profile(steady, TEXTS, (8, 32, 128))
    rates = found["by_batch_size"]
    assert list(rates) == ["1", "8", "32", "128"]
    assert rates["1"] == pytest.approx(1 / 0.0021, rel=0.05)
    assert rates["8"] < rates["32"] < rates["128"]
    assert found["samples_per_second"] == rates["32"]
    assert found["latency_ms"] == {"p50": 2.0, "p95": 3.0, "p99": 3.0}
    last = [size for _, size in steady.passes[-4 * timing.ROUNDS :]]
    assert last == [8, 32, 128, "alone"] * timing.ROUNDS  # in turns
    assert {rows for rows, size in steady.passes if size == 128} == {300}  # all rows, as often as 2 * 128 + 8 take


def test_a_slow_model_is_timed_for_three_rounds(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    steady = Steady()
    timing.profile(steady, TEXTS, (8,))
    assert [size for _, size in steady.passes].count("alone") == 1 + timing.LEAST_ROUNDS


def test_operations_are_those_of_the_formula():
    words = tiny.tokenizer(tiny.SENTENCES)
    width, inner, layers, classes = 48, 96, 2, 3
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=len(words), hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
                   intermediate_size=inner, max_position_embeddings=64, num_labels=classes)
    )  # fmt: skip
    made = predictor.build("torch", model, reading.of("text", words, model.config), list("abc"), "cpu")
    text = "the movie was very good and i liked it it"
    tokens = len(words(text)["input_ids"])
    assert tokens == 12
    keys, rest, read = 2 * width**2, 2 * width**2 + 2 * width * inner, 2 * tokens * width
    layer, last = tokens * (keys + rest + read), tokens * keys + rest + read  # the last one is for the first token
    assert operations.per_row(made, [text]) == 2 * ((layers - 1) * layer + last + width**2 + width * classes)
    assert operations.per_row(made, [text, f"{text} {text}"]) > operations.per_row(made, [text])
