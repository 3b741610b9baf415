"""`toolkit quantize`: its methods and runtimes, what it refuses, what it says of itself."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import Called, pictures, raw_rows, refused, write_csv
from transformers.models.roformer.modeling_roformer import RoFormerClassificationHead

import toolkit
from toolkit import cpu
from toolkit.artifacts import model as models
from toolkit.compression.quantize import openvino
from toolkit.errors import ToolkitError
from toolkit.inference import timing
from toolkit.training import engine

Call = Callable[..., Called]


def metrics(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("options", "files", "ratio"),
    [
        ({"method": "weights"}, "openvino_model.bin", 0.5),
        ({"method": "weights", "bits": 4, "calibration_rows": 8}, "openvino_model.bin", 0.45),
        ({"method": "fp16"}, "openvino_model.bin", 0.7),
        ({"backend": "onnx", "export": "onnx"}, "model.onnx", 0.6),
        ({"backend": "torch"}, "model.safetensors", 0.45),
        ({"backend": "torch", "method": "bf16"}, "model.safetensors", 0.6),
    ],
)
def test_what_is_written_is_smaller_runs_and_answers_alike(model, split, tmp_path, options, files, ratio):
    made = toolkit.quantize(model, data=str(split), out=tmp_path / "q", **options)
    assert (made.artifact / files).is_file()
    figures = metrics(made.artifact)
    assert figures["comparison"]["size_ratio"] < ratio
    assert figures["comparison"]["flipped"] < 0.2
    assert figures["quantization"].items() >= {k: v for k, v in options.items() if k != "export"}.items()
    assert ("calibration_rows" in figures["quantization"]) == (options.get("bits") == 4)
    assert (made.artifact / "run.py").is_file() == ("export" in options)
    assert figures["model"]["size_bytes"] == models.inference_bytes(made.artifact)
    card = (made.artifact / "README.md").read_text()
    assert "| figure | input | quantized |" in card
    assert "| comparison accuracy drop | " in card
    assert "{" not in card.partition("## Without")[0]
    for warning in json.loads((made.artifact / "artifact.json").read_text())["warnings"]:
        assert warning in card
    if options.get("method") != "bf16":  # a stock model still
        with pytest.raises(ToolkitError, match=r"quantized already.*give the model it was made from"):
            toolkit.quantize(made.artifact, data=str(split), out=tmp_path / "again")


@pytest.mark.measures_memory
def test_the_memory_of_both_is_measured(model, split, tmp_path):
    made = toolkit.quantize(model, data=str(split), backend="torch", out=tmp_path / "q").artifact
    assert min(metrics(made)[name]["peak_memory_bytes"] for name in ("input", "quantized")) > 100_000_001


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """An image model and its data."""
    folder = tmp_path_factory.mktemp("seen")
    data = toolkit.split(pictures(folder / "in"), out=folder / "split", validation=0.25, test=0.25).artifact
    model = toolkit.finetune(data, out=folder / "model", epochs=1, batch_size=4, precision="fp32").artifact
    return model, data


@pytest.mark.parametrize("backend", ["openvino", "onnx", "torch"])
def test_images(seen, tmp_path, backend):
    model, data = seen
    rows = {} if backend == "torch" else {"calibration_rows": 6}
    made = toolkit.quantize(model, data=str(data), backend=backend, out=tmp_path / "q", **rows)
    figures = metrics(made.artifact)
    assert figures["quantization"]["method"] == {"torch": "dynamic"}.get(backend, "static")
    assert figures["comparison"]["size_ratio"] < 0.6


def test_layers_are_chosen_on_other_rows_than_are_reported(model, split, tmp_path, call):
    made = toolkit.quantize(model, data=str(split), out=tmp_path / "q", calibration_rows=8, max_drop=0.5)
    figures = metrics(made.artifact)
    rows = figures["measured_on"]
    assert rows.items() >= {"split": "validation", "rows": 18, "chosen_on": 18}.items()
    assert figures["quantization"]["float_layers"] == []
    assert made.gates[0]["passed"]
    again = call("quantize", model, "--data", split, "--out", made.artifact, "--calibration-rows", 8)
    assert "max_drop" in again.err  # it decides the result: another bound is another model


@pytest.mark.usefixtures("few_timed")
def test_the_layers_that_stay_in_float_are_told(
    touchy: tuple[Path, Path], tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every layer: what chooses them is stood in for, since it takes long."""
    asked = []

    def all_of_them(model, batches, chosen, max_drop, smooth_quant):
        asked.append((len(batches), len(chosen), max_drop))
        return openvino.convert(model, batches[0])

    monkeypatch.setattr(openvino, "static_within", all_of_them)
    model, data = touchy
    called = call("quantize", model, "--data", data, "--calibration-rows", 8, "--max-drop", 0, "--out", tmp_path / "q")
    assert called.code == 0, called.err
    assert asked == [(8, 18, 0.0)]
    left = metrics(tmp_path / "q")["quantization"]["float_layers"]
    assert any("layer.1.intermediate.dense" in name for name in left)
    assert f"layers left in float: {', '.join(left)}\n" in called.err
    assert f"| layers in float | {', '.join(left)} |" in (tmp_path / "q" / "README.md").read_text()
    assert f"Layers left in float: {', '.join(left)}." in (tmp_path / "q" / "report.html").read_text()


