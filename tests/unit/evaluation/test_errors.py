import datetime

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from toolkit.evaluation import errors, statistics


@pytest.mark.parametrize(
    ("count", "rows", "expected"),
    [  # by hand: centre (p + z²/2n) / (1 + z²/n), half z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n)
        (1, 10, (0.017876, 0.404150)),
        (0, 10, (0.0, 0.277533)),
        (10, 10, (0.722467, 1.0)),
        (50, 100, (0.403832, 0.596168)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilson_interval(count, rows, expected):
    assert statistics.wilson(count, rows) == pytest.approx(expected, abs=1e-5)
    low, high = statistics.wilson(count, rows)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(("count", "rows"), [(3, 7), (0, 1), (1, 1), (999, 100_000)])
def test_wilson_interval_is_that_of_scipy(count, rows):
    expected = binomtest(count, rows).proportion_ci(method="wilson")
    assert statistics.wilson(count, rows) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_slice_of():
    wrong, member = np.array([1, 1, 0, 0, 0], bool), np.array([1, 0, 1, 0, 0], bool)
    found = errors.slice_of("source", "chat", wrong, member)
    assert (found["column"], found["value"], found["rows"], found["errors"]) == ("source", "chat", 2, 1)
    assert found["error_rate"]["value"] == 0.5
    assert found["lift"] == pytest.approx(0.5 / 0.4)
    assert errors.slice_of("a", "b", wrong, ~wrong & wrong)["error_rate"] == {"value": None, "low": 0.0, "high": 1.0}
    assert errors.slice_of("a", "b", wrong & False, member)["lift"] is None


def test_by_confidence_parts_all_rows():
    confidence = np.array([0.2, 0.5, 0.7, 0.9, 0.91, 1.0, 0.49])
    wrong = np.array([1, 1, 0, 0, 0, 1, 0], bool)
    found = errors.by_confidence(wrong, confidence)
    assert [(s["rows"], s["errors"]) for s in found] == [(2, 1), (3, 1), (2, 1)]
    assert [s["value"].split()[0] for s in found] == ["high", "middle", "low"]


def test_by_column():
    values = ["a", "b", "a", None, float("nan"), "b", "b"]
    wrong = np.array([0, 1, 0, 1, 0, 1, 0], bool)
    found = errors.by_column(wrong, "source", values)
    assert [(s["value"], s["rows"], s["errors"]) for s in found] == [("b", 3, 2), ("(missing)", 2, 1), ("a", 2, 0)]


@pytest.mark.parametrize(
    "values",
    [["a"] * 60, [str(i) for i in range(60)], ["x" * 100_000 + str(i) for i in range(60)], [None] * 60],
)
def test_columns_that_do_not_divide_the_rows(values):
    assert errors.by_column(np.ones(60, bool), "c", values) == []


def test_columns_of_any_kind():
    wrong = np.array([1, 0, 1, 0], bool)
    for values in ([1, 2, 1, 2], [True, False] * 2, [np.array([1, 2]), np.array([3, 4])] * 2, [["a"], []] * 2,
                   [datetime.date(2020, 1, 1), None] * 2):  # fmt: skip
        assert [s["rows"] for s in errors.by_column(wrong, "c", values)] == [2, 2]


def words_and_errors(seed, planted, rows=600):
    """Texts of ten random words; where `planted` stands, half are wrong, elsewhere one in ten."""
    rng = np.random.default_rng(seed)
    sets = [{f"w{i}" for i in rng.integers(0, 120, 10)} for _ in range(rows)]
    for words in sets[: rows // 10]:
        words.add(planted)
    rate = np.where([planted in words for words in sets], 0.5, 0.1)
    return rng.random(rows) < rate, sets


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_keyword_is_found(seed):
    wrong, sets = words_and_errors(seed, "refund")
    found = errors.keywords(wrong, sets)
    assert found[0]["value"] == "refund"
    assert len(found) <= 2
    assert found[0]["rows"] == 60
    assert found[0]["errors"] == wrong[:60].sum()
    assert found[0]["lift"] > 2
    assert found[0]["q"] < 1e-4


def test_nothing_is_found_where_nothing_is():
    found = 0
    for seed in range(40):
        wrong, sets = words_and_errors(seed, "refund")
        found += bool(errors.keywords(np.random.default_rng(seed).permutation(wrong), sets))
    assert found <= 4  # 5% of 40 is 2


def test_q_is_that_of_fisher_and_benjamini_hochberg():
    wrong = np.array([1] * 12 + [0] * 28, bool)
    sets = [{"bad"} for _ in range(10)] + [set() for _ in range(30)]
    for i in range(0, 40, 4):
        sets[i].add("even")
    sets[0].add("rare")
    found = errors.keywords(wrong, sets)
    p = fisher_exact([[10, 0], [2, 28]], alternative="greater").pvalue
    assert [(s["value"], s["errors"]) for s in found] == [("bad", 10)]
    assert found[0]["q"] == pytest.approx(2 * p)  # two words are tested: a rare one is not


def test_no_keywords_without_errors_or_candidates():
    sets = [{"a", f"w{i}"} for i in range(20)]
    assert errors.keywords(np.zeros(20, bool), sets) == []
    assert errors.keywords(np.ones(20, bool), sets) == []
    assert errors.keywords(np.zeros(0, bool), []) == []


def test_confused_pairs():
    labels = ["a", "a", "a", "b", "b", "c", "c", "c"]
    predicted = ["a", "b", "b", "a", "b", "a", "b", "c"]
    found = errors.confused_pairs(labels, predicted)
    assert [(p["label"], p["predicted"], p["errors"]) for p in found] == [
        ("a", "b", 2), ("b", "a", 1), ("c", "a", 1), ("c", "b", 1),
    ]  # fmt: skip
    assert found[0]["share_of_label"] == pytest.approx(2 / 3)
    assert errors.confused_pairs(labels, predicted, most=1) == found[:1]
    assert errors.confused_pairs(labels, labels) == []
