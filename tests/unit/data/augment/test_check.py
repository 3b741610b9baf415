"""The check of a gain: what informs raises accuracy, noise does not, and no left-out row is learned from."""

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data import crossfit
from toolkit.data.augment import check

RARE = [f"word{i}" for i in range(60)]  # each tells a class, by being odd or even


def texts(count, seed):
    """Texts of one telling word among others that tell nothing, and their classes."""
    rng = np.random.default_rng(seed)
    told = rng.integers(len(RARE), size=count)
    rest = rng.integers(30, size=(count, 4))
    out = [f"{RARE[t]} " + " ".join(f"filler{k}" for k in row) for t, row in zip(told, rest, strict=True)]
    return out, told % 2


def train_of(values, kind="text", **columns):
    return pa.table({"id": [f"r{i}" for i in range(len(values))], kind: values} | columns)


def children_of(values, parents, method="m", kind="text", **columns):
    return pa.table(
        {
            "id": [f"c{i}" for i in range(len(values))],
            kind: values,
            "parent_id": [f"r{p}" for p in parents],
            "method": [method] * len(values) if isinstance(method, str) else method,
        }
        | columns
    )


def informing(codes, many, seed):
    """Children of other texts than their parents', but of their parents' classes."""
    found, classes = texts(many, seed)
    rng = np.random.default_rng(seed)
    return found, [rng.choice(np.flatnonzero(codes == code)) for code in classes]


@pytest.fixture(scope="module")
def words():
    values, codes = texts(120, 0)
    return train_of(values), codes


def test_what_informs_is_a_gain(words):
    train, codes = words
    found = check.gains("text", train, children_of(*informing(codes, 400, 1)), codes, 0)
    assert set(found) == {"all"}
    figures = found["all"]
    assert figures["rows"] == 400
    assert figures["gain"]["low"] > 0.05
    assert figures["gain"]["value"] == pytest.approx(figures["with"] - figures["without"])
    assert figures["gain"]["low"] < figures["gain"]["value"] < figures["gain"]["high"]


def test_wrong_classes_are_a_loss_and_noise_is_nothing(words):
    train, codes = words
    values, parents = informing(codes, 400, 1)
    wrong = check.gains("text", train, children_of(values, [np.flatnonzero(codes != codes[p])[0] for p in parents]),
                        codes, 0)["all"]["gain"]  # fmt: skip
    assert wrong["high"] < 0
    noise = [f"nothing{i} said" for i in range(200)]
    idle = check.gains("text", train, children_of(noise, np.arange(200) % 120), codes, 0)["all"]["gain"]
    assert idle["low"] <= 0 <= idle["high"]


def test_each_method_alone(words):
    train, codes = words
    values, parents = informing(codes, 300, 1)
    noise = [f"nothing{i} said" for i in range(100)]
    methods = ["good"] * 200 + ["good+other"] * 100 + ["idle"] * 100
    found = check.gains("text", train, children_of(values + noise, [*parents, *range(100)], methods), codes, 0)
    assert {name: figures["rows"] for name, figures in found.items()} == {
        "all": 400,
        "good": 300,
        "idle": 100,
        "other": 100,
    }
    assert len({figures["without"] for figures in found.values()}) == 1
    assert found["good"]["gain"]["low"] > max(0, found["idle"]["gain"]["value"])


def secrets():
    """Rows that only a child of each tells the class of."""
    codes = np.random.default_rng(5).integers(2, size=60)
    return train_of([f"secret{i}x{i}" for i in range(60)]), codes


def test_no_child_of_a_left_out_row_is_learned_from(monkeypatch):
    train, codes = secrets()
    same = children_of([f"secret{i}x{i} again" for i in range(60)] * 3, [*range(60)] * 3)
    honest = check.gains("text", train, same, codes, 0)["all"]
    assert abs(honest["gain"]["value"]) < 0.15
    parents = check._parents

    def forgotten(children, ids):  # all children are said to be of a row that is seldom left out
        ours, found = parents(children, ids)
        monkeypatch.setattr(check, "_targets", lambda *_: targets(codes, children, ours, found[:, 0]))
        return ours, np.zeros_like(found)

    targets = check._targets
    monkeypatch.setattr(check, "_parents", forgotten)
    assert check.gains("text", train, same, codes, 0)["all"]["with"] > honest["with"] + 0.2


def test_no_mixture_with_a_left_out_row_is_learned_from():
    """A child has its text of its partner, which is another row of the same class."""
    train, codes = secrets()
    partners = np.arange(60)
    parents = [np.flatnonzero(codes == codes[p])[0] for p in partners]
    values = [f"secret{i}x{i} again" for i in partners] * 3
    children = children_of(values, parents * 3, partner_id=[f"r{p}" for p in partners] * 3)
    mixed = check.gains("text", train, children, codes, 0)["all"]
    leaking = check.gains("text", train, children.drop_columns("partner_id"), codes, 0)["all"]
    assert leaking["with"] > 0.75 > mixed["with"] + 0.15


def test_a_child_without_a_partner_counts_by_its_parent():
    train, codes = secrets()
    values = [f"secret{i}x{i} again" for i in range(60)]
    of_one = pa.array([None] * 60, pa.string())
    with_column = check.gains("text", train, children_of(values, range(60), partner_id=of_one), codes, 0)
    assert with_column == check.gains("text", train, children_of(values, range(60)), codes, 0)


