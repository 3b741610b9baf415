import copy

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, ResNetConfig, ResNetForImageClassification

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.training import dropout, memory, trainer
from toolkit.training.config import Optim, Regularise, Schedule, TrainConfig

OUT = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    "python": MemoryError(),
}


def rows(count):
    return [{"input_ids": [2, 5 + i % 7, 5 + i % 3, 3], "labels": i % 2} for i in range(count)]


def options(**changes):
    plain = Regularise(patience=0, dropout=0.0)
    return TrainConfig(
        **{
            "epochs": 2.0, "batch_size": 8, "precision": "fp32", "device": "cpu", "metric": "loss",
            "regularise": plain, "save_every": 1, "schedule": Schedule(warmup=0.0),
            "optim": Optim(optimizer="sgd", lr=0.05, accumulate=2),
        } | changes
    )  # fmt: skip


class Small:
    """Stands for a machine whose memory holds no more than so many rows in training."""

    def __init__(self, task, most, error):
        self.task, self.most, self.error, self.sizes = task, most, error, []

    def __getattr__(self, name):
        return getattr(self.task, name)

    def loss(self, model, batch, smoothing=0.0):
        self.sizes.append(len(batch["labels"]))
        loss, outputs = self.task.loss(model, batch, smoothing)
        if self.sizes[-1] > self.most:
            loss.register_hook(self.fail)  # halfway: some weights have their gradients already
        return loss, outputs

    def fail(self, gradient):
        raise self.error


def after(start, folder, task, config, **more):
    model = copy.deepcopy(start[0])
    trainer.train(model, task, rows(32), rows(16), config, folder, seed=0, **more)
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("kind", OUT)
def test_the_step_is_tried_again_with_smaller_batches_and_the_same_outcome(start, tmp_path, kind, capsys):
    whole = after(start, tmp_path / "whole", start[1], options())
    small = Small(start[1], 2, OUT[kind])
    console.enable()
    try:
        found = after(start, tmp_path / "small", small, options())
    finally:
        console.disable()
    began = torch.cat([p.detach().flatten() for p in start[0].parameters()])
    assert (found - whole).norm() < 1e-4 * (whole - began).norm()
    # 8 rows, then 4, then 2; what the step had before is done again
    assert small.sizes[:3] == [8, 4, 2]
    assert set(small.sizes[3:]) == {2}
    told = capsys.readouterr().err
    assert (
        "no memory left for 8 rows at a time: going on with 4, accumulated over 4 (effective batch 16 = 8 x 2" in told
    )
    assert "going on with 2, accumulated over 8" in told


def test_a_step_that_fails_in_its_second_batch_is_done_again_as_a_whole(start, tmp_path):
    whole = after(start, tmp_path / "whole", start[1], options())

    class Later(Small):
        def fail(self, gradient):
            if len(self.sizes) == 2:
                raise self.error

    later = Later(start[1], 4, OUT["cuda"])
    found = after(start, tmp_path / "later", later, options())
    assert later.sizes[:6] == [8, 8, 4, 4, 4, 4]
    began = torch.cat([p.detach().flatten() for p in start[0].parameters()])
    assert (found - whole).norm() < 1e-4 * (whole - began).norm()


def test_a_resumed_run_knows_how_small_batches_must_be(start, tmp_path):
    class Stop(Exception):
        pass

    def stop(figures):
        raise Stop

    model = copy.deepcopy(start[0])
    with pytest.raises(Stop):
        trainer.train(
            model, Small(start[1], 4, OUT["cpu"]), rows(32), rows(16), options(), tmp_path, seed=0, report=stop
        )
    again = Small(start[1], 4, OUT["cpu"])
    trainer.train(model, again, rows(32), rows(16), options(), tmp_path, seed=0)
    assert set(again.sizes) == {4}


def test_a_row_that_is_too_large_by_itself_ends_in_one_line(start, tmp_path):
    with pytest.raises(ToolkitError, match="no memory left for 1 row at a time: give a smaller --batch-size"):
        after(start, tmp_path, Small(start[1], 0, OUT["cuda"]), options())


def test_other_errors_are_not_taken_for_it(start, tmp_path):
    assert not memory.is_out(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape"):
        after(start, tmp_path, Small(start[1], 0, RuntimeError("shape mismatch")), options())


def test_pieces_are_whole(start):
    cut = memory.Pieces(None, start[1].piece)
    batch = {"x": torch.arange(10), "labels": torch.arange(10)}
    cut.count = 4
    found = [(part["x"].tolist(), share) for part, share in cut.cut(batch)]
    assert found == [([0, 1, 2], 0.3), ([3, 4, 5], 0.3), ([6, 7, 8], 0.3), ([9], 0.1)]
    cut.count = 64
    assert len(list(cut.cut(batch))) == 10


@pytest.mark.parametrize("rate", [0.0, 0.3], ids=["without dropout", "with dropout"])
def test_checkpointed_activations_give_the_same_weights(start, tmp_path, rate):
    regularise = Regularise(patience=0, dropout=rate, layer_drop=rate)
    found = [
        after(start, tmp_path / str(wanted), start[1], options(checkpoint_activations=wanted, regularise=regularise))
        for wanted in (False, True)
    ]
    assert torch.equal(*found)


def test_checkpointed_activations_are_not_kept():
    options = {"hidden_size": 32, "num_hidden_layers": 8, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(**options))
    dropout.apply(model, Regularise(dropout=0.0))
    weights = {p.data_ptr() for p in model.parameters()}

    def kept(wanted):
        """Bytes of what a forward pass keeps for the gradients, weights aside."""
        sizes = []
        with (
            memory.checkpointed(model, wanted),
            torch.autograd.graph.saved_tensors_hooks(
                lambda t: (sizes.append(t.nbytes if t.data_ptr() not in weights else 0), t)[1], lambda t: t
            ),
        ):
            model.train()
            model(input_ids=torch.arange(5, 69).repeat(4, 1))
        return sum(sizes)

    assert kept(True) < 0.3 * kept(False)
    assert not model.is_gradient_checkpointing


def test_an_architecture_that_cannot_checkpoint_is_refused():
    model = ResNetForImageClassification(ResNetConfig(hidden_sizes=[8], depths=[1]))
    with (
        pytest.raises(ToolkitError, match="ResNetForImageClassification cannot checkpoint activations"),
        memory.checkpointed(model, True),
    ):
        pass
