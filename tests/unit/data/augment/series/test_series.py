import random

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data.augment import grow, series, strategy
from toolkit.data.augment.run import Task
from toolkit.data.augment.series import METHODS, similarity, store

GIVEN = {"min_similarity": 0.3}
DOUBLE = pa.list_(pa.list_(pa.float64()))


def wave(length=60, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return [(np.sin(np.linspace(0, 6 + i, length) + rng.random()) + rng.random()).tolist() for i in range(channels)]


def table(rows, labels=None, kind=DOUBLE, **more):
    labels = [i % 2 for i in range(len(rows))] if labels is None else labels
    ids = [f"r{i:03}" for i in range(len(rows))]
    return pa.table({"id": ids, "series": pa.array(rows, kind), "label": labels, **more})


def modality(rows, entries=None, given=GIVEN):
    entries = dict.fromkeys(METHODS, True) if entries is None else entries
    draws = strategy.parse(entries, METHODS, series.FIRST, "here")
    return series.TimeSeries(rows, rows["label"].to_numpy(), draws, given)


def one(row, entries, kind=DOUBLE, seed=5, **more):
    """What becomes of one row of a class of two."""
    return modality(table([row, row], [0, 0], kind), entries, GIVEN | more).make([Task(0, 0, 0, seed)])[0]


def grown(rows, tmp_path, entries=None, *, workers=1, seed=0, copies=3):
    found, counts = grow.grow(
        rows,
        rows["label"].to_numpy(),
        modality(rows, entries),
        series.keys(rows),
        grow.Wish(copies=copies),
        tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow",  # an earlier table is mapped from its file
        classes=2,
        seed=seed,
        workers=workers,
    )
    return found, counts


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_makes_children_of_the_same_shape(name):
    rows = table([wave(channels=3, seed=i) for i in range(12)])
    found = modality(rows, {name: True}).make([Task(i, 0, 0, 77 * i) for i in range(12)])
    assert {child.method for child in found} == {name}
    children = [child for child in found if child.verdict == "made"]
    assert len(children) >= 8
    assert all([len(c) for c in child.value] == [60, 60, 60] for child in children)
    assert len({child.key for child in children}) == len(children)
    assert all((child.partner >= 0) == (name == "linear_mixing") for child in children)


@pytest.mark.parametrize("entries", [{"linear_mixing": True}, {"jitter": True, "linear_mixing": True}])
def test_partners_are_others_of_the_class_and_no_children(entries):
    parents = [None] * 8 + ["r000", "r001"]
    rows = table([wave(seed=i) for i in range(10)], [0, 1] * 5, parent_id=pa.array(parents, pa.string()))
    found = modality(rows, entries).make([Task(i % 8, i, len(entries) - 1, i) for i in range(200)])
    pairs = {(i % 8, made.partner) for i, made in enumerate(found) if made.verdict == "made"}
    assert pairs == {(a, b) for a in range(8) for b in range(8) if a != b and a % 2 == b % 2}


def test_rows_of_several_classes_mix_with_equal_ones():
    labels = pa.array([[0, 1], [1, 0], [0], [0, 1]], pa.list_(pa.int64()))
    rows = table([wave(seed=i) for i in range(4)], labels)
    made = series.TimeSeries(
        rows, np.array([0, 1, 0, 0]), strategy.parse({"linear_mixing": 1.0}, METHODS, None, ""), GIVEN
    )
    assert {made.make([Task(0, 0, 0, i)])[0].partner for i in range(30)} == {1, 3}
    assert made.make([Task(2, 0, 0, 1)])[0].verdict == "impossible"


BAD = {
    "no channels": [],
    "empty": [[]],
    "one value": [[3.0]],
    "constant": [[2.0] * 50],
    "constants": [[2.0] * 50, [1.0] * 50, [0.0] * 3],
    "all missing": [[None] * 50],
    "one known": [[None, 1.0, None]],
    "a null channel": [None],
    "infinite": [[float("inf")] * 9],
    "too large": [[1e308, -1e308, 1e308, -1e308] * 9],
}


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_changed_is_told(name, bad):
    assert one(BAD[bad], {name: True}).verdict == "impossible"


@pytest.mark.parametrize("name", sorted(METHODS))
def test_very_short_series_are_no_error(name):
    for length in range(2, 9):
        made = one([[float(i * i % 7) for i in range(length)]], {name: True})
        assert made.verdict in ("made", "impossible", "too different", "unchanged")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_gaps_stay_where_they_are(name):
    row = wave(channels=3)
    row[0][5] = row[0][6] = None
    row[1][0] = row[1][-1] = float("nan")
    made = modality(table([row, wave(channels=3, seed=1)], [0, 0]), {name: True}).make([Task(0, 0, 0, 5)])[0]
    assert np.flatnonzero(np.isnan(made.value[0])).tolist() == [5, 6]
    assert np.flatnonzero(np.isnan(made.value[1])).tolist() == [0, 59]
    assert not np.isnan(made.value[2]).any()


def test_a_channel_without_values_stays_so():
    made = one([*wave(channels=1), [None] * 60, []], {"jitter": True})
    assert made.verdict == "made"
    assert np.isnan(made.value[1]).all()
    assert [len(c) for c in made.value] == [60, 60, 0]


def test_channels_of_different_lengths_and_rows_of_different_channels(tmp_path):
    shapes = [(50, 30), (20,), (40, 40, 40), (1, 60)]
    rows = table([[wave(n, 1, i)[0] for n in shape] for i, shape in enumerate(shapes)])
    found, _ = grown(rows, tmp_path, copies=8)
    of = {f"r{i:03}": list(shape) for i, shape in enumerate(shapes)}
    assert set(found["parent_id"].to_pylist()) == set(of)
    for parent, value in zip(found["parent_id"].to_pylist(), found["series"].to_pylist(), strict=True):
        assert [len(c) for c in value] == of[parent]


@pytest.mark.parametrize("inner", [pa.float32(), pa.float64(), pa.int32()])
def test_the_column_keeps_its_type_and_keys_are_those_of_the_written(inner, tmp_path):
    kind = pa.list_(pa.field("item", pa.list_(pa.field("item", inner))))
    rows = table([[[int(100 * v) for v in c] for c in wave(seed=i)] for i in range(6)], kind=kind)
    found, _ = grown(rows, tmp_path)
    assert found.schema.field("series").type == kind
    made = modality(rows, {"jitter": True}).make([Task(2, 0, 0, 9)])[0]
    written = store.column([made.value], kind)
    assert series.keys(pa.table({"series": pa.chunked_array([written])})) == {made.key}


@pytest.mark.parametrize("inner", [pa.uint8(), pa.int8(), pa.int16(), pa.uint16(), pa.int64(), pa.uint64()])
def test_whole_numbers_stay_within_their_type(inner, tmp_path):
    """Sensors give such series, over the whole range."""
    kind, bits = pa.list_(pa.list_(inner)), inner.bit_width
    low = 0 if "u" in str(inner) else -(2 ** (bits - 1))
    most = low + 2**bits - 1
    rows = table([[[most if v > 0 else low for v in c] for c in wave(seed=i)] for i in range(4)], kind=kind)
    found, _ = grown(rows, tmp_path, dict.fromkeys(("scaling", "magnitude_warp", "jitter"), 0.9), copies=4)
    values = [v for row in found["series"].to_pylist() for channel in row for v in channel]
    assert low <= min(values) < max(values) <= most
    assert found.schema.field("series").type == kind
    made = modality(rows, {"jitter": 0.9}).make([Task(0, 0, 0, 9)])[0]
    written = store.column([made.value], kind)
    assert series.keys(pa.table({"series": pa.chunked_array([written])})) == {made.key}


def test_noise_that_rounds_to_nothing_is_unchanged():
    kind = pa.list_(pa.list_(pa.int64()))
    row = [[i % 3 for i in range(60)]]
    assert one(row, {"jitter": 0.001}, kind).verdict == "unchanged"
    assert one(wave(), {"jitter": 1e-9}).verdict == "unchanged"


def test_the_gate_counts_what_is_unlike():
    row = wave()
    assert one(row, {"jitter": 9.0}).verdict == "too different"
    assert one(row, {"jitter": 9.0}, min_similarity=0.0).verdict == "made"


def test_likeness():
    rng = np.random.default_rng(0)
    x = [np.sin(np.linspace(0, 20, 400)), 50 * np.sin(np.linspace(0, 31, 400)) + 900]
    noisy = [c + rng.normal(size=400) * c.std() for c in x]
    assert similarity(x, x) == 1
    assert similarity([c + 7 for c in x], x) == pytest.approx(1)
    assert similarity(noisy, x) == pytest.approx(0.5, abs=0.06)
    noisy = [c + 2 * rng.normal(size=400) * c.std() for c in x]
    assert similarity(noisy, x) == pytest.approx(0.3, abs=0.06)
    assert similarity([c / 3 for c in x], x) == pytest.approx(1 / 3, abs=0.01)
    assert similarity([c * 3 for c in x], x) == pytest.approx(1 / 3, abs=0.01)
    assert similarity([x[0], 0 * x[1]], x) < 0.4  # channels weigh alike
    assert similarity([c[::-1] for c in x], x) == pytest.approx(1)


@pytest.mark.parametrize("name", ["permutation", "time_warp", "slicing", "window_warp", "phase_perturbation"])
def test_what_moves_in_time_stays_alike(name):
    x = [np.sin(np.linspace(0, 40, 300)) + 0.2 * np.random.default_rng(3).normal(size=300)]
    found = [similarity(METHODS[name](x, np.random.default_rng(s)), x) for s in range(50)]
    assert np.quantile(found, 0.1) > 0.5


def test_workers_order_and_seed(tmp_path):
    rows = table([wave(seed=i) for i in range(30)])
    one, counts = grown(rows, tmp_path)
    two, same = grown(rows, tmp_path, workers=2)
    assert one.equals(two)
    assert counts == same
    mixed = rows.take(random.Random(0).sample(range(30), 30))
    other, same = grown(mixed, tmp_path)
    assert counts == same
    assert other.sort_by("id").equals(one.sort_by("id"))
    assert not grown(rows, tmp_path, seed=1)[0].equals(one)


def test_children_name_parents_and_partners(tmp_path):
    rows = table([wave(seed=i) for i in range(20)], source=["s"] * 20)
    found, _ = grown(rows, tmp_path, {"linear_mixing": True, "jitter": True})
    assert "label_weights" not in found.column_names  # both are of one class
    labels = dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))
    for row in found.drop_columns("series").to_pylist():
        assert row["label"] == labels[row["parent_id"]]
        assert (row["partner_id"] is not None) == (row["method"] == "linear_mixing")
        assert row["partner_id"] is None or labels[row["partner_id"]] == row["label"]
        assert row["source"] == "s"
    assert "partner_id" not in grown(rows, tmp_path, {"jitter": True})[0].column_names


