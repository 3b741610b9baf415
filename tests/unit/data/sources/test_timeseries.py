import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data import sources
from toolkit.data.sources import timeseries
from toolkit.errors import ToolkitError

HEAD = "#A comment: of one line\n@problemName Toy\n@timeStamps false\n@missing false\n@univariate {univariate}\n"
LABELLED = "@classLabel true up down\n@data\n"


def ts(lines, *directives, univariate="true", labels=LABELLED):
    return HEAD.format(univariate=univariate) + "".join(f"{d}\n" for d in directives) + labels + "\n".join(lines)


def test_one_channel(table):
    read = table(
        "a.ts", ts(["1,-2.5,3E-5:up", "", "# aside", " 4 , 5,6 : down "], "@equalLength true", "@seriesLength 3")
    )
    assert str(read.schema.field("series").type) == "list<item: list<item: double>>"
    assert read.to_pylist() == [
        {"series": [[1.0, -2.5, 3e-5]], "label": "up"},
        {"series": [[4.0, 5.0, 6.0]], "label": "down"},
    ]


def test_channels_of_unequal_lengths_and_what_is_missing(rows):
    lines = ["1,?,3:4,NaN:up", "?:nan,inf:?"]
    assert rows("a.ts", ts(lines, "@dimensions 2", "@equalLength false", univariate="false")) == [
        {"series": [[1.0, None, 3.0], [4.0, None]], "label": "up"},
        {"series": [[None], [None, float("inf")]], "label": None},
    ]


@pytest.mark.parametrize(
    ("labels", "lines", "read"),
    [
        ("@classLabel false\n@data\n", ["1,2"], [{"series": [[1.0, 2.0]]}]),
        ("@data\n", ["1,2"], [{"series": [[1.0, 2.0]]}]),
        ("@targetlabel true\n@data\n", ["1,2:0.50"], [{"series": [[1.0, 2.0]], "label": "0.50"}]),
        ("@ClassLabel True 1 2\n@DATA\n", ["1,2:1"], [{"series": [[1.0, 2.0]], "label": "1"}]),
        ("@classLabel true\n@data\n", ["1,2:any"], [{"series": [[1.0, 2.0]], "label": "any"}]),
    ],
)
def test_labels(rows, labels, lines, read):
    assert rows("a.ts", ts(lines, labels=labels)) == read


@given(st.lists(st.lists(st.floats(allow_nan=False), min_size=1), min_size=1, max_size=5), st.integers(1, 99))
def test_values_are_read_without_loss(tmp_path_factory, series, block):
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    path.write_text(ts([",".join(map(repr, values)) + ":up" for values in series]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeseries, "_BLOCK", block)
        read = sources.read({"train": [path]})["train"]
    assert [[values] for values in series] == read.column("series").to_pylist()


def test_gz_and_line_ends(rows):
    content = ts(["1,2:up"]).replace("\n", "\r\n").encode()
    assert rows("a.ts.gz", gzip.compress(content)) == [{"series": [[1.0, 2.0]], "label": "up"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ts(["1,2:up", "1,x:up"]), "line 9: channel 1 holds 'x', which is no number"),
        (ts(["1,2:up", "1,,2:up"]), "line 9: channel 1 holds ''"),
        (ts(["1,2:3,1_0:up"], univariate="false"), "line 8: channel 2 holds '1_0'"),
        (ts(["1,2:sideways"]), "line 8: the label 'sideways' is none of @classLabel"),
        (ts(["1,2:3,4:up"]), "line 8: 2 channels, the header says 1"),
        (ts(["1,2:3,4:up"], "@dimensions 3", univariate="false"), "line 9: 2 channels, the header says 3"),
        (ts(["up"]), "line 8: 0 channels"),
        (ts(["1,2:up", "1,2,3:up"], "@equalLength true"), "line 10: channel 1 has 3 values, others 2"),
        (ts(["1,2:up"], "@equalLength true", "@seriesLength 3"), "line 10: channel 1 has 2 values, others 3"),
        (ts(["1,2:up"], "@seriesLength many"), "line 6: @serieslength is 'many', no whole number"),
        (ts(["(0,1),(1,2):up"]).replace("@timeStamps false", "@timeStamps true"), "time stamps .* are not read"),
        (ts(["(0,1),(1,2):up"]), r"channel 1 holds '\(0'"),
        (HEAD + "1,2:up\n", "line 6: neither a directive"),
        (HEAD, "has no @data line"),
        ("hello", "line 1: neither a directive"),
        (ts([]), "no rows"),
    ],
)
def test_what_is_not_as_the_header_says_is_refused(rows, content, message):
    with pytest.raises(ToolkitError, match=message):
        rows("a.ts", content)
