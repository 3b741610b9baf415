"""error-analysis as a user calls it: what was planted is in the plan, with a command that the command line takes."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from helpers import Called, refused, write_evaluation
from jsonschema import Draft202012Validator

import toolkit
from toolkit import cli, inputs

Call = Callable[..., Called]
SCHEMAS = Path(toolkit.__file__).parent.parent / "docs" / "schemas"
CLASSES = ["billing", "delivery", "product", "<b>other</b>"]


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def analysed(evaluation: Path, out: Path, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """slices.json and the findings, both of their schemas."""
    made = toolkit.error_analysis(evaluation, out=out, **options).artifact
    found, plan = read(made, "slices.json"), read(made, "plan.json")
    for name, value in (("slices", found), ("plan", plan)):
        Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))).validate(value)
    return found, plan["findings"]


def rows(seed: int = 0, count: int = 2000, *, plant: bool = True) -> tuple[dict[str, Any], Any, dict[str, set[int]]]:
    """Columns and a calibrated model's probabilities of texts of random words; what was planted, by name.

    A source that is wrong half of the time, a word that draws the answer to the first class, and wrong labels.
    """
    rng = np.random.default_rng(seed)
    texts = [" ".join(f"word{i}" for i in rng.zipf(1.5, 8) % 300) for _ in range(count)]
    true, classes = rng.integers(0, 4, count), np.arange(4)
    source = rng.choice(["app", "mail", "web"], count).astype(object)
    sure = rng.uniform(0.9, 0.999, count)
    said = np.where(rng.random(count) < sure, true, (true + rng.integers(1, 4, count)) % 4)
    label, planted = true.copy(), {}
    if plant:
        order = rng.permutation(count)
        planted = {"source": set(order[:80]), "word": set(order[80:160]), "label": set(order[160:280])}
        bad, drawn, other = (sorted(planted[k]) for k in ("source", "word", "label"))
        source[bad] = "fax"
        said[bad] = np.where(rng.random(80) < 0.5, (true[bad] + 1) % 4, true[bad])
        sure[bad] = 0.55
        for i in drawn:
            texts[i] += " shortcut"
        said[drawn] = np.where(rng.random(80) < 0.8, 0, said[drawn])
        label[other] = (true[other] + rng.integers(1, 4, 120)) % 4
    chance = np.where(classes == said[:, None], sure[:, None], (1 - sure[:, None]) / 3)
    return {"text": texts, "label": label.tolist(), "source": source.tolist()}, chance, planted


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns, chance, _ = rows()
    return write_evaluation(tmp_path_factory.mktemp("planted") / "e", columns, chance, CLASSES)


def test_what_was_planted_is_in_the_plan(planted: Path, tmp_path: Path) -> None:
    found, plan = analysed(planted, tmp_path / "a")
    named = {(f["kind"], f["column"], f["value"]) for f in plan}
    assert named == {
        ("column", "source", "fax"), ("keyword", "keyword", "shortcut"), ("label", "label", "probably wrong"),
        ("calibration", "confidence", "high (> 0.9)"),
    }  # fmt: skip
    gains = [f["gain_at_most"] for f in plan]
    assert gains == sorted(gains, reverse=True)
    told = next(f for f in plan if f["value"] == "fax")
    predictions = pd.read_parquet(planted / "predictions.parquet")
    fax = predictions[predictions["source"] == "fax"]
    assert (told["rows"], told["errors"]) == (len(fax), (fax["label"] != fax["predicted"]).sum())
    assert told["gain_at_most"] == pytest.approx(told["errors"] / 2000)
    assert 0 < told["expected_gain"] < told["gain_at_most"]
    assert sum(f["errors_not_above"] for f in plan if f["kind"] != "calibration") <= found["errors"]
    planted_labels = {f"r{i}" for i in rows()[2]["label"]}
    doubted = next(f for f in plan if f["kind"] == "label")
    listed = pd.read_csv(tmp_path / "a" / "rows" / f"{doubted['number']}.csv")
    assert len(set(listed["id"]) & planted_labels) > 0.7 * len(planted_labels)
    assert len(set(listed["id"]) & planted_labels) > 0.5 * len(listed)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_in_the_plan_where_nothing_was_planted(tmp_path: Path, seed: int) -> None:
    columns, chance, _ = rows(seed, plant=False)
    found, plan = analysed(write_evaluation(tmp_path / "e", columns, chance, CLASSES), tmp_path / "a")
    assert found["errors"] > 50
    assert (plan, found["slices"]) == ([], [])
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "Nothing stands out from what errors at random would show too." in page


def parsed(line: str) -> dict[str, Any]:
    """What the command line makes of a line, without running it."""
    from typer.main import get_command

    program, name, *argv = shlex.split(line)
    assert program == "toolkit"
    group = get_command(cli.build_app())
    with group.make_context("toolkit", [name, *argv], resilient_parsing=False) as context:
        command = group.get_command(context, name)
        return dict(command.make_context(name, argv, parent=context).params)


def test_each_command_is_one_of_the_toolkit(planted: Path, tmp_path: Path) -> None:
    from toolkit.commands import _error_plan, _error_rows
    from toolkit.commands import error_analysis as command
    from toolkit.step import Job

    _, plan = analysed(planted, tmp_path / "a")
    job = Job(command.STEP, None, {}, out=tmp_path / "a")
    job.inputs["source"] = inputs.resolve("source", "evaluation", str(planted))
    table = _error_rows.read(job, job.inputs["source"])
    base = {
        "inside": np.arange(9),
        "hit": np.ones(9, bool),
        "number": 1,
        "where": [{"column": "label", "value": "-x y"}],
    }
    kinds = {"class": "label", "cluster": "cluster", "conjunction": "a and b", "confusion": "label -> predicted"}
    pairs = [*kinds.items(), *(("column", name) for name in ("length", "near train", "brightness"))]
    made = [_error_plan._command(job, table, base | {"kind": k, "column": c}) for k, c in pairs]
    for line in [*(f["command"] for f in plan), *made]:
        values = parsed(line)
        assert values["source"] == "DATA"
        assert values["out"].startswith("DATA-")
    assert parsed(made[0])["only_classes"] == ["-x y"]


def test_each_command_names_the_columns_that_evaluate_was_told(tmp_path: Path) -> None:
    columns, chance, _ = rows()
    folder = write_evaluation(tmp_path / "e", columns, chance, CLASSES)
    made = read(folder, "artifact.json")
    made["config"] = {"columns": {"text": "body", "label": "a topic", "image": None}}
    (folder / "artifact.json").write_text(json.dumps(made), encoding="utf-8")
    _, plan = analysed(folder, tmp_path / "a")
    assert {f["kind"] for f in plan} == {"column", "keyword", "label", "calibration"}
    for line in (f["command"] for f in plan):
        values = parsed(line)
        assert (values["text"], values["label"], values["image"]) == ("body", "a topic", None)


def test_of_a_quantized_model_the_one_before_is_trained(tmp_path: Path) -> None:
    columns, chance, _ = rows()
    folder = write_evaluation(tmp_path / "e", columns, chance, CLASSES)
    made = read(folder, "artifact.json")
    before = {"name": "source", "path": "FLOAT", "kind": "model", "digest": ""}
    lineage = {"command": "quantize", "inputs": [{"name": "data", "path": "D"}, before]}
    made["inputs"] = [before | {"path": "INT8", "lineage": lineage}]
    (folder / "artifact.json").write_text(json.dumps(made), encoding="utf-8")
    _, plan = analysed(folder, tmp_path / "a")
    line = next(f["command"] for f in plan if f["kind"] == "calibration")
    assert parsed(line)["model"] == "FLOAT"


def test_rows_that_the_model_takes_for_alike_are_a_slice(tmp_path: Path) -> None:
    """No word or column tells them, and their answers differ."""
    from types import SimpleNamespace

    from toolkit.commands import _error_model, _error_rows, _error_search
    from toolkit.step import Job

    rng = np.random.default_rng(0)
    columns, chance, _ = rows(plant=False, count=900)
    alike = np.arange(900) % 9 == 4
    said = chance.argmax(1)
    said = np.where(alike & (rng.random(900) < 0.6), (said + 1) % 4, said)
    chance = np.where(np.arange(4) == said[:, None], 0.91, 0.03)
    read = np.zeros((900, 12))
    read[:, :4] = 5 * np.eye(4)[said]  # the answer is most of what the last layer reads
    read[:, 4] = alike
    read[:, 5:] = rng.normal(0, 0.05, (900, 7))
    folder = write_evaluation(tmp_path / "e", {k: columns[k] for k in ("text", "label")}, chance, CLASSES)
    given = {"source": inputs.resolve("source", "evaluation", str(folder)), "model": None}
    job: Any = SimpleNamespace(inputs=given, config=SimpleNamespace(seed=0), kept={})
    job.kept["predictor"] = SimpleNamespace(features=lambda contents, label: (None, read[: len(contents)]))
    table = _error_rows.read(cast(Job, job), given["source"])
    vectors = _error_model.vectors(job, table, None)
    found = _error_search.search(job, table, _error_rows.traits(table, [], {}), vectors)
    (cluster,) = (i for i in found.picked if found.every.kinds[i] == "cluster")
    assert found.every.rows(cluster).tolist() == np.flatnonzero(alike).tolist()


def test_of_pairs_both_texts_are_shown(planted: Path, tmp_path: Path) -> None:
    columns, chance, _ = rows()
    pair = [f"=second {i}" for i in range(2000)]
    folder = write_evaluation(tmp_path / "e", columns | {"text_pair": pair}, chance, CLASSES)
    found, plan = analysed(folder, tmp_path / "a", baseline=planted)
    number = next(f["number"] for f in plan if f["kind"] == "label")
    listed = pd.read_csv(tmp_path / "a" / "rows" / f"{number}.csv").set_index("id")
    assert listed["text_pair"].iloc[0] == f"'=second {listed.index[0][1:]}"  # no formula
    task = read(tmp_path / "a" / "rows", f"{number}.label_studio.json")[0]["data"]
    assert task["text_pair"] == f"=second {task['row_id'][1:]}"
    assert '"$text_pair"' in (tmp_path / "a" / "rows" / "label_studio.xml").read_text("utf-8")
    doubted = found["labels"]["rows"][0]
    assert doubted["text"].endswith(f" ‖ =second {doubted['id'][1:]}")
    worst = pd.read_parquet(tmp_path / "a" / "errors.parquet")["id"][0]
    assert f"=second {worst[1:]}<" in (tmp_path / "a" / "report.html").read_text("utf-8")


def test_a_source_that_the_model_gets_surely_wrong_is_no_wrong_label(tmp_path: Path) -> None:
    """As dark images do: many errors in all, so that no slice can have twice their rate."""
    columns, chance, _ = rows(plant=False, count=600)
    label, night = np.array(columns["label"]), np.arange(600) % 5 == 0
    said = np.where(np.random.default_rng(0).random(600) < 0.3, (label + 1) % 4, chance.argmax(1))
    chance = np.where(np.arange(4) == said[:, None], 0.7, 0.1)
    chance[night] = np.where(np.arange(4) == 0, 0.97, 0.01)
    columns["source"] = np.where(night, "night", "day").tolist()
    found, plan = analysed(write_evaluation(tmp_path / "e", columns, chance, CLASSES), tmp_path / "a")
    assert 2 * found["errors"] > 0.7 * found["rows"]
    assert "night" in {f["value"] for f in plan}
    assert "label" not in {f["kind"] for f in plan}


def test_relabelled_rows_go_back_by_clean(planted: Path, tmp_path: Path) -> None:
    columns, _, _ = rows()
    source = pd.DataFrame(columns).assign(
        id=[f"r{i}" for i in range(2000)], label=[CLASSES[i] for i in columns["label"]]
    )
    source.to_csv(tmp_path / "source.csv", index=False)
    _, plan = analysed(planted, tmp_path / "a", data=str(tmp_path / "source.csv"))
    doubted = next(f for f in plan if f["kind"] == "label")
    path = tmp_path / "a" / "rows" / f"{doubted['number']}.csv"
    listed = pd.read_csv(path)
    assert (listed["label"] == listed["was"]).all()
    assert (listed["suggested"] != listed["was"]).all()
    tasks = read(path.parent, f"{doubted['number']}.label_studio.json")
    assert [task["data"]["row_id"] for task in tasks] == listed["id"].tolist()
    assert (path.parent / "label_studio.xml").is_file()
    listed.assign(label=listed["suggested"]).to_csv(tmp_path / "corrected.csv", index=False)
    values = parsed(doubted["command"])
    assert (values["source"], values["corrections"]) == (str(tmp_path / "source.csv"), str(path))
    options = {"corrections": str(tmp_path / "corrected.csv"), "stages": ["missing", "annotation"]}
    made = toolkit.clean(values["source"], out=tmp_path / "c", **options).artifact
    figures = next(s for s in read(made, "report.json")["stages"] if s["name"] == "annotation")["figures"]
    assert figures["corrections"]["applied"] == len(listed)


def changed(columns: dict[str, Any], chance: Any, right: list[int]) -> Any:
    """Probabilities with these rows answered rightly."""
    out = chance.copy()
    out[right] = 0.01
    out[right, np.array(columns["label"])[right]] = 0.97
    return out


def test_what_differs_from_a_baseline(planted: Path, tmp_path: Path) -> None:
    columns, chance, places = rows()
    better = write_evaluation(tmp_path / "e", columns, changed(columns, chance, sorted(places["source"])), CLASSES)
    found, _ = analysed(better, tmp_path / "a", baseline=str(planted))
    told = found["baseline"]
    before, after = (pd.read_parquet(p / "predictions.parquet") for p in (planted, better))
    was, now = (t["label"] != t["predicted"] for t in (before, after))
    assert (told["fixed"], told["broken"], told["common"]) == (
        (was & ~now).sum(),
        (~was & now).sum(),
        (was & now).sum(),
    )
    assert told["difference"]["high"] < 0
    assert [s["value"] for s in told["fixed_gather"]] == ["fax"]
    assert told["broken_gather"] == []
    assert {e["id"] for e in told["fixed_examples"]} <= {f"r{i}" for i in places["source"]}
    assert "Against the baseline" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")


def test_a_baseline_is_joined_by_id_and_refused_on_other_data(planted: Path, call: Call, tmp_path: Path) -> None:
    columns, chance, _ = rows()
    order = np.random.default_rng(0).permutation(2000)
    mixed = {name: [values[i] for i in order] for name, values in columns.items()} | {"id": [f"r{i}" for i in order]}
    found, _ = analysed(
        write_evaluation(tmp_path / "e", mixed, chance[order], CLASSES), tmp_path / "a", baseline=planted
    )
    assert (found["baseline"]["fixed"], found["baseline"]["broken"]) == (0, 0)
    for name, change in (("ids", {"id": [f"x{i}" for i in range(2000)]}), ("texts", {"text": ["other"] * 2000})):
        other = write_evaluation(tmp_path / name, columns | change, chance, CLASSES)
        refused(call, tmp_path, "error-analysis", planted, "--baseline", other, says=("made on other data",))


def test_what_a_plan_has_done(planted: Path, tmp_path: Path) -> None:
    analysed(planted, tmp_path / "old")
    columns, chance, places = rows()
    better = write_evaluation(tmp_path / "e", columns, changed(columns, chance, sorted(places["source"])), CLASSES)
    found, _ = analysed(better, tmp_path / "new", after=str(tmp_path / "old"))
    told = {f["value"]: f for f in found["after"]["findings"]}
    assert (told["fax"]["verdict"], told["fax"]["joined"], told["fax"]["after"]["value"]) == ("keep", "id", 0)
    assert told["shortcut"]["verdict"] == "discard"  # as many errors as before
    assert told["shortcut"]["difference"]["value"] == 0


def test_what_a_plan_has_done_on_other_rows(planted: Path, tmp_path: Path) -> None:
    analysed(planted, tmp_path / "old")
    columns, chance, places = rows(seed=9)
    chance = changed(columns, chance, sorted(places["word"]))
    other = columns | {"id": [f"new{i}" for i in range(2000)]}
    found, _ = analysed(
        write_evaluation(tmp_path / "e", other, chance, CLASSES), tmp_path / "new", after=tmp_path / "old"
    )
    told = {f["value"]: f for f in found["after"]["findings"]}
    assert (told["shortcut"]["joined"], told["shortcut"]["verdict"]) == ("definition", "keep")
    assert told["fax"]["joined"] == "definition"
    assert told["fax"]["verdict"] != "keep"
    assert (told["probably wrong"]["joined"], told["probably wrong"]["verdict"]) == (None, "undecided")


def test_a_column_that_is_called_keyword_is_no_word(tmp_path: Path) -> None:
    made = []
    for seed, name in ((0, "old"), (9, "new")):
        columns, chance, _ = rows(seed)
        columns |= {"keyword": columns.pop("source"), "id": [f"{name}{i}" for i in range(2000)]}
        made.append(write_evaluation(tmp_path / name, columns, chance, CLASSES))
    analysed(made[0], tmp_path / "a")
    found, _ = analysed(made[1], tmp_path / "b", after=tmp_path / "a")
    told = {f["value"]: f for f in found["after"]["findings"]}
    assert (told["fax"]["joined"], told["fax"]["after"]["rows"]) == ("definition", 80)


def test_after_wants_a_plan(planted: Path, evaluation: Path, call: Call, tmp_path: Path) -> None:
    refused(call, tmp_path, "error-analysis", planted, "--after", evaluation, says=("holds no plan.json",))
    analysed(small(tmp_path / "e", 40, [0, 1] * 20), tmp_path / "of-others")
    says = ("is of other classes (a …",)
    refused(call, tmp_path, "error-analysis", planted, "--after", tmp_path / "of-others", says=says)


def small(folder: Path, count: int, label: list[int], **columns: Any) -> Path:
    chance = np.full((count, 3), 0.1)
    chance[np.arange(count), np.arange(count) % 2] = 0.8
    texts = [f"<script>alert({i})</script> text" for i in range(count)]
    return write_evaluation(folder, {"text": texts, "label": label} | columns, chance, ["a", "b", "<i>c</i>"])


@pytest.mark.parametrize(
    ("count", "label"),
    [(3, [0, 1, 1]), (3, [0, 1, 0]), (1, [2]), (40, [0, 1] * 20), (40, [0] * 40), (40, [2] * 40)],
    ids=["one error", "no error", "one row", "zero errors", "one class", "all wrong"],
)
def test_little_to_look_at(tmp_path: Path, count: int, label: list[int]) -> None:
    found, plan = analysed(small(tmp_path / "e", count, label), tmp_path / "a")
    assert found["errors"] == sum(k != i % 2 for i, k in enumerate(label))
    assert [f for f in plan if f["kind"] not in ("calibration", "class")] == []
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<i>c</i>" not in page


def test_ten_thousand_classes(tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(10_000)]
    chance = np.full((60, 10_000), 1e-5)
    chance[np.arange(60), np.arange(60)] = 0.9
    label = [i if i % 3 else i + 1 for i in range(60)]
    folder = write_evaluation(tmp_path / "e", {"text": [f"text {i}" for i in range(60)], "label": label}, chance, names)
    assert analysed(folder, tmp_path / "a")[0]["errors"] == 20


def test_columns_that_are_asked_for(planted: Path, call: Call, tmp_path: Path) -> None:
    refused(call, tmp_path, "error-analysis", planted, "--by", "sourse", says=("no column 'sourse'", "source"))
    refused(call, tmp_path, "error-analysis", planted, "--by", "id", says=("--by id does not divide the rows",))
    several = small(tmp_path / "e", 40, [0] * 40, amount=[float(i) for i in range(40)], tag=["x", None] * 20)
    found, _ = analysed(several, tmp_path / "a", by=["amount"])
    assert found["columns"]["amount"][0]["value"] == "0 to 7"
    assert "tag" not in found["columns"]


def rewritten(folder: Path, table: pd.DataFrame) -> Path:
    """The evaluation with other predictions, its manifest true again."""
    path = folder / "predictions.parquet"
    table.to_parquet(path)
    manifest = read(folder, "artifact.json")
    manifest["outputs"][0]["bytes"] = path.stat().st_size
    (folder / "artifact.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_unlabelled_predictions_are_refused_and_unlabelled_rows_left_out(call: Call, tmp_path: Path) -> None:
    folder = small(tmp_path / "e", 40, [0] * 40)
    table = pd.read_parquet(folder / "predictions.parquet")
    rewritten(folder, table.assign(label=[None] * 10 + table["label"].tolist()[10:]))
    assert analysed(folder, tmp_path / "a")[0]["rows"] == 30
    rewritten(folder, table.drop(columns="label"))
    refused(call, tmp_path, "error-analysis", folder, says=("has no labels", "toolkit evaluate"))


def test_the_models_part_is_found_by_the_lineage(evaluation: Path, model: Path, tmp_path: Path) -> None:
    found, _ = analysed(evaluation, tmp_path / "a", explain=2)
    assert len(found["attribution"]) == min(2, found["errors"])
    predictions = pd.read_parquet(evaluation / "predictions.parquet").set_index("id")
    for told in found["attribution"]:
        assert "".join(text for text, _ in told["parts"]) == predictions.loc[told["id"], "text"]
        assert any(weight for _, weight in told["parts"])
    assert 'class="for"' in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    names = [i["name"] for i in read(tmp_path / "a", "artifact.json")["inputs"]]
    assert names == ["source", "model", "data"]
    assert analysed(evaluation, tmp_path / "b", explain=0)[0]["attribution"] == []


def test_what_is_not_at_hand_is_left_out_and_said(planted: Path, call: Call, tmp_path: Path) -> None:
    called = call("error-analysis", planted, "--out", tmp_path / "a")
    assert called.code == 0
    assert "--model says where it is" in called.err
    assert "--data says where it is" in called.err
    assert read(tmp_path / "a", "slices.json")["attribution"] == []


def test_a_model_of_other_classes_is_refused(planted: Path, model: Path, call: Call, tmp_path: Path) -> None:
    says = ("does not know the class <b>other</b>",)
    refused(call, tmp_path, "error-analysis", planted, "--model", model, says=says)


def test_near_duplicates_of_train_are_told(tmp_path: Path) -> None:
    columns, chance, _ = rows(plant=False)
    label = columns["label"]
    train = [{"text": columns["text"][i] + "!", "label": CLASSES[label[i]]} for i in range(50)]
    train += [{"text": columns["text"][i], "label": CLASSES[(label[i] + 1) % 4]} for i in range(50, 100)]
    pd.DataFrame(train).to_csv(tmp_path / "train.csv", index=False)
    evaluation = write_evaluation(tmp_path / "e", columns, chance, CLASSES)
    found, _ = analysed(evaluation, tmp_path / "a", train=str(tmp_path / "train.csv"))
    counted = {s["value"]: s["rows"] for s in found["columns"]["near train"]}
    assert counted["with the same label"] >= 50
    assert counted["with another label"] >= 50
    assert counted["no near-duplicate"] > 1500


def test_rows_of_several_classes(tmp_path: Path) -> None:
    """All right but where the source is "fax": there the first class is missed, and half of these have the last."""
    rng = np.random.default_rng(0)
    true, fax = rng.random((1500, 4)) < 0.5, np.arange(1500) % 10 == 0
    true[~true.any(1), 1] = True
    said = true.copy()
    said[fax, 0] = False
    said[fax & (np.arange(1500) % 20 == 0), 3] = True
    chance = np.where(said, 0.95, 0.05)
    columns = {
        "text": [f"text {i % 97} of word{i % 13}" for i in range(1500)],
        "label": [row.nonzero()[0].tolist() for row in true],
        "source": np.where(fax, "fax", "mail").tolist(),
    }
    found, plan = analysed(write_evaluation(tmp_path / "e", columns, chance, CLASSES), tmp_path / "a")
    chosen = said.copy()
    chosen[np.arange(1500), chance.argmax(1)] = True
    assert found["errors"] == (chosen != true).any(1).sum()
    pairs = {(c["label"], c["predicted"]): c["errors"] for c in found["confusions"]}
    assert pairs["billing", "(missed)"] == (true & ~chosen)[:, 0].sum() > 0
    assert pairs["(extra)", "<b>other</b>"] == (chosen & ~true)[:, 3].sum() > 0
    assert ("column", "fax") in {(f["kind"], f["value"]) for f in plan}
    assert (tmp_path / "a" / "rows" / "1.csv").is_file()
    assert not list((tmp_path / "a" / "rows").glob("*.json"))  # Label Studio is asked for one class


def test_the_page_in_chinese(planted: Path, tmp_path: Path) -> None:
    toolkit.error_analysis(planted, out=tmp_path / "a", lang="zh")
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "下一步行动" in page
    assert "What to do next" not in page


def test_the_same_call_gives_the_same_files(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        toolkit.error_analysis(planted, out="a")
        made.append({p.name: p.read_bytes() for p in Path("a").rglob("*") if p.is_file() and p.name != "artifact.json"})
    assert made[0] == made[1]
