"""Every stage on small rows, and all of them together."""

import random

import pyarrow as pa
import pytest

from toolkit import config as configs
from toolkit.commands.clean import CleanConfig
from toolkit.data import columns
from toolkit.data.clean import STAGES, clean, profile
from toolkit.data.clean import rows as row_module
from toolkit.errors import ToolkitError

USUAL = ["format", "missing", "low-quality", "contradictions", "exact-duplicates", "near-duplicates"]


def made(**tables):
    """Rows from `split=[(text, label), ...]`, with ids s0, s1 …, by the calls of the command."""
    built = {}
    for split, found in tables.items():
        ids = [row[2] if len(row) > 2 else f"{split[:2]}{i}" for i, row in enumerate(found)]
        text, label = (pa.array([row[k] for row in found], pa.string()) for k in (0, 1))
        built[split] = pa.table({"id": ids, "text": text, "label": label})
    return row_module.from_dataset(columns.to_dataset(built, "x", complete=False))


def configured(**options):
    return configs.build(CleanConfig, {"source": "x", **options})


def run(stage, rows, **options):
    rows.stage = stage
    STAGES[stage](rows, configured(**options), {})
    rows.settle()
    return [rows.id(i) for i in rows.living()]


def cleaned(rows, skip=(), **options):
    return clean(rows, configured(**options), [name for name in USUAL if name not in skip])


def rejected(rows):
    return {rows.id(row): (reason, detail) for row, _, reason, detail in rows.rejects}


def test_format_changes_and_tells():
    rows = made(train=[("a &amp; b", "x"), ("plain text", "x"), (None, "x"), ("", "x"), ("Ａ", "x")])
    assert run("format", rows) == ["tr0", "tr1", "tr2", "tr3", "tr4"]
    assert rows.values("text") == ["a & b", "plain text", None, "", "A"]
    assert [(c["id"], c["before"], c["after"]) for c in rows.changes().to_pylist()] == [
        ("tr0", "a &amp; b", "a & b"),
        ("tr4", "Ａ", "A"),
    ]


def test_missing():
    rows = made(train=[("a", "x"), (None, "x"), (" \t", "x"), ("b", None), ("c", " "), (None, None)], test=[("", "x")])
    assert run("missing", rows) == ["tr0"]
    assert {i: detail for i, (_, detail) in rejected(rows).items()} == {
        "tr1": "text", "tr2": "text", "tr3": "label", "tr4": "label", "tr5": "text and label", "te0": "text",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "policy", "left"),
    [
        ("xxy", "majority", ["tr0", "tr1"]),
        ("xy", "majority", []),
        ("xxyyz", "majority", []),
        ("xxy", "drop", []),
        ("xxx", "drop", ["tr0", "tr1", "tr2"]),
    ],
)
def test_contradictions(labels, policy, left):
    looks = ["Same text here", "same text, here!", "ＳＡＭＥ text here", "same  text here", "(same text) here"]
    rows = made(train=list(zip(looks, labels, strict=False)))
    assert run("contradictions", rows, contradictions=policy) == left
    if labels == "xxy" and left:
        assert rejected(rows) == {"tr2": ("contradictory label", "x 2, y 1")}


def test_signs_alone_are_not_one_text():
    rows = made(train=[("👍", "x"), ("👎", "y"), ("???", "x"), ("!", "y"), ("👍", "y"), ("👎", "y")])
    assert run("contradictions", rows) == ["tr1", "tr2", "tr3", "tr5"]
    assert run("exact-duplicates", rows) == ["tr1", "tr2", "tr3"]


def test_of_exact_duplicates_the_fullest_stays():
    rows = made(train=[("same text", "x"), ("Same text!!", "x"), ("same text", "y"), ("other text", "x")])
    assert run("exact-duplicates", rows) == ["tr1", "tr2", "tr3"]
    assert rejected(rows) == {"tr0": ("same text", "of tr1 in train")}


LONG = "the quick brown fox jumps over the lazy dog near the river bank"


def test_near_duplicates_leave_no_near_pair_and_take_no_more():
    """The middle is near both ends, which are not near each other: with the middle gone, both ends stay."""
    stem = "one message of about fifty characters is what it takes"
    middle, longest = f"{stem} and again", f"{stem} and again once more"
    rows = made(train=[(middle, "x"), (stem, "x"), (longest, "x"), (f"{stem}s", "y"), ("something else here", "x")])
    assert run("near-duplicates", rows) == ["tr1", "tr2", "tr3", "tr4"]
    assert rejected(rows) == {"tr0": ("near-duplicate", "of tr2 in train")}


