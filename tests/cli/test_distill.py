"""`toolkit distill`: teachers, students, lessons, transfer rows, and what is refused in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Called, pictures, raw_rows, refused, write_csv
from safetensors.torch import load_file
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
from unit.image_models import tiny

import toolkit
from toolkit.artifacts import loading
from toolkit.training.resolution import change

Call = Callable[..., Called]
FAST: dict[str, Any] = {"epochs": 1, "batch_size": 16, "precision": "fp32"}
ARGS = ("--epochs", 1, "--batch-size", 16, "--precision", "fp32")


def read(folder: Path, name: str = "metrics.json") -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def turned(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The teacher with its classes numbered the other way round."""
    folder = tmp_path_factory.mktemp("turned") / "teacher"
    own = AutoModelForSequenceClassification.from_pretrained(model)
    own.classifier.out_proj.weight.data = own.classifier.out_proj.weight.data.flip(0)
    own.classifier.out_proj.bias.data = own.classifier.out_proj.bias.data.flip(0)
    names = [own.config.id2label[i] for i in range(3)][::-1]
    own.config.id2label, own.config.label2id = dict(enumerate(names)), {name: i for i, name in enumerate(names)}
    own.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def test_a_narrow_student_learns_hidden_states(model: Path, split: Path, narrow: Path, tmp_path: Path) -> None:
    options = FAST | {"student": str(narrow), "hidden_weight": 1.0, "attention_weight": 1.0, "embedding_weight": 1.0}
    made = toolkit.distill(model, data=str(split), out=tmp_path / "a", **options)
    weights, before = (load_file(folder / "model.safetensors") for folder in (made.artifact, narrow))
    assert weights.keys() == before.keys(), "projections are thrown away"
    figures = read(made.artifact)
    assert set(figures) == {"validation", "train", "teacher", "student", "comparison", "model"}
    assert figures["student"]["accuracy"] == pytest.approx(figures["validation"]["accuracy"])
    apart = figures["comparison"]["accuracy_difference"]
    assert apart["value"] == pytest.approx(figures["student"]["accuracy"] - figures["teacher"]["accuracy"])
    assert apart["low"] <= apart["value"] <= apart["high"]
    assert made.metrics["agreement"] == figures["comparison"]["agreement"]["value"]
    assert figures["teacher"]["parameters"] > 2 * figures["model"]["parameters"]
    assert "Student and teacher" in (made.artifact / "report.html").read_text()
    plain = toolkit.distill(model, data=str(split), out=tmp_path / "b", **FAST, student=str(narrow))
    other = load_file(plain.artifact / "model.safetensors")
    assert not torch.equal(other["classifier.dense.weight"], weights["classifier.dense.weight"])


@pytest.mark.parametrize(
    "option", [("layer_map", "last"), ("embedding_weight", 2.0), ("attention_weight", 2.0), ("r_drop", 1.0)]
)
def test_each_part_of_the_lesson_changes_what_is_learned(
    model: Path, split: Path, tmp_path: Path, option: tuple[str, Any]
) -> None:
    options = FAST | {"student": "layers:2", "epochs": 0.2, "hidden_weight": 1.0}
    made = [
        toolkit.distill(model, data=str(split), out=tmp_path / name, **options, **given).artifact
        for name, given in (("a", {}), ("b", dict([option])))
    ]
    one, other = (load_file(folder / "model.safetensors") for folder in made)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_teachers_are_averaged_and_their_classes_matched_by_name(
    model: Path, turned: Path, split: Path, tmp_path: Path
) -> None:
    """A teacher and its twin with other class numbers say what the teacher says alone."""
    options = FAST | {"student": "layers:1", "epochs": 0.2}
    alone = toolkit.distill(model, data=str(split), out=tmp_path / "a", **options)
    both = toolkit.distill(model, data=str(split), out=tmp_path / "b", teacher=[str(turned)], **options)
    one, other = (load_file(made.artifact / "model.safetensors") for made in (alone, both))
    assert all(torch.allclose(one[name], other[name], atol=2e-3) for name in one)
    figures = [read(made.artifact) for made in (alone, both)]
    assert figures[0]["teacher"]["accuracy"] == figures[1]["teacher"]["accuracy"]
    assert figures[1]["teacher"]["parameters"] == 2 * figures[0]["teacher"]["parameters"]
    assert "weights" not in figures[0]["teacher"]
    assert [*figures[1]["teacher"]["weights"].values()] == [0.5, 0.5]
    assert "The teacher is the weighted mean of 1: " in (both.artifact / "report.html").read_text()
    names = [source["name"] for source in read(both.artifact, "artifact.json")["inputs"]]
    assert names == ["source", "data", "teacher"]


