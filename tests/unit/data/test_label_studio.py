"""Exports as Label Studio writes them, and what is written for it, there and back."""

import json
from xml.etree import ElementTree

import pytest

from toolkit.data import label_studio
from toolkit.errors import ToolkitError


def choice(*labels, control="sentiment", kind="choices", **value):
    return {"id": "r1", "from_name": control, "to_name": "text", "type": kind, "value": {"choices": [*labels], **value}}


def annotated(*results, by=1, **more):
    return {"id": 7, "completed_by": by, "result": [*results], "was_cancelled": False, "ground_truth": False, **more}


def task(number, *annotations, **data):
    return {"id": number, "data": {"text": f"text {number}", **data}, "annotations": [*annotations], "predictions": []}


def votes(table):
    return [[(v["rater"], v["label"]) for v in cell] for cell in table.column("annotations").to_pylist()]


@pytest.fixture
def told(monkeypatch):
    lines = []
    monkeypatch.setattr(label_studio.console, "warn", lines.append)
    monkeypatch.setattr(label_studio.console, "note", lines.append)
    return lines


def test_every_annotators_vote_is_read(told):
    tasks = [
        task(11, annotated(choice("好")), annotated(choice("好"), by={"id": 2, "email": "b@example.org"})),
        task(12, annotated(choice("好")), annotated(choice("差"), by={"email": "c@example.org"})),
        task(13, annotated(choice("差"), by=None)),
        task(14, annotated(choice("差")), annotated(choice("好"), was_cancelled=True, by=2)),
        task(15, annotated(choice("差")), annotated(choice("好"), by=2, ground_truth=True)),
    ]
    table = label_studio.to_table(tasks, "x.json")
    assert table.column("id").to_pylist() == ["11", "12", "13", "14", "15"]
    assert table.column("text").to_pylist()[0] == "text 11"
    assert table.column("label").to_pylist() == ["好", None, "差", "差", "好"]
    assert votes(table) == [
        [("1", "好"), ("2", "好")],
        [("1", "好"), ("c@example.org", "差")],
        [("unknown", "差")],
        [("1", "差")],
        [("1", "差"), ("2", "好")],
    ]
    assert table.column("annotations")[4].as_py()[1]["ground_truth"] is True
    assert told == ["x.json: 1 skipped annotations are no votes"]


def test_exactly_one_label_a_task(told):
    tasks = [task(1, annotated(choice("a"))), task(2, annotated(choice("a", "b"), by=4)), task(3, annotated())]
    table = label_studio.to_table(tasks, "x.json")
    assert table.column("label").to_pylist() == ["a", None, None]
    assert votes(table)[1:] == [[("4", None)], [("1", None)]]
    assert told == [
        "x.json: 2 annotations have not exactly one choice and are no votes "
        "(task 2 by 4: 2 choices; task 3 by 1: no choices)"
    ]


def test_tasks_without_annotations_are_told(told):
    table = label_studio.to_table([task(1, annotated(choice("a"))), task(2), task(3)], "x.json")
    assert table.column("label").to_pylist() == ["a", None, None]
    assert told == ["x.json: 2 of 3 tasks have no annotation: their label is missing"]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([task(1), task(2)], "none of its 2 tasks has an annotation:"),
        ([task(1, annotated(choice("a", "b")))], "none of its 1 tasks has an annotation with exactly one choice"),
        ([task(5, annotated(choice("a"), choice(kind="rectanglelabels")))], "task 5 has a region of type 'rectang"),
        ([task(5, annotated(choice("a", start=0, end=3)))], r"choices of a region \(choices, end, start\)"),
        ([task(1, annotated(choice("a"), choice("b", control="topic")))], r"several choices a task \(sentiment, topic"),
        ([{"id": 1}], "no Label Studio export"),
        ({"tasks": []}, "no Label Studio export"),
    ],
)
def test_what_is_not_read_is_refused(tasks, message, told):
    with pytest.raises(ToolkitError, match=message):
        label_studio.to_table(tasks, "x.json")


@pytest.mark.parametrize("result", ["x", ["x"], [{"type": "choices", "value": "A"}], {"type": "choices"}], ids=str)
def test_results_of_another_form_are_told(result):
    with pytest.raises(ToolkitError, match="task 1 has an annotation that cannot be read"):
        label_studio.to_table([task(1, {"completed_by": 1, "result": result})], "x.json")


def test_an_empty_choice_is_no_label(told):
    tasks = [task(1, annotated(choice(None))), task(2, annotated(choice(" "))), task(3, annotated(choice("a")))]
    table = label_studio.to_table(tasks, "x.json")
    assert table.column("label").to_pylist() == [None, None, "a"]
    one = choice("")
    one["value"]["choices"] = "good"  # one choice without its list
    assert label_studio.to_table([task(1, annotated(one))], "x.json").column("label").to_pylist() == ["good"]


def test_one_of_several_choices_by_name(told):
    tasks = [task(1, annotated(choice("a"), choice("sport", control="topic"), choice("because", kind="textarea")))]
    assert label_studio.to_table(tasks, "x", "topic").column("label").to_pylist() == ["sport"]
    assert told == ["x: 1 remarks beside the choices are not read"]


