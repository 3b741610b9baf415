"""What other commands ask of `toolkit.data.split`, and how exactly classes are divided."""

import random
from collections import Counter

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from toolkit.data import split
from toolkit.data.split import stratify
from toolkit.data.split.classes import Labels
from toolkit.errors import ToolkitError

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def assign(labels, clusters, shares, seed):
    """A split's name for each row of one class; the largest split has every class."""
    names, share, codes = list(shares), list(shares.values()), np.array(labels)
    own = Labels(np.arange(len(codes) + 1), codes)
    where = stratify.divide(own, np.array(clusters), share, seed, must=[int(np.argmax(share))])
    return [names[i] for i in where.tolist()]


def worst(labels, where, shares=SHARES):
    """The largest distance in rows between a (class, split) cell and its share."""
    cells, sizes = Counter(zip(labels, where, strict=True)), Counter(labels)
    return max(abs(cells[label, s] - n * shares[s]) for label, n in sizes.items() for s in shares)


@pytest.mark.parametrize("rows_a_class", [2, 3, 5, 7, 14, 15, 105])
@pytest.mark.parametrize("shares", [SHARES, {"train": 0.9, "validation": 0.1}, {"train": 0.4, "test": 0.6}])
def test_shares_of_single_rows_are_as_exact_as_can_be(rows_a_class, shares):
    labels = [c for c in range(60) for _ in range(rows_a_class)]
    where = assign(labels, range(len(labels)), shares, seed=0)
    assert worst(labels, where, shares) < 1
    sizes = Counter(where)
    assert max(abs(sizes[s] - share * len(labels)) for s, share in shares.items()) <= 0.01 * len(labels)