def test_teachers_are_heard_by_their_weights(
    model: Path, narrow: Path, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.compression.distill import answers, losses

    class Taught(Exception):
        pass

    told: list[Any] = []
    real = answers.teacher_logits

    def teacher_logits(*given: Any, **named: Any) -> Any:
        told.append(real(*given, **named))
        return told[-1]

    def with_teacher(rows: Any, said: Any, labelled: int) -> Any:
        told.append(said)
        raise Taught

    monkeypatch.setattr(answers, "teacher_logits", teacher_logits)
    monkeypatch.setattr(losses, "with_teacher", with_teacher)
    options = FAST | {"data": str(split), "student": "layers:1", "teacher": [str(narrow)], "temperature": 2.0}
    with pytest.raises(Taught):
        toolkit.distill(model, out=tmp_path / "a", teacher_weights=[1.0, 3.0], **options)
    one, other, both = ((logits / 2).softmax(-1) for logits in told)
    assert not torch.allclose(one, other, atol=1e-2)
    assert torch.allclose(both, 0.25 * one + 0.75 * other, atol=1e-6)


def test_a_student_that_is_a_classifier_keeps_its_head(model: Path, turned: Path, split: Path, tmp_path: Path) -> None:
    made = toolkit.distill(model, data=str(split), student=str(turned), lr=0.0, out=tmp_path / "a", **FAST).artifact
    assert read(made, "config.json")["id2label"] == read(turned, "config.json")["id2label"]
    assert read(made)["student"]["accuracy"] == read(made)["teacher"]["accuracy"]


def test_transfer_rows(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    import pandas as pd

    held_out = pd.read_parquet(split / "data" / "test.parquet")["text"][0]
    rows = [{"text": row["text"] + " again"} for row in raw_rows(20, seed=9)]
    one = write_csv(tmp_path / "one.csv", [*rows, {"text": held_out}])
    two = write_csv(tmp_path / "two.csv", [rows[0], {"text": "a parcel that nobody has ever seen before"}])
    argv = ("distill", model, "--data", split, "--student", "layers:1", *ARGS)
    done = call(*argv, "--transfer", one, "--transfer", two, "--out", tmp_path / "a")
    assert done.code == 0, done.err
    assert "one.csv: 20 rows to learn on; left out: 1 near held out" in done.err
    assert "two.csv: 1 rows to learn on; left out: 1 repeated" in done.err
    figures = read(tmp_path / "a")
    assert figures["transfer"] == {"rows": 21, "empty": 0, "near_held_out": 1, "repeated": 1}
    assert figures["train"]["rows"] == len(pd.read_parquet(split / "data" / "train.parquet")) + 21
    assert "up-to-date" in call(*argv, "--transfer", one, "--transfer", two, "--out", tmp_path / "a").err
    assert "another transfer.2" in call(*argv, "--transfer", one, "--transfer", one, "--out", tmp_path / "a").err


def test_spans_of_the_texts_are_more_rows(
    call: Call, model: Path, split: Path, vit: Path, photos: Path, tmp_path: Path
) -> None:
    import pandas as pd

    made = toolkit.distill(model, data=str(split), student="layers:1", spans=2, out=tmp_path / "a", **FAST).artifact
    counts, train = read(made)["transfer"], len(pd.read_parquet(split / "data" / "train.parquet"))
    assert train < counts["rows"] <= 2 * train
    assert sum(counts.values()) == 2 * train
    assert read(made)["train"]["rows"] == train + counts["rows"]
    says = ("--spans is for texts", "crop images with --crop")
    refused(call, tmp_path, "distill", vit, "--data", photos, "--student", "layers:1", "--spans", 2, says=says)


def test_augmented_children_of_held_out_rows(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    import pandas as pd

    parent = pd.read_parquet(split / "data" / "validation.parquet")["id"][0]
    source = write_csv(tmp_path / "x.csv", [{"id": "child", "text": "a text of its own", "parent_id": parent}])
    says = ("--transfer", "1 augmented rows of train have their parent in validation", "split first")
    refused(call, tmp_path, "distill", model, "--data", split, "--transfer", source, says=says)


def test_rows_of_several_classes(tmp_path: Path) -> None:
    rows = [row | {"label": f"{row['label']};{row['source']}" if i % 2 else row["label"]}
            for i, row in enumerate(raw_rows(120))]  # fmt: skip
    source = str(write_csv(tmp_path / "x.csv", rows))
    options = FAST | {"label_separator": ";", "max_length": 32}
    teacher = toolkit.finetune(source, out=tmp_path / "t", **options).artifact
    more = write_csv(tmp_path / "more.csv", [{"text": row["text"]} for row in raw_rows(20, seed=8)])
    options |= {"data": source, "student": "layers:1", "transfer": [str(more)]}
    made = toolkit.distill(teacher, out=tmp_path / "a", **options).artifact
    assert read(made, "config.json")["problem_type"] == "multi_label_classification"
    assert "f1_micro" in read(made)["validation"]


# Images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("train", "validation"):
        pictures(folder / name)
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vit")
    loading.save(folder, *tiny("vit", id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1}))
    return folder


def test_a_resnet_learns_from_a_vision_transformer(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    argv = ("distill", vit, "--data", photos, "--student", "builtin:image-tiny", *ARGS)
    done = call(*argv, "--out", tmp_path / "a")
    assert done.code == 0, done.err
    assert "answers are those to whole images" in done.err
    assert "times as many rows a second; its accuracy differs from the teacher's by" in done.err
    assert read(tmp_path / "a", "config.json")["model_type"] == "resnet"
    for option, says in (("--mixup", "a teacher cannot judge mixed images"), ("--hidden-weight", "the student reads")):
        called = call(*argv, option, 0.2, "--out", tmp_path / "b")
        assert (called.code, called.out) == (1, "")
        assert called.err.splitlines()[-1].startswith(f"error: {says}")
        assert {path.name for path in tmp_path.iterdir()} == {"a"}


@pytest.mark.usefixtures("few_timed")
def test_hidden_states_and_transfer_rows_of_images(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    more = pictures(tmp_path / "more", seed=1)
    shutil.copy(photos / "validation" / "cat" / "0.png", more / "cat" / "held-out.png")
    argv = ("distill", vit, "--data", photos, "--student", "layers:1", *ARGS, "--transfer", more)
    for name, option in (("plain", ()), ("hidden", ("--hidden-weight", 1))):
        done = call(*argv, *option, "--out", tmp_path / name)
        assert done.code == 0, done.err
        assert "16 rows to learn on; left out: 1 near held out" in done.err
        figures = read(tmp_path / name)
        assert figures["transfer"] == {"rows": 16, "empty": 0, "near_held_out": 1, "repeated": 0}
        assert figures["train"]["rows"] == 32
    plain, hidden = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "hidden"))
    assert plain.keys() == hidden.keys(), "projections are thrown away"
    assert any(not torch.equal(plain[name], hidden[name]) for name in plain)


def test_a_dry_run_tells_what_images_cannot_be_compared(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    classes: dict[str, Any] = {"id2label": {0: "cat", 1: "dog"}, "label2id": {"cat": 0, "dog": 1}}
    small, large = tmp_path / "small", tmp_path / "large"
    loading.save(small, *tiny("resnet", **classes))
    loading.save(large, *change(*tiny("resnet", **classes), 64))
    argv = ("distill", vit, "--data", photos, "--dry-run", "--student")
    for option in ("--mixup", "--cutmix"):
        assert call(*argv, small, option, 0.2, "--out", tmp_path / "d").code == 0
        refused(call, tmp_path, *argv, large, option, 0.2, says=("cannot judge mixed images", "leave --mixup"))
    refused(call, tmp_path, *argv, small, "--attention-weight", 1, says=("ResNetModel has no queries, keys",))


def test_a_teacher_looks_at_what_the_student_sees(photos: Path, vit: Path, tmp_path: Path) -> None:
    from toolkit.compression.distill import answers

    asked: list[Any] = []
    real = answers.answering

    def answering(*given: Any) -> Any:
        asked.append(given)
        return real(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "answering", answering)
        options = FAST | {"data": str(photos), "student": str(vit)}
        toolkit.distill(vit, out=tmp_path / "a", **options)
        assert len(asked) == 1, "each image once, before training"
        toolkit.distill(vit, out=tmp_path / "b", **options, flip=True, mixup=0.2, cutmix=1.0)
        assert len(asked) == 3


# Bad input


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--student", "layers:0"), ("a student needs a layer", "ask for 1 or more")),
        (("--student", "layers:4"), ("that is all of the teacher", "ask for fewer layers")),
        (("--student", "ffn:0"), ("above 0 and at most 1", "0.5 keeps half")),
        (("--student", "ffn:1"), ("that is all of the teacher", "below 1")),
        (("--student", "layers:2+heads:3"), ("'heads:3' is not known", "write layers:N")),
        (("--teacher-weights", 1, "--teacher-weights", 2), ("2 --teacher-weights, but teachers: 1", "give each")),
        (("--teacher-weights", 0), ("all --teacher-weights are 0", "give one")),
        (("--teacher", "nosuch"), ("no model 'nosuch'", "give a folder")),
        (("--transfer", "nosuch.csv"), ("no such file or folder: nosuch.csv", "check the path")),
        (("--layer-map", "last"), ("--layer-map is for --hidden-weight", "give one")),
        (
            ("--hidden-weight", 1, "--layer-map", "first", "--dry-run"),
            ("--layer-map first is not known", "such as 1:2"),
        ),
        (("--student", "layer:2"), ("no model 'layer:2'", "write layers:N")),
        (
            ("--student", "layers:2", "--hidden-weight", 1, "--layer-map", "3:4", "--dry-run"),
            ("3:4 is not there", "the student has 2 layers"),
        ),
        (("--r-drop", 1, "--dropout", 0, "--dry-run"), ("drops nothing out", "give --dropout")),
        (("--set", "drop_path=0.1", "--dry-run"), ("has no drop_path", "it has ")),
        (("--attention", "flash", "--device", "cpu", "--dry-run"), ("--attention flash needs a GPU",)),
        (("--compile", "--attention-weight", 1), ("--compile hides the attention", "leave one of them out")),
        (("--student", "builtin:image-tiny"), ("builtin:image-tiny does not read this data", "use builtin:text-tiny")),
    ],
)
def test_odd_lessons(
    call: Call, model: Path, split: Path, tmp_path: Path, options: tuple[Any, ...], says: tuple[str, ...]
) -> None:
    refused(call, tmp_path, "distill", model, "--data", split, *options, says=says)


@pytest.mark.parametrize("asked", ["hidden", "attention", "embedding"])
def test_what_is_compared_of_a_given_student_is_there(
    call: Call, model: Path, split: Path, tmp_path: Path, asked: str
) -> None:
    """Before any work: a dry run tells it."""
    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "artifact.json").unlink()
    argv = ("distill", model, "--data", split, "--student", other, f"--{asked}-weight", 1, "--dry-run")
    assert call(*argv, "--out", tmp_path / "d").code == 0
    if asked != "embedding":
        refused(call, tmp_path, *argv, "--layer-map", "9:1", says=("9:1 is not there", "the student has 4 layers"))
    if asked == "attention":
        own = AutoConfig.from_pretrained(model)
        sizes = {name: getattr(own, name) for name in ("vocab_size", "num_attention_heads", "id2label", "label2id")}
        shared = AlbertConfig(embedding_size=16, hidden_size=64, intermediate_size=64, num_hidden_layers=2, **sizes)
        loading.save(tmp_path / "albert", AlbertForSequenceClassification(shared), loading.load_tokenizer(other))
        albert = ("distill", model, "--data", split, "--student", tmp_path / "albert", "--dry-run")
        assert call(*albert, "--hidden-weight", 1, "--out", tmp_path / "d").code == 0
        refused(call, tmp_path, *albert, "--attention-weight", 1, says=("AlbertModel has no queries", "weight of 0"))
    tokenizer = loading.load_tokenizer(other)
    tokenizer.add_tokens(["zyzzyva"])
    tokenizer.save_pretrained(other)
    refused(call, tmp_path, *argv, says=("1 of", "tokens that the teacher's has not ('zyzzyva')"))


