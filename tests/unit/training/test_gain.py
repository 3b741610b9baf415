"""The gain of a trained model: what it is given, seed by seed, and the interval; training itself is a stand-in."""

from types import SimpleNamespace

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from toolkit.training import gain, trainer
from toolkit.training.config import TrainConfig

FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b"])})


def rows(texts, labels):
    return Dataset.from_dict({"text": texts, "label": labels}, features=FEATURES)


@pytest.fixture
def trained(monkeypatch):
    """A model tells the class of texts that it was trained on, and takes all others for class 0."""
    calls = []

    def train(model, task, encoded, told, config, work, *, seed, scratch):
        calls.append((seed, len(encoded), scratch))
        model.known = dict(encoded)
        work.mkdir(parents=True)

    def answers(model, task, told):
        codes = [model.known.get(text, 0) for text, _ in told]
        return np.eye(2)[codes], None

    monkeypatch.setattr(trainer, "train", train)
    monkeypatch.setattr(trainer, "answers", answers)
    return calls


def found(tmp_path, more, validation, seed=7):
    loaded = []

    def load(number):
        loaded.append(number)
        task = SimpleNamespace(encode=lambda part: list(zip(part["text"], part["label"], strict=True)))
        return SimpleNamespace(), task

    train = rows(["x", "y"], [0, 1])
    out = gain.gain(load, train, more, validation, TrainConfig(), tmp_path / "work", seed=seed, scratch=True)
    assert not (tmp_path / "work").exists()
    return out, loaded


def test_a_gain(trained, tmp_path):
    validation = rows(["y", "z", "w", "x"] * 10, [1, 1, 1, 0] * 10)
    out, loaded = found(tmp_path, rows(["z"], [1]), validation)
    assert (out["rows"], out["without"], out["with"]) == (1, 0.5, 0.75)
    assert out["gain"]["value"] == 0.25
    assert 0 < out["gain"]["low"] < 0.25 < out["gain"]["high"] < 0.5
    assert loaded == [7, 7, 8, 8, 9, 9, 10, 10, 11, 11]  # a fresh model each time, either side with the same seed
    assert trained == [(seed, size, True) for seed in range(7, 12) for size in (2, 3)]


def test_a_loss_and_nothing(trained, tmp_path):
    validation = rows(["x", "y", "v"] * 10, [0, 1, 0] * 10)
    loss, _ = found(tmp_path, rows(["v"], [1]), validation)
    assert loss["gain"]["high"] < 0
    nothing, _ = found(tmp_path, rows(["elsewhere"], [1]), validation)
    assert nothing["gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_one_row_has_an_interval(trained, tmp_path):
    out, _ = found(tmp_path, rows(["z"], [1]), rows(["z"], [1]))
    assert out["gain"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_the_interval_adds_up_rows_and_seeds():
    """By hand: rows' means 0.5, 0.5, 0, 0; seeds' means 0.5, 0."""
    differences = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], float)
    out = gain._interval(differences)
    error = 1.96 * np.sqrt(np.var([0.5, 0.5, 0, 0], ddof=1) / 4 + np.var([0.5, 0], ddof=1) / 2)
    assert out["value"] == 0.25
    assert out["high"] - 0.25 == pytest.approx(error)
    assert 0.25 - out["low"] == pytest.approx(error)
