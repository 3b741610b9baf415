"""The whole of a division: what must stay together does, the proof is measured afresh, what leaves says why."""

import numpy as np
import pyarrow as pa
import pytest
from datasets import DatasetDict

from toolkit.data import columns
from toolkit.data.split import proof, together
from toolkit.data.split.division import Wish
from toolkit.data.split.run import pool_of, run, summary
from toolkit.errors import ToolkitError

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
WORDS = [f"{a}{b}" for a in ("am", "bir", "ced", "du", "em", "fro") for b in ("ber", "ch", "sk")]


def texts(count, seed=0):
    rng = np.random.default_rng(seed)
    return [f"{' '.join(rng.choice(WORDS, 8))} {seed * 1000 + i}" for i in range(count)]


def data(count=60, classes=3, test=0, **more):
    rows = {
        "id": [f"r{i:03}" for i in range(count)],
        "text": texts(count),
        "label": [i % classes for i in range(count)],
    }
    tables = {"train": pa.table(rows | more)}
    if test:
        rows = {"id": [f"t{i:03}" for i in range(test)], "text": texts(test, 1), "label": [0, 1, 2] * (test // 3)}
        tables["test"] = pa.table(rows | {name: pa.nulls(test, pa.array(v).type) for name, v in more.items()})
    return columns.to_dataset(tables, "x", complete=True)


def change(rows, column, values):
    """A dataset with some cells changed: {row number: value}."""
    old = list(rows[column])
    for row, value in values.items():
        old[row] = value
    return columns.with_column(rows, column, pa.array(old), rows.features[column])


def divide(whole, shares=SHARES, seed=0, **more):
    pool = pool_of(whole, "x", by_time=more.get("by_time", False))
    wish = Wish(shares=shares, seed=seed, **more)
    outcome = run(pool, whole["train"].features, wish)
    return outcome, summary(pool, outcome, wish)


def side_of(outcome):
    return {id_: name for name, rows in outcome.made.items() for id_ in rows["id"]}


def test_near_duplicates_chain_groups_together():
    """a1 ~ b1 by text, a1 and a2 by group, b1 and b2 by group: all four on one side."""
    group = [None] * 60
    group[1] = group[11] = "a"
    group[2] = group[22] = "b"
    whole = data(group=group)
    whole["train"] = change(whole["train"], "text", {2: whole["train"]["text"][1] + "!!"})
    for seed in range(8):
        outcome, result = divide(whole, seed=seed)
        assert len({side_of(outcome)[f"r{i:03}"] for i in (1, 2, 11, 22)}) == 1
        assert result["clusters"] == {"of_several_rows": 1, "largest": 4}
        leakage = result["leakage"]
        assert (leakage["near_duplicate_pairs"], leakage["near_duplicate_pairs_across"]) == (1, 0)
        assert (leakage["groups"], leakage["groups_across"], leakage["moved_out"]) == (2, 0, 0)


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_rows_without_a_group_are_groups_of_their_own(empty):
    codes = together.groups(pa.table({"group": ["a", empty, "b", empty, "a"]}))
    assert codes[1] == codes[3] == -1
    assert codes[0] == codes[4] != codes[2]
    assert together.group_links(codes).tolist() == [[0, 4]]


def test_groups_of_any_plain_type():
    for values in ([1, 2, None, 1], [1.5, 2.5, float("nan"), 1.5], [True, False, None, True]):
        codes = together.groups(pa.table({"group": pa.array(values)}))
        assert codes[0] == codes[3] != codes[1]
        assert codes[2] == -1
    assert together.groups(pa.table({"x": [1, 2]})).tolist() == [-1, -1]
    with pytest.raises(ToolkitError, match="group column is nested"):
        together.groups(pa.table({"group": [[1], [2]]}))


def test_a_kept_test_is_whole_and_what_hangs_together_with_it_leaves():
    whole = data(test=9, group=["own"] + [None] * 59)
    whole["train"] = change(whole["train"], "text", {4: whole["test"]["text"][2] + " !"})
    whole["train"] = change(whole["train"], "group", {7: "g", 8: "g", 9: "h"})
    whole["test"] = change(whole["test"], "group", {5: "g"})
    outcome, result = divide(whole, {"train": 0.8, "validation": 0.2})
    assert list(outcome.made["test"]["id"]) == [f"t{i:03}" for i in range(9)]
    assert outcome.division.rejected == [
        (4, "near-duplicate of test", "hangs together with t002"),
        (7, "same group as test", "hangs together with t005"),
        (8, "same group as test", "hangs together with t005"),
    ]
    assert len(outcome.made["train"]) + len(outcome.made["validation"]) == 57
    assert result["leakage"]["moved_out"] == 3
    assert result["leakage"]["sides"] == ["train", "validation", "test"]


def test_all_rows_near_a_kept_test():
    whole = data(6, test=9)
    whole["train"] = change(whole["train"], "text", dict(enumerate(whole["test"]["text"][:6])))
    with pytest.raises(
        ToolkitError, match=r"every row is a near-duplicate of test, or of one of its groups.*--no-keep-test"
    ):
        divide(whole, {"train": 1.0})


def test_what_the_first_search_missed_is_found_and_divided_again(monkeypatch):
    """The proof is measured with hash functions of its own: a pair that it finds across is a link from then on."""
    real, seeds = together.near_links, []

    def forgetful(table, label="", seed=None):
        found, checked = real(table, label, **({"seed": seed} if seed else {}))
        seeds.append(seed)
        return (found if seed else found[:0]), checked

    whole = data()
    copies = {i + 30: whole["train"]["text"][i] + "." for i in range(30)}
    whole["train"] = change(whole["train"], "text", copies)
    monkeypatch.setattr(together, "near_links", forgetful)
    outcome, result = divide(whole)
    side = side_of(outcome)
    assert all(side[f"r{i:03}"] == side[f"r{i + 30:03}"] for i in range(30))
    assert result["leakage"]["near_duplicate_pairs_across"] == 0
    assert seeds[0] is None
    assert 2 <= len(set(seeds[1:])) == len(seeds[1:])


def test_what_is_found_again_and_again_is_an_error(monkeypatch):
    found = iter(range(10))
    monkeypatch.setattr(together, "near_links", lambda table, label="", **seed: (np.array([[next(found), 59]]), 1))
    monkeypatch.setattr(together, "clusters", lambda count, links: np.arange(count))
    with pytest.raises(ToolkitError, match="1 near-duplicate pairs stand on two sides"):
        divide(data(), {"train": 0.5, "test": 0.5})


def test_a_group_on_two_sides_is_never_published(monkeypatch):
    monkeypatch.setattr(together, "group_links", lambda codes: np.zeros((0, 2), np.int64))
    with pytest.raises(RuntimeError, match="1 groups stand on two sides"):
        divide(data(group=["g"] * 30 + [None] * 30))


def test_the_proof_finds_leaks():
    one = pa.table({"text": [*texts(3), "the quick brown fox jumps over it"], "group": ["g", None, "h", None]})
    other = pa.table({"text": ["The quick brown fox jumps over it!", *texts(3, 1)], "group": ["g", "i", None, "i"]})
    leakage, across = proof.measured({"train": one, "test": other}, seed=11)
    assert across.tolist() == [[3, 4]]
    assert leakage["near_duplicate_pairs_across"] == 1
    assert (leakage["groups"], leakage["groups_across"]) == (3, 1)


def test_folds():
    whole = data(61, test=9)
    wish = {f"fold {k}": 0.25 for k in range(4)}
    whole["train"] = change(whole["train"], "text", {i + 20: whole["train"]["text"][i] + "?" for i in range(20)})
    outcome, result = divide(whole, wish, folds=4)
    assert set(outcome.made) == {"train", "test"}
    train = outcome.made["train"]
    assert list(train["id"]) == [f"r{i:03}" for i in range(61)]
    fold = dict(zip(train["id"], train["fold"], strict=True))
    assert all(fold[f"r{i:03}"] == fold[f"r{i + 20:03}"] for i in range(20))
    assert {(f, c) for f, c in zip(train["fold"], train["label"], strict=True)} == {
        (f, c) for f in range(4) for c in range(3)
    }
    assert result["leakage"]["sides"] == [*wish, "test"]
    assert result["leakage"]["near_duplicate_pairs"] == 20
    assert sum(part["rows"] for part in result["folds"].values()) == result["splits"]["train"]["rows"] == 61


def test_folds_beside_a_test_that_is_made():
    outcome, result = divide(data(), {"test": 0.2, "fold 0": 0.4, "fold 1": 0.4}, folds=2)
    assert {name: len(rows) for name, rows in outcome.made.items()} == {"train": 48, "test": 12}
    assert set(outcome.made["train"]["fold"]) == {0, 1}
    assert "fold" not in outcome.made["test"].column_names
    assert result["leakage"]["sides"] == ["test", "fold 0", "fold 1"] or len(result["leakage"]["sides"]) == 3


def test_a_class_with_too_few_clusters_for_the_folds():
    group = ["g"] * 60
    for i in range(60):
        group[i] = "one" if i % 3 == 0 and i < 54 else f"own {i}"
    wish = {f"fold {k}": 0.2 for k in range(5)}
    with pytest.raises(ToolkitError, match=r"too few rows of 0 for 5 folds.* 3 of 0 are left: ask for 3 folds"):
        divide(data(group=group), wish, folds=5)


def test_folds_that_cannot_all_have_each_class():
    """Seven groups, each with the three classes of its lines in the Fano plane, have no two-colouring."""
    lines = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]
    rows = [(point, line) for line, points in enumerate(lines) for point in points]
    table = {
        "id": [f"r{i:02}" for i in range(21)],
        "text": texts(21),
        "label": [line for _, line in rows],
        "group": [f"p{point}" for point, _ in rows],
    }
    whole = columns.to_dataset({"train": pa.table(table)}, "x", complete=True)
    with pytest.raises(ToolkitError, match="no way was found to give each of 2 folds a row of"):
        divide(whole, {"fold 0": 0.5, "fold 1": 0.5}, folds=2)


def test_by_time():
    time = [f"2024-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(60)]
    whole = data(time=time)
    whole["train"] = change(whole["train"], "text", {59: whole["train"]["text"][0] + "!"})
    outcome, result = divide(whole, by_time=True)
    assert outcome.division.rejected == [(59, "near-duplicate of train", "hangs together with r000")]
    ends = [(p["from"], p["to"]) for p in result["splits"].values()]
    assert [e for pair in ends for e in pair] == sorted(e for pair in ends for e in pair)
    assert ends[0][0] == "2024-01-01"
    assert [len(rows) for rows in outcome.made.values()] == [35, 12, 12]
    assert result["method"] == "time"


def test_by_time_beside_a_kept_test():
    whole = data(30, test=9, time=list(range(30)))
    whole["test"] = change(whole["test"], "time", dict(enumerate(range(25, 34))))
    outcome, result = divide(whole, {"train": 0.8, "validation": 0.2}, by_time=True)
    assert len(outcome.made["test"]) == 9
    assert result["reasons"] == ["4 rows are later than the first of test, which is kept as it is"]
    assert (result["splits"]["test"]["from"], result["splits"]["test"]["to"]) == ("25", "33")


def test_a_class_that_comes_too_late_for_train():
    whole = data(60, time=list(range(60)))
    whole["train"] = change(whole["train"], "label", {i: int(i > 50) for i in range(60)})
    with pytest.raises(ToolkitError, match="no row of 1 can be in train: all are later"):
        divide(whole, by_time=True)


def test_shares_that_cannot_come_out_have_a_reason():
    outcome, result = divide(data(group=["big"] * 45 + [f"g{i}" for i in range(15)]))
    assert len(outcome.made["train"]) == 45
    assert result["reasons"] == [
        "train has 75.0% of the rows, not 60.0%: group 'big' has 45 of 60 rows and cannot be parted"
    ]
    assert result["shares"]["train"] == {"wanted": 0.6, "made": 0.75}
    whole = data()
    whole["train"] = change(whole["train"], "text", {i: whole["train"]["text"][0] + "." * i for i in range(45)})
    _, result = divide(whole)
    assert "a cluster of near-duplicates (around row r000) has 45 of 60 rows" in result["reasons"][0]
    assert divide(data())[1]["reasons"] == []


def test_groups_too_coarse_for_a_share_are_the_reason():
    """None is larger than train, so none alone stands in the way."""
    _, result = divide(data(group=[f"g{i // 15}" for i in range(60)]), {"train": 0.6, "test": 0.4})
    assert result["reasons"] == [
        "train has 50.0% of the rows, not 60.0%: 60 rows hang together in 4 clusters, the largest of 15 rows"
    ]


def test_one_group_of_all_rows():
    with pytest.raises(ToolkitError, match=r"nothing is left for validation, test: group 'g' has 60 of 60 rows"):
        divide(data(group=["g"] * 60))
    with pytest.raises(ToolkitError, match="nothing is left for validation: 3 rows are too few"):
        divide(data(3), {"train": 0.9, "validation": 0.1})


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_subset_is_stratified_whole_in_clusters_and_not_rejected(share):
    whole = data(300, test=9)
    whole["train"] = change(whole["train"], "text", {i + 100: whole["train"]["text"][i] + "." for i in range(100)})
    whole["train"] = change(
        whole["train"], "label", dict.fromkeys(range(1, 300), 2) | dict.fromkeys(range(200, 220), 1)
    )
    outcome, result = divide(whole, {"train": 0.8, "validation": 0.2}, subset=share)
    drawn = len(outcome.made["train"]) + len(outcome.made["validation"])
    assert drawn == pytest.approx(300 * share, abs=3)
    assert result["subset"] == {"share": share, "of": 300, "rows": drawn}
    labels = [c for name in ("train", "validation") for c in outcome.made[name]["label"]]
    assert labels.count(0) == 1  # of a class at least one
    assert labels.count(1) == 20 * share
    assert not outcome.division.rejected
    side = side_of(outcome)
    assert all(side.get(f"r{i:03}") == side.get(f"r{i + 100:03}") for i in range(1, 100))
    assert len(outcome.made["test"]) == 9


def test_balance_under():
    whole = data(120)
    whole["train"] = change(whole["train"], "label", dict.fromkeys(range(90), 0))
    outcome, result = divide(whole, balance="1:1.5")
    counts = np.bincount(outcome.made["train"]["label"]).tolist()
    assert counts == [9, 6, 6]
    assert [reason for _, reason, _ in outcome.division.rejected] == ["balance"] * 51
    assert outcome.division.rejected[0][2] == "0: 9 of 60 rows stay"
    assert result["balance"] == {"ratio": "1:1.5", "by": "under", "dropped": 51, "copied": 0}
    assert [len(outcome.made[name]) for name in ("validation", "test")] == [24, 24]  # as they were


def test_balance_over():
    whole = data(120, method=["phone"] * 120, method_original=["x"] * 120)
    whole["train"] = change(whole["train"], "label", dict.fromkeys(range(90), 0))
    whole["train"] = change(whole["train"], "id", {i: f"r{i + 90:03}+1" for i in range(30)})  # what copies would have
    outcome, result = divide(whole, balance="1:2", balance_by="over")
    train = outcome.made["train"].to_pandas()
    assert np.bincount(train["label"]).tolist() == [60, 30, 30]
    copies = train[train["parent_id"].notna()]
    assert len(copies) == result["balance"]["copied"] == 48
    assert set(copies["method"]) == {"oversample"}
    assert (set(copies["method_original"]), set(copies["method_original_"])) == ({"x"}, {"phone"})
    assert copies["parent_id"].value_counts().max() <= 5
    originals = train[train["parent_id"].isna()].set_index("id")
    assert (originals.loc[copies["parent_id"], "text"].to_numpy() == copies["text"].to_numpy()).all()
    ids = [id_ for rows in outcome.made.values() for id_ in rows["id"]]
    assert len(ids) == len(set(ids))
    assert set(outcome.made["validation"]["parent_id"]) == {None}
    assert not outcome.division.rejected
    assert result["leakage"]["near_duplicate_pairs_across"] == 0


@pytest.mark.parametrize("more", [{}, {"subset": 0.5}, {"balance": "1:1"}, {"by_time": True}, {"folds": 3}], ids=str)
def test_the_order_of_the_source_plays_no_part(more):
    whole = data(90, group=[f"g{i % 40}" if i % 3 else None for i in range(90)], time=[i // 20 for i in range(90)])
    whole["train"] = change(whole["train"], "text", {i + 45: whole["train"]["text"][i] + "?" for i in range(9)})
    whole["train"] = change(whole["train"], "label", dict.fromkeys(range(30), 0))
    shares = {f"fold {k}": 1 / 3 for k in range(3)} if "folds" in more else SHARES
    sides = []
    for seed in (None, 1, 2):
        rows = whole["train"] if seed is None else whole["train"].shuffle(seed=seed)
        outcome, _ = divide(DatasetDict(train=rows), shares, **more)
        side = side_of(outcome)
        if "folds" in more:
            side = dict(zip(outcome.made["train"]["id"], outcome.made["train"]["fold"], strict=True))
        sides.append(side)
    assert sides[0] == sides[1] == sides[2]


@pytest.mark.parametrize("kind", ["series", "table"])
def test_other_kinds_by_equality(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3))
    values[20:30] = values[:10]
    rows = {"id": [f"r{i:02}" for i in range(40)], "label": [0, 1] * 20}
    rows |= {"series": [[v.tolist()] for v in values]} if kind == "series" else dict(zip("abc", values.T, strict=True))
    outcome, result = divide(columns.to_dataset({"train": pa.table(rows)}, "x", complete=True))
    side = side_of(outcome)
    assert all(side[f"r{i:02}"] == side[f"r{i + 20:02}"] for i in range(10))
    leakage = result["leakage"]
    assert (leakage["kind"], leakage["threshold"], leakage["near_duplicate_pairs"]) == (kind, 1.0, 10)


def test_rows_of_several_classes():
    rows = {"id": [f"r{i:03}" for i in range(100)], "text": texts(100)}
    rows["label"] = [["a"] if i % 2 else ["a", "bc"[i % 4 // 2]] for i in range(100)]
    outcome, result = divide(columns.to_dataset({"train": pa.table(rows)}, "x", complete=True))
    assert [len(part) for part in outcome.made.values()] == [60, 20, 20]
    assert result["splits"]["test"]["classes"] == pytest.approx({"a": 1.0, "b": 0.25, "c": 0.25}, abs=0.051)
