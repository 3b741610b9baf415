import copy
import json
from functools import cache

import pytest
import torch
import transformers as t
from helpers import raw_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from toolkit.compression import vocabulary
from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin

TEXTS = [row["text"] for row in raw_rows(240)] + ["well 🙂 done, naïve café 🚀!"]
DATA = [*TEXTS[:20], TEXTS[-1], "what is ☂ here"]  # the other texts taught pieces that these do not use
BERT = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "max_position_embeddings": 140,
}  # fmt: skip


def learned(tokenizer, trainer):
    """What of tokenizer.json holds the vocabulary, learned on the texts."""
    tokenizer.train_from_iterator(TEXTS, trainer)
    return json.loads(tokenizer.to_str())["model"]


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=BERT, show_progress=False)
    return t.BertTokenizer(vocab=learned(tokenizer, trainer)["vocab"])


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=ROBERTA, show_progress=False, initial_alphabet=alphabet
    )
    model = learned(tokenizer, trainer)
    vocab = model["vocab"] | {"<mask>": len(model["vocab"])}  # the last, as published
    return t.RobertaTokenizer(vocab=vocab, merges=[tuple(pair) for pair in model["merges"]])


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=ROBERTA, unk_token="<unk>", show_progress=False)
    return t.XLMRobertaTokenizer(vocab=[*map(tuple, learned(tokenizer, trainer)["vocab"]), ("<mask>", 0.0)])


TOKENIZERS = {
    "bert": word_piece, "distilbert": word_piece, "electra": word_piece, "roberta": byte_level,
    "xlm-roberta": unigram, "roformer": lambda: builtin.train_tokenizer(TEXTS),
}  # fmt: skip
CLASSES = {
    "bert": "Bert", "distilbert": "DistilBert", "electra": "Electra", "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta", "roformer": "RoFormer",
}  # fmt: skip
ends = pytest.mark.parametrize("kind", CLASSES)


@cache
def tokenizer_of(kind):
    return TOKENIZERS[kind]()


def model_of(kind, head="SequenceClassification"):
    torch.manual_seed(0)
    tokenizer = tokenizer_of(kind)
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = getattr(t, f"{CLASSES[kind]}Config")(vocab_size=len(tokenizer) + 3, **ids, **SMALL)
    return getattr(t, f"{CLASSES[kind]}For{head}")(config).eval()


@cache
def cut(kind, min_count=1, common=0):
    """A tokenizer cut to the data, and what was cut."""
    tokenizer = tokenizer_of(kind)
    return vocabulary.cut(model_of(kind), tokenizer, rows_of(tokenizer), min_count=min_count, common=common)


def rows_of(tokenizer):
    return TextReader(tokenizer, 128).encode(DATA)


def answers(model, tokenizer, texts):
    batch = {
        k: torch.from_numpy(v)
        for k, v in TextReader(tokenizer, 128).batch(TextReader(tokenizer, 128).encode(texts)).items()
    }
    with torch.inference_mode():
        return model(**batch).logits


@ends
def test_the_datas_rows_read_as_before_and_stock_classes_reload_it(kind, tmp_path):
    tokenizer, model = tokenizer_of(kind), model_of(kind)
    before = answers(model, tokenizer, DATA)
    small, cut = vocabulary.cut(model, tokenizer, rows_of(tokenizer), min_count=1, common=0)
    assert cut["pieces"] == len(small) == model.config.vocab_size < len(tokenizer) < cut["pieces_before"]
    assert cut["share_of_readings_dropped"] == 0
    model.save_pretrained(tmp_path)
    small.save_pretrained(tmp_path)
    again, stock = (
        t.AutoTokenizer.from_pretrained(tmp_path),
        t.AutoModelForSequenceClassification.from_pretrained(tmp_path),
    )
    assert type(again) is type(tokenizer)
    assert stock.get_input_embeddings().weight.shape[0] == len(again) == len(small)
    for text in DATA:
        assert tokenizer(text).tokens() == small(text).tokens() == again(text).tokens()
        assert again(text, DATA[0])["input_ids"] == small(text, DATA[0])["input_ids"]
    for read in (small, again):
        assert torch.allclose(answers(model, read, DATA), before, atol=1e-6)
    assert torch.equal(answers(stock.eval(), again, DATA), answers(model, small, DATA))


@ends
def test_what_names_an_id_names_it_by_its_new_number(kind):
    tokenizer, model = tokenizer_of(kind), model_of(kind)
    small, _ = vocabulary.cut(model, tokenizer, rows_of(tokenizer), min_count=1, common=0)
    for name in ("pad", "unk", "cls", "sep", "mask"):
        token = getattr(tokenizer, f"{name}_token")
        assert small.convert_tokens_to_ids(token) == getattr(small, f"{name}_token_id") < len(small)
    assert small.added_tokens_encoder.keys() == tokenizer.added_tokens_encoder.keys()
    assert model.config.pad_token_id == small.pad_token_id == model.get_input_embeddings().padding_idx
    assert small.pad_token_id == tokenizer.pad_token_id  # where RoBERTa's positions start
    ends = [small.convert_ids_to_tokens(small(DATA[0])["input_ids"])[i] for i in (0, -1)]
    assert ends == [tokenizer.cls_token, tokenizer.sep_token]


