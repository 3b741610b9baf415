import copy
import json

import pytest
import torch

from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin, stages, trainer
from toolkit.training.config import Layers, Optim, Regularise, Schedule, TrainConfig
from toolkit.training.tasks import bind


@pytest.fixture(scope="module")
def tiny():
    made, tokenizer = builtin.build("builtin:text-tiny", [f"word{i % 9} of it" for i in range(90)], ["a", "b"], seed=0)
    return made, bind("text-classification", TextReader(tokenizer, 128))


def rows(count):
    return [{"input_ids": [2, 5 + i % 7, 5 + i % 3, 3], "labels": i % 2} for i in range(count)]


def test_parts_are_in_order_and_whole(tiny):
    model = tiny[0]
    found = stages.parts(model)
    assert len(found) == 4 + 2
    assert {id(p) for part in found for p in part} == {id(p) for p in model.parameters()}
    names = {id(p): name for name, p in model.named_parameters()}
    assert all("embed" in names[id(p)] for p in found[0])
    for i, part in enumerate(found[1:-1]):
        assert all(f"encoder.layer.{i}." in names[id(p)] for p in part)
    assert all("classifier" in names[id(p)] for p in found[-1])


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (12, [0] + [0] * 5 + [0.1] * 5 + [1] * 2 + [1]),
        (6, [0] + [0] * 2 + [0.1] * 3 + [1] + [1]),
        (1, [0, 1, 1]),
    ],
)
def test_three_phase_scales_to_the_depth(layers, expected):
    assert stages.plan("three-phase", layers, 1e-4) == [stages.Stage(1.0, expected)]


def test_head_first():
    alone, all_of_it = stages.plan("head-first", 3, 1e-4)
    assert alone == stages.Stage(0.2, [0, 0, 0, 0, 10])
    assert all_of_it == stages.Stage(1.0, [1] * 5)


def test_head_then_top():
    alone, both = stages.plan("head-then-top", 6, 1e-4)
    assert alone.rates == [0] * 7 + [1]
    assert both.rates == pytest.approx([0, 0, 0, *[0.01] * 4, 1])  # 1e-6


def test_gradual_takes_one_layer_more_at_a_time():
    found = stages.plan("gradual", 3, 1e-4)
    assert [sum(rate > 0 for rate in stage.rates) for stage in found] == [1, 2, 3, 5]
    assert [stage.until for stage in found] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 1])
    assert stages.at(found, 0.3) is found[2]
    assert stages.at(found, 1.0) is found[3]


def test_layer_decay():
    assert stages.plan("none", 2, 1e-4, decay=0.5)[0].rates == [0.125, 0.25, 0.5, 1]


def test_a_mistyped_preset_is_told_its_neighbour():
    with pytest.raises(ToolkitError, match=r"--stages is 'auot', no file: did you mean auto\?"):
        stages.given("auot")


def test_a_file_of_stages(tmp_path):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"stages": [{"until": 0.4, "layers": [0, 0.5]}, {"until": 1.0, "embeddings": 0}]}))
    first, second = stages.plan(stages.given(str(path)), 4, 1e-4)
    assert first == stages.Stage(0.4, [1, 0, 0, 0.5, 0.5, 1])
    assert second == stages.Stage(1.0, [0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([], "end at 1"),
        ([{"until": 0.5}], "end at 1"),
        ([{"until": 0.7}, {"until": 0.5}, {"until": 1.0}], "end at 1"),
        ([{"untill": 1.0}], "no 'untill'"),
        ([{"until": 1.0, "layers": "all"}], "no shares"),
        ([{"until": 1.0, "head": -1}], "no shares"),
        ([{"until": 1.0, "embeddings": 0, "layers": 0, "head": 0}], "no shares"),
    ],
)
def test_stages_must_make_sense(found, says):
    with pytest.raises(ToolkitError, match=says):
        stages.plan(found, 4, 1e-4)


def trained(tiny, folder, **changes):
    """How far each part of the model moved."""
    made, task = copy.deepcopy(tiny)
    before = [[p.detach().clone() for p in part] for part in stages.parts(made)]
    options = TrainConfig(
        epochs=2.0, batch_size=16, precision="fp32", device="cpu", regularise=Regularise(patience=0), metric="loss",
        optim=Optim(lr=1e-3, weight_decay=0.0), schedule=Schedule(warmup=0.0, scheduler="constant"), **changes
    )  # fmt: skip
    trainer.train(made, task, rows(128), rows(16), options, folder, seed=0)
    assert all(p.requires_grad for p in made.parameters())
    parts = stages.parts(made)
    return [max(float((p - q).abs().max()) for p, q in zip(part, old, strict=True))
            for part, old in zip(parts, before, strict=True)]  # fmt: skip


def test_what_is_frozen_stays_and_the_rest_moves_at_its_rate(tiny, tmp_path):
    moved = trained(tiny, tmp_path, layers=Layers(stages="three-phase"))
    assert moved[:3] == [0, 0, 0]  # embeddings and the lower two of four layers
    assert 0 < moved[3] < 0.3 * moved[4]
    assert moved[5] > 0


def test_in_the_first_stage_the_head_learns_alone(tiny, tmp_path):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"stages": [{"until": 1.0, "embeddings": 0, "layers": 0}]}))
    moved = trained(tiny, tmp_path / "work", layers=Layers(stages=str(path)))
    assert moved[:5] == [0] * 5
    assert moved[5] > 0


def test_a_stopped_run_of_stages_ends_as_an_undisturbed_one(tiny, tmp_path, monkeypatch):
    options = TrainConfig(
        epochs=3.0, batch_size=16, precision="fp32", device="cpu", save_every=3, metric="loss",
        regularise=Regularise(patience=0), optim=Optim(lr=1e-3), layers=Layers(stages="gradual", layer_decay=0.9),
    )  # fmt: skip
    weights = []
    for name, stops in (("whole", False), ("cut", True)):
        made, task = copy.deepcopy(tiny)
        if stops:
            with monkeypatch.context() as patch:
                original = trainer.Watch.on_step_end

                def stop(self, args, state, control, original=original, **kwargs):
                    original(self, args, state, control, **kwargs)
                    if state.global_step == 10:
                        raise KeyboardInterrupt

                patch.setattr(trainer.Watch, "on_step_end", stop)
                with pytest.raises(KeyboardInterrupt):
                    trainer.train(made, task, rows(128), rows(16), options, tmp_path / name, seed=0)
            made, task = copy.deepcopy(tiny)
        trainer.train(made, task, rows(128), rows(16), options, tmp_path / name, seed=0)
        weights.append(torch.cat([p.detach().flatten() for p in made.parameters()]))
    assert torch.equal(*weights)
