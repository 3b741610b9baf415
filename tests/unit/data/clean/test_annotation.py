"""Raters' votes in each form, and their consensus."""

import json
import random
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.data.clean.clean_cases import labels, made, rejected, texts

from toolkit.data import label_studio
from toolkit.data.clean import annotation
from toolkit.errors import ToolkitError

ANNOTATION = {"raters": None, "votes": None, "item": None, "rater": None, "consensus": "majority", "audit": 0.0}


def run(rows, corrections=None, seed=0, **options):
    rows.stage = "annotation"
    config = SimpleNamespace(annotation=SimpleNamespace(**{**ANNOTATION, **options}), seed=seed)
    given = {} if corrections is None else {"corrections": pa.table(corrections)}
    figures = annotation.run(rows, config, given)
    json.dumps(figures, allow_nan=False)
    return figures


WIDE = {"text": texts(5), "anna": ["x", "x", "y", None, "y"], "bo": ["x", "y", "y", None, None],
        "cy": ["y", "x", "y", None, "x"]}  # fmt: skip


def test_columns_of_raters():
    rows = made(train=WIDE)
    figures = run(rows, raters=["anna", "bo,cy"])
    assert labels(rows) == {"train-0": "x", "train-1": "x", "train-2": "y"}
    assert rejected(rows) == {"train-3": ("no vote", ""), "train-4": ("no consensus", "x 1, y 1")}
    assert (figures["format"], figures["items"], figures["votes"], figures["raters"]) == ("columns", 4, 11, 3)
    assert list(figures["cohen_kappa"]) == ["anna and bo", "anna and cy", "bo and cy"]
    assert figures["cohen_kappa"]["anna and bo"]["items"] == 3
    assert set(figures["cohen_kappa"]["anna and bo"]["kappa"]) == {"value", "low", "high"}
    assert figures["per_rater"]["anna"]["items"] == 4
    assert figures["kappa"] == figures["fleiss_kappa"]
    assert figures["consensus"] == {"method": "majority", "labelled": 3, "changed": 3, "ties": 1, "without_votes": 1}
    assert figures["label"] is None


def test_an_own_label_is_compared_and_stays_without_votes():
    rows = made(train=WIDE | {"label": ["x", "y", "y", "z", "x"]})
    figures = run(rows, raters=["anna", "bo", "cy"])
    assert labels(rows) == {"train-0": "x", "train-1": "x", "train-2": "y", "train-3": "z"}
    assert (figures["label"]["compared"], figures["label"]["same"]) == (3, 2)
    assert figures["consensus"]["changed"] == 1
    assert rows.changes().select(["id", "column", "before", "after"]).to_pylist() == [
        {"id": "train-1", "column": "label", "before": "y", "after": "x"}
    ]


def test_the_kappa_of_two_raters_is_cohens():
    figures = run(made(train=WIDE), raters=["anna", "bo"])
    assert figures["kappa"] == figures["cohen_kappa"]["anna and bo"]["kappa"]
    assert figures["kappa_form"] == "Cohen (1960)"
    assert figures["kappa"] != figures["fleiss_kappa"]


@pytest.mark.parametrize("own", [None, ["1", "0", "0", "1"], [1, 0, 0, 1], ["b", "a", "a", "b"]])
def test_counts(own):
    table = {"text": texts(4), "a": [0, 3, 1, 2], "b": [3, None, 1, 1]} | ({"label": own} if own else {})
    rows = made(train=table)
    figures = run(rows, votes=["a", "b"])
    assert labels(rows) == {"train-0": "b", "train-1": "a", "train-3": "a"}
    assert rejected(rows) == {"train-2": ("no consensus", "a 1, b 1")}
    assert figures["cohen_kappa"] is None
    assert figures["per_rater"] is None
    assert figures["fleiss_kappa_equal"]["votes_per_item"] == 3
    assert figures["label"] is None if own is None else figures["label"]["same"] == 2
    assert own is None or figures["label"]["compared"] == 3


