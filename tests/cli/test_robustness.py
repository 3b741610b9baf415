"""`evaluate`'s options of robustness: what they write, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import Called, pictures, raw_rows, refused, write_csv
from jsonschema import Draft202012Validator
from unit.image_models import tiny

import toolkit
from toolkit.artifacts import loading

Call = Callable[..., Called]
SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "evaluate.metrics.json"
WORDS = ["rocket", "comet", "planet", "orbit", "moon", "star", "crater", "probe", "galaxy", "telescope"]


@pytest.fixture(autouse=True)
def _not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed is not what is tried here."""
    from toolkit.inference import timing

    monkeypatch.setattr(timing, "ROUNDS", 1)
    monkeypatch.setattr(timing, "LATENCY_ROWS", 2)
    monkeypatch.setattr(timing, "MOST_ROWS", 32)
    monkeypatch.setattr(timing, "WARM_UP", 0)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of another kind, with a label column that is nobody's."""
    rows = [{"text": f"{a} {b} {c}", "label": "space"} for a in WORDS for b in WORDS for c in WORDS if a < b < c]
    return write_csv(tmp_path_factory.mktemp("space") / "space.csv", rows)


def measured(folder: Path) -> Any:
    """`metrics.json`, which keeps its schema; and the report says all sections."""
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(found)
    return found["robustness"]


def test_rows_from_elsewhere(call: Call, split: Path, model: Path, elsewhere: Path, tmp_path: Path) -> None:
    given = ("evaluate", model, "--data", split, "--ood", elsewhere)
    called = call(*given, "--out", tmp_path / "e", "--max", "robustness.ood.fpr95=0", "--device", "cpu")
    assert called.code == 3  # the gate's figure is found
    found = measured(tmp_path / "e")["ood"]
    assert (found["method"], found["chosen_on"]) == ("energy", None)
    assert found["auroc"] == found["methods"]["energy"]["auroc"]
    assert {"max_softmax", "mahalanobis", "relative_mahalanobis", "knn_1", "knn_10", "vim"} < {*found["methods"]}
    assert found["methods"]["knn_1"]["auroc"]["value"] > 0.9
    assert found["fitted_rows"] == len(pd.read_parquet(split / "data" / "train.parquet"))
    assert found["rows"] == 120
    report = (tmp_path / "e" / "report.html").read_text(encoding="utf-8")
    for told in ("Out of distribution", "relative_mahalanobis", "Leaving rows out"):
        assert told in report


