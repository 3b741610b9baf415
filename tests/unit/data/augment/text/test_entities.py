import time
from random import Random

import pytest

from toolkit.data.augment.text import entities
from toolkit.data.text import tokens
from toolkit.errors import ToolkitError

ROWS = """name,kind,number
London,city,
Paris,city,
New York,city,
York,city,
Washington,city,
Washington,person,
apple,fruit,
banana,fruit,
orange,fruit,
cat,animal,singular
dog,animal,singular
cats,animal,plural
wolves,animal,plural
alone,only,
,city,
nothing,,
北京,城市,
上海,城市,
上海市,城市,
广州,城市,
大,尺寸,
小,尺寸,
"""


def load(folder, text=ROWS, name="g.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return entities.load(str(path))


@pytest.fixture
def gazetteer(tmp_path):
    return load(tmp_path)


def replaced(text, gazetteer, seed=0, share=1.0):
    return entities.entity_replacement(tokens(text), Random(seed), share=share, gazetteer=gazetteer)


def all_of(text, gazetteer):
    return {replaced(text, gazetteer, seed) for seed in range(40)}


def test_same_kind_for_same_kind_never_itself(gazetteer):
    assert all_of("in London now", gazetteer) == {f"in {city} now" for city in ("Paris", "New York", "York")}
    assert all_of("我在北京。", gazetteer) == {"我在上海。", "我在上海市。", "我在广州。"}


def test_the_longest_name_at_word_boundaries(gazetteer):
    found = [
        own.name
        for _, _, own in entities.find("New York, Yorkshire, York-based, Londoner; 上海市 上海 大小", gazetteer)
    ]
    assert found == ["New York", "York", "上海市", "上海", "大", "小"]
    assert replaced("Yorkshire Londoner", gazetteer) is None


def test_a_name_under_two_kinds_is_passed_over(gazetteer):
    assert replaced("in Washington", gazetteer) is None
    assert not any("Washington" in out for out in all_of("in London", gazetteer))


def test_number_is_kept(gazetteer):
    assert all_of("cats", gazetteer) == {"wolves"}
    assert all_of("a cat", gazetteer) == {"a dog"}
    assert all_of("two apples", gazetteer) == {"two bananas", "two oranges"}  # of names in small letters it is known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LONDON", {"PARIS", "YORK", "NEW YORK"}),
        ("london", {"paris", "york", "new york"}),
        ("Apple", {"Banana", "Orange"}),
        ("an apple", {"a banana", "an orange"}),
        ("An apple", {"A banana", "An orange"}),
        ("a banana", {"an apple", "an orange"}),
    ],
)
def test_case_and_article(gazetteer, text, expected):
    assert all_of(text, gazetteer) == expected


def test_a_name_has_one_replacement_in_a_text(gazetteer):
    for seed in range(20):
        out = replaced("London, Paris, London", gazetteer, seed).split(", ")
        assert out[0] == out[2] not in ("London", out[1])
        assert out[1] != "Paris"


def test_the_share(gazetteer):
    text = "London apple cat cats"
    for share, expected in ((0.0, 1), (0.5, 2), (1.0, 4)):
        for seed in range(10):
            out = replaced(text, gazetteer, seed, share=share).replace("New York", "York").split()
            assert sum(a != b for a, b in zip(out, text.split(), strict=True)) == expected


@pytest.mark.parametrize("text", ["", "alone", "no name", "👍👍", "x", "nothing"])
def test_nothing_to_replace(gazetteer, text):
    assert replaced(text, gazetteer) is None


def test_letters_that_grow_when_small(gazetteer):
    assert replaced("İİİ in London İ", gazetteer) in {f"İİİ in {c} İ" for c in ("Paris", "York", "New York")}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.tsv", "kind\tname\tnumber\ncity\tRome\t\ncity\tOslo\tsg\n"),
        ("g.json", '[{"name": "Rome", "kind": "city"}, {"name": "Oslo", "kind": "city", "number": "singular"}, 3]'),
        ("g.json", '{"city": ["Rome", "Oslo"]}'),
    ],
)
def test_other_formats(tmp_path, name, text):
    assert replaced("in Rome", load(tmp_path, text, name)) == "in Oslo"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.csv", "", "no column"),
        ("g.csv", "name,sort\na,b\n", "no column 'kind'"),
        ("g.csv", "name,kind\n,\n", "holds no name"),
        ("g.json", "[", "cannot be read"),
        ("g.json", '{"city": 3}', "cannot be read"),
    ],
)
def test_bad_files(tmp_path, name, text, message):
    with pytest.raises(ToolkitError, match=message):
        load(tmp_path, text, name)
    with pytest.raises(ToolkitError, match="cannot be read"):
        entities.load(str(tmp_path / "missing.csv"))


def test_large_gazetteers_are_fast():
    names = [f"{first}{second} name{i}" for i in range(100) for first in "bdfgklmnpr" for second in "aeiou"]
    names += [
        f"{a}{b}公司" for a in map(chr, range(0x4E00, 0x4E00 + 300)) for b in map(chr, range(0x5E00, 0x5E00 + 300))
    ]
    start = time.process_time()
    gazetteer = entities.indexed({name: entities.Entity(name, "firm", "singular") for name in names})
    assert time.process_time() - start < 2
    text = " and ".join(names[:2000]) + "，".join(names[5000:7000])
    start = time.process_time()
    assert len(entities.find(text, gazetteer)) == 4000
    assert replaced(text, gazetteer) is not None
    assert time.process_time() - start < 2


def test_rows_of_the_same_generator_are_the_same(gazetteer):
    assert [replaced("London cat", gazetteer, s) for s in range(9)] == [
        replaced("London cat", gazetteer, s) for s in range(9)
    ]
