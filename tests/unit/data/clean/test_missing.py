import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import config as configs
from toolkit.commands.clean import CleanConfig
from toolkit.data import columns
from toolkit.data.clean import missing, outliers
from toolkit.data.clean import rows as row_module
from toolkit.errors import ToolkitError


def made(aside=frozenset(), **tables):
    built = {split: table if isinstance(table, pa.Table) else pa.table(table) for split, table in tables.items()}
    return row_module.from_dataset(columns.to_dataset(built, "x", complete=False), aside)


def configured(**options):
    return configs.build(CleanConfig, {"source": "x", **options})


def run(rows, stored=None, **options):
    rows.stage = "missing"
    return missing.run(rows, configured(**options), {"scaler": {"impute": stored}} if stored else {})


def test_columns_of_gaps_go_by_what_train_says():
    label = ["x", "y"] * 5
    train = {
        "a": [1.0] * 7 + [None] * 3,  # 30% is not more than 30%
        "b": [1.0] * 6 + [None] * 4,
        "note": ["some"] * 6 + [" "] * 4,
        "group": [None] * 9 + ["g"],
        "source": [None] * 10,
        "label": label,
    }
    train["group"] = pa.array(train["group"], pa.string())
    train["source"] = pa.array(train["source"], pa.string())
    test = train | {"a": pa.array([None] * 10, pa.float64()), "b": [2.0] * 10, "note": ["some"] * 10}
    rows = made(train=train, test=test)
    figures = run(rows)
    assert figures["dropped"] == {"b": 0.4, "note": 0.4}
    assert rows.features == ["a"]
    assert {"group", "source"} < set(rows.table.column_names)
    assert {(c["column"], c["before"], c["after"]) for c in rows.changes().to_pylist() if c["column"] == "b"} == {
        ("b", "1", None),
        ("b", "2", None),
    }
    assert rows.fitted["impute"]["dropped"] == ["b", "note"]
    assert run(made(train=train), max_missing=0.4)["dropped"] == {}
    whole = train | {"whole": [2.0] * 10}
    assert run(made(train=whole), max_missing=0.0)["dropped"] == {"a": 0.3, "b": 0.4, "note": 0.4}
    with pytest.raises(ToolkitError, match=r"all columns have too many gaps.*larger --max-missing"):
        run(made(train=train), max_missing=0.0)


def test_columns_of_raters_are_left_alone():
    table = {
        "x": [1.0, None, 3.0, 4.0],
        "k": [1] * 4,
        "rater1": ["a", None, None, None],
        "yes": [3, None, None, 1],
        "label": list("abab"),
    }
    rows = made(train=table, aside=frozenset({"rater1", "yes"}))
    figures = run(rows, raters=["rater1"], votes=["yes"])
    assert figures["dropped"] == {}
    assert list(figures["imputed"]) == ["x"]
    assert rows.values("yes") == [3, None, None, 1]


def test_rows_without_content_or_label_go_even_from_a_fixed_test():
    table = {"a": [1.0, None, None, 2.0], "b": ["x", "", "y", " "], "label": ["p", "p", None, " "]}
    rows = made(train=table, test=table)
    figures = run(rows, max_missing=1.0)
    told = [(rows.id(i), reason, detail) for i, _, reason, detail in rows.rejects]
    assert [(reason, detail) for _, reason, detail in told] == [
        ("missing value", "features"),
        ("missing value", "label"),
        ("missing value", "label"),
    ] * 2
    assert figures["rejected"] == {"features": 2, "label": 4}
    assert rows.count() == 2


def test_labels_may_come_from_raters_later():
    table = {"text": ["some words", None], "r": ["x", "y"]}
    rows = made(train=table)
    run(rows, raters=["r"])
    assert rows.living().tolist() == [0]
    rows = made(train=table)
    assert run(rows)["rejected"] == {"text": 1, "label": 2}


def test_images_without_bytes():
    cells = [{"bytes": b"some", "path": "a"}, {"bytes": None, "path": "b"}, None]
    rows = made(train={"image": cells, "label": ["x", "x", "x"]})
    run(rows)
    assert rows.living().tolist() == [0]
    assert {detail for *_, detail in rows.rejects} == {"image"}


