import copy
import itertools

import pytest
import torch
from transformers import AutoModelForImageClassification, ResNetConfig, ResNetForImageClassification

from toolkit.compression import channel_importance, families, resnets, sensitivity
from toolkit.compression import channels as engine
from toolkit.compression.channels import Sizes
from toolkit.errors import ToolkitError
from toolkit.training.tasks import bind

TASK = bind("image-classification", None)
KINDS = {
    "as builtin:image-tiny": {"embedding_size": 32, "hidden_sizes": [32, 64], "depths": [2, 2], "layer_type": "basic"},
    "stem of its own": {"embedding_size": 16, "hidden_sizes": [32, 32], "depths": [1, 3], "layer_type": "basic"},
    "narrow stem": {"embedding_size": 8, "hidden_sizes": [24, 32], "depths": [1, 2], "layer_type": "basic"},
    "wide stem": {"embedding_size": 32, "hidden_sizes": [16, 32], "depths": [2, 1], "layer_type": "basic"},
    "bottleneck": {"embedding_size": 16, "hidden_sizes": [64, 128], "depths": [2, 2], "layer_type": "bottleneck"},
    "downsampled at once": {
        "embedding_size": 16, "hidden_sizes": [32], "depths": [2], "layer_type": "basic",
        "downsample_in_first_stage": True,
    },
}  # fmt: skip
IMAGES = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
BATCH = {"pixel_values": IMAGES, "labels": torch.tensor([0, 1] * 4)}


@pytest.fixture(params=KINDS)
def model(request):
    torch.manual_seed(0)
    made = ResNetForImageClassification(ResNetConfig(**KINDS[request.param]))
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after a training
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    channel_importance.settle(made, TASK, [BATCH])
    return made


def answers(model):
    with torch.inference_mode():
        return model.eval()(pixel_values=IMAGES).logits


def cut(model, measure="magnitude", channels=0.0, blocks=None):
    """Cut by the engine; gives the sizes asked for."""
    to = engine.wanted(model.config, channels=channels, blocks=blocks)
    engine.apply(model, resnets.choose(model, TASK, [BATCH, BATCH], to, measure))
    return to


def kill(model, share):
    """Channels that give nothing; what is left of each group."""
    left = []
    for group in engine.groups(model):
        width = len(group.writers[0].normalization.weight)
        dead = torch.randperm(width)[: round(width * share)]
        for writer in group.writers:
            writer.normalization.weight.data[dead] = 0
            writer.normalization.bias.data[dead] = 0
        left.append(sorted({*range(width)} - {*dead.tolist()}))
    return left


def test_a_cut_model_is_smaller_and_the_stock_class_reloads_it(model, tmp_path):
    before = model.num_parameters()
    to = cut(model, channels=0.5)
    assert engine.shape(model.config) == to
    assert model.num_parameters() < before * 0.45
    model.save_pretrained(tmp_path)
    again, told = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"] | told["unexpected_keys"] | told["mismatched_keys"]
    assert torch.equal(answers(again), answers(model))


@pytest.mark.parametrize("measure", channel_importance.MEASURES)
def test_every_measure_finds_the_dead_channels_and_without_them_nothing_changes(model, measure):
    left = kill(model, 0.5)
    before = answers(model)
    scores = channel_importance.MEASURES[measure](model, TASK, [BATCH, BATCH])
    for score, alive in zip(scores, left, strict=True):
        assert {*score.nonzero().flatten().tolist()} <= {*alive}
    cut(model, measure, channels=0.5)
    assert torch.allclose(answers(model), before, atol=1e-4)


def test_blocks_go_one_after_another_by_the_loss_without_them(model):
    def loss_without(*gone):
        cut = copy.deepcopy(model)
        for s, b in gone:
            cut.base_model.encoder.stages[s].layers[b] = torch.nn.Identity()
        with torch.inference_mode():
            return cut(**BATCH).loss.item()

    at = [(s, b) for s, depth in enumerate(model.config.depths) for b in range(1, depth)]
    first = min(at, key=loss_without)
    order = [first, *sorted({*at} - {first}, key=lambda other: loss_without(first, other))[:1]]
    expected = [loss_without(*order[: n + 1]) for n in range(len(order))]
    to = engine.wanted(model.config, channels=0.0, blocks=sum(model.config.depths) - len(order))
    before = answers(model)
    removed = resnets.choose(model, TASK, [BATCH], to, "magnitude")["layers_removed"]
    assert [(found["stage"], found["layer"]) for found in removed] == order
    assert [found["calibration_loss_without"] for found in removed] == pytest.approx(expected)
    assert torch.equal(answers(model), before)


def test_depths_reload(model, tmp_path):
    cut(model, blocks=len(model.config.depths))
    assert model.config.depths == [1] * len(model.config.depths)
    model.save_pretrained(tmp_path)
    assert torch.equal(answers(AutoModelForImageClassification.from_pretrained(tmp_path)), answers(model))


