import decimal
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data.augment import grow, strategy, table
from toolkit.data.augment.run import Task
from toolkit.data.augment.table import METHODS, frame
from toolkit.errors import ToolkitError

GIVEN = {"min_similarity": 0.3}


def rows(count=60, seed=0, **more):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3 // 2  # two thirds are of class 0
    return pa.table(
        {
            "id": [f"r{i:03}" for i in range(count)],
            "label": label,
            "height": 10 * rng.normal(size=count) + 30 * label,
            "age": rng.integers(0, 90, count),
            "colour": pa.array(rng.choice(["red", "green", "蓝"], count)),
            "old": pa.array(rng.random(count) < 0.5),
            "user_id": np.arange(count) * 1000,
            "note": [f"free text number {i}" for i in range(count)],
            **more,
        }
    )


def modality(data, entries, given=GIVEN):
    draws = strategy.parse(entries, METHODS, table.FIRST, "here")
    return table.Tables(data, data["label"].to_numpy(), draws, given)


def made(data, entries, copies=5, given=GIVEN):
    """[(parent's number, Made)] of every row."""
    tasks = [Task(i, c, 0, 1_000_003 * i + 7919 * c) for i in range(len(data)) for c in range(copies)]
    return list(zip((task.row for task in tasks), modality(data, entries, given).make(tasks), strict=True))


def grown(data, tmp_path, entries, *, workers=1, seed=0, copies=3):
    return grow.grow(
        data,
        data["label"].to_numpy(),
        modality(data, entries),
        table.keys(data),
        grow.Wish(copies=copies),
        tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow",  # an earlier table is mapped from its file
        classes=3,
        seed=seed,
        workers=workers,
    )


def numbers(data):
    return np.stack([data["height"].to_numpy(), data["age"].to_numpy().astype(float)], 1)


def standard(data):
    x = numbers(data)
    return (x - x.mean(0)) / x.std(0)


def only_numbers(**more):
    return rows(**more).drop_columns(["colour", "old", "age"])


def test_columns_have_parts():
    assert frame.columns(rows()) == (["height", "age"], ["colour", "old", "note"])
    assert modality(rows(), {"smote": {}}).frame.categories == ["colour", "old"]  # no value of `note` occurs twice


def test_smote_is_on_the_segment_to_a_near_row_of_the_class():
    data = rows().drop_columns(["colour", "old"])
    z, label, x = standard(data), data["label"].to_numpy(), numbers(data)
    partners = Counter()
    for row, child in made(data, {"smote": 5}, copies=20):
        mates = [i for i in range(len(z)) if label[i] == label[row] and i != row]
        near = sorted(mates, key=lambda i: ((z[i] - z[row]) ** 2).sum())[:5]
        if child.verdict == "made":
            assert child.partner in near
            partners[near.index(child.partner)] += 1
            expected = child.share * x[row] + (1 - child.share) * x[child.partner]
            np.testing.assert_allclose(child.value[0], [expected[0], np.rint(expected[1])])
            assert 0 < child.share < 1
    assert min(partners.values()) > 0.7 * max(partners.values())


def test_the_gap_of_smote_is_uniform():
    shares = [child.share for _, child in made(rows(), {"smote": {}}, copies=20)]
    assert np.histogram(shares, 4, (0, 1))[0].min() > 0.2 * len(shares)


def test_categories_are_the_commonest_of_the_neighbours():
    data = rows()
    built = modality(data, {"smote": 5})
    near, codes = built.frame.near(5), built.frame.codes
    seen = 0
    for row, child in made(data, {"smote": 5}):
        if child.verdict == "made":
            for j in range(2):
                votes = Counter(codes[near[row], j].tolist())
                assert votes[child.value[1][j]] == max(votes.values())
                seen += child.value[1][j] != codes[row, j]
    assert seen > 20


