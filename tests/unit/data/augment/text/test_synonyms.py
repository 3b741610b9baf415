import json

import pytest

from toolkit.data.augment.text import inflection, synonyms
from toolkit.data.text import is_cjk, tokens
from toolkit.errors import ToolkitError


def file(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_package_has_a_table_for_both_languages():
    table = synonyms.load()
    assert sum(is_cjk(word) for word in table) > 500
    assert sum(not is_cjk(word) for word in table) > 1000
    for word, others in table.items():
        assert others
        assert word not in others
        assert len(set(others)) == len(others)
        assert word == word.lower().strip()
        assert word not in inflection.STOP
    assert sum(len(tokens(word)) == 1 for word in table if is_cjk(word)) > 500  # jieba must find them in a text


def test_forms_go_with_forms():
    table = synonyms.load()
    assert "movies" in table["films"]
    assert "kids" in table["children"]
    assert "tried" in table["attempted"]
    assert table["answers"] == ["replies", "responses"]
    assert table["starting"] == ["beginning", "commencing"]
    assert "information" not in table


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("box", "boxes"), ("city", "cities"), ("day", "days"), ("woman", "women"), ("human", "humans"),
     ("crisis", "crises"),
     ("photo", "photos"), ("knife", "knives"), ("church", "churches"), ("quiz", "quizzes"), ("roof", "roofs"),
     ("information", None),
     ("status", None), ("sheep", None), ("topaz", None), ("Paris", None), ("x", None)],
)  # fmt: skip
def test_plurals(noun, plural):
    assert inflection.plural(noun) == plural


@pytest.mark.parametrize(
    ("base", "forms"),
    [("play", "plays playing played played"), ("carry", "carries carrying carried carried"),
     ("stop", "stops stopping stopped stopped"), ("open", "opens opening opened opened"),
     ("die", "dies dying died died"),
     ("agree", "agrees agreeing agreed agreed"), ("fix", "fixes fixing fixed fixed"), ("go", "goes going went gone"),
     ("begin", "begins beginning began begun"), ("offer", "offers offering offered offered"),
     ("wash", "washes washing washed washed"), ("quit", "quits quitting quit quit"), ("make", "makes making made made"),
     ("change", "changes changing changed changed"), ("rain", "rains raining rained rained"),
     ("visit", None), ("prefer", None), ("travel", None), ("panic", None), ("dream", None), ("undergo", None)],
)  # fmt: skip
def test_verbs(base, forms):
    found = inflection.verb(base)
    assert (" ".join(found) if found else None) == forms


def test_a_verb_with_a_particle():
    assert inflection.verb("give back").past == "gave back"


@pytest.mark.parametrize(
    ("word", "article"),
    [("apple", "an"), ("hour", "an"), ("university", "a"), ("uninteresting", "an"), ("European", "a"), ("user", "a"),
     ("ugly", "an"), ("one", "a"), ("only", "an"), ("good", "a"), ("Umbrella", "an")],
)  # fmt: skip
def test_articles(word, article):
    assert inflection.article(word) == article


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "big,large,huge\n\n,,\nlonely\nset up,establish\n好,不错\n"),
        ("t.tsv", "big\tlarge\thuge\nset up\testablish\n\t\n好\t不错\n"),
        ("t.txt", "# a comment\nbig, large , huge\nset  up,establish,establish\n好,不错"),
        ("t.json", '[["big", "large", "huge"], [], ["lonely"], ["set up", "establish"], ["好", "不错"], 3, [null]]'),
    ],
)
def test_groups_of_the_users_table(tmp_path, name, text):
    assert synonyms.load(file(tmp_path, name, text)) == {
        "big": ["large", "huge"],
        "large": ["big", "huge"],
        "huge": ["big", "large"],
        "set up": ["establish"],
        "establish": ["set up"],
        "好": ["不错"],
        "不错": ["好"],
    }


def test_a_mapping_goes_one_way_and_cycles_do_no_harm(tmp_path):
    text = json.dumps({"a1": ["b1"], "b1": ["a1"], "C1": ["d1", "d1", "c1"], "e1": [], "f1": "g1", "h1": ["h1"]})
    assert synonyms.load(file(tmp_path, "t.json", text)) == {"a1": ["b1"], "b1": ["a1"], "c1": ["d1"], "f1": ["g1"]}