def test_the_completions_of_old_versions():
    tasks = [{"id": 0, "data": {"text": "t"}, "completions": [{"id": 1, "result": [choice("a")]}]}]
    tasks += [{"id": 1, "data": {"text": "u"}}]
    table = label_studio.to_table(tasks, "x")
    assert label_studio.is_export(tasks)
    assert table.column("label").to_pylist() == ["a", None]


def flat(number, label, annotator, **data):
    last = {"annotator": annotator, "annotation_id": 1, "created_at": "", "updated_at": "", "lead_time": 1.5}
    return {"text": f"text {number}", **data, "id": number, **({"mood": label} if label else {}), **last}


def test_json_min():
    records = [flat(4, "a", 1), flat(4, "a", 2), flat(5, [{"choices": ["a", "b"]}], "b@example.org"), flat(6, "b", 1)]
    records += [flat(7, None, 1), flat(8, {"choices": ["b"]}, 3)]
    assert label_studio.is_export(records)
    table = label_studio.to_table(records, "x")
    assert table.column_names == ["id", "text", "label", "annotations"]
    assert table.column("id").to_pylist() == ["4", "5", "6", "7", "8"]
    assert table.column("label").to_pylist() == ["a", None, "b", None, "b"]
    assert votes(table)[0] == [("1", "a"), ("2", "a")]


def test_json_min_that_is_not_classification():
    spans = [flat(1, [{"start": 0, "end": 4, "text": "text", "labels": ["PER"]}], 1)]
    with pytest.raises(ToolkitError, match="region of type 'labels'"):
        label_studio.to_table(spans, "x")
    several = [{**flat(1, "a", 1), "topic": "b"}]
    with pytest.raises(ToolkitError, match="several columns"):
        label_studio.to_table(several, "x")
    assert label_studio.to_table(several, "x", "topic").column("label").to_pylist() == ["b"]


def test_ids_and_data_keep_their_names():
    vote = annotated(choice("a"))
    own = label_studio.to_table([task(1, vote, id="p", label="z"), task(2, vote, id="q", label="z")], "x")
    assert own.column("id").to_pylist() == ["p", "q"]
    assert own.column("label_original").to_pylist() == ["z", "z"]
    twice = label_studio.to_table([task(1, vote, id="p"), task(2, vote, id="p")], "x")
    assert twice.column("id").to_pylist() == ["1", "2"]
    assert twice.column("id_original").to_pylist() == ["p", "p"]
    mixed = label_studio.to_table([task(1, vote, meta={"a": ["好"]}, n=1), task(1, vote, n="x")], "x")
    assert mixed.column("id").to_pylist() == ["task-0", "task-1"]
    assert mixed.column("meta").to_pylist() == ['{"a": ["好"]}', None]
    assert mixed.column("n").to_pylist() == ["1", "x"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"review": "so good"}, "text"),
        ({"review": "so good", "page": "https://example.org/1"}, "text"),
        ({"review": "so good", "author": "me"}, "review"),
        ({"image": "/data/upload/1/a.jpg"}, "image"),
        ({"image": "pictures/a.JPG"}, "image"),
    ],
)
def test_the_only_text_is_the_text(data, name):
    tasks = [{"id": 1, "data": data, "annotations": [annotated(choice("a"))]}]
    assert label_studio.to_table(tasks, "x").column_names[1] == name


def test_written_annotated_and_read_again():
    labels = ['a "b" <c>', "好&坏", "plain"]
    rows = [{"id": f"train-{i}", "text": f"t {i}", "label": label, "why": "random"} for i, label in enumerate(labels)]
    tasks = json.loads(json.dumps(label_studio.to_tasks([*rows, {"id": "new", "text": "t", "label": None}])))
    assert label_studio.is_export([{"id": 1, **tasks[0]}])
    assert "predictions" not in tasks[3]
    for number, found in enumerate(tasks):  # the annotator takes over what is predicted
        found |= {"id": number + 100}
        result = found["predictions"][0]["result"] if "predictions" in found else [choice("plain", control="label")]
        found["annotations"] = [annotated(*result, by=5)]
    table = label_studio.to_table(tasks, "x")
    assert table.column_names == ["id", "text", "why", "label", "annotations"]
    assert table.column("id").to_pylist() == ["train-0", "train-1", "train-2", "new"]
    assert table.column("label").to_pylist() == [*labels, "plain"]


@pytest.mark.parametrize("content", ["text", "image"])
def test_the_config_offers_every_label_and_shows_the_content(content):
    labels = ['a "b" <c>', "好&坏"]
    root = ElementTree.fromstring(label_studio.config_xml(labels, content))
    shown, choices = root
    assert (shown.tag, shown.get("name"), shown.get("value")) == (content.capitalize(), content, f"${content}")
    assert (choices.get("name"), choices.get("toName"), choices.get("choice")) == ("label", content, "single")
    assert [c.get("value") for c in choices] == labels
    (written,) = label_studio.to_tasks([{"id": "a", content: "b", "label": labels[0]}], content)
    assert written["data"][content] == "b"
    assert written["predictions"][0]["result"][0]["to_name"] == content


def test_plain_rows_are_no_export():
    for rows in ([], [{"text": "a", "label": "b"}], {"data": []}, [{"data": "a"}], [3], None):
        assert not label_studio.is_export(rows)
