"""`tune` as a user meets it: what it writes, many workers, storages, what it refuses."""

import json
import sqlite3
import subprocess

import pandas as pd
import pytest
from helpers import command, pictures, refused

import toolkit
from toolkit import config as configs
from toolkit.commands.finetune import FinetuneConfig
from toolkit.errors import ToolkitError

QUICK = {"epochs": 1, "precision": "fp32", "max_length": 32, "batch_size": 64}
SPACE = {"lr": {"low": 1e-4, "high": 1e-2, "log": True}, "dropout": {"choices": [0.0, 0.2]}}


def space_file(folder, space=SPACE):
    path = folder / "space.json"
    path.write_text(json.dumps(space))
    return str(path)


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def study(split, tmp_path_factory):
    """A finished search, its best model kept."""
    folder = tmp_path_factory.mktemp("tune")
    options = {"space": space_file(folder), "total_trials": 3, "keep_model": True}
    return toolkit.tune(split, out=folder / "t", **options, **QUICK).artifact


def test_the_best_feeds_finetune_and_is_what_finetune_reaches(study, split, tmp_path):
    best, trials = read(study / "best.json"), pd.read_csv(study / "trials.csv")
    assert list(trials["state"]) == ["COMPLETE"] * 3
    assert best["value"] == trials["value"].max()
    assert best["searched"] == {name: trials.loc[best["trial"], f"params_{name}"] for name in SPACE}
    taken = configs.load(FinetuneConfig, str(study))
    assert taken.items() >= (best["searched"] | QUICK).items()
    again = toolkit.finetune(split, out=tmp_path / "m", **taken)
    kept = (study / "model" / "model.safetensors").read_bytes()
    assert (again.artifact / "model.safetensors").read_bytes() == kept
    assert again.metrics["accuracy"] == best["value"]


def test_a_search_begins_with_the_default_options(study):
    first = pd.read_csv(study / "trials.csv").iloc[0]
    assert (first["params_lr"], first["params_dropout"]) == (5e-4, 0.2)  # of the built-in
    shown = (study / "report.html").read_text()
    card = shown[shown.index("not searched") :][:300]
    assert f"{first['value']:.3g}" in card
    assert "of trial 0" in card


def test_the_kept_model_is_a_model(study, split, tmp_path):
    evaluated = toolkit.evaluate(study / "model", data=str(split), split="validation", out=tmp_path / "e")
    assert evaluated.metrics["accuracy"] == pytest.approx(read(study / "best.json")["value"], abs=0.06)
    assert "DIR/model" in (study / "README.md").read_text()


def test_the_report_shows_the_search(study):
    report = (study / "report.html").read_text()
    for part in ("History", "What mattered", "All options at once", "Trials", "dropout"):
        assert part in report
    assert {p.name for p in (study / "figures").iterdir()} == {"history.png", "importance.png", "parallel.png"}


def test_failed_trials_stand_in_the_report_and_do_not_count(split, tmp_path, monkeypatch):
    from toolkit.training import trainer

    real, calls = trainer.train, []

    def train(*args, **options):
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate <all>")
        return real(*args, **options)

    monkeypatch.setattr(trainer, "train", train)
    done = toolkit.tune(split, out=tmp_path / "t", space=space_file(tmp_path), total_trials=1, **QUICK)
    assert (done.metrics["trials"], done.metrics["failed"]) == (1, 1)
    told = pd.read_csv(tmp_path / "t" / "trials.csv")
    assert list(told["state"]) == ["FAIL", "COMPLETE"]
    assert told.loc[0, "reason"].startswith("out of memory (CUDA")
    assert "Tried to allocate &lt;all&gt;" in (tmp_path / "t" / "report.html").read_text()


def test_a_model_can_be_asked_for_later_and_more_trials_too(split, tmp_path):
    options = {"out": tmp_path / "t", "space": space_file(tmp_path), **QUICK}
    first = toolkit.tune(split, total_trials=1, **options)
    assert toolkit.tune(split, total_trials=1, **options).status == "up-to-date"
    assert toolkit.tune(split, total_trials=9, timeout=0.0, **options).status == "up-to-date"
    with_model = toolkit.tune(split, total_trials=1, keep_model=True, **options)
    assert with_model.status == "created"
    assert with_model.metrics["best"] == first.metrics["best"]
    weights = (tmp_path / "t" / "model" / "model.safetensors").read_bytes()
    more = toolkit.tune(split, total_trials=2, keep_model=True, **options)
    assert more.metrics["trials"] == 2
    if read(tmp_path / "t" / "best.json")["trial"] == 0:
        assert (tmp_path / "t" / "model" / "model.safetensors").read_bytes() == weights


def test_a_grid_is_planned_and_ends(split, tmp_path):
    grid = space_file(tmp_path, {"lr": {"choices": [1e-3, 1e-2]}})
    options = {"out": tmp_path / "t", "space": grid, "sampler": "grid", **QUICK}
    planned = toolkit.tune(split, dry_run=True, **options).metrics
    assert (planned["cells"], planned["trials"]) == (2, 2)
    done = toolkit.tune(split, **options)
    assert (done.metrics["trials"], done.metrics["exhausted"]) == (2, True)
    assert toolkit.tune(split, **options).status == "up-to-date"


def test_images_are_searched_too(tmp_path):
    space = {"lr": {"choices": [1e-3]}, "weight_decay": {"low": 0.0, "high": 0.1}}
    source = pictures(tmp_path / "squares")
    options = {"space": space_file(tmp_path, space), "total_trials": 1, "epochs": 1, "batch_size": 8}
    done = toolkit.tune(source, out=tmp_path / "t", **options)
    assert done.metrics["trials"] == 1
    planned = toolkit.tune(source, out=tmp_path / "u", dry_run=True).metrics
    assert planned["space"]["lr"]["high"] == 3e-3


