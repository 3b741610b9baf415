"""evaluate against baselines: joined by id, gates on drops, what is refused, what the report shows."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from helpers import Called, refused
from jsonschema import Draft202012Validator
from PIL import Image

import toolkit
from toolkit.artifacts import evaluation as evaluations
from toolkit.artifacts import manifest
from toolkit.commands import _evaluate_baseline, _evaluate_baseline_report
from toolkit.commands._evaluate_baseline import Beside
from toolkit.commands._evaluating import Subject
from toolkit.errors import ToolkitError
from toolkit.evaluation import comparison
from toolkit.inputs import Given
from toolkit.reports import html, language
from toolkit.reports.chinese import CHINESE

Call = Callable[..., Called]
SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "evaluate.metrics.json"


def figures(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def altered(evaluation: Path, folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """A copy of an evaluation with other predictions (and their accuracy), whole as an artifact."""
    shutil.copytree(evaluation, folder)
    table = change(pd.read_parquet(folder / "predictions.parquet"))
    table.to_parquet(folder / "predictions.parquet", index=False)
    found = figures(folder)
    if "label" in table:
        found["quality"]["accuracy"]["value"] = float((table["label"] == table["predicted"]).mean())
    manifest.write_json(folder / "metrics.json", found)
    outputs = manifest.outputs_of(folder)
    told = json.loads((folder / manifest.NAME).read_text())
    manifest.write_json(folder / manifest.NAME, told | {"outputs": outputs, "digest": manifest.content_digest(outputs)})
    return folder


def improved(table: pd.DataFrame) -> pd.DataFrame:
    """Right everywhere but for one row, in another order."""
    table["predicted"] = table["label"]
    table.loc[0, "predicted"] = next(name for name in ("billing", "product") if name != table.loc[0, "label"])
    return table.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def better(evaluation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return altered(evaluation, tmp_path_factory.mktemp("b") / "better.one", improved)


@pytest.fixture(scope="module")
def compared(
    model: Path, split: Path, evaluation: Path, better: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("c") / "compared"
    baselines = [str(better), str(evaluation)]
    return toolkit.evaluate(model, data=str(split), out=out, baseline=baselines, price_per_hour=3.6).artifact


def test_baselines_are_joined_by_id_and_matched_by_name(compared: Path, evaluation: Path, better: Path) -> None:
    found = figures(compared)
    assert [e.message for e in Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(found)] == []
    against = found["comparison"]
    assert list(against) == ["better-one", "evaluation"]  # no dots, so that paths of gates reach them
    ours = pd.read_parquet(compared / "predictions.parquet").set_index("id")
    theirs = pd.read_parquet(better / "predictions.parquet").set_index("id").loc[ours.index]
    right = [table["predicted"] == table["label"] for table in (theirs, ours)]
    worse = against["better-one"]
    assert (worse["broken"], worse["fixed"]) == ((right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum())
    assert worse["difference"]["accuracy"]["value"] == pytest.approx(right[1].mean() - right[0].mean())
    assert worse["verdict"] == "worse"
    same = against["evaluation"]
    assert (same["flipped"], same["verdict"]) == (0, "undecided")
    assert same["more_rows"] > 0
    assert same["difference"]["log_loss"]["value"] == pytest.approx(0, abs=1e-6)
    assert same["baseline"]["quality"] == figures(evaluation)["quality"]


def test_efficiency_is_told_in_full(compared: Path) -> None:
    found = figures(compared)["efficiency"]
    assert {"1", "8", "32", "128"} == set(found["by_batch_size"])
    assert found["by_batch_size"]["32"] == found["samples_per_second"]
    latency = found["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert found["cost_per_million"] == pytest.approx(1000 / found["samples_per_second"], rel=1e-3)
    assert found["operations"] > 100_000
    assert found["startup_seconds"] == 2.5
    assert found["machine"]["cores"] >= 1


def test_the_report_shows_verdict_flips_and_all_models(compared: Path, model: Path) -> None:
    text = (compared / "report.html").read_text()
    for shown in ("Worse than better-one", "Undecided against evaluation", "more rows would decide it",
                  "Broken: better-one was right", "Side by side", f"{model.name} (this one)"):  # fmt: skip
        assert shown in text
    assert (compared / "figures" / "pareto.png").is_file()
    flipped = pd.read_parquet(compared / "predictions.parquet")
    wrong = flipped[flipped["label"] != flipped["predicted"]].sort_values("confidence", ascending=False)
    assert wrong["text"].iloc[0] in text


def test_gates_on_drops(call: Call, compared: Path, model: Path, split: Path, better: Path, evaluation: Path) -> None:
    """Judged from what is stored: the same call finds the artifact up-to-date."""
    given = ("evaluate", model, "--data", split, "--out", compared, "--price-per-hour", 3.6)
    given += ("--baseline", better, "--baseline", evaluation, "--quiet")
    drop = figures(better)["quality"]["accuracy"]["value"] - figures(compared)["quality"]["accuracy"]["value"]
    failed = call(*given, "--max-drop", "0.005")
    assert failed.code == 3
    assert failed.err == (
        f"error: gate not met: drop of quality.accuracy from better-one is {drop:.4g}, the bound is 0.005\n"
    )
    gates = json.loads((compared / manifest.NAME).read_text())["gates"]
    assert [(gate["name"].split()[-1], gate["passed"]) for gate in gates] == [
        ("better-one", False),
        ("evaluation", True),
    ]
    assert call(*given, "--max-drop", f"quality.accuracy={drop + 1e-9}").code == 0
    low = figures(compared)["comparison"]["better-one"]["difference"]["accuracy"]["low"]
    path = "comparison.better-one.difference.accuracy.low"
    assert call(*given, "--min", f"{path}={low}").code == 0
    assert call(*given, "--min", f"{path}={low + 0.001}").code == 3
    late = call(*given, "--min", "comparison.better.fixed=1")
    assert (late.code, late.out) == (1, "")
    assert "did you mean better-one?" in late.err


def test_drops_want_a_baseline_and_its_figures(
    call: Call, model: Path, split: Path, evaluation: Path, tmp_path: Path
) -> None:
    given = ("evaluate", model, "--data", split)
    refused(call, tmp_path, *given, "--max-drop", "0.01", says="--max-drop is measured against a baseline")
    more = (*given, "--baseline", evaluation)
    refused(call, tmp_path, *more, "--max-drop", "quality.acuracy=1", says=("has no figure", "did you mean accuracy?"))
    refused(call, tmp_path, *more, "--min", "comparison.other.fixed=1", says="comparison has no figure 'other'")
    refused(call, tmp_path, *given, "--min", "efficency.samples_per_second=1", says="did you mean efficiency?")
    refused(call, tmp_path, *given, "--baseline", model, says="holds a model, not an evaluation")
    for path in ("quality.log_loss", "efficiency.latency_ms.p95", "robustness.selective.aurc.high"):
        refused(call, tmp_path, *more, "--max-drop", f"{path}=0.1", says=(f"cannot bound {path}: less", "use --max"))
    # the baseline has no noise either, but what this call lacks is told first
    refused(call, tmp_path, *more, "--max-drop", "robustness.noise.accuracy=0", says="robustness has no figure 'noise'")
    refused(call, tmp_path, *given, "--min", "robustness.selective.aucr=1", says="did you mean aurc?")


def other_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(id=[f"other-{i}" if i % 2 else name for i, name in enumerate(table["id"])])


def other_labels(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(label=table["label"].iloc[::-1].to_numpy())


def other_texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(text=table["text"] + "!")


def repeated(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(id="one")


def of_several(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(predicted=[[name] for name in table["predicted"]])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_rows, ("is of other rows", "ids are in both", "evaluate both models on the same rows")),
        (lambda table: table.head(20), ("it has 20, the data 36, and 20 ids are in both",)),
        (other_labels, ("has other labels under the same ids",)),
        (other_texts, ("has other texts under the same ids",)),
        (repeated, ("has no ids that tell its rows apart",)),
        (lambda table: table.drop(columns="id"), ("has no ids",)),
        (lambda table: table.drop(columns="label"), ("has no labels",)),
        (of_several, ("tells several classes a row, the model one class",)),
    ],
)
def test_baselines_of_other_data_are_refused(
    call: Call, model: Path, split: Path, evaluation: Path, tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame], says: tuple[str, ...],
) -> None:  # fmt: skip
    other = altered(evaluation, tmp_path / "other", change)
    refused(call, tmp_path, "evaluate", model, "--data", split, "--baseline", other, says=says)
    refused(call, tmp_path, "evaluate", model, "--data", split, "--baseline", other, "--dry-run", says=says)


def test_a_baseline_that_knows_other_classes(model: Path, split: Path, evaluation: Path, tmp_path: Path) -> None:
    """One that the model does not know is wrong; one that the baseline does not know has no loss."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[0, "predicted"] = "unheard of"
        return table.drop(columns="p_billing")

    other = altered(evaluation, tmp_path / "other", change)
    made = toolkit.evaluate(model, data=str(split), out=tmp_path / "e", baseline=str(other)).artifact
    found = figures(made)["comparison"]["other"]
    assert found["flipped"] == 1
    assert found["fixed"] + found["broken"] <= 1
    assert found["difference"]["log_loss"] == dict.fromkeys(("value", "low", "high", "p"))
    assert "unheard of" not in found["per_class"]


