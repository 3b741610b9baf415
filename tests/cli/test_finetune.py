"""finetune's options, data and models: rows of several classes, pairs of texts, and what is refused or told."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import THINGS, Called, listing, pictures, raw_rows, refused, write_csv
from jsonschema import Draft202012Validator
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers import models as tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    GPT2Config,
    GPT2Model,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    pipeline,
)

import toolkit
from toolkit.errors import ToolkitError
from toolkit.training import builtin

Call = Callable[..., Called]
SCHEMA = Path(toolkit.__file__).parent.parent / "docs" / "schemas" / "finetune.metrics.json"
FAST: dict[str, Any] = {"batch_size": 16, "precision": "fp32", "max_length": 48, "device": "cpu"}
ARGS = ("--epochs", "1", "--batch-size", "16", "--precision", "fp32", "--device", "cpu")
SMALL = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
BERT = SMALL | {"intermediate_size": 48, "max_position_embeddings": 64}


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def several_rows(count: int) -> list[dict[str, str]]:
    """Texts of one or two of three classes, each told by its words."""
    rng, out = random.Random(0), []
    for i in range(count):
        names = rng.sample(list(THINGS), 1 + i % 2)
        words = [word for name in names for word in rng.sample(THINGS[name][0].split(), 3)]
        out.append({"text": f"message {i * 7919} of {' '.join(words)}", "label": "; ".join(names)})
    return out


def pair_rows(count: int) -> list[dict[str, str]]:
    """Pairs whose class is told by the second text alone; each first text stands in several."""
    rows = raw_rows(count)
    firsts = [f"what is this message about, number {i}" for i in range(8)]
    return [{"sentence1": firsts[i % 8], "sentence2": r["text"], "label": r["label"]} for i, r in enumerate(rows)]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset artifact of rows of several classes."""
    folder = tmp_path_factory.mktemp("several")
    raw = write_csv(folder / "raw.csv", several_rows(160))
    return toolkit.split(raw, out=folder / "split", label_separator=";", validation=0.2, test=0.2).artifact


@pytest.fixture(scope="module")
def tells_several(several: Path) -> Path:
    options = FAST | {"epochs": 8, "lr": 2e-3, "metric": "f1_micro", "label_smoothing": 0.02}
    return toolkit.finetune(several, out=several.parent / "model", **options).artifact


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cleaned and split dataset artifact of pairs."""
    folder = tmp_path_factory.mktemp("pairs")
    raw = write_csv(folder / "raw.csv", pair_rows(200))
    cleaned = toolkit.clean(raw, out=folder / "clean")
    assert cleaned.metrics["rows_out"] == 200  # the same first text is no duplicate, nor a contradiction
    return toolkit.split(cleaned.artifact, out=folder / "split", validation=0.15, test=0.15).artifact


@pytest.fixture(scope="module")
def reads_pairs(pairs: Path) -> Path:
    return toolkit.finetune(pairs, out=pairs.parent / "model", **FAST, epochs=6, lr=3e-3).artifact


@pytest.fixture(scope="module")
def evaluated(several: Path, tells_several: Path) -> Path:
    return toolkit.evaluate(tells_several, data=str(several), out=several.parent / "evaluation").artifact


def saved(folder: Path, model: Any, tokenizer: Any = None, **kwargs: Any) -> Path:
    model.save_pretrained(folder, **kwargs)
    (tokenizer or builtin.train_tokenizer([r["text"] for r in raw_rows(60)])).save_pretrained(folder)
    return folder


# Several classes a row


THREE: dict[str, Any] = FAST | {"epochs": 3, "lr": 2e-3, "dropout": 0.0}  # an evaluation moves what dropout draws


@pytest.fixture(scope="module")
def refit(split: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, trained on with all rows of train and validation."""
    out = tmp_path_factory.mktemp("refit") / "m"
    return toolkit.finetune(split, model=str(model), out=out, refit=True, **THREE).artifact


