import copy
import json
import threading

import pytest
import torch
from helpers import token_rows as rows

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin, divergence, dropout, sparse_adamw, trainer
from toolkit.training.config import Optim, Regularise, Schedule, TrainConfig
from toolkit.training.tasks import bind

LABELS = ["long", "short"]


@pytest.fixture
def model():
    texts = [f"word{i % 40} and more of it {i % 7}" for i in range(400)]
    made, tokenizer = builtin.build("builtin:text-tiny", texts, LABELS, seed=0)
    made.resize_token_embeddings(128)
    return made, bind("text-classification", TextReader(tokenizer, 128))


def config(**changes):
    return TrainConfig(
        **({"epochs": 3.0, "batch_size": 16, "precision": "fp32", "optim": Optim(lr=1e-3), "device": "cpu"} | changes)
    )


def test_learns_and_keeps_the_best_weights(model, tmp_path):
    made, task = model
    figures = trainer.train(made, task, rows(256), rows(64, 1), config(), tmp_path, seed=0, scratch=True)
    assert figures["validation"]["accuracy"] > 0.9
    assert trainer.validate(made, task, rows(64, 1))["loss"] == pytest.approx(figures["validation"]["loss"], rel=1e-4)
    assert figures["train"]["epochs"] == 3
    assert figures["train"]["samples_per_second"] > 0
    logged = [json.loads(line) for line in (tmp_path / "logs" / "metrics.jsonl").read_text().splitlines()]
    assert any("eval_accuracy" in entry for entry in logged)
    assert list((tmp_path / "logs").glob("events.*"))


@pytest.mark.parametrize("sparse", [False, True])
def test_a_stopped_run_ends_with_the_weights_of_an_undisturbed_one(model, tmp_path, monkeypatch, sparse):
    monkeypatch.setattr(sparse_adamw, "LARGE", 1 if sparse else 10**6)
    monkeypatch.setattr(sparse_adamw, "SPAN", 5)
    made, task = model
    start = {k: v.clone() for k, v in made.state_dict().items()}
    whole = tmp_path / "whole"
    trainer.train(made, task, rows(128), rows(32, 1), config(save_every=3), whole, seed=0)
    expected = {k: v.clone() for k, v in made.state_dict().items()}

    class Stop(Exception):
        pass

    def stop(figures):
        raise Stop

    made.load_state_dict(start)
    stopped = tmp_path / "stopped"
    with pytest.raises(Stop):
        trainer.train(made, task, rows(128), rows(32, 1), config(save_every=3), stopped, seed=0, report=stop)
    found = trainer.last_checkpoint(stopped)
    assert found
    assert found.name == "checkpoint-6"  # inside the first epoch of 8 steps
    made.load_state_dict(start)
    trainer.train(made, task, rows(128), rows(32, 1), config(save_every=3), stopped, seed=0)
    assert all(torch.equal(v, expected[k]) for k, v in made.state_dict().items())


@pytest.mark.parametrize(
    "asked",
    [
        {"precision": "bf16"}, {"precision": "fp16"}, {"checkpoint_activations": True},
        {"regularise": Regularise(layer_drop=0.5)},
    ],
    ids=str,
)  # fmt: skip
def test_nothing_of_the_training_is_left_in_the_model(bert, tmp_path, asked):
    """Or it would go on computing in the training's precision."""
    made, task = bert
    trainer.train(made, task, rows(16), rows(8, 1), config(**({"epochs": 1.0} | asked)), tmp_path, seed=0)
    for module in made.modules():
        assert not {"forward", "_original_forward"} & vars(module).keys()
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_how_often_is_saved_does_not_change_a_bit(model, tmp_path, monkeypatch):
    monkeypatch.setattr(sparse_adamw, "LARGE", 1)
    made, task = model
    start, ends = {k: v.clone() for k, v in made.state_dict().items()}, []
    for every in (2, 100):
        made.load_state_dict(start)
        trainer.train(made, task, rows(64), rows(32, 1), config(save_every=every), tmp_path / str(every), seed=0)
        ends.append({k: v.clone() for k, v in made.state_dict().items()})
    assert all(torch.equal(v, ends[1][k]) for k, v in ends[0].items())


