import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from toolkit.data.augment import grow
from toolkit.data.augment.grow import Wish
from toolkit.data.augment.run import Made
from toolkit.data.augment.strategy import Draw
from toolkit.data.augment.text import Texts, keys, synonyms

CODES = np.repeat([0, 1, 2], [12, 4, 2])
WORDS = [
    "please",
    "send",
    "an",
    "excellent",
    "new",
    "invoice",
    "for",
    "the",
    "big",
    "order",
    "and",
    "a",
    "quick",
    "answer",
]


def train(**columns):
    texts = [" ".join(np.random.default_rng(i).permutation(WORDS)) for i in range(len(CODES))]
    ids = [f"r{i:02}" for i in range(len(CODES))]
    return pa.table({"id": ids, "text": texts, "label": CODES} | columns)


def grown(folder, table, wish, modality=None, **more):
    if modality is None:
        draws = [Draw(name, 1.0, {}) for name in ("random_swap", "random_deletion", "synonym_replacement")]
        modality = Texts(table, CODES, draws, {"min_similarity": 0.3, "synonyms": synonyms.load()})
    return grow.grow(table, CODES, modality, keys(table), wish, folder / "aside", classes=3, seed=0, **more)


def by_class(children):
    return np.bincount(children.column("label").to_numpy(), minlength=3).tolist()


def test_children_are_rows_like_their_parents(tmp_path):
    table = train(source=pa.array([f"s{i}" for i in range(len(CODES))]))
    children, counts = grown(tmp_path, table, Wish(copies=2))
    assert children.column_names == ["id", "text", "label", "source", "parent_id", "method"]
    parents = dict(zip(table.column("id").to_pylist(), table.to_pylist(), strict=True))
    seen = set()
    for row in children.to_pylist():
        parent = parents[row["parent_id"]]
        assert (row["label"], row["source"]) == (parent["label"], parent["source"])
        assert row["id"] in (f"{parent['id']}+1", f"{parent['id']}+2")
        assert row["text"] not in seen | {parent["text"]}
        seen.add(row["text"])
        assert counts[row["method"]]["made"] > 0
    assert sum(found.get("made", 0) for found in counts.values()) == len(children)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), [12, 4, 2]),
        (Wish(copies=3), [36, 12, 6]),
        (Wish(only=frozenset([1])), [0, 4, 0]),
        (Wish(copies=3, only=frozenset([0, 2])), [36, 0, 6]),
        (Wish(copies=3, max_rows=18), [12, 4, 2]),
        (Wish(ratio=1.0), [0, 8, 10]),
        (Wish(ratio=1.5), [0, 4, 6]),
        (Wish(ratio=1.0, copies=1), [0, 4, 2]),
        (Wish(ratio=1.0, only=frozenset([2])), [0, 0, 10]),
        (Wish(ratio=1.0, max_rows=9), [0, 4, 5]),
    ],
)
def test_how_many(tmp_path, wish, expected):
    assert by_class(grown(tmp_path, train(), wish)[0]) == expected


def test_children_have_no_children(tmp_path):
    parent_ids = pa.array([None if i % 2 else "x" for i in range(len(CODES))], pa.string())
    children, _ = grown(tmp_path, train(parent_id=parent_ids), Wish())
    assert sorted(children.column("parent_id").to_pylist()) == [f"r{i:02}" for i in range(1, len(CODES), 2)]


def test_ids_that_are_there_already_are_not_given_again(tmp_path):
    table = train()
    ids = table.column("id").to_pylist()
    ids[5] = "r00+1"
    children, _ = grown(tmp_path, table.set_column(0, "id", pa.array(ids)), Wish())
    assert len({*ids, *children.column("id").to_pylist()}) == 2 * len(ids)


def test_ids_of_other_splits_are_not_given_either(tmp_path):
    children, _ = grown(tmp_path, train(), Wish(), elsewhere=["r00+1", "r01+1", "other"])
    ids = set(children.column("id").to_pylist())
    assert not ids & {"r00+1", "r01+1"}
    assert {"r00+1+", "r01+1+", "r02+1"} <= ids
    assert len(ids) == len(CODES)


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_play_no_part(tmp_path, workers, monkeypatch):
    monkeypatch.setattr(Texts, "chunk", 3)
    one, counts = grown(tmp_path, train(), Wish(copies=2))
    table = one.to_pylist()
    many, same = grown(tmp_path, train(), Wish(copies=2), workers=workers)
    assert many.to_pylist() == table
    assert same == counts


class Odd:
    """Of class 1 nothing can be made at first, of class 2 never; children are mixtures with row 0."""

    weights, chunk, block, batched, mixes = (1.0,), 100, 1000, frozenset(), True

    def make(self, tasks):
        return [
            Made("mix", f"{t.row} {t.copy}", partner=0, share=0.75)
            if CODES[t.row] == 0 or (CODES[t.row] == 1 and t.copy > 0)
            else Made("mix", None, "impossible")
            for t in tasks
        ]

    def assembled(self, parents, values):
        return parents.set_column(parents.column_names.index("text"), "text", pa.array(values, pa.string()))


def test_a_class_is_made_up_in_rounds_and_mixtures_have_weights(tmp_path):
    children, counts = grown(tmp_path, train(), Wish(ratio=1.0), Odd())
    assert by_class(children) == [0, 8, 0]
    assert set(children.column("partner_id").to_pylist()) == {"r00"}
    assert set(map(tuple, children.column("label_weights").to_pylist())) == {(0.25, 0.75, 0.0)}
    assert counts[""]["passed over"] > 0
    assert counts["mix"]["made"] == 8


def test_join():
    features = Features({"id": Value("string"), "text": Value("string"), "label": ClassLabel(names=["a", "b", "c"])})
    data = Dataset(train().cast(features.arrow_schema))
    children = train(parent_id=pa.array(["p"] * len(CODES)), method=pa.array(["m"] * len(CODES)))
    both = grow.join(
        data,
        children.slice(0, 3).cast(
            pa.schema([*features.arrow_schema, pa.field("parent_id", pa.string()), pa.field("method", pa.string())])
        ),
    )
    assert len(both) == len(CODES) + 3
    assert both.features["label"] == features["label"]
    assert both["parent_id"][: len(CODES)] == [None] * len(CODES)
    assert both["method"][len(CODES) :] == ["m"] * 3