def test_refit_learns_validation_too_and_keeps_the_last_weights(split: Path, model: Path, refit: Path) -> None:
    parts = [pd.read_parquet(split / "data" / f"{name}.parquet") for name in ("train", "validation", "test")]
    names, folder = list(read(model, "config.json")["id2label"].values()), refit.parent / "all"
    folder.mkdir()
    for part, rows in (("train", pd.concat(parts[:2])), ("validation", parts[2])):
        told = [{"text": text, "label": names[i]} for text, i in zip(rows["text"], rows["label"], strict=True)]
        write_csv(folder / f"{part}.csv", told)
    plain = toolkit.finetune(folder, model=str(model), out=refit.parent / "plain", metric="loss", **THREE).artifact
    assert read(plain, "metrics.json")["train"]["best_epoch"] == 3, "else the last weights are not those that are kept"
    ours, theirs = (load_file(made / "model.safetensors") for made in (refit, plain))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    figures = read(refit, "metrics.json")
    assert "validation" not in figures
    assert figures["train"]["rows"] == len(parts[0]) + len(parts[1])
    assert "accuracy" not in read(refit, "artifact.json")["metrics"]
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(figures)
    for name in ("report.html", "README.md"):
        assert "were learned and the last weights kept" in (refit / name).read_text(encoding="utf-8")


def test_what_a_refit_model_shows_on_validation_is_warned_of(
    call: Call, split: Path, raw: Path, refit: Path, tmp_path: Path
) -> None:
    def told(model: Path, data: Path) -> bool:
        quick = ("--method", "fp16", "--backend", "torch", "--dry-run")
        made = call("quantize", model, "--data", data, *quick, "--out", tmp_path / "q")
        return f"{model} has learned all rows of {data} but test's" in made.err

    other = write_csv(tmp_path / "other.csv", raw_rows(60, seed=9))
    child = toolkit.augment(split, out=tmp_path / "a", max_rows=4).artifact
    judged = toolkit.clean(other, out=tmp_path / "c", domain_reference=str(raw), domain_action="flag").artifact
    assert [told(refit, data) for data in (split, child, raw, other, judged)] == [True, True, True, False, False]
    toolkit.finetune(split, model=str(refit), out=tmp_path / "m", epochs=1, **FAST)
    assert told(tmp_path / "m", split), "what it began with has learned them"


def test_refit_and_options_that_go_by_validation(call: Call, split: Path, tmp_path: Path) -> None:
    refused(call, tmp_path, "finetune", split, "--refit", "--scheduler", "plateau", says=("--refit", "plateau"))
    plan = ("finetune", split, "--refit", "--dry-run", "--out", tmp_path / "m")
    for option, value in (("--patience", 5), ("--metric", "f1_macro")):
        assert f"{option} changes nothing" in call(*plan, option, value).err
    assert "changes nothing" not in call(*plan).err


def test_refit_learns_columns_that_the_splits_have_alike(call: Call, tmp_path: Path) -> None:
    """Another column is of other classes in each split."""
    from datasets import ClassLabel, Dataset

    for part, names in (("train", ["a", "b"]), ("validation", ["b"])):
        rows = Dataset.from_list([row | {"topic": i % len(names)} for i, row in enumerate(raw_rows(40))])
        (tmp_path / "in").mkdir(exist_ok=True)
        rows.cast_column("topic", ClassLabel(names=names)).to_parquet(tmp_path / "in" / f"{part}.parquet")
    called = call("finetune", tmp_path / "in", "--refit", "--dry-run", "--label", "label", "--out", tmp_path / "m")
    assert called.code == 0, called.err


def test_refit_takes_nothing_out_of_train(call: Call, raw: Path, tmp_path: Path) -> None:
    argv = ("finetune", raw, "--refit", "--dry-run", "--json", "--out", tmp_path / "m")
    told = call(*argv)
    assert json.loads(told.out)["metrics"]["rows"] == {"train": 240}
    assert "no validation split" not in told.err


