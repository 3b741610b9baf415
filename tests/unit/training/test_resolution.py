import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification
from unit.image_models import tiny

from toolkit.artifacts import loading
from toolkit.errors import ToolkitError
from toolkit.reading.image import ImageReader
from toolkit.training import builtin
from toolkit.training.resolution import change


@pytest.mark.parametrize("name", ["vit", "deit", "convnext", "resnet", "efficientnet", "swin", "mobilenet_v2"])
def test_stock_classes_load_the_new_size(name, tmp_path):
    model, processor = change(*tiny(name), 64)
    loading.save(tmp_path, model, processor)
    again = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(again(pixel_values=pixels).logits, model(pixel_values=pixels).logits, atol=1e-5)
    assert ImageReader(AutoImageProcessor.from_pretrained(tmp_path, backend="pil")).shape == (64, 64, 3)


def test_what_is_no_position_stays():
    model, processor = tiny("vit")
    before, after = model.state_dict(), change(model, processor, 64)[0].state_dict()
    changed = [key for key in before if before[key].shape != after[key].shape]
    assert changed == ["vit.embeddings.position_embeddings"]
    assert all(torch.equal(before[key], after[key]) for key in before if key not in changed)


def test_positions_are_spread_and_the_class_token_keeps_its_own():
    """A plane over the patches stays a plane: a patch in the middle of four has the mean of what they had."""
    model, processor = tiny("deit")
    own = model.deit.embeddings.position_embeddings
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    with torch.no_grad():
        own[0, :2] = 9
        own[0, 2:] = (10 * y + x).reshape(16, 1)
    new = change(model, processor, 64)[0].deit.embeddings.position_embeddings[0].detach()
    assert torch.equal(new[:2], own[0, :2])
    grid = new[2:, 0].reshape(8, 8)
    assert grid[3:5, 3:5].mean() == pytest.approx(16.5, abs=0.01)
    assert (grid[4, 4] - grid[4, 3]).item() == pytest.approx(0.5, abs=0.1)
    assert (grid[4, 4] - grid[3, 4]).item() == pytest.approx(5.0, abs=1)


def test_as_much_is_cropped_as_before():
    _, processor = tiny("deit")
    own = change(*tiny("deit"), 64)[1]
    assert (processor.size.height, processor.crop_size.height) == (40, 32)
    assert (own.size.height, own.crop_size.height) == (80, 64)


def test_a_built_in_reads_other_sizes():
    for name in ("builtin:image-tiny", "builtin:vit-tiny"):
        model, processor = change(*builtin.build(name, [], ["a", "b"], seed=0), 96)
        assert ImageReader(processor).shape == (96, 96, 3)
        assert model(pixel_values=torch.rand(1, 3, 96, 96)).logits.shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "pixels", "says"),
    [("beit", 64, "cannot change its resolution: .*relative_position"), ("vit", 36, "patches of 8 pixels")],
)
def test_what_an_architecture_cannot(name, pixels, says):
    with pytest.raises(ToolkitError, match=says):
        change(*tiny(name), pixels)
