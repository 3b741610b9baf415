"""`finetune --task masked-lm` from the command line, and what its result is good for."""

import json
from pathlib import Path

import pytest
import torch
from helpers import pictures, raw_rows, write_csv
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

import toolkit
from toolkit.errors import ToolkitError
from toolkit.training import builtin

FEW = ("--epochs", "0.5", "--batch-size", "32", "--max-length", "32", "--precision", "fp32")
TERMS = "couriers\n快递员\n\ncouriers\n"


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """Texts without labels."""
    folder = tmp_path_factory.mktemp("texts")
    return write_csv(folder / "texts.csv", [{"text": row["text"]} for row in raw_rows(120)])


@pytest.fixture(scope="module")
def adapted(texts) -> Path:
    terms = texts.parent / "terms.txt"
    terms.write_text(TERMS, encoding="utf-8")
    options = {"epochs": 1, "batch_size": 32, "max_length": 48, "precision": "fp32", "add_tokens": str(terms)}
    return toolkit.finetune(texts, out=texts.parent / "adapted", **options).artifact


def encoder_of(folder: Path) -> dict[str, torch.Tensor]:
    return {key: value for key, value in load_file(folder / "model.safetensors").items() if key.startswith("roformer.")}


def test_the_command(call, texts, tmp_path) -> None:
    (tmp_path / "terms.csv").write_text("term\n快递员\n", encoding="utf-8")
    argv = ("finetune", texts, "--out", tmp_path / "m", *FEW, "--add-tokens", tmp_path / "terms.csv")
    planned = call(*argv, "--dry-run", "--json")
    assert json.loads(planned.out)["metrics"]["task"] == "masked-lm"
    called = call(*argv, "--json")
    assert called.code == 0, called.err
    assert "no label column: learning to fill masks" in called.err
    assert "took a tenth of train" in called.err
    assert "1 terms added" in called.err
    metrics = json.loads(called.out)["metrics"]
    assert metrics["perplexity"] > 1
    assert 0 <= metrics["accuracy"] <= 1
    told = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert set(told["validation"]) == {"loss", "perplexity", "accuracy", "rows"}
    card = (tmp_path / "m" / "README.md").read_text()
    assert "pipeline_tag: fill-mask" in card
    assert "AutoModelForMaskedLM" in card
    assert "Classes" not in card
    assert call(*argv).err.count("training") == 0  # up-to-date
    (tmp_path / "terms.csv").write_text("term\n快递员\n退款单\n", encoding="utf-8")
    changed = call(*argv)
    assert changed.code == 1
    assert "another add_tokens" in changed.err


def test_stock_classes_open_it(adapted) -> None:
    model, info = AutoModelForMaskedLM.from_pretrained(adapted, output_loading_info=True)
    assert not info["missing_keys"]
    tokenizer = AutoTokenizer.from_pretrained(adapted)
    assert model.config.vocab_size == len(tokenizer)
    ids = tokenizer("找快递员 and couriers", add_special_tokens=False)["input_ids"]
    assert [tokenizer.convert_tokens_to_ids(t) for t in ("快递员", "couriers")] == [ids[1], ids[-1]]


def test_a_classifier_starts_from_its_encoder(adapted, raw, tmp_path) -> None:
    """Learning nothing (a rate of 0), the classifier has the adapted encoder, weight by weight."""
    options = {"epochs": 1, "batch_size": 64, "lr": 0.0, "precision": "fp32", "max_length": 48}
    classifier = toolkit.finetune(raw, out=tmp_path / "c", model=str(adapted), **options).artifact
    before, after = encoder_of(adapted), encoder_of(classifier)
    assert before.keys() == after.keys()
    assert before
    assert all(value.equal(after[key]) for key, value in before.items())
    assert toolkit.predict(classifier, data=str(raw), out=tmp_path / "p").metrics["rows"] == 240
    # and back: the classifier's encoder is adapted once more, its classes are gone
    again = toolkit.finetune(raw, out=tmp_path / "again", model=str(classifier), task="masked-lm", **options).artifact
    assert all(value.equal(before[key]) for key, value in encoder_of(again).items())
    assert "id2label" not in json.loads((again / "config.json").read_text())


def test_augment_takes_its_words(adapted, split, tmp_path) -> None:
    options = {"method": ["contextual_replacement"], "model": str(adapted), "max_rows": 3}
    made = toolkit.augment(split, out=tmp_path / "a", **options)
    assert made.status == "created"


def test_labels_play_no_part(raw, tmp_path) -> None:
    made = toolkit.finetune(raw, out=tmp_path / "m", task="masked-lm", epochs=0.2, precision="fp32").artifact
    assert "perplexity" in json.loads((made / "metrics.json").read_text())["validation"]


