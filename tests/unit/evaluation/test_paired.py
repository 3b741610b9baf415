import numpy as np
import pytest
from scipy import stats

from toolkit.evaluation import paired


@pytest.mark.parametrize(("fixed", "broken", "p"), [(1, 7, 0.0390625), (7, 1, 0.0390625), (5, 5, 1.0), (0, 0, 1.0)])
def test_mcnemar_is_the_mid_p(fixed, broken, p):
    """(1, 7): airway hyper-responsiveness, Bentur et al. 2009, as in Fagerland et al. 2013."""
    assert paired.mcnemar(fixed, broken) == pytest.approx(p)
    assert paired.mcnemar(fixed, broken) <= max(stats.binomtest(fixed, max(fixed + broken, 1)).pvalue, p)


def test_tangos_interval_is_the_published_one():
    """Fagerland, Lydersen & Laake 2014: -0.517 to -0.026."""
    low, high = paired.interval(1, 7, 21)
    assert (round(float(low), 3), round(float(high), 3)) == (-0.517, -0.026)


def test_the_interval_is_turned_with_the_models_and_takes_arrays():
    fixed, broken, rows = np.array([3, 0, 40]), np.array([9, 0, 1]), np.array([50, 10, 41])
    low, high = paired.interval(fixed, broken, rows)
    turned = paired.interval(broken, fixed, rows)
    assert low == pytest.approx(-turned[1])
    assert high == pytest.approx(-turned[0])
    assert ((low >= -1) & (high <= 1) & (low < high)).all()
    assert float(paired.interval(3, 9, 50)[0]) == pytest.approx(low[0])


@pytest.mark.parametrize("shares", [(0.2, 0.1, 0.7), (0.03, 0.01, 0.96), (0.01, 0.0, 0.99)])
def test_the_interval_covers_the_truth_as_often_as_it_says(shares):
    """Also where few rows of 100 are discordant or none; of the last the bootstrap's covers the truth in 64 of 100."""
    rng, truth = np.random.default_rng(0), shares[0] - shares[1]
    fixed, broken, _ = rng.multinomial(100, shares, size=4000).T
    low, high = paired.interval(fixed, broken, np.full(4000, 100))
    assert ((low <= truth) & (high >= truth)).mean() > 0.94


def test_equivalence_wants_rows_even_where_nothing_differs():
    assert paired.equivalence(0, 0, 100, 0.01) > 0.05
    assert paired.equivalence(0, 0, 400, 0.01) < 0.05
    assert paired.equivalence(10, 10, 10_000, 0.0) == 1
    low, high = paired.interval(12, 20, 2000, level=0.9)
    inside = max(-float(low), float(high))
    assert paired.equivalence(12, 20, 2000, inside) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("fixed", "broken", "rows", "margin", "expected"),
    [
        (40, 10, 1000, 0.01, "better"),
        (10, 40, 1000, 0.01, "worse"),
        (30, 20, 1000, 0.01, "undecided"),
        (3, 4, 10_000, 0.01, "equivalent"),
        (400, 300, 100_000, 0.01, "equivalent"),  # a difference that is shown, and does not matter
        (400, 300, 100_000, 0.0005, "better"),
        (0, 0, 3, 0.01, "undecided"),
        (2, 0, 3, 0.01, "undecided"),
    ],
)
def test_verdict(fixed, broken, rows, margin, expected):
    assert paired.verdict(fixed, broken, rows, margin) == expected


@pytest.mark.parametrize(("fixed", "broken"), [(30, 20), (4, 4)])
def test_so_many_more_rows_decide_four_times_in_five(fixed, broken):
    rows = 1000
    more = paired.more_rows(fixed, broken, rows, 0.01)
    total = rows + more
    rng = np.random.default_rng(1)
    discordant, difference = (fixed + broken + 1) / (rows + 2), (fixed - broken) / rows
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    drawn = rng.multinomial(total, shares, size=400)
    decided = np.mean([paired.verdict(int(f), int(b), total, 0.01) != "undecided" for f, b, _ in drawn])
    assert 0.74 < decided < 0.88


def test_no_number_of_rows_tells_what_is_not_there():
    assert paired.more_rows(0, 0, 50, 0.0) is None
    assert paired.more_rows(0, 0, 50, 0.01) > 200


def test_the_difference_of_two_sets_of_rows():
    before = np.arange(1000) % 5 > 0
    after = before.copy()
    after[:50] = True
    found = paired.difference(before, after)
    assert found["value"] == pytest.approx(0.01)
    assert 0 < found["low"] < found["value"] < found["high"] < 0.03
    turned = paired.difference(after, before)
    assert turned["value"] == -found["value"]
    assert (turned["low"], turned["high"]) == pytest.approx((-found["high"], -found["low"]))
    same = paired.difference(before, before)
    assert same["low"] < same["value"] == 0 < same["high"]
