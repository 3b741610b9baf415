"""What may stand for a word, and a search that finds the word that decides, within its bounds."""

from contextlib import contextmanager

import numpy as np
import pytest

from toolkit.data.augment.text.similarity import chrf
from toolkit.data.text import tokens
from toolkit.evaluation.robustness import text_attack, words

TABLE = {"good": ["fine", "great"], "film": ["movie"], "story": ["tale"], "好": ["棒"]}
SYNONYMS = words.synonyms(TABLE, 0)


class Model:
    """The first class by how often "good" is in a text, a little for "film"; keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, wanted):
        self.asked += wanted
        chances = [0.1 + 0.3 * text.count("good") + 0.1 * ("film" in text) for _, text in wanted]
        return [(chance, int(chance < 0.5)) for chance in chances]


def run(texts, model=None, propose=SYNONYMS, **bounds):
    bounds = {"max_changed": 0.3, "min_similarity": 0.3} | bounds
    return text_attack.attack(texts, [0] * len(texts), model or Model(), propose, **bounds)


def test_the_word_that_decides_is_changed_first():
    (found,) = run(["A good film with a story ."])
    assert found.fooled
    assert found.text in ("A fine film with a story .", "A great film with a story .")
    assert found.changed == pytest.approx(1 / 6)
    assert found.similarity == pytest.approx(chrf([found.text], [found.before])[0])


def test_queries_are_the_texts_asked_once_each():
    model = Model()
    texts = ["A good film .", "A good good film ."]
    found = run(texts, model)
    assert [row.queries for row in found] == [sum(n == i for n, _ in model.asked) for i in (0, 1)]
    assert len(set(model.asked)) == len(model.asked)


def test_bounds_hold():
    text = "The good good good film has a story and a film ."
    (one,) = run([text], max_changed=0.1)
    assert (one.fooled, one.changed) == (False, pytest.approx(1 / 11))
    (none,) = run(["A good film ."], min_similarity=1.0)
    assert (none.fooled, none.text, none.changed) == (False, "A good film .", 0)
    (short,) = run(["good"], max_changed=0.0, min_similarity=0.0)  # a word may be changed however short the text
    assert short.fooled


def test_rows_do_not_depend_on_each_other():
    texts = ["A good film .", "It is good .", "no words that are known", ""]
    together = run(texts)
    assert [vars(row) for row in together] == [vars(run([text])[0]) for text in texts]
    assert [row.fooled for row in together] == [True, True, False, False]


def test_progress_is_told_from_the_first_questions_to_the_last(monkeypatch):
    """Putting the words in order takes most of the time, so it counts too."""
    seen = []

    @contextmanager
    def progress(label, total):
        seen.append(total)
        yield seen.append

    monkeypatch.setattr(text_attack.console, "progress", progress)
    run(["A good film .", "no words that are known", "The good good good film has a story ."] * 20)
    total, *steps = seen
    assert sum(steps) == total == 120
    assert steps[0] == text_attack.AT_ONCE


def test_the_winner_most_like_the_text_is_kept():
    propose = {"good": ["entirely", "god", "gold"]}.get
    (found,) = run(["A good film ."], propose=lambda word: propose(word, []))
    assert found.text == max(["A god film .", "A gold film ."], key=lambda t: chrf([t], ["A good film ."])[0])


def test_synonyms_keep_case_and_leave_function_words():
    assert words.synonyms({"film": ["movie"]}, 0)("Film") == ["Movie"]
    assert words.synonyms({"with": ["by"]}, 0)("with") == []
    assert words.synonyms(TABLE, 0)("好") == ["棒"]
    many = words.synonyms({"big": [f"large{i}" for i in range(50)]}, 0)
    assert len(many("big")) == words.MOST
    assert many("big") == many("big")


@pytest.mark.parametrize("word", ["interesting", "Story", "boring"])
def test_slips_are_one_edit_that_keeps_the_first_letter(word):
    found = words._letters(word)
    assert len(found) > 10
    for other in found:
        assert other[0] == word[0]
        assert abs(len(other) - len(word)) <= 1
        differ = [a != b for a, b in zip(other, word, strict=False)]
        assert len(other) != len(word) or sum(differ) <= 2
    assert word[:2] + word[3:] in found  # a letter lost
    assert word[:2] + word[1:] in found  # doubled
    assert word[0] + word[2] + word[1] + word[3:] in found  # swapped


def test_slips_of_keys_and_of_chinese_characters():
    assert set(words._beside("s")) == set("adwezx")
    assert words._beside("é") == ""
    assert words.characters(0)("the") == []
    assert words.characters(0)("2024") == []
    found = words._chinese("今天")
    assert "天今" in found
    assert any(len(other) == 2 and sum(a != b for a, b in zip(other, "今天", strict=True)) == 1 for other in found)


def test_chinese_texts_are_attacked_by_their_words():
    text = "这部电影的故事很好看"
    seen = []

    def ask(wanted):
        seen.extend(text for _, text in wanted)
        return [(0.9, 0) for _ in wanted]

    text_attack.attack([text], [0], ask, words.characters(0), max_changed=0.5, min_similarity=0.2)
    cut = tokens(text)
    assert "".join(cut[1:]) in seen or "".join([cut[0], *cut[2:]]) in seen
    assert all(np.isclose(len(other), len(text), atol=3) for other in seen)