def test_of_several_commonest_one_is_drawn():
    data = rows(6, label=[0] * 6, colour=["red", "red", "red", "蓝", "蓝", "green"]).drop_columns(["old", "age"])
    children = made(data, {"smote": 5}, copies=200, given={"min_similarity": 0.0})
    found = Counter(child.value[1][0] for row, child in children if row == 2)
    assert set(found) == {1, 2}  # two red, two 蓝, one green besides row 2
    assert min(found.values()) > 70


def test_different_categories_are_the_median_deviation_apart():
    data = rows()
    built = modality(data, {"smote": {}}).frame
    points = built._encoded(1, np.arange(60))
    label, z = data["label"].to_numpy(), standard(data)
    apart = np.median(z[label == 1].std(0))
    a, b = 0, next(i for i in range(60) if (built.codes[i] != built.codes[0]).all())
    assert ((points[a] - points[b]) ** 2).sum() == pytest.approx(((z[a] - z[b]) ** 2).sum() + 2 * apart**2)


def test_borderline_takes_rows_among_others():
    """Along a line: class 0 up to 40, class 1 from 30 on, one of class 1 far inside class 0."""
    values = [*range(40), *range(30, 70), 3.5]
    data = pa.table({"id": [f"{i:02}" for i in range(81)], "label": [0] * 40 + [1] * 41, "x": np.array(values) + 0.0})
    border = set()
    for row, child in made(data, {"borderline_smote": {"k": 3, "m": 6}}):
        if child.verdict != "impossible":
            border.add(row)
    x, label = np.array(values), np.array(data["label"])
    for row in range(81):
        near = sorted((i for i in range(81) if i != row), key=lambda i: abs(x[i] - x[row]))
        if abs(x[near[5]] - x[row]) < abs(x[near[6]] - x[row]):  # no tie decides
            others = sum(label[i] != label[row] for i in near[:6])
            assert (row in border) == (3 <= others < 6), row
    assert 80 not in border
    assert border


@pytest.mark.parametrize(("alpha", "spread"), [(1.0, 0.144), (0.1, 0.1), (50.0, 0.03)])
def test_linear_mixing_is_between_two_rows_of_the_class(alpha, spread):
    data = rows()
    x, label, shares = numbers(data), data["label"].to_numpy(), []
    codes = modality(data, {"smote": {}}).frame.codes
    pairs = Counter()
    for row, child in made(data, {"linear_mixing": alpha}, copies=20, given={"min_similarity": 0.0}):
        if child.verdict == "made":
            assert label[child.partner] == label[row]
            assert child.partner != row
            pairs[row, child.partner] += 1
            shares.append(child.share)
            expected = child.share * x[row] + (1 - child.share) * x[child.partner]
            np.testing.assert_allclose(child.value[0], [expected[0], np.rint(expected[1])])
            assert all(c in (a, b) for c, a, b in zip(child.value[1], codes[row], codes[child.partner], strict=True))
    assert min(shares) >= 0.5
    assert len(pairs) > 400
    assert np.std(shares) == pytest.approx(spread, rel=0.35)


def test_jitter_is_measured_in_the_classes_deviations():
    data, noise = only_numbers(count=300), []
    x, label = data["height"].to_numpy(), data["label"].to_numpy()
    for row, child in made(data, {"jitter": 0.1}):
        noise.append((child.value[0][0] - x[row]) / x[label == label[row]].std())
        assert x.min() <= child.value[0][0] <= x.max()
        assert child.partner == -1
    assert np.std(noise) == pytest.approx(0.1, rel=0.05)
    assert np.mean(noise) == pytest.approx(0, abs=0.01)


def test_the_gate_counts_what_is_too_different():
    data = only_numbers()
    verdicts = [child.verdict for _, child in made(data, {"jitter": 9.0})]
    assert verdicts.count("too different") > 10
    assert {child.verdict for _, child in made(data, {"jitter": 9.0}, given={"min_similarity": 0.0})} == {"made"}


