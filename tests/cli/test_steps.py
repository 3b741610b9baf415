"""A step's life from outside: what it prints, when it works and when it need not, what it writes and what it leaves."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Called, listing, raw_rows, shell, write_csv
from jsonschema import Draft202012Validator

import toolkit
from toolkit import ToolkitError

Call = Callable[..., Called]
SCHEMAS = Path(toolkit.__file__).parent.parent / "docs" / "schemas"
TRAIN = ("--epochs", 1, "--batch-size", 16, "--precision", "fp32", "--max-length", 48)


def check(schema: str, value: Any) -> None:
    validator = Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8")))
    problems = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(value)]
    assert not problems, problems


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def bytes_of(folder: Path) -> dict[str, str]:
    """Digests of the data half: what is neither report, card, log nor picture."""
    kept = [p for p in folder.rglob("*") if p.suffix in (".parquet", ".safetensors") or p.name.startswith("tokenizer")]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


# What a call prints


def test_stdout_carries_the_path_alone(call: Call, raw: Path, tmp_path: Path) -> None:
    called = call("clean", raw, "--out", tmp_path / "a")
    assert (called.code, called.out) == (0, f"{tmp_path / 'a'}\n")
    assert "240 rows in" in called.err
    assert "\x1b[" not in called.err


def test_json_is_one_object(call: Call, raw: Path, tmp_path: Path) -> None:
    for options, status in (
        (("--dry-run",), "planned"),
        ((), "created"),
        ((), "up-to-date"),
        (("--dry-run",), "up-to-date"),
    ):
        called = call("clean", raw, "--out", tmp_path / "a", "--json", *options)
        assert called.code == 0
        assert called.out.count("\n") == 1
        found = json.loads(called.out)
        check("result", found)
        assert (found["status"], found["kind"], found["artifact"]) == (status, "dataset", str(tmp_path / "a"))


def test_the_path_is_printed_as_it_was_given(
    call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("clean", raw, "--out", "deep/er/a", "-q").out == "deep/er/a\n"


@pytest.mark.parametrize("name", ["finetune", "tune", "error-analysis"])
def test_quiet(split: Path, evaluation: Path, tmp_path: Path, name: str) -> None:
    """In a process of its own, so that nothing a library prints while it is loaded is missed."""
    options = {"finetune": TRAIN, "tune": ("--total-trials", 1, *TRAIN), "error-analysis": ()}[name]
    source = evaluation if name == "error-analysis" else split
    called = shell(name, source, "--out", tmp_path / "a", *options, "--quiet")
    assert (called.code, called.out, called.err) == (0, f"{tmp_path / 'a'}\n", "")


def test_without_quiet_no_colours_and_no_library_noise(split: Path, tmp_path: Path) -> None:
    called = shell("finetune", split, "--out", tmp_path / "m", *TRAIN)
    assert called.out == f"{tmp_path / 'm'}\n"
    assert "tensorboard --logdir" in called.err
    for noise in ("\x1b[", "Warning", "warn(", "Traceback", "HuggingFace", "it/s"):
        assert noise not in called.err


def test_what_a_library_prints_goes_to_stderr(
    call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.data import clean

    real = clean.clean
    monkeypatch.setattr(clean, "clean", lambda *a, **k: (print("noise"), real(*a, **k))[1])
    called = call("clean", raw, "--out", tmp_path / "a")
    assert called.out == f"{tmp_path / 'a'}\n"
    assert "noise" in called.err


# Up-to-date, other, foreign, forced


def test_the_second_call_is_up_to_date_and_light(raw: Path, tmp_path: Path, call: Call) -> None:
    assert call("clean", raw, "--out", tmp_path / "a").code == 0
    assert call("split", tmp_path / "a", "--out", tmp_path / "b").code == 0
    manifest = tmp_path / "b" / "artifact.json"
    before = manifest.read_bytes()
    os.utime(manifest, (1, 1))
    script = """
