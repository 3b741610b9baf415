import os
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data.augment import run, text
from toolkit.data.augment.run import Made
from toolkit.data.augment.strategy import Draw
from toolkit.data.augment.text import Texts, synonyms
from toolkit.data.text import fold
from toolkit.errors import ToolkitError

TEXTS = [
    "please send me an excellent new invoice for the big order",
    "我的快递一直没有收到，请帮我解决这个问题",
    "my quick delivery was a big problem for the shop. It came late!",
    "这个产品的质量很好，我非常喜欢。谢谢",
    "word",
    "👍👍",
    "!",
] * 3
IDS = [f"r{i}" for i in range(len(TEXTS))]
OWN = (
    "synonym_replacement",
    "random_insertion",
    "random_swap",
    "random_deletion",
    "punctuation_insertion",
    "sentence_shuffle",
)


def make(ids=IDS, texts=TEXTS, methods=OWN, copies=3, seed=0, workers=1, least=0.3, taken=None, **more):
    given = {"min_similarity": least, "synonyms": synonyms.load()}
    draws = [Draw(name, 1.0, {}) for name in methods]
    modality = Texts(pa.table({"text": pa.array(texts, pa.string())}), None, draws, given)
    known = text.keys(pa.table({"text": pa.array(texts, pa.string())})) if taken is None else taken
    quota = np.full(len(ids), copies)
    blocks = [*run.children(modality, ids, quota, known, seed=seed, workers=workers, **more)]
    counts = sum((found for _, found in blocks), Counter())
    return [child for block, _ in blocks for child in block], counts


def plain(children, ids=IDS):
    return {(ids[c.row], c.copy, c.made.method, c.made.value) for c in children}


def test_children_are_new_and_in_the_order_of_the_ids():
    made, counts = make()
    assert [(IDS[c.row], c.copy) for c in made] == sorted((IDS[c.row], c.copy) for c in made)
    signs = [c for c in made if c.made.method == "punctuation_insertion"]
    folded = [fold(c.made.value) for c in made if c not in signs]
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {fold(t) for t in TEXTS}
    assert len({c.made.value for c in signs} - set(TEXTS)) == len(signs) > 0
    assert all(c.made.value == c.made.value.strip() for c in made)
    assert {c.row % 7 for c in made} == {0, 1, 2, 3, 4}  # of "word" a sign before it; of signs alone nothing
    assert sum(counts[name, "made"] for name in OWN) == len(made)
    assert counts["", "passed over"] == 3 * len(IDS) - len(made)


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_play_no_part(workers, monkeypatch):
    monkeypatch.setattr(Texts, "chunk", 5)
    one, two = make(), make(workers=workers)
    assert one == two


def test_order_plays_no_part():
    made, counts = make()
    order = random.Random(0).sample(range(len(IDS)), len(IDS))
    ids = [IDS[i] for i in order]
    again, same_counts = make(ids, [TEXTS[i] for i in order])
    assert counts == same_counts
    assert plain(made) == plain(again, ids)


def test_blocks_play_no_part_in_what_a_row_gives(monkeypatch):
    whole = plain(make()[0])
    monkeypatch.setattr(Texts, "block", 4)
    assert len(whole & plain(make()[0])) > 0.8 * len(whole)  # only which of equal children stays may differ


def test_a_row_has_a_generator_of_its_own():
    every, one = plain(make(IDS[:4], TEXTS[:4])[0]), plain(make(IDS[2:3], TEXTS[2:3])[0], IDS[2:3])
    assert one <= every
    assert one


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_of_equal_children_the_first_by_id_stays(order):
    expected = plain(make(list("abc"), ["terrible"] * 3, ["synonym_replacement"], 2, least=0)[0], list("abc"))
    assert plain(make(list(order), ["terrible"] * 3, ["synonym_replacement"], 2, least=0)[0], list(order)) == expected
    assert len(expected) == len({value for *_, value in expected}) == 3  # awful, dreadful, horrible


def test_the_seed_decides():
    assert make(seed=1) == make(seed=1)
    assert make(seed=1) != make(seed=2)


