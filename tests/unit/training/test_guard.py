import copy
import json

import pytest
import torch
from safetensors.torch import load_file

from toolkit.errors import ToolkitError
from toolkit.training import guard, trainer

BAD = 99  # the token of the row that breaks the model


def break_at(model, layer):
    """Rows with the token BAD make the output of a layer NaN."""
    seen = {}
    model.bert.embeddings.word_embeddings.register_forward_hook(lambda m, args, out: seen.update(ids=args[0]))

    def spoil(module, args, output):
        hit = (seen["ids"] == BAD).any(1)
        told = output[0] if isinstance(output, tuple) else output
        told = torch.where(hit[:, None, None], float("nan"), told)
        return (told, *output[1:]) if isinstance(output, tuple) else told

    model.bert.encoder.layer[layer].register_forward_hook(spoil)


def with_bad_row(rows, number):
    found = rows(96)
    for row in found:
        row["input_ids"] = [i if i != BAD else 98 for i in row["input_ids"]]
    found[number]["input_ids"][-1] = BAD
    return found


def test_a_nan_stops_before_the_step_and_names_layer_and_rows(bert, rows, config, tmp_path):
    made, task = bert
    break_at(made, 1)
    told = with_bad_row(rows, 40)
    ids = [f"id{i}" for i in range(len(told))]
    options = config(save_every=1, keep=9, log_every=1000)
    with pytest.raises(ToolkitError) as caught:
        trainer.train(made, task, told, rows(16, 1), options, tmp_path, seed=0, ids=ids)
    found = json.loads((tmp_path / "stopped.json").read_text())
    assert found["rows"] == ["id40"]
    assert len(found["batch"]) == 16
    assert "id40" in found["batch"]
    assert found["where"] == "the output of bert.encoder.layer.1"
    step = found["step"]
    assert step > 2
    message = str(caught.value)
    assert f"the loss is nan in step {step}, which was not taken" in message
    assert "bert.encoder.layer.1 in row id40" in message
    assert all(name in message for name in found["batch"])
    # The weights are those after the step before; that checkpoint is gone, since nothing sound comes after it.
    left = sorted(int(p.name.split("-")[1]) for p in (tmp_path / "checkpoints").glob("checkpoint-*"))
    assert left == list(range(1, step - 1))
    assert f"checkpoint-{step - 2}" in caught.value.hint
    again, _ = copy.deepcopy(made), None
    fresh = config(save_every=1, keep=9, log_every=1000)
    with pytest.raises(ToolkitError, match=f"in step {step}, which was not taken"):
        trainer.train(again, task, told, rows(16, 1), fresh, tmp_path, seed=0, ids=ids)
    for name, weights in again.state_dict().items():
        assert torch.equal(weights, made.state_dict()[name]), name
    newest = load_file(tmp_path / "checkpoints" / f"checkpoint-{step - 2}" / "model.safetensors")
    assert not torch.equal(newest["classifier.weight"], made.state_dict()["classifier.weight"])


def test_accumulated_batches_name_the_one_that_broke(bert, rows, config, tmp_path):
    from toolkit.training.config import Optim

    made, task = bert
    break_at(made, 0)
    options = config(batch_size=8, optim=Optim(lr=1e-3, accumulate=3))
    with pytest.raises(ToolkitError, match=r"layer\.0 in row 40"):
        trainer.train(made, task, with_bad_row(rows, 40), rows(16, 1), options, tmp_path, seed=0)
    found = json.loads((tmp_path / "stopped.json").read_text())
    assert found["rows"] == ["40"]
    assert len(found["batch"]) == 24


def test_rows_that_are_answered_twice_are_named_once(bert, rows, config, tmp_path):
    from toolkit.training.config import Regularise

    made, task = bert
    break_at(made, 0)
    options = config(regularise=Regularise(r_drop=1.0))
    with pytest.raises(ToolkitError, match=r"layer\.0 in row 40"):
        trainer.train(made, task, with_bad_row(rows, 40), rows(16, 1), options, tmp_path, seed=0)
    assert json.loads((tmp_path / "stopped.json").read_text())["rows"] == ["40"]


def test_it_is_looked_for_in_pieces_where_memory_holds_no_more(bert, rows, config, tmp_path):
    made, task = bert
    break_at(made, 0)

    def loss(model, batch):
        if len(batch["labels"]) > 4:
            raise torch.OutOfMemoryError
        return task.loss(model, batch)

    with pytest.raises(ToolkitError, match=r"layer\.0 in row 40"):
        trainer.train(made, task, with_bad_row(rows, 40), rows(16, 1), config(), tmp_path, seed=0, loss=loss)


