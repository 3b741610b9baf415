"""The search around the training: training itself is a stand-in whose figure is known."""

import json
import math
import threading
import time
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState

from toolkit.errors import ToolkitError
from toolkit.training import draw, search, studies, trainer, workers
from toolkit.training.config import TrainConfig

SPACE = {"lr": {"low": 1e-5, "high": 1e-1, "log": True}, "batch_size": {"choices": [8, 16]}}
EPOCHS = 9


class Model:
    """Knows the rate that it was trained with."""

    rate = None

    def save_pretrained(self, folder):
        folder.mkdir()
        (folder / "rate").write_text(repr(self.rate))

    @classmethod
    def from_pretrained(cls, folder):
        made = cls()
        made.rate = float((folder / "rate").read_text())
        return made


@pytest.fixture
def train(monkeypatch):
    """Accuracy grows with the epochs, the faster the nearer the rate is to 1e-3; `before` is called at each epoch."""
    told = SimpleNamespace(before=lambda config, epoch: None, calls=[], folders=[])

    def stand_in(model, task, rows, validation, config, work, *, seed, scratch, report):
        told.calls.append(config)
        told.folders.append(work)
        work.mkdir(parents=True, exist_ok=True)
        model.rate = config.optim.lr
        for epoch in range(1, EPOCHS + 1):
            told.before(config, epoch)
            accuracy = epoch / EPOCHS * (1 - abs(math.log10(config.optim.lr) + 3) / 4)
            if report:
                report({"accuracy": accuracy, "epoch": float(epoch)})
        return {"validation": {"accuracy": accuracy}}

    monkeypatch.setattr(trainer, "train", stand_in)
    monkeypatch.setattr(search, "SECONDS_TO_WAIT", 0.02)
    monkeypatch.setattr(search.gc, "collect", lambda: 0)  # takes its time, and there is nothing here to collect
    return told


def settings(work, **changes):
    work.mkdir(exist_ok=True)
    base = TrainConfig(epochs=float(EPOCHS), metric="accuracy")
    given = {"model": Model(), "prepare": lambda length: (None, [], []), "base": base, "space": SPACE, "work": work}
    given |= {"worker": "w", "sampler": "random", "pruner": "none", "seed": 0, "scratch": True}
    return search.Search(**given | changes)


def new_study():
    """In memory, since a database takes its time for every write."""
    return optuna.create_study(direction="maximize", study_name="s")


def listed(study):
    return [(t.state.name, t.params, t.value, t.intermediate_values) for t in study.trials]


def test_a_search_runs_to_its_total_and_goes_on_to_more(train, tmp_path):
    study = new_study()
    search.run(settings(tmp_path), study, total=3)
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 3
    search.run(settings(tmp_path), study, total=3)
    assert len(train.calls) == 3
    search.run(settings(tmp_path), study, total=5)
    assert len(study.trials) == 5
    assert [c.optim.lr for c in train.calls] == [t.params["lr"] for t in study.trials]
    assert list(tmp_path.iterdir()) == []


def test_failed_trials_are_told_and_not_counted(train, tmp_path):
    def before(config, epoch):
        if len(train.calls) == 1:
            raise ToolkitError("loss is nan at step 3", "use a smaller --lr")
        if len(train.calls) == 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 MiB\n  more")
        if len(train.calls) == 4:
            raise MemoryError
        if len(train.calls) == 6:
            raise RuntimeError("shapes do not fit")
        if len(train.calls) == 7:
            raise ValueError("Invalid beta parameter at index 0: 1.0")

    train.before = before
    study = new_study()
    search.run(settings(tmp_path), study, total=3)
    assert len(studies.finished(study)) == 3
    assert [t.user_attrs["failed"] for t in studies.failed(study)] == [
        "loss is nan at step 3: use a smaller --lr",
        "out of memory (CUDA out of memory. Tried to allocate 20 MiB more)",
        "out of memory (MemoryError)",
        "RuntimeError: shapes do not fit",
        "ValueError: Invalid beta parameter at index 0: 1.0",
    ]
    assert [t.number for t in studies.failed(study)] == [0, 2, 3, 5, 6]


def test_what_the_machine_lacks_is_no_fault_of_a_trial(train, tmp_path):
    def before(config, epoch):
        if len(train.calls) == 1:
            raise OSError(28, "No space left on device")

    train.before = before
    study = new_study()
    with pytest.raises(OSError, match="No space left"):
        search.run(settings(tmp_path), study, total=2)
    assert [t.state.name for t in study.trials] == ["RUNNING"]
    search.run(settings(tmp_path), study, total=2)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]