import json, sys
from toolkit.cli import main
code = main(sys.argv[1:])
heavy = [m for m in ("torch", "transformers", "datasets", "sklearn", "pandas", "numpy", "pyarrow") if m in sys.modules]
print(json.dumps([code, heavy]))
"""
    argv = [sys.executable, "-c", script, "split", str(tmp_path / "a"), "--out", str(tmp_path / "b")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
    assert "is up-to-date" in done.stderr
    assert manifest.read_bytes() == before
    assert manifest.stat().st_mtime > 1e9


def test_what_does_not_decide_is_not_asked(call: Call, split: Path, shared: Path, model: Path) -> None:
    options = ("--epochs", 2, "--batch-size", 16, "--lr", 2e-3, "--precision", "fp32", "--max-length", 48)
    called = call("finetune", split, "--out", model, *options, "--save-every", 7, "--log-every", 1, "--device", "cpu")
    assert "up-to-date" in called.err


def test_inputs_decide_by_content_not_by_path(
    call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "other.csv"
    copy.write_bytes(raw.read_bytes())
    assert call("clean", raw, "--out", tmp_path / "a").code == 0
    monkeypatch.chdir(tmp_path)
    assert "up-to-date" in call("clean", "other.csv", "--out", "a").err
    write_csv(copy, raw_rows(200))
    called = call("clean", "other.csv", "--out", "a")
    assert called.code == 1
    assert "another source" in called.err


def test_another_option_is_an_error_that_names_it(call: Call, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    assert call("clean", raw, "--out", out).code == 0
    before = (out / "artifact.json").read_bytes()
    called = call("clean", raw, "--out", out, "--min-length", 12)
    assert called.code == 1
    told = (
        f"error: {out} is there already, made with min_length 10, not 12: add --force to replace it, or choose another"
    )
    assert called.err.startswith(told)
    assert "made by 'toolkit clean'" in call("split", raw, "--out", out).err
    assert (out / "artifact.json").read_bytes() == before


def test_a_nested_option_is_named_too(call: Call, split: Path, model: Path) -> None:
    called = call("finetune", split, "--out", model, "--epochs", 3)
    assert called.code == 1
    assert "epochs 2.0, not 3.0" in called.err
    assert "device" not in called.err


def test_force_replaces(call: Call, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    assert call("clean", raw, "--out", out).code == 0
    assert call("clean", raw, "--out", out, "--min-length", 12, "--force").code == 0
    assert read(out / "artifact.json")["config"]["quality"]["min_length"] == 12
    assert {p.name for p in tmp_path.iterdir()} == {"a"}


@pytest.mark.parametrize("damage", ["manifest", "file", "half"])
def test_force_mends_what_is_damaged(call: Call, raw: Path, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "a"
    assert call("clean", raw, "--out", out).code == 0
    if damage == "manifest":
        (out / "artifact.json").write_text("{")
    elif damage == "half":
        (out / "artifact.json").write_text('{"schema_version": 1, "kind": "dataset"}')
    else:
        (out / "data" / "train.parquet").unlink()
    called = call("clean", raw, "--out", out)
    assert called.code == 1
    assert "--force" in called.err
    assert called.err.count("\n") == 1
    assert call("clean", raw, "--out", out, "--force").code == 0
    assert "up-to-date" in call("clean", raw, "--out", out).err


def test_a_foreign_folder_is_never_deleted(call: Call, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    assert call("clean", raw, "--out", out).code == 1
    assert call("clean", raw, "--out", out, "--force").code == 0
    assert (out / "artifact.json").is_file()
    assert [p.read_text() for p in tmp_path.rglob("thesis.txt")] == ["years of work"]


def test_a_foreign_file_is_never_deleted(call: Call, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    out.write_text("years of work")
    assert call("clean", raw, "--out", out).code == 1
    assert call("clean", raw, "--out", out, "--force").code == 0
    assert [p.read_text() for p in tmp_path.glob("a.*")] == ["years of work"]


def test_an_empty_folder_is_filled(call: Call, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert call("clean", raw, "--out", tmp_path / "a").code == 0


def test_a_link_is_followed(call: Call, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "latest").symlink_to("real")
    assert call("clean", raw, "--out", tmp_path / "latest").code == 0
    assert call("clean", raw, "--out", tmp_path / "latest", "--min-length", 12, "--force").code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"real", "latest"}
    assert read(tmp_path / "real" / "artifact.json")["config"]["quality"]["min_length"] == 12


@pytest.mark.parametrize("argv", [("clean",), ("split",), ("finetune",)])
def test_dry_run_writes_nothing(call: Call, raw: Path, tmp_path: Path, argv: tuple[str, ...]) -> None:
    called = call(*argv, raw, "--out", tmp_path / "deep" / "a", "--dry-run", "--json")
    assert called.code == 0
    assert json.loads(called.out)["metrics"]["rows"]
    assert "nothing was written" in called.err
    assert listing(tmp_path) == set()


# Configs


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("suffix", ["json", "toml", "yaml", "yml"])
def test_config_files(call: Call, split: Path, tmp_path: Path, suffix: str, nested: bool) -> None:
    texts = {
        ("json", True): '{"seed": 5, "train": {"batch-size": 16, "optim": {"lr": 0.002, "beta2": 0.98}}}',
        ("json", False): '{"seed": 5, "batch_size": 16, "optim.lr": 0.002, "train.optim.beta2": 0.98}',
        ("toml", True): "seed = 5\n[train]\nbatch_size = 16\n[train.optim]\nlr = 0.002\nbeta2 = 0.98\n",
        ("toml", False): 'seed = 5\nbatch_size = 16\nlr = 0.002\n"optim.beta2" = 0.98\n',
        ("yaml", True): "seed: 5\ntrain:\n  batch-size: 16\n  optim: {lr: 0.002, beta2: 0.98}\n",
        ("yaml", False): "seed: 5\nbatch_size: 16\nlr: 0.002\nbeta2: 0.98\n",
    }
    path = tmp_path / f"c.{suffix}"
    path.write_text(texts[suffix.replace("yml", "yaml"), nested], encoding="utf-8")
    from toolkit import config
    from toolkit.commands import step

    command = step("finetune").config
    found = config.build(command, {"source": "x", **config.load(command, str(path))})
    assert (found.seed, found.train.batch_size, found.train.optim.lr, found.train.optim.beta2) == (5, 16, 0.002, 0.98)
    called = call("finetune", split, "--out", tmp_path / "m", "--config", path, "--dry-run", "--json")
    assert json.loads(called.out)["metrics"]["steps_per_epoch"] == -(
        -json.loads(called.out)["metrics"]["rows"]["train"] // 16
    )


def test_command_line_over_file_over_default(call: Call, raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"min_length": 12, "seed": 4, "skip": "contradictions"}')
    assert call("clean", raw, "--out", tmp_path / "a", "--config", path, "--seed", 0).code == 0
    found = read(tmp_path / "a" / "artifact.json")["config"]
    assert (found["quality"]["min_length"], found["seed"], found["quality"]["min_length_cjk"]) == (12, 0, 4)
    assert found["skip"] == ["contradictions"]


def test_set_reaches_every_key_and_wins(call: Call, raw: Path, tmp_path: Path) -> None:
    argv = (
        "--min-length",
        11,
        "--set",
        "min_length=12",
        "--set",
        "columns.text=text",
        "--set",
        'skip=["contradictions"]',
    )
    assert call("clean", raw, "--out", tmp_path / "a", *argv).code == 0
    found = read(tmp_path / "a" / "artifact.json")["config"]
    assert (found["quality"]["min_length"], found["columns"]["text"], found["skip"]) == (12, "text", ["contradictions"])


def test_a_text_set_to_a_number_is_a_text(call: Call, raw: Path, tmp_path: Path) -> None:
    called = call("clean", raw, "--out", tmp_path / "a", "--set", "text=3")
    assert called.code == 1
    assert "has no column '3'" in called.err


def test_an_artifact_is_a_config(call: Call, raw: Path, tmp_path: Path) -> None:
    assert call("clean", raw, "--out", tmp_path / "a", "--min-length", 12, "--skip", "contradictions").code == 0
    assert call("clean", raw, "--out", tmp_path / "b", "--config", tmp_path / "a").code == 0
    assert read(tmp_path / "a" / "artifact.json")["stamp"] == read(tmp_path / "b" / "artifact.json")["stamp"]


@pytest.mark.parametrize("given", ["study", "study/best.json"])
def test_a_studys_best_is_a_config(call: Call, split: Path, tmp_path: Path, given: str) -> None:
    (tmp_path / "study").mkdir()
    best = {"config": {"train": {"batch_size": 64, "optim": {"lr": 0.001}}}, "value": 0.9, "trial": 3}
    (tmp_path / "study" / "best.json").write_text(json.dumps(best))
    called = call("finetune", split, "--out", tmp_path / "m", "--config", tmp_path / given, "--dry-run", "--json")
    planned = json.loads(called.out)["metrics"]
    assert planned["steps_per_epoch"] == -(-planned["rows"]["train"] // 64)


def test_a_required_option_may_stand_in_the_file(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"data: {split}\n")
    assert call("evaluate", model, "--out", tmp_path / "e", "--config", tmp_path / "c.yaml", "--dry-run").code == 0


# Gates


def test_a_gate_that_is_not_met(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "e"
    first = call("evaluate", model, "--data", split, "--out", out, "--min", "quality.accuracy=1.1")
    assert (first.code, first.out) == (3, f"{out}\n")
    assert "gate not met: quality.accuracy" in first.err
    kept = read(out / "artifact.json")
    check("artifact", kept)
    assert [(g["name"], g["bound"], g["passed"]) for g in kept["gates"]] == [("quality.accuracy", 1.1, False)]
    second = call("evaluate", model, "--data", split, "--out", out, "--min", "quality.accuracy=1.1")
    assert (second.code, second.out) == (3, f"{out}\n")
    assert "up-to-date" in second.err
    assert call("evaluate", model, "--data", split, "--out", out, "--min", "0.0", "-q").code == 0
    assert [g["passed"] for g in read(out / "artifact.json")["gates"]] == [True]
    slow = call("evaluate", model, "--data", split, "--out", out, "--max", "efficiency.latency_ms.p95=0", "--quiet")
    assert slow.code == 3
    assert slow.err.startswith("error: gate not met: efficiency.latency_ms.p95")
    absent = call("evaluate", model, "--data", split, "--out", out, "--min", "per_class.nosuch.f1=0")
    assert absent.code == 3
    assert "per_class.nosuch.f1" in absent.err
    unknown = call("evaluate", model, "--data", split, "--out", out, "--min", "quality.acuracy=0")
    assert (unknown.code, unknown.out) == (1, "")
    assert "quality has no figure 'acuracy': did you mean accuracy" in unknown.err
    check("artifact", read(out / "artifact.json"))
    assert call("evaluate", model, "--data", split, "--out", out).code == 0


# Python


def test_the_python_function_is_silent(capfd: pytest.CaptureFixture[str], raw: Path, tmp_path: Path) -> None:
    result = toolkit.clean(raw, out=tmp_path / "a", min_length=12)
    assert (result.artifact, result.kind, result.status) == (tmp_path / "a", "dataset", "created")
    assert result.metrics["rows_in"] == 240
    toolkit.split(tmp_path / "a", out=str(tmp_path / "b"))
    toolkit.augment(tmp_path / "b", out=tmp_path / "c")
    assert toolkit.clean(raw, out=tmp_path / "a", min_length=12).status == "up-to-date"
    assert toolkit.show(tmp_path / "c")["command"] == "augment"
    assert tuple(capfd.readouterr()) == ("", "")


def test_the_python_function_is_silent_after_the_command_line(
    call: Call, capfd: pytest.CaptureFixture[str], raw: Path, tmp_path: Path
) -> None:
    assert call("clean", raw, "--out", tmp_path / "a").err
    toolkit.clean(raw, out=tmp_path / "b")
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_lenght": 3}, "did you mean min_length"),
        ({"min_length": "three"}, "must be of type int"),
        ({"min_length": 3.5}, "must be of type int"),
        ({"min_length": -1}, "at least 0"),
        ({"min_length": True}, "must be of type int"),
        ({"contradictions": "majorty"}, "did you mean majority"),
        ({"skip": [1]}, "must be of type str"),
        ({"text": "nosuch"}, "has no column 'nosuch'"),
    ],
)
def test_the_python_function_raises(raw: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolkitError, match=message):
        toolkit.clean(raw, out=tmp_path / "a", **options)
    assert listing(tmp_path) == set()


def test_the_python_function_raises_for_what_the_system_refuses(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolkitError, match="Not a directory"):
        toolkit.clean(raw, out=tmp_path / "file" / "a")
    with pytest.raises(ToolkitError, match="2 sources given"):
        toolkit.clean(raw, raw, out=tmp_path / "a")


# The same bytes, the whole chain


def test_the_same_inputs_and_seed_give_the_same_bytes(call: Call, raw: Path, tmp_path: Path) -> None:
    for side in ("one", "two"):
        toolkit.clean(raw, out=tmp_path / side / "clean")
        toolkit.split(tmp_path / side / "clean", out=tmp_path / side / "split", seed=5)
        toolkit.augment(tmp_path / side / "split", out=tmp_path / side / "augment", seed=5)
        options = {"epochs": 1, "batch_size": 16, "max_length": 48, "seed": 5}
        toolkit.finetune(tmp_path / side / "augment", out=tmp_path / side / "finetune", **options)
    for name in ("clean", "split", "augment", "finetune"):
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        assert bytes_of(one)
        assert bytes_of(one) == bytes_of(two), name
        assert read(one / "artifact.json")["digest"] == read(two / "artifact.json")["digest"]
    toolkit.split(tmp_path / "one" / "clean", out=tmp_path / "three", seed=6)
    assert bytes_of(tmp_path / "three") != bytes_of(tmp_path / "one" / "split")


def test_manifests_and_reports_keep_their_schemas(
    call: Call, raw: Path, split: Path, model: Path, evaluation: Path, tmp_path: Path
) -> None:
    toolkit.clean(raw, out=tmp_path / "clean")
    for folder in (tmp_path / "clean", split, model, evaluation):
        manifest = read(folder / "artifact.json")
        check("artifact", manifest)
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"artifact.json"}
        assert {o["path"] for o in manifest["outputs"]} == there
    check("clean.report", read(tmp_path / "clean" / "report.json"))
    check("split.report", read(split / "report.json"))
    check("finetune.metrics", read(model / "metrics.json"))
    check("evaluate.metrics", read(evaluation / "metrics.json"))


def test_the_last_folder_tells_the_whole_chain(
    call: Call, raw: Path, tmp_path: Path, model: Path, split: Path, evaluation: Path
) -> None:
    found = read(evaluation / "artifact.json")
    by_name = {i["name"]: i for i in found["inputs"]}
    trained = by_name["source"]["lineage"]
    assert (trained["command"], trained["config"]["train"]["epochs"]) == ("finetune", 2.0)
    made = next(i for i in trained["inputs"] if i["name"] == "source")
    assert (made["path"], made["lineage"]["command"]) == (str(split), "split")
    assert made["lineage"]["inputs"][0]["path"] == str(raw)
    assert made["digest"] == by_name["data"]["digest"] == read(split / "artifact.json")["digest"]
    shown = call("show", evaluation)
    assert shown.code == 0
    for name in ("toolkit evaluate", "toolkit finetune", "toolkit split", raw.name, "builtin:text-tiny"):
        assert name in shown.out
    told = json.loads(call("show", evaluation, "--json").out)
    assert {k: v for k, v in told.items() if k != "artifact"} == read(evaluation / "artifact.json")


def test_class_names_go_through_the_chain(split: Path, model: Path, evaluation: Path) -> None:
    assert sorted(read(split / "report.json")["splits"]["train"]["classes"]) == ["billing", "delivery", "product"]
    assert sorted(read(model / "config.json")["label2id"]) == ["billing", "delivery", "product"]
    assert sorted(read(evaluation / "metrics.json")["per_class"]) == ["billing", "delivery", "product"]


def test_diff_tells_what_differs(call: Call, raw: Path, split: Path, tmp_path: Path) -> None:
    toolkit.split(raw, out=tmp_path / "b", validation=0.15, test=0.15, seed=9)
    found = json.loads(call("diff", split, tmp_path / "b", "--json").out)
    assert found["differences"]["config"] == {"seed": {"a": 0, "b": 9}}
    assert not found["same_content"]
    assert "seed: 0 -> 9" in call("diff", split, tmp_path / "b").out
    assert json.loads(call("diff", split, split, "--json").out)["same_content"]


# Interrupted


def test_ctrl_c_leaves_nothing(call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.data import clean

    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(clean, "clean", interrupt)
    called = call("clean", raw, "--out", tmp_path / "deep" / "a")
    assert (called.code, called.out) == (130, "")
    assert listing(tmp_path) == set()


def test_ctrl_c_in_a_training_leaves_what_resumes(
    call: Call, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.training import trainer

    real = trainer.Watch.on_step_end

    def interrupt(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        real(self, args, state, control, **kwargs)
        if state.global_step == 5:
            raise KeyboardInterrupt

    argv = ("finetune", split, "--out", tmp_path / "m", *TRAIN, "--save-every", 2)
    monkeypatch.setattr(trainer.Watch, "on_step_end", interrupt)
    called = call(*argv)
    assert (called.code, called.out) == (130, "")
    assert "the same call resumes" in called.err
    assert {p.name for p in tmp_path.iterdir()} == {".m.partial"}
    monkeypatch.undo()
    called = call(*argv)
    assert called.code == 0
    assert "resuming from step 4" in called.err
    assert {p.name for p in tmp_path.iterdir()} == {"m"}
