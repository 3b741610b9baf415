import numpy as np
import pytest
import torch
from unit.image_models import tiny

from toolkit.reading.image import ImageReader
from toolkit.training import trainer
from toolkit.training.config import Images, Optim, Regularise, TrainConfig
from toolkit.training.mixing import vary
from toolkit.training.tasks import bind
from toolkit.training.tasks.classification import Classification


def batch(count=8, size=32):
    """Each image is flat, of a value of its own; two classes."""
    values = torch.arange(1.0, count + 1).reshape(-1, 1, 1, 1).expand(count, 3, size, size).clone()
    return {"pixel_values": values, "labels": torch.arange(count) % 2}


def test_nothing_asked_nothing_changed():
    given = batch()
    assert vary(given, Images(), 2) is given
    text = {"input_ids": torch.ones(2, 3)}
    assert vary(text, Images(), 2) is text


@pytest.mark.parametrize("asked", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_labels_are_shared_as_the_pixels_are(asked):
    """Flat images: the mean of a mixture's pixels tells the share of its parents, and so do its labels."""
    for seed in range(20):
        torch.manual_seed(seed)
        given = batch(2)
        out = vary(given, Images(**asked), 2)
        shares = out["label_weights"]
        assert torch.allclose(shares.sum(1), torch.ones(2))
        means = out["pixel_values"].mean((1, 2, 3))  # parents are 1 and 2: of class 0 and 1
        assert torch.allclose(means, shares @ torch.tensor([1.0, 2.0]), atol=1e-5)
    assert given["pixel_values"].unique().numel() == 2  # the batch handed in stays


def test_mixup_blends_and_cutmix_pastes():
    torch.manual_seed(1)
    assert vary(batch(), Images(mixup=1.0), 2)["pixel_values"][0].unique().numel() == 1
    pasted = vary(batch(), Images(cutmix=1.0), 2)["pixel_values"]
    assert set(pasted.unique().tolist()) <= set(map(float, range(1, 9)))
    assert any(image.unique().numel() == 2 for image in pasted)


def test_with_both_one_is_drawn_a_batch():
    torch.manual_seed(0)
    whole = [(vary(batch(), Images(mixup=1.0, cutmix=1.0), 2)["pixel_values"] % 1 == 0).all() for _ in range(40)]
    assert 8 < sum(bool(w) for w in whole) < 32


def test_shares_that_rows_have_are_mixed_on():
    given = batch(4) | {"label_weights": torch.full((4, 2), 0.5)}
    assert torch.allclose(vary(given, Images(mixup=1.0), 2)["label_weights"], torch.full((4, 2), 0.5))


def test_in_a_mixture_each_row_keeps_its_weight_in_the_loss():
    """The loss is the sum of the parents' losses, each times its share and its weight."""
    torch.manual_seed(2)
    weights, logits = torch.tensor([0.2, 1.8]), torch.randn(2, 2)
    given = batch(2) | {"weight": weights}
    out = vary(given, Images(mixup=1.0), 2)
    means = out["pixel_values"].mean((1, 2, 3))
    shares = torch.stack([2 - means, means - 1], 1)  # parents are 1 and 2: of class 0 and 1
    expected = -(shares * weights * logits.log_softmax(1)).sum(1)
    losses = Classification.losses(None, logits, out, 0.0) * out["weight"]
    assert torch.allclose(losses, expected, atol=1e-5)


def test_rows_of_several_classes_share_their_labels():
    torch.manual_seed(0)
    given = batch(2) | {"labels": torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])}
    out = vary(given, Images(mixup=1.0), 3)
    share = 2 - float(out["pixel_values"][0].mean())  # of the first
    assert torch.allclose(out["labels"][0], torch.tensor([share, 1.0, 1 - share]), atol=1e-5)
    assert "label_weights" not in out


