import time

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, DistilBertConfig, PreTrainedTokenizerFast, RobertaConfig, T5Config

from toolkit import reading
from toolkit.reading import text as texts
from toolkit.training import builtin

WORDS = ["the", "parcel", "is", "late", "and", "nobody", "says", "where", "it", "went", "today"]


@pytest.fixture(scope="module")
def tokenizer():
    return builtin.train_tokenizer([" ".join(WORDS)] * 8)


def of(tokenizer, config=None, wanted=None):
    return reading.of("text", tokenizer, config or BertConfig(), wanted=wanted)


@pytest.fixture(scope="module")
def bare():
    """A tokenizer without tokens of its own around a text, that drops what it does not know."""
    words = Tokenizer(models.BPE({"[PAD]": 0, "l": 1, "a": 2, "t": 3, "e": 4}, []))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", model_max_length=64)


def test_a_pair_is_read_as_one_with_its_types(tokenizer):
    reader = of(tokenizer)
    row, single = reader.encode([("the parcel", "is late")])[0], reader.encode(["the parcel"])[0]
    n = len(single["input_ids"])
    assert row["input_ids"][:n].tolist() == single["input_ids"].tolist()
    assert row["token_type_ids"].tolist() == [0] * n + [1] * (len(row["input_ids"]) - n)
    assert row["input_ids"].dtype == np.int32
    batch = reader.batch([row, *reader.encode([("late", "late")])])
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids"}
    assert batch["token_type_ids"][0].sum() == (row["token_type_ids"] == 1).sum()
    assert set(reader.batch([single])) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize(
    "config", [RobertaConfig(type_vocab_size=1), DistilBertConfig()], ids=["roberta", "distilbert"]
)
def test_models_without_types_get_none(tokenizer, config):
    assert set(of(tokenizer, config).encode([("the parcel", "is late")])[0]) == {"input_ids"}


def test_a_training_may_ask_for_more_than_the_one_before_was_given(bare):
    assert bare.model_max_length == 64
    assert [texts.max_tokens(BertConfig(), bare, wanted) for wanted in (None, 16, 128, 1000)] == [64, 16, 128, 512]
    relative = T5Config()  # which has no positions, so only its tokenizer tells a bound
    assert [texts.max_tokens(relative, bare, wanted) for wanted in (None, 16, 128)] == [64, 16, 64]


def test_the_longer_text_of_a_pair_is_cut_first(tokenizer):
    reader = of(tokenizer, wanted=12)
    row = reader.encode([("parcel " * 40, "late today")])[0]
    assert reader.size(row) == 12
    short = reader.encode(["late today"])[0]["input_ids"][1:].tolist()
    assert row["input_ids"][-len(short) :].tolist() == short


def test_blocks_give_what_one_call_gives(tokenizer, monkeypatch):
    contents = [" ".join(WORDS[: 1 + i % 9]) for i in range(50)]
    whole = of(tokenizer).encode(contents)
    monkeypatch.setattr(texts, "BLOCK", 7)
    assert [r["input_ids"].tolist() for r in of(tokenizer).encode(contents)] == [r["input_ids"].tolist() for r in whole]


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_long_texts_are_cut_before_they_are_tokenised_and_nothing_changes(tokenizer, pair, side, monkeypatch):
    monkeypatch.setattr(tokenizer, "truncation_side", side)
    reader = of(tokenizer, wanted=32)
    long = " ".join(WORDS * 10_000)  # 110,000 words
    spaces = "late" + " " * 100_000 + "parcel"  # few tokens in many characters
    contents = [(t, "where is it") if pair else t for t in (long, spaces, long + " nobody is late")]
    contents += [("where is the parcel " * 60, spaces), (spaces, long)] * pair
    started = time.perf_counter()
    rows = reader.encode(contents * 20)
    assert time.perf_counter() - started < 2
    for content, row in zip(contents, rows, strict=False):
        plain = tokenizer(*(content if pair else (content,)), truncation=True, max_length=32)
        assert row["input_ids"].tolist() == plain["input_ids"]


def test_what_tokenises_to_nothing_is_one_token_and_told(bare, tokenizer, capsys, monkeypatch):
    from toolkit import console

    reader = of(bare)
    rows = reader.encode(["late", "👍👍", "\x07", ""])
    assert [reader.empty(row) for row in rows] == [False, True, True, True]
    assert reader.batch(rows)["attention_mask"].sum(1).tolist() == [4, 1, 1, 1]
    known = of(tokenizer)
    assert [known.empty(row) for row in known.encode(["👍", "the 👍"])] == [True, False]
    monkeypatch.setattr(console, "_console", None)
    console.enable()
    reading.tell_empty(reader, sum(map(reader.empty, rows)), len(rows))
    assert "3 of 4 texts hold nothing" in capsys.readouterr().err


def test_nothing_in_nothing_out(tokenizer):
    assert of(tokenizer).encode([]) == []


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_past_transformers_the_tokens_are_the_same(tokenizer, pair, side, monkeypatch):
    """The reader calls the Rust tokenizer by itself; transformers is what defines its answer."""
    monkeypatch.setattr(tokenizer, "truncation_side", side)
    strange = ["the parcel " * 30, "[SEP] is [MASK] late", " 包裹  迟到了 ", "é\u0301\ufeff\x00", "", "nobody\n\tsays"]
    contents = [(text, other) for text in strange for other in strange[::-1]] if pair else strange
    reader = of(tokenizer, wanted=16)
    found = reader.encode(contents)
    parts = map(list, zip(*contents, strict=True)) if pair else [contents]
    tokenizer("where", truncation=True, max_length=3, padding="max_length")  # leaves its traces in the original
    plain = tokenizer(*parts, truncation=True, max_length=16, return_token_type_ids=True)
    assert [row["input_ids"].tolist() for row in found] == plain["input_ids"]
    if pair:
        assert [row["token_type_ids"].tolist() for row in found] == plain["token_type_ids"]
    again = reader.encode(contents)
    assert [row["input_ids"].tolist() for row in again] == plain["input_ids"]


def test_a_guess_orders_as_tokens_do_in_both_languages(tokenizer):
    reader = of(tokenizer)
    assert reader.guess("包裹迟到了" * 8) > reader.guess("the parcel is late")
    assert reader.guess(("the", "parcel")) == reader.guess("theparcel")
    assert reader.guess("\ud800") > 0  # half a pair, as broken data holds them