def test_a_second_call_goes_on():
    both = plain(make(copies=2)[0])
    first = make(copies=1)[0]
    second = plain(make(copies=1, first=np.ones(len(IDS), dtype=np.int64))[0])
    assert len((plain(first) | second) & both) > 0.8 * len(both)
    assert not plain(first) & second


def test_what_is_taken_is_not_made_again():
    word, method = ["terrible"], ["synonym_replacement"]
    made, counts = make(["a"], word, method, 10, least=0)
    assert {c.made.value for c in made} == {"awful", "dreadful", "horrible"}
    assert counts[method[0], "duplicate"] >= 7 * run.ATTEMPTS
    taken = text.keys(pa.table({"text": ["awful", "Dreadful!", "terrible"]}))
    assert {c.made.value for c in make(["a"], word, method, 10, least=0, taken=taken)[0]} == {"horrible"}


def test_verdicts():
    assert make(["a"], ["same same"], ["random_swap"], 1)[1] == {
        ("random_swap", "unchanged"): 3,
        ("", "passed over"): 1,
    }
    assert make(["a"], ["word"], ["random_swap"], 1)[1] == {("random_swap", "impossible"): 3, ("", "passed over"): 1}
    assert make(["a"], [None], ["random_swap"], 1)[1] == {("random_swap", "impossible"): 3, ("", "passed over"): 1}
    far = make(["a"], ["terrible"], ["synonym_replacement"], 1, least=0.99)[1]
    assert far == {("synonym_replacement", "too different"): 3, ("", "passed over"): 1}


def test_the_judge_takes_and_it_is_counted():
    def odd_alone(children):
        return np.array([len(child.made.value) % 2 == 1 for child in children])

    made, counts = make(judge=odd_alone)
    assert made
    assert all(len(c.made.value) % 2 for c in made)
    assert sum(n for (_, verdict), n in counts.items() if verdict == "flipped") > 0


def test_weights_decide_how_often():
    class Counting:
        weights, chunk, block, batched, mixes = (3.0, 0.0, 1.0), 100, 1000, frozenset(), False

        def make(self, tasks):
            return [Made(str(task.choice), task.seed) for task in tasks]

    blocks = run.children(Counting(), [f"i{i}" for i in range(4000)], np.ones(4000, dtype=int), set(), seed=0)
    counts = sum((found for _, found in blocks), Counter())
    assert counts["1", "made"] == 0
    assert abs(counts["0", "made"] - 3000) < 120
    assert counts["0", "made"] + counts["2", "made"] == 4000


def test_batched_choices_run_here_in_their_places():
    class Half:
        weights, chunk, block, mixes = (1.0, 1.0), 3, 100, False
        batched = frozenset([1])

        def __init__(self):
            self.sizes = []

        def make(self, tasks):
            self.sizes.append((len(tasks), {task.choice for task in tasks}))
            return [Made(str(task.choice), (task.row, task.copy)) for task in tasks]

    half = Half()
    made = [
        c for block, _ in run.children(half, [str(i) for i in range(40)], np.full(40, 2), set(), seed=0) for c in block
    ]
    assert sorted(c.made.value for c in made) == [(row, copy) for row in range(40) for copy in range(2)]
    assert all(c.made.value == (c.row, c.copy) for c in made)
    assert all(size <= 3 for size, choices in half.sizes if choices == {0})
    assert [choices for size, choices in half.sizes if size > 3] == [{1}]


def test_the_global_generators_stay_as_they_were():
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    make()
    assert random.getstate() == state
    assert (np.random.get_state()[1] == numpy_state).all()


def test_no_row_wants_a_child():
    assert make(copies=0) == ([], Counter())
    assert make([], []) == ([], Counter())


class Plain:
    """Each child is what was asked for."""

    weights, chunk, block, batched, mixes = (1.0,), 10, 100, frozenset(), False

    def make(self, tasks):
        return [Made("plain", (task.row, task.copy)) for task in tasks]


