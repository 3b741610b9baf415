"""Each option changes what it says it changes."""

import json
from collections import Counter

import pandas as pd
import pytest
from helpers import write_csv

import toolkit
from toolkit.errors import ToolkitError

DIRTY = [
    {"text": "the parcel is late again", "label": "a", "source": "app"},
    {"text": "the parcel is late again!", "label": "a", "source": "app"},
    {"text": "The parcel is late again", "label": "b", "source": "app"},
    {"text": "an invoice that nobody paid", "label": "b", "source": "app"},
    {"text": "it is short", "label": "b", "source": "app"},
    {"text": "退款没到账", "label": "a", "source": "app"},
    {"text": "屏幕坏了，要换新的", "label": "b", "source": "app"},
]


def rows(folder, split="train"):
    return pd.read_parquet(folder / "data" / f"{split}.parquet")


def report(folder, name="report.json"):
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture
def dirty(tmp_path):
    return write_csv(tmp_path / "dirty.csv", DIRTY)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, 5),  # the majority's row of the contradiction, without its copy
        ({"contradictions": "drop"}, 4),
        ({"min_length": 12}, 4),
        ({"min_length_cjk": 6}, 4),
        ({"skip": ["exact-duplicates", "contradictions", "near-duplicates"]}, 7),
    ],
    ids=lambda value: str(value),
)
def test_clean(dirty, tmp_path, options, left):
    made = toolkit.clean(dirty, out=tmp_path / "out", **options)
    assert made.metrics["rows_out"] == left
    assert len(rows(made.artifact)) == left
    rejected = pd.read_parquet(made.artifact / "rejected.parquet")
    assert len(rejected) == len(DIRTY) - left
    assert set(rejected) >= {"id", "text", "label", "source", "split", "stage", "reason", "detail"}


def test_clean_takes_the_columns_that_are_named(tmp_path):
    source = write_csv(
        tmp_path / "x.csv", [{"text": "not this", "body": f"but this text {i * 7919}", "y": i % 2} for i in range(8)]
    )
    made = toolkit.clean(source, out=tmp_path / "out", text="body", label="y")
    assert rows(made.artifact)["text"].str.startswith("but this").all()
    with pytest.raises(ToolkitError, match=r"no column 'bdy'.*did you mean body"):
        toolkit.clean(source, out=tmp_path / "other", text="bdy", label="y")


def test_split_shares_and_seed(raw, tmp_path):
    first = toolkit.split(raw, out=tmp_path / "a", validation=0.2, test=0.3)
    sizes = {name: part["rows"] for name, part in report(first.artifact)["splits"].items()}
    assert sizes["validation"] == pytest.approx(48, abs=3)
    assert sizes["test"] == pytest.approx(72, abs=3)
    other = toolkit.split(raw, out=tmp_path / "b", validation=0.2, test=0.3, seed=1)
    assert set(rows(other.artifact, "test")["id"]) != set(rows(first.artifact, "test")["id"])


def test_split_keeps_a_test_of_its_own_and_moves_out_what_leaks(raw, tmp_path):
    table = pd.read_csv(raw)
    folder = tmp_path / "own"
    folder.mkdir()
    table[:200].to_csv(folder / "train.csv", index=False)
    leaked = table[190:195].assign(text=lambda t: t["text"] + "!")
    pd.concat([table[200:], leaked]).to_csv(folder / "test.csv", index=False)
    made = toolkit.split(folder, out=tmp_path / "out")
    assert len(rows(made.artifact, "test")) == 45
    assert len(pd.read_parquet(made.artifact / "rejected.parquet")) == 5
    assert report(made.artifact)["leakage"]["near_duplicate_pairs_across"] == 0


