"""What a linear model reads of images, series and tables."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from toolkit.data import features

RNG = np.random.default_rng(0)


def vectors(kind, values, fitted=None, rows=None, **more):
    table = pa.table(values) if kind == "table" else pa.table({kind: values})
    rows = np.arange(table.num_rows) if rows is None else np.array(rows)
    return features.vectors(kind, table, rows, len(rows) if fitted is None else fitted, **more)


def cell(array, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(out, kind)
    return {"bytes": out.getvalue(), "path": "a.png"}


def stripes(across, size=40):
    wave = (np.arange(size) // 5 % 2 * 255).astype(np.uint8)
    plane = np.tile(wave, (size, 1)) if across else np.tile(wave[:, None], (1, size))
    return np.stack([plane] * 3, 2)


def test_images():
    cells = [cell(stripes(True)), cell(stripes(False)), cell(stripes(True, 80)), cell(np.full((1, 1, 3), 9))]
    found = vectors("image", cells)
    assert found.shape == (4, 64 * 9 + 48)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found[0, :576] - found[1, :576]).max() > 0.3  # gradients of another direction
    assert not found[3, :576].any()
    assert found[3, 576:] == pytest.approx(9 / 255)


def test_colours_tell_images_of_one_shape_apart():
    red, blue = np.zeros((2, 20, 20, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 200
    found = vectors("image", [cell(red), cell(blue)])
    assert (found[0, :576] == found[1, :576]).all()
    assert np.abs(found[0] - found[1]).max() == pytest.approx(200 / 255)


def test_images_that_cannot_be_read_are_gaps():
    found = vectors("image", [cell(stripes(True)), {"bytes": b"none", "path": "a"}, {"bytes": None, "path": "b"}, None])
    assert np.isnan(found[1:]).all()
    assert np.isfinite(found[0]).all()


def test_images_are_looked_at_in_blocks(monkeypatch):
    cells = [cell(np.full((4, 4, 3), k)) for k in range(5)]
    whole = vectors("image", cells)
    monkeypatch.setattr(features, "BATCH", 2)
    assert (vectors("image", cells, rows=[4, 0, 2]) == whole[[4, 0, 2]]).all()


def wave(speed, length=100, channels=1):
    return [(np.sin(np.arange(length) * speed / length * 100) + k).tolist() for k in range(channels)]


def test_series_of_varying_lengths_and_channels():
    rows = [wave(0.3), wave(0.3, 57), wave(0.9, 230), wave(0.3, 100, 3), wave(0.9, 2), [[1.0]], [[]], []]
    found = vectors("series", rows)
    assert found.shape == (8, 5 * 84 * 3)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    assert np.abs(found[0] - found[1]).mean() < 0.5 * np.abs(found[0] - found[2]).mean()  # the same at another rate
    assert (found[6] == found[7]).all()


def test_a_single_channel():
    assert vectors("series", [wave(0.3), wave(0.9)]).shape == (2, 1260)


def test_gaps_in_series_are_filled_along_time():
    whole, gaps = wave(0.3), wave(0.3)
    gaps[0][10:13] = [None, float("nan"), None]
    found = vectors("series", [whole, gaps, wave(0.9)])
    assert np.abs(found[0] - found[1]).max() < 0.05
    lost = vectors("series", [[[None] * 50], [[float("nan")] * 20], [[3.0] * 50], whole])
    assert (lost[0] == lost[1]).all()
    assert (lost[0] == lost[2]).all()  # nothing known, and nothing going on


def test_neither_level_nor_size_of_a_series_plays_a_part():
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=(2, 60)) for _ in range(6)]
    before = vectors("series", [row.tolist() for row in rows])
    moved = [(row * 1000 + np.array([[1e5], [-3e4]])).tolist() for row in rows]
    assert np.abs(vectors("series", moved) - before).max() < 0.01


def test_the_level_of_one_channel_does_not_drown_the_others():
    """Gravity on one axis of a sensor: what counts is what moves."""
    flat = features._even([[9.8] * 50, np.sin(np.arange(50)).tolist()], 2)
    assert flat[0] == pytest.approx(0, abs=1e-6)
    assert flat.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e9])
def test_constant_series_are_flat(level):
    assert not features._even([[level] * 37], 1).any()
    assert not features._even([[level] * 37, [3 * level] * 37], 2).any()


def test_series_beyond_the_fitted_rows_change_nothing():
    own, others = [wave(0.3), wave(0.9), wave(0.5)], [[(np.arange(80.0) ** 2).tolist()]] * 5
    assert (vectors("series", own + others, 3)[:3] == vectors("series", own)).all()


def test_seeds():
    rows = [RNG.normal(size=(3, 40)).tolist() for _ in range(8)]
    assert (vectors("series", rows, seed=1) == vectors("series", rows, seed=1)).all()
    assert (vectors("series", rows, seed=1) != vectors("series", rows, seed=2)).any()


def test_tables():
    columns = {
        "size": [1.0, 2.0, None, 3.0],
        "count": [10, 20, 30, 40],
        "same": [5, 5, 5, 5],
        "empty": pa.nulls(4, pa.float64()),
        "nothing": pa.nulls(4),
        "colour": ["red", "blue", None, "red"],
        "on": [True, False, True, None],
        "price": pa.array([1, 2, 3, 4], pa.decimal128(9, 2)),
        "parts": [[1], [2], [], None],
        "label": [0, 1, 0, 1],
        "Unnamed: 0": [0, 1, 2, 3],
    }
    found = vectors("table", columns)
    assert found.dtype == np.float32
    assert np.isnan(found[2, 0])
    assert np.isnan(found).sum() == 1
    assert found[[0, 1, 3], 0] == pytest.approx(np.array([-1, 0, 1]) * np.sqrt(1.5))
    assert found[:, 1].std() == pytest.approx(1)
    assert not found[:, 2:4].any()  # one value, and none
    assert found[:, 4:6].tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]  # red, blue
    assert found[:, 6:8].tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert found.shape == (4, 9)


def test_an_infinite_cell_is_a_gap():
    found = vectors("table", {"x": [1.0, float("inf"), 3.0]})
    assert np.isnan(found[1, 0])
    assert found[[0, 2], 0] == pytest.approx([-1, 1])


def test_names_of_many_values_are_no_categories():
    found = vectors("table", {"name": [f"n{i}" for i in range(60)], "kind": [f"k{i % 40}" for i in range(60)]})
    assert found.shape == (60, 40)


def test_a_table_of_nothing_but_names_has_a_vector():
    assert vectors("table", {"name": [f"n{i}" for i in range(60)]}).shape == (60, 1)


def test_rows_of_a_table_beyond_the_fitted_ones_scale_nothing():
    assert (vectors("table", {"x": [1.0, 2.0, 4.0, 1e9]}, 3)[:3] == vectors("table", {"x": [1.0, 2.0, 4.0]})).all()
