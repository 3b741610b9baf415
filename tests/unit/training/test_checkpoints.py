import copy
import json

import pytest
import torch

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.training import checkpoints, trainer
from toolkit.training.config import Layers, Optim, Regularise
from toolkit.training.watch import Watch


class Killed(BaseException):
    """What nothing catches, as a process that is gone would not."""


@pytest.fixture
def warned(monkeypatch):
    told = []
    monkeypatch.setattr(console, "warn", told.append)
    return told


def make(folder, step, text="weights"):
    made = folder / "checkpoints" / checkpoints.ASIDE / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "model.bin").write_text(f"{text} {step}" * 100)
    checkpoints.seal(made, {"step": step})
    checkpoints.publish(made, folder / "checkpoints", keep=3)
    return folder / "checkpoints" / f"checkpoint-{step}"


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda p: flip(p / "model.bin"), "model.bin"),
        (lambda p: (p / "model.bin").write_bytes((p / "model.bin").read_bytes()[:-1]), "model.bin"),
        (lambda p: (p / "model.bin").unlink(), "model.bin"),
        (lambda p: (p / "complete").write_text('{"known"'), "complete"),
    ],
    ids=["bit flip", "cut off", "lost", "mark"],
)
def test_a_damaged_one_is_passed_over_for_the_one_before(tmp_path, warned, harm, named):
    first, second = make(tmp_path, 5), make(tmp_path, 10)
    assert checkpoints.newest(tmp_path / "checkpoints") == second
    harm(second)
    assert checkpoints.newest(tmp_path / "checkpoints") == first
    assert warned == [f"{second} is damaged ({named}): passed over"]
    assert not second.exists()
    assert checkpoints.known(first) == {"step": 5}


def test_one_without_its_mark_does_not_count(tmp_path):
    first, second = make(tmp_path, 5), make(tmp_path, 10)
    (second / "complete").unlink()
    assert checkpoints.newest(tmp_path / "checkpoints") == first


def test_one_of_the_same_step_is_replaced(tmp_path):
    make(tmp_path, 5)
    again = make(tmp_path, 5, "others")
    assert (again / "model.bin").read_text().startswith("others")
    assert checkpoints.damage(again) is None


def trained(bert, rows, config, folder, **more):
    """The weights after a training with everything that a resume must bring back."""
    made, task = copy.deepcopy(bert[0]), bert[1]
    options = {"save_every": 2, "batch_size": 8, "log_every": 3, "epochs": 4.0} | {
        "regularise": Regularise(dropout=0.2, patience=2)
    }
    options |= {"optim": Optim(lr=3e-3, accumulate=2), "layers": Layers(stages="gradual", layer_decay=0.9)}
    trainer.train(made, task, rows(56), rows(16, 1), config(**(options | more)), folder, seed=0)
    return made.state_dict()


