import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data import folding
from toolkit.data.text import CJK_CHAR, fold, is_cjk

TRICKY = "aB1_ ，。好世\n\té\u0301ΣσςİŒ½ﬁ㎏…👍\ufe0f\u200dＡ\u3000ᄀ\u1161\u11a8각가カﾞ々〇𠮷§\x00-·\ud800٣"
MIXED = st.one_of(st.text(st.sampled_from(TRICKY), max_size=20), st.text(max_size=10))


def strings(block):
    """The texts of a block."""
    text, at = block.codes.tobytes().decode("utf-32-le", "surrogatepass"), 0
    for length in block.lengths.tolist():
        yield text[at : at + length]
        at += length


def fold_all(texts):
    """Each text folded, by way of the blocks."""
    source = folding.Source(texts)
    return [text for block in source.blocks() for text in strings(source.folded(*block))]


@settings(max_examples=300)
@given(st.lists(MIXED, max_size=12))
def test_each_text_is_folded_as_alone(texts):
    expected = [fold(text) for text in texts]
    assert fold_all(texts) == expected
    kinds = [2 if is_cjk(text) else int(bool(CJK_CHAR.search(text))) for text in expected]
    assert folding.folded(texts).cjk.tolist() == kinds


def test_every_character():
    """Alone and inside a text, for each character of the first two planes."""
    chars = [chr(code) for code in range(0x20000)]
    assert fold_all(chars) == [fold(char) for char in chars]
    inside = [f"B{char}a" for char in chars]
    assert fold_all(inside) == [fold(text) for text in inside]


def test_what_combines_is_never_looked_up_alone():
    """Every character that may join the one before it, or change its place among marks, is folded with its text."""
    joins = set()
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        joins |= {chr(int(parts[1], 16))} if len(parts) == 2 and not parts[0].startswith("<") else set()
        if unicodedata.combining(chr(code)):
            joins.add(chr(code))
    assert len(joins) > 800
    assert all(folding._depends(char) for char in joins)


@pytest.mark.parametrize("characters", [1, 7, 1 << 16])
def test_blocks_lose_nothing(monkeypatch, characters):
    monkeypatch.setattr(folding, "CHARACTERS", characters)
    texts = ["Hé, 你好!", "", "a" * 20, None, "👍", "Ａ b", ""] * 3
    expected = [fold(text or "") for text in texts]
    assert fold_all([text or "" for text in texts]) == expected
    parts = pa.chunked_array([pa.array(texts[:5]), pa.array([], pa.string()), pa.array(["x", *texts[5:]])[1:]])
    for array in (pa.array(texts), parts, parts.cast(pa.large_string()), pa.array(texts).dictionary_encode()):
        assert fold_all(array) == expected
    rows = [20, 3, 3, 0, 11]
    for source in (folding.Source(parts), folding.Source(pa.array(texts))):
        assert list(strings(source.take(pa.array(rows).to_numpy()))) == [expected[i] for i in rows]
        assert [b for _, b in source.blocks()][-1] == len(source) == len(texts)