@pytest.mark.parametrize("size", [2, 5, 20])
@pytest.mark.parametrize("groups", [3, 7, 30])
def test_shares_of_clusters(size, groups):
    labels = [c for c in range(40) for _ in range(size * groups)]
    clusters = [i // size for i in range(len(labels))]
    where = assign(labels, clusters, SHARES, seed=0)
    assert len(set(zip(clusters, where, strict=True))) == len(set(clusters))  # none is torn
    sizes = Counter(where)
    assert max(abs(sizes[s] / len(labels) - share) for s, share in SHARES.items()) <= 0.015
    assert worst(labels, where) <= size


def test_uneven_classes_and_clusters():
    rng = random.Random(0)
    labels = [rng.choice([0, 0, 0, 0, 1, 1, 2]) for _ in range(3000)]
    clusters = [rng.randrange(1500) if rng.random() < 0.3 else 2000 + i for i in range(3000)]
    where = assign(labels, clusters, SHARES, seed=1)
    of_cluster = {}
    for cluster, s in zip(clusters, where, strict=True):
        assert of_cluster.setdefault(cluster, s) == s
    assert worst(labels, where) < 2


def test_one_large_cluster_goes_where_it_fits():
    labels = [0] * 60 + [1] * 60
    where = assign(labels, [0] * 50 + list(range(1, 71)), SHARES, seed=0)
    assert set(where[:50]) == {"train"}
    assert all({s for s, label in zip(where, labels, strict=True) if label == c} == set(SHARES) for c in (0, 1))


def test_a_class_of_one_row_is_in_train():
    labels = list(range(30)) + [30] * 1000
    where = assign(labels, range(len(labels)), SHARES, seed=0)
    assert set(where[:30]) == {"train"}


def test_a_share_of_nothing_gets_nothing():
    where = assign([0, 1] * 50, range(100), {"train": 0.9, "validation": 0.0, "test": 0.1}, seed=0)
    assert Counter(where) == {"train": 90, "test": 10}


def test_the_seed_decides():
    labels = [0, 1, 2] * 100
    one, same, other = (assign(labels, range(300), SHARES, seed) for seed in (3, 3, 4))
    assert one == same != other


def dataset(**parts):
    features = {"id": Value("string"), "label": ClassLabel(names=["a", "b"])}
    out = DatasetDict()
    for name, columns in parts.items():
        rows = {"text": [f"{name} {i * 7919} {i * 104729}" for i in range(len(columns["id"]))]} | columns
        more = {key: Value("string") for key in rows if key not in features}
        out[name] = Dataset.from_dict(rows, features=Features(features | more))
    return out


def test_with_validation_takes_a_stratified_share_of_the_parents_and_drops_their_children():
    ids = [f"r{i}" for i in range(100)]
    train = {
        "id": ids + [f"{i}+1" for i in ids] + ["orphan+1"],
        "label": [0] * 80 + [1] * 20 + [0] * 80 + [1] * 20 + [1],
        "parent_id": [None] * 100 + [*ids, "orphan"],
    }
    data = split.with_validation(dataset(train=train, test={"id": ["t"], "label": [0]}), 0.1, seed=0)
    held = set(data["validation"]["id"])
    assert Counter(data["validation"]["label"]) == {0: 8, 1: 2}
    assert held < set(ids)
    expected = [i for i in train["id"] if i.removesuffix("+1") not in held]
    assert list(data["train"]["id"]) == expected
    assert list(data["test"]["id"]) == ["t"]
    split.check_children(data, "x")


def test_with_validation_replaces_nothing_else():
    data = split.with_validation(dataset(train={"id": list("abcdefghij") * 2, "label": [0, 1] * 10}), 0.1, seed=0)
    assert set(data) == {"train", "validation"}


def test_check_children():
    own = {"id": ["a", "b"], "label": [0, 1]}
    child = {"id": ["a+1"], "label": [0], "parent_id": ["a"]}
    split.check_children(dataset(train=own, test=own), "x")
    split.check_children(dataset(train=child, test={"id": ["c"], "label": [0], "parent_id": [None]}), "x")
    with pytest.raises(ToolkitError, match="test holds 1 augmented rows"):
        split.check_children(dataset(train=own, test=child), "x")
    with pytest.raises(ToolkitError, match="1 augmented rows of train have their parent in validation"):
        split.check_children(dataset(train=child, validation=own), "x")


def test_a_mixture_has_two_parents():
    """Neither may stand in validation: not when it is there, not when it is cut from train."""
    mixture = {"id": ["c+1"], "label": [0], "parent_id": ["c"], "partner_id": ["b"]}
    with pytest.raises(ToolkitError, match="have their parent in validation"):
        split.check_children(dataset(train=mixture, validation={"id": ["b"], "label": [1]}), "x")
    ids = [f"r{i}" for i in range(20)]
    train = {
        "id": [*ids, *(f"{i}+1" for i in ids)],
        "label": [0, 1] * 20,
        "parent_id": [None] * 20 + ids,
        "partner_id": [None] * 20 + ids[1:] + ids[:1],
    }
    data = split.with_validation(dataset(train=train), 0.2, seed=0)
    held = set(data["validation"]["id"])
    left = [row for row in data["train"] if row["parent_id"]]
    assert held
    assert left
    assert not any({row["parent_id"], row["partner_id"]} & held for row in left)


def test_with_validation_keeps_near_duplicates_and_groups_on_one_side():
    texts = [f"an ordinary sentence, number {i * 7919} of {i * 104729}" for i in range(30)]
    train = {"id": [f"r{i:02}" for i in range(60)], "label": [0, 1] * 30, "text": texts + [f"{t}!" for t in texts]}
    train["group"] = ["g", "h", "g", "h"] + [None] * 56
    data = split.with_validation(dataset(train=train), 0.5, seed=0)
    side = {id_: name for name, rows in data.items() for id_ in rows["id"]}
    assert all(side[f"r{i:02}"] == side[f"r{i + 30:02}"] for i in range(30))
    assert side["r00"] == side["r02"]
    assert side["r01"] == side["r03"]
    assert Counter(side.values()) == {"train": 30, "validation": 30}


def test_with_validation_of_rows_of_several_classes():
    features = Features({"id": Value("string"), "text": Value("string"), "label": List(ClassLabel(names=list("abc")))})
    rows = {
        "id": [f"r{i}" for i in range(60)],
        "text": [f"row {i * 7919} {i * 104729}" for i in range(60)],
        "label": [[i % 3] if i % 2 else [i % 3, (i + 1) % 3] for i in range(60)],
    }
    data = split.with_validation(DatasetDict(train=Dataset.from_dict(rows, features=features)), 0.1, seed=0)
    assert len(data["validation"]) == pytest.approx(6, abs=1)
    assert {c for row in data["validation"]["label"] for c in row} == {0, 1, 2}


def test_with_validation_of_too_few_rows():
    child = {"id": ["a+1"], "label": [0], "parent_id": ["a"]}
    with pytest.raises(ToolkitError, match="0 rows of train are too few"):
        split.with_validation(dataset(train=child), 0.1, seed=0)
    with pytest.raises(ToolkitError, match="2 rows of train are too few"):
        split.with_validation(dataset(train={"id": ["a", "b"], "label": [0, 1]}), 0.1, seed=0)


def test_refuse_children():
    split.refuse_children(dataset(train={"id": ["a"], "label": [0], "parent_id": [None]}), "x")
    with pytest.raises(ToolkitError, match="x holds 1 augmented rows"):
        split.refuse_children(dataset(train={"id": ["a+1"], "label": [0], "parent_id": ["a"]}), "x")
