import sys
from types import SimpleNamespace

import pytest

from toolkit.data.augment.text.trees import Word
from toolkit.errors import ToolkitError
from toolkit.inference import parser


def spacy(pipes=("parser",)):
    """A module with a model `tiny` that knows one sentence."""
    cats = SimpleNamespace(idx=0, text="cats", dep_="nsubj", pos_="NOUN")
    sleep = SimpleNamespace(idx=5, text="sleep", dep_="ROOT", pos_="VERB", i=1)
    cats.head = sleep.head = sleep

    class Model:
        pipe_names = pipes

        def __call__(self, text):
            assert text == "cats sleep"
            return [cats, sleep]

    def load(name, exclude):
        if name != "tiny":
            raise OSError("E050")
        return Model()

    return SimpleNamespace(load=load)


def test_tokens_become_plain_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", spacy())
    assert parser.load("tiny")("cats sleep") == [Word(0, 4, 1, "nsubj", "NOUN"), Word(5, 10, 1, "ROOT", "VERB")]


def test_what_is_not_there_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ToolkitError, match="needs spaCy"):
        parser.load("tiny")
    monkeypatch.setitem(sys.modules, "spacy", spacy())
    with pytest.raises(ToolkitError, match="no model 'other'"):
        parser.load("other")
    monkeypatch.setitem(sys.modules, "spacy", spacy(("tagger",)))
    with pytest.raises(ToolkitError, match="has no parser"):
        parser.load("tiny")
