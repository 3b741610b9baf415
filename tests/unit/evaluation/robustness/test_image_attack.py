"""Attacks stay within eps, come back as whole pixel values, and find what costs a linear model most."""

import numpy as np
import pytest

from toolkit.evaluation.robustness import image_attack

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 8, 3), np.uint8)
WEIGHTS = RNG.normal(0, 0.002, (8 * 8 * 3, 2))


def ask(pixels):
    scores = np.exp((pixels.reshape(len(pixels), -1) - 127.5) @ WEIGHTS)
    return scores / scores.sum(1, keepdims=True)


def gradient(pixels, labels):
    """Of the cross-entropy by each pixel value."""
    return ((ask(pixels) - np.eye(2)[labels]) @ WEIGHTS.T).reshape(pixels.shape)


LABELS = ask(IMAGES).argmax(1)


def true(pixels):
    return ask(pixels.astype(np.float32))[np.arange(6), LABELS]


def attacked(name, eps):
    if name == "fgsm":
        return image_attack.fgsm(IMAGES, LABELS, gradient, eps)
    if name == "pgd":
        return image_attack.pgd(IMAGES, LABELS, gradient, eps, 10, 0)
    return image_attack.square(IMAGES, LABELS, ask, eps, 200, 0)[0]


@pytest.mark.parametrize("name", ["fgsm", "pgd", "square"])
@pytest.mark.parametrize("eps", [3.0, 4.5, 60.0])
def test_within_eps_and_the_range(name, eps):
    found = attacked(name, eps)
    assert found.dtype == np.uint8
    assert found.shape == IMAGES.shape
    away = np.abs(found.astype(int) - IMAGES)
    assert 1 < away.max() <= eps
    assert (attacked(name, eps) == found).all()


@pytest.mark.parametrize("name", ["fgsm", "pgd", "square"])
def test_the_true_class_loses(name):
    assert (true(attacked(name, 8.0)) < true(IMAGES)).all()


def test_on_a_linear_model_one_step_is_the_worst_there_is():
    worst = np.clip(IMAGES + 4.0 * np.sign(gradient(IMAGES, LABELS)), 0, 255)
    assert true(attacked("fgsm", 4.0)) == pytest.approx(true(worst), abs=1e-6)
    assert true(attacked("pgd", 4.0)) == pytest.approx(true(worst), rel=0.05)


def test_square_stops_asking_where_it_won():
    calls = []

    def counted(pixels):
        calls.append(len(pixels))
        return ask(pixels)

    _, asked = image_attack.square(IMAGES, LABELS, counted, 60.0, 200, 0)
    assert asked.sum() == sum(calls)
    assert asked.min() < 200
    assert image_attack._area(1, 10_000) == image_attack.SHARE
    assert image_attack._area(499, 500) < 0.01