def test_groups_are_left_out_together():
    """Rows of a group have one text: with another row of it the left-out one is known."""
    codes = np.repeat(np.random.default_rng(5).integers(2, size=30), 4)
    values = [f"secret{i // 4}x{i // 4}" for i in range(120)]
    children = children_of([f"{v} again" for v in values], range(120))
    free = check.gains("text", train_of(values), children, codes, 0)["all"]
    groups = pa.array([f"g{i // 4}" for i in range(120)])
    bound = check.gains("text", train_of(values, group=groups), children, codes, 0)["all"]
    assert free["without"] > 0.9 > bound["without"] + 0.2
    one = check.gains("text", train_of(values, group=pa.array(["g"] * 120)), children, codes, 0)["all"]
    assert one == free
    empty = check.gains("text", train_of(values, group=pa.nulls(120, pa.string())), children, codes, 0)["all"]
    assert empty == free


@pytest.mark.parametrize("rows", [2, 3, 6])
def test_few_rows(rows):
    values, codes = texts(rows, 0)
    codes = np.arange(rows) % 2
    figures = check.gains("text", train_of(values), children_of(values, range(rows)), codes, 0)["all"]
    assert all(np.isfinite(v) for v in (figures["with"], *figures["gain"].values()))


def test_no_children(words):
    train, codes = words
    figures = check.gains("text", train, children_of(["a"], [0])[:0], codes, 0)["all"]
    assert figures["rows"] == 0
    assert figures["gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_figure_without_children_is_the_same_whatever_they_are():
    """What is counted, centred and scaled is train's own."""
    rng = np.random.default_rng(0)
    values, codes = rng.normal(size=80), np.arange(80) % 2
    train = pa.table({"id": [f"r{i}" for i in range(80)], "x": values + codes, "label": codes})
    near, far = (
        pa.table({"id": [f"c{i}" for i in range(80)], "x": values * scale, "label": codes,
                  "parent_id": train.column("id"), "method": ["m"] * 80})
        for scale in (1, 1e6)
    )  # fmt: skip
    found = [check.gains("table", train, children, codes, 0)["all"] for children in (near, far)]
    assert found[0]["without"] == found[1]["without"]
    assert found[0]["with"] != found[1]["with"]


def test_shares_are_learned():
    """Of mixtures the model learns the shares; the heavier class of each is its parent's."""
    codes = np.array([0, 1])
    shares = pa.array([[0.75, 0.25], None], pa.list_(pa.float32()))
    children = children_of(["a", "b"], [0, 1], label_weights=shares)
    out = check._targets(codes, children, np.array([0, 1]), np.array([0, 1]))
    assert out.tolist() == [[1, 0], [0, 1], [0.75, 0.25], [0, 1]]
    assert check._targets(codes, children, np.array([1]), np.array([1])).tolist() == [[1, 0], [0, 1], [0, 1]]


def test_children_of_rows_that_take_no_part_are_left_out(words, monkeypatch):
    train, codes = words
    monkeypatch.setattr(check, "MOST", 80)
    sizes = []
    fit = crossfit.fit
    monkeypatch.setattr(crossfit, "fit", lambda parts, *more: sizes.append(parts[0].shape[0]) or fit(parts, *more))
    figures = check.gains("text", train, children_of(*informing(codes, 120, 1)), codes, 0)["all"]
    assert 0 < figures["rows"] < 80
    assert max(sizes) <= 80
    assert min(sizes) == 32  # four fifths of the 40 rows


def test_the_same_seed_gives_the_same_figures(words):
    train, codes = words
    children = children_of(*informing(codes, 50, 1))
    assert check.gains("text", train, children, codes, 3) == check.gains("text", train, children, codes, 3)
    assert check.gains("text", train, children, codes, 3) != check.gains("text", train, children, codes, 4)


def test_the_interval_is_of_a_corrected_t_test():
    """By hand: differences 0, 0.1, 0.2, 0.3 of two seeds and two folds; t of three degrees 3.1824."""
    found = check._gain([0.5] * 4, [0.5, 0.6, 0.7, 0.8], 7, 2)
    variance = np.var([0, 0.1, 0.2, 0.3], ddof=1)
    half = 3.182446 * np.sqrt((1 / 4 + 1) * variance)
    assert found["gain"]["value"] == pytest.approx(0.15)
    assert found["gain"]["high"] - found["gain"]["value"] == pytest.approx(half, rel=1e-5)
    assert (found["rows"], found["without"]) == (7, 0.5)


@pytest.mark.parametrize("kind", ["series", "table", "image"])
def test_every_kind_of_content(kind):
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 2
    if kind == "image":
        import io

        from PIL import Image

        def cell(code):
            out = io.BytesIO()
            Image.fromarray(rng.integers(90 * code, 90 * code + 120, (12, 12, 3), dtype=np.uint8)).save(out, "PNG")
            return {"bytes": out.getvalue(), "path": "a.png"}

        values = [cell(code) for code in codes]
    elif kind == "series":
        values = [[(np.sin(np.arange(40) * (0.3 + 0.5 * code)) + rng.normal(size=40) * 0.1).tolist()] for code in codes]
    else:
        values = (codes + rng.normal(size=60) * 0.2).tolist()
    name = "x" if kind == "table" else kind
    train = train_of(values, name)
    found = check.gains(kind, train, children_of(values, range(60), kind=name), codes, 0)["all"]
    assert found["without"] > 0.85
    assert found["rows"] == 60
