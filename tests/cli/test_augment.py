"""`augment` as a command: which rows, how many, by which strategy, for every kind of content, and whether it helps."""

import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import raw_rows, write_csv

import toolkit
from toolkit.artifacts import model as models
from toolkit.commands import _models
from toolkit.data import labels
from toolkit.errors import ToolkitError

SAMPLES = Path(__file__).parents[2] / "sample_data"
UNEVEN = {"complaint": 30, "praise": 12, "question": 5}


def rows(folder, split="train"):
    return pd.read_parquet(folder / "data" / f"{split}.parquet")


def children(folder):
    return rows(folder).query("parent_id.notna()")


def report(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.fixture
def uneven(tmp_path):
    """Three classes of 30, 12 and 5 rows in train, and a test split."""
    folder = tmp_path / "uneven"
    folder.mkdir()
    made, left = [], dict(UNEVEN)
    labels = sorted({row["label"] for row in raw_rows(200)})
    names = dict(zip(labels, UNEVEN, strict=True))
    for row in raw_rows(200):
        name = names[row["label"]]
        if left[name]:
            left[name] -= 1
            made.append(row | {"label": name})
    write_csv(folder / "train.csv", made)
    write_csv(folder / "test.csv", [row | {"text": f"{row['text']} again", "label": names[row["label"]]}
                                    for row in raw_rows(9)])  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ({"copies": 2}, {"complaint": 90, "praise": 36, "question": 15}),
        ({"target_ratio": "1:1.5"}, {"complaint": 30, "praise": 20, "question": 20}),
        ({"target_ratio": "1:1"}, {"complaint": 30, "praise": 30, "question": 30}),
        ({"target_ratio": "1:1", "copies": 1}, {"complaint": 30, "praise": 24, "question": 10}),
        ({"only_classes": ["praise"], "copies": 3}, {"complaint": 30, "praise": 48, "question": 5}),
        ({"target_ratio": "1:1", "only_classes": ["question"]}, {"complaint": 30, "praise": 12, "question": 30}),
        ({"copies": 1, "max_rows": 24}, {"complaint": 45, "praise": 18, "question": 8}),
    ],
)
def test_how_many(uneven, tmp_path, options, after):
    made = toolkit.augment(uneven, out=tmp_path / "out", method=["random_swap"], **options)
    grown = report(made.artifact)["classes"]
    assert {name: found["in"] for name, found in grown.items()} == UNEVEN
    assert {name: found["out"] for name, found in grown.items()} == pytest.approx(after, abs=1)
    if "max_rows" in options:
        assert len(children(made.artifact)) == options["max_rows"]