def test_a_search_that_only_fails_ends(train, tmp_path):
    def before(config, epoch):
        raise ToolkitError("loss is nan at step 3")

    train.before = before
    with pytest.raises(ToolkitError, match="the last 4 trials all failed: loss is nan"):
        search.run(settings(tmp_path), new_study(), total=3)


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("tpe", "median"), ("tpe", "hyperband"), ("gp", "none"), ("random", "median"), ("grid", "none")],
)
def test_an_interrupted_search_ends_as_an_undisturbed_one(train, tmp_path, sampler, pruner):
    options = {"sampler": sampler, "pruner": pruner}
    if sampler == "grid":
        options["space"] = {"lr": {"choices": [1e-4, 1e-3, 1e-2]}, "batch_size": {"choices": [8, 16]}}
    whole = new_study()
    search.run(settings(tmp_path / "a", **options), whole, total=6)
    epochs = 0

    def before(config, epoch):
        nonlocal epochs
        epochs += 1
        if epochs % 7 == 0:
            raise KeyboardInterrupt

    train.before = before
    cut = new_study()
    for _ in range(40):
        try:
            search.run(settings(tmp_path / "b", **options), cut, total=6)
            break
        except KeyboardInterrupt:
            train.before = before if epochs < 60 else lambda config, epoch: None
    assert listed(cut) == listed(whole)
    assert epochs > 20


def test_a_trial_that_is_taken_up_finds_its_folder(train, tmp_path):
    def before(config, epoch):
        if epoch == 2 and len(train.calls) == 1:
            (train.folders[0] / "mark").write_text("")
            raise KeyboardInterrupt

    train.before = before
    study = new_study()
    with pytest.raises(KeyboardInterrupt):
        search.run(settings(tmp_path), study, total=1)
    assert study.trials[0].state == TrialState.RUNNING
    marked = []
    train.before = lambda config, epoch: marked.append((train.folders[-1] / "mark").exists())
    search.run(settings(tmp_path), study, total=1)
    assert marked == [True] * EPOCHS
    assert train.calls[0] == train.calls[1]
    assert not train.folders[0].exists()


def test_a_trial_that_kills_its_process_again_and_again_fails(train, tmp_path):
    def before(config, epoch):
        if config == train.calls[0]:
            raise KeyboardInterrupt

    train.before = before
    study = new_study()
    for _ in range(search.MOST_STARTS):
        with pytest.raises(KeyboardInterrupt):
            search.run(settings(tmp_path), study, total=1)
    search.run(settings(tmp_path), study, total=1)
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE"]
    assert "died 10 times" in study.trials[0].user_attrs["failed"]


def test_the_time_is_of_all_calls(train, tmp_path):
    train.before = lambda config, epoch: time.sleep(0.02)
    study = new_study()
    search.run(settings(tmp_path), study, total=50, seconds=0.5)
    count = len(study.trials)
    assert 1 <= count <= 3
    search.run(settings(tmp_path), study, total=50, seconds=0.5)
    assert len(study.trials) == count
    more = studies.spent(study) + 0.1
    search.run(settings(tmp_path), study, total=50, seconds=more)
    assert len(study.trials) > count
    assert studies.spent(study) == studies.spent(study, "w") >= more


def test_the_time_of_a_draw_counts(train, tmp_path, monkeypatch):
    drawn = draw.params

    def slow(*args):
        time.sleep(0.2)
        return drawn(*args)

    monkeypatch.setattr(draw, "params", slow)
    study = new_study()
    search.run(settings(tmp_path), study, total=1)
    assert studies.spent(study) >= 0.2


def test_the_pruner_stops_trials_and_they_count(train, tmp_path):
    study = new_study()
    search.run(settings(tmp_path, pruner="median"), study, total=12)
    stopped = [t for t in study.trials if t.state == TrialState.PRUNED]
    assert stopped
    assert len(study.trials) == 12
    assert all(t.value == list(t.intermediate_values.values())[-1] for t in stopped)
    assert all(max(t.intermediate_values) < EPOCHS for t in stopped)


def test_a_grid_ends_with_its_last_cell(train, tmp_path):
    space = {"lr": {"choices": [1e-3, 1e-2]}, "batch_size": {"choices": [8, 16]}}
    given, study = settings(tmp_path, sampler="grid", space=space), new_study()
    search.run(given, study, total=3)
    assert not search.exhausted(given, study)
    search.run(given, study, total=9)
    assert len(study.trials) == 4
    assert search.exhausted(given, study)


