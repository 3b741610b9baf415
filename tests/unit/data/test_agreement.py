"""Figures against published worked examples, scikit-learn and plain loops."""

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from toolkit.data import agreement, votes

# Ten subjects, fourteen raters, five classes: the worked example of Fleiss' kappa in Wikipedia.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Twelve units, four observers, missing data: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, C.
KRIPPENDORFF = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}


def test_fleiss_kappa():
    found = agreement.overall(votes.from_counts(FLEISS, list("abcde")))
    assert found["fleiss_kappa"]["value"] == pytest.approx(0.210, abs=5e-4)
    assert found["fleiss_kappa"]["form"] == "Fleiss (1971)"
    assert found["agreement"]["value"] == pytest.approx(0.378, abs=5e-4)
    assert "fleiss_kappa_equal" not in found


def test_missing_votes():
    """Alpha as Krippendorff gives it; kappa and agreement as Gwet does for the same table (AC handbook: raw4raters)."""
    found = agreement.overall(votes.from_columns(KRIPPENDORFF))
    assert found["krippendorff_alpha"]["value"] == pytest.approx(0.743, abs=5e-4)
    assert found["fleiss_kappa"]["value"] == pytest.approx(0.76117, abs=5e-6)
    assert found["fleiss_kappa"]["form"] == "Gwet (2014)"
    assert found["agreement"]["value"] == pytest.approx(0.81818, abs=5e-6)
    equal = found["fleiss_kappa_equal"]
    complete = {rater: values[1:9] for rater, values in KRIPPENDORFF.items()}
    assert (equal["votes_per_item"], equal["items"]) == (4, 8)
    assert equal["value"] == agreement.overall(votes.from_columns(complete))["fleiss_kappa"]["value"]


def test_per_class():
    """Fleiss' kappa of a class by his formula: 1 - sum of n_ij (n - n_ij) / (N n (n - 1) p q)."""
    counts = np.array(FLEISS)
    found = agreement.overall(votes.from_counts(FLEISS, list("abcde")))["per_class"]
    for j, name in enumerate("abcde"):
        p = counts[:, j].sum() / 140
        kappa = 1 - (counts[:, j] * (14 - counts[:, j])).sum() / (10 * 14 * 13 * p * (1 - p))
        specific = (counts[:, j] * (counts[:, j] - 1)).sum() / (counts[:, j].sum() * 13)
        assert found[name]["kappa"]["value"] == pytest.approx(kappa)
        assert found[name]["agreement"]["value"] == pytest.approx(specific)
        assert found[name]["votes"] == counts[:, j].sum()


LABELS = st.lists(st.lists(st.sampled_from(["x", "y", "z", None]), min_size=3, max_size=3), min_size=2, max_size=30)


@settings(max_examples=40)
@given(LABELS)
def test_cohen_is_that_of_scikit_learn(table):
    columns = dict(zip("pqr", map(list, zip(*table, strict=True)), strict=True))
    found = agreement.pairs(votes.from_columns(columns))
    assert [pair["raters"] for pair in found] == [["p", "q"], ["p", "r"], ["q", "r"]]
    for pair in found:
        both = [(a, b) for a, b in zip(*(columns[r] for r in pair["raters"]), strict=True) if a and b]
        assert pair["items"] == len(both)
        if not both or len({label for labels in both for label in labels}) == 1:
            assert pair["value"] is None
            assert pair["reason"] == ("no item in common" if not both else "all votes are of one class")
        else:
            assert pair["value"] == pytest.approx(cohen_kappa_score(*zip(*both, strict=True)))
            if len(both) > 1:
                assert -1 <= pair["low"] <= pair["value"] <= pair["high"] <= 1


@settings(max_examples=40)
@given(LABELS)
def test_overall_by_plain_loops(table):
    """Alpha from the coincidence of pairs of votes, the agreement from each item's pairs."""
    found = agreement.overall(votes.from_columns(dict(zip("pqr", map(list, zip(*table, strict=True)), strict=True))))
    items = [[label for label in item if label] for item in table]
    several = [item for item in items if len(item) > 1]
    if not several:
        assert found["agreement"] == {"value": None, "low": None, "high": None, "reason": "no item has two votes"}
        return
    same = [np.mean([a == b for i, a in enumerate(v) for j, b in enumerate(v) if i != j]) for v in several]
    assert found["agreement"]["value"] == pytest.approx(np.mean(same))
    pool = [label for item in several for label in item]
    apart = np.mean([a != b for i, a in enumerate(pool) for j, b in enumerate(pool) if i != j])
    observed = sum(len(item) * (1 - s) for item, s in zip(several, same, strict=True)) / len(pool)
    if apart:
        assert found["krippendorff_alpha"]["value"] == pytest.approx(1 - observed / apart)
    else:
        assert found["krippendorff_alpha"]["value"] is None
        assert found["krippendorff_alpha"]["reason"] == "all votes are of one class"