def test_a_strategy_in_every_format(uneven, tmp_path):
    (tmp_path / "s.json").write_text('{"text": {"random_swap": 0.3, "random_deletion": {"p": 0.7, "alpha": 0.3}}}')
    (tmp_path / "s.toml").write_text("[text]\nrandom_swap = 0.3\nrandom_deletion = {p = 0.7, alpha = 0.3}\n")
    (tmp_path / "s.yaml").write_text("random_swap: 0.3\nrandom_deletion_p: 0.7\nrandom_deletion_alpha: 0.3\n")
    made = [toolkit.augment(uneven, out=tmp_path / kind, strategy=str(tmp_path / f"s.{kind}"), copies=4)
            for kind in ("json", "toml", "yaml")]  # fmt: skip
    texts = [children(m.artifact)["text"].tolist() for m in made]
    assert texts[0] == texts[1] == texts[2]
    counts = Counter(children(made[0].artifact)["method"])
    assert set(counts) == {"random_swap", "random_deletion"}
    assert counts["random_deletion"] > 1.4 * counts["random_swap"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": ["random_swop"]}, "no method 'random_swop'.*random_swap"),
        ({"method": ["random_swap=1.5"]}, r"p of random_swap is 1\.5.*between 0 and 1"),
        ({"method": ['random_swap={"alfa": 0.2}']}, "no parameter 'alfa'.*alpha"),
        ({"method": ["random_swap=much"]}, "--method random_swap=much"),
        ({"method": ["random_swap=0"]}, "no method has a weight above 0"),
        ({"strategy": {"text": {"rotate": 3}}}, "no method 'rotate'"),
        ({"strategy": {"image": {"rotate": 3}}}, "has no section 'text'"),
        ({"strategy": {"text": {}, "sound": {}}}, "no kind of content 'sound'"),
        ({"strategy": {"random_swap": "often"}}, "p of random_swap is 'often'.*type float"),
        ({"target_ratio": "3:2"}, "--target-ratio 3:2"),
        ({"only_classes": ["prais"]}, "there is no such class.*praise"),
        ({"require_gain": True}, "add --check"),
        ({"method": ["entity_replacement"]}, "entity_replacement needs --gazetteer"),
        ({"method": ["random_swap"], "synonyms": "wordnet"}, "no method reads --synonyms"),
        ({"backward": "builtin:text-tiny"}, "no method reads --backward"),
        ({"rounds": 2}, "no method reads --rounds"),
        ({"method": ["sentence_shuffle"], "alpha": 0.3}, "no method reads --alpha"),
        ({"method": ['random_swap={"alpha": 0.2}'], "alpha": 0.3}, "no method reads --alpha"),
        ({"strategy": {"random_swap": 1}, "method": ["random_swop"]}, r"s\.json and --method: no method 'random_swop'"),
    ],
)
def test_what_is_asked_must_make_sense(uneven, tmp_path, options, says):
    if isinstance(options.get("strategy"), dict):
        (tmp_path / "s.json").write_text(json.dumps(options["strategy"]))
        options = options | {"strategy": str(tmp_path / "s.json")}
    with pytest.raises(ToolkitError) as caught:
        toolkit.augment(uneven, out=tmp_path / "out", **options)
    assert re.search(says, f"{caught.value}: {caught.value.hint}")
    assert not (tmp_path / "out").exists()


def test_rows_that_cannot_be_augmented_are_counted(tmp_path, call):
    source = write_csv(tmp_path / "odd.csv", [
        {"text": text, "label": label}
        for label, texts in {"a": ["👍", "👍👍👍", "!?", "ok"], "b": ["fine words here", "word " * 500]}.items()
        for text in texts
    ])  # fmt: skip
    folder = tmp_path / "folder"
    folder.mkdir()
    source.rename(folder / "train.csv")
    called = call("augment", folder, "--out", tmp_path / "out", "--method", "random_swap")
    assert called.code == 0
    found = report(tmp_path / "out")
    assert found["passed_over"] == 5
    assert found["methods"]["random_swap"]["made"] == 1
    assert "new rows that could not be made: 5" in called.err


def test_children_are_no_parents(uneven, tmp_path):
    """An augmented dataset may be augmented again: its children stay as they are."""
    first = toolkit.augment(uneven, out=tmp_path / "a", method=["random_swap"])
    second = toolkit.augment(first.artifact, out=tmp_path / "b", method=["random_deletion"])
    made, before = rows(second.artifact), rows(first.artifact)
    assert made["id"].is_unique
    assert set(before["id"]) < set(made["id"])
    originals = set(before.query("parent_id.isna()")["id"])
    assert set(children(second.artifact)["parent_id"]) <= originals
    assert not made["text"].duplicated().any()


def test_repeats_of_split_are_no_parents(uneven, tmp_path):
    divided = toolkit.split(uneven, out=tmp_path / "split", balance="1:1", balance_by="over", validation=0.2)
    made = toolkit.augment(divided.artifact, out=tmp_path / "out", method=["random_swap"])
    assert set(children(made.artifact)["method"]) == {"oversample", "random_swap"}


