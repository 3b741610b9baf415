from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data.augment.text import sentences
from toolkit.data.text import tokens


def bodies(text):
    return [body for body, _ in sentences.split(text)]


def shuffled(text, seed=0):
    return sentences.sentence_shuffle(tokens(text), Random(seed))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works. I like it! Really? Yes", ["It works.", "I like it!", "Really?", "Yes"]),
        ("Dr. Smith paid $3.50 to J. Doe, e.g. in the U.S. market. He left.",
         ["Dr. Smith paid $3.50 to J. Doe, e.g. in the U.S. market.", "He left."]),
        ('"Stop!" he said. (It was late.) We went.', ['"Stop!" he said.', "(It was late.)", "We went."]),
        ("this is good . it works . yes", ["this is good .", "it works .", "yes"]),
        ("See www.example.com or version 2.0.1 now. OK?", ["See www.example.com or version 2.0.1 now.", "OK?"]),
        ("Wait... what? Yahoo! is old.", ["Wait... what?", "Yahoo! is old."]),
        ("Chapter 3. The end", ["Chapter 3. The end"]),
        ("One\n\nTwo", ["One", "Two"]),
        ("one sentence", ["one sentence"]),
        ("很好。我喜欢！真的吗？是的", ["很好。", "我喜欢！", "真的吗？", "是的"]),
        ("他说：“你好。”我说：“再见！”", ["他说：“你好。”", "我说：“再见！”"]),
        ("价格是3.50元，很便宜。谢谢", ["价格是3.50元，很便宜。", "谢谢"]),
        ("第一行\n第二行", ["第一行", "第二行"]),
        ("我……不知道。走吧", ["我……不知道。", "走吧"]),
        ("", []),
        ("...", ["..."]),
    ],
)  # fmt: skip
def test_boundaries(text, expected):
    assert bodies(text) == expected


@given(st.text(alphabet='aB. !?\n。！”"3e.g好', max_size=60))
def test_joined_the_sentences_are_the_text(text):
    assert "".join(body + white for body, white in sentences.split(text)) == text


@pytest.mark.parametrize("text", ["One. Two. Three.", "很好。我喜欢！真的吗？", "A b c. D e f!  G h i?"])
@pytest.mark.parametrize("seed", range(10))
def test_the_order_changes_and_nothing_else(text, seed):
    out = shuffled(text, seed)
    assert out != text
    assert sorted(bodies(out)) == sorted(bodies(text))
    assert [white for _, white in sentences.split(out)] == [white for _, white in sentences.split(text)]


def test_a_last_sentence_without_its_sign_gets_one():
    assert {shuffled("One. Two", seed) for seed in range(5)} == {"Two. One."}
    assert {shuffled("很好。谢谢", seed) for seed in range(5)} == {"谢谢。很好。"}


def test_english_and_chinese_side_by_side_are_not_glued():
    assert "Good.很" not in shuffled("很好。Good. 谢谢。", 0)
    assert {shuffled("很好。Good.", seed) for seed in range(3)} == {"Good. 很好。"}


@pytest.mark.parametrize("text", ["", "one", "No end", "👍👍", "Same. Same.", "Mr. Smith", " \n ", "3.50", "..."])
def test_one_sentence_is_too_few(text):
    assert shuffled(text) is None


def test_long_texts_do_not_hang():
    assert shuffled("a b c d. " * 25_000 + "The end.") is not None
    assert shuffled("." * 100_000 + "a") is None
    assert shuffled("!" * 50_000 + '"' * 50_000) is None
    assert shuffled("好" * 50_000 + "。" * 50_000 + "是") is not None