def test_what_is_the_same_in_both_parents_stays_to_the_last_digit():
    data = rows(same=[18.2] * 60)
    for name in METHODS:
        built = modality(data, {name: {}})
        at = built.frame.names.index("same")
        found = built.make([Task(i, c, 0, 31 * i + 7919 * c) for i in range(60) for c in range(5)])
        assert {child.value[0][at] for child in found if child.verdict == "made"} == {18.2}, name


def test_unchanged_is_told():
    data = rows(label=[0] * 60, age=[7] * 60, height=[1.5] * 60, colour=["red"] * 60, old=[True] * 60)
    for name in METHODS:
        assert {c.verdict for _, c in made(data, {name: {}}, 1)} <= {"unchanged", "impossible"}, name


@pytest.mark.parametrize("name", METHODS)
def test_types_are_kept_and_the_rest_is_the_parents(name, tmp_path):
    more = {
        "small": pa.array(np.arange(60) % 20, pa.uint8()),
        "half": pa.array(np.random.default_rng(1).normal(size=60), pa.float32()),
        "price": pa.array([decimal.Decimal(i * 37 % 100) / 4 for i in range(60)], pa.decimal128(8, 2)),
        "day": pa.array(range(60), pa.date32()),
        "tags": [["a"]] * 60,
        "group": ["g"] * 60,
    }
    data = rows(**more)
    found, _ = grown(data, tmp_path, {name: {}})
    parents = {row["id"]: row for row in data.to_pylist()}
    assert found.select(data.column_names).schema.types == data.schema.types
    children = found.to_pylist()
    assert len(children) > 10
    for child in children:
        for column in ("label", "user_id", "note", "day", "tags", "group"):
            assert child[column] == parents[child["parent_id"]][column]
        assert child["colour"] in ("red", "green", "蓝")
    for column in ("small", "half", "price"):
        assert any(child[column] != parents[child["parent_id"]][column] for child in children)
    assert not set(table.keys(found)) & table.keys(data)
    assert len(table.keys(found)) == len(found)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int64(), pa.uint64()])
@pytest.mark.parametrize("name", METHODS)
def test_the_largest_whole_numbers_are_no_error(kind, name, tmp_path):
    most = 2 ** (kind.bit_width - ("u" not in str(kind))) - 1
    found, _ = grown(rows(full=pa.array([most - i % 7 for i in range(60)], kind)), tmp_path, {name: {}})
    assert len(found)
    assert found.schema.field("full").type == kind


def test_many_neighbours_are_no_more_than_there_are():
    data = rows()
    assert modality(data, {"smote": 100}).frame.near(100).shape[1] == 39  # the larger class has 40
    for entries in ({"smote": 101}, {"borderline_smote": {"m": 101}}):
        with pytest.raises(ToolkitError, match="between 1 and 100"):
            modality(data, entries)


def test_a_tree_is_taken_for_few_columns_alone():
    """With many categories each question would go through the whole tree: 16 times as long as comparing all."""
    words = {f"c{i}": np.random.default_rng(i).integers(0, 9, 60).astype(str) for i in range(4)}
    assert modality(rows(), {"smote": {}}).frame._how == "kd_tree"
    assert modality(rows(**words), {"smote": {}}).frame._how == "brute"


def test_keys_are_those_of_the_written(tmp_path):
    data = rows(half=pa.array(np.random.default_rng(1).normal(size=60), pa.float32()))
    built = modality(data, {"smote": {}})
    found = [(row, child) for row, child in made(data, {"smote": {}}) if child.verdict == "made"]
    written = built.assembled(data.take([row for row, _ in found]), [child.value for _, child in found])
    assert table.keys(written) == {child.key for _, child in found}


def with_gaps():
    data = rows()
    height, age, colour = (data[name].to_pylist() for name in ("height", "age", "colour"))
    height[3], height[4], age[5], colour[6], colour[7] = None, float("nan"), None, None, ""
    return rows(height=pa.array(height), age=pa.array(age, pa.int64()), colour=colour)


