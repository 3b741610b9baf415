import pytest
from tiny_models import make

from toolkit.errors import ToolkitError
from toolkit.training import space
from toolkit.training.config import Optim, Regularise, TrainConfig

BASE = TrainConfig()


@pytest.mark.parametrize(
    ("kind", "width", "low", "high"),
    [
        ("text", None, 2e-4, 3e-3),
        ("text", 768, 1e-5, 5e-5),
        ("text", 0, 1e-5, 5e-5),
        ("text", 384, 3e-5, 3e-4),
        ("image", 192, 1e-4, 1e-3),
        ("image", None, 2e-4, 3e-3),
    ],
)
def test_the_default_rates_go_by_the_content_and_the_weights(kind, width, low, high):
    assert space.default(kind, width, BASE)["lr"] == {"low": low, "high": high, "log": True}


def test_the_default_space_leaves_out_what_is_given_and_what_is_not_there():
    found = space.default("text", 768, BASE)
    assert found["batch_size"] == {"choices": [16, 32, 64, 128]}
    assert (found["weight_decay"]["low"], found["weight_decay"]["high"]) == (1e-4, 1e-2)
    assert (found["dropout"]["low"], found["dropout"]["high"]) == (0.1, 0.5)
    assert set(found) <= set(space.LEAVES)
    assert "stages" in found
    assert "stages" not in space.default("text", None, BASE)
    given = TrainConfig(batch_size=8, optim=Optim(lr=1e-3))
    assert not {"lr", "batch_size"} & set(space.default("text", 768, given))


def test_the_default_rates_follow_the_optimizer():
    adamw, sgd = (space.default("text", 768, TrainConfig(optim=Optim(optimizer=o)))["lr"] for o in ("adamw", "sgd"))
    assert sgd["low"] == pytest.approx(200 * adamw["low"])


def test_every_default_can_be_written_as_a_file():
    found = space.default("text", 768, BASE)
    assert space.read(found, "s.json", BASE, "text") == {
        n: {"log": False, **r} if "low" in r else r for n, r in found.items()
    }


def test_a_file_names_any_option_nested_or_not():
    told = {
        "optim": {"weight-decay": {"low": 0, "high": 1, "step": 0.3}},
        "batch-size": {"low": 8, "high": 20, "step": 5},
    }
    found = space.read(told | {"schedule.warmup": {"choices": [0, 0.1]}}, "s.json", BASE, "text")
    assert found["weight_decay"] == {"low": 0.0, "high": pytest.approx(0.9), "step": 0.3}
    assert found["batch_size"] == {"low": 8, "high": 18, "step": 5}
    assert found["warmup"] == {"choices": [0.0, 0.1]}
    found = space.read(
        {"stages": {"choices": ["none", "gradual"]}, "dropout": {"choices": [None, 0.1]}}, "s.json", BASE, "text"
    )
    assert found["dropout"]["choices"] == [None, 0.1]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"lrr": {"low": 1, "high": 2}}, "unknown key 'lrr': did you mean lr"),
        ({"lr": {"low": 2, "high": 1}}, "lr: the range 2 to 1 is empty: low is above high"),
        ({"lr": {"low": 1, "high": 1}}, "lr: the range 1 to 1 is empty"),
        ({"lr": {"low": 0, "high": 1, "log": True}}, "a logarithmic range starts above 0"),
        ({"lr": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "logarithmic range has no step"),
        ({"lr": {"low": 0.1, "high": 1, "log": "yes"}}, "log is 'yes'"),
        ({"lr": {"high": 1}}, "low is missing"),
        ({"lr": {"low": 0.1, "high": float("nan")}}, "finite"),
        ({"lr": {"low": 0.1, "high": 0.2, "step": 0.3}}, "leaves one value"),
        ({"lr": {"low": 0.1, "high": 0.2, "step": 0}}, "step is 0"),
        ({"batch_size": {"low": 8, "high": 16, "step": 0.5}}, "a whole number"),
        ({"batch_size": {"low": 1.5, "high": 16}}, "of type int"),
        ({"lr": {"lo": 1, "high": 2}}, "did you mean low"),
        ({"lr": {"choices": []}}, "lr: there are no choices"),
        ({"lr": {"choices": [0.1, 0.1]}}, "twice"),
        ({"lr": {"choices": [0.1], "low": 1}}, "choices stand alone"),
        ({"lr": [0.1]}, "is no range"),
        ({"dropout": {"low": 0, "high": 1.5}}, "at most 0.9"),
        ({"scheduler": {"choices": ["linar"]}}, "did you mean linear"),
        ({"scheduler": {"low": 1, "high": 2}}, "only choices"),
        ({"stages": {"choices": ["none", "mine.json"]}}, "files cannot be searched"),
        ({"stages": {"choices": [None, "gradual"]}}, "null is no choice here: these are: none|auto"),
        ({"metric": {"choices": ["loss"]}}, "metric cannot be searched"),
        ({"device": {"choices": ["cpu"]}}, "device cannot be searched"),
        ({"find_lr": {"choices": [True]}}, "find_lr cannot be searched"),
        ({"resolution": {"choices": [32, 64]}}, "resolution cannot be searched"),
        ({"fsdp": {"choices": [True, False]}}, "fsdp cannot be searched"),
        ({"mixup": {"low": 0, "high": 1}}, "mixup is for images, the data holds texts"),
        ({}, "holds no ranges"),
    ],
)
def test_a_space_that_means_nothing_is_refused(told, says):
    with pytest.raises(ToolkitError) as raised:
        space.read(told, "s.json", BASE, "text")
    assert "s.json" in str(raised.value)
    assert says in str(raised.value)