def test_flip_mirrors_about_half():
    torch.manual_seed(0)
    pixels = torch.rand(64, 3, 8, 8)
    out = vary({"pixel_values": pixels}, Images(flip=True), 2)["pixel_values"]
    mirrored = [torch.allclose(o, p.flip(-1), atol=1e-5) for o, p in zip(out, pixels, strict=True)]
    same = [torch.allclose(o, p, atol=1e-5) for o, p in zip(out, pixels, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 16 < sum(mirrored) < 48


def test_crops_are_windows_of_the_area_asked_for():
    """The image is its own coordinates: what is seen tells the window's ends."""
    torch.manual_seed(0)
    line = torch.linspace(0, 1, 64)
    pixels = torch.stack([line.expand(64, 64), line[:, None].expand(64, 64)]).expand(200, 2, 64, 64)
    out = vary({"pixel_values": pixels}, Images(crop=0.4), 2)["pixel_values"]
    wide = out[:, 0].amax((1, 2)) - out[:, 0].amin((1, 2))
    high = out[:, 1].amax((1, 2)) - out[:, 1].amin((1, 2))
    area, aspect = wide * high, wide / high
    assert out.min() >= 0
    assert out.max() <= 1
    assert 0.33 < area.min() < 0.5 < 0.9 < area.max() <= 1
    assert 0.7 < aspect.min() < 0.85 < 1.15 < aspect.max() < 1.4
    assert out[:, 0].amin((1, 2)).std() > 0.02  # and not always in the middle


def rows(count, seed=0):
    """The class is where the light is: above or below."""
    rng, out = np.random.default_rng(seed), []
    for i in range(count):
        pixels = rng.integers(0, 60, (32, 32, 3), np.uint8)
        pixels[16 * (i % 2) : 16 * (i % 2) + 16] += 120
        out.append({"pixels": pixels, "labels": i % 2})
    return out


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(0)
    model, processor = tiny("vit", id2label={0: "up", 1: "down"}, label2id={"up": 0, "down": 1})
    return model, bind("image-classification", ImageReader(processor))


VARIED = Images(mixup=0.5, cutmix=0.5, flip=True, crop=0.6)


def config(**changes):
    base = {"epochs": 2.0, "batch_size": 16, "precision": "fp32", "optim": Optim(lr=1e-3), "device": "cpu"}
    return TrainConfig(**base | {"regularise": Regularise(patience=0), "metric": "loss"} | changes)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_stopped_run_with_mixtures_ends_with_the_weights_of_an_undisturbed_one(made, tmp_path):
    model, task = made
    start = {k: v.clone() for k, v in model.state_dict().items()}
    options = config(images=VARIED, save_every=3)
    trainer.train(model, task, rows(64), rows(16, 1), options, tmp_path / "whole", seed=0)
    whole = weights(model)

    def stop(figures):
        raise KeyboardInterrupt

    model.load_state_dict(start)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(model, task, rows(64), rows(16, 1), options, tmp_path / "cut", seed=0, report=stop)
    assert trainer.last_checkpoint(tmp_path / "cut").name == "checkpoint-3"  # in mid-epoch
    model.load_state_dict(start)
    trainer.train(model, task, rows(64), rows(16, 1), options, tmp_path / "cut", seed=0)
    assert torch.equal(weights(model), whole)
    model.load_state_dict(start)
    trainer.train(model, task, rows(64), rows(16, 1), config(), tmp_path / "plain", seed=0)
    assert not torch.allclose(weights(model), whole, atol=1e-3)  # the option changes what is learned
    model.load_state_dict(start)


def test_validation_sees_the_images_as_they_are(made, tmp_path, monkeypatch):
    model, task = made
    seen = []
    monkeypatch.setattr(
        type(task), "answers", lambda self, m, b: seen.append(b) or (torch.eye(2)[b["labels"]], b["labels"])
    )
    trainer.train(model, task, rows(16), rows(16, 1), config(epochs=1.0, images=VARIED), tmp_path, seed=0)
    expected = torch.from_numpy(task.reader.batch(rows(16, 1))["pixel_values"])
    assert torch.equal(seen[0]["pixel_values"], expected)