@pytest.mark.parametrize("name", METHODS)
def test_a_parents_gaps_are_its_childrens(name, tmp_path):
    data = with_gaps()
    found, _ = grown(data, tmp_path, {name: {}}, copies=6)
    parents = {row["id"]: row for row in data.to_pylist()}
    assert {"r003", "r005", "r006"} & set(found["parent_id"].to_pylist()) or name == "borderline_smote"
    for child in found.to_pylist():
        for column in ("height", "age", "colour"):
            before = parents[child["parent_id"]][column]
            gap = before in (None, "") or before != before
            assert str(child[column]) == str(before) if gap else child[column] not in (None, "")


def test_where_the_partner_alone_has_a_gap_the_parents_value_stays():
    data = rows(3, label=[0] * 3, age=[1, 2, 3], height=pa.array([1.0, None, None])).drop_columns(["colour", "old"])
    for row, child in made(data, {"linear_mixing": {}}, copies=30):
        if child.verdict == "made" and row == 0:
            assert child.value[0][0] == 1.0


def test_a_class_of_one_row_is_copied_and_told():
    data = rows(label=[0] * 59 + [1])
    for name in table.MIXTURES:
        built = modality(data, {name: {}}, GIVEN | {"classes": ["usual", "rare"]})
        assert len(built.notes) == 1
        assert "'rare' has one row" in built.notes[0]
        child = built.make([Task(59, 0, 0, 1)])[0]
        assert child[:1] == ("copy",)
        assert child.verdict == "made"
        assert child.partner == -1
        copy = built.assembled(data.slice(59, 1), [child.value])
        assert copy.equals(data.slice(59, 1))
    assert not modality(data, {"jitter": {}}).notes
    assert not modality(data, {"smote": {}}, GIVEN | {"parents": np.arange(60) < 59}).notes
    assert modality(data, {"jitter": {}}).make([Task(59, 0, 0, 1)])[0].verdict == "unchanged"


def test_a_class_of_two_rows_has_one_neighbour():
    data = rows(label=[0] * 58 + [1] * 2)
    found = [(row, child) for row, child in made(data, {"smote": 5}, 3) if row >= 58]
    assert {(row, child.partner) for row, child in found if child.verdict == "made"} == {(58, 59), (59, 58)}


def test_children_are_no_neighbours_and_no_statistics():
    data = rows(parent_id=pa.array([None] * 50 + ["r000"] * 10, pa.string()))
    wild = data.set_column(2, "height", pa.array([*data["height"].to_pylist()[:50], *[1e9] * 10]))
    for name in ("smote", "linear_mixing"):
        a, b = ([m for row, m in made(d, {name: {}}) if row < 50] for d in (data, wild))
        assert all(child.partner < 50 for child in a)
        assert [child.key for child in a] == [child.key for child in b]
    assert modality(wild, {"smote": {}}).frame.high[0] < 100


def test_equal_rows_are_neighbours_but_not_of_themselves():
    data = rows(12, label=[0] * 12, height=[1.0] * 8 + [2.0, 3.0, 4.0, 5.0]).drop_columns(["colour", "old", "age"])
    near = modality(data, {"smote": 3}).frame.near(3)
    assert all(row not in near[row] for row in range(12))
    assert (near[:8] < 8).all()


def test_only_classes_that_are_asked_for_are_searched():
    data = rows()
    label = data["label"].to_numpy()
    built = modality(data, {"smote": {}}, GIVEN | {"parents": label == 1})
    assert (built.frame.near(5)[label == 0] == -1).all()
    assert (built.frame.near(5)[label == 1] >= 0).all()


@pytest.mark.parametrize("keep", [["height"], ["colour"], ["colour", "old"], ["note"], [], ["user_id"]])
@pytest.mark.parametrize("name", METHODS)
def test_tables_without_numbers_or_without_anything(name, keep, tmp_path):
    data = rows().select(["id", "label", *keep])
    found, counts = grown(data, tmp_path, {name: {}}, copies=1)
    assert set(found.column_names) >= set(data.column_names)
    if not {"height", "colour"} & set(keep):
        assert not len(found)
        assert counts[""]["passed over"] == 60


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [None, 4.0, float("inf"), 1e308])
def test_odd_columns_are_no_error(name, value):
    data = rows(odd=pa.array([value] * 59 + [1.0], pa.float64()), empty=pa.nulls(60, pa.string()))
    found = Counter(child.verdict for _, child in made(data, {name: {}}, 2))
    assert set(found) <= {"made", "unchanged", "too different", "impossible"}


