import csv
import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data import sources
from toolkit.data.sources import delimited, encoding, numerals
from toolkit.errors import ToolkitError

ENGLISH = [{"text": "hello there", "label": "a"}, {"text": "good bye", "label": "b"}]


def written(rows, delimiter=",", end="\n"):
    return end.join(delimiter.join(line) for line in [list(rows[0]), *(list(row.values()) for row in rows)]) + end


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.CSV", "\t"), ("a.tsv", "\t")])
def test_delimiters_and_line_ends(rows, name, delimiter, end):
    assert rows(name, written(ENGLISH, delimiter, end)) == ENGLISH


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz"])
def test_gz(rows, name):
    content = written(ENGLISH, "\t" if "tsv" in name else ",").encode()
    assert rows(name, gzip.compress(content[:20]) + gzip.compress(content[20:])) == ENGLISH


def test_quotes_newlines_and_words_for_nothing(rows):
    content = 'text;label\n"a; ""b""\r\nc";NA\n "null" ;\n;""\n"mid"dle;x\n'
    assert rows("a.csv", content) == [
        {"text": 'a; "b"\r\nc', "label": "NA"},
        {"text": ' "null" ', "label": None},
        {"text": None, "label": None},
        {"text": "middle", "label": "x"},
    ]


@pytest.mark.parametrize(
    "content", ["\ufeff\n\r\ntext,label\na,b\n", "text,label\n\na,b", "\n\ntext,label\r\n\r\na,b\r\n"]
)
def test_marks_and_blank_lines(rows, content):
    assert rows("a.csv", content) == [{"text": "a", "label": "b"}]


def test_delimiters_inside_the_quoted_header_do_not_count(rows):
    assert rows("a.csv", '"a,b,c";label\nx;y\n') == [{"a,b,c": "x", "label": "y"}]


@given(
    st.lists(st.tuples(st.text(st.sampled_from('ab,;"\n 好é')), st.text('xy"\n, 1.', max_size=5)), min_size=1),
    st.sampled_from([7, 100]),
)
def test_what_was_written_is_read(tmp_path_factory, pairs, block):
    """Whatever stands in the cells and wherever blocks end."""
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *pairs, ("end", "x")])
    path.write_bytes(text.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "BLOCK", block)
        read = sources.read({"train": [path]})["train"].to_pylist()
    assert [tuple(row.values()) for row in read] == [(a or None, b or None) for a, b in [*pairs, ("end", "x")]]


# Numbers


def test_numbers_stay_as_they_are_written(rows):
    content = "text,whole,code,real,mixed,when,flag\na,1,007,0.5,1,2020-01-02,true\nb,-2,010,,x,2020-01-03,false\n"
    assert rows("a.csv", content) == [
        {"text": "a", "whole": 1, "code": "007", "real": 0.5, "mixed": "1", "when": "2020-01-02", "flag": "true"},
        {"text": "b", "whole": -2, "code": "010", "real": None, "mixed": "x", "when": "2020-01-03", "flag": "false"},
    ]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", None, "-20", "0", "123456789012345678"], "int64"),
        (["1", "2.5", "3.0", "nan", "-0.1", "0"], "double"),
        (["0.0001", "1e-05", "1e+16", "123456.7890123", "2.2250738585072014e-308", "inf"], "double"),
        (["1.10"], "string"),
        (["1.5", "007"], "string"),
        (["1.5", "-0"], "string"),
        (["1.5", "1234567890123456"], "string"),  # a float cannot tell it from its neighbours as written
        (["1.5", "0.00001"], "string"),  # would be written 1e-05
        (["0.1000000000000000055"], "string"),
        (["1", "+2"], "string"),
        (["0x1F"], "string"),
        (["1_000"], "string"),
        (["1", "NA"], "string"),
        ([None, None], "string"),
        ([], "string"),
    ],
)
def test_what_a_column_is(cells, kind):
    column = pa.chunked_array([cells[:1], cells[1:]], pa.string())
    assert str(numerals.typed(column).type) == kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["9.10", None, "-25.98843", "3", "1e5"], "double"),
        (["1", "2"], "int64"),
        (["1.10", "007"], "string"),
        (["1.10", "1234567890123456"], "string"),
        (["1.10", "NA"], "string"),
        ([None], "string"),
    ],
)
def test_quantities_may_lose_zeros(cells, kind):
    column = pa.chunked_array([cells], pa.string())
    read = numerals.typed(column, exact=False)
    assert str(read.type) == kind
    if kind == "double":
        assert read.to_pylist() == [None if cell is None else float(cell) for cell in cells]


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(10**14), 10**14)), min_size=1))
def test_numbers_survive(values):
    column = pa.chunked_array([[None if v is None else repr(v)] for v in values], pa.string())
    read = numerals.typed(column).to_pylist()
    assert read == values or all(v is None for v in values) or "-0" in column.to_pylist()