def test_the_best_model_is_kept(train, tmp_path):
    study = new_study()
    search.run(settings(tmp_path, keep=True), study, total=6)
    assert [p.name for p in tmp_path.glob("kept*")] == [f"kept-{study.best_trial.number}"]
    model, _, figures = search.best_model(settings(tmp_path, keep=True), study)
    assert model.rate == study.best_params["lr"]
    assert figures["validation"]["accuracy"] == study.best_value
    assert len(train.calls) == 6
    search.run(settings(tmp_path, keep=True), study, total=7)
    assert [p.name for p in tmp_path.glob("kept*")] == [f"kept-{study.best_trial.number}"]


def test_a_model_that_was_not_kept_is_trained_again(train, tmp_path):
    study = new_study()
    search.run(settings(tmp_path), study, total=3)
    model, _, figures = search.best_model(settings(tmp_path), study)
    assert model.rate == study.best_params["lr"]
    assert figures["validation"]["accuracy"] == study.best_value
    assert len(train.calls) == 4


def running(study, worker, key="0-0"):
    """A trial of another worker."""
    params = {"lr": 1e-4, "batch_size": 8}
    made = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=params,
        distributions=draw.distributions(SPACE),
        user_attrs={workers.WORKER: worker, search.DRAW: key},
    )
    study.add_trial(made)
    return optuna.trial.Trial(study, study.trials[-1]._trial_id)


def test_a_dead_workers_trial_is_replaced(train, tmp_path):
    study = new_study()
    running(study, "dead")
    search.run(settings(tmp_path, grace=0.3), study, total=2)
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert "no sign of life for 0.3 s" in study.trials[0].user_attrs[draw.LOST]
    assert not studies.failed(study)


def test_a_living_workers_trial_is_waited_for(train, tmp_path):
    study = new_study()
    theirs = running(study, "slow")

    def work():
        with workers.beating(theirs, 0.3):
            time.sleep(1.0)
        study.tell(theirs.number, 0.1)

    thread = threading.Thread(target=work)
    thread.start()
    search.run(settings(tmp_path, grace=0.3), study, total=2)
    thread.join()
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.trials[0].value == 0.1


def test_a_worker_that_was_taken_for_dead_goes_on(train, tmp_path):
    study = new_study()

    def before(config, epoch):
        if len(train.calls) == 1 and epoch == 3:
            study.tell(0, state=TrialState.FAIL)

    train.before = before
    search.run(settings(tmp_path), study, total=2)
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert not studies.failed(study)


def test_two_workers_that_draw_at_one_moment(train, tmp_path, monkeypatch):
    """The later one takes its draw back: it would be the other's, and one too many."""
    study, real = new_study(), draw.params

    def params(*given):
        found = real(*given)
        if not study.trials:
            running(study, "other", found[1])
        return found

    monkeypatch.setattr(draw, "params", params)
    search.run(settings(tmp_path, grace=0.3), study, total=1)
    assert [t.state.name for t in study.trials] == ["FAIL", "FAIL", "COMPLETE"]
    assert study.trials[1].user_attrs[draw.LOST].startswith("withdrawn")
    assert study.trials[0].user_attrs[draw.LOST].startswith("its worker")
    assert len({json.dumps(t.user_attrs[search.DRAW]) for t in study.trials}) == 2


def test_two_workers_begin_with_the_known_options_once(train, tmp_path, monkeypatch):
    study, real, known = new_study(), draw.params, {"lr": 1e-4, "batch_size": 16}

    def params(*given):
        found = real(*given)
        if not study.trials:
            running(study, "other", found[1])
        return found

    monkeypatch.setattr(draw, "params", params)
    search.run(settings(tmp_path, grace=0.3, sampler="tpe", start=known), study, total=2)
    assert [t.params == known for t in study.trials[1:]] == [True, False, False]  # the first of these is withdrawn
    assert [t.state.name for t in study.trials[2:]] == ["COMPLETE"] * 2


def test_importance_needs_trials(train, tmp_path):
    study = new_study()
    search.run(settings(tmp_path), study, total=1)
    assert studies.importance(study) in ({}, {"lr": 0.5, "batch_size": 0.5})
    search.run(settings(tmp_path), study, total=14)
    shares = studies.importance(study)
    assert shares["lr"] > shares["batch_size"]
