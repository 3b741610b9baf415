import copy

import pytest
import torch

from toolkit.training import health, trainer
from toolkit.training.config import Optim, Regularise


def backward(bert, rows):
    made, task = bert
    loss, _ = task.loss(made, task.collate(rows(8)))
    loss.backward()


def test_groups_are_embeddings_layers_and_head(bert):
    made, _ = bert
    found = health.groups(made)
    assert list(found) == ["embeddings", "layer.0", "layer.1", "head"]
    assert sum(len(weights) for weights in found.values()) == len(list(made.parameters()))
    assert any(p is made.classifier.weight for p in found["head"])


@pytest.mark.parametrize(
    ("layers", "names"),
    [(2, ["layer.0", "layer.1"]), (24, [f"layers.{i}-{i + 1}" for i in range(0, 24, 2)])],
)
def test_deep_models_are_told_in_blocks(layers, names):
    found = health.blocks(layers)
    assert [health.name_of(block) for block in found] == names
    assert [i for block in found for i in block] == list(range(layers))


def test_gradient_norms_are_those_of_each_group(bert, rows):
    made, _ = bert
    backward(bert, rows)
    statistics = health.Statistics(made)
    statistics.gradients(scale=4.0)
    found = statistics.take()
    for name, weights in health.groups(made).items():
        norm = torch.cat([p.grad.flatten() for p in weights if p.grad is not None]).norm()
        assert found[f"grad_norm/{name}"] == pytest.approx(float(norm) / 4, rel=1e-5)


def test_a_frozen_group_has_no_gradient_and_no_update(bert, rows):
    made, _ = bert
    statistics = health.Statistics(made)
    for p in statistics.groups["layer.0"]:
        p.requires_grad_(False)
    backward(bert, rows)
    statistics.gradients()
    statistics.before()
    torch.optim.SGD([p for p in made.parameters() if p.requires_grad], lr=0.1).step()
    statistics.after()
    found = statistics.take()
    assert "grad_norm/layer.0" not in found
    assert found["update_ratio/layer.0"] == found["updated/layer.0"] == 0
    assert found["update_ratio/layer.1"] > 0


def test_updates_are_shares_of_the_weights(bert):
    made, _ = bert
    statistics = health.Statistics(made)
    statistics.before()
    with torch.no_grad():
        for p in statistics.groups["layer.1"]:
            p.mul_(1.001)
        word = made.bert.embeddings.word_embeddings.weight
        word[: len(word) // 2] += 1.0
    statistics.after()
    found = statistics.take()
    assert found["update_ratio/layer.1"] == pytest.approx(1e-3, rel=1e-2)
    assert found["update_ratio/layer.0"] == 0
    rows, sizes = word.shape[0] // 2 * word.shape[1], sum(p.numel() for p in statistics.groups["embeddings"])
    assert found["updated/embeddings"] == pytest.approx(rows / sizes, abs=0.02)


def test_large_tensors_are_sampled(monkeypatch, bert):
    monkeypatch.setattr(health, "SAMPLE", 64)
    made, _ = bert
    statistics = health.Statistics(made)
    statistics.before()
    assert sum(len(found) for found in statistics.sample.values()) < sum(p.numel() for p in made.parameters()) / 4
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(1.01)
    statistics.after()
    found = statistics.take()
    assert found["update_ratio/embeddings"] == pytest.approx(0.01, rel=0.05)


def test_activations_of_each_group(bert, rows):
    made, task = bert
    batch = task.collate(rows(8))
    made.eval()
    statistics = health.Statistics(made)
    statistics.watch()
    with torch.no_grad():
        outputs = made(**{k: v for k, v in batch.items() if k != "labels"}, output_hidden_states=True)
    found = statistics.take()
    names = ("embeddings", "layer.0", "layer.1")
    for name, hidden in zip(names, outputs.hidden_states, strict=True):
        assert found[f"activation_std/{name}"] == pytest.approx(float(hidden.std()), rel=1e-4)
        assert found[f"activation_mean/{name}"] == pytest.approx(float(hidden.mean()), abs=1e-5)
    assert found["activation_mean/head"] == pytest.approx(float(outputs.logits.mean()), abs=1e-5)
    made(**{k: v for k, v in batch.items() if k != "labels"})
    assert statistics.take() == {}, "it looks no more"


@pytest.mark.parametrize(
    ("kind", "values", "share"),
    [
        ("relu", [-1.0, -2.0, 3.0, 4.0], 0.5),
        ("gelu", [-9.0, 0.0, 1.0, 2.0], 0.25),
        ("tanh", [9.0, -9.0, 0.1, 5.0], 0.75),
        ("sigmoid", [0.0, 0.0, 0.0, 20.0], 0.25),
        ("silu", [-9.0, -8.0, 0.0, 1.0], 0.5),
    ],
)
def test_saturated_units_are_those_where_the_function_is_flat(bert, kind, values, share):
    from transformers.activations import ACT2FN

    made, _ = bert
    made.bert.encoder.layer[0].intermediate.intermediate_act_fn = ACT2FN[kind]
    statistics = health.Statistics(made)
    statistics.watch()
    made.bert.encoder.layer[0].intermediate.intermediate_act_fn(torch.tensor(values))
    assert statistics.take()["activation_saturated/layer.0"] == share


@pytest.mark.parametrize("name", ["builtin:image-tiny", "builtin:vit-tiny"])
def test_image_models_have_figures_too(name):
    from toolkit.training import builtin

    made, _ = builtin.build(builtin.resolve(name, "image"), [], ["a", "b"], 0)
    statistics = health.Statistics(made)
    statistics.watch()
    made(pixel_values=torch.rand(2, 3, 64, 64)).logits.sum().backward()
    statistics.gradients()
    found = statistics.take()
    assert {"grad_norm/embeddings", "grad_norm/head", "activation_std/layer.2"} <= set(found)


def test_looking_changes_nothing(bert, rows, config, tmp_path):
    """The weights are the same however often it is logged."""
    found = []
    for every in (1, 1000):
        made, task = copy.deepcopy(bert)
        options = config(
            log_every=every, regularise=Regularise(dropout=0.3), epochs=1.0, optim=Optim(lr=1e-3, accumulate=2)
        )
        trainer.train(made, task, rows(96), rows(16, 1), options, tmp_path / str(every), seed=0)
        found.append(made.state_dict())
    assert all(torch.equal(weights, found[1][name]) for name, weights in found[0].items())