def test_a_gradient_that_is_not_finite_names_its_weights(bert, rows, config, tmp_path):
    made, task = bert

    def loss(model, batch):
        value, outputs = task.loss(model, batch)
        nothing = (outputs.logits * 0).pow(2).sum().sqrt()  # 0, and its slope is not a number
        return value + nothing, outputs

    with pytest.raises(ToolkitError, match=r"the gradient's norm is nan in step 1, .*the gradient of classifier\.bias"):
        trainer.train(made, task, rows(32), rows(16, 1), config(), tmp_path, seed=0, loss=loss)


def test_a_loss_that_is_not_finite_though_its_outputs_are(bert, rows, config, tmp_path):
    made, task = bert

    def loss(model, batch):
        value, outputs = task.loss(model, batch)
        return value + float("inf"), outputs

    with pytest.raises(ToolkitError, match=r"the loss is inf in step 1, .* the loss itself"):
        trainer.train(made, task, rows(32), rows(16, 1), config(), tmp_path, seed=0, loss=loss)


def test_weights_that_are_not_finite_are_no_checkpoint(bert, rows, config, tmp_path, monkeypatch):
    from toolkit.training.watch import Watch

    made, task = bert
    made.classifier.weight.data[0, 0] = 1e30
    assert guard.unsound_weights(made) is None, "large is finite"
    real = Watch.on_step_end

    def end(self, args, state, control, **kwargs):
        real(self, args, state, control, **kwargs)
        if state.global_step == 4:
            made.classifier.weight.data[0, 0] = float("inf")

    monkeypatch.setattr(Watch, "on_step_end", end)
    made.classifier.weight.data[0, 0] = 0.0
    with pytest.raises(ToolkitError, match=r"the weights classifier\.weight are not finite after step 4") as caught:
        trainer.train(made, task, rows(96), rows(16, 1), config(save_every=2), tmp_path, seed=0)
    assert f"the last healthy checkpoint is {tmp_path / 'checkpoints' / 'checkpoint-2'}" in caught.value.hint
    assert (tmp_path / "stopped.json").is_file()


def test_a_validation_that_is_not_finite_keeps_the_weights_of_the_one_before(bert, rows, config, tmp_path, monkeypatch):
    made, task = bert
    monkeypatch.setattr(
        type(task), "figures", lambda self, answers, labels: {"accuracy": 1.0, "f1_macro": 1.0, "loss": float("nan")}
    )
    with pytest.raises(ToolkitError, match="eval_loss is nan after step 6"):
        trainer.train(made, task, rows(96), rows(16, 1), config(save_every=2), tmp_path, seed=0)
    assert not (tmp_path / "best.safetensors").exists()


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_on_a_gpu_the_optimizer_skips_and_the_verdict_comes_later(monkeypatch, kind):
    """The device is this processor, whose fused optimizers skip the same way."""
    events = []

    class Event:
        def record(self):
            events.append("recorded")

        def synchronize(self):
            events.append("waited")

    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "get_rng_state", torch.get_rng_state)
    monkeypatch.setattr(torch, "empty", lambda *a, pin_memory=False, **k: empty(*a, **k))
    weights = torch.nn.Parameter(torch.ones(4))
    make = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[kind]
    optimizer = make([weights], lr=0.1, fused=True)
    judge = guard.Guard("cuda")

    def step(number, value):
        judge.begin(number)
        judge.saw({"row": number}, torch.tensor(0.5))
        weights.grad = torch.full((4,), value)
        judge.judge(weights.grad.norm(), optimizer)
        optimizer.step()

    step(1, 1.0)
    moved = weights.detach().clone()
    assert not torch.equal(moved, torch.ones(4))
    step(2, float("nan"))
    assert torch.equal(weights, moved), "the step was taken"
    assert events == ["recorded", "waited", "recorded"]
    with pytest.raises(guard.Unsound) as caught:
        step(3, 1.0)
    assert (caught.value.step.number, caught.value.step.batches) == (2, [{"row": 2}])
    assert torch.equal(weights, moved)


def test_the_verdict_is_read_before_a_checkpoint(monkeypatch):
    judge = guard.Guard("cuda")
    waited = []
    event = type("E", (), {"synchronize": lambda self: waited.append(1)})()
    judge.late = guard.Step(5, None, [], []), torch.tensor([1.0, float("inf")]), event
    with pytest.raises(guard.Unsound, match="norm is inf"):
        judge.settle()
    assert waited
    judge.settle()  # told once


def test_computing_a_step_once_more_leaves_the_random_numbers_alone(bert, rows):
    made, task = bert
    batch = task.collate(rows(8))
    judge = guard.Guard("cpu")
    judge.begin(1)
    judge.saw(batch, torch.tensor(1.0))
    before = torch.get_rng_state()
    losses = []

    def compute(given):
        losses.append(task.loss(made.train(), given)[0])
        return losses[-1]

    assert guard.find(made, judge.step, compute) is None
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    guard.find(made, judge.step, compute)
    assert losses[0] == losses[1], "the same dropout as in the step"
