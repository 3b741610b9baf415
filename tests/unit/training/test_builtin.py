from transformers import AutoModelForSequenceClassification, AutoTokenizer

from toolkit.training import builtin

TEXTS = ["the parcel is late again", "包裹还没有到，请尽快处理", "the invoice is wrong", "发票金额不对"] * 20


def test_reloads_with_the_stock_classes(tmp_path):
    model, tokenizer = builtin.build("builtin:text-tiny", TEXTS, ["a", "b"], seed=0)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert again.config.id2label == {0: "a", 1: "b"}
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]


def test_tokenizer_keeps_both_languages_apart_from_unknown_signs():
    tokenizer = builtin.train_tokenizer(TEXTS)
    for text in TEXTS[:4]:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.cls_token_id
        assert ids[-1] == tokenizer.sep_token_id
        assert tokenizer.unk_token_id not in ids
    assert tokenizer.unk_token_id in tokenizer("ж")["input_ids"]


def test_same_seed_same_weights():
    first, second = (builtin.build("builtin:text-tiny", TEXTS, ["a", "b"], seed=3)[0].state_dict() for _ in range(2))
    other = builtin.build("builtin:text-tiny", TEXTS, ["a", "b"], seed=4)[0].state_dict()
    assert all(first[k].equal(second[k]) for k in first)
    assert not all(first[k].equal(other[k]) for k in first)
