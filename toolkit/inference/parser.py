"""A dependency parser, where spaCy and one of its models are installed: `text -> list[Word]`."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from toolkit.data.augment.text.trees import Word
from toolkit.errors import ToolkitError


def load(name: str) -> Callable[[str], list[Word]]:
    """The spaCy model of this name or folder.

    Raises:
        ToolkitError: spaCy is not installed, or has no such model, or that has no parser.
    """
    try:
        spacy = importlib.import_module("spacy")
    except ImportError as e:
        raise ToolkitError("--parser needs spaCy", "pip install spacy, and a model of it; or leave --parser out") from e
    try:
        model = spacy.load(name, exclude=["ner", "lemmatizer", "textcat"])
    except (OSError, ValueError) as e:
        raise ToolkitError(f"spaCy has no model '{name}'", f"python -m spacy download {name}, or give a folder") from e
    if "parser" not in model.pipe_names:
        raise ToolkitError(f"the spaCy model '{name}' has no parser", "give another one, such as en_core_web_sm")

    def parse(text: str) -> list[Word]:
        return [Word(t.idx, t.idx + len(t.text), t.head.i, t.dep_, t.pos_) for t in model(text)]

    return parse