def test_near_duplicates_of_equal_texts_with_other_labels():
    """Equal texts stand for each other whatever their labels: the second y row is near the first."""
    rows = made(train=[(LONG, "x"), (LONG, "y"), (LONG + " now", "y"), (LONG.upper(), "y")])
    assert run("near-duplicates", rows) == ["tr0", "tr2"]


def test_a_sources_own_test_is_left_whole():
    rows = made(
        train=[(LONG, "x"), (LONG + " and on", "x"), ("short text that is", "y"), ("text of train alone", "y")],
        validation=[("text of train, alone", "y")],
        test=[(LONG, "x"), ("tiny", "x"), (LONG, "x"), (LONG, "y"), (None, "x"), ("Short text that is", "x")],
    )
    cleaned(rows)
    assert [rows.id(i) for i in rows.living()] == ["va0", "te0", "te1", "te2", "te3", "te5"]
    assert rows.spared == {"low-quality": 1, "contradictions": 4, "exact-duplicates": 1}


def test_nothing_of_train_stays_that_test_has_under_another_label():
    rows = made(
        train=[(LONG, "x"), (LONG + "!", "x"), (LONG + " so", "x"), ("text of train alone", "y")], test=[(LONG, "y")]
    )
    cleaned(rows)
    assert [rows.id(i) for i in rows.living()] == ["tr3", "te0"]


def test_test_alone_is_cleaned_like_any_other():
    rows = made(test=[("tiny", "x"), (LONG, "x"), (LONG, "x")])
    cleaned(rows)
    assert rows.count() == 1


def dirty(seed, count=300):
    """Rows with every kind of dirt, close to each other."""
    rng = random.Random(seed)
    stems = [
        LONG,
        "我的快递一直没有收到，请帮我查一下",
        "please send me the invoice again",
        "这个产品的质量很好我很喜欢",
        "ok",
        "👍",
    ]
    ends = ["", "!", " now", "。", " &amp; more", "ｘ", " soon please", "\u200b", " 谢谢"]
    found = []
    for i in range(count):
        text = rng.choice(stems) + rng.choice(ends) + rng.choice(ends)
        if rng.random() < 0.3:
            at = rng.randrange(len(text))
            text = text[:at] + text[at + 1 :]
        found.append((rng.choice([text] * 20 + [None, " "]), rng.choice(["x"] * 9 + ["y"] * 3 + [None]), f"i{i}"))
    return found


def kept_rows(rows):
    living = rows.living()
    return list(zip(*(rows.values(name, living) for name in ("text", "label", "id")), strict=True))


def survivors(found, **config):
    rows = made(train=found)
    report = cleaned(rows, **config)
    return rows, report


@pytest.mark.parametrize("seed", range(5))
def test_what_survives_does_not_depend_on_order(seed):
    found = dirty(seed)
    rows, _ = survivors(found)
    shuffled, _ = survivors(random.Random(seed).sample(found, len(found)))
    kept, again = (set(kept_rows(r)) for r in (rows, shuffled))
    assert kept == again
    assert 5 < len(kept) < len(found)


@pytest.mark.parametrize("seed", range(5))
def test_the_cleaned_is_clean(seed):
    rows, _ = survivors(dirty(seed))
    again = row_module.from_dataset(columns.to_dataset(rows.survivors(), "x", complete=False))
    report = cleaned(again)
    assert again.count() == rows.count()
    assert not again.changed
    assert all(stage["removed"] == stage["changed"] == 0 for stage in report)


def test_no_row_vanishes_without_a_reject():
    found = dirty(9)
    rows, report = survivors(found)
    kept, rejects, changes = rows.survivors(), rows.rejected(), rows.changes()
    ids = kept["train"]["id"].to_pylist() + rejects["id"].to_pylist()
    assert sorted(ids) == sorted(row[2] for row in found)
    assert sum(stage["removed"] for stage in report) == rejects.num_rows
    assert [s["name"] for s in report] == USUAL
    assert set(rejects["stage"].to_pylist()) == {s["name"] for s in report if s["removed"]}
    came = {row[2]: row[0] for row in found}
    assert all(came[r["id"]] == r["text"] for r in rejects.to_pylist())  # as they came
    assert all(came[c["id"]] == c["before"] for c in changes.to_pylist() if c["column"] == "text")
    assert None not in kept["train"]["text"].to_pylist() + kept["train"]["label"].to_pylist()


