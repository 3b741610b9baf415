import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from toolkit.compression.distill import transfer
from toolkit.data import text
from toolkit.errors import ToolkitError

SAME = "the courier left the parcel at the door of the neighbour on Monday"
NEAR = "the courier left the parcel at the door of the neighbour on Mondays"
OTHER = "nobody has answered my question about the invoice of last month"


def labelled(*texts, start=0):
    features = Features({"id": Value("string"), "text": Value("string"), "label": ClassLabel(names=["a", "b"])})
    ids = [f"row-{start + i}" for i in range(len(texts))]
    return Dataset.from_dict({"id": ids, "text": texts, "label": [0] * len(texts)}, features=features)


DATA = DatasetDict(
    train=labelled("the screen broke after two days", "a refund was promised in the shop"),
    validation=labelled(SAME, start=10),
    test=labelled("the manual is written in a language that I cannot read", start=20),
)


def more(*texts, **columns):
    given = {"id": [f"more-{i}" for i in range(len(texts))], "text": list(texts), **columns}
    return DatasetDict(train=Dataset.from_dict(given))


def test_nothing_leaks_from_held_out_rows():
    near_test = "The manual is written in a language that I cannot read!"
    rows, counts = transfer.chosen(more(NEAR, OTHER, near_test, SAME), DATA, "x")
    assert rows["text"] == [OTHER]
    assert counts == {"rows": 1, "empty": 0, "near_held_out": 3, "repeated": 0}


def test_what_is_there_already_is_not_learned_twice():
    source = more("The screen broke  after two days", OTHER, OTHER, " ", label=["c", "d", None, "e"])
    rows, counts = transfer.chosen(source, DATA, "x")
    assert rows.column_names == ["id", "text"], "labels are not read"
    assert rows["id"] == ["more-1"]
    assert counts == {"rows": 1, "empty": 1, "near_held_out": 0, "repeated": 2}


def test_augmented_rows_whose_parents_are_held_out():
    kept = more(OTHER, parent_id=["row-0"])
    assert len(transfer.chosen(kept, DATA, "x")[0]) == 1
    with pytest.raises(ToolkitError, match=r"^x: 1 augmented rows of train have their parent in validation"):
        transfer.chosen(more(OTHER, parent_id=["row-10"]), DATA, "x")


def test_sources_that_do_not_fit():
    with pytest.raises(ToolkitError, match="x holds text and text_pair, the data text"):
        transfer.chosen(more(OTHER, text_pair=[SAME]), DATA, "x")
    with pytest.raises(ToolkitError, match="x has no train split"):
        transfer.chosen(DatasetDict(test=more(OTHER)["train"]), DATA, "x")


def test_spans_are_runs_of_words_of_the_texts():
    texts = {"row-0": "the screen broke after two days", "row-1": "屏幕两天之后就坏了", "row-2": "thank you"}
    found = transfer.spans(labelled(*texts.values()), 3, seed=0)["train"]
    assert found.column_names == ["id", "text"]
    assert found["id"] == [f"{row}:{number}" for row in texts for number in range(3)]
    for id_, span in zip(found["id"], found["text"], strict=True):
        whole = texts[id_.split(":")[0]]
        assert span in whole
        if whole == "thank you":
            assert span == whole
        else:
            assert span != whole
            assert len(text.words(span)) >= 2
            assert set(text.words(span)) <= set(text.words(whole)), "no word is cut in two"
    assert len(set(found["text"])) > 4
    again = transfer.spans(labelled(*texts.values()), 3, seed=0)["train"]
    assert again["text"] == found["text"] != transfer.spans(labelled(*texts.values()), 3, seed=1)["train"]["text"]