def test_a_word_of_two_groups_has_the_synonyms_of_both(tmp_path):
    assert synonyms.load(file(tmp_path, "t.csv", "big,large\nlarge,big\nBig,great\n"))["big"] == ["large", "great"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("t.csv", ""), ("t.csv", "\n\n,\nlonely\n"), ("t.csv", "same,same\n"), ("t.json", "{}"), ("t.json", '["a", "b"]'),
     ("t.json", '{"a": []}')],
)  # fmt: skip
def test_nothing_useful(tmp_path, name, text):
    with pytest.raises(ToolkitError, match="has no synonyms"):
        synonyms.load(file(tmp_path, name, text))


@pytest.mark.parametrize(("name", "data"), [("t.json", b"{"), ("t.json", b"3"), ("t.csv", b"\xff\xfe\x00")])
def test_unreadable(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ToolkitError, match="cannot be read"):
        synonyms.load(str(tmp_path / name))


def test_not_there(tmp_path):
    with pytest.raises(ToolkitError, match="no synonyms at"):
        synonyms.load(str(tmp_path / "missing.csv"))
    with pytest.raises(ToolkitError, match="no WordNet"):
        synonyms.load(str(tmp_path))


SYNSETS = {
    "noun": [["big_cat", "lion"], ["movie", "film", "picture", "Film"], ["movie", "flick"], ["movie", "never"],
             ["as", "arsenic"], ["iron", "Fe"], ["dog"]],
    "verb": [["start", "begin", "set_out"], ["work", "toil"], ["be", "exist"]],
    "adj": [["good(p)", "fine(a)", "well"], ["red", "ruddy"]],
    "adv": [["quickly", "rapidly"], ["start", "oddly"]],
}  # fmt: skip
SHORT = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def wordnet(folder):
    """A database as wndb(5WN) tells, each with lines of licence first."""
    for kind, synsets in SYNSETS.items():
        data, offsets = "  1 A licence of no words  \n  2 or few  \n", {}
        for members in synsets:
            for word in members:
                offsets.setdefault(word.partition("(")[0].lower(), []).append(len(data))
            listed = " ".join(f"{word} {i:x}" for i, word in enumerate(members))
            data += (
                f"{len(data):08d} 03 {SHORT[kind]} {len(members):02x} {listed} 001 @ 00000000 n 0000 | what it is  \n"
            )
        index = "  1 A licence of no words  \n" + "".join(
            f"{lemma} {SHORT[kind]} {len(at)} 1 @ {len(at)} {len(at) * (kind != 'adv')} "
            f"{' '.join(f'{o:08d}' for o in at)}  \n"
            for lemma, at in sorted(offsets.items())
        )
        (folder / f"data.{kind}").write_text(data, encoding="latin-1")
        (folder / f"index.{kind}").write_text(index, encoding="latin-1")
    return str(folder)


def test_wordnet(tmp_path):
    table = synonyms.load(wordnet(tmp_path))
    assert table["movie"] == ["film", "picture", "flick"]  # of the first two meanings
    assert table["films"] == ["movies", "pictures"]
    assert table["flicks"] == ["movies"]
    assert table["lion"] == ["big cat"]
    assert table["start"] == ["begin", "set out"]  # as an adverb it was never met
    assert table["starts"] == ["begins", "sets out"]
    assert table["started"] == ["set out"]  # "began" or "begun"? not said
    assert table["began"] == ["started", "set out"]
    assert table["good"] == ["fine"]
    assert table["quickly"] == ["rapidly"]
    assert not {"as", "be", "Fe", "fe", "iron", "dog", "big_cat", "big cat", "licence"} & set(table)


@pytest.mark.parametrize("name", ["index.verb", "data.adj"])
def test_a_wordnet_that_lacks_a_file(tmp_path, name):
    folder = wordnet(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ToolkitError, match="no WordNet"):
        synonyms.load(folder)


def test_a_wordnet_whose_files_do_not_go_together(tmp_path):
    folder = wordnet(tmp_path)
    path = tmp_path / "data.noun"
    path.write_bytes(b" " + path.read_bytes())
    with pytest.raises(ToolkitError, match="no WordNet"):
        synonyms.load(folder)
