import copy

import pytest
import torch
from unit.encoders import MODELS, batch, make

from toolkit.compression import importance, structure
from toolkit.training.tasks import bind

TASK = bind("text-classification", None)


@pytest.fixture(params=["bert", "distilbert", "roformer", "vit"])
def name(request):
    return request.param


@pytest.mark.parametrize("measure", importance.MEASURES)
def test_units_that_nothing_reads_come_last(name, measure):
    model, dead = make(name), [3, 17, 30]
    for layer in structure.layers(model):
        structure.ffn(model, layer)[1].weight.data[:, dead] = 0
        structure.attention(model, layer)[1].weight.data[:, 8:16] = 0
    for reader in structure.hidden_group(model).readers:
        reader.weight.data[:, dead] = 0
    pooled = structure.pooled_group(model)
    if pooled:
        pooled.readers[0].weight.data[:, dead] = 0
    found = importance.measured(model, TASK, [batch(name)], measure)
    assert all(sorted(scores.argsort()[:3].tolist()) == dead for scores in found.ffn)
    assert all(int(scores.argmin()) == 1 for scores in found.heads)
    if name == "vit" or measure != "taylor":  # elsewhere a norm that follows makes all dimensions matter to the loss
        assert sorted(found.hidden.argsort()[:3].tolist()) == dead
    assert (found.pooled is None) == (pooled is None)
    if found.pooled is not None:
        assert found.pooled[dead].max() == 0 < found.pooled.max()


def test_taylor_is_what_the_loss_would_change_by_to_the_first_order():
    """A neuron of one row of one position: |activation x gradient| against a small step of the activation."""
    model, rows = make("vit"), {key: value[:1] for key, value in batch("vit").items()}
    group = structure.ffn_groups(model)[3]
    score = importance.measured(model, TASK, [rows], "taylor").ffn[3]
    step = 1e-3

    def loss_with(neuron, position):
        def shrink(module, inputs):
            changed = inputs[0].clone()
            changed[0, position, neuron] *= 1 - step
            return (changed,)

        handle = group.readers[0].register_forward_pre_hook(shrink)
        with torch.inference_mode():
            loss = TASK.loss(model, rows)[0].double()
        handle.remove()
        return loss

    with torch.inference_mode():
        whole = TASK.loss(model, rows)[0].double()
    # the classifier reads the first token alone, so that the last block's neurons matter there alone
    assert float(score[5]) == pytest.approx(float((whole - loss_with(5, 0)).abs() / step), rel=0.05, abs=2e-5)


def test_padding_has_no_part_in_the_activation():
    model, rows = make("bert"), batch("bert")
    padded = {"input_ids": torch.nn.functional.pad(rows["input_ids"], (0, 5)), "labels": rows["labels"]}
    padded["attention_mask"] = torch.nn.functional.pad(rows["attention_mask"], (0, 5))
    one, two = (importance.measured(model, TASK, [b], "activation") for b in (rows, padded))
    assert torch.allclose(one.ffn[2], two.ffn[2], rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_measuring_leaves_the_model_as_it_was(name):
    model = make(name)
    before = copy.deepcopy(model.state_dict())
    importance.measured(model, TASK, [batch(name)], "taylor")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_layers_found_are_those_whose_removal_costs_least_and_the_model_stays_whole(name):
    model, rows = make(name), batch(name)

    def loss_without(gone):
        cut = copy.deepcopy(model)
        structure.keep_layers(cut, [n for n in range(4) if n not in gone])
        with torch.inference_mode():
            return cut(**rows).loss.item()

    before = list(structure.layers(model))
    (first, first_loss), (second, second_loss) = importance.least_important_layers(model, TASK, [rows], 2)
    assert first_loss == pytest.approx(min(loss_without({n}) for n in range(4)))
    assert first_loss == pytest.approx(loss_without({first}))
    assert second_loss == pytest.approx(min(loss_without({first, n}) for n in range(4) if n != first))
    assert second_loss == pytest.approx(loss_without({first, second}))
    assert list(structure.layers(model)) == before