def test_split_divides_whatever_is_not_test(raw, tmp_path):
    folder = tmp_path / "no-train"
    folder.mkdir()
    table = pd.read_csv(raw)
    table[:200].to_csv(folder / "validation.csv", index=False)
    table[200:].to_csv(folder / "test.csv", index=False)
    made = toolkit.split(toolkit.clean(folder, out=tmp_path / "clean").artifact, out=tmp_path / "out", validation=0.2)
    assert {name: len(rows(made.artifact, name)) for name in ("train", "validation", "test")} == {
        "train": 160,
        "validation": 40,
        "test": 40,
    }
    (folder / "validation.csv").unlink()
    with pytest.raises(ToolkitError, match="test rows only"):
        toolkit.split(folder, out=tmp_path / "none")


def test_augment(split, tmp_path):
    before = rows(split)
    made = toolkit.augment(split, out=tmp_path / "a", copies=2, method=["random_swap", "random_deletion"], alpha=0.3)
    after = rows(made.artifact)
    children = after[after["parent_id"].notna()]
    assert len(after) - len(children) == len(before)
    assert 1.5 * len(before) < len(children) <= 2 * len(before)
    assert set(children["method"]) == {"random_swap", "random_deletion"}
    labels = before.set_index("id")["label"]
    assert (labels[children["parent_id"]].to_numpy() == children["label"].to_numpy()).all()
    assert not after["text"].duplicated().any()
    assert rows(made.artifact, "test")["text"].tolist() == rows(split, "test")["text"].tolist()
    gentle = toolkit.augment(split, out=tmp_path / "b", method=["random_deletion"], alpha=0.0)
    lost = before.set_index("id")["text"].str.len()
    changed = rows(gentle.artifact).query("parent_id.notna()")
    assert (lost[changed["parent_id"]].to_numpy() - changed["text"].str.len().to_numpy()).mean() < 8  # one word each


def test_children_are_refused_outside_of_train(split, tmp_path):
    made = toolkit.augment(split, out=tmp_path / "a")
    folder = tmp_path / "mixed"
    folder.mkdir()
    grown = rows(made.artifact)
    grown.to_parquet(folder / "train.parquet")
    grown.to_parquet(folder / "test.parquet")
    with pytest.raises(ToolkitError, match="augmented rows"):
        toolkit.finetune(folder, out=tmp_path / "b", epochs=1)


