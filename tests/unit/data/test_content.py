"""Keys of contents: equal where the contents mean the same, of whatever kind."""

import io

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data import content


def grouped(table):
    keys = content.keys(table)
    return [sorted(group.tolist()) for group in content.groups(keys, np.arange(table.num_rows))]


@pytest.mark.parametrize(
    ("table", "groups"),
    [
        ({"text": ["A text!", "a  TEXT", "Ａ text", "other", "👍", "👎"]}, [[0, 1, 2]]),
        ({"text": [None, "", "a", "b"]}, [[0, 1]]),
        ({"text": ["a", "A", "a b", "a"], "text_pair": ["b c", "B c!", "c", "d"]}, [[0, 1]]),
        ({"series": [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0]], [[1.0, None]]]}, [[0, 2]]),
        ({"size": [1, 1, 2], "kind": ["a", "a", "a"], "label": ["x", "y", "x"]}, [[0, 1]]),
        ({"size": [1.0, 1.0], "kind": ["1", None]}, []),
    ],
)
def test_equal_contents_have_equal_keys(table, groups):
    assert grouped(pa.table(table)) == groups


def test_dead_rows_have_no_key():
    keys = content.keys(pa.table({"text": ["a", "b"]}), np.array([True, False]))
    assert keys[0].any()
    assert not keys[1].any()


def test_groups_of_a_part():
    keys = content.keys(pa.table({"text": ["a", "b", "a", "a"]}))
    assert [g.tolist() for g in content.groups(keys, np.array([0, 1, 3]))] == [[0, 3]]
    assert content.groups(keys, np.array([], np.int64)) == []


def test_links_of_tables_and_series_are_equal_rows():
    table = pa.table({"size": [1, 2, 1, 1], "label": ["x", "x", "y", "x"]})
    found, checked = content.links(table)
    assert (found.tolist(), checked) == ([[0, 2], [0, 3]], 2)


def test_links_of_texts_and_images():
    from PIL import Image

    text = "one message of about fifty characters is what it takes"
    found, _ = content.links(pa.table({"text": [text, "another one", text + "s", None]}))
    assert found.tolist() == [[0, 2]]
    noise = np.random.default_rng(0).integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    cells = []
    for k, quality in ((0, 95), (1, 95), (0, 70)):
        out = io.BytesIO()
        Image.fromarray(noise[k]).resize((64, 64), Image.Resampling.NEAREST).save(out, "JPEG", quality=quality)
        cells.append({"bytes": out.getvalue(), "path": "x.jpg"})
    found, _ = content.links(pa.table({"image": cells}))
    assert found.tolist() == [[0, 2]]


def test_links_of_pairs_are_of_both_texts():
    first = "how do I reset the password of my account"
    others = ["and where is the form for that", "and where is the form for this", "is a telephone call needed instead"]
    found, _ = content.links(pa.table({"text": [first] * 3, "text_pair": others}))
    assert found.tolist() == [[0, 1]]
