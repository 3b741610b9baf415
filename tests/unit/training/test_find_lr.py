import copy
import json

import pytest
import torch

from toolkit.errors import ToolkitError
from toolkit.training import find_lr, trainer
from toolkit.training.config import Layers, Optim, Regularise, TrainConfig, check


def rows(count):
    return [{"input_ids": [2, 5 + i % 2, 8 + i % 3, 3], "labels": i % 2} for i in range(count)]


def trained(start, folder, **changes):
    model = copy.deepcopy(start[0])
    options = TrainConfig(
        **{"epochs": 1.0, "batch_size": 8, "precision": "fp32", "device": "cpu", "regularise": Regularise(patience=0)}
        | changes
    )
    figures = trainer.train(model, start[1], rows(64), rows(16), options, folder, seed=0, scratch=True)
    return figures, torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_rate_found_trains_as_the_same_rate_given(start, tmp_path):
    """So the test leaves no trace: weights, random state and order of the rows are as before."""
    found_figures, found = trained(start, tmp_path / "found", optim=Optim(find_lr=True))
    noted = json.loads((tmp_path / "found" / find_lr.FILE).read_text())
    assert found_figures["train"]["learning_rate"] == noted["rate"]
    given_figures, given = trained(start, tmp_path / "given", optim=Optim(lr=noted["rate"]))
    assert torch.equal(found, given)
    assert found_figures["validation"] == given_figures["validation"]
    assert 1e-5 < noted["rate"] < 0.1
    assert min(noted["losses"]) < 0.5 * noted["losses"][find_lr.SKIP]


def test_the_run_stops_at_divergence_and_a_tenth_of_the_best_rate_is_taken(start, tmp_path, monkeypatch):
    tried = []

    def step(engine, optimizer, batch):
        tried.append(optimizer.param_groups[0]["lr"])
        return 2 / (1 + 1000 * tried[-1]) if tried[-1] < 1e-2 else 100.0

    monkeypatch.setattr(find_lr, "_step", step)
    figures, _ = trained(start, tmp_path, optim=Optim(find_lr=True))
    assert len(tried) < 0.8 * find_lr.STEPS
    assert tried[0] == pytest.approx(5e-7)  # a thousandth of the default from scratch
    assert figures["train"]["learning_rate"] == pytest.approx(1e-3, rel=0.2)


def test_a_step_is_of_as_many_batches_as_in_training(start, tmp_path, monkeypatch):
    seen, step = [], find_lr._step
    monkeypatch.setattr(
        find_lr, "_step", lambda engine, optimizer, given: seen.append(given) or step(engine, optimizer, given)
    )
    trained(start, tmp_path, batch_size=4, optim=Optim(find_lr=True, accumulate=3))
    assert [len(batches) for batches in seen[:6]] == [3, 3, 3, 3, 3, 1], "64 rows are 16 batches"
    noted = json.loads((tmp_path / find_lr.FILE).read_text())
    assert noted["losses"][0] == pytest.approx(0.7, abs=0.2), "the mean of the batches, not their sum"


def test_a_resumed_training_keeps_its_rate(start, tmp_path):
    (tmp_path / find_lr.FILE).write_text(json.dumps({"rate": 1.25e-4, "rates": [], "losses": []}))
    figures, _ = trained(start, tmp_path, optim=Optim(find_lr=True))
    assert figures["train"]["learning_rate"] == 1.25e-4


@pytest.mark.parametrize("name", ["sgd", "adafactor", "lion"])
def test_it_works_with_every_optimizer(start, tmp_path, name):
    trained(start, tmp_path, optim=Optim(optimizer=name, find_lr=True))
    noted = json.loads((tmp_path / find_lr.FILE).read_text())
    assert min(noted["losses"]) < 0.8 * noted["losses"][find_lr.SKIP]


def test_it_works_with_stages(start, tmp_path):
    """What the last stage freezes stands still, and the training goes by its own stages again."""
    layers = Layers(stages="three-phase")
    _, found = trained(start, tmp_path / "found", optim=Optim(find_lr=True), layers=layers)
    rate = json.loads((tmp_path / "found" / find_lr.FILE).read_text())["rate"]
    assert torch.equal(found, trained(start, tmp_path / "given", optim=Optim(lr=rate), layers=layers)[1])


def test_smoothed_is_the_corrected_exponential_mean():
    assert find_lr.smoothed([2.0, 2.0, 2.0]) == pytest.approx([2, 2, 2])
    assert find_lr.smoothed([1.0, 3.0]) == pytest.approx([1, (0.09 * 1 + 0.1 * 3) / 0.19])


def test_where_no_rate_learns_it_says_so(start, tmp_path, monkeypatch):
    monkeypatch.setattr(find_lr, "_run", lambda engine: find_lr.Curve([1e-5, 1e-4], [0.7, 0.8]))
    with pytest.raises(ToolkitError, match="no rate makes the loss fall"):
        trained(start, tmp_path, optim=Optim(find_lr=True))


def test_a_rate_given_and_one_to_be_found_exclude_each_other():
    with pytest.raises(ToolkitError, match="exclude each other"):
        check(TrainConfig(optim=Optim(find_lr=True, lr=1e-4)))
