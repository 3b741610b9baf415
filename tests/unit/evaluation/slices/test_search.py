"""Words, clusters, conjunctions, and the control that judges them."""

import numpy as np
import pytest
from scipy.sparse import csc_array
from scipy.stats import chi2_contingency

from toolkit.evaluation.slices import clusters, conjunctions, control, family, words


def columns_of(**codes):
    return family.together(
        [
            family.of_codes("column", [{"column": name, "value": str(v)} for v in range(max(some) + 1)], np.array(some))
            for name, some in codes.items()
        ]
    )


def judged(every, wrong, seed=0):
    p, picked = control.find(every, wrong, seed)
    return p, [every.where[i] for i in picked]


def test_words_of_both_languages():
    found, vocabulary = words.count(["The parcel, a PARCEL!", "包裹还没有到"] * 5)
    assert "parcel" in vocabulary
    assert "包裹" in vocabulary
    assert "a" not in vocabulary  # of one sign
    assert found[:, [vocabulary.index("parcel")]].toarray().ravel().tolist() == [1, 0] * 5
    assert words.count(["?!", ""])[0].shape == (2, 0)


def test_the_ratio_is_that_of_the_g_test():
    table = np.array([[30, 70], [100, 800]])
    expected = chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
    assert control.likelihood_ratio(30.0, 100.0, 130.0, 1000.0) == pytest.approx(expected)
    assert control.likelihood_ratio(5.0, 100.0, 130.0, 1000.0) == 0  # fewer errors than elsewhere
    assert np.isfinite(control.likelihood_ratio(np.array([10.0]), np.array([10.0]), 10.0, 100.0)).all()


def test_a_planted_slice_is_picked_and_its_shadow_is_not():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 4, 2000)
    shadow = np.where(source == 2, 1, rng.integers(0, 2, 2000) * 0)  # all of source 2, and no other row
    noise = rng.integers(0, 10, 2000)
    wrong = rng.random(2000) < np.where(source == 2, 0.4, 0.1)
    every = columns_of(source=source, noise=noise, shadow=shadow)
    p, picked = judged(every, wrong)
    assert picked == [[{"column": "source", "value": "2"}]]
    found = {
        (w[0]["column"], w[0]["value"]) for w, chance in zip(every.where, p, strict=True) if chance <= control.ALPHA
    }
    assert found == {("source", "2"), ("shadow", "1")}


def test_what_stands_out_only_among_the_rest_is_not_picked():
    rows = np.arange(1000)
    wrong = (rows < 200) | (rows >= 600) & (rows < 612) | (rows >= 995)
    every = columns_of(big=(rows < 250).astype(int), small=((rows >= 600) & (rows < 630)).astype(int))
    penalty = np.zeros(len(every))
    _, bound = control.judge(every.member, penalty, wrong, 0)
    small = next(i for i, w in enumerate(every.where) if w == [{"column": "small", "value": "1"}])
    left = control.likelihood_ratio(12.0, 30.0, 17.0, 750.0)
    assert control.likelihood_ratio(12.0, 30.0, 217.0, 1000.0) < bound < left
    assert small not in control.pick(every.member, penalty, wrong, bound)


def test_shuffled_errors_show_nothing():
    """At a level of 1% about one in a hundred of such searches finds something; of 30 no more than two."""
    rng, found = np.random.default_rng(1), 0
    codes = {f"c{i}": rng.integers(0, 8, 600) for i in range(12)}
    parts = columns_of(**codes)
    every = family.together([parts, conjunctions.family(parts)])
    for seed in range(30):
        found += bool(judged(every, rng.random(600) < 0.15, seed)[1])
    assert found <= 2


