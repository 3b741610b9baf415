import pytest
import torch
from tokenizers.normalizers import BertNormalizer
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertForSequenceClassification

from toolkit.errors import ToolkitError
from toolkit.training import builtin, vocabulary

TEXTS = ["the parcel with the electric battery is late", "包裹里的电池坏了，请退款", "courier and invoice"] * 20
TERMS = ["electropack", "锂电池组", "Courierplus"]


@pytest.fixture
def made():
    tokenizer = builtin.train_tokenizer(TEXTS)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=32)  # fmt: skip
    model = BertForMaskedLM(config)
    torch.nn.init.normal_(model.cls.predictions.bias)
    return model, tokenizer


def test_new_vectors_are_the_means_of_the_old_pieces(made, tmp_path):
    model, tokenizer = made
    pieces = {term: tokenizer(term, add_special_tokens=False)["input_ids"] for term in TERMS}
    assert all(len(ids) > 1 for ids in pieces.values())
    old = model.get_input_embeddings().weight.detach().clone()
    bias = model.get_output_embeddings().bias.detach().clone()
    assert vocabulary.add(model, tokenizer, TERMS) == TERMS
    new = model.get_input_embeddings().weight
    assert new[: len(old)].equal(old)
    assert len(new) == len(old) + 3 == model.config.vocab_size
    for k, term in enumerate(TERMS):
        assert tokenizer(term, add_special_tokens=False)["input_ids"] == [len(old) + k]
        assert torch.allclose(new[len(old) + k], old[pieces[term]].mean(0))
        assert model.get_output_embeddings().bias[len(old) + k].item() == pytest.approx(
            bias[pieces[term]].mean().item()
        )
    assert model.get_output_embeddings().weight is new  # still tied
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, words = AutoModelForMaskedLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    text = "a COURIERPLUS took锂电池组, electropack and electropacks"
    assert words(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert {len(old), len(old) + 1, len(old) + 2} <= set(words(text)["input_ids"])
    ids = torch.tensor([words(text)["input_ids"]])
    assert torch.allclose(again.eval()(ids).logits, model.eval()(ids).logits, atol=1e-5)


def test_a_term_inside_of_a_longer_word_stays_in_pieces_but_for_chinese(made):
    model, tokenizer = made
    before = tokenizer("electropacks")["input_ids"]
    vocabulary.add(model, tokenizer, TERMS)
    assert tokenizer("electropacks")["input_ids"] == before
    text = "新锂电池组好"
    told = tokenizer(text, return_offsets_mapping=True)
    at = told["input_ids"].index(tokenizer.convert_tokens_to_ids("锂电池组"))
    assert told["offset_mapping"][at] == (1, 5)


def test_a_classifier_gets_them_too(made):
    _, tokenizer = made
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1,
                                                     num_attention_heads=2, intermediate_size=32))  # fmt: skip
    pieces = tokenizer("electropack", add_special_tokens=False)["input_ids"]
    vocabulary.add(model, tokenizer, ["electropack"])
    table = model.get_input_embeddings().weight
    assert torch.allclose(table[-1], table[pieces].mean(0))


def test_spare_rows_of_the_table_are_used_first(made):
    model, tokenizer = made
    model.resize_token_embeddings(len(tokenizer) + 8, mean_resizing=False)
    vocabulary.add(model, tokenizer, ["electropack"])
    assert model.config.vocab_size == len(tokenizer) + 7
    pieces = builtin.train_tokenizer(TEXTS)("electropack", add_special_tokens=False)["input_ids"]
    table = model.get_input_embeddings().weight
    assert torch.allclose(table[len(tokenizer) - 1], table[pieces].mean(0))


def test_what_is_there_already_and_what_is_given_twice_is_passed_over(made, monkeypatch):
    model, tokenizer = made
    told = []
    monkeypatch.setattr("toolkit.console.note", told.append)
    assert vocabulary.add(model, tokenizer, ["the", "electropack", "parcel", "Electropack", "electropack", "包"]) == [
        "electropack"
    ]
    assert told == ["1 terms added to the vocabulary, 5 passed over: given twice, in it already, or nothing to read"]
    size = len(tokenizer)
    assert vocabulary.add(model, tokenizer, ["electropack"]) == []
    assert len(tokenizer) == size == model.config.vocab_size


def test_a_term_that_reads_as_nothing_is_passed_over(made):
    model, tokenizer = made
    tokenizer.backend_tokenizer.normalizer = BertNormalizer()  # which drops a zero-width space
    assert vocabulary.add(model, tokenizer, ["\u200b", "electropack"]) == ["electropack"]
    assert model.get_input_embeddings().weight.isfinite().all()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.txt", "alpha\n\n  beta  \n电池\n"),
        ("t.csv", "id,term\n1,alpha\n2,\n3, beta \n4,电池\n"),
        ("t.tsv", "Word\tcount\nalpha\t1\nbeta\t2\n电池\t3\n"),
        ("first.csv", "begriff,x\nalpha,1\nbeta,2\n电池,3\n"),
    ],
)
def test_files_of_terms(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert vocabulary.read(tmp_path / name) == ["alpha", "beta", "电池"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.txt", b"", "no terms"),
        ("t.txt", b"\n \n", "no terms"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"term\n", "no terms"),
        ("t.txt", b"heart attack\n", "'heart attack' has white space"),
        ("t.txt", b"x" * 65, "longer than 64"),
        ("t.txt", "b\n".encode("utf-16"), "does not read as text"),
        ("t.txt", "\n".join(f"w{i}" for i in range(20_001)).encode(), "20001 terms"),
    ],
)
def test_bad_files_of_terms(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ToolkitError, match=says):
        vocabulary.read(tmp_path / name)