def test_the_method_is_chosen_on_rows_of_its_own(split: Path, model: Path, elsewhere: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(elsewhere)
    folder = tmp_path / "space"
    folder.mkdir()
    rows[::2].to_csv(folder / "validation.csv", index=False)
    rows[1::2].to_csv(folder / "test.csv", index=False)
    options = {"data": str(split), "ood": str(folder), "ood_validation": str(folder)}
    made = toolkit.evaluate(model, out=tmp_path / "e", **options)
    found = measured(made.artifact)["ood"]
    assert found["rows"] == 60
    assert found["chosen_on"] == str(folder)
    chances = found["validation_auroc"]
    assert chances.keys() == found["methods"].keys()
    assert chances[found["method"]] == max(chances.values())
    assert found["auroc"] == found["methods"][found["method"]]["auroc"]
    again = toolkit.evaluate(model, out=tmp_path / "v", ood_split="validation", **(options | {"ood_validation": None}))
    assert measured(again.artifact)["ood"]["auroc"] != found["methods"]["energy"]["auroc"]


def test_repeats_are_told(split: Path, model: Path, elsewhere: Path, tmp_path: Path) -> None:
    test = pd.read_parquet(split / "data" / "test.parquet")[["text"]]
    pd.concat([test[:3], pd.read_csv(elsewhere)[["text"]][:20]]).to_csv(tmp_path / "mixed.csv", index=False)
    made = toolkit.evaluate(model, data=str(split), ood=str(tmp_path / "mixed.csv"), out=tmp_path / "e")
    told = json.loads((made.artifact / "artifact.json").read_text(encoding="utf-8"))["warnings"]
    assert any("3 of the contents of --ood are among the test rows" in line for line in told)


def test_data_without_train_has_the_logits_alone(split: Path, model: Path, elsewhere: Path, tmp_path: Path) -> None:
    alone = split / "data" / "test.parquet"
    made = toolkit.evaluate(model, data=str(alone), split="train", ood=str(elsewhere), out=tmp_path / "e")
    assert [*measured(made.artifact)["ood"]["methods"]] == ["max_softmax", "energy"]
    told = json.loads((made.artifact / "artifact.json").read_text(encoding="utf-8"))["warnings"]
    assert any("by the logits alone" in line for line in told)


def test_noise_and_attacks_on_texts(split: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("courier,messenger\n发票,票据\n", encoding="utf-8")
    options = {"data": str(split), "noise": 12, "attack": 10, "lang": "zh"}
    made = toolkit.evaluate(model, out=tmp_path / "e", **options)
    found = measured(made.artifact)
    assert {*found["noise"]["kinds"]} == {"typos", "case", "punctuation"}
    assert (found["noise"]["rows"], found["attack"]["rows"]) == (12, 10)
    attack = found["attack"]
    assert {*attack["methods"]} == {"synonyms", "characters"}
    assert attack["constraint"] == {"max_changed": 0.2, "min_similarity": 0.7}
    lost = attack["success"]["value"] * attack["right"]
    assert attack["accuracy"]["value"] * 10 == pytest.approx(attack["right"] - lost)
    for method in attack["methods"].values():
        assert method["success"]["value"] <= attack["success"]["value"]
        assert method["similarity"] is None or method["similarity"] >= 0.7
    report = (made.artifact / "report.html").read_text(encoding="utf-8")
    assert "自然噪声" in report
    assert "对抗攻击" in report
    more = toolkit.evaluate(
        model, out=tmp_path / "f", synonyms=str(tmp_path / "own.csv"), max_changed=1.0, min_similarity=0.0, **options
    )
    wider = measured(more.artifact)["attack"]
    assert wider["success"]["value"] >= attack["success"]["value"]
    assert wider["constraint"] == {"max_changed": 1.0, "min_similarity": 0.0}
    assert measured(more.artifact)["noise"] == found["noise"]


def test_noise_on_texts_that_it_cannot_change(call: Call, model: Path, tmp_path: Path) -> None:
    """One text, of which a typo may leave what it was; one without a word."""
    short = write_csv(tmp_path / "short.csv", [{"text": "oo aa", "label": "billing"}])
    made = toolkit.evaluate(model, data=str(short), split="train", out=tmp_path / "e", noise=1)
    kinds = measured(made.artifact)["noise"]["kinds"]
    assert {len(of["accuracy"]) for of in kinds.values()} == {5}
    signs = write_csv(tmp_path / "signs.csv", [{"text": "?! ...", "label": "billing"}])
    called = call("evaluate", model, "--data", signs, "--split", "train", "--out", tmp_path / "f", "--noise", 1)
    assert called.code == 0
    assert "no noise: it changes none" in called.err
    assert "noise" not in measured(tmp_path / "f")


def test_both_texts_of_a_pair_are_shown_of_those_that_were_attacked() -> None:
    from toolkit.commands import _evaluate_attack
    from toolkit.evaluation.robustness.text_attack import Attacked
    from toolkit.reports import html, language

    rows = [(Attacked("a good film", "a god film", 0, 1), "<b>it was</b>"), (Attacked("so bad", "so bed", 1, 0), "")]
    share = {"value": 1.0, "low": 0.3, "high": 1.0}
    figures = {"rows": 2, "right": 2, "success": share, "accuracy": share, "methods": {"characters": {
        "success": share, "accuracy": share}}, "constraint": {"max_changed": 0.2, "min_similarity": 0.7}}  # fmt: skip
    found = _evaluate_attack.Attack(figures=figures, examples={"characters": rows})
    sections = _evaluate_attack.sections(language.speaker("zh"), found, ["yes", "no"])
    page = html.render({"title": "", "lang": "zh", "sections": sections})
    assert "<del>good</del><ins>god</ins> film\n&lt;b&gt;it was&lt;/b&gt;</td>" in page
    assert page.count("字符笔误") == 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("train", "test"):
        pictures(folder / name)
    return folder


@pytest.fixture(scope="module")
def sees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of images with random weights."""
    folder = tmp_path_factory.mktemp("vit")
    loading.save(folder, *tiny("vit", id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1}))
    return folder


def test_images(photos: Path, sees: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "other")
    made = toolkit.evaluate(
        sees, data=str(photos), out=tmp_path / "e", noise=8, attack=16, eps=16.0, ood=str(tmp_path / "other"),
    )  # fmt: skip
    found = measured(made.artifact)
    assert {*found["noise"]["kinds"]} == {"blur", "jpeg", "brightness"}
    assert {*found["attack"]["methods"]} == {"fgsm", "pgd"}
    assert found["attack"]["constraint"] == {"eps": 16.0}
    assert found["attack"]["methods"]["pgd"]["queries"] == 10
    weak = toolkit.evaluate(sees, data=str(photos), out=tmp_path / "f", attack=16, eps=1.0, attack_steps=2)
    assert measured(weak.artifact)["attack"]["success"]["value"] <= found["attack"]["success"]["value"]


def test_a_converted_model_has_no_gradients_and_no_features(photos: Path, sees: Path, tmp_path: Path) -> None:
    data = {"data": str(photos)}
    made = toolkit.quantize(sees, out=tmp_path / "q", method="fp16", **data)
    pictures(tmp_path / "other")
    found = toolkit.evaluate(
        made.artifact, out=tmp_path / "e", attack=6, attack_queries=20, eps=40.0, ood=str(tmp_path / "other"), **data
    )
    robustness = measured(found.artifact)
    assert {*robustness["attack"]["methods"]} == {"square"}
    assert 1 <= robustness["attack"]["methods"]["square"]["queries"] <= 20
    assert [*robustness["ood"]["methods"]] == ["max_softmax", "energy"]
    told = json.loads((found.artifact / "artifact.json").read_text(encoding="utf-8"))["warnings"]
    assert any("does not show the model's features" in line for line in told)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--ood-validation", "OOD"), ("--ood-validation chooses", "give --ood")),
        (("--ood-split", "test"), ("--ood-split", "give --ood")),
        (("--ood", "IMAGES"), ("holds images", "takes texts")),
        (("--ood", "EMPTY"), ("no rows",)),
        (("--ood", "OOD", "--ood-split", "odd"), ("no odd split", "train")),
        (("--ood", "OOD", "--ood-validation", "OOD", "--split", "validation"), ("needs a validation split",)),
        (("--attack", 5, "--synonyms", "OOD.txt"), ("no such file",)),
    ],
)
def test_refused(
    call: Call, split: Path, model: Path, elsewhere: Path, photos: Path, tmp_path: Path, options: Any, says: Any
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("text,label\n", encoding="utf-8")
    paths = {"OOD": elsewhere, "IMAGES": photos, "EMPTY": empty}
    refused(call, tmp_path, "evaluate", model, "--data", split, *(paths.get(o, o) for o in options), says=says)


def test_pairs_beside_single_texts_are_refused(call: Call, split: Path, model: Path, tmp_path: Path) -> None:
    rows = [{"text": row["text"], "text_pair": "and more"} for row in raw_rows(12)]
    pairs = write_csv(tmp_path / "pairs.csv", rows)
    refused(
        call, tmp_path, "evaluate", model, "--data", split, "--ood", pairs, says="text and text_pair, the data text"
    )
