import random

import pytest

from toolkit.data.augment.text import METHODS, reorder_zh, structure
from toolkit.data.augment.text.trees import Word
from toolkit.data.text import tokens


def apply(method, text, seed=0, **resources):
    function = METHODS[method] if isinstance(method, str) else method
    return function(tokens(text), random.Random(seed), **resources)


CLAUSES = [
    ("Because it was late, I went home.", "I went home because it was late."),
    ("I went home because it was late.", "Because it was late, I went home."),
    ("If my card is lost, what should I do?", "What should I do if my card is lost?"),
    ("What should I do if my card is lost?", "If my card is lost, what should I do?"),
    ("My card was declined when I tried to pay!", "When I tried to pay, my card was declined!"),
    ("Before I travel, do I need a visa?", "Do I need a visa before I travel?"),
    ("The plan is good although it was rushed", "Although it was rushed, the plan is good"),
    (
        "you 'll love this movie if you have n't seen the first .",
        "if you have n't seen the first, you 'll love this movie .",
    ),
    ("因为下雨，所以我没去公园。", "我之所以没去公园，是因为下雨。"),
    ("因为质量太差，所以退货了", "之所以退货了，是因为质量太差"),
    ("我之所以迟到，是因为堵车。", "因为堵车，所以我迟到。"),
    ("我没有去上班，因为我生病了！", "因为我生病了，所以我没有去上班！"),
    ("如果明天下雨，我们就不去了。", "我们不去了，如果明天下雨的话。"),
    ("如果收不到货，那么请联系客服", "请联系客服，如果收不到货的话"),
    ("虽然价格贵，但是质量很好。", "质量很好，虽然价格贵。"),
]
PAIRS = [
    ("The story was clever and funny.", "The story was funny and clever."),
    ("an honest and funny film", "a funny and honest film"),
    ("It is a slow, dull or empty film", "It is a slow, empty or dull film"),
    ("Beautiful and moving.", "Moving and beautiful."),
    ("I talked to the boss and the lawyer.", "I talked to the lawyer and the boss."),
    ("full of sincerity and devotion", "full of devotion and sincerity"),
    ("我喜欢苹果和香蕉。", "我喜欢香蕉和苹果。"),
    ("屏幕和电池都有问题", "电池和屏幕都有问题"),
    ("酒店的服务和环境都很好", "酒店的环境和服务都很好"),
    ("这家店的菜既便宜又好吃。", "这家店的菜既好吃又便宜。"),
    ("他一边吃饭，一边看电视", "他一边看电视，一边吃饭"),
]


@pytest.mark.parametrize(("before", "after"), CLAUSES)
def test_clauses_change_places(before, after):
    assert apply("clause_reordering", before) == after


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_coordinated_words_change_places(before, after):
    assert apply("coordination_swap", before) == after


@pytest.mark.parametrize(
    "text",
    [
        "Because of the rain, I went home.",
        "May I choose when it is delivered?",
        "Are you only able to pay if you are here?",
        "This is one of the movies you 'd want to watch if you had a week.",
        "I did not leave because I was tired.",  # it may be the reason that is denied
        "Can you tell me if my card is lost?",
        "I wonder when the shop is open.",
        "Do you know when you were born?",
        "He came and left because he was tired.",
        "When John was late, he was angry.",  # he may be John
        "Where were you when John said that he was ill?",
        "While the film is good, it drags.",
        "London is nice when it is warm, but I stay.",
        "Paris was empty when I came.",  # a capital of its own
        "A while after the rain",
        "如果你喜欢它，那么它就是你的",
        "我不是没去，因为我生病了",
        "虽然他很累，但是没休息",
        "What?", "word", "好", "👍👍", "", " \n", "...",
    ],
)  # fmt: skip
def test_clauses_that_are_not_sure_stay(text):
    assert apply("clause_reordering", text) is None


