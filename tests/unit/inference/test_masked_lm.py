import random

import numpy as np
import pytest
import torch

from toolkit.artifacts import language_model, loading
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError
from toolkit.inference.masked_lm import MOST_PIECES, MaskedLM

GAPS = [
    ("the movie was very ", " and i liked it"),
    ("the film was very ", " and i hated it"),
    ("这个", "质量很好"),
    ("", " movie was very good and i liked it"),
]
WORDS = [["good", "bad", "hated"], ["good", "bad", "hated"], ["质量", "商品"], ["the", "i"]]


@pytest.fixture(scope="module")
def lm(masked):
    return MaskedLM(*masked)


def test_what_stood_there_ranks_first(lm):
    scores = lm.rank(GAPS, WORDS)
    best = [max(zip(s, w, strict=True))[1] for s, w in zip(scores, WORDS, strict=True)]
    assert best == ["good", "bad", "商品", "the"]
    assert all(score < 0 for found in scores for score in found)


def test_a_score_is_the_mean_log_probability_of_the_pieces_all_masked(lm, masked):
    model, words = masked
    ids = words("这个质量很好")["input_ids"]
    ids[3:3] = [words.mask_token_id] * 2
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    pieces = words("商品", add_special_tokens=False)["input_ids"]
    expected = np.mean([logits[3, pieces[0]].item(), logits[4, pieces[1]].item()])
    assert lm.rank([("这个", "质量很好")], [["商品"]])[0][0] == pytest.approx(expected, abs=1e-5)


def test_fillings_are_words_best_first(lm):
    found = lm.fill(GAPS, [1, 1, 2, 1], 3)
    assert [f[0] for f in found] == ["good", "bad", "商品", "the"]
    assert all(len(f) == 3 for f in found)
    assert all(word.isalpha() and not word.startswith("<") for f in found for word in f)
    assert all(len(word) == 2 for word in found[2])


def test_neither_order_nor_company_nor_batches_play_a_part(lm, masked):
    alone = [lm.rank([gap], [words])[0] for gap, words in zip(GAPS, WORDS, strict=True)]
    many = random.Random(0).sample(range(4), 4) * 5
    small = MaskedLM(*masked, batch_size=3)
    for found in (lm, small):
        scores = found.rank([GAPS[i] for i in many], [WORDS[i] for i in many])
        for i, got in zip(many, scores, strict=True):
            assert got == pytest.approx(alone[i], abs=1e-5)
    assert lm.fill(GAPS, [1, 1, 2, 1], 5) == [lm.fill([g], [n], 5)[0] for g, n in zip(GAPS, [1, 1, 2, 1], strict=True)]


def test_what_the_model_does_not_know_scores_nothing(lm):
    scores = lm.rank([GAPS[0]], [["zzz", "", "good " * (MOST_PIECES + 1), "good"]])[0]
    assert scores[:3] == [-np.inf] * 3
    assert scores[3] > -np.inf
    assert lm.rank([], []) == []
    assert lm.rank([GAPS[0]], [[]]) == [[]]
    assert lm.fill([], [], 3) == []


def test_of_a_long_text_a_window_is_read(lm):
    long = ("very good and i liked it " * 20_000, " and i liked it" * 20_000)
    assert len(lm.rank([long], [["good", "bad"]])[0]) == 2
    left, right = lm._sides(long)
    assert len(left) + len(right) + MOST_PIECES <= 64  # the model's positions


def test_a_model_comes_from_its_folder(tmp_path, masked):
    loading.save(tmp_path / "m", *masked)
    assert models.fills_masks(tmp_path / "m")
    model, words = language_model.load_masked_lm(tmp_path / "m")
    assert MaskedLM(model, words).rank([GAPS[0]], [["good", "bad"]]) == MaskedLM(*masked).rank(
        [GAPS[0]], [["good", "bad"]]
    )


def test_other_models_are_told(tmp_path, masked, forward):
    model, words = masked
    loading.save(tmp_path / "encoder", model.bert, words)
    assert not models.fills_masks(tmp_path / "encoder")
    with pytest.raises(ToolkitError, match="head that fills masks"):
        language_model.load_masked_lm(tmp_path / "encoder")
    loading.save(tmp_path / "seq2seq", *forward)
    with pytest.raises(ToolkitError, match="no model that fills masks"):
        language_model.load_masked_lm(tmp_path / "seq2seq")
    with pytest.raises(ToolkitError, match=r"holds no model\.safetensors"):
        language_model.load_masked_lm(tmp_path)
    words.mask_token, kept = None, words.mask_token
    loading.save(tmp_path / "maskless", model, words)
    words.mask_token = kept
    with pytest.raises(ToolkitError, match="no mask token"):
        language_model.load_masked_lm(tmp_path / "maskless")