@pytest.mark.parametrize("name", ["images", "series", "table.csv", "text.csv"])
@pytest.mark.parametrize("preset", ["light", "strong", "noise"])
def test_every_kind_of_content(tmp_path, name, preset):
    label = {"label": "glaze"} if name == "table.csv" else {}
    cleaned = toolkit.clean(SAMPLES / name, out=tmp_path / "clean", **label).artifact
    source = toolkit.split(cleaned, out=tmp_path / "split", subset=0.5).artifact
    before = rows(source)
    made = toolkit.augment(source, out=tmp_path / "out", preset=preset, max_rows=40)
    again = toolkit.augment(source, out=tmp_path / "again", preset=preset, max_rows=40, workers=1)
    assert made.metrics == again.metrics
    assert (made.artifact / "data/train.parquet").read_bytes() == (again.artifact / "data/train.parquet").read_bytes()
    grown = children(made.artifact)
    assert len(rows(made.artifact)) - len(grown) == len(before)
    assert len(grown) >= 0.9 * min(40, len(before))
    parents = before.set_index("id").loc[grown["parent_id"]]
    assert (parents["label"].to_numpy() == grown["label"].to_numpy()).all()
    assert "<h2" in (made.artifact / "report.html").read_text(encoding="utf-8")


def test_check_tells_the_gain_and_is_a_gate(uneven, tmp_path, call):
    called = call("augment", uneven, "--out", tmp_path / "out", "--copies", "2", "--check", "--require-gain", "--json")
    found = report(tmp_path / "out")["check"]
    assert set(found) == {"all", "synonym_replacement", "random_insertion", "random_swap", "random_deletion"}
    for figures in found.values():
        assert figures["gain"]["low"] <= figures["gain"]["value"] <= figures["gain"]["high"]
        assert figures["gain"]["value"] == pytest.approx(figures["with"] - figures["without"])
        assert 0 < figures["rows"] <= len(children(tmp_path / "out"))
    assert called.code == (0 if found["all"]["gain"]["low"] > 0 else 3)
    assert json.loads(called.out)["metrics"]["gain"] == pytest.approx(found["all"]["gain"]["value"], abs=1e-4)


def test_check_trains_the_model_too(uneven, tmp_path):
    made = toolkit.augment(uneven, out=tmp_path / "out", check=True, model="builtin:text-tiny", max_rows=10)
    found = report(made.artifact)["check"]["model"]
    assert found["rows"] <= 10
    assert found["gain"]["low"] <= found["gain"]["value"] == pytest.approx(found["with"] - found["without"])


def test_a_classifier_drops_what_it_takes_for_another_class(model, split, tmp_path, monkeypatch):
    def probabilities(texts, batch_size, label):
        return np.eye(3)[[len(text) % 3 for text in texts]]

    monkeypatch.setattr(_models, "predictor", lambda *_: SimpleNamespace(probabilities=probabilities))
    kept = toolkit.augment(split, out=tmp_path / "out", method=["random_deletion"], model=model)
    counts, grown = report(kept.artifact)["methods"]["random_deletion"], children(kept.artifact)
    assert counts["flipped"] > len(grown) == counts["made"] > 20
    length = rows(split).set_index("id")["text"].str.len()
    assert (length[grown["parent_id"]].to_numpy() % 3 == grown["text"].str.len().to_numpy() % 3).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "neither fills masks nor tells the classes.*add --check"),
        ({"model": "builtin:text-tiny"}, "neither fills masks nor tells the classes.*add --check"),
    ],
)
def test_a_model_without_a_use_is_told(model, uneven, tmp_path, options, says):
    """Whoever gives a classifier believes that it watches: one of other classes can't."""
    with pytest.raises(ToolkitError) as caught:
        toolkit.augment(uneven, out=tmp_path / "out", method=["random_deletion"], **{"model": model} | options)
    assert re.search(says, f"{caught.value}: {caught.value.hint}")


def test_a_masked_language_model_that_no_method_asks_is_told(uneven, tmp_path, monkeypatch, model):
    monkeypatch.setattr(models, "fills_masks", lambda _: True)
    with pytest.raises(ToolkitError, match="no method asks") as caught:
        toolkit.augment(uneven, out=tmp_path / "out", method=["random_deletion"], model=model, dry_run=True)
    assert "synonym_replacement" in caught.value.hint
    toolkit.augment(uneven, out=tmp_path / "out", method=["synonym_replacement"], model=model, dry_run=True)