def test_teachers_with_other_labels(call: Call, model: Path, split: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "artifact.json").unlink()
    config = read(other, "config.json")
    config["id2label"]["2"], config["label2id"] = "refund", {"billing": 0, "delivery": 1, "refund": 2}
    (other / "config.json").write_text(json.dumps(config))
    says = ("other knows other classes than", "(product, refund)", "leave one out")
    refused(call, tmp_path, "distill", model, "--teacher", other, "--data", split, says=says)
    refused(call, tmp_path, "distill", other, "--data", split, says=("labels that the model does not know", "refund"))


def test_another_tokenizer(call: Call, model: Path, narrow: Path, split: Path, tmp_path: Path) -> None:
    """The answers are learned all the same; hidden states of other tokens are refused where they were asked for."""
    other = tmp_path / "other"
    shutil.copytree(narrow, other)
    tokens = read(other, "tokenizer.json")
    vocabulary = tokens["model"]["vocab"]
    tokens["model"]["vocab"] = {
        ("odd" if i == max(vocabulary.values()) else token): i for token, i in vocabulary.items()
    }
    tokens["model"]["merges"] = []
    (other / "tokenizer.json").write_text(json.dumps(tokens))
    argv = ("distill", model, "--data", split, "--student", other, *ARGS)
    says = ("1 of ", "tokens that the teacher's has not ('odd')", "leave out --hidden-weight")
    refused(call, tmp_path, *argv, "--hidden-weight", 1, says=says)
    assert call(*argv, "--out", tmp_path / "a").code == 0
