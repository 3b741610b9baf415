"""Two ranks under torchrun: one of them writes and speaks, and a killed pair goes on as one process would."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Called, torchrun
from safetensors.torch import load_file

import toolkit
from toolkit import ranks
from toolkit.artifacts import manifest
from toolkit.errors import ToolkitError

Call = Callable[..., Called]

# 11 steps an epoch, of 16 rows: 8 a rank
FINETUNE = ("--epochs", "2", "--batch-size", "8", "--max-length", "48", "--patience", "0", "--save-every", "4")

# Each rank kills itself in the second epoch, and the launcher finds both dead.
KILLED = """
import os, sys
from toolkit import cli
from toolkit.training.watch import Watch

real = Watch.on_step_end
def on_step_end(self, args, state, control, **rest):
    real(self, args, state, control, **rest)
    if state.global_step == 14:
        os.kill(os.getpid(), 9)
Watch.on_step_end = on_step_end
raise SystemExit(cli.main(sys.argv[1:]))
"""


def told(called: Called) -> list[str]:
    """What the command line said, without the launcher's own report of a failure."""
    return [line for line in called.err.splitlines() if line.startswith(("error:", "warning:", "resuming", "training"))]


def test_killed_ranks_resume_and_end_with_the_weights_of_undisturbed_ones(split: Path, tmp_path: Path) -> None:
    undisturbed = torchrun("-m", "toolkit", "finetune", split, "--out", tmp_path / "whole", *FINETUNE, "--json")
    assert undisturbed.code == 0, undisturbed.err
    assert len(undisturbed.out.splitlines()) == 1, "one rank prints the result"
    assert json.loads(undisturbed.out)["status"] == "created"
    assert len(told(undisturbed)) == 1, undisturbed.err
    made = manifest.whole(tmp_path / "whole")
    assert made
    assert made["machine"]["processes"] == 2

    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    argv = ("finetune", split, "--out", tmp_path / "killed", *FINETUNE)
    assert torchrun(script, *argv).code != 0
    work = tmp_path / ".killed.partial" / "work"
    checkpoint = work / "checkpoints" / "checkpoint-12"
    assert {f"rng_state_{rank}.pth" for rank in (0, 1)} <= {p.name for p in checkpoint.iterdir()}
    again = torchrun("-m", "toolkit", *argv)
    assert again.code == 0, again.err
    assert "resuming from step 12" in told(again)
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all((found[key] == expected[key]).all() for key in expected)
    assert {p.name for p in tmp_path.iterdir()} == {"whole", "killed", "killed.py"}


def test_one_process_does_not_take_the_result_of_two_for_its_own(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"epochs": 0.1, "batch_size": 16, "max_length": 48}
    toolkit.finetune(split, out=tmp_path / "m", **options)
    folder = tmp_path / "m" / manifest.NAME
    written = json.loads(folder.read_text())
    folder.write_text(json.dumps(written | {"machine": written["machine"] | {"processes": 2}, "stamp": "another"}))
    with pytest.raises(ToolkitError, match="2 processes, not 1"):
        toolkit.finetune(split, out=tmp_path / "m", **options)


