import random
from collections import Counter

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from toolkit.data import split
from toolkit.errors import ToolkitError

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def worst(labels, where, shares=SHARES):
    """The largest distance in rows between a (class, split) cell and its share."""
    cells, sizes = Counter(zip(labels, where, strict=True)), Counter(labels)
    return max(abs(cells[label, s] - n * shares[s]) for label, n in sizes.items() for s in shares)


@pytest.mark.parametrize("rows_a_class", [2, 3, 5, 7, 14, 15, 105])
@pytest.mark.parametrize("shares", [SHARES, {"train": 0.9, "validation": 0.1}, {"train": 0.4, "test": 0.6}])
def test_shares_of_single_rows_are_as_exact_as_can_be(rows_a_class, shares):
    labels = [c for c in range(60) for _ in range(rows_a_class)]
    where = split.assign(labels, range(len(labels)), shares, seed=0)
    assert worst(labels, where, shares) < 1
    sizes = Counter(where)
    assert max(abs(sizes[s] - share * len(labels)) for s, share in shares.items()) <= 0.01 * len(labels)


@pytest.mark.parametrize("size", [2, 5, 20])
@pytest.mark.parametrize("groups", [3, 7, 30])
def test_shares_of_clusters(size, groups):
    labels = [c for c in range(40) for _ in range(size * groups)]
    clusters = [i // size for i in range(len(labels))]
    where = split.assign(labels, clusters, SHARES, seed=0)
    assert len(set(zip(clusters, where, strict=True))) == len(set(clusters))  # none is torn
    sizes = Counter(where)
    assert max(abs(sizes[s] / len(labels) - share) for s, share in SHARES.items()) <= 0.015
    assert worst(labels, where) <= size


def test_uneven_classes_and_clusters():
    rng = random.Random(0)
    labels = [rng.choice([0, 0, 0, 0, 1, 1, 2]) for _ in range(3000)]
    clusters = [rng.randrange(1500) if rng.random() < 0.3 else 2000 + i for i in range(3000)]
    where = split.assign(labels, clusters, SHARES, seed=1)
    of_cluster = {}
    for cluster, s in zip(clusters, where, strict=True):
        assert of_cluster.setdefault(cluster, s) == s
    assert worst(labels, where) < 2


def test_one_large_cluster_goes_where_it_fits():
    labels = [0] * 60 + [1] * 60
    where = split.assign(labels, [0] * 50 + list(range(1, 71)), SHARES, seed=0)
    assert set(where[:50]) == {"train"}
    assert all({s for s, label in zip(where, labels, strict=True) if label == c} == set(SHARES) for c in (0, 1))


def test_a_class_of_one_row_is_in_train():
    labels = list(range(30)) + [30] * 1000
    where = split.assign(labels, range(len(labels)), SHARES, seed=0)
    assert set(where[:30]) == {"train"}


def test_a_share_of_nothing_gets_nothing():
    where = split.assign([0, 1] * 50, range(100), {"train": 0.9, "validation": 0.0, "test": 0.1}, seed=0)
    assert Counter(where) == {"train": 90, "test": 10}


def test_the_seed_decides():
    labels = [0, 1, 2] * 100
    one, same, other = (split.assign(labels, range(300), SHARES, seed) for seed in (3, 3, 4))
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


def test_group_links():
    part = {"id": ["a", "b", "c"], "label": [0, 0, 1], "group": ["g", None, "g"]}
    fixed = {"id": ["t", "u", "v"], "label": [0, 1, 1], "group": [None, "h", "g"]}
    data = dataset(pool=part, test=fixed, plain={"id": ["a"], "label": [0]})
    assert split.group_links(data["pool"], data["test"]) == [(0, 2), (0, 5)]
    assert split.group_links(data["pool"], None) == [(0, 2)]
    assert split.group_links(data["plain"], None) == []


def test_touching():
    assert split.touching([0, 1, 0, 2, 1, 5], pool=4) == {1}
    assert split.touching([0, 1, 2], pool=3) == set()
