"""What a training shows and leaves, and what happens when it can no longer go on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Called
from jsonschema import Draft202012Validator

import toolkit
from toolkit.reports import numbers

Call = Callable[..., Called]

SCHEMA = Path(toolkit.__file__).parent.parent / "docs" / "schemas" / "metrics.line.json"
TRAIN = ("--epochs", 1, "--batch-size", 16, "--precision", "fp32", "--max-length", 48)
WILD = (*TRAIN, "--set", "max_grad_norm=0", "--optimizer", "sgd", "--save-every", 1)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_model_comes_with_its_curves(call: Call, split: Path, tmp_path: Path, precision: str) -> None:
    out = tmp_path / "m"
    options = (*TRAIN[:-4], "--max-length", 48, "--precision", precision, "--log-every", 2, "--layer-decay", 0.9)
    called = call("finetune", split, "--out", out, *options)
    assert called.code == 0, called.err
    assert f"training on cpu, {precision}, eager attention, effective batch " in called.err
    lines = [json.loads(line) for line in (out / "logs" / "metrics.jsonl").read_text().splitlines()]
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert [error.message for line in lines for error in validator.iter_errors(line)] == []
    trained = [line for line in lines if "loss" in line]
    assert [line["step"] for line in trained] == [1, 2, 4, 6, 8, 10, 11]
    for figure in ("grad_norm/head", "update_ratio/layer.0", "updated/embeddings", "activation_std/layer.3"):
        assert all(line[figure] >= 0 for line in trained), figure
    assert trained[5]["learning_rate/embeddings"] < trained[5]["learning_rate/head"]
    assert [line["learning_rate"] for line in trained] == [line["learning_rate/head"] for line in trained]
    assert trained[-1]["learning_rate"] > 0  # of the step itself, not of one that would follow
    assert ("loss_scale" in trained[0]) == (precision == "fp16")
    card, page = (out / "README.md").read_text(), (out / "report.html").read_text()
    accuracy = json.loads((out / "metrics.json").read_text())["validation"]["accuracy"]
    assert f"| validation accuracy | {numbers.number(accuracy)} |" in card
    assert "Made by `toolkit finetune` from `split` and `builtin:text-tiny`" in card  # not from the whole path
    for name in ("loss", "rate", "gradients", "updates"):
        assert f"(figures/{name}.png)" in card
        assert (out / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for part in ("toolkit finetune", "Norm of the gradients before clipping", "healthy", "Rows a second"):
        assert part in page


def test_tensorboard_gets_the_same_figures(split: Path, model: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(model / "logs"))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {"train/loss", "eval/accuracy", "train/grad_norm/head", "train/update_ratio/layer.1"} <= set(tags)
    lines = [json.loads(line) for line in (model / "logs" / "metrics.jsonl").read_text().splitlines()]
    ratios = [line["grad_norm/head"] for line in lines if "grad_norm/head" in line]
    assert [event.value for event in events.Scalars("train/grad_norm/head")] == pytest.approx(ratios)


def test_pruned_and_distilled_models_have_them_too(split: Path, model: Path, tmp_path: Path) -> None:
    toolkit.prune(model, data=str(split), out=tmp_path / "p", epochs=1, sensitivity=False)
    toolkit.distill(model, data=str(split), student="layers:1", out=tmp_path / "d", epochs=1)
    for name in ("p", "d"):
        assert (tmp_path / name / "figures" / "loss.png").is_file()
    toolkit.prune(model, data=str(split), out=tmp_path / "q", recover=False, sensitivity=False)
    assert "<svg" not in (tmp_path / "q" / "report.html").read_text(), "nothing was trained"


def test_a_training_that_is_no_longer_finite_stops_and_goes_on_gentler(call: Call, split: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "m", tmp_path / ".m.partial" / "work"
    called = call("finetune", split, "--out", out, *WILD, "--lr", 1e30)
    assert (called.code, called.out) == (1, "")
    line = called.err.splitlines()[-1]
    assert line.startswith("error: the loss is nan in step 3, which was not taken; first not finite: the output of ")
    assert f"the last healthy checkpoint is {work / 'checkpoints' / 'checkpoint-1'}" in line
    ids = set(json.loads((work / "stopped.json").read_text())["batch"])
    rows = __import__("datasets").Dataset.from_parquet(str(split / "data" / "train.parquet"), cache_dir=str(tmp_path))
    assert ids <= set(rows["id"])
    assert all(name in line for name in ids)
    assert len(ids) == 16
    # The same call goes on from there, and stops there again; other rows or batches are another training.
    again = call("finetune", split, "--out", out, *WILD, "--lr", 1e30)
    assert again.code == 1
    assert "resuming from step 1" in again.err
    other = call("finetune", split, "--out", out, *WILD, "--lr", 1e-3, "--batch-size", 8)
    assert other.code == 1
    assert "holds unfinished work of a run with other options" in other.err
    # A smaller rate takes over, and the artifact says so.
    gentle = call("finetune", split, "--out", out, *WILD, "--lr", 1e-3)
    assert gentle.code == 0, gentle.err
    assert "resuming from step 1" in gentle.err
    told = json.loads((out / "artifact.json").read_text())["warnings"]
    assert told == ["goes on from the last checkpoint of a run with other options that was no longer finite"]
    assert "up-to-date" in call("finetune", split, "--out", out, *WILD, "--lr", 1e-3).err
    assert {p.name for p in tmp_path.iterdir() if p.name in ("m", ".m.partial")} == {"m"}


def test_force_begins_anew(call: Call, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    assert call("finetune", split, "--out", out, *WILD, "--lr", 1e30).code == 1
    called = call("finetune", split, "--out", out, *WILD, "--lr", 1e-3, "--force")
    assert called.code == 0
    assert "resuming" not in called.err
    assert json.loads((out / "artifact.json").read_text())["warnings"] == []


def test_a_full_disk_is_told_in_one_line(
    call: Call, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    real, seen = torch.save, []

    def save(*args: Any, **kwargs: Any) -> None:
        seen.append(1)
        if len(seen) > 5:
            raise OSError(28, "No space left on device")
        real(*args, **kwargs)

    argv = ("finetune", split, "--out", tmp_path / "m", *TRAIN, "--save-every", 2)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        called = call(*argv)
    assert (called.code, called.out) == (1, "")
    assert called.err.splitlines()[-1].startswith(f"error: the disk of {tmp_path / 'm'} is full: free some space; ")
    again = call(*argv)
    assert again.code == 0
    assert "resuming from step 2" in again.err