def test_per_rater():
    """Each against the majority of the others; on the last item those of a are tied, so it is not compared."""
    table = {
        "a": ["x", "x", "y", "y"],
        "b": ["x", "y", "y", "x"],
        "c": ["x", "x", "y", "y"],
        "d": [None, "y", None, None],
    }
    found = agreement.per_rater(votes.from_columns(table))
    assert found["b"]["items"] == 4
    assert found["b"]["compared"] == 4
    assert found["b"]["agreement"]["value"] == 0.5
    assert (found["a"]["compared"], found["a"]["agreement"]["value"]) == (3, pytest.approx(2 / 3))
    assert (found["d"]["items"], found["d"]["compared"], found["d"]["agreement"]["value"]) == (1, 1, 0.0)
    assert found["d"]["agreement"]["high"] > 0.7  # Wilson's: one item proves little


@pytest.mark.parametrize(
    "table",
    [
        {"a": ["x", "y", "x"]},
        {"a": ["x", "x"], "b": ["x", "x"]},
        {"a": ["x", None], "b": [None, "y"]},
        {"a": [None, None], "b": [None, None]},
        {"a": ["x"], "b": ["y"]},
        {"a": ["x"], "b": ["x"]},
        {"a": pa.array([], pa.string()), "b": pa.array([], pa.string())},
    ],
    ids=["one rater", "one class", "no overlap", "no votes", "one item", "one item, one class", "no items"],
)
@pytest.mark.parametrize("counted", [False, True])
def test_what_is_undefined_says_why(table, counted):
    given = votes.from_columns(table)
    found = agreement.report(votes.from_counts(given.counts, given.classes) if counted else given)

    def check(node):
        if isinstance(node, list):
            node = dict(enumerate(node))
        if isinstance(node, dict):
            if "value" in node:
                assert (node["value"] is None) == bool(node.get("reason"))
                assert node["value"] is None or node["low"] is None or node["low"] <= node["value"] <= node["high"]
            for child in node.values():
                check(child)
        assert not isinstance(node, float) or np.isfinite(node)

    check(found)


def test_intervals_cover_what_they_should():
    """Of 60 samples of 200 items about 95% of the intervals hold the kappa of the population."""
    rng = np.random.default_rng(5)
    shares = {(3, 0): 0.5, (0, 3): 0.2, (2, 1): 0.2, (1, 2): 0.1}
    cells, share = np.array(list(shares)), np.array(list(shares.values()))
    truth = agreement.overall(votes.from_counts(np.repeat(cells, (1000 * share).astype(int), axis=0), "xy"))
    inside = 0
    for seed in range(60):
        sample = votes.from_counts(cells[rng.choice(4, 200, p=share)], "xy")
        found = agreement.overall(sample, seed)["fleiss_kappa"]
        inside += found["low"] <= truth["fleiss_kappa"]["value"] <= found["high"]
    assert inside >= 52


def test_both_ways_to_resample_are_one_distribution():
    """Few repeated rows are drawn row by row, many by the cells of a multinomial."""
    rng = np.random.default_rng(0)
    few = agreement._drawn(np.array([4, 2, 6]), 4000, rng)
    many = agreement._drawn(np.array([400, 200, 600]), 4000, rng)
    assert (few.sum(1) == 12).all()
    assert (many.sum(1) == 1200).all()
    assert few.mean(0) == pytest.approx([4, 2, 6], abs=0.15)
    assert many.mean(0) == pytest.approx([400, 200, 600], abs=1.5)
    assert few.var(0) == pytest.approx([8 / 3, 5 / 3, 3], rel=0.1)
    assert many.var(0) == pytest.approx([800 / 3, 500 / 3, 300], rel=0.1)