@pytest.mark.parametrize(
    "text",
    [
        "It is not clever and funny.",
        "It is more clever and funny than the other.",
        "We walked between the house and the tree.",
        "Romeo and Juliet",
        "the good and the bad and the ugly man",
        "He saw the dog and the cat ran away",
        "Be nice and easy.",
        "It was easy and hard to resist.",
        "罗密欧与朱丽叶",
        "我看了《战争与和平》",
        "老师和学生说话",
        "他比老师和学生都高",
        "红色的苹果和香蕉",
        "word", "好", "👍👍", "", " \n", "...",
    ],
)  # fmt: skip
def test_pairs_that_are_not_sure_stay(text):
    assert apply("coordination_swap", text) is None


def test_some_sentences_of_a_text_and_only_those():
    text = (
        "I went home because it was late.  Prices rose 3.50 points.\nIf it is cold, I stay in! 因为下雨，所以我没去。"
    )
    found = {apply("clause_reordering", text, seed) for seed in range(30)}
    assert len(found) == 7  # one or more of three
    assert all("Prices rose 3.50 points.\n" in out for out in found)
    assert apply("clause_reordering", text, 5) == apply("clause_reordering", text, 5)


@pytest.mark.parametrize("method", ["clause_reordering", "coordination_swap"])
@pytest.mark.parametrize(
    "unit",
    [
        "word ",
        "a. ",
        "because ",
        "if I ",
        "clever and ",
        "好",
        "因为",
        "又好",
        "苹果和",
        "如果好，",
        ".",
        "👍",
        "既好又",
    ],
)
def test_long_texts_do_not_hang(method, unit):
    out = apply(method, unit * 20_000)
    assert out is None or len(out) < 24_000 * len(unit)


def test_a_swap_of_equal_words_is_none():
    assert not reorder_zh.pairs("苹果和苹果")
    assert not reorder_zh.parallel("既好又好")


def parser(sentence):
    """The trees of a few sentences, as a parser would give them: (word, head, label, tag)."""
    known = {
        "Kim slept because the long day had tired her": [
            ("Kim", 1, "nsubj", "PROPN"), ("slept", 1, "ROOT", "VERB"), ("because", 7, "mark", "SCONJ"),
            ("the", 5, "det", "DET"), ("long", 5, "amod", "ADJ"), ("day", 7, "nsubj", "NOUN"), ("had", 7, "aux", "AUX"),
            ("tired", 1, "advcl", "VERB"), ("her", 7, "obj", "PRON"),
        ],
        "the young cat and the old dog slept": [
            ("the", 2, "det", "DET"), ("young", 2, "amod", "ADJ"), ("cat", 7, "nsubj", "NOUN"),
            ("and", 2, "cc", "CCONJ"),
            ("the", 6, "det", "DET"), ("old", 6, "amod", "ADJ"), ("dog", 2, "conj", "NOUN"),
            ("slept", 7, "ROOT", "VERB"),
        ],
        "good food and service": [
            ("good", 1, "amod", "ADJ"), ("food", 1, "ROOT", "NOUN"), ("and", 1, "cc", "CCONJ"),
            ("service", 1, "conj", "NOUN"),
        ],
        "猫和狗": [("猫", 0, "ROOT", "NOUN"), ("和", 2, "cc", "CCONJ"), ("狗", 0, "conj", "NOUN")],
    }  # fmt: skip
    out, at = [], 0
    for word, head, label, tag in known.get(sentence, []):
        start = sentence.index(word, at)
        at = start + len(word)
        out.append(Word(start, at, head, label, tag))
    return out


def test_a_tree_tells_what_rules_can_not():
    text = "Kim slept because the long day had tired her."
    assert apply("clause_reordering", text) is None
    assert apply(structure.parsed_clauses, text, parser=parser) == "Because the long day had tired her, Kim slept."
    text = "the young cat and the old dog slept"
    assert apply("coordination_swap", text) is None
    assert apply(structure.parsed_coordination, text, parser=parser) == "the old dog and the young cat slept"
    assert apply(structure.parsed_coordination, "猫和狗", parser=parser) == "狗和猫"


def test_a_tree_that_leaves_it_open():
    assert apply(structure.parsed_coordination, "good food and service", parser=parser) is None
    assert apply(structure.parsed_clauses, "Nothing is known of this.", parser=parser) is None


def test_chinese_clauses_by_rules_beside_a_parser():
    assert apply(structure.parsed_clauses, CLAUSES[8][0], parser=parser) == CLAUSES[8][1]