def test_tune_searches_it(texts, tmp_path) -> None:
    made = toolkit.tune(texts, out=tmp_path / "s", total_trials=2, epochs=0.5, precision="fp32", max_length=32)
    best = json.loads((made.artifact / "best.json").read_text())
    assert best["metric"] == "loss"
    assert best["value"] > 0


@pytest.fixture(scope="module")
def bare(texts) -> Path:
    """A BERT without a head, as encoders of sentences are published."""
    folder = texts.parent / "bare"
    tokenizer = builtin.train_tokenizer(texts.read_text(encoding="utf-8").splitlines())
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **small)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_without_a_head_gets_one(call, texts, bare, tmp_path) -> None:
    called = call("finetune", texts, "--model", bare, "--out", tmp_path / "m", *FEW, "--lr", "0")
    assert called.code == 0, called.err
    assert "no head that fills masks: it gets a new one" in called.err
    before, after = load_file(bare / "model.safetensors"), load_file(tmp_path / "m" / "model.safetensors")
    assert all(value.equal(after[f"bert.{key}"]) for key, value in before.items() if "pooler" not in key)
    BertForMaskedLM.from_pretrained(tmp_path / "m")


def test_next_sentences(call, bare, tmp_path) -> None:
    told = [row["text"] for row in raw_rows(120)]
    rows = [{"text": f"{a} {b}"} for a, b in zip(told[::2], told[1::2], strict=True)]
    source = write_csv(tmp_path / "texts.csv", rows)
    called = call("finetune", source, "--model", bare, "--out", tmp_path / "m", "--next-sentence", *FEW)
    assert called.code == 0, called.err
    assert "next sentence" in called.err
    assert json.loads((tmp_path / "m" / "config.json").read_text())["architectures"] == ["BertForPreTraining"]
    _, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "m", output_loading_info=True)
    assert not info["missing_keys"]
    again = call("finetune", source, "--model", tmp_path / "m", "--out", tmp_path / "n", "--next-sentence", *FEW)
    assert again.code == 0, again.err
    assert "it gets a new one" not in again.err


def test_evaluate_and_predict_say_that_it_is_no_classifier(call, adapted, raw, tmp_path) -> None:
    for command in ("evaluate", "predict"):
        called = call(command, adapted, "--data", raw, "--out", tmp_path / "x")
        assert called.code == 1
        assert "is not a classifier: run 'toolkit finetune' on it" in called.err
        assert len(called.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "text-classification"}, "no label column"),
        ({"task": "image-classification"}, "no label column"),
        ({"next_sentence": True}, "no head for --next-sentence"),
        ({"metric": "f1_macro"}, "choose loss or perplexity or accuracy"),
        ({"class_weights": "balanced"}, "rows without a class have no class weights"),
        ({"oversample": 0.5}, "rows without a class have no class weights"),
        ({"r_drop": 1.0}, "--r-drop compares answers to classes, the rows have none"),
        ({"masking": 0.0}, "--masking"),
        ({"add_tokens": "no/such/file"}, "no such file"),
        ({"model": "builtin:image-tiny"}, "does not read this data"),
    ],
)
def test_what_does_not_fit_texts_without_labels(texts, tmp_path, options, says) -> None:
    with pytest.raises(ToolkitError, match=says):
        toolkit.finetune(texts, out=tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "image-classification"}, "holds texts: use --task text-classification"),
        ({"next_sentence": True}, "--next-sentence is of --task masked-lm"),
        ({"metric": "perplexity"}, "choose accuracy or f1_macro or loss"),
    ],
)
def test_what_does_not_fit_labelled_texts(raw, tmp_path, options, says) -> None:
    with pytest.raises(ToolkitError, match=says):
        toolkit.finetune(raw, out=tmp_path / "m", **options)


def test_what_does_not_fit_images(tmp_path) -> None:
    source = pictures(tmp_path / "images")
    (tmp_path / "terms.txt").write_text("cat\n")
    for options, says in (
        ({"task": "masked-lm"}, "holds images"),
        ({"task": "text-classification"}, "holds images: use --task image-classification"),
        ({"add_tokens": str(tmp_path / "terms.txt")}, "this data holds images"),
    ):
        with pytest.raises(ToolkitError, match=says):
            toolkit.finetune(source, out=tmp_path / "m", **options)


def test_a_model_that_cannot_fill_masks(texts, tmp_path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path / "gpt")
    with pytest.raises(ToolkitError, match=r"\(gpt2\) is no model that could fill masks"):
        toolkit.finetune(texts, out=tmp_path / "m", model=str(tmp_path / "gpt"))
