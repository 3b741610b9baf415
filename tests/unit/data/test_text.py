import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data.text import NON_WORD, fold, is_cjk, language, tokens, words

MIXED = st.text(st.sampled_from("aZ9é 好的。，世界〇々𠮷カ한👍\u200d\n\t_'’-.:$\u0301\x00"), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", "en"),
        ("", "en"),
        ("👍 !!", "en"),
        ("你好", "zh"),
        ("我想买 iPhone 15 Pro", "zh"),
        ("The sign 好 means good, says the teacher", "en"),
        ("𠮷", "zh"),
        ("한국어", "zh"),
        ("12 元", "zh"),
    ],
)
def test_language(text, expected):
    assert language(text) == expected


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Hello,\n WORLD!! ", "hello world"),
        ("ＡＢＣ１２３，好。", "abc123 好"),
        ("snake_case", "snake case"),
        ("cafe\u0301", "café"),
        ("👍👍", "👍👍"),
        (" ？！ ", "?!"),
        ("好👍", "好"),
        ("", ""),
        (" \u3000\n", ""),
        ("e_mail: A-B\tC", "e mail a b c"),
        ("  ?! _ ", "?! _"),
    ],
)
def test_fold(text, folded):
    assert fold(text) == folded


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_fold_of_ascii_is_that_of_any_text(text):
    assert fold(text) == " ".join(NON_WORD.split(text.lower())).strip() or fold(text) == text.strip()
    assert fold(text + "é").removesuffix("é").strip() == fold(text) or not any(map(str.isalnum, text))


@given(st.one_of(st.text(), MIXED))
def test_tokens_joined_are_the_text(text):
    assert "".join(tokens(text)) == text
    assert all(tokens(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Let's pay $3.50 at 12:30.", ["Let's", " ", "pay", " ", "$", "3.50", " ", "at", " ", "12:30", "."]),
        ("well-known, don’t!", ["well-known", ",", " ", "don’t", "!"]),
        ("我喜欢iPhone，很好", ["我", "喜欢", "iPhone", "，", "很", "好"]),
        ("👍🏽ok", ["👍", "🏽", "ok"]),
        ("end.Next", ["end", ".", "Next"]),
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected


def test_words_are_the_tokens_that_say_something():
    assert words("Hi, 你好 👍 3.5!") == ["Hi", "你好", "3.5"]


@given(st.text(st.sampled_from("ab 好的")))
def test_script_does_not_depend_on_order_or_space(text):
    assert is_cjk(text) == is_cjk("".join(sorted(text.replace(" ", ""))))
