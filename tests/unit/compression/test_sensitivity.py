import copy
from types import SimpleNamespace

import pytest
import torch
from unit.encoders import batch, logits, make

from toolkit.compression import prune, sensitivity, structure
from toolkit.compression.sensitivity import Bench
from toolkit.inference import predictor
from toolkit.training.tasks import bind


class Reader:
    """Rows are numbers of a batch's."""

    def __init__(self, name):
        self.rows = batch(name)

    def size(self, row):
        return 1


class Task:
    """Of a batch's rows, by their numbers."""

    def __init__(self, name):
        self.reader, self.inner = Reader(name), bind("text-classification", None)
        self.figures, self.loss, self.answers = self.inner.figures, self.inner.loss, self.inner.answers

    def collate(self, rows):
        return {key: value[[row["i"] for row in rows]] for key, value in self.reader.rows.items()}


@pytest.fixture(params=["bert", "vit"])
def bench(request, tmp_path, monkeypatch):
    def build(backend, model, reader, names, device):
        return SimpleNamespace(throughput=lambda contents, size: float(logits(model, batch(request.param)).shape[0]))

    monkeypatch.setattr(predictor, "build", build)
    task = Task(request.param)
    rows = [{"i": i} for i in range(6)]
    return Bench(make(request.param), task, [batch(request.param)], rows, [0], ["a", "b"], "taylor", "cpu", tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """On which a product takes as many seconds as its matrix has numbers."""
    now = [0.0]

    def passes(module, *_):
        now[0] += module.weight.numel() if isinstance(module, torch.nn.Linear) else 0

    monkeypatch.setattr(sensitivity, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    hook = torch.nn.modules.module.register_module_forward_hook(passes)
    yield now
    hook.remove()


def test_all_parts_are_measured_and_the_model_is_as_before(bench):
    before = copy.deepcopy(bench.model.state_dict())
    found = sensitivity.measure(bench)
    assert all(torch.equal(value, before[key]) for key, value in bench.model.state_dict().items())
    assert len(structure.layers(bench.model)) == 4
    parts = {"ffn", "heads"} if structure.family(bench.model.config).free_heads else {"ffn"}
    assert {m["part"] for m in found["layers"]} == parts | {"layers"}
    assert len(found["layers"]) == 4 * (3 * len(parts) + 1)
    assert found["base"]["divergence"] == 0
    assert all(m["divergence"] > 0 for m in found["whole"])
    for m in found["whole"]:
        to = structure.shape(bench.model.config)._replace(**{m["part"]: m["left"]})
        left = to._replace(heads=to.hidden // 8) if "heads" not in parts else to
        assert m["parameters"] == structure.parameters(type(bench.model), bench.model.config, left)


def test_silencing_units_is_as_good_as_cutting_them(bench):
    """The same neurons of the same layer, once silenced and once really gone."""
    name = "vit" if structure.family(bench.model.config).free_heads else "bert"
    group = structure.ffn_groups(bench.model)[1]
    with sensitivity._silenced([(group, torch.arange(48.0))], 1 / 3):
        silenced = logits(bench.model, batch(name))
    layer = structure.layers(bench.model)[1]
    first, second = structure.ffn(bench.model, layer)
    first.weight.data = first.weight.data[16:]
    first.bias.data, second.weight.data = first.bias.data[16:], second.weight.data[:, 16:]
    assert torch.allclose(logits(bench.model, batch(name)), silenced, atol=1e-6)


def test_what_one_layer_alone_saves_is_told_by_the_time_inside_of_it(bench, clock):
    logits(bench.model, batch("vit" if structure.family(bench.model.config).free_heads else "bert"))
    whole, heads, neurons = clock[0], 4 * 32 * 32, 2 * 32 * 48
    saved = {"layers": heads + neurons, "ffn": neurons, "heads": heads}
    found = [m for m in sensitivity.measure(bench)["layers"] if m["amount"] in (0.5, 1.0)]  # which 8 divides
    assert {m["part"] for m in found} >= {"layers", "ffn"}
    for m in found:
        assert m["speedup"] == pytest.approx(whole / (whole - m["amount"] * saved[m["part"]]), abs=0.002), m


def test_without_the_last_layer_the_one_before_is_the_last(bench):
    layers = structure.layers(bench.model)
    assert [*prune.places(bench.model)["layers"]] == [*layers[:3], layers[2]]


def test_divergence_is_the_mean_of_the_rows(bench):
    other = copy.deepcopy(bench.model)
    structure.keep_layers(other, [0, 1])
    name = "vit" if structure.family(bench.model.config).free_heads else "bert"
    p, q = (logits(model, batch(name)).double().softmax(-1) for model in (bench.model, other))
    assert bench.quality(other)["divergence"] == pytest.approx(float((p * (p / q).log()).sum(-1).mean()), rel=1e-4)


def test_what_was_kept_is_not_made_again(tmp_path):
    path = tmp_path / "deep" / "a.json"
    assert sensitivity.kept(path, lambda: [1, 2]) == [1, 2]
    assert sensitivity.kept(path, lambda: 1 / 0) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        sensitivity.kept(tmp_path / "b.json", lambda: 1 / 0)
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