@pytest.mark.parametrize(
    ("column", "named"),
    [([1.5, 1], "row train-0: 1.5"), ([1, -1], "row train-1: -1"), (["many", "1"], "column 'b' holds no counts")],
)
def test_what_is_no_count_is_named(column, named):
    with pytest.raises(ToolkitError, match=named):
        run(made(train={"text": texts(2), "a": [1, 1], "b": column}), votes=["a", "b"])


def test_long_format():
    items = ["q", "p", "q", "p", "q", None, "r", "r"]
    raters = ["anna", "anna", "bo", "bo", "cy", "cy", "anna", "bo"]
    rows = made(train={"text": texts(8), "item": items, "who": raters, "label": list("yxxxxxxy")})
    figures = run(rows, item="item", rater="who")
    assert labels(rows) == {"train-0": "x", "train-1": "x"}
    assert rejected(rows) == {
        "train-2": ("vote of the same item", "of train-0 in train"),
        "train-3": ("vote of the same item", "of train-1 in train"),
        "train-4": ("vote of the same item", "of train-0 in train"),
        "train-5": ("no item", "the column 'item' is empty"),
        "train-6": ("no consensus", "x 1, y 1"),
        "train-7": ("vote of the same item", "of train-6 in train"),
    }
    assert (figures["items"], figures["votes"], figures["raters"]) == (3, 7, 3)
    again = made(train=rows.survivors()["train"])
    run(again, item="item", rater="who")
    assert (again.changed, again.rejects) == (0, [])


def test_an_item_that_was_called_id_and_one_in_test_too():
    long = {"text": texts(2), "id": ["q", "q"], "who": ["anna", "bo"], "label": ["x", "x"]}
    rows = made(train=long, test={**long, "who": ["cy", "di"]})
    run(rows, item="id", rater="who")
    assert labels(rows) == {"test-0": "x"}


def exported(*cells, text=None):
    """Tasks with (rater, label) votes, as the reader of Label Studio makes a table of them."""
    tasks = []
    for number, cell in enumerate(cells):
        annotations = [
            {"completed_by": rater, "ground_truth": bool(truth), "result": [
                {"type": "choices", "from_name": "label", "value": {"choices": list(label)}}]}
            for rater, label, *truth in cell
        ]  # fmt: skip
        tasks.append({"id": number, "data": {"text": text or f"text number {number}"}, "annotations": annotations})
    return label_studio.to_table(tasks, "x")


def test_label_studio(told):
    cells = [[(1, "x"), (2, "x")], [(1, "x"), (2, "y")], [(1, "xy"), (2, "y")], [], [(1, "x"), (2, "y", True)]]
    rows = made(train=exported(*cells))
    figures = run(rows)
    assert labels(rows) == {"0": "x", "2": "y", "4": "y"}
    assert rejected(rows) == {"1": ("no consensus", "x 1, y 1"), "3": ("no vote", "")}
    assert figures["format"] == "label-studio"
    assert figures["invalid_annotations"] == 1
    assert figures["cohen_kappa"]["1 and 2"]["items"] == 3
    assert rows.changed == 0  # what agreed was the label already


def test_annotations_that_are_no_votes_pass_through():
    rows = made(train={"text": texts(1), "label": ["x"], "annotations": ["by hand"]})
    assert run(rows) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"raters": ["anna"], "votes": ["bo"]}, r"2 ways \(--raters, --votes\)"),
        ({"raters": ["ana"]}, "no column 'ana': did you mean anna"),
        ({"raters": ["anna", "anna"]}, "'anna' is named twice"),
        ({"item": "text"}, "both --item and --rater"),
        ({"item": "text", "rater": "anna"}, "need a column with the label"),
        ({"votes": ["anna"], "consensus": "dawid-skene"}, "who voted"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ToolkitError, match=message):
        run(made(train=WIDE), **options)