def test_similarity_is_a_bound(uneven, tmp_path):
    strict = toolkit.augment(uneven, out=tmp_path / "a", method=["random_deletion"], alpha=0.5, min_similarity=0.8)
    assert report(strict.artifact)["methods"]["random_deletion"]["too different"] > 10
    free = toolkit.augment(uneven, out=tmp_path / "b", method=["random_deletion"], alpha=0.5, min_similarity=0.0)
    assert report(free.artifact)["methods"]["random_deletion"]["too different"] == 0


def test_mixtures_have_shares_that_training_uses(tmp_path):
    source = toolkit.split(SAMPLES / "images", out=tmp_path / "split").artifact
    made = toolkit.augment(source, out=tmp_path / "out", method=["mixup", "cutmix"], max_rows=30)
    grown = children(made.artifact)
    of_two = grown[grown["label_weights"].notna()]  # the others' parents are of one class
    assert len(of_two) > 10
    shares = np.stack(of_two["label_weights"].to_list())
    assert shares.sum(1) == pytest.approx(1)
    own = shares[np.arange(len(of_two)), of_two["label"]]
    assert ((own >= 0.5) & (own < 1)).all()
    assert set(grown["partner_id"]) <= set(rows(source)["id"])


def test_alpha_is_said_for_a_preset_too(uneven, tmp_path):
    made = [toolkit.augment(uneven, out=tmp_path / str(alpha), preset="strong", alpha=alpha, min_similarity=0)
            for alpha in (0.1, 0.9)]  # fmt: skip
    gentle, hard = (children(m.artifact).query("method == 'random_deletion'")["text"].str.len().mean() for m in made)
    assert hard < 0.6 * gentle


def test_a_class_that_cannot_be_made_up_is_told(tmp_path, call):
    folder = tmp_path / "folder"
    folder.mkdir()
    many = [{"text": row["text"], "label": "many"} for row in raw_rows(40)]
    few = [{"text": "terrible", "label": "few"}] + [{"text": "👍" * i, "label": "none"} for i in range(1, 4)]
    write_csv(folder / "train.csv", many + few)
    called = call("augment", folder, "--out", tmp_path / "out", "--target-ratio", "1:2", "--min-similarity", "0")
    assert called.code == 0
    assert re.search(
        r"not made up to --target-ratio: few \(\d+ of 20\), none \(3 of 20\)", " ".join(called.err.split())
    )
    assert report(tmp_path / "out")["classes"]["none"] == {"in": 3, "out": 3}
    called = call("augment", folder, "--out", tmp_path / "b", "--target-ratio", "1:2", "--only-classes", "none")
    assert "few" not in called.err
    called = call("augment", folder, "--out", tmp_path / "c", "--target-ratio", "1:2", "--max-rows", "1")
    assert "not made up" not in called.err