def test_a_column_is_typed_by_all_its_rows(rows, monkeypatch):
    """Not by the first block: a note may stand in the last row alone."""
    monkeypatch.setattr(delimited, "_BLOCK", 1000)
    content = "text,n,note,m\n" + "one,1,,1\n" * 400 + "last,none,a note,1.5\n"
    read = rows("a.csv", content)
    assert read[-1] == {"text": "last", "n": "none", "note": "a note", "m": 1.5}
    assert read[0] == {"text": "one", "n": "1", "note": None, "m": 1.0}


# Tabs


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"hello\ta\nsay "hi"\tb\n5" screen\tc\nd\te\n',
        'text\tlabel\n"hello\ta\nx\tb\n"good bye\tc\n',
        'text\tlabel\r\n"all" of it\ta\r\n"quoted"\tb\r\n',
    ],
    ids=["stray", "two that would meet", "within"],
)
def test_quotes_that_stand_around_no_field_are_characters(rows, warnings, content):
    lines = content.splitlines()
    assert rows("a.tsv", content) == [dict(zip(("text", "label"), line.split("\t"), strict=True)) for line in lines[1:]]
    assert warnings == ["a.tsv: quotes do not stand around its fields: read as ordinary characters"]


def test_quotes_around_fields_of_a_tsv(rows, warnings):
    content = 'text\tlabel\n"say ""hi"""\ta\n"two\nlines"\tb\n"a\ttab"\t"c"\nmid"dle\td\n'
    assert rows("a.tsv", content) == [
        {"text": 'say "hi"', "label": "a"},
        {"text": "two\nlines", "label": "b"},
        {"text": "a\ttab", "label": "c"},
        {"text": 'mid"dle', "label": "d"},
    ]
    assert rows("b.tsv", 'text\n"two\nlines"\nthree\n') == [{"text": "two\nlines"}, {"text": "three"}]
    assert not warnings


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\n", "header but no rows"),
        ("a.csv", "text,label", "header but no rows"),
        ("a.csv", "text,label\na,b\n\nc,d,e\n", "line 4 has 3 columns, the header 2; quote fields"),
        ("a.csv", '\n\ntext,label\n"a\n\nb",c\nd\n', "line 7 has 1 columns, the header 2"),
        ("a.csv", 'text,label\r"a\rb",c\rd,e,f\r', "line 4 has 3 columns"),
        ("a.tsv", 'text\tlabel\n"hello\ta\nx\tb\tc\n', "line 3 has 3 columns"),
        ("a.csv", 'text,label\na,b\nc,"d\ne,f\ng,h\n', "the quote that opens in line 3 is never closed; close"),
        ("a.csv", 'text,label\na,b\n"c,d\ne,f\n', "the quote that opens in line 3 is never closed"),
        ("a.csv", '"text,label\na,b\n', "the quote that opens in line 1 is never closed"),
        ("a.csv", 'text,"label\na,b\n', "the quote that opens in line 1 is never closed"),
        ("a.csv", '"' + "x" * 200_000, "never closed"),
        ("a.csv", ",".join(map(str, range(50_000))) + "\n1\n", "has 50000 columns, more than 10000"),
    ],
)
def test_what_does_not_parse_is_refused(rows, name, content, message):
    with pytest.raises(ToolkitError, match=message):
        rows(name, content)


def test_a_quote_that_swallows_the_file_is_told(rows, monkeypatch):
    monkeypatch.setattr(encoding, "MAX_LINE", 4 << 20)
    with pytest.raises(ToolkitError, match="the row from line 3 on is longer than 4 MB; close the quote"):
        rows("a.csv", 'text,label\na,b\n"oops,c\n' + "hello there,label\n" * 900_000)
    assert csv.field_size_limit() == 131072


def test_the_last_field_may_end_with_a_line_break(rows):
    assert rows("a.csv", 'text,label\na,"b\n"') == [{"text": "a", "label": "b\n"}]