def test_several_classes_are_learned_and_told_one_by_one(tells_several: Path, evaluated: Path) -> None:
    assert read(tells_several, "config.json")["problem_type"] == "multi_label_classification"
    validation = read(tells_several, "metrics.json")["validation"]
    assert set(validation) == {"accuracy", "f1_macro", "f1_micro", "loss", "rows"}
    assert validation["f1_micro"] > 0.75
    table = pd.read_parquet(evaluated / "predictions.parquet")
    probabilities = table[["p_billing", "p_delivery", "p_product"]].to_numpy()
    assert not np.allclose(probabilities.sum(1), 1)
    names = np.array(["billing", "delivery", "product"])
    for told, row in zip(table["predicted"], probabilities, strict=True):
        assert set(told) == {*names[row >= 0.5], names[row.argmax()]}
    figures = read(evaluated, "metrics.json")
    right = [set(a) == set(b) for a, b in zip(table["label"], table["predicted"], strict=True)]
    quality = figures["quality"]
    assert quality["accuracy"]["value"] == pytest.approx(np.mean(right))
    for name in ("accuracy", "f1_macro", "f1_micro"):
        assert 0 <= quality[name]["low"] <= quality[name]["value"] <= quality[name]["high"] <= 1
    assert sum(c["support"] for c in figures["per_class"].values()) == table["label"].map(len).sum()


def test_the_stock_pipeline_answers_alike(tells_several: Path, evaluated: Path) -> None:
    ours = pd.read_parquet(evaluated / "predictions.parquet").iloc[0]
    stock = pipeline("text-classification", model=str(tells_several), top_k=None, device="cpu")([ours["text"]])[0]
    for told in stock:
        assert told["score"] == pytest.approx(ours[f"p_{told['label']}"], abs=1e-4)


def test_several_classes_straight_from_a_csv(several: Path, tells_several: Path, tmp_path: Path) -> None:
    raw, options = several.parent / "raw.csv", {"label_separator": ";", "model": str(tells_several)}
    made = toolkit.finetune(raw, out=tmp_path / "m", **FAST, epochs=1, lr=0.0, **options).artifact
    assert read(made, "metrics.json")["validation"]["f1_micro"] > 0.75  # its own head was kept
    predicted = toolkit.predict(made, data=str(raw), label_separator=";", out=tmp_path / "p").artifact
    assert set(pd.read_parquet(predicted / "predictions.parquet")["label"].map(len)) == {1, 2}
    with pytest.raises(ToolkitError, match=r"several classes a row, the data has one class.*--label-separator"):
        toolkit.evaluate(tells_several, data=str(raw), split="train", out=tmp_path / "e")


def test_several_classes_are_matched_by_name(
    several: Path, tells_several: Path, evaluated: Path, tmp_path: Path
) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    names = ["product", "billing", "delivery"]
    table = pd.read_parquet(several / "data" / "test.parquet")
    own = ["billing", "delivery", "product"]
    turned = [[names.index(own[i]) for i in label] for label in table["label"]]
    features = Features({"text": Value("string"), "label": List(ClassLabel(names=names))})
    (tmp_path / "in").mkdir()
    rows = Dataset.from_dict({"text": table["text"].tolist(), "label": turned}, features=features)
    rows.to_parquet(tmp_path / "in" / "test.parquet")
    other = toolkit.evaluate(tells_several, data=str(tmp_path / "in"), out=tmp_path / "e").artifact
    assert read(other, "metrics.json")["quality"] == read(evaluated, "metrics.json")["quality"]


def test_tune_searches_for_several_classes(several: Path, tmp_path: Path) -> None:
    options = FAST | {"epochs": 0.1, "metric": "f1_micro"}
    made = toolkit.tune(several, out=tmp_path / "t", total_trials=1, **options).artifact
    assert 0 < read(made, "best.json")["value"] <= 1