def test_ids_are_unique_in_all_splits(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_csv(folder / "train.csv", [{"id": f"a{i}", **row} for i, row in enumerate(raw_rows(30))])
    others = [row | {"text": f"{row['text']} again", "id": f"a{i}+1"} for i, row in enumerate(raw_rows(6))]
    write_csv(folder / "test.csv", others)
    made = toolkit.augment(folder, out=tmp_path / "out", method=["random_swap"]).artifact
    ids = [*rows(made)["id"], *rows(made, "test")["id"]]
    assert len(set(ids)) == len(ids) > 60
    assert rows(made, "test")["id"].tolist() == [row["id"] for row in others]


@pytest.fixture
def several(tmp_path):
    """Rows of several classes: every fourth one is urgent too."""
    folder = tmp_path / "several"
    folder.mkdir()
    write_csv(folder / "train.csv", [row | {"label": row["label"] + "|urgent" * (i % 4 == 0)}
                                    for i, row in enumerate(raw_rows(60))])  # fmt: skip
    return toolkit.split(folder, out=tmp_path / "split", label_separator="|").artifact


def test_rows_of_several_classes(several, tmp_path):
    made = toolkit.augment(several, out=tmp_path / "out", method=["random_swap"], check=True).artifact
    names = list(report(made)["classes"])
    for when, split in (("in", several), ("out", made)):
        counts = rows(split)["label"].explode().value_counts()
        assert {name: found[when] for name, found in report(made)["classes"].items()} == {
            name: counts[code] for code, name in enumerate(names)
        }
    grown, before = children(made), rows(several).set_index("id")["label"]
    assert all(list(row.label) == list(before[row.parent_id]) for row in grown.itertuples())
    with pytest.raises(ToolkitError, match="one class each"):
        toolkit.augment(several, out=tmp_path / "b", check=True, model="builtin:text-tiny")


def test_images_of_several_classes_are_not_mixed(tmp_path, monkeypatch):
    source = toolkit.split(SAMPLES / "images", out=tmp_path / "split").artifact
    monkeypatch.setattr(labels, "is_multi", lambda _: True)
    with pytest.raises(ToolkitError, match="mixup gives shares"):
        toolkit.augment(source, out=tmp_path / "out", method=["mixup"], dry_run=True)
    monkeypatch.undo()
    with pytest.raises(ToolkitError, match="--model is for texts"):
        toolkit.augment(source, out=tmp_path / "out", model="builtin", dry_run=True)
    with pytest.raises(ToolkitError, match="builtin:text-tiny does not read this data"):
        toolkit.augment(source, out=tmp_path / "out", model="builtin:text-tiny", check=True, dry_run=True)


@pytest.mark.parametrize("count", [2, 3])
def test_check_of_few_rows(tmp_path, count):
    folder = tmp_path / "few"
    folder.mkdir()
    write_csv(folder / "train.csv", raw_rows(count))
    made = toolkit.augment(folder, out=tmp_path / "out", method=["random_swap"], check=True).artifact
    assert report(made)["check"]["all"]["rows"] == count


def test_a_child_keeps_what_its_parent_has(tmp_path):
    folder = tmp_path / "columns"
    folder.mkdir()
    write_csv(folder / "train.csv", [
        row | {"group": f"g{i // 3}", "time": f"2020-01-{i + 1:02}", "fold": i % 5, "method": "phone"}
        for i, row in enumerate(raw_rows(30))
    ])  # fmt: skip
    made = toolkit.augment(folder, out=tmp_path / "out", method=["random_swap"]).artifact
    kept = ["label", "source", "group", "time", "fold", "method_original"]
    grown, before = children(made), rows(made).set_index("id")
    assert (grown[kept].to_numpy() == before.loc[grown["parent_id"], kept].to_numpy()).all()
    assert set(grown["method"]) == {"random_swap"}


def test_a_table_of_synonyms_is_read_again(uneven, tmp_path):
    """In one process: the file may have changed between two calls."""
    table = tmp_path / "s.csv"
    for other in ("gaffer", "boffin"):
        table.write_text(f"Anna,{other}\nBen,{other}\n小王,{other}\n老李,{other}\n")
        made = toolkit.augment(uneven, out=tmp_path / other, method=["synonym_replacement"], synonyms=str(table))
        assert children(made.artifact)["text"].str.lower().str.contains(other).all()


def test_a_config_file_and_single_keys(uneven, tmp_path, call):
    (tmp_path / "c.toml").write_text("[rows]\ncopies = 2\n[methods]\nmethod = ['random_swap']\n")
    argv = ("augment", uneven, "--config", tmp_path / "c.toml")
    assert call(*argv, "--out", tmp_path / "a").code == 0
    assert call(*argv, "--out", tmp_path / "b", "--set", "rows.copies=1").code == 0
    assert call(*argv, "--out", tmp_path / "c", "--copies", "1").code == 0
    sizes = [len(children(tmp_path / name)) for name in "abc"]
    assert sizes[0] > 1.8 * sizes[1] == 1.8 * sizes[2]
    called = call(*argv, "--out", tmp_path / "a", "--workers", "1")
    assert "is up-to-date" in called.err
    (tmp_path / "c.toml").write_text("[rows]\ncopys = 2\n")
    called = call(*argv, "--out", tmp_path / "d")
    assert called.code == 1
    assert "copies" in called.err
