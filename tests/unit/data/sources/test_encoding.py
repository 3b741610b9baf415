import codecs
import gzip
import random

import pytest

from toolkit.data import sources
from toolkit.data.sources import encoding
from toolkit.errors import ToolkitError

CHINESE = "text,label\n今天天气很好，我们去公园,好\n这个东西太贵了。,坏\n"
TRADITIONAL = "text,label\n這個產品真的很不錯，我們會再來買,好\n"
FRENCH = "text,label\nLe café était fermé – très déçu,é\nplain “words”,b\n"


def expected(text):
    return [dict(zip(("text", "label"), line.split(","), strict=True)) for line in text.splitlines()[1:]]


@pytest.mark.parametrize("block", [1 << 22, 5])
@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (CHINESE, "utf-8", None),
        (CHINESE, "utf-8-sig", None),
        (CHINESE, "utf-16", None),
        (FRENCH, "utf-16", None),
        (CHINESE, "gb18030", "gb18030"),
        (TRADITIONAL, "gb18030", "gb18030"),
        (FRENCH, "cp1252", "cp1252"),
    ],
)
def test_encodings_are_read_and_told(rows, warnings, monkeypatch, text, code, told, block):
    """Also where a block ends within a character."""
    monkeypatch.setattr(encoding, "BLOCK", block)
    assert rows("a.csv", text.encode(code)) == expected(text)
    assert warnings == ([f"a.csv is not UTF-8: read as {told}"] if told else [])


def test_big_endian_utf_16(rows):
    assert rows("a.csv", codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be")) == expected(CHINESE)


def test_decode():
    assert sources.decode(b"\xef\xbb\xbfa", "x") == "a"
    assert sources.decode(CHINESE.encode("gb18030"), "x") == CHINESE
    with pytest.raises(ToolkitError, match="x is a binary file"):
        sources.decode(b"a\0", "x")


@pytest.mark.parametrize("block", [1 << 22, 7])
def test_lines_by_blocks_are_the_lines(tmp_path, monkeypatch, block):
    monkeypatch.setattr(encoding, "BLOCK", block)
    text = "\n一\n\n" + "long line " * 9 + "\r\nlast\u2028\x85"
    (tmp_path / "a").write_bytes(text.encode())
    assert [line for lines in encoding.line_blocks(tmp_path / "a", "utf-8") for line in lines] == text.split("\n")


def mixture(first, second):
    return CHINESE.encode(first) * 3 + "又一个很好的东西，我喜欢,好\n".encode(second) * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (codecs.BOM_UTF8 + b"\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        (b"text\n" + b"a\n" * 9999 + b"\0", "binary"),
        (gzip.compress(b"text,label\na,b\n" * 9, mtime=0), "binary|no other encoding"),
        (bytes(range(255, 0, -1)) * 9, "no other encoding fits"),
        ((CHINESE * 9).encode("big5", "ignore"), "no other encoding fits"),
        (CHINESE.encode("utf-32"), "no other encoding fits"),
        (codecs.BOM_UTF16_LE + b"a", "no other encoding fits"),
        (mixture("utf-8", "gb18030"), "mixes encodings: line|no other encoding"),
        (mixture("gb18030", "utf-8"), "mixes encodings: line|no other encoding"),
        ((CHINESE * 66).encode("gb18030") + "一个很好的东西,好\n".encode(), "line 199 is UTF-8"),
        (FRENCH.encode("cp1252") + "très déçu,b\n".encode(), "line 4 is UTF-8"),
        ((CHINESE * 3).encode() + "一个很好的东西,好\n".encode("gb18030"), "line 10 is not UTF-8"),
    ],
)
def test_what_is_no_text_of_one_encoding_is_refused(rows, content, message):
    with pytest.raises(ToolkitError, match=message):
        rows("a.csv", content)


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"text,label\na,b\n", mtime=0)[:-9], b"\x1f\x8b\x08\x00abcdefghijkl", b"text,label\n"],
    ids=["cut", "garbage", "not packed"],
)
def test_broken_gzip(rows, content):
    with pytest.raises(ToolkitError, match="no whole gzip"):
        rows("a.csv.gz", content)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.ts", "a.csv.gz", "a.jsonl.gz"])
def test_a_line_without_end_is_refused_before_it_is_in_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr(encoding, "MAX_LINE", 4 << 20)
    monkeypatch.setattr(encoding, "BLOCK", 1 << 18)
    line = b"text\nab\n" + b"x" * (16 << 20)
    (tmp_path / name).write_bytes(gzip.compress(line, 1, mtime=0) if name.endswith("gz") else line)
    seen = []
    real = encoding.raw_blocks

    def counted(path, **options):
        for block in real(path, **options):
            seen.append(len(block))
            yield block

    monkeypatch.setattr(encoding, "raw_blocks", counted)
    with pytest.raises(ToolkitError, match=r"line 3 is longer than 4 MB: give a file with one row a line"):
        sources.read(sources.locate(tmp_path / name)[0])
    assert sum(seen) < 6 << 20


def test_a_long_line_is_read(rows):
    long = "".join(random.Random(0).choices("abc ", k=5 << 20)).strip()
    assert rows("a.csv", f"text,label\na,b\n{long},c\nd,e\n")[1] == {"text": long, "label": "c"}
