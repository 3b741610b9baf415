import random
import time
from collections import Counter
from random import Random

import pytest

from toolkit.data.augment.text import METHODS, eda, synonyms
from toolkit.data.text import is_cjk, tokens, words

ENGLISH = "Hello, the excellent old shop has a big problem: my quick order of $3.50 didn’t arrive (yet)!"
CHINESE = "你好，我觉得这个商品的质量很好，但是快递太慢了，希望尽快解决这个问题！谢谢👍"
MIXED = "我的 iPhone 15 手机漂亮 👍, but the battery is terrible。"
TEXTS = [ENGLISH, CHINESE, MIXED]
OPERATIONS = ("synonym_replacement", "random_insertion", "random_swap", "random_deletion", "punctuation_insertion")
TABLE = synonyms.load()


def apply(method, text, seed=0, **params):
    if method in ("synonym_replacement", "random_insertion"):
        params.setdefault("synonyms", TABLE)
    return METHODS[method](tokens(text), Random(seed), **params)


def others(text):
    """What is neither a word nor white space."""
    return [t for t in tokens(text) if not t.isspace() and not t[0].isalnum()]


def expected(text, alpha=0.2):
    return max(1, round(alpha * len(words(text))))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_swap_changes_the_order_alone(text, seed):
    out = apply("random_swap", text, seed, alpha=0.2)
    before, after = tokens(text), tokens(out)
    assert sorted(out) == sorted(text)
    assert others(out) == others(text)
    if text == ENGLISH:
        assert sorted(after) == sorted(before)
        moved = sum(a != b for a, b in zip(after, before, strict=True))
        assert 2 <= moved <= 2 * expected(text)


def test_one_swap_is_of_two_words():
    pairs = {apply("random_swap", "a b c", seed, alpha=0) for seed in range(60)}
    assert pairs == {"b a c", "c b a", "a c b"}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_deletion_takes_words_and_leaves_signs(text, seed):
    out = apply("random_deletion", text, seed, alpha=0.2)
    assert others(out) == others(text)
    assert 0 < len(words(out)) < len(words(text)) or is_cjk(text)
    assert not Counter(out) - Counter(text)
    assert len(out) < len(text)
    assert "  " not in out


@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.9])
def test_each_word_is_deleted_with_probability_alpha(alpha):
    text = " ".join(f"w{i}" for i in range(1000))
    outs = [set(apply("random_deletion", text, seed, alpha=alpha).split()) for seed in range(40)]
    gone = [1 - len(out) / 1000 for out in outs]
    assert abs(sum(gone) / 40 - alpha) < 4 * (alpha * (1 - alpha) / 40_000) ** 0.5
    for place in ("w0", "w500", "w999"):  # first and last words are no safer
        assert abs(sum(place not in out for out in outs) / 40 - alpha) < 4.5 * (alpha * (1 - alpha) / 40) ** 0.5


@pytest.mark.parametrize("seed", range(10))
def test_deletion_leaves_a_word(seed):
    assert words(apply("random_deletion", "one two three", seed, alpha=1.0)) in (["one"], ["two"], ["three"])


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_synonyms_take_the_place_of_words(text, seed):
    """Undoing each replacement gives the text back; as many are made as alpha says, where there are so many."""
    parts, rest, changed = tokens(text), apply("synonym_replacement", text, seed, alpha=0.2), 0
    for part in parts:
        options = [part, *(eda.in_case_of(part, s) for s in TABLE.get(part.lower(), ()))]
        found = [o for o in sorted(options, key=len, reverse=True) if rest.startswith(o)]
        changed += found[0] != part
        rest = rest[len(found[0]) :]
    assert not rest
    known = sum(part.lower() in TABLE for part in parts)
    assert changed == min(expected(text), known)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(10))
def test_insertion_adds_synonyms_and_loses_nothing(text, seed):
    out = apply("random_insertion", text, seed, alpha=0.2)
    assert not Counter(text) - Counter(out)
    assert others(out) == others(text)
    known = {s for word in words(text) for s in TABLE.get(word.lower(), ())}
    added = Counter("".join(out.split())) - Counter("".join(text.split()))
    assert 0 < sum(added.values()) <= expected(text) * max(map(len, known))


