import pytest
import torch
from helpers import token_rows as rows
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification
from unit.image_models import tiny

from toolkit.compression import unstructured
from toolkit.reading.text import TextReader
from toolkit.training import builtin, trainer
from toolkit.training.config import Optim, TrainConfig
from toolkit.training.tasks import bind

SMALL = {
    "vocab_size": 128,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = BertForSequenceClassification(BertConfig(**SMALL, max_position_embeddings=32))
    made.bert.encoder.layer[0].intermediate.dense.weight.data *= 100
    return made


@pytest.fixture(scope="module")
def task():
    return bind("text-classification", TextReader(builtin.train_tokenizer(["a text of words"] * 5), 32))


def zero_shares(masks):
    return [(weight == 0).float().mean().item() for weight, _ in masks]


def test_global_takes_the_least_of_all_matrices(model):
    before = {id(p): p.detach().abs().clone() for p in model.parameters()}
    masks = unstructured.zero_out(model, 0.4, "global")
    gone = torch.cat([before[id(weight)][~kept] for weight, kept in masks])
    stays = torch.cat([weight[kept].detach().abs() for weight, kept in masks])
    assert gone.max() <= stays.min()
    assert max(zero_shares(masks)) > 0.4 > min(zero_shares(masks)) < 0.05
    assert unstructured.figures(model, masks)["zeros_of_matrices"] == pytest.approx(0.4, abs=1e-3)


def test_by_layer_takes_the_same_share_of_each(model):
    masks = unstructured.zero_out(model, 0.3, "layer")
    assert zero_shares(masks) == pytest.approx([0.3] * len(masks), abs=1e-3)
    assert unstructured.figures(model, masks)["zeros_of_matrices"] == pytest.approx(0.3, abs=1e-3)


def test_embeddings_norms_and_the_head_stay_and_figures_tell_of_the_whole_model(model, tmp_path):
    masks = unstructured.zero_out(model, 0.5, "layer")
    assert (model.classifier.weight != 0).all()
    assert {id(weight) for weight, _ in masks}.isdisjoint(map(id, model.bert.embeddings.parameters()))
    zeros = sum((p == 0).sum().item() for p in model.parameters())
    assert unstructured.figures(model, masks)["zeros"] == zeros / model.num_parameters() < 0.5
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(v, again[k]) for k, v in model.state_dict().items())


def test_convolutions_count_as_matrices():
    model, _ = tiny("resnet")
    masks = unstructured.zero_out(model, 0.5, "layer")
    assert all(weight.ndim == 4 for weight, _ in masks)
    assert zero_shares(masks) == pytest.approx([0.5] * len(masks), abs=0.01)


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_zeros_stay_zero_in_training_and_others_learn(model, task, tmp_path, optimizer):
    config = TrainConfig(
        epochs=1, batch_size=16, precision="fp32", optim=Optim(lr=1e-2, optimizer=optimizer), device="cpu"
    )
    masks = unstructured.zero_out(model, 0.5, "global")
    before = [weight.detach().clone() for weight, _ in masks]
    with unstructured.held(masks):
        trainer.train(model, task, rows(64), rows(32, 1), config, tmp_path, seed=0)
    assert unstructured.figures(model, masks)["zeros_of_matrices"] == pytest.approx(0.5, abs=1e-3)
    for (weight, kept), old in zip(masks, before, strict=True):
        assert (weight[~kept] == 0).all()
        assert not torch.equal(weight, old)


def test_a_resumed_run_keeps_the_zeros_and_ends_the_same(model, task, tmp_path):
    start = {k: v.clone() for k, v in model.state_dict().items()}
    config = TrainConfig(epochs=2, batch_size=16, precision="fp32", optim=Optim(lr=1e-2), device="cpu", save_every=3)

    def run(folder, report=None):
        model.load_state_dict(start)
        masks = unstructured.zero_out(model, 0.5, "layer")
        with unstructured.held(masks):
            trainer.train(model, task, rows(64), rows(32, 1), config, tmp_path / folder, seed=0, report=report)
        return {k: v.clone() for k, v in model.state_dict().items()}

    class Stop(Exception):
        pass

    def stop(figures):
        raise Stop

    whole = run("whole")
    with pytest.raises(Stop):
        run("stopped", stop)
    assert trainer.last_checkpoint(tmp_path / "stopped")
    resumed = run("stopped")
    assert all(torch.equal(v, whole[k]) for k, v in resumed.items())


def test_afterwards_training_is_free_again(model):
    masks = unstructured.zero_out(model, 0.5, "layer")
    with unstructured.held(masks):
        pass
    weight, kept = masks[0]
    torch.optim.SGD([weight], 1.0).zero_grad()
    weight.grad = torch.ones_like(weight)
    torch.optim.SGD([weight], 1.0).step()
    assert (weight[~kept] == -1).all()
