from types import SimpleNamespace

import pytest
from unit.encoders import make

from toolkit.compression import families, recover, sensitivity, structure, targets
from toolkit.compression.structure import Shape


def measured(model, far_of, speed_of):
    """Sensitivity as functions of (part, amount) have it."""
    whole = [
        {"part": part, "amount": gone, "divergence": far_of(part, gone), "speedup": speed_of(part, gone)}
        for part, sizes in families.of(model.config.model_type).steps(model.config, sensitivity.AMOUNTS).items()
        for to in sizes
        for gone in [sensitivity.amount(model.config, part, to)]
    ]
    return {"rows": 9, "base": {"accuracy": 0.9, "divergence": 0.0}, "layers": [], "whole": whole}


class Bench:
    """Whose cuts are as fast as a function says, and cost what another says."""

    def __init__(self, model, work, speed, far):
        self.model, self.work, self.speed, self.far = model, work, speed, far

    def cut(self, to):
        self.to = to
        return self

    def quality(self, cut):
        return {"accuracy": 0.5, "divergence": self.far(self.to)}

    def speedups(self, models):
        return {name: self.speed(self.to) for name in models}

    def num_parameters(self):
        return structure.parameters(type(self.model), self.model.config, self.to)


def linear(part, gone):
    """FFN costs little, layers more, hidden dimensions most."""
    return {"ffn": 0.1, "layers": 1.0, "hidden": 9.0}[part] * gone


def time_left(to):
    return (to.layers / 4) * (0.5 + 0.5 * to.ffn / 48) * (to.hidden / 32)


def alone(part, gone):
    return 1 / (1 - gone) if part != "ffn" else 1 / (1 - 0.5 * gone)


def test_guesses_add_divergences_and_multiply_times():
    model = make("bert")
    found = {g.to: g for g in targets.guesses(model, measured(model, linear, alone))}
    guess = found[Shape(2, 24, 4, 32)]
    assert guess.divergence == pytest.approx(0.05 + 0.5)
    assert guess.speedup == pytest.approx(2 / 0.75)
    assert Shape(4, 48, 4, 32) not in found
    assert all(to.hidden == 8 * to.heads for to in found), "a BERT's heads go with its hidden size"
    assert min(to.hidden for to in found) == 8


def test_guesses_reload():
    model = make("electra, projected")
    assert 16 not in {g.to.hidden for g in targets.guesses(model, measured(model, linear, alone))}


def test_the_parameters_of_a_guess_are_those_of_the_cut_model():
    model = make("vit")
    guesses = targets.guesses(model, measured(model, lambda part, gone: gone, lambda part, gone: 1 + gone))
    for guess in guesses[::37]:
        count = structure.parameters(type(model), model.config, guess.to)
        assert guess.params == pytest.approx(count / model.num_parameters())


def test_a_speedup_is_met_by_what_costs_least(tmp_path):
    model = make("bert")
    bench = Bench(model, tmp_path, lambda to: 1 / time_left(to), lambda to: 4 - to.layers)
    to, tried = targets.search(bench, measured(model, linear, alone), speedup=1.2, params=None)
    assert to.layers == 4, "neurons alone do it"
    assert to.hidden == 32
    assert tried[0]["speedup"] >= 1.2
    assert len(tried) == targets.ENOUGH


def test_guesses_that_are_off_are_corrected_by_what_was_measured(tmp_path):
    """Half of the time is spent outside of the model."""
    model = make("bert")
    bench = Bench(model, tmp_path, lambda to: 2 / (1 + time_left(to)), lambda to: time_left(to))
    to, tried = targets.search(bench, measured(model, linear, alone), speedup=1.5, params=None)
    assert 2 / (1 + time_left(to)) >= 1.5
    assert tried[0]["speedup"] < 1.5


def test_a_target_out_of_reach_gives_the_nearest(tmp_path):
    model = make("bert")
    bench = Bench(model, tmp_path, lambda to: 1 / time_left(to), lambda to: 0.0)
    to, tried = targets.search(bench, measured(model, linear, alone), speedup=1000.0, params=None)
    assert (to, len(tried)) == (Shape(1, 16, 1, 8), 1)


def test_parameters_are_met_exactly_and_a_second_call_measures_nothing(tmp_path):
    model = make("bert")
    found = measured(model, linear, alone)
    bench = Bench(model, tmp_path, lambda to: 1.0, lambda to: 0.0)
    to, tried = targets.search(bench, found, speedup=None, params=0.5)
    assert all(t["lacking"] <= 0 for t in tried)
    assert {g.to: g.params for g in targets.guesses(model, found)}[to] <= 0.5
    bench.speed = None
    assert targets.search(bench, found, speedup=None, params=0.5) == (to, tried)


def test_the_ladder_goes_from_mild_to_small():
    model = make("bert")
    found = measured(model, linear, alone)
    rungs = targets.ladder(model, found)
    times = [time_left(to) for to in rungs]
    assert times == sorted(times, reverse=True)
    assert len(set(rungs)) == len(rungs) > 3
    assert rungs[0].layers == 4, "the first costs neurons alone"
    slow = measured(model, linear, lambda part, gone: 1.0)
    assert len(targets.ladder(model, slow)) == 1, "where nothing is faster, the mildest"


@pytest.mark.parametrize(("after", "kept"), [(0.95, 1), (0.94, 1), (0.93, 0)])
def test_a_cut_that_loses_just_what_is_allowed_is_taken(monkeypatch, tmp_path, after, kept):
    """0.95 - 0.94 is a little above 0.01."""
    accuracy = {"whole": 0.95, 0: 0.95, 1: after}
    monkeypatch.setattr(targets, "ladder", lambda model, measured: [(0,), (1,)])
    monkeypatch.setattr(recover.trainer, "validate", lambda model, task, rows: {"accuracy": accuracy[model]})
    recovery = SimpleNamespace(validation=None, run=lambda bench, to, work: SimpleNamespace(model=to[0]))
    bench = SimpleNamespace(model="whole", task=None)
    made, tried = recover.Recovery.furthest(recovery, bench, {}, 0.01, tmp_path)
    assert made.model == kept
    assert len(tried) == 2


@pytest.mark.parametrize("last", [None, 0, 1, 3, 6])
def test_bisection_finds_the_last_that_holds(last):
    asked = []

    def holds(number):
        asked.append(number)
        return last is not None and number <= last

    assert targets.furthest(7, holds) == last
    assert len(asked) == len(set(asked)) <= 3
    assert last is not None or 0 in asked