def test_such_a_model_is_pruned(several: Path, tells_several: Path, tmp_path: Path) -> None:
    options = FAST | {"data": str(several), "epochs": 2, "lr": 1e-3}
    made = toolkit.prune(tells_several, out=tmp_path / "p", target_params=0.9, **options).artifact
    assert read(made, "config.json")["problem_type"] == "multi_label_classification"
    figures = read(made, "metrics.json")
    assert figures["input"]["accuracy"] == pytest.approx(read(tells_several, "metrics.json")["validation"]["accuracy"])
    assert figures["comparison"]["parameters_ratio"] <= 0.9
    cut = read(made, "sensitivity.json")["whole"]
    assert all(0 < one["divergence"] < 1 for one in cut)


@pytest.mark.parametrize(
    "options",
    [
        {"max_drop": 0.02, "export": "openvino"},
        {"method": "qat", "epochs": 1, "batch_size": 16},
        {"backend": "onnx"},
    ],
)
def test_such_a_model_is_quantized(
    several: Path, tells_several: Path, evaluated: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    made = toolkit.quantize(tells_several, data=str(several), out=tmp_path / "q", **options).artifact
    assert read(made, "metrics.json")["comparison"]["flipped"] < 0.2
    told = toolkit.predict(made, data=str(several), split="test", out=tmp_path / "p").artifact
    now, before = (pd.read_parquet(folder / "predictions.parquet").set_index("id") for folder in (told, evaluated))
    same = [set(a) == set(b) for a, b in zip(now["predicted"], before.loc[now.index, "predicted"], strict=True)]
    assert np.mean(same) > 0.8
    if "export" in options:
        assert "row >= 0.5" in (made / "run.py").read_text()  # tests/unit/artifacts/test_export.py runs it


def test_errors_of_several_classes_are_analysed(call: Call, evaluated: Path, tmp_path: Path) -> None:
    assert call("error-analysis", evaluated, "--out", tmp_path / "a").code == 0
    rows = pd.read_parquet(evaluated / "predictions.parquet")
    wrong = sum(set(t) != set(p) for t, p in zip(rows["label"], rows["predicted"], strict=True))
    found = read(tmp_path / "a", "slices.json")
    assert (found["rows"], found["errors"], len(found["attribution"])) == (len(rows), wrong, min(wrong, 12))


@pytest.mark.parametrize("command", ["evaluate", "prune", "distill", "quantize"])
def test_a_model_of_one_class_refuses_rows_of_several(
    call: Call, several: Path, model: Path, tmp_path: Path, command: str
) -> None:
    says = ("the model tells one class a row, the data has several classes", "give data of one class")
    refused(call, tmp_path, command, model, "--data", several, says=says)


def test_a_figure_that_the_rows_have_not(call: Call, split: Path, tmp_path: Path) -> None:
    says = ("--metric f1_micro", "choose accuracy or f1_macro or loss")
    refused(call, tmp_path, "finetune", split, "--metric", "f1_micro", *ARGS, says=says)


def test_a_row_without_any_class(call: Call, tmp_path: Path) -> None:
    rows = [*several_rows(30), {"text": "nothing is told of this one", "label": " ; "}]
    source = write_csv(tmp_path / "x.csv", rows)
    says = ("1 rows of train have no label", "train-30")
    refused(call, tmp_path, "finetune", source, "--label-separator", ";", *ARGS, says=says)


# Pairs


def test_pairs_are_read_whole(pairs: Path, reads_pairs: Path, tmp_path: Path) -> None:
    assert read(reads_pairs, "metrics.json")["validation"]["accuracy"] > 0.7
    made = toolkit.predict(reads_pairs, data=str(pairs), split="test", out=tmp_path / "p").artifact
    table = pd.read_parquet(made / "predictions.parquet")
    assert table["text"].nunique() <= 8 < table["text_pair"].nunique()
    model = AutoModelForSequenceClassification.from_pretrained(reads_pairs).eval()
    tokenizer = AutoTokenizer.from_pretrained(reads_pairs)
    batch = tokenizer(table["text"][0], table["text_pair"][0], return_tensors="pt")
    assert batch["token_type_ids"].any()
    with torch.inference_mode():
        stock = model(**batch).logits.softmax(-1)[0].numpy()
    assert table[["p_billing", "p_delivery", "p_product"]].to_numpy()[0] == pytest.approx(stock, abs=1e-4)


def test_near_duplicates_of_pairs_stay_on_one_side(tmp_path: Path) -> None:
    rows = pair_rows(60)
    twins = [row | {"sentence2": row["sentence2"] + "!"} for row in rows[:20]]
    made = toolkit.split(write_csv(tmp_path / "x.csv", rows + twins), out=tmp_path / "s", test=0.3).artifact
    sides = {
        row["text_pair"]: name
        for name in ("train", "validation", "test")
        for row in pd.read_parquet(made / "data" / f"{name}.parquet").to_dict("records")
    }
    assert len(sides) == 80
    assert all(sides[a["sentence2"]] == sides[b["sentence2"]] for a, b in zip(rows, twins, strict=False))
    assert len(set(sides.values())) == 3


def test_children_keep_the_second_text_of_their_parent(pairs: Path, tmp_path: Path) -> None:
    made = toolkit.augment(pairs, out=tmp_path / "a", method=["random_swap"]).artifact
    table = pd.read_parquet(made / "data" / "train.parquet").set_index("id")
    children = table[table["parent_id"].notna()]
    assert len(children) > 20
    assert (children["text_pair"] == table.loc[children["parent_id"], "text_pair"].to_numpy()).all()


def test_quantized_pairs(call: Call, pairs: Path, reads_pairs: Path, split: Path, tmp_path: Path) -> None:
    made = toolkit.quantize(reads_pairs, data=str(pairs), calibration_rows=20, out=tmp_path / "q")
    table = read(made.artifact, "metrics.json")
    assert table["quantized"]["accuracy"] > table["input"]["accuracy"] - 0.15
    says = ("quantized on pairs of texts, the data holds single texts", "quantize it on such data")
    called = call("predict", made.artifact, "--data", split, "--out", tmp_path / "p")
    assert called.code == 1
    assert all(word in called.err for word in says)
    assert not any(name.split("/")[0].strip(".") == "p" for name in listing(tmp_path))


# Models


def test_other_class_names_get_a_new_head_which_is_told(call: Call, model: Path, tmp_path: Path) -> None:
    rows = [row | {"label": row["label"].replace("billing", "money")} for row in raw_rows(60)]
    source = write_csv(tmp_path / "x.csv", rows)
    called = call("finetune", source, "--model", model, *ARGS, "--out", tmp_path / "m")
    assert called.code == 0
    assert "tells other classes (billing, delivery, product): it gets a new head" in called.err
    assert read(tmp_path / "m", "config.json")["id2label"] == {"0": "delivery", "1": "money", "2": "product"}


def test_class_names_of_more_than_ten_outputs_keep_their_order(tmp_path: Path) -> None:
    from toolkit.artifacts import model as models

    names = [f"class {chr(122 - i)}" for i in range(12)]
    config = BertConfig(**BERT, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})
    folder = saved(tmp_path / "m", BertForSequenceClassification(config))
    assert models.labels(folder) == names