def pair(tmp_path: Path, *argv: object, second: tuple[object, ...] = ()) -> list[Called]:
    """Two ranks without a launcher, as a batch system starts them; the second may be given something else."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    there = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    given = [argv, second or argv]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "toolkit", *map(str, given[i])],
            env=os.environ | there | {"RANK": str(i), "LOCAL_RANK": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    ended = [process.communicate(timeout=300) for process in started]
    return [Called(process.returncode, *said) for process, said in zip(started, ended, strict=True)]


def test_a_failure_of_rank_0_ends_both_and_is_said_once(split: Path, tmp_path: Path) -> None:
    first, second = pair(tmp_path, "finetune", split, "--out", tmp_path / "m", "--stages", "odd")
    assert (first.code, second.code) == (1, 1)
    assert first.err.startswith("error: no such file: odd")
    assert (first.out, second.out, second.err) == ("", "", "")
    assert not list(tmp_path.iterdir())


def test_a_rank_that_was_given_something_else_ends_both_and_says_why(split: Path, tmp_path: Path) -> None:
    argv = ("finetune", split, "--out", tmp_path / "m", *FINETUNE)
    first, second = pair(tmp_path, *argv, second=(*argv, "--lr", "1e-3"))
    assert (first.code, second.code) == (1, 1)
    assert "error" not in first.err
    assert second.err.startswith("error: rank 1 on ")
    assert "options or inputs are not those of rank 0" in second.err
    assert not list(tmp_path.iterdir())


def test_what_is_up_to_date_ends_both_at_once(split: Path, tmp_path: Path) -> None:
    argv = ("finetune", split, "--out", tmp_path / "m", "--epochs", "0.1", "--max-length", "48")
    assert [ended.code for ended in pair(tmp_path, *argv)] == [0, 0]
    first, second = pair(tmp_path, *argv)
    assert (first.code, second.code) == (0, 0)
    assert (first.out, second.out) == (f"{tmp_path / 'm'}\n", "")
    assert "up-to-date" in first.err
    assert second.err == ""


@pytest.mark.parametrize(("name", "hint"), [("tune", "--storage"), ("clean", "without torchrun")])
def test_what_runs_in_one_process_says_so(
    call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    called = call(name, raw, "--out", tmp_path / "x")
    assert called.code == 1
    assert f"'toolkit {name}' runs in one process, not in 8" in called.err
    assert hint in called.err
    monkeypatch.setenv("RANK", "3")
    followed = call(name, raw, "--out", tmp_path / "x")
    assert (followed.code, followed.out, followed.err) == (1, "", "")


def test_a_world_without_an_address_is_an_error(call: Call, split: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        patch.setenv("RANK", "0")
        called = call("finetune", split, "--out", tmp_path / "x")
    assert called.code == 1
    assert "the other processes are not found" in called.err


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (("--fsdp",), {}, "--fsdp needs a launcher"),
        (("--fsdp",), {"LOCAL_RANK": "0"}, "--fsdp shards over several processes, and this is one"),
        (("--fsdp", "--stages", "gradual"), {"LOCAL_RANK": "0"}, "cannot be frozen midway"),
        (("--fsdp", "--optimizer", "sgd"), {"LOCAL_RANK": "0", "WORLD_SIZE": "2"}, "use adamw or lion"),
        (("--fsdp",), {"LOCAL_RANK": "0", "WORLD_SIZE": "2"}, "--fsdp on cpu: each process would hold a whole model"),
        (("--deepspeed", "{zero}"), {"LOCAL_RANK": "0"}, "pip install 'model-toolkit[deepspeed]'"),
        (("--deepspeed", "{zero}", "--fsdp"), {}, "give one of them"),
        ((), {"ACCELERATE_USE_FSDP": "true"}, "give --fsdp here"),
        ((), {"ACCELERATE_USE_DEEPSPEED": "true"}, "give --deepspeed FILE here"),
    ],
)
def test_what_would_be_ignored_is_refused(
    call: Call,
    split: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    message: str,
) -> None:
    from toolkit.training import distributed

    (tmp_path / "zero.json").write_text('{"zero_optimization": {"stage": 2}}')
    monkeypatch.setattr(distributed, "find_spec", lambda name: None)
    for word in ("meet", "end"):  # the other rank is not there
        monkeypatch.setattr(ranks, word, lambda *said: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = [option.format(zero=tmp_path / "zero.json") for option in options]
    called = call("finetune", split, "--out", tmp_path / "m", *given, "--dry-run")
    assert called.code == 1
    assert message in called.err


@pytest.mark.parametrize(
    ("asked", "instead"),
    [
        ({"optimizer": {"type": "AdamW"}}, "--optimizer says it"),
        ({"train_batch_size": 64}, "--batch-size says it"),
        ({"bf16": {"enabled": True}}, "--precision says it"),
    ],
)
def test_a_deepspeed_config_leaves_to_the_options_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, object], instead: str
) -> None:
    from toolkit.training import distributed
    from toolkit.training.config import TrainConfig

    monkeypatch.setattr(distributed, "find_spec", lambda name: name)
    monkeypatch.setenv("LOCAL_RANK", "0")
    config = TrainConfig(deepspeed=str(tmp_path / "zero.json"), device="cpu")
    (tmp_path / "zero.json").write_text(json.dumps({"zero_optimization": {"stage": 3}, "gradient_clipping": "auto"}))
    distributed.check(config)
    handed = distributed.placed(config, "cpu", "bf16")["deepspeed"]
    assert handed["zero_optimization"] == {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True}
    assert handed["train_batch_size"] == handed["bf16"]["enabled"] == "auto"
    (tmp_path / "zero.json").write_text(json.dumps(asked))
    with pytest.raises(ToolkitError, match=instead):
        distributed.check(config)
