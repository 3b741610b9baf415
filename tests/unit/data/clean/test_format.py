import io

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.data import columns
from toolkit.data.clean import rows as row_module
from toolkit.data.clean.format import _PLAIN, repair, run

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
    *("<b>", "</b>", "<", ">", "/", "<br", "<p", "<!--", "-->", "b", "<script>", "</script>", "⼈", "ﾞ", "ｶ", "𝐚"),
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
        ("⼈⼯智能 ｶﾞｲﾄﾞ 𝐁𝐨𝐥𝐝", "人工智能 ガイド Bold"),
        ("《三国志》Ⅱ：版本·更新（组图）…—“好”", "《三国志》Ⅱ：版本·更新（组图）…—“好”"),
        ("¥10 £5 €3 ½ ™ α ≠ ①", "¥10 £5 €3 ½ ™ α ≠ ①"),
        ("great<br />film<BR>", "great film"),
        ("<p>第一段</p><p>第二段</p>", "第一段 第二段"),
        ("&lt;p&gt;price &lt;b&gt;5&lt;/b&gt;&lt;/p&gt;", "price 5"),
        ('see <a href="http://example.com/?a=1&amp;b=2" rel=x>t<i>h</i>is</a>!', "see this!"),
        ("<div class='x'><!-- menu --><script>var a = '<b>';</script>text</div>", "text"),
        ("if a < b and c > d, x<y>z", "if a < b and c > d, x<y>z"),
        ("what does <b> do in HTML", "what does <b> do in HTML"),
        ("<3 <joe@example.com> <-- <unknown>tag</unknown>", "<3 <joe@example.com> <-- <unknown>tag</unknown>"),
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


@settings(max_examples=1000)
@given(st.text(st.sampled_from("“”‘’—–…·、。「」あがゃアー々〇好的！（），：；？～［］A a1'\"-#;./=>~%"), max_size=12))
def test_signs_that_are_skipped_need_no_repair_beside_each_other(text):
    assert not _PLAIN.match(text) or repair(text) == text


def rows_of(**tables):
    """Rows of one split each, from columns."""
    built = {split: pa.table(columns) for split, columns in tables.items()}
    return row_module.from_dataset(columns.to_dataset(built, "x", complete=False))


def test_run_changes_and_tells():
    rows = rows_of(train={"text": ["a &amp; b", "plain text", None, "", "Ａ"], "label": list("xxxxx")})
    rows.stage = "format"
    assert run(rows, None, {}) is None
    assert rows.values("text") == ["a & b", "plain text", None, "", "A"]
    changes = rows.changes().select(["id", "stage", "column", "before", "after"]).to_pylist()
    assert [tuple(c.values()) for c in changes] == [
        ("train-0", "format", "text", "a &amp; b", "a & b"),
        ("train-4", "format", "text", "Ａ", "A"),
    ]
    run(rows, None, {})
    assert rows.changed == 2


def test_texts_and_numbers_of_a_table():
    rows = rows_of(
        train={"colour": [" red", "red", None], "size": [1.5, float("inf"), None], "n": [1, 2, 3], "label": list("xyx")}
    )
    assert rows.kind == "table"
    assert run(rows, None, {}) == {"infinite_values": 1}
    assert rows.values("colour") == ["red", "red", None]
    assert rows.values("size") == [1.5, None, None]
    assert rows.values("n") == [1, 2, 3]


def test_infinite_values_of_series_become_missing():
    series = [[[1.0, 2.0], [3.0, None]], [[float("inf"), 2.0], [-float("inf"), 4.0]]]
    rows = rows_of(train={"series": pa.array(series), "label": ["x", "y"]})
    assert run(rows, None, {}) == {"infinite_values": 2}
    assert rows.values("series") == [[[1.0, 2.0], [3.0, None]], [[None, 2.0], [None, 4.0]]]


def picture(mode="RGB", orientation=None):
    """A small JPEG (PNG where it has transparency) of two colours."""
    image = Image.new(mode, (24, 16), 40)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "PNG" if mode == "RGBA" else "JPEG", exif=exif)
    return out.getvalue()


def test_images_are_mended_or_rejected():
    whole, turned = picture(), picture(orientation=6)
    cells = [whole, turned, picture("L"), whole[: len(whole) // 2], b"no image", None]
    image = pa.array([None if c is None else {"bytes": c, "path": f"{i}.jpg"} for i, c in enumerate(cells)])
    tables = {split: pa.table({"image": image, "label": list("xyxyxy")}) for split in ("train", "test")}
    rows = row_module.from_dataset(columns.to_dataset(tables, "x", complete=False))
    rows.stage = "format"
    figures = run(rows, None, {})
    assert figures["unreadable"] == 4
    assert sum(figures["repaired"].values()) == 4
    assert [(row, reason) for row, _, reason, _ in rows.rejects] == [(r, "unreadable image") for r in (3, 4, 9, 10)]
    after = [cell and Image.open(io.BytesIO(cell["bytes"])) for cell in rows.values("image", [0, 1, 2, 5])]
    assert [image and (image.size, image.mode) for image in after] == [
        ((24, 16), "RGB"), ((16, 24), "RGB"), ((24, 16), "RGB"), None,
    ]  # fmt: skip
    assert rows.values("image", [0])[0]["bytes"] == whole
    assert run(rows, None, {})["repaired"] == {}