@pytest.mark.parametrize("shard", ["50GB", "20KB"])
def test_half_precision_and_sharded_weights(split: Path, tmp_path: Path, shard: str) -> None:
    encoder = BertModel(BertConfig(**BERT)).to(torch.bfloat16)
    folder = saved(tmp_path / "m", encoder, max_shard_size=shard)
    assert (folder / "model.safetensors.index.json").is_file() == (shard == "20KB")
    made = toolkit.finetune(split, model=str(folder), out=tmp_path / "f", **FAST, epochs=1, lr=0.0).artifact
    weights = load_file(made / "model.safetensors")
    assert {w.dtype for w in weights.values()} == {torch.float32}
    assert torch.equal(
        weights["bert.embeddings.word_embeddings.weight"], encoder.embeddings.word_embeddings.weight.float()
    )


def unpadded() -> PreTrainedTokenizerFast:
    """A tokenizer like GPT-2's: no token to pad with, and none around a text."""
    trained = builtin.train_tokenizer([r["text"] for r in raw_rows(60)]).backend_tokenizer
    trained.post_processor = Tokenizer(tokenizers.BPE()).post_processor
    return PreTrainedTokenizerFast(tokenizer_object=trained, eos_token="[SEP]", unk_token="[UNK]", model_max_length=64)