def test_how_images_are_varied_is_searched_of_images():
    assert space.read({"mixup": {"low": 0, "high": 1}}, "s.json", BASE, "image")["mixup"]["high"] == 1.0


def test_an_option_is_searched_or_given():
    with pytest.raises(ToolkitError, match="given by --epochs too"):
        space.read({"epochs": {"choices": [1, 2]}}, "s.json", TrainConfig(epochs=1.0), "text")
    weighed = TrainConfig(regularise=Regularise(weights={"a": 2.0}))
    with pytest.raises(ToolkitError, match="class_weights is searched, and weights are given too"):
        space.read({"class_weights": {"choices": ["none", "balanced"]}}, "s.json", weighed, "text")


def test_one_rate_for_all_layers_is_not_searched_beside_a_rate_each():
    listed = TrainConfig(regularise=Regularise(layer_drops=[0.0, 0.2]))
    assert "layer_drop" in space.default("text", 384, BASE)
    assert "layer_drop" not in space.default("text", 384, listed)
    with pytest.raises(ToolkitError, match="layer_drop is searched, and layer_drops are given too"):
        space.read({"layer_drop": {"low": 0, "high": 0.2}}, "s.json", listed, "text")


def test_a_trial_becomes_a_config():
    params = {"lr": 1e-3, "batch_size": 8, "stages": "gradual", "warmup": 0.2}
    base = TrainConfig(epochs=2.0, optim=Optim(momentum=0.5))
    made = space.applied(base, params)
    assert (made.optim.lr, made.batch_size, made.layers.stages, made.schedule.warmup) == (1e-3, 8, "gradual", 0.2)
    assert (made.epochs, made.optim.momentum) == (2.0, 0.5)


def test_the_cells_of_a_grid():
    told = {
        "lr": {"choices": [1e-3, 1e-4]},
        "batch_size": {"low": 8, "high": 10},
        "dropout": {"low": 0.1, "high": 0.3, "step": 0.1},
    }
    cells = space.cells(space.read(told, "s.json", BASE, "text"))
    assert len(cells) == 2 * 3 * 3
    assert {c["batch_size"] for c in cells} == {8, 9, 10}
    assert sorted({c["dropout"] for c in cells}) == [0.1, 0.2, 0.3]
    found = space.read({"dropout": {"low": 0.0, "high": 0.35, "step": 0.1}}, "s.json", BASE, "text")
    assert [c["dropout"] for c in space.cells(found)] == [0.0, 0.1, 0.2, found["dropout"]["high"]]
    with pytest.raises(ToolkitError, match="lr, which has a range without steps"):
        space.cells(space.default("text", 768, BASE))
    with pytest.raises(ToolkitError, match="more than 1,000,000 cells"):
        space.cells({"batch_size": {"low": 1, "high": 10_000_000, "log": False}})


def test_the_longest_trial():
    assert space.most_epochs({}, BASE, scratch=True) == 15
    assert space.most_epochs({}, TrainConfig(epochs=2.5), scratch=True) == 3
    assert space.most_epochs({"epochs": {"low": 1.0, "high": 6.0}}, BASE, scratch=False) == 6
    assert space.most_epochs({"epochs": {"choices": [None, 2.0]}}, BASE, scratch=False) == 4


def test_a_search_starts_with_the_options_of_a_training_that_is_not_searched():
    found = space.start(space.default("text", 384, BASE), BASE, make("bert"), "pretrained", "text")
    assert found == {
        "lr": 1e-4,
        "batch_size": 32,
        "weight_decay": 0.01,
        "dropout": 0.1,
        "label_smoothing": 0.0,
        "layer_drop": 0.0,
        "stages": "none",
    }


@pytest.mark.parametrize(
    ("limits", "held"),
    [
        ({"low": 1, "high": 8, "log": False}, True),
        ({"low": 5, "high": 8, "log": False}, False),
        ({"low": 0, "high": 6, "step": 2}, True),
        ({"low": 1, "high": 7, "step": 2}, False),
        ({"choices": [2, 4]}, True),
        ({"choices": [3, 5]}, False),
    ],
)
def test_what_the_space_does_not_hold_is_left_to_the_sampler(limits, held):
    found = space.start({"epochs": limits}, BASE, make("bert"), "pretrained", "text")  # which learns for four epochs
    assert found == ({"epochs": 4.0} if held else {})


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, {"dropout": 0.1}),
        ({"seq_classif_dropout": 0.2}, {}),  # one rate for all is none of the model's own
        ({"attention_dropout": 0.0, "dropout": 0.0, "seq_classif_dropout": 0.0}, {"dropout": 0.0}),
    ],
)
def test_the_models_own_dropout_is_a_start_where_it_is_one(changes, known):
    model, limits = make("distilbert"), {"dropout": {"low": 0.0, "high": 0.5, "log": False}}
    model.config.update({"attention_dropout": 0.1, "dropout": 0.1, "seq_classif_dropout": 0.1} | changes)
    assert space.start(limits, BASE, model, "pretrained", "text") == known
    assert space.start(limits, BASE, make("resnet"), "scratch", "image") == {}


def test_the_models_own_choice_is_a_start():
    limits = {"lr": {"choices": [None, 1e-3]}, "max_length": {"choices": [16, None]}, "beta2": {"choices": [0.9]}}
    assert space.start(limits, BASE, make("bert"), "pretrained", "text") == {"lr": None, "max_length": None}


def test_dropout_is_searched_where_there_is_any_and_down_to_the_models_own():
    assert space.default("text", 768, BASE, {0.1, 0.2})["dropout"]["low"] == 0.1
    assert space.default("image", None, BASE, {0.0})["dropout"]["low"] == 0.0
    assert "dropout" not in space.default("image", None, BASE, ())