def test_fills_are_fitted_on_train_alone():
    train = {
        "a": [1.0, 2, 3, None],
        "n": [1, 2, 4, None],
        "c": ["u", "v", "v", None],
        "k": [1] * 4,
        "label": list("xyxy"),
    }
    test = {"a": [1e9, None, 1e9], "n": [10**9, None, 10**9], "c": ["w", None, "w"], "k": [1] * 3, "label": list("xyx")}
    rows = made(train=train, validation=test, test=test)
    figures = run(rows)
    assert rows.values("a") == [1, 2, 3, 2, 1e9, 2, 1e9, 1e9, 2, 1e9]
    assert rows.values("n") == [1, 2, 4, 2, 10**9, 2, 10**9, 10**9, 2, 10**9]
    assert rows.values("c") == ["u", "v", "v", "v", "w", "v", "w", "w", "v", "w"]
    assert pa.types.is_integer(rows.table.schema.field("n").type)
    assert figures["imputed"]["c"] == {"count": 3, "method": "mode", "value": "v"}
    assert figures["imputed"]["a"] == {"count": 3, "method": "median", "value": 2.0}
    assert rows.changes().num_rows == 9
    assert rows.count() == 10


def test_what_is_left_empty():
    table = {
        "user_id": [1, None, 3, 4] * 3,
        "free": [None, *(f"text {i}" for i in range(11))],
        "a": [1.0] * 12,
        "label": list("xy") * 6,
    }
    rows = made(train=table)
    figures = run(rows)
    assert figures["imputed"] == {}
    assert figures["left"] == {"free": 1}
    assert rows.values("user_id")[1] is None
    assert run(made(train=table), impute="none")["left"] == {}
    gappy = made(train={"a": [1.0, 2.0, 3.0, None], "label": list("xyxy")})
    run(gappy, impute="none")
    assert gappy.fitted["impute"] == {"method": "none", "columns": {}, "flags": [], "dropped": []}
    later = made(train={"a": [1.0, None], "k": [1, 2], "label": list("xy")})
    run(later, stored=gappy.fitted["impute"])
    assert later.values("a") == [1.0, None]


def test_flags_tell_what_was_filled():
    rows = made(train={"a": [1.0, None, 3.0, 9.0], "b": [1, 2, 3, 4], "label": list("xyxy")})
    run(rows, missing_flags=True)
    assert rows.features == ["a", "b", "a_missing"]
    assert rows.values("a_missing") == [False, True, False, False]
    later = made(train={"a": [1.0, 2.0], "b": [None, 4], "label": list("xy")})
    run(later, stored=json.loads(json.dumps(rows.fitted["impute"])))
    assert later.values("a_missing") == [False, False]  # as the earlier data had it
    assert later.features == ["a", "b", "a_missing"]


def test_a_stored_fit_is_applied():
    train = {
        "a": [1.0, 2, 9, None],
        "b": [None, None, None, 1.0],
        "c": ["u", "u", None, "v"],
        "k": [1] * 4,
        "label": list("xyxy"),
    }
    first = made(train=train)
    run(first)
    stored = json.loads(json.dumps(first.fitted["impute"]))
    table = {"a": [7.0, None, 7.0], "b": [1.0] * 3, "c": ["v", None, "v"], "k": [None, 2, 2], "label": list("xyx")}
    later = made(train=table)
    run(later, stored=stored)
    assert later.values("a") == [7, 2, 7]
    assert later.values("c") == ["v", "u", "v"]
    assert later.values("k") == [1, 2, 2]
    assert later.features == ["a", "c", "k"]
    assert later.fitted["impute"] == first.fitted["impute"]
    with pytest.raises(ToolkitError, match=r"'c' .* cannot be filled with 'u'"):
        run(made(train={"a": [1.0] * 3, "c": [1.0, 2.0, None], "label": list("xyx")}), stored=stored)


