"""evaluate's quality at the command line: what is undefined, what is fitted on validation, what gates can name."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import Called, refused
from jsonschema import Draft202012Validator

import toolkit
from toolkit.artifacts import evaluation as evaluations
from toolkit.commands import _evaluate_quality, _evaluate_quality_report, _evaluating
from toolkit.reports import html
from toolkit.reports.chinese import CHINESE
from toolkit.reports.language import speaker

SCHEMA = Path(toolkit.__file__).parent.parent / "docs" / "schemas" / "evaluate.metrics.json"


def figures(folder: Path) -> Any:
    told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    problems = [e.message for e in Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(told)]
    assert not problems, problems
    return told


@pytest.fixture
def splits(split: Path, tmp_path: Path) -> Any:
    """A folder of files by split, changed by a function first."""

    def made(**changed: Any) -> Path:
        folder = tmp_path / "in"
        folder.mkdir()
        for path in (split / "data").glob("*.parquet"):
            table = toolkit_rows(split, path.stem)
            table = changed.get(path.stem, lambda same: same)(table)
            if len(table):
                table.to_parquet(folder / path.name, index=False)
        return folder

    return made


def toolkit_rows(split: Path, name: str) -> pd.DataFrame:
    from datasets import load_dataset

    data = load_dataset("parquet", data_files=str(split / "data" / f"{name}.parquet"), split="train")
    names = data.features["label"].names
    return data.to_pandas().assign(label=lambda table: [names[i] for i in table["label"]])


def test_temperature_is_fitted_on_validation_and_never_on_what_is_evaluated(
    evaluation: Path, model: Path, split: Path, tmp_path: Path
) -> None:
    told = figures(evaluation)
    after = told["calibration"]["calibrated"]
    assert (after["split"], after["rows"]) == ("validation", len(toolkit_rows(split, "validation")))
    assert after["temperature"]["low"] < after["temperature"]["value"] < after["temperature"]["high"]
    table = pd.read_parquet(evaluation / "predictions.parquet")
    probabilities = table[[f"p_{name}" for name in told["per_class"]]].to_numpy()
    scaled = probabilities ** (1 / after["temperature"]["value"])
    own = (scaled / scaled.sum(1, keepdims=True))[
        np.arange(len(table)), [*map([*told["per_class"]].index, table["label"])]
    ]
    assert after["log_loss"]["value"] == pytest.approx(-np.log(own).mean())
    assert sum(part["rows"] for part in after["reliability"]) == len(table)
    other = toolkit.evaluate(model, data=str(split), split="validation", out=tmp_path / "e").artifact
    assert figures(other)["calibration"]["calibrated"] is None


def test_one_class_alone_is_undefined_and_said(call: Any, splits: Any, model: Path, tmp_path: Path) -> None:
    data = splits(test=lambda table: table[table["label"] == "billing"])
    gate = ("--min", "quality.auc=0.1")
    made: Called = call("evaluate", model, "--data", data, "--out", tmp_path / "e", *gate)
    assert made.code == 3
    assert "predictions are of one class only: mcc, auc, average_precision" in made.err
    told = figures(tmp_path / "e")
    assert told["quality"]["auc"] == {"value": None, "low": None, "high": None}
    assert told["per_class"]["delivery"]["recall"]["value"] is None
    assert told["per_class"]["billing"]["recall"] == told["quality"]["accuracy"]
    assert "NaN" not in (tmp_path / "e" / "metrics.json").read_text()


def test_three_rows_and_labels_of_validation_that_the_model_does_not_know(
    call: Any, splits: Any, model: Path, tmp_path: Path
) -> None:
    data = splits(
        train=lambda table: table[:0],
        test=lambda table: table.drop_duplicates("label"),
        validation=lambda table: table.assign(label="other"),
    )
    made: Called = call("evaluate", model, "--data", data, "--out", tmp_path / "e")
    assert made.code == 0, made.err
    assert "no temperature: of validation" in made.err
    told = figures(tmp_path / "e")
    assert told["rows"] == 3
    assert told["calibration"]["calibrated"] is None
    assert told["quality"]["accuracy"]["high"] - told["quality"]["accuracy"]["low"] > 0.5


def test_a_class_that_does_not_occur_is_said(call: Any, splits: Any, model: Path, tmp_path: Path) -> None:
    data = splits(test=lambda table: table[table["label"] != "billing"])
    made: Called = call("evaluate", model, "--data", data, "--out", tmp_path / "e", "--min", "per_class.delivery.f1=0")
    assert made.code == 0, made.err
    assert "1 of 3 classes do not occur in test" in made.err


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("quality.f1_micro=0.5", "quality has no figure 'f1_micro': did you mean f1_macro?"),
        ("quality.top_3=0.5", "quality has no figure 'top_3'"),  # of three classes
        ("quality=0.5", "quality is no figure itself"),
        ("per_class.delivry.f1=0.5", "the model has no such class: did you mean delivery?"),
    ],
)
def test_gates_on_figures_that_this_model_will_not_have(
    call: Any, model: Path, split: Path, tmp_path: Path, gate: str, says: str
) -> None:
    refused(call, tmp_path, "evaluate", model, "--data", split, "--min", gate, says=says)


def test_a_gate_on_a_temperature_wants_rows_to_fit_it_on(call: Any, model: Path, split: Path, tmp_path: Path) -> None:
    options = ("evaluate", model, "--data", split, "--max", "calibration.calibrated.ece=0.5")
    says = "a temperature is fitted on validation, validation is judged"
    refused(call, tmp_path, *options, "--split", "validation", says=says)
    made: Called = call(*options, "--dry-run", "--out", tmp_path / "e")
    assert made.code == 0, made.err


def test_the_report_says_it_in_chinese(model: Path, split: Path, tmp_path: Path) -> None:
    made = toolkit.evaluate(model, data=str(split), out=tmp_path / "e", lang="zh").artifact
    page = (made / "report.html").read_text(encoding="utf-8")
    for text in ("平衡准确率", "马修斯相关系数", "对数损失最小"):
        assert text in page
    assert {"reliability.png", "reliability-calibrated.png", "confusion.png"} <= {
        p.name for p in (made / "figures").iterdir()
    }
    assert [text for text in _evaluate_quality_report.NAMES.values() if text not in CHINESE] == []


def test_the_terminal_shows_the_main_figures(evaluation: Path) -> None:
    lines = _evaluate_quality.lines(figures(evaluation))
    assert [name for name, _, _ in lines] == ["accuracy", "f1_macro", "auc", "log_loss", "ece"]
    assert _evaluating.line("auc", {"value": None, "low": None, "high": None}) == ("auc", "undefined", "")
    assert _evaluating.line("loss", {"value": 0.5, "low": None, "high": None}) == ("loss", "0.5000", "")
    assert _evaluating.line("ece", {"value": 0.5, "low": 0.25, "high": 1}) == ("ece", "0.5000", "0.2500 to 1.0000")


def test_many_classes_stay_readable_and_are_written_in_seconds(tmp_path: Path) -> None:
    import datasets

    width, count = 3000, 300
    rng = np.random.default_rng(0)
    names, labels = [f"class {i}" for i in range(width)], rng.integers(0, width, count)
    probabilities = rng.dirichlet(np.ones(width), count)
    subject = SimpleNamespace(
        names=names, labels=labels, probabilities=probabilities, chosen=probabilities.argmax(1), several=False,
        confidence=probabilities.max(1), right=probabilities.argmax(1) == labels,
        predictor=SimpleNamespace(reader=SimpleNamespace(kind="text")), contents=["<b>" + "x" * 10_000] * count,
    )  # fmt: skip
    job: Any = SimpleNamespace(config=SimpleNamespace(seed=0, split="test"), dataset={}, warn=lambda text: None)
    started = time.process_time()
    found = _evaluate_quality.measure(job, subject)  # type: ignore[arg-type]
    sections = _evaluate_quality_report.sections(speaker("en"), found, subject)  # type: ignore[arg-type]
    rows = datasets.Dataset.from_dict({"id": [str(i) for i in range(count)], "label": [names[i] for i in labels]})
    evaluations.write(tmp_path / "p.parquet", rows, probabilities, names, subject.chosen, subject.confidence)
    assert time.process_time() - started < 15
    assert len(found["per_class"]) == width
    page = html.render({"title": "t", "sections": sections})
    assert len(page) < 300_000
    assert f"&lt;b&gt;{'x' * 597}…" in page
    assert "The 50 of 3000 classes with the lowest F1." in page
    assert {figure["name"] for section in sections for figure in section.get("figures", [])} == {
        "reliability",
        "confidence",
    }
    table = pd.read_parquet(tmp_path / "p.parquet")
    assert (table[[f"p_{name}" for name in names]].to_numpy() == probabilities).all()


def test_a_users_own_columns_of_the_same_names_are_kept(evaluation: Path, model: Path, splits: Any) -> None:
    data = splits(
        **{name: lambda table: table.assign(predicted="mine", p_billing=7) for name in ("train", "validation", "test")}
    )
    made = toolkit.evaluate(model, data=str(data), out=data.parent / "e").artifact
    table = pd.read_parquet(made / "predictions.parquet")
    assert set(table["predicted_original"]) == {"mine"}
    assert set(table["p_billing_original"]) == {7}
    expected = pd.read_parquet(evaluation / "predictions.parquet")
    assert table["predicted"].tolist() == expected["predicted"].tolist()
