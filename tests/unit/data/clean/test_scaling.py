import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from toolkit import config as configs
from toolkit.commands.clean import CleanConfig
from toolkit.data import columns
from toolkit.data.clean import rows as row_module
from toolkit.data.clean import scaling
from toolkit.errors import ToolkitError

SCALERS = {"robust": RobustScaler, "standard": StandardScaler, "minmax": MinMaxScaler}


def made(**tables):
    built = {split: table if isinstance(table, pa.Table) else pa.table(table) for split, table in tables.items()}
    return row_module.from_dataset(columns.to_dataset(built, "x", complete=False))


def run(rows, given=None, **options):
    rows.stage = "scaling"
    return scaling.run(rows, configs.build(CleanConfig, {"source": "x", **options}), given or {})


def stored(rows):
    return json.loads(json.dumps(rows.fitted))


def table(count=20, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "a": rng.normal(5, 2, count),
        "n": rng.integers(0, 100, count),
        "constant": [3] * count,
        "colour": ["red", "blue"] * (count // 2),
        "big": [True, False] * (count // 2),
        "user_id": np.arange(count),
        "time": np.arange(count),
        "group": np.arange(count) // 2,
        "label": ["x", "y"] * (count // 2),
    }


@pytest.mark.parametrize("method", SCALERS)
def test_as_scikit_learn_does_fitted_on_train_alone(method):
    train, test = table(), table(seed=1)
    test["a"] = test["a"] * 1000
    rows = made(train=train, test=test)
    figures = run(rows, scale=method)
    for name in ("a", "n"):
        scaler = SCALERS[method]().fit(np.array(train[name], float)[:, None])
        expected = scaler.transform(np.concatenate([train[name], test[name]]).astype(float)[:, None])[:, 0]
        assert np.allclose(rows.floats(name), expected, atol=1e-12)
        assert rows.table.schema.field(name).type == pa.float64()
    assert rows.floats("constant").tolist() == [0.0] * 40
    for name in ("colour", "big", "user_id", "time", "group", "label"):
        assert rows.values(name)[:20] == list(train[name])
    assert list(figures["columns"]) == ["a", "n", "constant"]
    assert rows.changed == rows.changes().num_rows > 100
    assert rows.fitted["scale"]["method"] == method


def test_gaps_stay_and_rejected_rows_keep_their_values():
    rows = made(train={"a": [1, None, 3, 100], "b": [1.0, 2, 3, 4], "label": list("xyxy")})
    rows.reject(3, "for the test", "")
    run(rows, scale="minmax")
    assert rows.values("a") == [0.0, None, 1.0, 100.0]
    assert rows.values("b") == [0.0, 0.5, 1.0, 4.0]
    assert set(rows.changes().column("id").to_pylist()) == {"train-0", "train-2", "train-1"}
    empty = made(train={"a": pa.array([None, None], pa.float64()), "b": [1, 2], "label": ["x", "y"]})
    run(empty, scale="robust")
    assert empty.fitted["scale"]["columns"]["a"] == {"center": 0.0, "scale": 1.0}


def test_a_stored_fit_is_applied_not_refitted():
    first = made(train=table())
    run(first, scale="robust")
    later = made(train=table(seed=4))
    figures = run(later, {"scaler": stored(first)})
    p = first.fitted["scale"]["columns"]["a"]
    assert np.allclose(later.floats("a"), (table(seed=4)["a"] - p["center"]) / p["scale"])
    assert later.fitted["scale"] == first.fitted["scale"]
    assert figures["stored"]
    with pytest.raises(ToolkitError, match="the scaler is 'robust', and --scale asks for 'minmax'"):
        run(made(train=table()), {"scaler": stored(first)}, scale="minmax")


def test_a_stored_fit_to_other_columns_is_refused():
    first = made(train=table())
    run(first, scale="standard")
    other = table() | {"more": np.arange(20) / 7, "a": ["text"] * 20}
    with pytest.raises(ToolkitError, match="it lacks more; the data have no numbers in a:"):
        run(made(train=other), {"scaler": stored(first)})


def test_a_stored_fit_without_scaling_scales_nothing():
    rows = made(train=table())
    assert run(rows, {"scaler": {"impute": {}}}) is None
    assert not rows.changed


def test_the_scaled_is_not_scaled_again():
    first = made(train=table())
    run(first, scale="robust")
    for given in ({}, {"scaler": stored(first)}):
        again = made(train=first.survivors()["train"])
        figures = run(again, {"scaled": {"a", "n", "constant"}, **given}, scale="robust")
        assert figures["already"] == ["a", "constant", "n"]
        assert not again.changed
        assert "scale" not in again.fitted
    partly = made(train=first.survivors()["train"].append_column("more", pa.array(np.arange(20.0))))
    run(partly, {"scaled": {"a", "n", "constant"}}, scale="minmax")
    assert list(partly.fitted["scale"]["columns"]) == ["more"]


def test_each_channel_of_series_by_itself():
    kind = pa.list_(pa.list_(pa.float32()))
    train = pa.table({"series": pa.array([[[0, 1], [10, 30]], [[2], [20]]], kind), "label": ["x", "y"]})
    test = pa.table({"series": pa.array([[[4, None], [50, 10]]], kind), "label": ["x"]})
    rows = made(train=train, test=test)
    figures = run(rows, scale="minmax")
    assert rows.values("series") == [[[0, 0.5], [0, 1]], [[1], [0.5]], [[2, None], [2, 0]]]
    assert figures["columns"] == {"channel 1": {"center": 0, "scale": 2}, "channel 2": {"center": 10, "scale": 20}}
    assert rows.changes().num_rows == 3
    again = made(train=rows.survivors()["train"])
    run(again, {"scaled": {"channel 1", "channel 2"}}, scale="minmax")
    assert not again.changed
    later = made(train=test)
    run(later, {"scaler": stored(rows)})
    assert later.values("series") == [[[2, None], [2, 0]]]
    one = made(train=pa.table({"series": pa.array([[[1, 2]]], kind), "label": ["x"]}))
    with pytest.raises(ToolkitError, match="the data have no numbers in channel 2"):
        run(one, {"scaler": stored(rows)})


def test_numbers_too_large_for_their_squares():
    rows = made(train={"a": [1e308, -1e308, 0.0, 1.0], "b": [1, 2, 3, 4], "label": list("xyxy")})
    with pytest.raises(ToolkitError, match="the numbers of 'a' are too large to scale"):
        run(rows, scale="minmax")


def test_texts_have_nothing_to_scale():
    rows = made(train={"text": ["some words"], "n": [7], "label": ["x"]})
    assert run(rows, scale="standard") is None
    assert rows.values("n") == [7]