def table_of(**found):
    return row_module.from_dataset(columns.to_dataset({"train": pa.table(found)}, "x", complete=False))


def test_a_column_that_is_mostly_gaps_once_rows_are_gone_goes_too():
    """A quarter is missing with the duplicates, nearly half without: cleaning the cleaned would drop it."""
    many = ["this row stands here many times"] * 14
    texts = [f"{word} is the word of this row" for word in ("apple", "bridge", "candle", "donkey", "engine", "flower")]
    rows = table_of(text=many + texts, label=["x"] * 20, note=["n"] * 15 + [None] * 5)
    report = {stage["name"]: stage for stage in cleaned(rows)}
    assert report["missing"]["figures"] == {
        "dropped_late": {"note": 0.7143}, "dropped": {}, "rejected": {}, "imputed": {}, "left": {},
    }  # fmt: skip
    assert "note" not in rows.table.column_names
    assert report["missing"]["changed"] == rows.changed == 2
    again = row_module.from_dataset(columns.to_dataset(rows.survivors(), "x", complete=False))
    assert sum(stage["removed"] + stage["changed"] for stage in cleaned(again)) == 0


def test_rows_that_a_late_column_told_apart_are_duplicates_without_it():
    found = {"a": [1] * 14 + [2, 2, 3], "b": ["n"] * 14 + ["o", None, None], "label": ["x"] * 17}
    rows = table_of(**found)
    report = {stage["name"]: stage for stage in cleaned(rows, impute="none")}
    assert report["missing"]["figures"]["dropped_late"] == {"b": 0.5}
    assert rows.features == ["a"]
    assert report["exact-duplicates"]["removed"] == 14
    assert rows.fitted["impute"]["dropped"] == ["b"]


def test_rows_that_have_nothing_but_a_late_column_go_with_it():
    found = {"a": [None, None, 0, 0, 0, 1], "b": ["u", "u", "u", "u", None, None], "label": ["x"] * 6}
    rows = table_of(**found)
    report = {stage["name"]: stage for stage in cleaned(rows, impute="none", outliers="off", max_missing=0.4)}
    assert rows.survivors()["train"]["a"].to_pylist() == [0, 1]
    assert report["missing"]["figures"]["rejected_late"] == {"features": 1}
    assert sum(stage["removed"] for stage in report.values()) == 4


def test_the_reason_is_told_where_all_rows_go():
    rows = table_of(text=[LONG, LONG + " so"], label=pa.nulls(2, pa.string()), annotations=["a", None])
    with pytest.raises(ToolkitError, match=r"all rows were removed.*most by 'missing' \(missing value: label\)"):
        cleaned(rows)


def test_exact_duplicates_of_a_fixed_test_go_under_any_label():
    rows = made(train=[(LONG, "x"), (LONG, "y"), ("something else here", "x")], test=[(LONG, "y"), (LONG, "z")])
    assert run("exact-duplicates", rows) == ["tr2", "te0", "te1"]
    assert rejected(rows) == {"tr0": ("same text", "of te0 in test"), "tr1": ("same text", "of te0 in test")}
    assert rows.spared == {}


def test_skipped_stages_do_nothing():
    found = dirty(3)
    rows = made(train=found)
    assert cleaned(rows, skip=USUAL) == []
    assert rows.count() == len(found)


def test_an_emptied_split_stays_as_an_empty_one():
    rows = made(train=[(LONG, "x"), ("other words in here", "y")], validation=[(LONG, "x"), ("tiny", "x")])
    cleaned(rows)
    rows_left = {split: table.num_rows for split, table in rows.survivors().items()}
    assert rows_left == {"train": 1, "validation": 1}
    rows = made(train=[(LONG, "x"), ("other words in here", "y")], validation=[("tiny", "x")])
    cleaned(rows)
    kept, rejects = rows.survivors(), rows.rejected()
    assert [table.num_rows for table in kept.values()] == [2, 0]
    assert rejects["split"].to_pylist() == ["validation"]
    assert len(columns.to_dataset(kept, "x", complete=True)["validation"]) == 0


def test_the_profile_of_numbers_whose_sum_is_none():
    summary = profile.summary([1e308, 1e308, 5.0])
    assert summary == {"min": 5.0, "q25": 5e307, "median": 1e308, "q75": 1e308, "max": 1e308, "mean": None}