def test_training_by_rows_ends_where_dense_training_does(model, tmp_path, monkeypatch):
    made, task = model
    start, ends = {k: v.clone() for k, v in made.state_dict().items()}, []
    for large in (1, 10**6):
        monkeypatch.setattr(sparse_adamw, "LARGE", large)
        made.load_state_dict(start)
        figures = trainer.train(made, task, rows(64), rows(32, 1), config(), tmp_path / str(large), seed=0)
        ends.append({k: v.clone() for k, v in made.state_dict().items()})
        assert not any(getattr(module, "sparse", False) for module in made.modules())
    assert figures["train"]["steps"] == 12
    assert any(not torch.equal(v, start[k]) for k, v in ends[0].items())
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=2e-5), name


def test_keeps_only_the_newest_checkpoints(model, tmp_path):
    made, task = model
    trainer.train(made, task, rows(96), rows(32, 1), config(epochs=2.0, save_every=2, keep=1), tmp_path, seed=0)
    assert [p.name for p in (tmp_path / "checkpoints").glob("checkpoint-*")] == ["checkpoint-12"]


def test_part_of_an_epoch_is_evaluated_too(model, tmp_path):
    made, task = model
    figures = trainer.train(made, task, rows(128), rows(32, 1), config(epochs=0.5), tmp_path, seed=0)
    assert figures["train"]["steps"] == 4
    assert figures["train"]["epochs"] == pytest.approx(0.5)


