import copy
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from unit import image_models

from toolkit import cpu
from toolkit.errors import ToolkitError
from toolkit.reading.image import ImageReader
from toolkit.training import builtin, precision, sparse_adamw, trainer
from toolkit.training.config import Images, Regularise, TrainConfig
from toolkit.training.tasks import bind
from toolkit.training.watch import Watch


def logged(folder):
    return [json.loads(line) for line in (folder / "logs" / "metrics.jsonl").read_text().splitlines()]


class Killed(BaseException):
    pass


def test_fp16_starts_at_its_scale_and_learns(bert, rows, config, tmp_path):
    made, task = bert
    figures = trainer.train(
        made, task, rows(256), rows(64, 1), config(precision="fp16", log_every=1), tmp_path, seed=0, scratch=True
    )
    assert figures["validation"]["accuracy"] > 0.9
    assert figures["train"]["overflows"] == 0
    assert "fp16" in figures["train"]["precision"]
    assert {line["loss_scale"] for line in logged(tmp_path) if "loss_scale" in line} == {2.0**15}
    assert precision.scaler("cpu").get_growth_interval() == 2000


def test_fp16_that_overflows_passes_over_the_step_and_is_counted(bert, rows, config, tmp_path, monkeypatch):
    made, task = bert
    monkeypatch.setattr(precision, "SCALE", 2.0**40)
    options = config(precision="fp16", log_every=1)
    figures = trainer.train(made, task, rows(256), rows(64, 1), options, tmp_path, seed=0, scratch=True)
    lines = [line for line in logged(tmp_path) if "loss_scale" in line]
    count = figures["train"]["overflows"]
    assert 5 < count < 40
    assert (lines[-1]["overflows"], lines[-1]["loss_scale"]) == (count, 2.0 ** (40 - count))
    assert lines[0]["overflows"] == 1
    counts = [0, *(line["overflows"] for line in lines)]
    over = [after > before for before, after in pairwise(counts)]
    assert ["grad_norm" not in line for line in lines] == over, "json has no infinity"
    assert lines[-1]["grad_norm"] > 0
    assert figures["validation"]["accuracy"] > 0.9


def test_fp16_resumes_with_its_scale(bert, rows, config, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "SCALE", 2.0**24)
    monkeypatch.setattr(precision, "GROWTH", 7)

    def run(folder):
        made, task = copy.deepcopy(bert)
        options = config(precision="fp16", save_every=5, regularise=Regularise(dropout=0.2))
        figures = trainer.train(made, task, rows(160), rows(16, 1), options, folder, seed=0)
        return made.state_dict(), figures["train"]["overflows"]

    whole, count = run(tmp_path / "whole")
    assert count
    real = Watch.on_step_end

    def end(self, args, state, control, **kwargs):
        real(self, args, state, control, **kwargs)
        if state.global_step == 17:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_end", end)
        with pytest.raises(Killed):
            run(tmp_path / "stopped")
    again, overflows = run(tmp_path / "stopped")
    assert overflows == count
    assert all(torch.equal(weights, whole[name]) for name, weights in again.items())


def test_fp16_gives_up_when_its_scale_is_nothing(bert, rows, config, tmp_path, monkeypatch):
    made, task = bert
    monkeypatch.setattr(precision, "SCALE", 2.0**40)
    monkeypatch.setattr(precision, "NO_SCALE", 2.0**36)
    with pytest.raises(
        ToolkitError, match=r"fp16 cannot hold .*: 5 steps overflowed, .* fell to 3\.4e\+10 after step 5"
    ):
        trainer.train(made, task, rows(160), rows(16, 1), config(precision="fp16"), tmp_path, seed=0)


@pytest.mark.parametrize(
    ("vendor", "flags", "told"),
    [
        ("GenuineIntel", "amx_bf16 avx512_bf16", "bf16 (AMX)"),
        ("GenuineIntel", "avx512_bf16", "fp32"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bf16 (AVX-512)"),
        ("AuthenticAMD", "avx512f", "fp32"),
        ("AuthenticAMD", "avx2", "fp32"),
    ],
)
def test_auto_takes_what_the_processor_has(bert, config, monkeypatch, vendor, flags, told):
    monkeypatch.setattr(cpu, "_told", lambda: f"vendor_id\t: {vendor}\nflags\t\t: {flags}")
    assert str(precision.resolve(bert[0], config(precision="auto"))) == f"cpu, {told}, sdpa attention"
    assert str(precision.resolve(bert[0], config())) == "cpu, fp32, sdpa attention"


def test_a_gpu_is_told_with_what_it_has():
    told = precision.Precision("cuda", "bf16", "NVIDIA H100", True, "flash_attention_2", True)
    assert str(told) == "cuda, bf16 (NVIDIA H100), tf32, flash_attention_2 attention, compiled"


@pytest.mark.parametrize("wanted", ["sdpa", "eager"])
def test_attention_is_the_one_that_was_asked_for(bert, rows, config, wanted):
    from unittest import mock

    made, task = bert
    assert f"{wanted} attention" in str(precision.resolve(made, config(attention=wanted)))
    with mock.patch("torch.nn.functional.scaled_dot_product_attention", wraps=None) as called:
        called.side_effect = RuntimeError("it is called")
        if wanted == "sdpa":
            with pytest.raises(RuntimeError, match="it is called"):
                task.loss(made, task.collate(rows(4)))
        else:
            task.loss(made, task.collate(rows(4)))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attention": "flash"}, "--attention flash needs a GPU"),
        ({"tf32": True}, "needs a GPU of the Ampere"),
    ],
)
def test_what_is_not_here_is_refused(bert, config, options, told):
    with pytest.raises(ToolkitError, match=told):
        precision.resolve(bert[0], config(**options))