def test_the_order_of_rows_and_raters_plays_no_part():
    rng = np.random.default_rng(1)
    item, rater, label = np.repeat(np.arange(50), 3), rng.integers(0, 6, 150), rng.integers(0, 3, 150)
    order = rng.permutation(150)
    named = [(item, rater, label), (item[order], rater[order], label[order])]
    reports = [
        agreement.report(votes.from_long(i, [f"r{x}" for x in r], [f"c{x}" for x in lab], 50), 3) for i, r, lab in named
    ]
    assert reports[0] == reports[1]


def test_a_rater_of_two_minds_has_no_vote():
    given = votes.from_long([0, 0, 0, 1, 1, 1], ["a", "a", "b", "a", "a", "b"], ["x", "y", "x", "y", "y", "x"], 2)
    assert given.contradicted == 2
    assert given.counts.tolist() == [[1, 0], [1, 1]]  # a's equal votes on item 1 are one


def test_values_are_class_names():
    codes, names = votes.encode(pa.chunked_array([[1.0, None], [10.0, 2.0, float("nan")]]))
    assert (codes.tolist(), names) == ([0, -1, 2, 1, -1], ["1", "2", "10"])
    assert votes.encode(["乙", " 甲 ", "", None])[1] == ["乙", "甲"]


def test_majority():
    given = votes.from_counts([[2, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], "xyz")
    assert votes.majority(given).tolist() == [0, -1, -1, 2]
    assert votes.majority(votes.from_columns({"a": [None]})).tolist() == [-1]


def simulated(seed, accuracies, items=1000, classes=3):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, items, p=[0.6, 0.3, 0.1])
    table = {}
    for rater, accuracy in enumerate(accuracies):
        wrong = (truth + rng.integers(1, classes, items)) % classes
        given = np.where(rng.random(items) < accuracy, truth, wrong)
        table[f"r{rater}"] = [f"c{c}" if rng.random() < 0.9 else None for c in given]
    return truth, votes.from_columns(table)


@pytest.mark.parametrize("seed", range(3))
def test_dawid_skene_beats_the_majority_of_unequal_raters(seed):
    accuracies = [0.95, 0.9, 0.6, 0.5, 0.5]
    truth, given = simulated(seed, accuracies)
    found = votes.dawid_skene(given)
    right, plain = np.mean(found["label"] == truth), np.mean(votes.majority(given) == truth)
    assert right > 0.94
    assert right > plain + 0.05
    assert found["converged"]
    assert found["accuracy"] == pytest.approx(accuracies, abs=0.06)
    assert found["confusion"].sum(2) == pytest.approx(1)
    assert found["prior"] == pytest.approx([0.6, 0.3, 0.1], abs=0.05)


def test_dawid_skene_is_the_em_of_the_paper():
    """Against plain loops over the published equations, without smoothing."""
    _, given = simulated(4, [0.9, 0.7, 0.6], items=40)
    items, classes, raters = 40, len(given.classes), 3
    tensor = np.zeros((items, raters, classes))
    tensor[given.item, given.rater, given.label] = 1
    chance = tensor.sum(1) / np.maximum(tensor.sum((1, 2)), 1)[:, None]
    voted = tensor.sum((1, 2)) > 0
    for _ in range(votes.dawid_skene(given, smoothing=0)["rounds"]):
        prior = chance[voted].mean(0)
        pi = np.einsum("ij,ikl->kjl", chance, tensor)
        pi /= np.maximum(pi.sum(2, keepdims=True), 1e-300)
        likelihood = np.array(
            [[prior[j] * np.prod([(pi[k, j] ** tensor[i, k]).prod() for k in range(raters)]) for j in range(classes)]
             for i in range(items)]
        )  # fmt: skip
        chance = np.where(voted[:, None], likelihood / likelihood.sum(1, keepdims=True), 0)
    found = votes.dawid_skene(given, smoothing=0)
    assert found["posterior"] == pytest.approx(chance, abs=1e-9)
    assert found["confusion"] == pytest.approx(pi, abs=1e-9)


def test_dawid_skene_leaves_ties_and_silence_without_a_label():
    given = votes.from_columns({"a": ["x", "y", None], "b": ["y", "x", None]})
    found = votes.dawid_skene(given)
    assert found["label"].tolist() == [-1, -1, -1]
    assert found["posterior"][2].tolist() == [0, 0]


def test_a_large_table_takes_little_time():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(3, [0.7, 0.2, 0.1], size=25_000)
    started = time.perf_counter()
    agreement.report(votes.from_counts(counts, list("xyz")))
    assert time.perf_counter() - started < 5  # 0.02 s alone