def test_workers_order_and_seed(tmp_path):
    data, entries = with_gaps(), {"smote": {}, "borderline_smote": {}, "linear_mixing": {}, "jitter": {}}
    one, counts = grown(data, tmp_path, entries)
    two, same = grown(data, tmp_path, entries, workers=2)
    assert repr(one.to_pylist()) == repr(two.to_pylist())  # NaN is equal to nothing
    assert counts == same
    mixed, same = grown(data.take(random.Random(0).sample(range(60), 60)), tmp_path, entries)
    assert counts == same
    assert repr(mixed.sort_by("id").to_pylist()) == repr(one.sort_by("id").to_pylist())
    assert grown(data, tmp_path, entries, seed=1)[0]["height"] != one["height"]
    assert set(one["method"].to_pylist()) == set(METHODS)


def test_partners_are_named_and_labels_are_whole(tmp_path):
    found, _ = grown(rows(), tmp_path, {"smote": {}, "jitter": {}})
    assert "label_weights" not in found.column_names
    for child in found.to_pylist():
        assert (child["partner_id"] is None) == (child["method"] == "jitter")


def test_rows_of_several_classes_mix_with_equal_ones():
    label = pa.array([[0, 1], [1, 0], [0], [0, 1]] * 5, pa.list_(pa.int64()))
    data = rows(20, label=label)
    built = table.Tables(data, np.array([0, 1, 0, 0] * 5), strategy.parse({"smote": {}}, METHODS, None, ""), GIVEN)
    assert {int(i) % 4 for i in built.frame.near(5)[0]} <= {0, 1, 3}
    assert {int(i) % 4 for i in built.frame.near(3)[2]} == {2}
    data = rows(20, label=pa.array([[0]] * 19 + [[1, 0]], pa.list_(pa.int64())))
    given = GIVEN | {"classes": ["a", "b"]}
    alone = table.Tables(data, np.array([0] * 19 + [1]), strategy.parse({"smote": {}}, METHODS, None, ""), given)
    assert "'b, a' has one row" in alone.notes[0]


def test_the_uniform_numbers_are_uniform_and_independent():
    points = table.uniform(np.arange(20_000, dtype=np.uint64), 3)
    assert points.min() > 0
    assert points.max() < 1
    for column in points.T:
        assert np.abs(np.histogram(column, 10, (0, 1))[0] / 2000 - 1).max() < 0.1
    assert np.abs(np.corrcoef(points.T) - np.eye(3)).max() < 0.03
    np.testing.assert_array_equal(points[5:6, :2], table.uniform(np.array([5], dtype=np.uint64), 2))


@pytest.mark.parametrize("preset", table.PRESETS)
def test_presets_are_sound(preset):
    assert strategy.parse(table.PRESETS[preset], METHODS, table.FIRST, preset)


def test_examples_mark_the_changed_cells(tmp_path):
    data = rows()
    found, _ = grown(data, tmp_path, {"smote": {}, "jitter": {}})
    shown = table.examples(data, found, 2)["table"]
    assert shown["columns"] == ["method", "parent", "class", "height", "age", "colour", "old", "note"]
    parents = {row["id"]: row for row in data.to_pylist()}
    assert Counter(row[0] for row in shown["rows"]) == {"smote": 2, "jitter": 2}
    for row in shown["rows"]:
        parent = parents[row[1]]
        assert row[2] == str(parent["label"])
        assert row[3].startswith(f"{parent['height']:.5g} → ")
        assert row[7] == parent["note"]