def test_insertion_is_at_any_place_and_counted():
    table = {"good": ["fine"]}
    outs = Counter(apply("random_insertion", "a good day", seed, alpha=0, synonyms=table) for seed in range(200))
    assert set(outs) == {"fine a good day", "a fine good day", "a good fine day", "a good day fine"}
    assert min(outs.values()) > 25
    out = apply("random_insertion", "good " * 100, 3, alpha=0.2, synonyms=table)
    assert out.split().count("fine") == 20
    assert apply("random_insertion", "好", 0, synonyms={"好": ["不错"]}) in ("不错好", "好不错")
    assert apply("random_insertion", "手机good", 1, synonyms={"good": ["fine"]}).count("fine") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good", "Fine"),
        ("GOOD", "FINE"),
        ("good", "fine"),
        ("a good day", "a fine day"),
        ("an odd day", "a weird day"),
        ("A weird day", "An odd day"),
        ("an hour", "an hour"),
    ],
)
def test_case_and_article_are_kept_right(text, expected):
    table = {"good": ["fine"], "odd": ["weird"], "weird": ["odd"], "day": ["day"]}
    assert apply("synonym_replacement", text, 0, alpha=0.1, synonyms=table | {"hour": ["hour"], "day": ["day"]}) in (
        expected,
        text,
    )
    outs = {
        apply("synonym_replacement", text, seed, alpha=1.0, synonyms=table | {"hour": ["hour"]}) for seed in range(3)
    }
    assert outs == {expected}


@pytest.mark.parametrize(("text", "signs"), [(ENGLISH, eda.SIGNS), (CHINESE, eda.SIGNS_CJK)])
def test_punctuation_is_put_between(text, signs):
    counts = Counter()
    for seed in range(60):
        out = apply("punctuation_insertion", text, seed)
        assert words(out) == words(text) or is_cjk(text)
        added = Counter(others(out)) - Counter(others(text))
        assert set(added) <= set(signs)
        assert not Counter(others(text)) - Counter(others(out))
        counts[sum(added.values())] += 1
    assert min(counts) == 1
    assert max(counts) == len(words(text)) // 3
    assert apply("punctuation_insertion", "one two", 0, share=1.0) != "one two"


@pytest.mark.parametrize("method", OPERATIONS)
@pytest.mark.parametrize("text", ["", "word", "好", "👍", "👍 🏽!", "...", "a b", "x" * 5000, " \n "])
def test_odd_texts(method, text):
    for seed in range(5):
        out = apply(method, text, seed)
        assert out is None or isinstance(out, str)
        if not words(text):
            assert out is None


@pytest.mark.parametrize("method", ["random_swap", "random_deletion"])
def test_one_word_is_too_few(method):
    assert apply(method, "word!") is None


@pytest.mark.parametrize("method", ["synonym_replacement", "random_insertion"])
def test_words_without_synonyms(method):
    assert apply(method, "xyzzy plugh") is None


@pytest.mark.parametrize("method", OPERATIONS)
@pytest.mark.parametrize("text", ["terrible word " * 50_000, "漂亮的世界，" * 20_000])
def test_long_texts_do_not_hang(method, text):
    parts = tokens(text)
    start = time.process_time()
    params = {"synonyms": TABLE} if method in ("synonym_replacement", "random_insertion") else {}
    out = METHODS[method](parts, Random(0), **params)
    assert time.process_time() - start < 2
    assert out != text
    assert 0.7 < len(out) / len(text) < 1.5


@pytest.mark.parametrize("method", OPERATIONS)
@pytest.mark.parametrize("text", TEXTS)
def test_the_generator_given_decides_and_no_other(method, text):
    random.seed(1)
    one = [apply(method, text, seed) for seed in range(8)]
    state = random.getstate()
    random.seed(2)
    assert [apply(method, text, seed) for seed in range(8)] == one
    assert len(set(one)) > 2
    random.seed(1)
    assert random.getstate() == state
