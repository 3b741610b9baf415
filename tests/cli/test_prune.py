"""`toolkit prune`: amounts and targets, what it writes, what it refuses, and that a killed one goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.test_kill import armed, at_call, run_armed, weights
from helpers import Called, pictures, refused
from unit.encoders import make

import toolkit
from toolkit.artifacts import loading, manifest
from toolkit.artifacts import model as models
from toolkit.compression import families, sensitivity, targets
from toolkit.inference import timing

Call = Callable[..., Called]
QUICK = {"epochs": 1, "sensitivity": False}
PLAIN = ("--epochs", 1, "--batch-size", 32, "--no-sensitivity")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _few_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing that takes no time: what is tested is not how fast this machine is."""
    for module, name, value in (
        (sensitivity, "TIMED_ROWS", 8),
        (sensitivity, "ROUNDS", 1),
        (timing, "ROUNDS", 1),
        (timing, "LATENCY_ROWS", 4),
        (timing, "WARM_UP", 1),
    ):
        monkeypatch.setattr(module, name, value)


def test_all_amounts_by_hand(model: Path, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "p"
    amounts = {"ffn": 0.5, "layers": 2, "hidden": 96}
    made = toolkit.prune(model, data=str(split), **amounts, recover=False, sensitivity=False, out=out)
    config = read(out / "config.json")
    sizes = [config[key] for key in ("num_hidden_layers", "intermediate_size", "num_attention_heads", "hidden_size")]
    assert sizes == [2, 256, 3, 96]
    figures = read(out / "metrics.json")
    assert figures["pruned"]["parameters"] == models.parameters(out) == made.metrics["parameters"]
    assert figures["input"]["parameters"] == models.parameters(model)
    assert figures["comparison"]["parameters_ratio"] < 0.4
    assert set(figures["comparison"]["accuracy_drop"]) == {"value", "low", "high"}
    story = read(out / "pruning.json")
    assert story["sizes"] == [{"layers": 2, "ffn": 256, "heads": 3, "hidden": 96}]
    assert [len(units) for units in story["cuts"][0]["ffn"]] == [256, 256]
    assert "Before and after" in (out / "report.html").read_text()
    assert not (out / "sensitivity.json").exists()


def test_a_target_writes_what_it_measured_and_is_judged(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    import jsonschema

    out = tmp_path / "p"
    argv = ("prune", model, "--data", split, "--no-recover", "--calibration-rows", 32)
    called = call(*argv, "--target-params", 0.5, "--out", out)
    assert called.code == 0, called.err
    figures = read(out / "metrics.json")
    assert 0.2 < figures["comparison"]["parameters_ratio"] <= 0.5
    found = read(out / "sensitivity.json")
    schema = read(Path(toolkit.__file__).parents[1] / "docs" / "schemas" / "sensitivity.json")
    jsonschema.validate(found, schema)
    assert {(m["part"], m["layer"]) for m in found["layers"]} == {(p, i) for p in ("ffn", "layers") for i in range(4)}
    assert {m["part"] for m in found["whole"]} == {"ffn", "layers", "hidden"}
    assert (out / "figures" / "sensitivity.png").is_file()
    assert (out / "figures" / "sensitivity_by_layer.png").is_file()
    assert len(read(out / "pruning.json")["tried"]) == 3
    assert "up-to-date" in call(*argv, "--target-params", 0.5, "--out", out).err

    called = call(*argv, "--target-params", 0.01, "--out", tmp_path / "least")
    assert called.code == 3
    assert "gate not met: target_params" in called.err
    assert read(tmp_path / "least" / "config.json")["num_hidden_layers"] == 1, "the nearest is written"


def test_a_bound_on_the_accuracy_lost(model: Path, split: Path, tmp_path: Path) -> None:
    options = {"recover": False, "calibration_rows": 32}
    free = toolkit.prune(model, data=str(split), max_drop=1.0, out=tmp_path / "free", **options)
    assert free.passed
    story = read(tmp_path / "free" / "pruning.json")
    assert story["tried"][-1]["sizes"] == list(story["sizes"][0].values()), "what holds at last is the smallest"
    assert free.metrics["parameters"] < 0.5 * models.parameters(model)  # type: ignore[operator]


@pytest.fixture
def as_fast_as_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut is as many times as fast as the model has times its parameters: what is tried is the same each time."""

    def speedups(bench: sensitivity.Bench, cuts: dict[str, Any]) -> dict[str, float]:
        return {name: bench.model.num_parameters() / cut.num_parameters() for name, cut in cuts.items()}

    monkeypatch.setattr(sensitivity.Bench, "speedups", speedups)


@pytest.mark.usefixtures("as_fast_as_small")
def test_a_speedup_out_of_reach_leaves_the_nearest(call: Call, narrow: Path, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "p"
    argv = ("prune", narrow, "--data", split, "--no-recover", "--calibration-rows", 16)
    called = call(*argv, "--target-speedup", 50, "--out", out)
    assert called.code == 3, called.err
    assert "gate not met: target_speedup" in called.err
    assert called.out.strip() == str(out)
    assert manifest.whole(out)
    (gate,) = read(out / "artifact.json")["gates"]
    assert gate == {"name": "target_speedup", "bound": 50, "passed": False} | {"value": gate["value"]}
    assert gate["value"] == read(out / "metrics.json")["comparison"]["speedup"] < 50
    assert read(out / "pruning.json")["sizes"] == [{"layers": 1, "ffn": 16, "heads": 1, "hidden": 16}]


@pytest.mark.usefixtures("as_fast_as_small")
def test_where_every_cut_loses_too_much_the_mildest_is_left(
    call: Call, touchy: tuple[Path, Path], tmp_path: Path
) -> None:
    out, (given, data) = tmp_path / "p", touchy
    argv = ("prune", given, "--data", data, "--no-recover", "--calibration-rows", 16, "--out", out)
    called = call(*argv, "--max-drop", 0)
    assert called.code == 3, called.err
    assert "gate not met: max_drop" in called.err
    assert manifest.whole(out)
    (gate,) = read(out / "artifact.json")["gates"]
    assert gate["value"] == read(out / "metrics.json")["comparison"]["accuracy_drop"]["value"] > 0
    story = read(out / "pruning.json")
    rungs = targets.ladder(loading.load(given)[0], read(out / "sensitivity.json"))
    assert len(rungs) > 1
    assert [*story["sizes"][0].values()] == story["tried"][-1]["sizes"] == [*rungs[0]]
    assert all(tried["accuracy_drop"] > 0 for tried in story["tried"])


def test_rounds_with_training_between(model: Path, split: Path, tmp_path: Path) -> None:
    made = toolkit.prune(model, data=str(split), ffn=0.5, layers=2, gradual=2, out=tmp_path / "p", **QUICK)
    story = read(made.artifact / "pruning.json")
    assert [(s["layers"], s["ffn"]) for s in story["sizes"]] == [(3, 384), (2, 256)]
    assert len(story["cuts"]) == 2
    assert read(made.artifact / "config.json")["num_hidden_layers"] == 2
    once = toolkit.prune(model, data=str(split), ffn=0.5, layers=2, out=tmp_path / "q", **QUICK)
    assert weights(once.artifact) != weights(made.artifact)
    assert "| comparison accuracy drop | " in (once.artifact / "README.md").read_text()


def test_rounds_in_which_nothing_goes_are_none(model: Path, split: Path, tmp_path: Path) -> None:
    made = toolkit.prune(model, data=str(split), layers=3, gradual=4, out=tmp_path / "p", **QUICK)
    assert [s["layers"] for s in read(made.artifact / "pruning.json")["sizes"]] == [3]


def test_a_model_of_one_layer(model: Path, split: Path, tmp_path: Path) -> None:
    given = {"data": str(split), "recover": False}
    one = toolkit.prune(model, layers=1, sensitivity=False, out=tmp_path / "one", **given).artifact
    made = toolkit.prune(one, ffn=0.5, out=tmp_path / "p", **given).artifact
    assert {row["part"] for row in read(made / "sensitivity.json")["whole"]} == {"ffn", "hidden"}


def test_another_teacher_whose_classes_are_in_another_order(model: Path, split: Path, tmp_path: Path) -> None:
    other = tmp_path / "teacher"
    toolkit.finetune(split, model="builtin:text-tiny", out=tmp_path / "t", epochs=0.1, max_length=48)
    loaded, tokenizer = loading.load(tmp_path / "t")
    names = [loaded.config.id2label[i] for i in range(3)]
    order = [2, 0, 1]
    last = loaded.classifier.out_proj
    last.weight.data, last.bias.data = last.weight.data[order], last.bias.data[order]
    loaded.config.id2label = {i: names[k] for i, k in enumerate(order)}
    loaded.config.label2id = {names[k]: i for i, k in enumerate(order)}
    loading.save(other, loaded, tokenizer)
    made = [
        toolkit.prune(model, data=str(split), ffn=0.5, alpha=1.0, teacher=str(teacher), out=tmp_path / name, **QUICK)
        for name, teacher in (("a", tmp_path / "t"), ("b", other))
    ]
    assert weights(made[0].artifact) == weights(made[1].artifact)
    own = toolkit.prune(model, data=str(split), ffn=0.5, alpha=1.0, out=tmp_path / "c", **QUICK)
    assert weights(own.artifact) != weights(made[0].artifact)


@pytest.mark.parametrize("importance", ["magnitude", "activation"])
def test_importance_decides_what_stays(model: Path, split: Path, tmp_path: Path, importance: str) -> None:
    cuts = []
    for name in ("taylor", importance):
        out = tmp_path / name
        options = {"importance": name, "calibration_rows": 16, "sensitivity": False, "recover": False}
        toolkit.prune(model, data=str(split), ffn=0.5, out=out, **options)
        cuts.append(read(out / "pruning.json")["cuts"][0]["ffn"])
    assert cuts[0] != cuts[1]


def test_heads_of_an_image_model(tmp_path: Path) -> None:
    from unit.image_models import processor

    for part in ("train", "validation"):
        pictures(tmp_path / "photos" / part)
    vit = make("vit")
    vit.config.id2label, vit.config.label2id = {0: "cat", 1: "dog"}, {"cat": 0, "dog": 1}
    loading.save(tmp_path / "vit", vit, processor("vit", "ViT", size={"height": 32, "width": 32}))
    made = toolkit.prune(
        tmp_path / "vit", data=str(tmp_path / "photos"), heads=0.5, ffn=0.5, out=tmp_path / "p", batch_size=8, **QUICK
    )
    config = read(made.artifact / "config.json")
    assert (config["num_attention_heads"], config["head_dim"], config["intermediate_size"]) == (2, 8, 24)
    toolkit.evaluate(made.artifact, data=str(tmp_path / "photos"), split="validation", out=tmp_path / "e")


def test_a_plan_tells_what_would_be_cut(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    argv = ("prune", model, "--data", split, "--out", tmp_path / "p", "--dry-run", "--json")
    plan = json.loads(call(*argv, "--layers", 3).out)["metrics"]
    assert plan["sizes_left"] == plan["sizes"] | {"layers": 3}
    assert plan["parameters"][0] == models.parameters(model)
    assert plan["parameters"][1] < plan["parameters"][0]
    assert json.loads(call(*argv).out)["metrics"]["sizes_left"]["ffn"] == 256, (
        "half of the neurons where nothing is said"
    )
    assert json.loads(call(*argv, "--max-drop", 0.01).out)["metrics"]["sought"] == {"max_drop": 0.01}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--ffn", 0), ("nothing to prune", "--ffn above 0")),
        (("--layers", 4), ("nothing to prune",)),
        (("--heads", 0), ("nothing to prune", "--heads or --hidden below")),
        (("--target-speedup", 1), ("nothing to prune: a target of 1",)),
        (("--target-params", 1), ("nothing to prune: a target of 1",)),
        (("--layers", 9), ("the model has 4", "keep fewer")),
        (("--heads", 0.5), ("heads do not go alone", "--hidden 64 leaves 2 of 4")),
        (("--hidden", 100), ("no multiple of 32", "take 96")),
        (("--target-params", 0.5, "--max-drop", 0.1), ("exclude each other", "one target")),
        (("--target-speedup", 2, "--ffn", 0.5), ("--target-speedup and --ffn exclude each other",)),
        (("--target-speedup", 2, "--no-sensitivity"), ("found by what each part costs", "--no-sensitivity")),
        (("--r-drop", 1, "--dropout", 0, "--dry-run"), ("drops nothing out", "give --dropout")),
        (("--gradual", 2, "--no-recover"), ("--gradual is for training back", "--no-recover")),
        (("--epochs", 2, "--no-recover"), ("--epochs is for training back", "--no-recover")),
    ],
    ids=str,
)
def test_what_cannot_be_asked(
    call: Call, model: Path, split: Path, tmp_path: Path, options: tuple[Any, ...], says: tuple[str, ...]
) -> None:
    refused(call, tmp_path, "prune", model, "--data", split, *options, says=says)


def test_a_target_for_a_model_that_cannot_be_smaller(
    call: Call, model: Path, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = families.ENCODER._replace(grid=lambda config, amounts: [families.ENCODER.shape(config)])
    monkeypatch.setattr(families, "ENCODER", alone)
    for target in ("--target-params", "--max-drop"):
        argv = ("prune", model, "--data", split, target, 0.5, "--dry-run")
        refused(call, tmp_path, *argv, says=("nothing to prune: no part of the model can be smaller",))


@pytest.mark.parametrize(
    ("option", "bound"),
    [
        (("--ffn", 1), "less than or equal to 0.95"),
        (("--heads", 1), "less than or equal to 0.95"),
        (("--channels", 1), "less than or equal to 0.95"),
        (("--unstructured", 1), "less than or equal to 0.95"),
        (("--unstructured", 0), "greater than or equal to 0.01"),
        (("--layers", 0), "greater than or equal to 1"),
    ],
    ids=str,
)
def test_all_of_a_part_cannot_go(
    call: Call, model: Path, split: Path, tmp_path: Path, option: tuple[str, int], bound: str
) -> None:
    called = call("prune", model, "--data", split, *option, "--out", tmp_path / "p")
    assert (called.code, called.out) == (2, "")
    assert f"Invalid value for '{option[0]}'" in called.err
    assert bound in " ".join(called.err.replace("│", " ").split())
    name = option[0].removeprefix("--")
    with pytest.raises(toolkit.ToolkitError, match=f"{name} is"):
        toolkit.prune(model, data=str(split), out=tmp_path / "p", **{name: option[1]})
    assert not any(tmp_path.iterdir())


def test_a_teacher_of_other_classes(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    loaded, tokenizer = loading.load(model)
    loaded.config.id2label = {0: "billing", 1: "delivery", 2: "weather"}
    loading.save(tmp_path / "t", loaded, tokenizer)
    says = ("tells other classes (product, weather)", "same labels")
    refused(call, tmp_path, "prune", model, "--data", split, "--teacher", tmp_path / "t", says=says)


def test_a_model_that_is_no_encoder_of_a_known_family(call: Call, tmp_path: Path) -> None:
    from unit.image_models import tiny

    for part in ("train", "validation"):
        pictures(tmp_path / "photos" / part)
    classes = {"id2label": {0: "cat", 1: "dog"}, "label2id": {"cat": 0, "dog": 1}}
    loading.save(tmp_path / "m", *tiny("convnext", **classes))
    says = ("models of type 'convnext' cannot be cut here", "known are bert")
    refused(call, tmp_path, "prune", tmp_path / "m", "--data", tmp_path / "photos", says=says)


@pytest.mark.parametrize(
    "arm",
    [
        at_call("toolkit.compression.sensitivity", "os.replace", 9),
        at_call("toolkit.compression.recover", "trainer.train", 2),
        at_call("toolkit.training.watch", "Watch.on_step_end", 9),
    ],
    ids=["measuring", "between rounds", "second round"],
)
def test_killed_it_goes_on_and_ends_with_the_same_weights(
    call: Call, model: Path, split: Path, tmp_path: Path, undisturbed: Path, arm: str
) -> None:
    out = tmp_path / "p"
    armed(QUICKLY + arm, *killable(model, split), "--out", out)
    assert not out.exists()
    measured = tmp_path / ".p.partial" / "work" / "measured"
    before = {path.name: path.stat().st_mtime_ns for path in measured.glob("*.json")}
    assert before
    code, told = run_armed(QUICKLY + NOTING, *killable(model, split), "--out", out, number=0)
    assert code == 0, told
    assert manifest.whole(out)
    assert weights(out) == weights(undisturbed)
    again = set(told.split("measured again: ")[-1].split()) if "measured again" in told else set()
    assert not again & set(before), "what was measured is not measured again"


QUICKLY = """
from toolkit.compression import sensitivity
from toolkit.inference import timing
sensitivity.TIMED_ROWS, sensitivity.ROUNDS, sensitivity.MOST_ROWS = 8, 1, 8
timing.ROUNDS, timing.LATENCY_ROWS, timing.WARM_UP = 1, 4, 1
"""
NOTING = """
import atexit, os
written, real = [], os.replace
def replace(a, b, **named):
    written.append(os.path.basename(str(b)))
    real(a, b, **named)
os.replace = replace
atexit.register(lambda: print("measured again:", *written, file=sys.stderr))
"""


def killable(model: Path, split: Path) -> tuple[object, ...]:
    """Two rounds of 6 steps."""
    options = ("--ffn", 0.5, "--layers", 2, "--gradual", 2, "--epochs", 1, "--batch-size", 32)
    return ("prune", model, "--data", split, *options, "--calibration-rows", 16)


@pytest.fixture(scope="module")
def undisturbed(model: Path, split: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "p"
    code, told = run_armed(QUICKLY, *killable(model, split), "--out", out, number=0)
    assert code == 0, told
    return out
