"""`toolkit split`: each option changes what it says, every kind of content, and what is refused."""

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import Called, listing, raw_rows, write_csv
from jsonschema import Draft202012Validator
from PIL import Image

import toolkit
from toolkit.errors import ToolkitError

Call = Callable[..., Called]
SCHEMA = json.loads((Path(toolkit.__file__).parent.parent / "docs/schemas/split.report.json").read_text("utf-8"))


def parts(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in sorted((folder / "data").glob("*.parquet"))}


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(found)
    return found


def ids(folder: Path) -> dict[str, set[str]]:
    return {name: set(rows["id"]) for name, rows in parts(folder).items()}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Texts with a user, a day and several topics each; three in ten rows are of one class."""
    rows = []
    for i, row in enumerate(raw_rows(120)):
        label = row["label"] if i % 3 else ("billing" if i % 2 else "delivery")
        more = {"id": f"r{i:03}", "user": f"u{i // 2 % 20}", "day": f"2024-{1 + i // 28:02}-{1 + i % 28:02}"}
        rows.append({"text": row["text"], "label": label, "topics": label if i % 4 else f"{label};urgent"} | more)
    return write_csv(tmp_path / "rows.csv", rows)


@pytest.fixture
def with_test(tmp_path: Path) -> Path:
    """A folder with a test split of its own, two of whose rows are in train with another sign."""
    rows = raw_rows(120)
    folder = tmp_path / "own"
    folder.mkdir()
    write_csv(folder / "test.csv", rows[90:])
    write_csv(folder / "train.csv", rows[:90] + [row | {"text": row["text"] + "!"} for row in rows[90:92]])
    return folder


def test_keep_test(with_test: Path, tmp_path: Path) -> None:
    kept = toolkit.split(with_test, out=tmp_path / "a")
    assert len(parts(kept.artifact)["test"]) == 30
    rejected = pd.read_parquet(kept.artifact / "rejected.parquet")
    assert list(rejected["id"]) == ["train-90", "train-91"]
    assert set(rejected["reason"]) == {"near-duplicate of test"}
    assert list(rejected["detail"]) == ["hangs together with test-0", "hangs together with test-1"]
    assert set(rejected["split"]) == {"train"}
    assert set(rejected["label"]) <= {"billing", "delivery", "product"}
    assert report(kept.artifact)["leakage"]["moved_out"] == 2
    anew = toolkit.split(with_test, out=tmp_path / "b", keep_test=False)
    assert {name: len(rows) for name, rows in parts(anew.artifact).items()} == pytest.approx(
        {"train": 98, "validation": 12, "test": 12}, abs=1
    )
    assert not len(pd.read_parquet(anew.artifact / "rejected.parquet"))
    side = {id_: name for name, found in ids(anew.artifact).items() for id_ in found}
    assert side["train-90"] == side["test-0"]
    assert side["train-91"] == side["test-1"]


def test_test_rows_only(with_test: Path, tmp_path: Path) -> None:
    (with_test / "train.csv").unlink()
    with pytest.raises(ToolkitError, match=r"test rows only: divide them with --no-keep-test"):
        toolkit.split(with_test, out=tmp_path / "a")
    made = toolkit.split(with_test, out=tmp_path / "a", keep_test=False)
    assert sum(map(len, parts(made.artifact).values())) == 30


def test_a_share_of_test_that_is_not_needed_is_told(call: Call, with_test: Path, tmp_path: Path) -> None:
    called = call("split", with_test, "--out", tmp_path / "a", "--test", 0.3)
    assert called.code == 0
    assert "--test was not needed" in called.err
    assert len(parts(tmp_path / "a")["test"]) == 30


def test_group(table: Path, tmp_path: Path) -> None:
    made = toolkit.split(table, out=tmp_path / "a", group="user")
    groups = [set(rows["group"]) for rows in parts(made.artifact).values()]
    assert not groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2]
    leakage = report(made.artifact)["leakage"]
    assert (leakage["groups"], leakage["groups_across"]) == (20, 0)
    assert "Groups across splits: 0 of 20." in (made.artifact / "README.md").read_text(encoding="utf-8")
    plain = toolkit.split(table, out=tmp_path / "b")
    users = [set(rows["user"]) for rows in parts(plain.artifact).values()]
    assert users[0] & users[1]


def test_rows_without_a_group(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    rows.loc[10:, "user"] = None
    rows.to_csv(tmp_path / "gaps.csv", index=False)
    made = toolkit.split(tmp_path / "gaps.csv", out=tmp_path / "a", group="user")
    assert {name: len(part) for name, part in parts(made.artifact).items()} == pytest.approx(
        {"train": 96, "validation": 12, "test": 12}, abs=1
    )


def test_by_time(table: Path, tmp_path: Path) -> None:
    made = toolkit.split(table, out=tmp_path / "a", by_time=True, time="day")
    found = parts(made.artifact)
    assert found["train"]["time"].max() < found["validation"]["time"].min()
    assert found["validation"]["time"].max() < found["test"]["time"].min()
    assert {name: len(rows) for name, rows in found.items()} == {"train": 96, "validation": 12, "test": 12}
    told = report(made.artifact)
    assert (told["method"], told["splits"]["train"]["from"]) == ("time", "2024-01-01")
    assert "2024-01-01" in (made.artifact / "report.html").read_text(encoding="utf-8")
    named = toolkit.split(table, out=tmp_path / "b", time="day")  # named alone, it orders nothing
    assert report(named.artifact)["method"] == "stratified"
    assert "time" in parts(named.artifact)["train"]


def test_folds(table: Path, tmp_path: Path) -> None:
    made = toolkit.split(table, out=tmp_path / "a", folds=4)
    found = parts(made.artifact)
    assert set(found) == {"train"}
    assert Counter(found["train"]["fold"]) == dict.fromkeys(range(4), 30)
    assert made.metrics == {"train": 120, "pairs_across": 0}
    told = report(made.artifact)
    assert told["leakage"]["sides"] == list(told["folds"]) == [f"fold {k}" for k in range(4)]
    assert "fold 3" in (made.artifact / "report.html").read_text(encoding="utf-8")
    again = toolkit.split(made.artifact, out=tmp_path / "b", folds=2, test=0.2)  # an old fold column is replaced
    assert {name: len(rows) for name, rows in parts(again.artifact).items()} == {"train": 96, "test": 24}
    assert set(parts(again.artifact)["train"]["fold"]) == {0, 1}


def test_folds_of_groups(table: Path, tmp_path: Path) -> None:
    made = toolkit.split(table, out=tmp_path / "a", folds=3, group="user")
    train = parts(made.artifact)["train"]
    assert (train.groupby("group")["fold"].nunique() == 1).all()
    assert (train.groupby("fold")["label"].nunique() == 3).all()


def test_several_classes(table: Path, tmp_path: Path) -> None:
    made = toolkit.split(table, out=tmp_path / "a", label="topics", label_separator=";", test=0.2)
    told = report(made.artifact)["splits"]
    assert set(told["train"]["classes"]) == {"billing", "delivery", "product", "urgent"}
    assert told["test"]["classes"]["urgent"] == pytest.approx(told["train"]["classes"]["urgent"], abs=0.05)
    assert report(made.artifact)["shares"]["test"]["made"] == pytest.approx(0.2, abs=0.01)
    assert "urgent" in (made.artifact / "README.md").read_text(encoding="utf-8")


def test_subset(table: Path, tmp_path: Path) -> None:
    made = toolkit.split(table, out=tmp_path / "a", subset=0.5)
    assert sum(map(len, parts(made.artifact).values())) == 60
    assert report(made.artifact)["subset"] == {"share": 0.5, "of": 120, "rows": 60}
    assert not len(pd.read_parquet(made.artifact / "rejected.parquet"))


def test_balance(table: Path, tmp_path: Path) -> None:
    before = parts(toolkit.split(table, out=tmp_path / "a").artifact)
    assert before["train"]["label"].value_counts().max() > 1.2 * before["train"]["label"].value_counts().min()
    under = toolkit.split(table, out=tmp_path / "b", balance="1:1").artifact
    counts = parts(under)["train"]["label"].value_counts()
    assert counts.max() == counts.min() == before["train"]["label"].value_counts().min()
    assert ids(under)["test"] == set(before["test"]["id"])
    assert set(pd.read_parquet(under / "rejected.parquet")["reason"]) == {"balance"}
    over = toolkit.split(table, out=tmp_path / "c", balance="1:1", balance_by="over").artifact
    counts = parts(over)["train"]["label"].value_counts()
    assert counts.max() == counts.min() == before["train"]["label"].value_counts().max()
    with pytest.raises(ToolkitError, match="augmented rows"):  # copies are children to later steps
        toolkit.split(over, out=tmp_path / "d")


def test_the_order_of_the_source_plays_no_part(table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).sample(frac=1, random_state=0).to_csv(tmp_path / "shuffled.csv", index=False)
    one = toolkit.split(table, out=tmp_path / "a", group="user")
    other = toolkit.split(tmp_path / "shuffled.csv", out=tmp_path / "b", group="user")
    assert ids(one.artifact) == ids(other.artifact)


def test_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, hue in ("red", 0), ("blue", 2):
        (tmp_path / "in" / kind).mkdir(parents=True)
        for i in range(12):
            pixels = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((12, 12, 1))).astype(np.uint8)
            pixels[..., hue] |= 128
            Image.fromarray(pixels).save(tmp_path / "in" / kind / f"{i:02}.png")
            if i < 4:  # the same picture, written anew
                Image.fromarray(pixels).save(tmp_path / "in" / kind / f"{i:02}-again.jpg", quality=90)
    made = toolkit.split(tmp_path / "in", out=tmp_path / "a", validation=0.25, test=0.25)
    side = {id_: name for name, found in ids(made.artifact).items() for id_ in found}
    assert len(side) == 32
    for kind in "red", "blue":
        for i in range(4):
            pair = [where for id_, where in side.items() if f"{kind}/{i:02}" in id_]
            assert len(pair) == 2
            assert len(set(pair)) == 1
    assert (told := report(made.artifact)["leakage"])["kind"] == "image"
    assert (told["near_duplicate_pairs"], told["near_duplicate_pairs_across"]) == (8, 0)
    with Image.open(io.BytesIO(parts(made.artifact)["train"]["image"][0]["bytes"])) as picture:
        assert picture.size == (96, 96)


@pytest.mark.parametrize("kind", ["series", "table"])
def test_numbers(kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    values[30:40] = values[:10]
    rows = pd.DataFrame({"label": ["a", "b"] * 30})
    if kind == "series":
        rows["series"] = [[row.tolist()] for row in values]
    else:
        rows[list("wxyz")] = values
    rows.to_parquet(tmp_path / "rows.parquet")
    made = toolkit.split(tmp_path / "rows.parquet", out=tmp_path / "a")
    told = report(made.artifact)["leakage"]
    assert (told["kind"], told["threshold"], told["near_duplicate_pairs"]) == (kind, 1.0, 10)
    side = {id_: name for name, found in ids(made.artifact).items() for id_ in found}
    assert all(side[f"train-{i}"] == side[f"train-{i + 30}"] for i in range(10))


def test_the_report_tells_shares_reasons_and_proof(call: Call, table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    rows.loc[:89, "user"] = "everybody"
    rows.to_csv(tmp_path / "large.csv", index=False)
    argv = ("--group", "user", "--validation", 0.2, "--test", 0.2)
    called = call("split", tmp_path / "large.csv", "--out", tmp_path / "a", *argv)
    assert called.code == 0
    reason = "train has 75.0% of the rows, not 60.0%: group 'everybody' has 90 of 120 rows and cannot be parted"
    assert f"warning: {reason}" in called.err
    assert report(tmp_path / "a")["reasons"] == [reason]
    html = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    for words in ("candidate pairs checked", "cannot be parted", "Class shares", "75.0%", "60.0%"):
        assert words in html
    assert (tmp_path / "a" / "figures" / "classes.png").is_file()
    assert "candidate pairs checked" in (tmp_path / "a" / "README.md").read_text(encoding="utf-8")


def test_dry_run(call: Call, table: Path, tmp_path: Path) -> None:
    called = call("split", table, "--out", tmp_path / "a", "--folds", 5, "--test", 0.25, "--dry-run", "--json")
    plan = json.loads(called.out)["metrics"]
    assert plan["rows"] == {"train": 120}
    assert plan["shares"] == pytest.approx({"test": 0.25} | {f"fold {k}": 0.15 for k in range(5)})
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--folds", "5", "--by-time", "--time", "day"), "--folds and --by-time exclude each other"),
        (("--folds", "5", "--validation", "0.1"), "--folds and --validation exclude each other"),
        (("--folds", "5", "--balance", "1:1"), "--folds and --balance exclude each other"),
        (("--balance-by", "over"), "--balance-by has no ratio to go by"),
        (("--folds", "80"), "too few rows of billing, delivery, product for 80 splits"),
        (("--folds", "21", "--group", "user"), "too few rows of"),
        (("--by-time",), "has no time column: name the one to divide by with --time"),
        (("--by-time", "--time", "user"), "has the time 'u0', which is neither a number nor a date"),
        (("--time", "nosuch"), "no column 'nosuch'"),
        (("--group", "usr"), "did you mean user"),
        (("--balance", "1.5"), "--balance 1.5 is no ratio"),
        (("--balance", "3:1"), "--balance 3:1 asks for a smallest class"),
        (("--balance", "1:2", "--label", "topics", "--label-separator", ";"), "takes rows of one class each"),
        (("--subset", "0"), "--subset 0 leaves no row"),
        (("--subset", "0.01"), "nothing is left for"),
        (("--validation", "0.5", "--test", "0.5"), "leave nothing for train"),
        (("--group", "label", "--label", "topics"), "nothing is left for"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refused(call: Call, table: Path, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    called = call("split", table, "--out", tmp_path / "deep" / "a", "-q", *options)
    assert (called.code, called.out, called.err.count("\n")) == (1, "", 1)
    assert called.err.startswith("error: ")
    assert says in called.err
    assert listing(tmp_path) == {"rows.csv"}


@pytest.mark.parametrize("options", [("--folds", "1"), ("--subset", "2"), ("--balance-by", "both"), ("--test", "1")])
def test_wrong_usage(call: Call, table: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert call("split", table, "--out", tmp_path / "a", *options).code == 2


def test_all_rows_in_one_group(call: Call, table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).assign(user="me").to_csv(tmp_path / "one.csv", index=False)
    called = call("split", tmp_path / "one.csv", "--out", tmp_path / "a", "--group", "user", "-q")
    assert called.code == 1
    assert "nothing is left for validation, test: group 'me' has 120 of 120 rows" in called.err
