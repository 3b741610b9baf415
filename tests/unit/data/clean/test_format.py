import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.data.clean.format import _PLAIN, repair

PIECES = [
    *(
        "&",
        "amp;",
        "lt;",
        "#38;",
        "#65286;",
        "#x27;",
        "＆",
        "；",
        "ａ",
        "Ａ",
        "Ã",
        "©",
        "â€",
        "™",
        "\x99",
        "é",
        "\u0301",
    ),
    *(" ", "\u3000", "\xa0", "\u200b", "\ufeff", "\x07", "\x1b[1m", "\r\n", "\u2028", "好", "ﬁ", "q", "\x85", "ã", "€"),
]
DIRT = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("fish &amp; chips", "fish & chips"),
        ("&amp;amp;amp;amp;amp;amp;lt;b&gt;", "<b>"),
        ("caf&eacute; &#20320;&#x597d;", "café 你好"),
        ("AT&T; R&D", "AT&T; R&D"),
        ("cafÃ© dâ€™Orsay", "café d’Orsay"),
        ("ä½\xa0å¥½ï¼Œä¸–ç•Œ", "你好，世界"),
        ("ＡＢＣ１２３＠ｑｑ．ｃｏｍ", "ABC123@qq．com"),
        ("你好，世界！（真的？）：“是”；……", "你好，世界！（真的？）：“是”；……"),
        ("it’s “quoted”", "it’s “quoted”"),
        ("a\x00b\x07c\x7f\u200bd\ufeff", "abcd"),
        ("  a \t b\r\n\nc\u3000d\xa0e\u2028f ", "a b c d e f"),
        ("cafe\u0301", "café"),
        ("ﬁne", "fine"),
        ("👨‍👩‍👧 👍🏽", "👨‍👩‍👧 👍🏽"),
        ("＆ａｍｐ;", "&"),
        (" \x07\u200b ", ""),
        ("plain text, as it is.", "plain text, as it is."),
    ],
)
def test_repair(dirty, clean):
    assert repair(dirty) == clean
    assert repair(clean) == clean


@settings(max_examples=500)
@given(st.one_of(DIRT, st.text(max_size=30)))
@example("&amp;" + "amp;" * 12)
def test_repairing_twice_is_repairing_once(text):
    once = repair(text)
    assert repair(once) == once
    assert once == " ".join(once.split())


@given(st.from_regex(_PLAIN, fullmatch=True).map(lambda text: text.rstrip("\n")))
def test_what_is_skipped_as_plain_needs_no_repair(text):
    assert repair(text) == text