def test_a_tokenizer_without_a_token_to_pad_with(split: Path, tmp_path: Path) -> None:
    tokenizer = unpadded()
    assert tokenizer.pad_token is None
    gpt = GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=1, n_head=2))
    folder = saved(tmp_path / "m", gpt, tokenizer)
    made = toolkit.finetune(split, model=str(folder), out=tmp_path / "f", **FAST, epochs=1).artifact
    assert read(made, "config.json")["pad_token_id"] == tokenizer.eos_token_id
    assert AutoTokenizer.from_pretrained(made).pad_token == "[SEP]"
    figures = toolkit.evaluate(made, data=str(split), split="validation", out=tmp_path / "e").metrics
    assert figures["accuracy"] == pytest.approx(read(made, "metrics.json")["validation"]["accuracy"], abs=0.03)


def test_more_tokens_than_the_model_has_positions_are_told(call: Call, split: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", BertModel(BertConfig(**BERT)))
    argv = ("finetune", split, "--model", folder, *ARGS, "--max-length", "9999", "--out", tmp_path / "f")
    called = call(*argv)
    assert called.code == 0
    assert "texts are cut to 64 tokens: the model reads no more" in called.err
    assert read(tmp_path / "f", "tokenizer_config.json")["model_max_length"] == 64


def marian(folder: Path) -> Path:
    config = MarianConfig(
        vocab_size=300, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, pad_token_id=0, decoder_start_token_id=0,
    )  # fmt: skip
    return saved(folder, MarianMTModel(config))


def clip(folder: Path) -> Path:
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=CLIPTextConfig(**small, vocab_size=300).to_dict(),
        vision_config=CLIPVisionConfig(**small, image_size=32, patch_size=16).to_dict(),
    )
    return saved(folder, CLIPModel(config))


@pytest.mark.parametrize(("make", "kind"), [(marian, "marian"), (clip, "clip")])
def test_models_that_classify_no_texts(
    call: Call, split: Path, tmp_path: Path, make: Callable[[Path], Path], kind: str
) -> None:
    says = (f"a model of type {kind}, which classifies no texts", "an encoder such as BERT")
    refused(call, tmp_path, "finetune", split, "--model", make(tmp_path / "m"), *ARGS, says=says)


@pytest.mark.parametrize("command", ["evaluate", "predict", "prune", "distill", "quantize"])
def test_a_model_that_tells_a_number(call: Call, split: Path, tmp_path: Path, command: str) -> None:
    folder = saved(tmp_path / "m", BertForSequenceClassification(BertConfig(**BERT, num_labels=1)))
    says = ("tells a number, not a class", "toolkit finetune")
    refused(call, tmp_path, command, folder, "--data", split, says=says)


# Data


@pytest.mark.parametrize("kind", ["images", "tables"])
def test_the_wrong_task_for_the_data(call: Call, model: Path, tmp_path: Path, kind: str) -> None:
    if kind == "images":
        says: tuple[str, ...] = ("reads texts, the data holds images", "give a model for this data")
        source = pictures(tmp_path / "in")
        argv = ("finetune", source, "--model", model, *ARGS)
    else:
        says = ("tables of features", "--text")
        rows = [{"height": str(i * 0.37), "label": "ab"[i % 2]} for i in range(30)]
        argv = ("finetune", write_csv(tmp_path / "x.csv", rows), *ARGS)
    called = call(*argv, "--out", tmp_path / "out")
    assert (called.code, called.out) == (1, "")
    assert all(word in called.err.splitlines()[-1] for word in says), called.err
    assert not (tmp_path / "out").exists()


