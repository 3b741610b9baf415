from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from toolkit import config as configs
from toolkit.commands.clean import CleanConfig
from toolkit.data import columns
from toolkit.data.clean import outliers
from toolkit.data.clean import rows as row_module
from toolkit.errors import ToolkitError


def made(**tables):
    built = {split: table if isinstance(table, pa.Table) else pa.table(table) for split, table in tables.items()}
    return row_module.from_dataset(columns.to_dataset(built, "x", complete=False))


def run(rows, **options):
    rows.stage = "outliers"
    figures = outliers.run(rows, configs.build(CleanConfig, {"source": "x", **options}), {})
    rows.settle()
    return figures


def told(rows):
    return {rows.id(row): detail for row, _, _, detail in rows.rejects}


def table(**features):
    count = len(next(iter(features.values())))
    return {"id": [f"r{i}" for i in range(count)], **features, "label": ["x", "y"] * (count // 2)}


USUAL = [4000.0 + 10 * i for i in range(-19, 19)]


@pytest.mark.parametrize("method", ["sigma", "mad"])
def test_far_values_go_with_the_reason(method):
    far = table(mass=[*USUAL, 9300.0, -2000.0], year=[2007] * 39 + [1907], user_id=[*range(39), 10**9])
    rows = made(train=far)
    figures = run(rows, outliers=method)
    assert list(told(rows)) == ["r38", "r39"]
    high, low = figures["columns"]["mass"]["high"], figures["columns"]["mass"]["low"]
    assert told(rows)["r38"] == f"mass 9,300 above {high:,.5g}"
    assert told(rows)["r39"] == f"mass -2,000 below {low:,.5g}"
    assert figures["found"] == figures["columns"]["mass"]["found"] == 2
    assert set(figures["columns"]) == {"mass"}  # too few values to have outliers; a name of rows
    known = np.array(USUAL)
    if method == "sigma":  # fitted again until nothing more was found
        assert np.isclose(high, known.mean() + 3 * known.std(), rtol=1e-5)
    else:
        spread = np.median(np.abs(known - np.median(known))) / 0.6745
        assert np.isclose(high, np.median(known) + 3.5 * spread, rtol=1e-5)


def test_hidden_by_a_greater_one_and_found_in_the_second_round():
    rows = made(train=table(a=[*(float(i) for i in range(28)), 200.0, 1e6]))
    figures = run(rows, outliers="sigma")
    assert list(told(rows)) == ["r28", "r29"]
    assert figures["rounds"] == 3
    wide = made(train=table(a=[*(float(i) for i in range(28)), 60.0, 1e6]))
    run(wide, outliers="mad", outlier_bound=5.0)
    assert list(told(wide)) == ["r29"]


def test_a_row_that_is_far_in_two_columns_is_told_once():
    rows = made(train=table(a=[*USUAL, 1e5, 4000.0], b=[*USUAL, -1e5, 4000.0]))
    run(rows, outliers="mad")
    assert list(told(rows)) == ["r38"]
    assert told(rows)["r38"].startswith("a 100,000 above 4,")
    assert ", b -100,000 below 3," in told(rows)["r38"]


def test_outside_in_the_first_round_and_inside_in_the_last():
    """Without what was far in the other column, the bounds are wider; with the row back in, it would start again."""
    a = [15, -32, 12, 0, -2, -8, 12, 0, 4, -5, -12, 1, -8, 15, -32, -12, -6, 12, 8, 24, 6, 12, -32, 12]
    b = [1, 12, -1, -6, -10, -12, 4, 5, 16, 4, 6, 6, -12, 24, 8, 4, 0, -4, -8, 0, 18, 8, -2, -10]
    rows = made(train=table(a=a, b=b))
    figures = run(rows, outliers="mad", outlier_bound=2.0)
    assert set(told(rows)) == {"r8", "r13", "r20"}
    assert figures["columns"]["b"]["high"] > b[8]
    assert told(rows)["r8"].startswith("b 16 above 15")
    again = made(train=rows.survivors()["train"])
    assert run(again, outliers="mad", outlier_bound=2.0)["found"] == 0


@pytest.mark.parametrize(("many", "gone"), [(10, 10), (11, 0)])
def test_what_is_not_rare_is_no_outlier(many, gone):
    a = [*(4000.0 + i for i in range(100 - many)), *(9000.0 + i for i in range(many))]
    b = [0.0 if gone else 1e6, *(float(i) for i in range(99))]
    rows = made(train=table(a=a, b=b))
    figures = run(rows, outliers="mad")
    assert len(told(rows)) == gone + (not gone)
    assert ("too_many" in figures["columns"]["a"]) is not bool(gone)
    if not gone:
        assert figures["columns"]["a"]["too_many"] == 0.1111  # of the rows that b left
        assert list(told(rows)) == ["r0"]


def test_nor_is_a_row_that_is_far_in_one_of_many_columns():
    """Each of thirty columns has one far row of its own: thirty of a hundred rows are not rare."""
    columns_ = {f"c{k}": [1e6 if i == k else float((i * 37 + k) % 100) for i in range(100)] for k in range(30)}
    rows = made(train=table(**columns_))
    figures = run(rows, outliers="mad")
    assert told(rows) == {}
    assert figures["columns"]["c7"] == {"found": 0, "too_many": 0.01}
    few = made(train=table(**{name: columns_[name] for name in list(columns_)[:10]}))
    run(few, outliers="mad")
    assert len(told(few)) == 10


def test_fitted_on_train_alone_and_a_fixed_test_is_spared():
    train = table(a=USUAL)
    far = {"id": ["f0", "f1"], "a": [1e6, 4000.0], "label": ["x", "y"]}
    many = {"id": [f"t{i}" for i in range(50)], "a": [9000.0] * 50, "label": ["x", "y"] * 25}
    rows = made(train=train, validation=far, test=many)
    figures = run(rows, outliers="mad")
    assert list(told(rows)) == ["f0"]
    assert rows.spared == {"outliers": 50}
    alone = made(train=train)
    assert run(alone, outliers="mad")["columns"]["a"] == figures["columns"]["a"] | {"found": 0}


def test_flags_leave_the_row_and_are_not_written_twice():
    rows = made(train=table(**{"a; b": [*USUAL, 9300.0, 4000.0]}))
    run(rows, outliers="mad", outlier_action="flag")
    assert rows.count() == 40
    flag = rows.values("flags", [38])[0]
    assert flag.startswith("outlier: a, b 9,300 above ")
    run(rows, outliers="mad", outlier_action="flag")
    assert rows.values("flags", [38]) == [flag]
    assert rows.values("flags", [37]) == [None]


@pytest.mark.parametrize("letter", ["a", "字"])
def test_lengths_of_texts(letter):
    lengths = [*range(10, 40), 40, 900]
    rows = made(train=table(text=[letter * n for n in lengths]))
    figures = run(rows, outliers="mad")
    high = figures["columns"]["characters"]["high"]
    assert told(rows) == {"r31": f"900 characters above {high:,.5g}"}
    assert 60 < high < 200


def test_courses_of_series():
    wave = [[[float(np.sin(t + i)) for t in range(20)], [float(i % 7)] * 20] for i in range(30)]
    wave[4][0][3] = 50.0
    wave[9][0] = wave[9][0][:19]
    rows = made(train=table(series=wave))
    run(rows, outliers="mad", outlier_bound=6.0)
    assert set(told(rows)) == {"r4"}  # of two lengths none is an outlier
    assert ", standard deviation of channel 1 10.9" in told(rows)["r4"]


def test_looks_of_images():
    rows = made(train=table(image=[{"bytes": b"x", "path": f"{i}.png"} for i in range(40)]))
    bright = np.linspace(100, 120, 40)
    bright[7] = 250
    width = np.array([64.0 + i for i in range(40)])
    width[9] = 6400
    seen = {"brightness": bright, "width": width, "bytes": bright**9, "aspect": np.full(40, np.nan)}
    rows.looks = lambda: SimpleNamespace(statistics=seen)
    run(rows, outliers="mad")
    assert list(told(rows)) == ["r7", "r9"]
    assert told(rows)["r7"].startswith("brightness 250 above 1")
    assert told(rows)["r9"].startswith("width 6,400 above ")


def blob(count, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=count), 1000 * rng.normal(size=count)
    a[0], b[0] = 9.0, 9000.0
    b[1] = np.nan
    return table(a=a, b=b)


def test_forest_finds_the_lone_row_whatever_the_order():
    rows = made(train=blob(400))  # more than a tree's sample
    figures = run(rows, outliers="forest", outlier_bound=0.05)
    assert "r0" in told(rows)
    assert "farthest out: " in told(rows)["r0"]
    assert len(told(rows)) == figures["found"] == 20
    order = np.random.default_rng(3).permutation(400)
    mixed = made(train=pa.table(blob(400)).take(order))
    run(mixed, outliers="forest", outlier_bound=0.05)
    assert told(mixed) == told(rows)
    own = made(train=blob(400))
    assert 0 < run(own, outliers="forest")["found"] < 200
    wide = pa.table(blob(400, seed=1))
    wide = wide.set_column(1, "a", pa.array(wide["a"].to_numpy() * 100))
    other = made(train=blob(400), test=wide)
    run(other, outliers="forest", outlier_bound=0.05)
    assert told(other) == told(rows)  # which rows of train go does not depend on test
    assert other.spared["outliers"] > 200
    for share in (0.7, 1.0):
        with pytest.raises(ToolkitError, match="is no share of outliers"):
            run(made(train=blob(20)), outliers="forest", outlier_bound=share)


def test_nothing_to_look_at():
    for method in ("sigma", "mad", "forest"):
        rows = made(train={"a": ["u", "v"], "label": ["x", "y"]})
        assert run(rows, outliers=method)["found"] == 0
        rows = made(train={"a": [1, 2], "label": ["x", "y"]})
        assert run(rows, outliers=method)["found"] == 0
    with pytest.raises(ToolkitError, match="--outlier-bound is 0"):
        run(made(train=blob(20)), outliers="mad", outlier_bound=0.0)


def test_asked_for_without_a_method_it_is_three_sigma():
    rows = made(train=table(mass=[*USUAL, 9300.0, 4000.0]))
    assert run(rows)["method"] == "sigma"
    assert list(told(rows)) == ["r38"]