def test_the_control_is_seeded():
    every = columns_of(a=np.arange(300) % 3)
    wrong = np.random.default_rng(0).random(300) < 0.2
    one, two, other = (control.largest_by_chance(every.member, np.zeros(3), wrong, s) for s in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()


@pytest.mark.parametrize("wrong", [np.zeros(100, bool), np.ones(100, bool)])
def test_no_errors_and_nothing_else(wrong):
    p, picked = judged(columns_of(a=np.arange(100) % 2), wrong)
    assert picked == []
    assert (p == 1).all()


def test_no_slices():
    none = family.of_codes("column", [], np.full(10, -1))
    assert judged(none, np.arange(10) > 5)[1] == []


def brute(parts, least):
    """All sets of two or three conditions of different columns, by trying each."""
    members = {i: set(parts.rows(i).tolist()) for i in range(len(parts))}
    columns = [w[0]["column"] for w in parts.where]
    out = {}

    def grow(chosen, rows, size):
        for i in range(chosen[-1] + 1, len(parts)):
            both = rows & members[i]
            distinct = columns[i] not in {columns[k] for k in chosen}
            if distinct and least <= len(both) <= conjunctions.SAME * min(len(rows), len(members[i])):
                out[(*chosen, i)] = both
                if size < 3:
                    grow((*chosen, i), both, size + 1)

    for i in range(len(parts)):
        grow((i,), members[i], 2)
    return {frozenset(parts.where[i][0]["column"] + parts.where[i][0]["value"] for i in k): v for k, v in out.items()}


def test_conjunctions_are_those_that_trying_all_finds():
    rng = np.random.default_rng(2)
    parts = columns_of(a=rng.integers(0, 3, 400), b=rng.integers(0, 2, 400), c=rng.integers(0, 4, 400))
    found = conjunctions.family(parts)
    got = {
        frozenset(c["column"] + c["value"] for c in w): set(found.rows(i).tolist()) for i, w in enumerate(found.where)
    }
    assert got == brute(parts, conjunctions.LEAST)
    assert {len(w) for w in found.where} == {2, 3}


def test_two_words_are_joined_three_are_not():
    rng = np.random.default_rng(3)
    member = csc_array((rng.random((500, 6)) < 0.5).astype(np.float32))
    parts = family.of_matrix("keyword", [[{"column": "keyword", "value": f"w{i}"}] for i in range(6)], member)
    found = conjunctions.family(parts)
    assert len(found) == 15
    assert {len(w) for w in found.where} == {2}


def test_a_cluster_is_not_joined_with_the_label():
    codes = np.random.default_rng(7).integers(0, 2, (3, 400))
    named = (("class", "label"), ("cluster", "cluster"), ("column", "source"))
    parts = family.together(
        [
            family.of_codes(kind, [{"column": column, "value": str(v)} for v in range(2)], code)
            for (kind, column), code in zip(named, codes, strict=True)
        ]
    )
    joined = {frozenset(c["column"] for c in where) for where in conjunctions.family(parts).where}
    assert joined == {frozenset({"label", "source"}), frozenset({"cluster", "source"})}


def test_a_fault_of_two_conditions_at_once_is_named():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 4, 3000), rng.integers(0, 4, 3000)
    wrong = rng.random(3000) < np.where((a == 1) & (b == 2), 0.5, 0.08)
    parts = columns_of(a=a, b=b)
    every = family.together([parts, conjunctions.family(parts)])
    _, picked = judged(every, wrong)
    assert picked == [[{"column": "a", "value": "1"}, {"column": "b", "value": "2"}]]


def test_the_errors_of_one_condition_are_not_named_by_two():
    """Rows of a = 1 fail twice as often as others, and those that b = 1 has among them by chance four times."""
    rng = np.random.default_rng(5)
    a, both = np.repeat([1, 0], [260, 2820]), np.repeat([1, 0], [51, 3029])
    b = np.where(a == 1, both, rng.random(3080) < 0.13).astype(int)
    wrong = np.where(a == 1, False, rng.random(3080) < 0.08)
    wrong[:17] = wrong[51:76] = True
    parts = columns_of(a=a, b=b, **{f"noise{i}": rng.integers(0, 7, 3080) for i in range(9)})
    every = family.together([parts, conjunctions.family(parts)])
    pair = every.where.index([{"column": "a", "value": "1"}, {"column": "b", "value": "1"}])
    assert control.judge(every.member, control.penalties(every.kinds), wrong, 0)[0][pair] <= control.ALPHA
    p, picked = control.find(every, wrong, 0)
    assert p[pair] == 1
    assert [every.where[i] for i in picked] == [[{"column": "a", "value": "1"}]]


def test_clusters_are_told_by_their_words():
    rng = np.random.default_rng(5)
    topics = [[f"t{t}word{i}" for i in range(20)] for t in range(3)]
    texts = [" ".join(rng.choice(topics[i % 3], 8)) for i in range(300)]
    found, vocabulary = words.count(texts)
    got = clusters.family(found, vocabulary, 0)
    assert len(got) >= 3
    for i in range(len(got)):
        assert len({row % 3 for row in got.rows(i)}) == 1
        topic = got.rows(i)[0] % 3
        assert got.where[i][0]["value"].split(": ")[1].startswith(f"t{topic}word")
    assert len(clusters.family(found[:50], vocabulary, 0)) == 0  # too few rows


def test_clusters_of_what_a_model_makes_of_the_rows():
    rng = np.random.default_rng(6)
    group, classes = np.arange(300) % 3, ["a", "b", "c"]
    vectors = np.eye(3)[group] + rng.normal(0, 0.05, (300, 3))
    hot = csc_array(np.eye(3, dtype=np.float32)[group]).tocsr()
    got = clusters.family(hot, classes, 0, vectors)  # fewer words than TF-IDF's vectors are wide
    assert len(got) >= 3
    for i in range(len(got)):
        inside = {row % 3 for row in got.rows(i)}
        assert len(inside) == 1
        assert got.where[i][0]["value"].split(": ")[1] == classes[inside.pop()]
