import pytest
import torch
from torch.nn import functional as F
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DeiTConfig,
    DeiTForImageClassification,
    DistilBertConfig,
    SwinConfig,
    SwinForImageClassification,
)
from transformers import DistilBertForSequenceClassification as DistilBert
from unit.image_models import MODELS

from toolkit.compression import structure
from toolkit.compression.distill import inside
from toolkit.compression.distill.inside import Weights
from toolkit.errors import ToolkitError

INPUTS = {
    "input_ids": torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
}
PIXELS = {"pixel_values": torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))}


def bert(width=16, layers=2, heads=2, seed=0):
    torch.manual_seed(seed)
    size = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    return BertForSequenceClassification(BertConfig(vocab_size=40, intermediate_size=32, **size)).eval()


def same(inputs):
    return inputs


def loss_of(student, teacher, weights, given="even", inputs=INPUTS):
    found = inside.matched(student, teacher, same, given, Weights(*weights), inputs)
    with found.attached("cpu", 0):
        return found(inputs, student(**inputs, output_hidden_states=True)), found


@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_a_copy_has_no_loss_and_another_model_has(weights):
    teacher = bert()
    assert loss_of(bert(), teacher, weights)[0].item() == pytest.approx(0, abs=1e-7)
    assert loss_of(bert(seed=1), teacher, weights)[0].item() > 1e-5


def test_the_loss_of_hidden_states():
    student, teacher = bert(layers=2, seed=1), bert(layers=4)
    own, told = (m(**INPUTS, output_hidden_states=True).hidden_states for m in (student, teacher))
    there = INPUTS["attention_mask"].bool()
    apart = [
        F.mse_loss(F.layer_norm(own[s][there], (16,)), F.layer_norm(told[t][there], (16,))).item()
        for s, t in ((1, 1), (2, 4), (0, 0))
    ]
    assert loss_of(student, teacher, (3, 0, 0))[0].item() == pytest.approx(3 * (apart[0] + apart[1]) / 2, rel=1e-4)
    assert loss_of(student, teacher, (1, 0, 0), "last")[0].item() == pytest.approx(apart[1], rel=1e-4)
    assert loss_of(student, teacher, (0, 0, 2))[0].item() == pytest.approx(2 * apart[2], rel=1e-4)


def test_the_relations_of_attention():
    """Of one head: the divergence of softmax(x x' / sqrt(width)), row by row."""
    student, teacher = torch.randn(2, 1, 3, 4)
    p, q = ((x @ x.mT / 2).softmax(-1) for x in (teacher, student))
    wanted = (p * (p / q).log()).sum(-1).mean().item()
    assert inside.relations_apart(student, teacher, 1, None).item() == pytest.approx(wanted, rel=1e-4)
    padded = [torch.cat([x, torch.randn(1, 2, 4)], 1) for x in (student, teacher)]
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    assert inside.relations_apart(*padded, 1, mask).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        ("even", [(1, 1), (2, 3), (3, 6)]),
        ("last", [(3, 6)]),
        ("1:1,3:6", [(1, 1), (3, 6)]),
    ],
)
def test_layer_maps(given, pairs):
    assert inside.layer_map(given, 3, 6) == pairs
    assert inside.layer_map("even", 4, 2) == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert inside.layer_map("even", 1, 6) == [(1, 6)]
    for count in range(2, 13):
        taken = [teacher - 1 for _, teacher in inside.layer_map("even", count, 12)]
        assert taken == structure.evenly(12, count), "what `layers:N` begins with"


@pytest.mark.parametrize(
    ("given", "says"),
    [("4:6", "4:6 is not there: the student has 3"), ("1:7", "not there"), ("0:1", "counted from 1"),
     ("1-2", "such as 1:2"), ("", "such as 1:2")],
)  # fmt: skip
def test_layer_maps_that_cannot_be(given, says):
    with pytest.raises(ToolkitError, match=says):
        inside.layer_map(given, 3, 6)


def test_widths_that_differ_are_joined_by_maps_that_learn_and_are_thrown_away():
    student, teacher = bert(width=12, heads=3, seed=1), bert(width=16, heads=4, layers=4)
    before = set(student.state_dict())
    found = inside.matched(student, teacher, same, "even", Weights(1, 1, 1), INPUTS)
    with found.attached("cpu", 0):
        maps = getattr(student, inside.PROJECTIONS)
        assert {name: tuple(m.weight.shape) for name, m in maps.items()} == dict.fromkeys("012", (16, 12))
        found(INPUTS, student(**INPUTS, output_hidden_states=True)).backward()
        assert all(m.weight.grad.abs().sum() > 0 for m in maps.values())
        assert student.bert.encoder.layer[1].attention.self.key.weight.grad.abs().sum() > 0
    assert set(student.state_dict()) == before
    assert not found.seen
    read = [*inside.qkv(student, 2), *inside.qkv(teacher, 4)]
    assert not any(module._forward_hooks for module in read), "nothing is left behind"
    with found.attached("cpu", 0):
        assert torch.equal(getattr(student, inside.PROJECTIONS)["1"].weight, maps["1"].weight), "the seed decides"


def test_another_architecture_of_the_same_tokens():
    torch.manual_seed(1)
    student = DistilBert(DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=4, hidden_dim=32)).eval()
    value, found = loss_of(student, bert(layers=2), (1, 1, 1))
    assert value.item() > 0
    assert found.pairs == [(1, 2)]


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_images(name):
    weights = (1, 1, 1) if name == "vit" else (1, 0, 1)
    torch.manual_seed(0)
    teacher = MODELS[name]().eval()
    assert loss_of(teacher, teacher, weights, inputs=PIXELS)[0].item() == pytest.approx(0, abs=1e-7)
    torch.manual_seed(1)
    assert loss_of(MODELS[name]().eval(), teacher, weights, inputs=PIXELS)[0].item() > 1e-4


def test_what_cannot_be_compared():
    vit, resnet = (MODELS[name]().eval() for name in ("vit", "resnet"))
    with pytest.raises(ToolkitError, match=r"places an image, layer \d of the teacher 17.*weight of 0"):
        inside.matched(resnet, vit, same, "even", Weights(1, 0, 0), PIXELS)
    with pytest.raises(ToolkitError, match="ResNetForImageClassification has no queries, keys and values"):
        inside.matched(resnet, vit, same, "even", Weights(0, 1, 0), PIXELS)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    seen = {"image_size": 32, "patch_size": 8}
    deit = DeiTForImageClassification(DeiTConfig(**small, **seen)).eval()  # one token more
    with pytest.raises(ToolkitError, match=r"18 places an image, layer \d of the teacher 17"):
        inside.matched(deit, vit, same, "even", Weights(0, 1, 0), PIXELS)
    swin = SwinForImageClassification(
        SwinConfig(image_size=32, patch_size=8, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=2)
    ).eval()
    with pytest.raises(ToolkitError, match="Swin"):
        inside.matched(vit, swin, same, "even", Weights(0, 1, 0), PIXELS)
    albert = AlbertForSequenceClassification(AlbertConfig(vocab_size=40, embedding_size=16, **small)).eval()
    with pytest.raises(ToolkitError, match="AlbertForSequenceClassification has no queries, keys and values"):
        inside.matched(albert, bert(layers=2), same, "even", Weights(1, 1, 0), INPUTS)