def test_dawid_skene_trusts_the_better_raters():
    """Two raters are always right, three err on the same half: the majority follows the three."""
    rng = random.Random(0)
    truth = [rng.choice("xy") for _ in range(200)]
    table = {"text": texts(200), "a": truth, "b": truth}
    table |= {name: [rng.choice("xy") for _ in truth] for name in "cde"}
    results = {}
    for method in ("majority", "dawid-skene"):
        rows = made(train=table)
        figures = run(rows, raters=list("abcde"), consensus=method)
        results[method] = sum(label == truth[int(name[6:])] for name, label in labels(rows).items())
    assert results["dawid-skene"] == 200 > results["majority"] + 5
    accuracy = figures["consensus"]["rater_accuracy"]
    assert min(accuracy["a"], accuracy["b"]) > 0.9 > 0.65 > max(accuracy[name] for name in "cde")
    assert figures["consensus"]["converged"] is True


TABLES = st.lists(st.lists(st.sampled_from(["x", "y", None]), min_size=3, max_size=3), min_size=1, max_size=12)


@settings(max_examples=25)
@given(TABLES, st.randoms())
def test_every_row_is_kept_or_rejected_and_order_plays_no_part(table, shuffle):
    found = []
    order = list(range(len(table)))
    for _ in range(2):
        picked = [table[i] for i in order]
        given_by = {name: pa.array([row[k] for row in picked], pa.string()) for k, name in enumerate("abc")}
        rows = made(train={"id": [f"i{i}" for i in order], "text": [f"t{i}" for i in order], **given_by})
        figures = run(rows, raters=["a", "b", "c"])
        assert len(labels(rows)) + len(rows.rejects) == len(table)
        assert None not in labels(rows).values()
        found.append((labels(rows), rejected(rows), figures))
        shuffle.shuffle(order)
    assert found[0] == found[1]


def test_a_correction_outweighs_the_votes_now_and_later():
    cells = [[(1, "x"), (2, "x")], [(1, "x"), (2, "y")], [(1, "y"), (2, "y")]]
    rows = made(train=exported(*cells))
    first = run(rows, {"id": ["0", "1"], "label": ["y", "x"]})
    assert labels(rows) == {"0": "y", "1": "x", "2": "y"}
    again = made(train=rows.survivors()["train"])
    second = run(again)
    assert labels(again) == labels(rows)
    assert again.changed == 0
    assert second["raters"] == 2  # a correction is no rater's vote
    assert second["cohen_kappa"] == first["cohen_kappa"]
    third = made(train=again.survivors()["train"])
    run(third, {"id": ["0"], "label": ["x"]})
    assert labels(third)["0"] == "x"


def test_what_an_audit_confirmed_is_no_change():
    """The source had no label yet; what the audit showed was the consensus."""
    rows = made(train=WIDE)
    back = {"id": ["train-0", "train-1"], "label": ["x", "y"], "was": ["x", "x"], "why": ["random", "random"]}
    figures = run(rows, back, raters=["anna", "bo", "cy"])["corrections"]
    assert (figures["applied"], figures["unchanged"], figures["wrong"]) == (1, 1, 1)
    assert labels(rows) == {"train-0": "x", "train-1": "y", "train-2": "y"}


def test_a_correction_settles_a_tie_of_columns():
    rows = made(train=WIDE)
    run(rows, {"id": ["train-4", "train-3"], "label": ["x", "y"]}, raters=["anna", "bo", "cy"])
    assert labels(rows) == {"train-0": "x", "train-1": "x", "train-2": "y", "train-3": "y", "train-4": "x"}


def test_raters_that_are_numbers():
    votes = [[{"rater": 1, "label": "x"}, {"rater": 2, "label": "y"}, {"rater": 3, "label": "x"}]] * 2
    rows = made(train={"text": texts(2), "annotations": votes, "label": [None, None]})
    run(rows)
    assert labels(rows) == {"train-0": "x", "train-1": "x"}
    rows = made(train={"text": texts(2), "annotations": votes, "label": ["x", "x"]})
    run(rows, {"id": ["train-1"], "label": ["y"]})
    assert labels(rows) == {"train-0": "x", "train-1": "y"}
    assert [vote["rater"] for vote in rows.values("annotations")[1]] == ["1", "2", "3", "correction"]
