"""What options stand for where nothing is given."""

import pytest
from tiny_models import make

from toolkit.training.config import Images, Optim, TrainConfig, for_images


@pytest.mark.parametrize(("kind", "lr"), [("resnet", 2e-3), ("vit", None)])
def test_from_scratch_convolutions_want_a_higher_rate_than_attention(kind, lr):
    assert for_images(TrainConfig(), "scratch", make(kind)).optim.lr == lr  # None: what texts have
    assert for_images(TrainConfig(), "pretrained", make(kind)).optim.lr is None
    assert for_images(TrainConfig(optim=Optim(lr=1e-4)), "scratch", make(kind)).optim.lr == 1e-4


def test_from_scratch_images_are_cropped_more():
    crops = [for_images(TrainConfig(), started, make("vit")).images.crop for started in ("scratch", "pretrained")]
    assert crops == [0.5, 1.0]
    assert for_images(TrainConfig(images=Images(crop=0.8)), "scratch", make("vit")).images.crop == 0.8