def test_an_image_that_cannot_be_read_is_no_trials_fault(call, tmp_path):
    source = pictures(tmp_path / "squares")
    (source / "cat" / "3.png").write_bytes((source / "cat" / "3.png").read_bytes()[:300])
    refused(call, tmp_path, "tune", source, "--quiet", says=("the image cat/3.png cannot be read", "toolkit clean"))


@pytest.mark.parametrize("name", ["shared.db", "shared.log"])
def test_two_processes_share_a_study(split, tmp_path, name):
    options = ("--space", space_file(tmp_path), "--total-trials", 4, "--storage", tmp_path / name)
    options += tuple(part for key, value in QUICK.items() for part in (f"--{key.replace('_', '-')}", value))
    outs = [tmp_path / "a", tmp_path / "b"]
    workers = [
        subprocess.Popen(command("tune", split, "--out", out, *options), stderr=subprocess.PIPE, text=True)
        for out in outs
    ]
    told = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], told
    first, second = (pd.read_csv(out / "trials.csv") for out in outs)
    pd.testing.assert_frame_equal(first, second)
    counted = first[first["state"].isin(["COMPLETE", "PRUNED"])]
    assert len(counted) == 4
    assert counted["params_lr"].nunique() == 4
    assert read(outs[0] / "best.json")["trial"] == read(outs[1] / "best.json")["trial"]
    with sqlite3.connect(outs[0] / "study.db") as base:
        assert base.execute("select count(*) from trials").fetchone()[0] == len(first)


def test_another_search_in_one_storage_is_another_study(split, tmp_path):
    options = {"storage": str(tmp_path / "s.log"), "total_trials": 1, **QUICK}
    a = toolkit.tune(split, out=tmp_path / "a", space=space_file(tmp_path), **options)
    b = toolkit.tune(split, out=tmp_path / "b", space=space_file(tmp_path), **options | {"max_length": 16})
    names = [read(done.artifact / "best.json")["study"] for done in (a, b)]
    assert len(set(names)) == 2
    (tmp_path / "other").mkdir()
    other = space_file(tmp_path / "other", {"lr": {"low": 1e-4, "high": 2e-2, "log": True}})
    with pytest.raises(ToolkitError, match="made with another space"):
        toolkit.tune(split, out=tmp_path / "c", space=other, study_name=names[0], **options)
    assert not [p for p in tmp_path.iterdir() if p.name in ("c", ".c.partial")]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "127.0.0.1:1/db|needs psycopg"),
        ("nowhere/study.db", "there is no folder"),
        ("study.txt", "is no storage"),
    ],
)
def test_a_storage_that_cannot_be_reached(call, split, tmp_path, given, says):
    called = call("tune", split, "--out", tmp_path / "t", "--storage", given)
    assert called.code == 1
    assert called.err.count("\n") == 1
    assert "Traceback" not in called.err
    assert "secret" not in called.err
    assert any(part in called.err for part in says.split("|"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("space", "says"),
    [({"lr": {"low": 2, "high": 1}}, "the range 2 to 1 is empty"), ({"lrr": {"choices": [1]}}, "did you mean lr")],
)
def test_a_space_that_holds_nothing(call, split, tmp_path, space, says):
    called = call("tune", split, "--out", tmp_path / "t", "--space", space_file(tmp_path, space))
    assert called.code == 1
    assert says in called.err
    assert {p.name for p in tmp_path.iterdir()} == {"space.json"}


def test_no_password_is_written(split, tmp_path, monkeypatch):
    """What stands in artifact.json, in a plan and in a refusal is the URL without it."""
    from toolkit.training import storage

    url = "mysql://me:secret@host/db"
    monkeypatch.setattr(storage, "locate", lambda given: ("sqlite", str(tmp_path / "s.db")))
    options = {"space": space_file(tmp_path), "storage": url, "total_trials": 1, **QUICK}
    planned = toolkit.tune(split, out=tmp_path / "t", dry_run=True, **options)
    assert planned.metrics["storage"] == "mysql://me:***@host/db"
    toolkit.tune(split, out=tmp_path / "t", **options)
    written = [p for p in (tmp_path / "t").rglob("*") if p.is_file()]
    assert not [p.name for p in written if b"secret" in p.read_bytes()]
    with pytest.raises(ToolkitError) as raised:
        toolkit.tune(split, out=tmp_path / "t", **options | {"storage": "mysql://me:secret@elsewhere/db"})
    assert "secret" not in str(raised.value)


def test_a_masked_lm_is_searched_by_its_loss(split, tmp_path):
    options = {"task": "masked-lm", "total_trials": 1, "keep_model": True, "space": space_file(tmp_path)}
    done = toolkit.tune(split, out=tmp_path / "t", **options, **QUICK)
    assert done.metrics["metric"] == "loss"
    assert "ForMaskedLM" in read(tmp_path / "t" / "model" / "config.json")["architectures"][0]
    planned = toolkit.tune(split, out=tmp_path / "u", task="masked-lm", dry_run=True).metrics
    assert "label_smoothing" not in planned["space"]
    for odd in ("oversample", "r_drop"):
        options["space"] = space_file(tmp_path, {odd: {"choices": [0.0, 0.5]}})
        with pytest.raises(ToolkitError, match=f"space.json: {odd} is for rows that have a class"):
            toolkit.tune(split, out=tmp_path / "v", dry_run=True, **options)
