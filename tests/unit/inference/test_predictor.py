import threading
import time

import numpy as np
import pytest

from toolkit.errors import ToolkitError
from toolkit.inference.predictor import CHUNK, Predictor
from toolkit.reading.text import TextReader


class Words:
    """A tokenizer whose ids are word lengths."""

    pad_token_id = 0
    all_special_ids = ()
    truncation_side = "right"

    def __init__(self):
        self.calls = []

    def __call__(self, texts, max_length, **kwargs):
        self.calls.append((len(texts), threading.current_thread()))
        return {"input_ids": [[len(word) for word in text.split()][:max_length] for text in texts]}


class Sums:
    """A backend whose logits are the sum of a row's tokens and its negative."""

    def __init__(self, lanes=1):
        self.lanes, self.shapes, self.threads, self.at_once, self.most = lanes, [], set(), 0, 0

    def __call__(self, batch):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        time.sleep(0.002)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        self.shapes.append(ids.shape)
        self.threads.add(threading.current_thread())
        total = (ids * mask).sum(1)
        self.at_once -= 1
        return np.stack([total, -total], 1) / 10

    alone = __call__

    def multiple(self, length, alone):
        return 16 if alone else 8


def predictor(lanes=1):
    return Predictor(Sums(lanes), TextReader(Words(), max_length=40), ["more", "less"])


def test_answers_that_are_no_numbers_are_refused():
    broken = predictor()
    broken.backend.__class__ = type("Broken", (Sums,), {"__call__": lambda self, batch: np.full((8, 2), np.nan)})
    with pytest.raises(ToolkitError, match="answers are not finite numbers: its weights or its conversion are broken"):
        broken.probabilities(TEXTS, batch_size=4)


TEXTS = [" ".join(["abc"] * n) for n in (1, 30, 4, 9, 60, 2, 17)]


@pytest.mark.parametrize("lanes", [1, 3])
def test_answers_keep_the_order_and_do_not_depend_on_the_batch_size(lanes):
    one_by_one = predictor(lanes).probabilities(TEXTS, batch_size=1)
    assert np.allclose(one_by_one, predictor(lanes).probabilities(TEXTS, batch_size=4))
    assert np.allclose(one_by_one, [predictor(lanes).probabilities([text])[0] for text in TEXTS])
    assert np.allclose(one_by_one.sum(1), 1)
    assert one_by_one[1, 0] > one_by_one[2, 0]


@pytest.mark.parametrize("count", [1, 3, 33, 140])
def test_few_shapes_occur(count):
    one = predictor()
    one.probabilities((TEXTS * 20)[:count], batch_size=8)
    assert {batch for batch, _ in one.backend.shapes} <= {1, 2, 4, 8}
    assert {length for _, length in one.backend.shapes} <= {8, 16, 24, 32, 40}


@pytest.mark.parametrize(("length", "multiple", "padded"), [
    (1, 8, 8), (8, 8, 8), (9, 8, 16), (9, 2, 10), (33, 8, 40), (33, 16, 48), (40, 8, 40),
    (129, 2, 144), (300, 8, 320), (500, 8, 500), (300, 64, 320),
])  # fmt: skip
def test_bucket(length, multiple, padded):
    assert TextReader(Words(), max_length=500).bucket(length, multiple) == padded


def test_buckets_are_few_and_waste_little():
    reader = TextReader(Words(), max_length=512)
    buckets = [reader.bucket(n, 8) for n in range(1, 513)]
    assert len(set(buckets)) <= 32
    assert all(n <= padded < max(n + 8, 1.13 * n) for n, padded in enumerate(buckets, 1))


def test_texts_are_read_in_chunks_beside_the_model_which_runs_in_lanes():
    one = predictor(lanes=3)
    one.probabilities(TEXTS * 40, batch_size=4)  # 280
    calls = one.reader.processor.calls
    assert [n for n, _ in calls] == [CHUNK * 4] * 4 + [24]
    assert one.backend.most == 3
    assert threading.main_thread() not in {*one.backend.threads, *(thread for _, thread in calls)}


def test_one_lane_runs_in_the_thread_that_asks():
    one = predictor(lanes=1)
    one.probabilities(TEXTS * 40, batch_size=4)
    assert one.backend.threads == {threading.current_thread()}


@pytest.mark.parametrize("where", ["run", "read"])
@pytest.mark.parametrize("lanes", [1, 2])
def test_an_error_in_a_thread_comes_out_and_ends_the_run(lanes, where):
    one = predictor(lanes)

    def fail(*args, **kwargs):
        raise ValueError("no")

    if where == "run":
        one.backend.__class__ = type("Failing", (Sums,), {"__call__": fail})
    else:
        one.reader.encode = fail
    with pytest.raises(ValueError, match="no"):
        one.probabilities(TEXTS * 40, batch_size=4)
    assert not one.backend.shapes


def test_nothing_in_nothing_out():
    assert predictor().probabilities([]).shape == (0, 2)


def test_several_classes_have_a_probability_each():
    one = predictor()
    several = Predictor(one.backend, one.reader, one.names, several=True)
    told = several.probabilities(TEXTS, batch_size=4)
    assert told.sum(1) == pytest.approx(1)  # of a logit and its negative
    assert told[:, 0] == pytest.approx(1 / (1 + np.exp(-np.array([3, 90, 12, 27, 120, 6, 51]) / 10)))