def test_rows_of_several_classes_are_joined_too(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    kinds = Features({"id": Value("string"), "text": Value("string"), "label": List(ClassLabel(names=names))})
    table = {"id": ["1", "2", "3"], "text": ["x", "y", "z"], "label": [[0, 2], [1], [0]]}
    rows = Dataset.from_dict(table, features=kinds)
    chosen = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]], dtype=bool)
    told = chosen * 0.8 + 0.1
    turned = [2, 0, 1]
    given = Given("baseline", "x", "evaluation", tmp_path, "")
    evaluations.write(
        tmp_path / "predictions.parquet", rows.select(turned), told[turned], names, chosen[turned], told.max(1)
    )
    found = _evaluate_baseline.joined(given, rows, True)
    assert found["predicted"].map(list).tolist() == [["a", "c"], ["b", "c"], ["c"]]
    assert "p_a" not in found
    with pytest.raises(ToolkitError, match="tells several classes a row, the model one class"):
        _evaluate_baseline.joined(given, rows, False)
    pairs = rows.add_column("text_pair", ["p", "q", "r"])
    evaluations.write(tmp_path / "predictions.parquet", pairs, told, names, chosen, told.max(1))
    assert _evaluate_baseline.joined(given, pairs, True)["text_pair"].tolist() == ["p", "q", "r"]
    with pytest.raises(ToolkitError, match="has other texts under the same ids"):
        _evaluate_baseline.joined(given, rows.add_column("text_pair", ["p", "q", "s"]), True)
    other = Dataset.from_dict(table | {"label": [[0, 2], [1], [2]]}, features=kinds)
    with pytest.raises(ToolkitError, match="has other labels under the same ids"):
        _evaluate_baseline.joined(given, other, True)