def test_evaluate_split_and_figures(model, split, tmp_path):
    made = toolkit.evaluate(model, data=str(split), split="validation", batch_size=8, out=tmp_path / "a")
    figures = report(made.artifact, "metrics.json")
    assert figures["rows"] == len(rows(split, "validation"))
    for name in ("accuracy", "f1_macro", "auc"):
        value, low, high = (figures["quality"][name][k] for k in ("value", "low", "high"))
        assert 0 <= low <= value <= high <= 1
    efficiency = figures["efficiency"]
    assert efficiency["latency_ms"]["p50"] <= efficiency["latency_ms"]["p95"]
    assert efficiency["peak_memory_bytes"] > 50e6
    assert efficiency["size_bytes"] < sum(p.stat().st_size for p in model.rglob("*") if p.is_file())
    predictions = pd.read_parquet(made.artifact / "predictions.parquet")
    probabilities = predictions[["p_billing", "p_delivery", "p_product"]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (probabilities.idxmax(axis=1).str.removeprefix("p_") == predictions["predicted"]).all()
    assert (predictions["label"] == predictions["predicted"]).mean() == pytest.approx(
        figures["quality"]["accuracy"]["value"]
    )
    assert "source" in predictions


def test_error_analysis(evaluation, tmp_path):
    made = toolkit.error_analysis(evaluation, out=tmp_path / "a", by=["source"], examples=3)
    found = report(made.artifact, "slices.json")
    predictions = pd.read_parquet(evaluation / "predictions.parquet")
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    assert found["errors"] == len(wrong) == len(pd.read_parquet(made.artifact / "errors.parquet"))
    assert {"source", "language", "length"} <= set(found["columns"])
    counted = {s["value"]: s["rows"] for s in found["columns"]["source"]}
    assert counted == dict(Counter(predictions["source"]))
    assert sum(s["rows"] for s in found["confidence"]) == found["rows"]
    assert sum(c["errors"] for c in found["confusions"]) == found["errors"]
    pages = [toolkit.error_analysis(evaluation, out=tmp_path / f"n{n}", examples=n).artifact for n in (1, 4)]
    few, more = ((page / "report.html").read_text(encoding="utf-8").count("<tr") for page in pages)
    assert more - few == min(4, len(wrong)) - 1


def test_predict_needs_no_labels(model, tmp_path):
    source = write_csv(
        tmp_path / "new.csv", [{"text": "where is my parcel", "note": "x"}, {"text": "发票的金额不对", "note": "y"}]
    )
    made = toolkit.predict(model, data=str(source), out=tmp_path / "a")
    table = pd.read_parquet(made.artifact / "predictions.parquet")
    assert table["note"].tolist() == ["x", "y"]
    assert table["predicted"].isin(["billing", "delivery", "product"]).all()
    assert "label" not in table


def test_predict_split(model, split, tmp_path):
    one = toolkit.predict(model, data=str(split), split="test", out=tmp_path / "a", batch_size=4)
    every = toolkit.predict(model, data=str(split), out=tmp_path / "b")
    assert one.metrics["rows"] == len(rows(split, "test"))
    assert Counter(pd.read_parquet(every.artifact / "predictions.parquet")["split"]).keys() == {
        "train",
        "validation",
        "test",
    }
    with pytest.raises(ToolkitError, match="no tset split"):
        toolkit.predict(model, data=str(split), split="tset", out=tmp_path / "c")


def test_prune_by_hand(model, split, tmp_path):
    plain = {"ffn": 0.25, "layers": 2, "sensitivity": False}
    made = toolkit.prune(model, data=str(split), **plain, recover=False, out=tmp_path / "a")
    config = report(made.artifact, "config.json")
    assert config["num_hidden_layers"] == 2
    assert config["intermediate_size"] == 384
    assert made.metrics["parameters"] < toolkit.show(model)["metrics"]["parameters"]
    assert "train" not in report(made.artifact, "metrics.json")
    recovered = toolkit.prune(model, data=str(split), **plain, out=tmp_path / "b", epochs=1, alpha=1.0, temperature=4.0)
    assert report(recovered.artifact, "metrics.json")["train"]["epochs"] == 1
    with pytest.raises(ToolkitError, match="nothing to prune"):
        toolkit.prune(model, data=str(split), ffn=0.0, out=tmp_path / "c")
    with pytest.raises(ToolkitError, match="the model has 4"):
        toolkit.prune(model, data=str(split), layers=9, out=tmp_path / "c")


@pytest.mark.parametrize(("student", "layers"), [("layers:2", 2), ("builtin:text-tiny", 4)])
def test_distill_students(model, split, tmp_path, student, layers):
    made = toolkit.distill(
        model, data=str(split), student=student, epochs=1, out=tmp_path / "a", temperature=3.0, alpha=0.5
    )
    assert report(made.artifact, "config.json")["num_hidden_layers"] == layers
    with pytest.raises(ToolkitError, match="the teacher has 4 layers"):
        toolkit.distill(model, data=str(split), student="layers:7", out=tmp_path / "b")


def test_quantize_gates_and_order(model, split, tmp_path, call):
    done = call(
        "quantize", model, "--data", split, "--out", tmp_path / "q", "--calibration-rows", 20, "--min-speedup", 1e6
    )
    assert done.code == 3
    assert "gate not met: min_speedup" in done.err
    figures = report(tmp_path / "q", "metrics.json")
    assert figures["quantized"]["size_bytes"] < 0.6 * figures["input"]["size_bytes"]
    assert (
        call(
            "quantize", model, "--data", split, "--out", tmp_path / "q", "--calibration-rows", 20, "--min-speedup", 0
        ).code
        == 0
    )
    for command in ("prune", "distill"):
        with pytest.raises(ToolkitError, match="quantized already"):
            getattr(toolkit, command)(tmp_path / "q", data=str(split), out=tmp_path / "x")
    evaluated = toolkit.evaluate(tmp_path / "q", data=str(split), out=tmp_path / "e")
    assert evaluated.metrics["parameters"] == toolkit.show(model)["metrics"]["parameters"]


def test_show_and_diff(split, model, evaluation, call, raw):
    shown = call("show", evaluation)
    assert shown.code == 0
    for part in ("evaluation by 'toolkit evaluate'", "toolkit finetune", "toolkit split", str(raw)):
        assert part in shown.out
    assert json.loads(call("show", evaluation, "--json").out)["kind"] == "evaluation"
    differs = call("diff", split, model).out
    assert "command: split -> finetune" in differs
    assert json.loads(call("diff", split, split, "--json").out)["same_content"] is True


def test_a_shorter_reader_is_made_only_on_request(model, split, tmp_path):
    """The model reads 48 tokens; prune and distill keep that unless they are told otherwise."""
    same = toolkit.distill(model, data=str(split), student="layers:1", epochs=1, out=tmp_path / "a").artifact
    assert report(same, "tokenizer_config.json")["model_max_length"] == 48
    less = toolkit.distill(
        model, data=str(split), student="layers:1", epochs=1, max_length=16, out=tmp_path / "b"
    ).artifact
    assert report(less, "tokenizer_config.json")["model_max_length"] == 16


def test_labels_of_the_model_and_the_data_are_matched_by_name(model, split, tmp_path):
    """The same rows with their classes numbered the other way round give the same figures."""
    import datasets

    folder = tmp_path / "turned"
    folder.mkdir()
    turned = datasets.ClassLabel(names=["product", "delivery", "billing"])
    for name in ("train", "validation", "test"):
        table = datasets.Dataset.from_parquet(
            str(split / "data" / f"{name}.parquet"), cache_dir=str(tmp_path / "cache")
        )
        names = table.features["label"].names
        labels = [turned.str2int(names[i]) for i in table["label"]]
        table = table.remove_columns("label").add_column("label", labels, feature=turned)
        table.to_parquet(folder / f"{name}.parquet")
    one = toolkit.evaluate(model, data=str(split), out=tmp_path / "a").metrics
    other = toolkit.evaluate(model, data=str(folder), out=tmp_path / "b").metrics
    assert one["accuracy"] == other["accuracy"]
    again = toolkit.finetune(folder, model=str(model), epochs=1, lr=0.0, out=tmp_path / "c").artifact
    assert report(again, "config.json")["id2label"] == report(model, "config.json")["id2label"]
    assert (
        report(again, "metrics.json")["validation"]["accuracy"]
        == report(model, "metrics.json")["validation"]["accuracy"]
    )


def test_users_columns_are_kept(model, tmp_path):
    source = write_csv(
        tmp_path / "x.csv",
        [{"text": f"the parcel {i * 7919}", "confidence": f"c{i}", "label": "odd"} for i in range(3)],
    )
    made = toolkit.predict(model, data=str(source), out=tmp_path / "a")
    table = pd.read_parquet(made.artifact / "predictions.parquet")
    assert table["confidence_original"].tolist() == ["c0", "c1", "c2"]
    assert table["label"].tolist() == ["odd"] * 3
    assert table["confidence"].between(0, 1).all()


def test_published_files_are_readable_as_the_umask_says(model):
    import os

    umask = os.umask(0)
    os.umask(umask)
    assert {p.stat().st_mode & 0o777 for p in model.rglob("*") if p.is_file()} == {0o666 & ~umask}


def test_the_rate_that_was_found_is_drawn_on_the_card(split, call, tmp_path):
    done = call("finetune", split, "--out", tmp_path / "m", "--find-lr", "--epochs", "1", "--max-length", "32")
    assert done.code == 0, done.err
    rate = report(tmp_path / "m", "metrics.json")["train"]["learning_rate"]
    card = (tmp_path / "m" / "README.md").read_text()
    assert f"Learning rate {rate:g}, found by a short run" in card
    assert "](figures/find_lr.png)" in card
    assert (tmp_path / "m" / "figures" / "find_lr.png").read_bytes().startswith(b"\x89PNG")
    assert f"learning rate {rate:g}: 0.1 of the rate with the least loss" in done.err


def test_a_rate_and_a_search_for_one_exclude_each_other(split, call, tmp_path):
    done = call("finetune", split, "--out", tmp_path / "m", "--find-lr", "--lr", "1e-4", "--dry-run")
    assert done.code == 1
    assert "--find-lr and --lr exclude each other: give one of them" in done.err


def test_one_rate_of_layers_and_a_rate_each_exclude_each_other(split, call, tmp_path):
    options = ("--layer-drop", "0.1", "--set", "layer_drops=[0.1,0.2]", "--dry-run")
    done = call("finetune", split, "--out", tmp_path / "m", *options)
    assert done.code == 1
    assert "--layer-drop and regularise.layer_drops exclude each other: give one of them" in done.err


@pytest.mark.parametrize(
    ("option", "choice"),
    [
        ("momentum=0.8", ("--optimizer", "sgd")),
        ("beta1=0.8", ("--optimizer", "lion")),
        ("beta2=0.8", ("--optimizer", "adamw")),
        ("max_grad_norm=2", ("--clip", "norm")),
        ("clip_factor=0.1", ("--clip", "adaptive")),
        ("floor=0.1", ("--scheduler", "cosine")),
        ("cycle=0.2", ("--scheduler", "restarts")),
        ("cycle_growth=3", ("--scheduler", "restarts")),
        ("plateau_patience=2", ("--scheduler", "plateau")),
        ("plateau_factor=0.1", ("--scheduler", "plateau")),
    ],
    ids=str,
)
def test_an_option_that_changes_nothing_is_told(split, call, tmp_path, option, choice):
    """Beside a choice that does not read it, and only there."""
    others = {"--optimizer": "adafactor", "--clip": "none", "--scheduler": "constant"}
    for given, told in ((choice, False), ((choice[0], others[choice[0]]), True)):
        done = call("finetune", split, "--out", tmp_path / "m", "--set", option, *given, "--dry-run")
        assert done.code == 0, done.err
        says = f"{option.partition('=')[0]} changes nothing: it is of {choice[0]}"
        assert (says in done.err) == told


@pytest.mark.parametrize("command", ["tune", "prune", "distill", "quantize"])
def test_every_training_tells_what_changes_nothing(split, model, call, tmp_path, command):
    argv = {
        "tune": ("tune", split),
        "prune": ("prune", model, "--data", split, "--ffn", "0.5"),
        "distill": ("distill", model, "--data", split),
        "quantize": ("quantize", model, "--data", split, "--method", "qat"),
    }[command]
    done = call(*argv, "--set", "momentum=0.5", "--dry-run", "--out", tmp_path / "m")
    assert done.code == 0, done.err
    assert "momentum changes nothing: it is of --optimizer sgd, not of adamw" in done.err


def test_what_a_search_may_read_is_not_told(split, call, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"optimizer": {"choices": ["adamw", "sgd"]}}))
    argv = (
        "tune",
        split,
        "--space",
        tmp_path / "s.json",
        "--set",
        "momentum=0.5",
        "--dry-run",
        "--out",
        tmp_path / "m",
    )
    done = call(*argv)
    assert done.code == 0, done.err
    assert "changes nothing" not in done.err


def test_weights_of_classes_by_name(split, call, tmp_path):
    done = call("finetune", split, "--dry-run", "--out", tmp_path / "m", "--set", 'regularise.weights={"no such": 2}')
    assert done.code == 1
    assert "there is no class 'no such'" in done.err