def logged(folder):
    return [json.loads(line)["step"] for line in (folder / "logs" / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(one_bert, rows, config, tmp_path_factory):
    """The weights, and the steps that were logged, of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return trained(one_bert, rows, config, folder), logged(folder)


def same(one, other):
    return all(torch.equal(weights, other[name]) for name, weights in one.items())


@pytest.mark.parametrize("step", [1, 2, 3, 6, 11])
def test_stopped_at_a_step_it_ends_with_the_same_weights(
    one_bert, rows, config, undisturbed, tmp_path, monkeypatch, step
):
    real = Watch.on_step_end

    def end(self, args, state, control, **kwargs):
        real(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_end", end)
        with pytest.raises(Killed):
            trained(one_bert, rows, config, tmp_path / "stopped")
    assert same(undisturbed[0], trained(one_bert, rows, config, tmp_path / "stopped"))
    assert logged(tmp_path / "stopped") == undisturbed[1], "no line twice, none lost"


@pytest.mark.parametrize("count", [1, 4, 7, 12, 19, 26, 40])
def test_stopped_while_it_writes_it_ends_with_the_same_weights(
    one_bert, rows, config, undisturbed, tmp_path, monkeypatch, count
):
    """At the n-th rename, link, flush, removal or writing of weights; nothing is tidied up after it."""
    import os
    import shutil

    import safetensors.torch as st

    done = [0]

    def dying(real):
        def call(*args, **kwargs):
            done[0] += 1
            if done[0] >= count:  # and all that would clean up
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for holder, name in (
            (os, "rename"), (os, "link"), (checkpoints, "sync"), (shutil, "rmtree"), (st, "save_model")
        ):  # fmt: skip
            patch.setattr(holder, name, dying(getattr(holder, name)))
        with pytest.raises(Killed):
            trained(one_bert, rows, config, tmp_path / "stopped")
    assert same(undisturbed[0], trained(one_bert, rows, config, tmp_path / "stopped"))


def test_a_damaged_checkpoint_costs_steps_but_no_weights(
    one_bert, rows, config, undisturbed, tmp_path, monkeypatch, warned
):
    real, seen = Watch.on_evaluate, []

    def evaluate(self, *args, **kwargs):
        real(self, *args, **kwargs)
        seen.append(1)
        if len(seen) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_evaluate", evaluate)
        with pytest.raises(Killed):
            trained(one_bert, rows, config, tmp_path / "hurt")
    flip(checkpoints.all_in(tmp_path / "hurt" / "checkpoints")[-1] / "optimizer.pt")
    assert same(undisturbed[0], trained(one_bert, rows, config, tmp_path / "hurt"))
    assert ["optimizer.pt" in line for line in warned] == [True]


def test_damaged_best_weights_are_not_published(one_bert, rows, config, undisturbed, tmp_path, monkeypatch):
    real = Watch.restore_best

    def restore(self):
        flip(self.best_weights)
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "restore_best", restore)
        with pytest.raises(ToolkitError, match=r"best\.safetensors is damaged"):
            trained(one_bert, rows, config, tmp_path / "hurt")
    assert same(undisturbed[0], trained(one_bert, rows, config, tmp_path / "hurt"))


def test_a_full_disk_loses_nothing(one_bert, rows, config, undisturbed, tmp_path, monkeypatch):
    real, seen = torch.save, []

    def save(*args, **kwargs):
        seen.append(1)
        if len(seen) > 8:
            raise OSError(28, "No space left on device")
        real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(OSError, match="No space"):
            trained(one_bert, rows, config, tmp_path / "full")
    folder = tmp_path / "full" / "checkpoints"
    assert not (folder / checkpoints.ASIDE).exists(), "the room is given back"
    assert checkpoints.newest(folder) is not None
    assert same(undisturbed[0], trained(one_bert, rows, config, tmp_path / "full"))


def test_gentler_options_take_over_from_a_checkpoint(one_bert, rows, config, tmp_path, monkeypatch):
    """The optimizer's state is the checkpoint's; rate and decay are those asked for now."""
    rates = []

    def end(self, args, state, control, **kwargs):
        rates.append(self.engine.optimizer.param_groups[0]["lr"])
        if len(rates) == 4:
            raise Killed
        control.should_save = True

    flat = {"layers": Layers(), "regularise": Regularise(patience=0)}
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_end", end)
        with pytest.raises(Killed):
            trained(one_bert, rows, config, tmp_path, **flat, optim=Optim(lr=1e-2))
    before = list(rates)
    with monkeypatch.context() as patch:
        rates.clear()
        patch.setattr(Watch, "on_step_end", end)
        with pytest.raises(Killed):
            trained(one_bert, rows, config, tmp_path, **flat, optim=Optim(lr=1e-4, weight_decay=0.5))
    assert 0 < rates[0] < 1e-4
    assert rates[0] == pytest.approx(before[3] / 100, rel=1e-6), "the schedule goes on where it was"