@pytest.mark.usefixtures("few_timed")
def test_accuracy_that_is_lost_beyond_the_bound(touchy: tuple[Path, Path], tmp_path: Path, call: Call) -> None:
    model, data = touchy
    argv = ("quantize", model, "--data", data, "--backend", "torch", "--max-drop", 0.01, "--out", tmp_path / "q")
    called = call(*argv)
    assert called.code == 3, called.err
    assert "gate not met: max_drop" in called.err
    assert called.out.strip() == str(tmp_path / "q")
    (gate,) = json.loads((tmp_path / "q" / "artifact.json").read_text())["gates"]
    assert gate["value"] == metrics(tmp_path / "q")["comparison"]["accuracy_drop"]["value"] > gate["bound"] == 0.01
    again = call(*argv)
    assert again.code == 3, "judged by what was measured"
    assert "up-to-date" in again.err


@pytest.mark.parametrize(("rate", "slower"), [(80.0, True), (125.0, False)])
def test_that_it_is_slower_here_is_told_with_a_reason(
    narrow: Path, split: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, rate: float, slower: bool
) -> None:
    def timed(pair, contents, batch_size):
        alike = {"spread": 0.0, "latency_ms": {"p50": 1.0, "p95": 1.0}}
        return {name: alike | {"samples_per_second": r} for name, r in zip(pair, (100.0, rate), strict=True)}

    monkeypatch.setattr(timing, "measure", timed)
    monkeypatch.setattr(cpu, "units", lambda: ["VNNI"])
    called = call("quantize", narrow, "--data", split, "--backend", "torch", "--out", tmp_path / "q")
    assert called.code == 0, called.err
    parameters = metrics(tmp_path / "q")["model"]["parameters"]
    says = f"it is slower than the input model here (0.80 times): the model is small ({parameters:,} parameters)"
    assert (f"warning: {says}" in called.err) is slower
    warnings = json.loads((tmp_path / "q" / "artifact.json").read_text())["warnings"]
    assert [warning.startswith(says) for warning in warnings] == [True] * slower
    assert (f"Note: {says}" in (tmp_path / "q" / "report.html").read_text()) is slower


@pytest.mark.slow
def test_a_training_that_was_killed_ends_as_an_undisturbed_one(model, split, tmp_path, monkeypatch):
    options = {"method": "qat", "calibration_rows": 8, "epochs": 1, "save_every": 2, "data": str(split)}
    whole = toolkit.quantize(model, out=tmp_path / "a", **options)
    step = engine.Engine.training_step

    def dies(self, *given, **named):
        if self.state.global_step == 4:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(engine.Engine, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            toolkit.quantize(model, out=tmp_path / "b", **options)
    resumed = toolkit.quantize(model, out=tmp_path / "b", **options)
    first, second = ((made.artifact / "openvino_model.bin").read_bytes() for made in (whole, resumed))
    assert first == second
    figures = metrics(resumed.artifact)
    assert figures["measured_on"]["chosen_on"] == 18  # the best weights were picked by these
    assert figures["comparison"]["flipped"] < 0.2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--method", "dynamic"), ("not done by openvino", "--backend onnx")),
        (("--backend", "onnx", "--method", "static"), ("not done by onnx", "--backend openvino")),
        (("--bits", 4), ("--bits 4", "use --method weights")),
        (("--export", "onnx"), ("the runtime is openvino", "take --backend onnx")),
        (("--epochs", 3), ("--epochs is for --method qat", "leave --epochs out")),
        (("--set", "beta2=0.9"), ("optim.beta2 is for --method qat",)),
        (("--backend", "torch", "--calibration-rows", 8), ("--calibration-rows is for static",)),
        (("--backend", "onnx", "--set", "smooth_quant=0.5"), ("smooth_quant is for static and qat of openvino",)),
        (("--method", "qat", "--max-length", 8), ("--max-length is for finetune, prune and distill",)),
        (("--method", "qat", "--compile"), ("--compile is for finetune, prune and distill",)),
        (("--method", "qat", "--attention", "eager"), ("--attention is for finetune, prune and distill",)),
        (("--method", "qat", "--checkpoint-activations"), ("--checkpoint-activations is for finetune",)),
        (("--method", "qat", "--mixup", 0.2), ("--mixup is for images",)),
        (("--method", "qat", "--set", 'weights={"nosuch": 2}', "--dry-run"), ("there is no class 'nosuch'",)),
        (("--method", "qat", "--r-drop", 1, "--dropout", 0, "--dry-run"), ("drops nothing out",)),
        (("--method", "qat", "--metric", "perplexity"), ("--metric perplexity",)),
    ],
)
def test_what_makes_no_sense_is_refused(call: Call, model: Path, split: Path, tmp_path: Path, options, says) -> None:
    refused(call, tmp_path, "quantize", model, "--data", split, *options, says=says)