def test_statistics_are_those_of_what_is_left(model):
    cut(model, channels=0.5)
    channel_importance.settle(model, TASK, [BATCH, BATCH])
    stem = model.base_model.embedder.embedder
    seen = stem.convolution(IMAGES)
    assert torch.allclose(stem.normalization.running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert stem.normalization.momentum == 0.1
    assert not model.training


@pytest.mark.parametrize(
    ("kind", "share", "sizes"),
    [
        ("as builtin:image-tiny", 0.25, Sizes(4, 24, (24, 48))),
        ("as builtin:image-tiny", 0.95, Sizes(4, 8, (8, 8))),
        ("as builtin:image-tiny", 0.0, Sizes(4, 32, (32, 64))),
        ("stem of its own", 0.7, Sizes(4, 8, (16, 8))),  # not 8 and 8: they would have no shortcut between them
        ("narrow stem", 0.7, Sizes(3, 8, (16, 8))),
        ("wide stem", 0.7, Sizes(3, 16, (8, 8))),
        ("bottleneck", 0.5, Sizes(4, 8, (32, 64))),
    ],
)
def test_widths_are_what_kernels_like_and_stock_models_can_have(kind, share, sizes):
    assert engine.wanted(ResNetConfig(**KINDS[kind]), channels=share, blocks=None) == sizes


@pytest.mark.parametrize("blocks", [1, 5])
def test_blocks_that_cannot_be_had_are_refused(blocks):
    with pytest.raises(ToolkitError, match=f"--layers {blocks}: the model has 4 blocks in 2 stages"):
        engine.wanted(ResNetConfig(**KINDS["bottleneck"]), channels=0.5, blocks=blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_rounds_go_all_the_way_and_the_plan_knows_the_size(kind):
    config = ResNetConfig(**KINDS[kind])
    whole, to = engine.shape(config), engine.wanted(config, channels=0.75, blocks=len(config.depths))
    assert resnets.between(whole, to, 1.0, config) == to
    half = resnets.between(whole, to, 0.5, config)
    assert to.blocks <= half.blocks <= whole.blocks
    assert all(a <= b <= c for a, b, c in zip(to.widths, half.widths, whole.widths, strict=True))
    planned = engine.parameters(ResNetForImageClassification, config, to)
    assert engine.shape(config) == whole, "planning changes nothing"
    model = ResNetForImageClassification(config)
    cut(model, channels=0.75, blocks=len(config.depths))
    assert planned == model.num_parameters()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.95])
def test_no_round_widens_what_an_earlier_one_has_cut(kind, share):
    config = ResNetConfig(**KINDS[kind])
    whole, to = engine.shape(config), engine.wanted(config, channels=share, blocks=None)
    rounds = [resnets.between(whole, to, (i + 1) / 4, config) for i in range(4)]
    widths = [(sizes.stem, *sizes.widths) for sizes in (whole, *rounds)]
    assert all(a >= b for before, after in itertools.pairwise(widths) for a, b in zip(before, after, strict=True))
    tied = whole.stem == whole.widths[0]
    assert all((sizes.stem == sizes.widths[0]) == tied for sizes in rounds)


def test_other_convolutional_families_are_refused():
    assert families.of("resnet") is families.CONVOLUTIONAL
    with pytest.raises(ToolkitError, match=r"'convnext' cannot be cut here: .*resnet"):
        families.of("convnext")


def test_what_is_measured_is_of_each_stage_and_each_block_that_may_go(model):
    config, depths = model.config, model.config.depths
    steps = resnets.steps(config, (0.25, 0.5, 0.75))
    assert {part: sizes[-1] for part, sizes in steps.items()} == {
        "channels": engine.wanted(config, channels=0.75, blocks=None),
        "layers": engine.wanted(config, channels=0.0, blocks=len(depths)),
    }
    assert all(
        resnets.left(part, to) < resnets.left(part, engine.shape(config)) for part in steps for to in steps[part]
    )
    grid, count = resnets.grid(config, (0.25, 0.5, 0.75)), resnets.counter(model)
    assert {engine.shape(config), *(to for sizes in steps.values() for to in sizes)} <= {*grid}
    assert count(grid[-1]) == engine.parameters(type(model), config, grid[-1])
    units = resnets.units(model, resnets.scores(model, TASK, [BATCH], "magnitude"))["channels"]
    assert [group for stage in units for group, _ in stage] == engine.groups(model)
    assert [group.stage for stage in units for group, _ in stage] == sorted(
        group.stage for group in engine.groups(model)
    )
    assert len(units) == len(depths)


def test_silencing_is_what_cutting_would_be(model):
    """Channels that nothing reads are as if they were gone; a block that is left out too."""
    before = answers(model)
    stages = resnets.units(model, resnets.scores(model, TASK, [BATCH], "magnitude"))["channels"]
    for units in stages:
        with sensitivity._silenced(units, 0.5):
            for group, scores in units:
                gone = scores.argsort(stable=True)[: len(scores) // 2]
                assert all(not reader.weight[:, gone].any() for reader in group.readers)
            assert not torch.equal(answers(model), before)
    contexts = resnets.without(model)
    assert len(contexts) == sum(model.config.depths) - len(model.config.depths)
    for without in contexts.values():
        with without():
            assert not torch.equal(answers(model), before)
    assert torch.equal(answers(model), before)


def test_an_order_that_is_known_is_taken(model):
    to = engine.wanted(model.config, channels=0.5, blocks=len(model.config.depths))
    order = resnets.order(model, TASK, [BATCH])
    assert len(order) == sum(model.config.depths) - len(model.config.depths)
    known = resnets.choose(model, TASK, [BATCH], to, "taylor", order, scores=None)
    assert known == resnets.choose(model, TASK, [BATCH], to, "taylor")
    backwards = resnets.choose(
        model, TASK, [BATCH], to._replace(blocks=to.blocks + len(order) - 1), "taylor", order[::-1]
    )
    assert backwards["layers_removed"] == order[-1:]
