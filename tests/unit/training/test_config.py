"""What options stand for where nothing is given."""

import pytest
from tiny_models import make

from toolkit.training.config import Images, Optim, TrainConfig, settled


def image(config=None, started="scratch", model="vit"):
    return settled(config or TrainConfig(), started, make(model), "image")


def test_texts_and_weights_decide_rate_and_epochs():
    found = [settled(TrainConfig(), started, make("bert"), "text") for started in ("scratch", "pretrained")]
    assert [(config.optim.lr, config.epochs, config.images.crop) for config in found] == [
        (5e-4, 15.0, None),
        (1e-4, 4.0, None),
    ]
    assert settled(TrainConfig(epochs=2.0), "scratch", make("bert"), "text").epochs == 2.0
    assert settled(TrainConfig(optim=Optim(optimizer="sgd")), "scratch", make("bert"), "text").optim.lr == 5e-2


@pytest.mark.parametrize(
    ("model", "sizes", "lr"),
    [
        ("bert", {"hidden_size": 768}, 5e-5),
        ("bert", {"hidden_size": 384}, 1e-4),
        ("distilbert", {"dim": 768}, 5e-5),
        ("distilbert", {"dim": 512}, 1e-4),
    ],
)
def test_narrow_pretrained_encoders_want_a_higher_rate(model, sizes, lr):
    made = make(model)
    made.config.update(sizes)
    assert settled(TrainConfig(), "pretrained", made, "text").optim.lr == lr
    assert settled(TrainConfig(), "scratch", made, "text").optim.lr == 5e-4
    assert settled(TrainConfig(optim=Optim(optimizer="lion")), "pretrained", made, "text").optim.lr == lr / 5


@pytest.mark.parametrize(("kind", "lr"), [("resnet", 2e-3), ("vit", 5e-4)])
def test_from_scratch_convolutions_want_a_higher_rate_than_attention(kind, lr):
    assert image(model=kind).optim.lr == lr
    assert image(started="pretrained", model=kind).optim.lr == 5e-5
    assert image(TrainConfig(optim=Optim(lr=1e-4)), model=kind).optim.lr == 1e-4


def test_from_scratch_images_are_cropped_more():
    assert [image(started=started).images.crop for started in ("scratch", "pretrained")] == [0.5, 1.0]
    assert image(TrainConfig(images=Images(crop=0.8))).images.crop == 0.8