def related(count, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=count)
    b = 100 + 10 * a + rng.normal(size=count)
    n = np.rint(50 + 20 * a).astype(int)
    gap = rng.random(count) < 0.2
    table = {
        "id": [f"r{i:04d}" for i in range(count)],
        "a": a,
        "b": pa.array(np.where(gap, np.nan, b), from_pandas=True),
        "n": pa.array([None if g and i % 2 else int(v) for i, (g, v) in enumerate(zip(gap, n, strict=True))]),
        "c": [None, *["u", "v"] * (count // 2)][:count],
        "label": ["x", "y"] * (count // 2),
    }
    return pa.table(table), b, gap


def test_multiple_imputation():
    table, truth, gap = related(200)
    rows = made(train=table)
    figures = run(rows, impute="iterative", imputations=3)
    found = rows.floats("b")
    assert np.sqrt(np.mean((found - truth)[gap] ** 2)) < truth.std() / 4
    assert not rows.table.column("n").null_count
    assert pa.types.is_integer(rows.table.schema.field("n").type)
    told = figures["imputed"]["b"]
    assert told["method"] == "iterative"
    assert told["count"] == gap.sum()
    assert 0 < told["deviation"] < truth.std() / 2
    assert figures["imputed"]["c"]["method"] == "mode"
    order = np.random.default_rng(1).permutation(200)
    mixed = made(train=table.take(order))
    run(mixed, impute="iterative", imputations=3)
    assert np.array_equal(mixed.floats("b"), found[order])
    later, truth, gap = related(100, seed=7)
    again = made(train=later)
    run(again, stored=json.loads(json.dumps(rows.fitted["impute"])))
    assert np.sqrt(np.mean((again.floats("b") - truth)[gap] ** 2)) < truth.std() / 4
    with pytest.raises(ToolkitError, match="from columns of numbers that the data lack: a"):
        run(made(train=later.drop_columns(["a"])), stored=rows.fitted["impute"])


@pytest.mark.parametrize("how", ["iterative", "interpolate"])
def test_decimals_take_their_median(how):
    prices = [*(Decimal(v) for v in ("1.50", "2.50", "9.00")), None]
    table = {"price": prices, "a": [1.0, 2, 3, 4], "b": [1.0, 2, None, 3], "time": [1, 2, 3, 4], "label": list("xyxy")}
    rows = made(train=table)
    run(rows, impute=how)
    assert rows.values("price")[3] == Decimal("2.50")
    later = made(train=table)
    run(later, stored=rows.fitted["impute"])
    assert later.values("price")[3] == Decimal("2.50")


def test_iterative_of_one_column_is_its_median():
    rows = made(train={"a": [1.0, 2, 9, None], "k": [3.0, 3, 3, None], "m": [True] * 4, "label": list("xyxy")})
    run(rows, impute="iterative")
    assert rows.values("a") == [1, 2, 9, 2]
    assert rows.values("k") == [3, 3, 3, 3]


def test_tables_are_interpolated_along_time_within_group_and_split():
    train = {
        "a": [None, 10.0, None, 30.0, None, 5.0, None],
        "n": [1, None, None, 4, 5, 6, 7],
        "k": [1] * 7,
        "time": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06", "2024-01-09", "2024-01-01", "2024-01-02"],
        "group": ["g", "g", "g", "g", "g", "h", "h"],
        "label": list("xyxyxyx"),
    }
    test = {
        "a": [None, 99.0],
        "n": [1, 1],
        "k": [1, 1],
        "time": ["2024-01-04"] * 2,
        "group": ["g", "i"],
        "label": ["x", "x"],
    }
    rows = made(train=train, test=test)
    figures = run(rows, impute="interpolate", max_missing=1.0)
    assert rows.values("a") == [10, 10, 15, 30, 30, 5, 5, 10, 99]  # alone in test's g: the median of train
    assert rows.values("n")[:4] == [1, 2, 2, 4]
    assert figures["imputed"]["a"]["method"] == "interpolate"


@pytest.mark.parametrize(("values", "kind"), [([3, 1, 2], None), ([3.0, 1.0, 2.0], None), (["3", "1", "2"], None),
                                              ([3, 1, 2], pa.timestamp("s")), ([3, 1, 2], pa.date32())])  # fmt: skip
def test_times_of_any_type(values, kind):
    rows = made(train={"a": [3.0, 1.0, None], "k": [1, 1, 1], "time": pa.array(values, kind), "label": list("xyx")})
    run(rows, impute="interpolate", max_missing=1.0)
    assert rows.values("a") == [3, 1, 2]


@pytest.mark.parametrize(
    ("more", "told"), [({}, "needs a column with times"), ({"time": ["later", "b"]}, "cannot be read")]
)
def test_interpolation_needs_times(more, told):
    with pytest.raises(ToolkitError, match=told):
        run(
            made(train={"a": [1.0, None], "k": [1, 1], "label": ["x", "y"], **more}),
            impute="interpolate",
            max_missing=1.0,
        )


def test_series_are_interpolated():
    kind = pa.list_(pa.list_(pa.float64()))
    series = [
        [[1.0, None, 3.0, None], [None, 1.0, math.nan, 7.0]],
        [[2.0] * 4, [8.0] * 4],
        [[None] * 4, [1.0] * 4],  # a channel of its own: train's median
        [[None] * 2, [None] * 2],
        [],
        None,
    ]
    label = ["x", "y", "x", "y", "x", "y"]
    test = pa.table({"series": pa.array([[[None] + [99.0] * 9, [99.0] * 10]], kind), "label": ["x"]})
    rows = made(train=pa.table({"series": pa.array(series, kind), "label": label}), test=test)
    figures = run(rows, missing_flags=True)
    assert rows.living().tolist() == [0, 1, 2, 6]
    assert rows.values("series", rows.living()) == [
        [[1, 2, 3, 3], [1, 1, 4, 7]],
        [[2] * 4, [8] * 4],
        [[2] * 4, [1] * 4],
        [[99] * 10, [99] * 10],
    ]
    assert figures["imputed"]["channel 1"] == {"count": 7, "method": "interpolate"}
    assert figures["rejected"] == {"series": 3}
    assert rows.values("series_missing", rows.living()) == [True, False, True, True]
    assert rows.changes().num_rows == 3
    assert rows.fitted["impute"]["columns"]["channel 1"]["value"] == 2.0
    again = made(train=rows.survivors()["train"])
    assert run(again)["imputed"] == {}
    assert not again.changed


def test_series_of_integers_stay_so():
    kind = pa.list_(pa.list_(pa.int64()))
    rows = made(train=pa.table({"series": pa.array([[[1, None, 4]], [[2, 2, 2]]], kind), "label": ["x", "y"]}))
    run(rows)
    assert rows.values("series") == [[[1, 2, 4]], [[2, 2, 2]]]
    assert rows.changes().num_rows == 1


def test_texts_pass_through():
    rows = made(train={"text": ["some words", "more words", "x y"], "n": [1, None, 3], "label": list("xyx")})
    run(rows, max_missing=1.0)
    assert rows.values("n") == [1, None, 3]
    assert not rows.changed


cells = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-100, 100), st.sampled_from([1.0, 1e9, math.inf, math.nan])),
        st.one_of(st.none(), st.integers(-50, 50)),
        st.sampled_from([None, "", "u", "v"]),
        st.sampled_from(["x", "y", "x", "y", None]),
    ),
    min_size=12,
    max_size=50,
)


@settings(max_examples=40)
@given(cells, st.sampled_from(["sigma", "mad"]), st.sampled_from(["median", "mean"]))
def test_the_cleaned_is_clean_and_no_row_vanishes(found, method, impute):
    """Missing values and outliers: a second time nothing is found, and every row is kept or rejected."""
    a, n, c, label = (pa.array(part, kind) for part, kind in zip(
        zip(*found, strict=True), (pa.float64(), pa.int64(), pa.string(), pa.string()), strict=True))  # fmt: skip
    table = pa.table({"id": [f"r{i}" for i in range(len(found))], "a": a, "n": n, "c": c, "label": label})
    options = configured(outliers=method, impute=impute, max_missing=1.0)
    rows = made(train=table)
    for stage in (missing, outliers):
        stage.run(rows, options, {})
    kept = rows.survivors()["train"]
    assert sorted(kept["id"].to_pylist() + rows.rejected()["id"].to_pylist()) == sorted(table["id"].to_pylist())
    if kept.num_rows:
        again = made(train=kept)
        for stage in (missing, outliers):
            stage.run(again, options, {})
        assert again.count() == kept.num_rows
        assert not again.changed
