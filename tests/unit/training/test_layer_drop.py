import copy

import pytest
import torch
import transformers

from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin, dropout, layer_drop, stages, trainer
from toolkit.training.config import Optim, Regularise, TrainConfig
from toolkit.training.tasks import bind

SMALL = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
TEXT = {"input_ids": torch.arange(5, 14).repeat(2, 1)}
IMAGE = {"pixel_values": torch.linspace(-2, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)}
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [2, 2], "layer_type": "basic"}
# name -> options, batch, and how many layers or blocks can be left out
CASES = {
    "Bert": (SMALL, TEXT, 4),
    "DistilBert": ({"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64}, TEXT, 4),
    "RoFormer": (SMALL, TEXT, 4),
    "DebertaV2": (SMALL, TEXT, 4),
    "Albert": (SMALL | {"embedding_size": 16}, TEXT, 1),
    "ViT": (SMALL | {"image_size": 32, "patch_size": 8}, IMAGE, 4),
    "ResNet": (RESNET, IMAGE, 3),  # the block that makes the image smaller works always
}


def made(name):
    options, batch, count = CASES[name]
    torch.manual_seed(0)
    task = "ImageClassification" if batch is IMAGE else "SequenceClassification"
    model = getattr(transformers, f"{name}For{task}")(getattr(transformers, f"{name}Config")(**options))
    dropout.apply(model, Regularise(dropout=0.0))
    return model, batch, count


@pytest.mark.parametrize("name", CASES)
def test_layers_are_left_out_as_often_as_asked_and_never_in_evaluation(name):
    model, batch, count = made(name)
    model.eval()
    whole = model(**batch).logits
    calls = []
    found = layer_drop.droppable(model, lambda: model(**batch))
    assert len(found) == count
    for layer, _ in found:
        inner = next(m for m in layer.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d))
        inner.register_forward_hook(lambda *_: calls.append(1))
    once = (model(**batch), len(calls))[1]
    with layer_drop.applied(model, Regularise(layer_drop=0.4), lambda: model(**batch)), torch.no_grad():
        assert torch.equal(model(**batch).logits, whole)
        model.train()
        calls.clear()
        torch.manual_seed(1)
        for _ in range(60):
            model(**batch)
        assert len(calls) / (60 * once) == pytest.approx(0.6, abs=0.1)
    model.train()
    calls.clear()
    model(**batch)
    assert len(calls) == once  # nothing of it is left
    assert not any("forward" in vars(layer) for layer, _ in found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"layer_drop": 0.2}, [0.2, 0.2, 0.2, 0.2]),
        ({"layer_drop": 0.2, "layer_drop_grows": True}, [0.05, 0.1, 0.15, 0.2]),
        ({"layer_drops": [0.0, 0.3]}, [0, 0, 0.3, 0.3]),
    ],
)
def test_rates_of_layers(options, expected):
    assert layer_drop.rates(Regularise(**options), 4) == pytest.approx(expected)


def test_a_stage_in_which_layers_alone_learn_wants_them():
    alone = stages.plan([{"until": 0.5, "embeddings": 0, "head": 0}, {"until": 1.0}], 4, 1e-3)
    layer_drop.check(Regularise(), alone)
    layer_drop.check(Regularise(layer_drop=0.5), stages.plan("gradual", 4, 1e-3))
    with pytest.raises(ToolkitError, match="a stage in which layers alone learn may lose all of them"):
        layer_drop.check(Regularise(layer_drop=0.5), alone)


def test_more_rates_than_layers_are_refused():
    with pytest.raises(ToolkitError, match="8 values for 4 layers"):
        layer_drop.rates(Regularise(layer_drops=[0.0] * 7 + [0.9]), 4)


def test_a_layer_with_rate_one_is_out_and_its_input_goes_on():
    model, batch, _ = made("Bert")
    with layer_drop.applied(model, Regularise(layer_drops=[0, 1, 1, 1]), lambda: model(**batch)):
        model.train()
        dropped = model(**batch).logits
    short = copy.deepcopy(model)
    short.bert.encoder.layer = short.bert.encoder.layer[:1]
    assert torch.allclose(dropped, short(**batch).logits, atol=1e-6)


def test_a_model_that_needs_its_layers_is_refused():
    model, batch, _ = made("Bert")

    class Wider(torch.nn.Module):
        def forward(self, hidden, *args, **kwargs):
            return torch.cat([hidden, hidden], 1)

    model.bert.encoder.layer = torch.nn.ModuleList([Wider()])
    with pytest.raises(ToolkitError, match="no layer of BertForSequenceClassification can be left out"):
        layer_drop.droppable(model, lambda: model(**batch))


def test_a_resumed_run_ends_as_an_undisturbed_one(tmp_path):
    texts = [f"word{i % 9} of it" for i in range(90)]
    start, tokenizer = builtin.build("builtin:text-tiny", texts, ["a", "b"], seed=0)
    task = bind("text-classification", TextReader(tokenizer, 128))
    rows = [{"input_ids": [2, 5 + i % 7, 5 + i % 3, 3], "labels": i % 2} for i in range(96)]
    regularise = Regularise(layer_drop=0.5, patience=0)
    options = TrainConfig(
        epochs=2.0, batch_size=16, precision="fp32", device="cpu", save_every=4, regularise=regularise,
        optim=Optim(lr=1e-3),
    )  # fmt: skip

    class Stop(Exception):
        pass

    def stop(figures):
        raise Stop

    weights = []
    for name in ("whole", "cut"):
        if name == "cut":
            with pytest.raises(Stop):
                trainer.train(
                    copy.deepcopy(start), task, rows, rows[:16], options, tmp_path / name, seed=0, report=stop
                )
            assert trainer.last_checkpoint(tmp_path / name)
        model = copy.deepcopy(start)
        trainer.train(model, task, rows, rows[:16], options, tmp_path / name, seed=0)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)