def test_a_run_killed_in_its_last_validation_ends_with_the_same_weights(model, tmp_path, monkeypatch):
    made, task = model
    start = {k: v.clone() for k, v in made.state_dict().items()}
    asked = config(epochs=1.5, save_every=4, metric="loss")
    expected = trainer.train(made, task, rows(128), rows(32, 1), asked, tmp_path / "whole", seed=0)
    ends, evaluate, calls = {k: v.clone() for k, v in made.state_dict().items()}, trainer.Engine.evaluate, []

    class Killed(Exception):
        pass

    def second(engine, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return evaluate(engine, *args, **kwargs)

    made.load_state_dict(start)
    monkeypatch.setattr(trainer.Engine, "evaluate", second)
    with pytest.raises(Killed):
        trainer.train(made, task, rows(128), rows(32, 1), asked, tmp_path / "cut", seed=0)
    made.load_state_dict(start)
    found = trainer.train(made, task, rows(128), rows(32, 1), asked, tmp_path / "cut", seed=0)
    assert found["validation"] == expected["validation"]
    assert all(torch.equal(v, ends[k]) for k, v in made.state_dict().items())


def test_a_divergence_is_judged_by_the_heaviest_row_and_the_batch(model, tmp_path, monkeypatch):
    made, task = model
    asked, judged = config(epochs=1.0, batch_size=8, regularise=Regularise(class_weights="balanced")), []
    monkeypatch.setattr(divergence, "diverged", lambda losses, heaviest, batch: judged.append((heaviest, batch)))
    common = [row for row in rows(96) if row["labels"] == 0][:30]
    rare = [row for row in rows(96) if row["labels"] == 1][:2]
    trainer.train(made, task, common + rare, rows(32, 1), asked, tmp_path, seed=0)
    assert judged[-1] == (pytest.approx(8.0), 8)


def test_no_thread_is_left_of_a_training_that_was_cut_short(model, tmp_path):
    made, task = model

    class Pruned(Exception):
        pass

    def stop(figures):
        raise Pruned

    before = threading.active_count()
    for number in range(3):
        with pytest.raises(Pruned):
            trainer.train(
                made, task, rows(32), rows(32, 1), config(epochs=2.0), tmp_path / str(number), seed=0, report=stop
            )
    assert threading.active_count() == before


def test_stops_early(model, tmp_path):
    made, task = model
    frozen = config(epochs=9.0, regularise=Regularise(patience=2), optim=Optim(lr=0.0))
    figures = trainer.train(made, task, rows(64), rows(32, 1), frozen, tmp_path, seed=0)
    assert figures["train"]["epochs"] == 3  # the first, and two without gain
    assert figures["train"]["best_epoch"] == 1


def test_a_run_that_had_stopped_early_does_not_go_on_when_called_again(model, tmp_path):
    made, task = model
    frozen = config(epochs=9.0, regularise=Regularise(patience=1), optim=Optim(lr=0.0))
    first, again = (trainer.train(made, task, rows(64), rows(32, 1), frozen, tmp_path, seed=0) for _ in range(2))
    assert first == again
    assert again["train"]["epochs"] == 2


def test_a_diverged_run_stops_and_says_so(model, tmp_path):
    made, task = model
    wild = config(optim=Optim(lr=1e30, max_grad_norm=0.0), log_every=1)
    with pytest.raises(ToolkitError, match=r"the (loss|gradient's norm) is (nan|inf) in step \d+, which was not taken"):
        trainer.train(made, task, rows(128), rows(32, 1), wild, tmp_path, seed=0)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_rate_of_ten_stops_the_training_and_says_so(model, tmp_path, optimizer):
    """The loss stays a number all the while."""
    made, task = model
    wild = config(epochs=9.0, optim=Optim(lr=10.0, optimizer=optimizer), log_every=5)
    with pytest.raises(ToolkitError, match=r"diverged: the loss rose from .* after step .*use a smaller --lr"):
        trainer.train(made, task, rows(256), rows(32, 1), wild, tmp_path, seed=0)


@pytest.mark.parametrize(
    "often",
    [
        {"log_every": 2},
        {"log_every": 1, "save_every": 1, "keep": 99, "schedule": Schedule(warmup=0.0)},  # the first step is too much
    ],
)
def test_after_a_divergence_a_smaller_rate_goes_on_from_before_it(model, tmp_path, often):
    """Epochs end, and checkpoints are made, before ten steps tell that the loss is lost."""
    made, task = model
    settings = {"epochs": 9.0, "regularise": Regularise(patience=0)} | often
    with pytest.raises(ToolkitError, match="diverged") as caught:
        trainer.train(
            copy.deepcopy(made), task, rows(64), rows(32, 1), config(optim=Optim(lr=10.0), **settings), tmp_path, seed=0
        )
    assert "there is no healthy checkpoint" in caught.value.hint
    mild = config(optim=Optim(lr=1e-3), **settings)
    figures = trainer.train(made, task, rows(64), rows(32, 1), mild, tmp_path, seed=0)
    assert figures["train"]["epochs"] == 9.0
    assert figures["validation"]["loss"] < 2.0


def test_class_weights_reach_the_loss(model, tmp_path):
    """Rows that say nothing: the model tells how much the classes weigh, not how often they are."""
    made, task = model
    same = [{"input_ids": [10, 30, 31], "labels": int(i % 5 == 0)} for i in range(200)]
    said = []
    for name, changes in {
        "none": {}, "balanced": {"class_weights": "balanced"}, "shown": {"oversample": 1.0},
        "named": {"weights": {"short": 16.0}},
    }.items():  # fmt: skip
        learner = copy.deepcopy(made)
        options = config(metric="loss", regularise=Regularise(patience=0, dropout=0.0, **changes))
        trainer.train(learner, task, same, same, options, tmp_path / name, seed=0, scratch=True)
        said.append(float(torch.tensor(trainer.answers(learner, task, same[:1])[0]).softmax(1)[0, 1]))
    assert said == pytest.approx([0.2, 0.5, 0.5, 0.8], abs=0.12)


@pytest.mark.parametrize("clip", ["norm", "adaptive", "none"])
def test_clipping_is_the_one_that_was_asked_for(model, tmp_path, clip):
    """Adaptive: each word's vector moves by no more than its share; the head is free."""
    made, task = copy.deepcopy(model)
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    optim = Optim(
        optimizer="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, clip=clip, clip_factor=1e-3, max_grad_norm=1e-3
    )
    options = config(batch_size=64, epochs=1.0, optim=optim, schedule=Schedule(warmup=0.0, scheduler="constant"))
    trainer.train(made, task, rows(64), rows(16, 1), options, tmp_path, seed=0)
    moved = {name: (p - before[name]) for name, p in made.named_parameters()}
    whole = torch.cat([m.flatten() for m in moved.values()]).norm()
    words = "roformer.embeddings.word_embeddings.weight"
    shares = moved[words].norm(dim=1) / before[words].norm(dim=1).clamp(min=1e-3)
    head = moved["classifier.out_proj.weight"].norm() / before["classifier.out_proj.weight"].norm()
    assert (whole <= 1.01e-3) == (clip == "norm")
    assert (shares.max() <= 1.01e-3) == (clip == "adaptive")
    assert (head > 0.01) == (clip != "norm")
    logged = [json.loads(line) for line in (tmp_path / "logs" / "metrics.jsonl").read_text().splitlines()]
    assert next(line["grad_norm"] for line in logged if "grad_norm" in line) > 0.01  # of the gradient before


def test_the_effective_batch_is_stated(model, tmp_path, capsys):
    made, task = model
    console.enable()
    try:
        trainer.train(made, task, rows(32), rows(8), config(epochs=1.0, optim=Optim(accumulate=2)), tmp_path, seed=0)
    finally:
        console.disable()
    assert "effective batch 32 = 16 x 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scheduler", "last"), [("linear", 0.0), ("constant", 1e-3)], ids=["linear falls", "constant stays"]
)
def test_schedule_is_the_one_that_was_asked_for(model, tmp_path, scheduler, last):
    from toolkit.training.config import Schedule

    made, task = model
    asked = config(epochs=1.0, log_every=1, schedule=Schedule(scheduler=scheduler, warmup=0.25))
    trainer.train(made, task, rows(128), rows(32, 1), asked, tmp_path, seed=0)
    logged = [json.loads(line) for line in (tmp_path / "logs" / "metrics.jsonl").read_text().splitlines()]
    rates = [entry["learning_rate"] for entry in logged if "learning_rate" in entry]
    assert rates[0] < rates[1]  # it warms up
    assert rates[-1] == pytest.approx(last, abs=2e-4)