def test_flash_without_its_library_is_refused(bert, config, monkeypatch):
    monkeypatch.setattr(precision, "resolve_device", lambda wanted: "cuda")
    monkeypatch.setattr(precision, "bf16_unit", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **k: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    with pytest.raises(ToolkitError, match="flash-attn is not installed"):
        precision.resolve(bert[0], config(attention="flash", precision="auto"))
    assert precision.resolve(bert[0], config(precision="auto")).tf32
    assert not precision.resolve(bert[0], config(precision="auto", tf32=False)).tf32
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    assert not precision.resolve(bert[0], config(precision="auto")).tf32


def test_a_model_without_such_attention_is_refused(config):
    from toolkit.training import builtin

    images, _ = builtin.build(builtin.resolve("builtin:image-tiny", "image"), [], ["a", "b"], 0)
    with pytest.raises(ToolkitError, match=r"--attention sdpa: ResNet\w+ has none"):
        precision.resolve(images, config(attention="sdpa"))
    assert str(precision.resolve(images, config())) == "cpu, fp32"


def test_without_a_compiler_it_is_told_at_once(bert, config, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler\nfound")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ToolkitError, match=r"--compile: torch.compile does not work here \(InvalidCxxCompiler: No"):
        precision.resolve(bert[0], config(compile=True))


def test_a_compiled_model_is_saved_as_the_plain_one(bert, rows, config, tmp_path, monkeypatch):
    """With a compiler that changes nothing: the same weights under the same names, and activations all the same."""
    compiled = []

    def compiler(function, **how):
        compiled.append(how)
        return lambda *args, **kwargs: function(*args, **kwargs)

    found = {}
    for wanted in (False, True):
        made, task = copy.deepcopy(bert)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "compile", compiler)
            patch.setattr(precision.Precision, "quick", False)  # a compiled model is not given a processor's ways
            options = config(compile=wanted, log_every=4, regularise=Regularise(dropout=0.2), epochs=1.0)
            trainer.train(made, task, rows(96), rows(16, 1), options, tmp_path / str(wanted), seed=0)
        assert made._compiled_call_impl is None
        found[wanted] = made.state_dict(), logged(tmp_path / str(wanted))
    assert {"dynamic": True} in compiled
    assert list(found[True][0]) == list(found[False][0])
    assert all(torch.equal(weights, found[False][0][name]) for name, weights in found[True][0].items())
    assert found[True][1][0].keys() == found[False][1][0].keys()


def test_how_often_is_logged_does_not_change_what_a_compiled_model_learns(tmp_path, monkeypatch):
    """The forward pass that tells of the activations draws no crops."""
    monkeypatch.setattr(torch, "compile", lambda function, **how: function)
    monkeypatch.setattr(precision.Precision, "quick", False)
    task = bind("image-classification", ImageReader(builtin._image_processor(32)))
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    seen, found = [{"pixels": image, "labels": i % 2} for i, image in enumerate(pixels)], []
    for every in (1, 100):
        torch.manual_seed(0)
        made = image_models.MODELS["vit"](num_labels=2)
        options = TrainConfig(compile=True, epochs=1.0, batch_size=4, device="cpu", precision="fp32", log_every=every)
        options = replace(options, images=Images(crop=0.5))
        trainer.train(made, task, seen, seen[:4], options, tmp_path / str(every), seed=0)
        found.append(made.classifier.weight)
    assert torch.equal(*found)


@pytest.mark.parametrize("formats", [("fp16", "fp32"), ("fp32", "fp16")], ids="-".join)
def test_a_run_goes_on_at_another_precision(bert, rows, config, tmp_path, monkeypatch, formats):
    """It is what the message of a run that fp16 cannot hold says to do; the vocabulary's optimizer is another then."""
    monkeypatch.setattr(sparse_adamw, "LARGE", 1)

    def stop(figures):
        raise Killed

    def run(precision, folder, report=None):
        made, task = copy.deepcopy(bert)
        options = config(precision=precision, save_every=3, regularise=Regularise(dropout=0.0))
        trainer.train(made, task, rows(64), rows(16, 1), options, folder, seed=0, report=report)
        return made.bert.embeddings.word_embeddings.weight

    with pytest.raises(Killed):
        run(formats[0], tmp_path / "on", stop)
    assert torch.allclose(run(formats[1], tmp_path / "on"), run("fp32", tmp_path / "whole"), atol=2e-3)