def test_labels_that_are_measurements(call: Call, tmp_path: Path) -> None:
    rows = [row | {"label": f"{i * 0.137:.3f}"} for i, row in enumerate(raw_rows(60))]
    says = ("the labels are measurements", "0.137", "--label")
    refused(call, tmp_path, "finetune", write_csv(tmp_path / "x.csv", rows), *ARGS, says=says)


def test_half_steps_are_classes(tmp_path: Path) -> None:
    rows = [row | {"label": str(0.5 + i % 3 * 0.5)} for i, row in enumerate(raw_rows(60))]
    made = toolkit.finetune(write_csv(tmp_path / "x.csv", rows), out=tmp_path / "m", **FAST, epochs=1).artifact
    assert list(read(made, "config.json")["label2id"]) == ["0.5", "1", "1.5"]


def test_a_label_that_is_not_a_number(call: Call, tmp_path: Path) -> None:
    table = pd.DataFrame(raw_rows(30)).assign(label=[float(i % 2) for i in range(29)] + [np.nan])
    table.to_parquet(tmp_path / "x.parquet")
    says = ("1 rows of train have no label", "train-29", "toolkit clean")
    refused(call, tmp_path, "finetune", tmp_path / "x.parquet", *ARGS, says=says)


@pytest.mark.parametrize("rows", [1, 2])
def test_hardly_any_rows(call: Call, tmp_path: Path, rows: int) -> None:
    source = write_csv(tmp_path / "x.csv", raw_rows(3)[:rows])
    says = "one class only" if rows == 1 else "too few to hold some out: near-duplicates stay together"
    refused(call, tmp_path, "finetune", source, *ARGS, says=says)


def folder_of(folder: Path, **parts: list[dict[str, str]]) -> Path:
    folder.mkdir()
    for name, rows in parts.items():
        write_csv(folder / f"{name}.csv", rows)
    return folder


def test_a_validation_split_of_one_class(tmp_path: Path) -> None:
    rows = raw_rows(60)
    one = [row for row in rows[45:] if row["label"] == "billing"]
    made = toolkit.finetune(
        folder_of(tmp_path / "in", train=rows[:45], validation=one), out=tmp_path / "m", **FAST, epochs=1
    )
    validation = read(made.artifact, "metrics.json")["validation"]
    assert validation["rows"] == len(one)
    assert all(np.isfinite(value) for value in validation.values())


def test_a_class_that_only_validation_has(call: Call, tmp_path: Path) -> None:
    rows = raw_rows(60)
    source = folder_of(tmp_path / "in", train=rows[:45], validation=[rows[45] | {"label": "novel"}, *rows[46:]])
    says = ("validation has labels that train never saw (novel)", "add rows")
    refused(call, tmp_path, "finetune", source, *ARGS, says=says)


def test_texts_that_tokenise_to_nothing_are_counted_and_harmless(call: Call, tmp_path: Path) -> None:
    letters = {letter: i for i, letter in enumerate(["[PAD]", *"abcdefghijklmnopqrstuvwxyz"])}
    bare = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(tokenizers.BPE(letters, [])), pad_token="[PAD]", model_max_length=64
    )
    folder = saved(tmp_path / "m", BertModel(BertConfig(**BERT)), bare)
    rows = [row for row in raw_rows(120) if row["text"].isascii()]
    odd = [rows[0] | {"text": "👍" * i} for i in range(1, 5)]
    source = folder_of(tmp_path / "in", train=rows[:40] + odd[:3], validation=rows[40:] + odd[3:])
    called = call("finetune", source, "--model", folder, *ARGS, "--out", tmp_path / "f")
    assert called.code == 0, called.err
    assert "3 of 43 texts hold nothing that the model's tokenizer knows" in called.err
    made = toolkit.predict(tmp_path / "f", data=str(source), out=tmp_path / "p").artifact
    table = pd.read_parquet(made / "predictions.parquet")
    assert np.isfinite(table[[f"p_{name}" for name in THINGS]].to_numpy()).all()