def bare(tokenizer, text):
    return "".join(piece.removeprefix("##") for piece in tokenizer(text, add_special_tokens=False).tokens())


WORDS = st.sampled_from([word for text in TEXTS for word in text.split()])
ANY = st.lists(
    WORDS | st.text(st.characters(codec="utf-8"), max_size=8) | st.text("abcéß发票🙂🚀👩‍💻▁#", max_size=12), max_size=6
)


@ends
@settings(max_examples=60, deadline=None)
@given(words=ANY, joint=st.sampled_from(["", " "]))
@example(words=["##", "▁▁", "[unused0]", "<s>"], joint=" ")
def test_no_text_becomes_unknown_and_pieces_only_get_smaller(kind, words, joint):
    tokenizer, (small, _) = tokenizer_of(kind), cut(kind)
    text = joint.join(words)
    old, new = tokenizer(text).tokens(), small(text).tokens()
    assert new.count(tokenizer.unk_token) <= old.count(tokenizer.unk_token)
    assert bare(small, text) == bare(tokenizer, text)
    if small.get_vocab().keys() >= {*old}:
        assert new == old


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta"])
def test_rare_pieces_go_and_common_ones_stay_when_asked_for(kind):
    tokenizer = tokenizer_of(kind)
    (_, least), (_, rare), (more, general) = cut(kind), cut(kind, 3), cut(kind, 1, 450)
    assert rare["pieces"] < least["pieces"] < general["pieces"]
    assert rare["share_of_readings_dropped"] > 0
    by_id = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])]
    assert {*by_id[:450]} - {"[unused0]"} <= more.get_vocab().keys()


@pytest.mark.parametrize("kind", ["bert", "roberta", "roformer", "electra"])
def test_a_masked_lms_tied_head_is_cut_with_it(kind, tmp_path):
    tokenizer, model = tokenizer_of(kind), model_of(kind, "MaskedLM")
    bias = model.get_output_embeddings().bias
    with torch.no_grad():
        bias += torch.randn(len(bias))
    whole = copy.deepcopy(model)
    small, _ = vocabulary.cut(model, tokenizer, rows_of(tokenizer), min_count=1, common=0)
    old = tokenizer.convert_tokens_to_ids(small.convert_ids_to_tokens(range(len(small))))
    before, after = answers(whole, tokenizer, DATA[:3]), answers(model, small, DATA[:3])
    assert torch.allclose(after, before[..., old], atol=1e-6)
    model.save_pretrained(tmp_path)
    again = t.AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    assert torch.equal(answers(again, small, DATA[:3]), after)


def test_added_terms_stay_as_they_are(tmp_path):
    tokenizer = copy.deepcopy(tokenizer_of("bert"))
    tokenizer.add_tokens([t.AddedToken("zyx", single_word=True)])
    model = model_of("bert")
    small, _ = vocabulary.cut(model, tokenizer, rows_of(tokenizer), min_count=1, common=0)
    small.save_pretrained(tmp_path)
    for one in (small, t.AutoTokenizer.from_pretrained(tmp_path)):
        assert one.tokenize("a zyx, zyxy") == ["a", "zyx", ",", "z", "##y", "##x", "##y"]
        assert one.convert_tokens_to_ids("zyx") == len(small) - 1 == model.config.vocab_size - 1


def test_a_vocabulary_that_lacks_single_pieces_is_refused():
    tokenizer = t.BertTokenizer(vocab={piece: i for i, piece in enumerate([*BERT, "a", "##bc", "##b"])})
    with pytest.raises(ToolkitError, match="no piece ##c: without longer ones"):
        vocabulary.cut(model_of("bert"), tokenizer, [{"input_ids": [3, 6, 4]}], min_count=1, common=0)


def test_tokenizers_of_other_kinds_are_refused():
    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2}, unk_token="[UNK]"))
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    with pytest.raises(ToolkitError, match="type WordLevel cannot be cut"):
        vocabulary.cut(model_of("bert"), tokenizer, [{"input_ids": [2]}], min_count=1, common=0)
    marked = Tokenizer(models.BPE({"[PAD]": 0, "a": 1, "##a": 2}, [], continuing_subword_prefix="##"))
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=marked, pad_token="[PAD]")
    with pytest.raises(ToolkitError, match="marks starts or ends"):
        vocabulary.cut(model_of("bert"), tokenizer, [{"input_ids": [1]}], min_count=1, common=0)