def test_what_is_there_already_is_not_made_again(tmp_path):
    rows = table([[[1.0, 2.0, 5.0, 4.0]]], [0])
    found, counts = grown(rows, tmp_path, {"permutation": True}, copies=5)
    assert found["series"].to_pylist() == [[[5.0, 4.0, 1.0, 2.0]]]
    assert counts["permutation"]["duplicate"] >= 4


def test_the_store_reads_chunks_slices_and_nulls():
    rows = [[[1.0, None]], [[2.0], [3.0, 4.0]], None, [None, [5.0]], []]
    whole = pa.chunked_array([pa.array(rows, DOUBLE), pa.array(rows, DOUBLE)])
    for start in (0, 1, 3):
        cut = whole.slice(start)
        kept = store.Store(cut)
        assert kept.length == len(cut)
        for i, row in enumerate(cut.to_pylist()):
            expected = [[np.nan if v is None else v for v in c or []] for c in row or []]
            np.testing.assert_equal([c.tolist() for c in kept.row(i)], expected)


def test_keys_tell_shapes_and_values_apart():
    rows = [[[1.0, 2.0]], [[1.0], [2.0]], [[2.0, 1.0]], [[1.0, None]], [[0.0]], [[1.0, 2.0]], [[-0.0]]]
    assert len(series.keys(table(rows))) == 5


@pytest.mark.parametrize("preset", series.PRESETS)
def test_presets_are_sound(preset):
    assert strategy.parse(series.PRESETS[preset], METHODS, series.FIRST, preset)


def test_examples(tmp_path):
    rows = table([wave(seed=i) for i in range(20)])
    found, _ = grown(rows, tmp_path, {"jitter": True, "linear_mixing": True})
    shown = series.examples(rows, found, 3)["curves"]
    assert [name for name, _, _ in shown].count("jitter") == 3
    labels = dict(zip(map(str, rows["series"].to_pylist()), rows["label"].to_pylist(), strict=True))
    for name, label, curves in shown:
        assert [*curves] == ["parent", "new", *["partner"] * (name == "linear_mixing")]
        assert curves["new"] in found["series"].to_pylist()
        assert label == str(labels[str(curves["parent"])])
        assert str(curves.get("partner", curves["parent"])) in labels
