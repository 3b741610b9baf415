import random

import numpy as np
import pytest

from toolkit.data.augment import METHODS
from toolkit.data.augment.run import TRIES, children
from toolkit.data.text import fold

TEXTS = [
    "please send me a good new invoice for the big order",
    "我的快递一直没有收到，请帮我解决这个问题",
    "my quick delivery was a big problem for the shop",
    "这个产品的质量很好，我非常喜欢",
    "word",
    "👍👍",
    "!",
] * 3
IDS = [f"r{i}" for i in range(len(TEXTS))]


def make(ids=IDS, texts=TEXTS, taken=None, methods=tuple(METHODS), copies=3, alpha=0.2, seed=0):
    taken = {fold(text) for text in texts} if taken is None else taken
    return children(ids, texts, taken, list(methods), copies, alpha, seed)


def test_children_name_their_parents_and_are_new():
    made, _ = make()
    assert made == sorted(made, key=lambda child: child["row"])
    folded = [fold(child["text"]) for child in made]
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {fold(text) for text in TEXTS}
    assert len({child["id"] for child in made}) == len(made)
    for child in made:
        assert child["id"].rpartition("+")[0] == IDS[child["row"]]
        assert child["text"] == child["text"].strip()
        assert child["method"] in METHODS
    assert {child["row"] % 7 for child in made} >= {0, 1, 2, 3}
    assert not {child["row"] % 7 for child in made} & {5, 6}  # there are no words to change


def test_order_plays_no_part():
    made, counts = make()
    order = random.Random(0).sample(range(len(IDS)), len(IDS))
    again, same_counts = make([IDS[i] for i in order], [TEXTS[i] for i in order])
    assert counts == same_counts
    plain = {(c["id"], c["text"], c["method"]) for c in made}
    assert plain == {(c["id"], c["text"], c["method"]) for c in again}


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_of_rows_that_draw_the_same_the_first_by_id_gets_it(order):
    made, _ = make(list(order), ["good"] * 3, methods=["synonym_replacement"], copies=2)
    expected, _ = make(list("abc"), ["good"] * 3, methods=["synonym_replacement"], copies=2)
    assert {c["id"]: c["text"] for c in made} == {c["id"]: c["text"] for c in expected}
    assert [c["row"] for c in made] == sorted(c["row"] for c in made)


def test_a_row_has_a_generator_of_its_own():
    """What else there is does not change what a row gives."""
    all_made = {c["id"]: c["text"] for c in make(IDS[:4], TEXTS[:4])[0]}
    one_made = {c["id"]: c["text"] for c in make(IDS[2:3], TEXTS[2:3])[0]}
    assert one_made.items() <= all_made.items()
    assert one_made


def test_the_seed_decides():
    assert make(seed=1) == make(seed=1)
    assert make(seed=1) != make(seed=2)


def test_what_is_taken_is_not_made_again():
    made, counts = make(["a"], ["good"], methods=["synonym_replacement"], copies=10)
    assert {c["text"] for c in made} == {"fine", "decent"}
    assert counts["synonym_replacement"] == {
        "made": 2,
        "unchanged": 0,
        "repeated": counts["synonym_replacement"]["repeated"],
    }
    assert counts["synonym_replacement"]["repeated"] >= 8 * TRIES
    made, counts = make(["a"], ["good"], taken={"good", "fine", "decent"}, methods=["synonym_replacement"], copies=2)
    assert not made
    assert counts["synonym_replacement"] == {"made": 0, "unchanged": 0, "repeated": 2 * TRIES}


def test_unchanged_is_dropped_and_counted():
    made, counts = make(["a"], ["xyzzy"], methods=["random_swap"], copies=1)
    assert not made
    assert counts == {"random_swap": {"made": 0, "unchanged": TRIES, "repeated": 0}}


def test_the_set_given_is_not_changed():
    taken = {"good"}
    make(["a"], ["good"], taken=taken)
    assert taken == {"good"}


@pytest.mark.parametrize("method", METHODS)
def test_one_method_alone(method):
    made, counts = make(IDS[:4], TEXTS[:4], methods=[method])
    assert {c["method"] for c in made} == {method}
    assert list(counts) == [method]
    assert counts[method]["made"] == len(made) >= 4


def test_the_global_generators_stay_as_they_were():
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    make()
    assert random.getstate() == state
    assert (np.random.get_state()[1] == numpy_state).all()
