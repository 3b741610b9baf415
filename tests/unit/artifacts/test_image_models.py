"""Any image classifier of transformers goes in with other classes and comes out for the stock classes."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification
from unit.image_models import MODELS, tiny

from toolkit import reading
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError

FOUR = {"id2label": dict(enumerate("abcd")), "label2id": {n: i for i, n in enumerate("abcd")}}


@pytest.fixture(params=MODELS)
def saved(request, tmp_path):
    model, processor = tiny(request.param, **FOUR)
    loading.save(tmp_path / "m", model, processor)
    return tmp_path / "m"


def logits(model, pixels):
    with torch.inference_mode():
        return model.eval()(pixel_values=pixels).logits


def test_a_head_for_other_classes_and_back_into_stock_classes(saved, tmp_path):
    assert (models.reads(saved), models.task(saved), models.labels(saved)) == (
        "image",
        "image-classification",
        list("abcd"),
    )
    own, _ = loading.load(saved)
    for names in (["x", "y"], ["w", "x", "y", "z"]):
        model, processor = loading.load(saved, names)
        assert model.config.id2label == dict(enumerate(names))
        body = {k for k in own.state_dict() if own.state_dict()[k].shape == model.state_dict()[k].shape}
        changed = [k for k in body if not torch.equal(own.state_dict()[k], model.state_dict()[k])]
        assert changed or len(names) == 2  # a head of the same size is new too
        assert all("classifier" in key for key in changed), changed
        pixels = torch.from_numpy(np.random.default_rng(0).random((2, 3, 32, 32), np.float32))
        loading.save(tmp_path / f"{len(names)}", model, processor)
        again = AutoModelForImageClassification.from_pretrained(tmp_path / f"{len(names)}")
        assert logits(again, pixels).shape == (2, len(names))
        assert torch.allclose(logits(again, pixels), logits(model, pixels), atol=1e-5)
        shape = reading.of(
            "image", AutoImageProcessor.from_pretrained(tmp_path / f"{len(names)}", backend="pil"), None
        ).shape
        assert shape == (32, 32, 3)


def test_a_bare_backbone_gets_a_head(tmp_path):
    model, processor = tiny("vit")
    loading.save(tmp_path, model.vit, processor)
    assert models.labels(tmp_path) is None
    loaded, _ = loading.load(tmp_path, ["x", "y"])
    assert torch.equal(loaded.vit.embeddings.cls_token, model.vit.embeddings.cls_token)


def test_without_its_processor(tmp_path):
    model, processor = tiny("resnet", **FOUR)
    loading.save(tmp_path, model, processor)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ToolkitError, match=r"has no preprocessor_config\.json") as caught:
        loading.load(tmp_path)
    assert "copy it there" in caught.value.hint


@pytest.mark.parametrize("content", ["{", json.dumps({"image_processor_type": "NoSuchProcessor"})])
def test_a_processor_that_does_not_load(tmp_path, content):
    model, processor = tiny("resnet", **FOUR)
    loading.save(tmp_path, model, processor)
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(ToolkitError, match="has no image processor that loads"):
        loading.load(tmp_path)
