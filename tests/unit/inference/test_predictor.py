import numpy as np
import pytest

from toolkit.inference.predictor import Predictor
from toolkit.reading.text import BUCKETS, TextReader


class Words:
    """A tokenizer whose ids are word lengths."""

    pad_token_id = 0

    def __call__(self, texts, max_length, **kwargs):
        return {"input_ids": [[len(word) for word in text.split()][:max_length] for text in texts]}


def predictor(shapes):
    def run(batch):
        ids, mask = batch["input_ids"], batch["attention_mask"]
        shapes.append(ids.shape)
        total = (ids * mask).sum(1)
        return np.stack([total, -total], 1) / 10

    return Predictor(run, TextReader(Words(), max_length=40), ["more", "less"])


TEXTS = [" ".join(["abc"] * n) for n in (1, 30, 4, 9, 60, 2, 17)]


def test_answers_keep_the_order_and_do_not_depend_on_the_batch_size():
    one_by_one = predictor([]).probabilities(TEXTS, batch_size=1)
    assert np.allclose(one_by_one, predictor([]).probabilities(TEXTS, batch_size=4))
    assert np.allclose(one_by_one, [predictor([]).probabilities([text])[0] for text in TEXTS])
    assert np.allclose(one_by_one.sum(1), 1)
    assert one_by_one[1, 0] > one_by_one[2, 0]


def test_few_shapes_occur():
    shapes = []
    predictor(shapes).probabilities(TEXTS * 20, batch_size=8)
    assert {batch for batch, _ in shapes} == {8}
    assert {length for _, length in shapes} <= {*BUCKETS, 40}


@pytest.mark.parametrize(("length", "padded"), [(1, 8), (8, 8), (9, 16), (33, 40), (40, 40)])
def test_bucket(length, padded):
    assert predictor([]).reader.bucket(length) == padded


def test_nothing_in_nothing_out():
    assert predictor([]).probabilities([]).shape == (0, 2)


def test_several_classes_have_a_probability_each():
    one = predictor([])
    several = Predictor(one.run, one.reader, one.names, several=True)
    told = several.probabilities(TEXTS, batch_size=4)
    assert told.sum(1) == pytest.approx(1)  # of a logit and its negative
    assert told[:, 0] == pytest.approx(1 / (1 + np.exp(-np.array([3, 90, 12, 27, 120, 6, 51]) / 10)))
