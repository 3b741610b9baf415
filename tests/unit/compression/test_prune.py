import copy

import pytest
import torch
from unit.encoders import FREE, MODELS, batch, logits, make

from toolkit.compression import prune, structure
from toolkit.compression.structure import Shape
from toolkit.errors import ToolkitError
from toolkit.training.tasks import bind

TASK = bind("text-classification", None)
NOTHING = {"layers": None, "ffn": 0.0, "heads": 0.0, "hidden": None}


def wanted(name, **amounts):
    return prune.wanted(make(name).config, **NOTHING | amounts)


@pytest.mark.parametrize(
    ("name", "amounts", "left"),
    [
        ("bert", {}, Shape(4, 48, 4, 32)),
        ("bert", {"ffn": 0.5, "layers": 2}, Shape(2, 24, 4, 32)),
        ("bert", {"ffn": 0.95}, Shape(4, 8, 4, 32)),
        ("distilbert", {"hidden": 16}, Shape(4, 48, 2, 16)),
        ("vit", {"heads": 0.5}, Shape(4, 48, 2, 32)),
        ("vit", {"heads": 0.95}, Shape(4, 48, 1, 32)),
        ("deit", {"hidden": 24, "heads": 0.25}, Shape(4, 48, 3, 24)),
    ],
)
def test_amounts_by_hand(name, amounts, left):
    assert wanted(name, **amounts) == left


@pytest.mark.parametrize(
    ("name", "amounts", "says", "hint"),
    [
        ("bert", {"layers": 5}, "the model has 4", "fewer"),
        ("bert", {"heads": 0.5}, "heads do not go alone", "--hidden 16 leaves 2 of 4"),
        ("bert", {"hidden": 20}, "no multiple of 8", "take 16"),
        ("bert", {"hidden": 40}, "the model has 32", "less"),
        ("vit", {"hidden": 20}, "no multiple of 8", "take 16"),
        ("electra, projected", {"hidden": 16}, "size of the embeddings", "take 24"),
    ],
)
def test_what_does_not_reload_is_refused(name, amounts, says, hint):
    with pytest.raises(ToolkitError, match=says) as caught:
        wanted(name, **amounts)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", MODELS)
def test_a_cut_keeps_what_matters_and_can_be_made_again_from_its_record(name):
    model = make(name)
    to = Shape(3, 16, 2, 24 if name in FREE else (24 if "projected" in name else 16))
    to = to if name in FREE else to._replace(heads=to.hidden // 8)
    cut = prune.choose(model, TASK, [batch(name)], to, "taylor")
    assert structure.shape(model.config) == Shape(4, 48, 4, 32), "choosing leaves the model as it was"
    one, two = copy.deepcopy(model), copy.deepcopy(model)
    prune.apply(one, cut)
    prune.apply(two, cut)
    assert structure.shape(one.config) == to
    assert torch.equal(logits(one, batch(name)), logits(two, batch(name)))


def test_dead_units_are_what_goes():
    model = make("vit")
    for layer in structure.layers(model):
        structure.ffn(model, layer)[1].weight.data[:, :24] = 0
        structure.attention(model, layer)[1].weight.data[:, 8:24] = 0
    before = logits(model, batch("vit"))
    prune.apply(model, prune.choose(model, TASK, [batch("vit")], Shape(4, 24, 2, 32), "taylor"))
    assert torch.allclose(logits(model, batch("vit")), before, atol=1e-5)


def test_rounds_go_the_whole_way_in_even_steps_of_whole_heads():
    config, whole = make("bert").config, Shape(4, 48, 4, 32)
    steps = [prune.between(whole, Shape(1, 8, 1, 8), share, config) for share in (1 / 3, 2 / 3, 1)]
    assert steps == [Shape(3, 32, 3, 24), Shape(2, 24, 2, 16), Shape(1, 8, 1, 8)]
    projected = make("roformer, projected").config
    assert prune.between(whole, Shape(4, 48, 1, 8), 2 / 3, projected) == Shape(4, 48, 3, 24), "16 does not reload"
    vision = make("vit").config
    assert prune.between(whole, Shape(4, 48, 1, 24), 0.5, vision) == Shape(4, 48, 2, 32)


def test_a_layer_is_left_however_few_there_are():
    config = make("bert").config
    for depth, left in ((1, []), (2, [1]), (4, [3, 2, 1])):
        config.num_hidden_layers = depth
        assert [to.layers for to in prune.steps(config, (0.25, 0.5, 0.75)).get("layers", [])] == left


def test_calibration_takes_rows_from_all_of_train():
    class Rows:
        def collate(self, rows):
            return rows

    found = [row for part in prune.calibration(Rows(), list(range(1000)), 100) for row in part]
    assert found == list(range(0, 1000, 10))
    found = [row for part in prune.calibration(Rows(), list(range(150)), 100) for row in part]
    assert len(found) == 100
    assert max(found) > 147, "the last of them too, where rows are sorted by class"
    assert len(prune.calibration(Rows(), list(range(5)), 100)) == 1
