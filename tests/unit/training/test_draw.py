import math

import optuna
import pytest
from optuna.trial import TrialState

from toolkit.training import draw

SPACE = {"lr": {"low": 1e-5, "high": 1e-1, "log": True}, "batch_size": {"choices": [8, 16]}}
GRID = {"lr": {"choices": [1e-3, 1e-2]}, "batch_size": {"choices": [8, 16]}}
ENDED = {"state": TrialState.COMPLETE}


def trial(params, space=SPACE, value=None, state=TrialState.COMPLETE, **attrs):
    out = optuna.trial.create_trial(
        state=state, value=value, params=params, distributions=draw.distributions(space), user_attrs=attrs
    )
    return out


def searched(kind, count, seed=0, space=SPACE):
    """The trials of a search whose best rate is 1e-3."""
    trials = []
    for _ in range(count):
        params, _ = draw.params(kind, space, trials, "maximize", seed)
        trials.append(trial(params, space, value=-abs(math.log10(params["lr"]) + 3)))
        trials[-1].number = len(trials) - 1
    return trials


@pytest.mark.parametrize("kind", ["tpe", "gp", "random"])
def test_a_draw_is_decided_by_the_trials_the_seed_and_the_worker(kind):
    trials = searched(kind, 6)
    again = draw.params(kind, SPACE, trials, "maximize", 0)
    assert again == draw.params(kind, SPACE, trials, "maximize", 0)
    if kind == "gp":  # goes to the best place that its model knows, whatever the seed
        return
    others = [
        draw.params(kind, SPACE, trials, "maximize", 1),
        draw.params(kind, SPACE, trials, "maximize", 0, 1),
        draw.params(kind, SPACE, trials[:5], "maximize", 0),
    ]
    assert len({again[0]["lr"], *(params["lr"] for params, _ in others)}) == 4
    assert len({again[1], *(key for _, key in others[1:])}) == 3


def test_the_first_draws_of_neighbouring_seeds_differ():
    """Seed 0's second trial must not be seed 1's first."""
    rates = [t.params["lr"] for seed in range(3) for t in searched("random", 4, seed)]
    assert len(set(rates)) == 12


@pytest.mark.parametrize(("kind", "count", "seeds"), [("tpe", 24, 3), ("gp", 12, 1)])
def test_a_model_based_sampler_learns_from_the_trials(kind, count, seeds):
    later = [t.params["lr"] for seed in range(seeds) for t in searched(kind, count, seed)[count // 2 :]]
    assert sum(1e-4 < rate < 1e-2 for rate in later) > 0.7 * len(later)  # of random draws it is one in two


def test_a_grid_has_each_cell_once_and_a_lost_one_again():
    trials = []
    for _ in range(4):
        params, _ = draw.params("grid", GRID, trials, "maximize", 3)
        trials.append(trial(params, GRID, value=0.0))
    assert len({tuple(t.params.values()) for t in trials}) == 4
    assert draw.params("grid", GRID, trials, "maximize", 3) is None
    lost = trials[1]
    trials[1] = trial(lost.params, GRID, state=TrialState.FAIL, **{draw.LOST: "dead"})
    assert draw.params("grid", GRID, trials, "maximize", 3)[0] == lost.params
    trials[1] = trial(lost.params, GRID, state=TrialState.FAIL, failed="out of memory")
    assert draw.params("grid", GRID, trials, "maximize", 3) is None
    first = {tuple(draw.params("grid", GRID, [], "maximize", seed)[0].values()) for seed in range(12)}
    assert len(first) > 1


def test_numbers_of_a_space_stay_numbers():
    space = {"batch_size": {"low": 8, "high": 32, "step": 8}, "dropout": {"low": 0.0, "high": 0.4, "step": 0.2}}
    drawn = [draw.params("random", space, [], "maximize", seed)[0] for seed in range(40)]
    assert {p["batch_size"] for p in drawn} == {8, 16, 24, 32}
    assert all(type(p["batch_size"]) is int for p in drawn)
    assert {round(p["dropout"], 6) for p in drawn} == {0.0, 0.2, 0.4}


@pytest.mark.parametrize(("kind", "stopped"), [("median", True), ("hyperband", True), ("none", False)])
def test_a_pruner_stops_what_is_behind(kind, stopped):
    study = optuna.create_study(direction="maximize", pruner=draw.pruner(kind, 9), study_name="a")
    ended = []
    for number in range(24):
        asked = study.ask()
        for epoch in range(1, 10):
            asked.report((24 - number) / 24 * epoch, epoch)
            if asked.should_prune():
                study.tell(number, state=TrialState.PRUNED)
                ended.append(number)
                break
        else:
            study.tell(number, 9.0)
    assert bool(ended) == stopped
    assert not set(ended) & set(range(1 if kind == "hyperband" else draw.WARM_UP_TRIALS))


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_a_sampler_that_learns_begins_with_what_is_known(kind):
    known = {"lr": 5e-5, "batch_size": 16}
    assert draw.params(kind, SPACE, [], "maximize", 0, 0, known) == (known, draw.START)
    later = [trial(known, value=1.0)]
    assert draw.params(kind, SPACE, later, "maximize", 0, 0, known) == draw.params(kind, SPACE, later, "maximize", 0)
    lost = [trial(known, state=TrialState.FAIL, **{draw.LOST: "its worker died"})]
    assert draw.params(kind, SPACE, lost, "maximize", 0, 0, known) == (known, draw.START)


def test_what_is_not_known_is_drawn():
    drawn = {seed: draw.params("tpe", SPACE, [], "maximize", seed, 0, {"batch_size": 16}) for seed in range(4)}
    assert {params["batch_size"] for params, _ in drawn.values()} == {16}
    assert len({params["lr"] for params, _ in drawn.values()}) == 4
    assert draw.START not in {name for _, name in drawn.values()}


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_a_sampler_that_does_not_learn_knows_nothing(kind):
    space = GRID if kind == "grid" else SPACE
    known = {"lr": 1e-2, "batch_size": 16}
    assert draw.params(kind, space, [], "maximize", 0, 0, known) == draw.params(kind, space, [], "maximize", 0)