def test_a_block_is_so_many_children_whatever_the_copies():
    blocks = [block for block, _ in run.children(Plain(), ["a", "b", "c"], np.array([250, 1, 99]), set(), seed=0)]
    assert [len(block) for block in blocks] == [100, 100, 100, 50]
    found = [child.made.value for block in blocks for child in block]
    assert found == [(row, copy) for row, many in enumerate((250, 1, 99)) for copy in range(many)]


def test_no_more_workers_than_work(monkeypatch):
    import concurrent.futures

    def refused(*_):
        raise AssertionError("forked for one chunk")

    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", refused)
    assert sum(len(block) for block, _ in run.children(Plain(), ["a"], np.array([10]), set(), seed=0, workers=8)) == 10
    with pytest.raises(AssertionError, match="forked"):
        [*run.children(Plain(), ["a"], np.array([11]), set(), seed=0, workers=8)]


def test_a_worker_that_is_killed_is_told():
    class Deadly(Plain):
        def make(self, tasks):
            if tasks and os.getpid() != here:
                os._exit(9)
            return super().make(tasks)

    here = os.getpid()
    with pytest.raises(ToolkitError, match="a worker was killed") as caught:
        [*run.children(Deadly(), ["a"], np.array([50]), set(), seed=0, workers=2)]
    assert "--workers" in caught.value.hint


def test_a_key_of_none_is_equal_to_none():
    taken = {0}
    assert len([c for block, _ in run.children(Plain(), ["a"], np.array([5]), taken, seed=0) for c in block]) == 5


def test_signs_alone_make_no_row_of_another_split():
    """Such a child is compared sign by sign, with rows of other splits too."""
    method = ["punctuation_insertion"]
    made = {c.made.value for c in make(["a"], ["fine words"], method, 40, least=0)[0]}
    assert "fine ,words" not in made
    assert "fine , words" in made
    taken = text.keys(pa.table({"text": ["fine words", " fine , words"]}))
    again = {c.made.value for c in make(["a"], ["fine words"], method, 40, least=0, taken=taken)[0]}
    assert "fine , words" not in again
    assert again < made


def test_edits_of_a_long_text_show_where_it_changes_first():
    words = [f"word{i % 977} " for i in range(100_000)]
    before, after = "".join(words), "".join([*words[:50_000], "new ", *words[50_000:]])
    found = text.edits(before, after)
    assert any(kind == "new" and piece.split() == ["new"] for kind, piece in found)
    assert found[0] == found[-1] == ("same", "…")
    assert sum(len(piece) for _, piece in found) < 4000
    short = text.edits("a fine day", "a good day")
    assert short == [("same", "a "), ("gone", "fine"), ("new", "good"), ("same", " day")]


def test_a_method_that_can_do_nothing_costs_no_attempt():
    """Of rows without a word that has synonyms all are made by the other method, however rarely it is drawn."""
    texts = [f"qwx{i} zkp{i} vbn{i} grf{i}" for i in range(50)]
    given = {"min_similarity": 0.0, "synonyms": synonyms.load()}
    draws = [Draw("synonym_replacement", 1.0, {}), Draw("sentence_shuffle", 1.0, {}), Draw("random_swap", 0.01, {})]
    modality = Texts(pa.table({"text": texts}), None, draws, given)
    ids = [f"r{i}" for i in range(50)]
    ((made, counts),) = run.children(modality, ids, np.ones(50, np.int64), set(), seed=0)
    assert len(made) == counts["random_swap", "made"] == 50
    assert counts["synonym_replacement", "impossible"] <= 50
    assert counts["", "passed over"] == 0


def test_a_row_that_no_method_can_do_anything_with_is_passed_over():
    modality = Texts(pa.table({"text": ["👍"]}), None, [Draw(name, 1.0, {}) for name in OWN],
                     {"min_similarity": 0.0, "synonyms": synonyms.load()})  # fmt: skip
    ((made, counts),) = run.children(modality, ["a"], np.array([2]), set(), seed=0)
    assert not made
    assert counts["", "passed over"] == 2