EVIL = "<script>document.title = 'owned'</script>"


def told_of(several: bool, kind: str = "text") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures and sections of two models on three rows, one fixed and one broken, with names that would run."""
    names, picture = [EVIL, "b", "c"], io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    images = [SimpleNamespace(cell=lambda: {"bytes": picture.getvalue()}, name=lambda: f"{EVIL}.png")] * 3
    labels, before, after = np.array([[0, 1, 0], [0, 2, 0], [1, 1, 0]])
    probabilities = np.eye(3)[after] * 0.8 + 0.1 / 3
    if several:
        labels, before, after = (np.eye(3, dtype=bool)[codes] for codes in (labels, before, after))
        before = np.pad(before, ((0, 0), (0, 1)))  # of a class that only the baseline knows
    subject = Subject(
        given=Given("source", EVIL, "model", None, ""),
        predictor=SimpleNamespace(names=names, several=several, reader=SimpleNamespace(kind=kind)),  # type: ignore[arg-type]
        rows=None,
        contents=images if kind == "image" else [(EVIL, "pair"), EVIL, "plain"],
        labels=labels,
        probabilities=probabilities,
        chosen=after,
        confidence=probabilities.max(1),
    )
    answers = comparison.Answers(before, None)
    beside = Beside(
        key="old", given=subject.given, names=[*names, "d"][: 3 + several], answers=answers, confidence=np.ones(3)
    )
    job = SimpleNamespace(config=SimpleNamespace(seed=0, comparison=_evaluate_baseline.Comparison()))
    machine = {"cpu": EVIL, "cores": 2, "accelerator": None, "device": "cpu", "threads": 1, "load": 0.0}
    efficiency = {"parameters": None, "size_bytes": 1, "samples_per_second": 2.0, "latency_ms": {"p50": 1.0}}
    stored = {"quality": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}}}
    stored |= {"efficiency": efficiency | {"machine": machine}}
    with pytest.MonkeyPatch.context() as patch:
        elsewhere = {"efficiency": efficiency | {"machine": machine | {"cpu": "other"}}}
        patch.setattr(_evaluate_baseline, "stored", lambda given: stored | elsewhere)
        found = _evaluate_baseline.measure(job, subject, [beside])  # type: ignore[arg-type]
    sections = _evaluate_baseline_report.sections(language.speaker("en"), found, subject, stored, [beside])
    return found["old"], sections


@pytest.mark.parametrize("several", [False, True])
def test_nothing_of_the_data_runs_in_the_report(several: bool) -> None:
    found, sections = told_of(several)
    assert (found["fixed"], found["broken"], found["both_right"]) == (1, 1, 1)
    text = html.render({"title": "", "sections": sections})
    assert "<script>document" not in text
    assert text.count("&lt;script&gt;document") >= 3
    assert "was timed elsewhere (other)" in text


def test_flipped_images_stand_on_a_sheet_each_way() -> None:
    _, sections = told_of(False, "image")
    drawn = [figure for section in sections for figure in section.get("figures", [])]
    assert [figure["name"] for figure in drawn] == ["broken-old", "fixed-old", "pareto"]
    assert all(figure["picture"].startswith(b"\x89PNG") for figure in drawn[:2])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["out/evaluate-prune"], ["evaluate-prune"]),
        (["a/v1.2", "b/v1.2", "c/v1-2-2"], ["v1-2", "v1-2-2", "v1-2-2-2"]),
        (["评估", "<b>"], ["评估", "b"]),
        (["..."], ["baseline"]),
    ],
)
def test_keys_of_baselines_are_safe_in_paths_and_apart(paths: list[str], expected: list[str]) -> None:
    assert _evaluate_baseline.keys(paths) == expected


def test_every_verdict_is_told_in_chinese() -> None:
    assert {*_evaluate_baseline_report.VERDICTS.values()} <= {*CHINESE}
    assert set(_evaluate_baseline_report.VERDICTS) == {"better", "worse", "equivalent", "undecided"}
