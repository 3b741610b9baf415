"""`toolkit prune --channels`, `--vocab` and `--unstructured`: what they write, tell and refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.test_kill import armed, at_call, run_armed, weights
from helpers import Called, pictures, refused

import toolkit
from toolkit.artifacts import loading
from toolkit.training import builtin

Call = Callable[..., Called]
QUICK: dict[str, Any] = {"epochs": 1, "sensitivity": False}
PLAIN = ("--epochs", 1, "--batch-size", 32, "--no-sensitivity")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def zeros(folder: Path) -> dict[str, float]:
    from safetensors.torch import load_file

    return {k: (w == 0).float().mean().item() for k, w in load_file(folder / "model.safetensors").items()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for part in ("train", "validation"):
        pictures(tmp_path / "photos" / part)
    return tmp_path / "photos"


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    loading.save(tmp_path / "resnet", *builtin.build("builtin:image-tiny", [], ["cat", "dog"], seed=0))
    return tmp_path / "resnet"


def test_channels_and_blocks_of_a_resnet(resnet: Path, photos: Path, tmp_path: Path) -> None:
    made = toolkit.prune(resnet, data=str(photos), channels=0.5, layers=5, out=tmp_path / "p", **QUICK)
    config = read(made.artifact / "config.json")
    assert (config["embedding_size"], config["hidden_sizes"]) == (16, [16, 32, 64])
    assert sum(config["depths"]) == 5
    story = read(made.artifact / "pruning.json")
    assert story["sizes"] == [{"blocks": 5, "stem": 16, "widths": [16, 32, 64]}]
    assert len(story["cuts"][0]["layers_removed"]) == 1
    assert not (made.artifact / "sensitivity.json").exists()
    figures = read(made.artifact / "metrics.json")
    assert figures["comparison"]["parameters_ratio"] < 0.25
    rounds = toolkit.prune(resnet, data=str(photos), channels=0.5, gradual=2, out=tmp_path / "q", **QUICK)
    assert [s["widths"] for s in read(rounds.artifact / "pruning.json")["sizes"]] == [[24, 48, 96], [16, 32, 64]]


def test_a_target_of_a_resnet(
    call: Call, resnet: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jsonschema

    from toolkit.compression import sensitivity

    for name, value in (("TIMED_ROWS", 8), ("ROUNDS", 1)):
        monkeypatch.setattr(sensitivity, name, value)
    out = tmp_path / "p"
    called = call("prune", resnet, "--data", photos, "--target-params", 0.4, "--no-recover", "--out", out)
    assert called.code == 0, called.err
    assert 0.1 < read(out / "metrics.json")["comparison"]["parameters_ratio"] <= 0.4
    found = read(out / "sensitivity.json")
    jsonschema.validate(found, read(Path(toolkit.__file__).parents[1] / "docs" / "schemas" / "sensitivity.json"))
    places = {(m["part"], m["layer"]) for m in found["layers"]}
    assert places == {*(("channels", stage) for stage in range(3)), *(("layers", block) for block in (1, 3, 5))}
    assert {m["part"]: m["left"] for m in found["whole"]} == {"channels": 56, "layers": 3}
    assert "channels" in (out / "report.html").read_text()


def test_amounts_of_the_other_kind_are_refused(
    call: Call, model: Path, split: Path, resnet: Path, photos: Path, tmp_path: Path
) -> None:
    image, text = ("prune", resnet, "--data", photos), ("prune", model, "--data", split)
    refused(call, tmp_path, *image, "--ffn", 0.5, says="--ffn: a resnet has none")
    refused(call, tmp_path, *image, "--channels", 0, says="nothing to prune")
    refused(call, tmp_path, *image, "--layers", 2, says="6 blocks in 3 stages")
    refused(call, tmp_path, *image, "--vocab", says="reads images")
    refused(call, tmp_path, *text, "--channels", 0.5, says="--channels: a roformer has none")
    refused(call, tmp_path, *text, "--vocab-common", 5, says="is of --vocab")
    refused(call, tmp_path, *text, "--unstructured-scope", "layer", says="is of --unstructured")


def test_the_plan_knows_the_size(call: Call, resnet: Path, photos: Path, tmp_path: Path) -> None:
    planned = call(
        "prune",
        resnet,
        "--data",
        photos,
        "--channels",
        0.5,
        "--no-sensitivity",
        "--no-recover",
        "--out",
        tmp_path / "p",
        "--dry-run",
    )
    amounts = {"channels": 0.5, "recover": False, "sensitivity": False}
    made = toolkit.prune(resnet, data=str(photos), out=tmp_path / "p", **amounts).artifact
    figures = read(made / "metrics.json")
    assert f"[{figures['input']['parameters']}, {figures['pruned']['parameters']}]" in planned.err


def test_a_vocabulary_is_cut_and_the_rest_stays(call: Call, split: Path, model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out = tmp_path / "p"
    argv = ("prune", model, "--data", split, "--vocab", "--vocab-min-count", 40, "--vocab-common", 0, "--no-recover")
    called = call(*argv, "--no-sensitivity", "--out", out)
    assert called.code == 0, called.err
    figures = read(out / "metrics.json")
    cut = figures["vocabulary"]
    stock = AutoModelForSequenceClassification.from_pretrained(out)
    assert cut["pieces"] == len(AutoTokenizer.from_pretrained(out)) == stock.config.vocab_size < cut["pieces_before"]
    assert figures["comparison"]["parameters_ratio"] < 1
    assert figures["validation"]["accuracy"] == pytest.approx(figures["pruned"]["accuracy"])
    before, after = (read(folder / "config.json") for folder in (model, out))
    assert {k for k in before if before[k] != after.get(k)} == {"vocab_size"}
    assert f"{cut['pieces']:,} of {cut['pieces_before']:,} pieces stayed" in (out / "report.html").read_text()
    common = toolkit.prune(
        model, data=str(split), vocab=True, vocab_min_count=40, vocab_common=100_000, recover=False, sensitivity=False,
        out=tmp_path / "all",
    )  # fmt: skip
    assert read(common.artifact / "config.json")["vocab_size"] == cut["pieces_before"]
    assert "in all; --vocab-common 0 keeps" in str(read(common.artifact / "artifact.json")["warnings"])
    predictions = toolkit.evaluate(out, data=str(split), out=tmp_path / "e")
    assert predictions.metrics["accuracy"] > 0.3


def test_zeros_stay_through_the_training_and_are_told(call: Call, split: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "p"
    argv = ("prune", model, "--data", split, "--unstructured", 0.4, "--unstructured-scope", "layer", *PLAIN)
    called = call(*argv, "--out", out)
    assert called.code == 0, called.err
    assert "nothing is smaller or faster" in called.err
    found = {name: share for name, share in zeros(out).items() if "encoder" in name and "dense.weight" in name}
    assert found
    assert [*found.values()] == pytest.approx([0.4] * len(found), abs=0.001)
    assert zeros(out)["classifier.out_proj.weight"] == 0
    sparsity = read(out / "metrics.json")["sparsity"]
    assert sparsity["zeros_of_matrices"] == pytest.approx(0.4, abs=0.001)
    assert "nothing is smaller or faster" in (out / "README.md").read_text()
    assert "nothing is smaller or faster" in (out / "report.html").read_text()
    assert read(out / "artifact.json")["warnings"]
    assert read(out / "config.json")["intermediate_size"] == read(model / "config.json")["intermediate_size"]
    assert weights(out) != weights(model), "others were trained"


def test_killed_it_goes_on_and_ends_with_the_same_zeros_and_vocabulary(
    split: Path, model: Path, tmp_path: Path
) -> None:
    besides = ("--unstructured", 0.5, "--vocab", "--vocab-common", 0)
    argv = ("prune", model, "--data", split, *besides, *PLAIN, "--save-every", 2)
    options = {"unstructured": 0.5, "vocab": True, "vocab_common": 0, "batch_size": 32, "save_every": 2, **QUICK}
    toolkit.prune(model, data=str(split), out=tmp_path / "whole", **options)
    armed(at_call("toolkit.training.watch", "Watch.on_step_end", 4), *argv, "--out", tmp_path / "p")
    assert not (tmp_path / "p").exists()
    assert list((tmp_path / ".p.partial" / "work").glob("answers-*.f32")), "the teacher is not asked again"
    code, told = run_armed("", *argv, "--out", tmp_path / "p", number=0)
    assert code == 0, told
    assert "resuming from step 2" in told
    assert weights(tmp_path / "p") == weights(tmp_path / "whole")
    assert read(tmp_path / "p" / "metrics.json")["sparsity"]["zeros_of_matrices"] == pytest.approx(0.5, abs=0.001)