def test_calibration_data_of_another_kind_or_task(call: Call, model: Path, tmp_path: Path) -> None:
    images = toolkit.split(pictures(tmp_path / "in"), out=tmp_path / "s", validation=0.25, test=0.25).artifact
    says = ("reads texts, the data holds images", "give a model for this data")
    refused(call, tmp_path, "quantize", model, "--data", images, says=says)
    rows = [row | {"label": row["label"].replace("billing", "money")} for row in raw_rows(60)]
    other = toolkit.split(write_csv(tmp_path / "x.csv", rows), out=tmp_path / "o", validation=0.2, test=0.2).artifact
    refused(call, tmp_path, "quantize", model, "--data", other, says=("does not know (money)", "it knows billing"))


def test_what_cannot_be_converted_is_refused_before_it_learns(call: Call, model, split, tmp_path, monkeypatch) -> None:
    head = RoFormerClassificationHead.forward
    odd = lambda self, x: head(self, x) + torch.linalg.svdvals(x[:, 0] @ x[:, 0].T).sum()  # noqa: E731
    monkeypatch.setattr(RoFormerClassificationHead, "forward", odd)
    monkeypatch.setattr(engine.Engine, "train", None)
    called = call("quantize", model, "--data", split, "--method", "qat", "--device", "cpu", "--out", tmp_path / "q")
    assert (called.code, called.out) == (1, "")
    says = "cannot be converted for OpenVINO (operator aten::linalg_svdvals): use --backend torch (--method dynamic,"
    assert says in called.err.splitlines()[-1]
    assert not [*tmp_path.iterdir()]


def test_one_row_cannot_both_choose_and_report(call: Call, model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, count in (("train", 9), ("validation", 1)):
        write_csv(tmp_path / "data" / f"{name}.csv", raw_rows(9)[:count])
    says = ("1 row of validation", "give more rows")
    refused(call, tmp_path, "quantize", model, "--data", tmp_path / "data", "--max-drop", 0.1, says=says)


def test_what_cannot_be_exported_is_told_before_any_work(
    call: Call, model: Path, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TokenizersBackend

    monkeypatch.setattr(TokenizersBackend, "is_fast", False)
    argv = ("quantize", model, "--data", split, "--export", "openvino", "--out", tmp_path / "q", "--dry-run")
    assert "written in Python" in call(*argv).err


def test_images_stay_as_the_teacher_saw_them(call: Call, seen, tmp_path: Path) -> None:
    model, data = seen
    says = ("--mixup: the teacher answers for the images as they are",)
    refused(call, tmp_path, "quantize", model, "--data", data, "--method", "qat", "--mixup", 0.2, says=says)


def test_fewer_rows_than_asked_for_calibrate_and_this_is_told(call: Call, model: Path, split: Path, tmp_path) -> None:
    argv = ("quantize", model, "--data", split, "--out", tmp_path / "q", "--calibration-rows", 5000)
    assert json.loads(call(*argv, "--dry-run", "--json").out)["metrics"]["rows"]["calibrate"] == 168
    assert "train has 168 rows, fewer than --calibration-rows" in call(*argv).err
