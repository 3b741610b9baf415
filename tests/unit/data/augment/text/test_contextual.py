import random

import pyarrow as pa
import pytest

from toolkit.data.augment import run, strategy
from toolkit.data.augment.text import METHODS, MODALITY
from toolkit.data.augment.text.contextual import MOST, contextual_replacement
from toolkit.data.text import tokens
from toolkit.errors import ToolkitError

SYNONYMS = {
    "good": ["fine", "bad", "odd", "decent"],
    "shop": ["store"],
    "a": ["one"],
    "商品": ["产品", "货物"],
    "question": ["issue"],
}
LIKELY = ["fine", "store", "产品", "one", "issue", "decent", "货物", "odd", "bad"]


class Model:
    """Ranks as `LIKELY` does; fills with what it is told; notes what it is asked."""

    def __init__(self, fillings=()):
        self.fillings, self.asked = list(fillings), []

    def rank(self, gaps, candidates):
        self.asked.append(list(gaps))
        return [[-float(LIKELY.index(word)) for word in words] for words in candidates]

    def fill(self, gaps, sizes, count):
        self.asked.append(list(zip(gaps, sizes, strict=True)))
        return [self.fillings[:count] for _ in gaps]


def apply(texts, model=None, seed=0, **options):
    texts = [texts] if isinstance(texts, str) else texts
    rngs = [random.Random(seed) for _ in texts]
    options = {"synonyms": SYNONYMS, "model": model or Model(), "alpha": 0.3} | options
    return contextual_replacement([tokens(text) for text in texts], rngs, [0] * len(texts), **options)


def test_the_likeliest_synonym_takes_the_word_s_place():
    assert apply("Good things", top=1) == ["Fine things"]
    assert apply("GOOD things", top=1) == ["FINE things"]
    assert apply("这个商品很好", top=1) == ["这个产品很好"]


def test_one_of_the_top_is_drawn():
    found = {apply("good", seed=seed, top=2)[0] for seed in range(30)}
    assert found == {"fine", "decent"}


def test_the_article_agrees():
    assert apply("it is a question", top=1, alpha=0.01, synonyms={"question": ["issue"]}) == ["it is an issue"]


def test_many_rows_go_in_one_call_with_what_stands_around():
    model = Model()
    assert apply(["the shop here", "👍", "a shop", "xyzzy"], model, synonyms={"shop": ["store"]}) == [
        "the store here", None, "a store", None,
    ]  # fmt: skip
    assert model.asked == [[("the ", " here"), ("a ", "")]]


@pytest.mark.parametrize("text", ["", "👍👍", "word", "好", "..."])
@pytest.mark.parametrize("source", ["synonyms", "model"])
def test_nothing_to_replace(text, source):
    assert apply(text, source=source, synonyms={}) == [None] or source == "model"
    assert apply(text, source=source)[0] in (None, text)


def test_the_models_own_words_are_whole_and_others_of_that_script():
    model = Model(["shop", "Shop", "st0re", "café", "x", "网店", "market", "mall"])
    assert apply("Shop", model, source="model", top=1) == ["Market"]
    assert {apply("shop", model, seed, source="model", top=2)[0] for seed in range(20)} == {"market", "mall"}
    model = Model(["商品", "market", "品品", "产品"])
    assert apply("商品", model, source="model") == ["产品"]
    assert model.asked[0] == [(("", ""), 2)]
    assert apply("2019 12:30", model, source="model") == [None]


def test_alone_as_among_others():
    texts = ["a good shop, a good question", "这个商品很好", "good good good shop"]
    alone = [apply(text, seed=3)[0] for text in texts]
    assert apply(texts[::-1], seed=3) == alone[::-1]


def test_long_texts_are_bounded():
    model = Model()
    out = apply("good shop " * 50_000, model, top=1)[0]
    assert sum(word in ("fine", "store") for word in out.split()) == MOST
    assert all(len(left) + len(right) < 4000 for left, right in model.asked[0])


def made(names, given, texts, params=None):
    """What the frame makes of these texts: one child each."""
    rows = pa.table({"id": [f"r{i}" for i in range(len(texts))], "text": texts})
    draws = [strategy.Draw(name, 1.0, params or {}) for name in names]
    modality = MODALITY(rows, None, draws, {"min_similarity": 0.0} | given)
    found = run.children(modality, rows.column("id").to_pylist(), [1] * len(texts), set(), seed=0, workers=1)
    return modality, [(child.row, child.made.method, child.made.value) for block, _ in found for child in block]


def test_the_frame_runs_it_many_at_a_time():
    model = Model()
    modality, found = made(
        ["contextual_replacement"], {"model": model, "synonyms": SYNONYMS}, ["a good shop"] * 1 + ["商品好", "👍"]
    )
    assert modality.batched == {0}
    assert [row for row, _, _ in found] == [0, 1]
    assert len(model.asked[0]) == 2  # both rows in one call


def test_synonym_replacement_ranks_where_there_is_a_model():
    model = Model()
    modality, found = made(["synonym_replacement"], {"model": model, "synonyms": SYNONYMS}, ["good"], {"alpha": 0.5})
    assert modality.batched == {0}
    assert model.asked
    assert found[0][1] == "synonym_replacement"
    modality, found = made(["synonym_replacement"], {"model": None, "synonyms": SYNONYMS}, ["good"])
    assert not modality.batched
    assert found[0][2] in SYNONYMS["good"]


def test_the_source_is_checked():
    def parse(**params):
        return strategy.parse({"contextual_replacement": params}, METHODS, "p", "here")

    assert parse(source="model")[0].params == {"source": "model"}
    with pytest.raises(ToolkitError, match="source of contextual_replacement is 'web'"):
        parse(source="web")
    with pytest.raises(ToolkitError, match="needs --model"):
        made(["contextual_replacement"], {"synonyms": SYNONYMS}, ["good"])
