"""Texts tokenised word by word give what their tokenizer gives."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from toolkit.reading import words
from toolkit.training.builtin import train_tokenizer

TEXTS = ["the card did not arrive yet, the cards are late", "where's my parcel?", "un café crème", "我的包裹在哪里"] * 5
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# what normalizers treat in their own ways: blanks of all kinds, controls, marks, wide and joined letters
ODD = [chr(c) for c in (0, 9, 10, 11, 13, 28, 31, 133, 160, 173, 769, 776, 837, 7840, 8203, 8205, 8232, 8239, 12288)]
LETTERS = [*"aeimrst.,'-?#0ÉßİΣςﬁ", "我", "里", "한", "👍", "e\u0301", "[SEP]", "[MASK]", "##s", "the", "card", *ODD]


def bert(normalizer: object = None) -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizer or normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learn = trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(TEXTS, learn)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def bpe() -> Tokenizer:
    return train_tokenizer(TEXTS).backend_tokenizer


def drawn(seed: int, count: int = 2000) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(LETTERS + [" "] * 15, k=draw.randrange(60))) for _ in range(count)] + TEXTS


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("longest", [3, 10, 128])
@pytest.mark.parametrize("make", [bert, lambda: bert(normalizers.NFC()), bpe], ids=["bert", "nfc", "bpe"])
def test_a_text_has_the_tokens_of_its_words(make, longest, side):
    tokenizer, texts = make(), drawn(longest)
    tokenizer.enable_truncation(longest, direction=side)
    assert words.fits(tokenizer, longest)
    found = words.Words(tokenizer, longest, side == "left")
    expected = [told.ids for told in tokenizer.encode_batch_fast(texts)]
    assert found.ids(texts) == expected
    assert found.ids(texts) == expected  # from what is known


class Counted:
    """A tokenizer that counts what it is asked."""

    def __init__(self, tokenizer):
        self.tokenizer, self.asked = tokenizer, []

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def encode_batch_fast(self, texts, **given):
        self.asked += texts
        return self.tokenizer.encode_batch_fast(texts, **given)


def test_each_word_is_asked_once():
    counted = Counted(bert())
    found = words.Words(counted, 128, False)
    found.ids(["the card", "the cards"])
    assert sorted(counted.asked) == ["card", "cards", "the"]
    found.ids(["cards the the"])
    assert len(counted.asked) == 3


def test_sentences_without_spaces_are_not_kept():
    found = words.Words(bert(), 128, False)
    assert found.ids(["我的包裹在哪里我的包裹在哪里", "the 包裹"]) == [
        told.ids for told in bert().encode_batch_fast(["我的包裹在哪里我的包裹在哪里", "the 包裹"])
    ]
    assert set(found._known) == {"the", "包裹"}


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(words, "KEPT", 2)
    tokenizer = bert()
    counted = Counted(tokenizer)
    found = words.Words(counted, 128, False)
    for texts in (["the card", "a late card"], ["我" * 40, "the late " + "x" * 40], ["the card"]):
        assert found.ids(texts) == [told.ids for told in tokenizer.encode_batch_fast(texts)]
    assert len(found._known) == 2
    monkeypatch.setattr(words, "KEPT", 1)  # as when threads that learn side by side passed it
    found.ids(["where is my parcel"])
    assert len(found._known) == 2


def added(content: str) -> Tokenizer:
    made = bert()
    made.add_tokens([content])
    return made


def parted(*parts: object) -> Tokenizer:
    made = bert()
    made.pre_tokenizer = pre_tokenizers.Sequence(list(parts)) if parts else None
    return made


def dropping() -> Tokenizer:
    made = bpe()
    made.model.dropout = 0.1
    return made


@pytest.mark.parametrize(
    "tokenizer",
    [
        parted(),
        parted(pre_tokenizers.ByteLevel()),
        parted(pre_tokenizers.Metaspace()),
        parted(pre_tokenizers.Punctuation(), pre_tokenizers.WhitespaceSplit()),
        parted(pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()),
        bert(normalizers.Replace("a ", "b")),
        bert(normalizers.Sequence([normalizers.Lowercase(), normalizers.Prepend("_")])),
        added("late card"),
        dropping(),
    ],
    ids=["whole", "bytes", "metaspace", "late", "prefix", "replace", "prepend", "two words", "dropout"],
)
def test_other_tokenizers_read_whole_texts(tokenizer):
    assert not words.fits(tokenizer, 128)


def test_an_added_word_fits():
    assert words.fits(added("latecard"), 128)
    assert not words.fits(bert(), 2)  # no token of the text would be left