def test_shares_of_classes_are_learned(model, tmp_path):
    """Rows that are 30% of one class and 70% of the other: the model says so, though their label says 100%."""
    made, task = model
    mixed = [row | {"labels": 1, "label_weights": [0.3, 0.7]} for row in rows(192)]
    trainer.train(
        made,
        task,
        mixed,
        rows(16, 1),
        config(metric="loss", regularise=Regularise(patience=0)),
        tmp_path,
        seed=0,
        scratch=True,
    )
    told = torch.tensor(trainer.answers(made, task, rows(64, 2))[0]).softmax(1)
    assert told[:, 0].mean() == pytest.approx(0.3, abs=0.1)


def test_a_batch_may_hold_mixtures_and_others(model):
    _, task = model
    plain = {"input_ids": [1, 2], "labels": 1}
    batch = task.collate([plain, plain | {"label_weights": [0.25, 0.75]}])
    assert batch["label_weights"].tolist() == [[0, 1], [0.25, 0.75]]
    assert "label_weights" not in task.collate([plain, plain])


def weights_after(model, folder, **changes):
    made, task = model
    made = copy.deepcopy(made)
    dropout.apply(made, Regularise(dropout=0.0))
    even = [row | {"input_ids": row["input_ids"][:4]} for row in rows(64)]
    plain = config(
        regularise=Regularise(patience=0),
        metric="loss",
        epochs=1.0,
        schedule=Schedule(warmup=0.0, scheduler="constant"),
        **changes,
    )
    trainer.train(made, task, even, rows(16, 1), plain, folder, seed=0)
    return torch.cat([p.detach().flatten() for p in made.parameters()])


def test_accumulated_batches_step_as_one(model, tmp_path):
    """Two batches of eight step where one of sixteen would: the mean of their gradients."""
    optim = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "max_grad_norm": 1e9}
    one = weights_after(model, tmp_path / "one", batch_size=64, optim=Optim(**optim))
    two = weights_after(model, tmp_path / "two", batch_size=16, optim=Optim(**optim, accumulate=4))
    start = torch.cat([p.detach().flatten() for p in model[0].parameters()])
    assert (one - start).norm() > 0.01
    assert (one - two).norm() < 0.01 * (one - start).norm()


def test_label_smoothing_makes_it_less_sure(model, tmp_path):
    sure = []
    for smoothing in (0.0, 0.4):
        made, task = copy.deepcopy(model)
        options = config(
            regularise=Regularise(label_smoothing=smoothing, patience=0), metric="loss" if smoothing else "accuracy"
        )
        trainer.train(made, task, rows(256), rows(64, 1), options, tmp_path / str(smoothing), seed=0, scratch=True)
        told = torch.tensor(trainer.answers(made, task, rows(64, 2))[0]).softmax(1)
        sure.append(float(told.max(1).values.mean()))
    assert sure[0] > 0.95
    assert sure[1] == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("name", ["sgd", "adafactor", "lion"])
def test_other_optimizers_learn(model, tmp_path, name):
    made, task = model
    options = config(optim=Optim(optimizer=name))
    figures = trainer.train(made, task, rows(256), rows(64, 1), options, tmp_path, seed=0, scratch=True)
    assert figures["validation"]["accuracy"] > 0.9
