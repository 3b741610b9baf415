"""Images through the steps that train and judge: options, files that are left, and what is refused in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import Called, pictures
from PIL import Image
from unit.image_models import tiny

import toolkit
from toolkit.artifacts import loading

Call = Callable[..., Called]
TRAIN = ("--epochs", 1, "--batch-size", 8, "--precision", "fp32", "--device", "cpu")
CLASSES = {"id2label": {0: "cat", 1: "dog"}, "label2id": {"cat": 0, "dog": 1}}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train, validation and test of one image folder."""
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "validation", "test"):
        pictures(folder / split)
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of images with random weights."""
    folder = tmp_path_factory.mktemp("vit")
    loading.save(folder, *tiny("vit", **CLASSES))
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def one_line(called: Called, *says: str) -> None:
    assert called.code == 1, called.err
    (line,) = [line for line in called.err.splitlines() if line.startswith("error:")]
    assert "Traceback" not in called.err
    for part in says:
        assert part in line


def test_options_of_images_reach_the_model(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageClassification

    options = ("--resolution", 64, "--mixup", 0.2, "--cutmix", 1, "--flip", "--crop", 0.5)
    called = call("finetune", photos, "--model", vit, "--out", tmp_path / "m", *TRAIN, *options)
    assert called.code == 0, called.err
    config = read(tmp_path / "m" / "artifact.json")["config"]["train"]["images"]
    assert config == {"resolution": 64, "flip": True, "crop": 0.5, "mixup": 0.2, "cutmix": 1.0}
    assert AutoModelForImageClassification.from_pretrained(tmp_path / "m").config.image_size == 64
    assert read(tmp_path / "m" / "preprocessor_config.json")["size"] == {"height": 64, "width": 64}
    for changed in (("--resolution", 96), ("--mixup", 0.3)):
        one_line(
            call("finetune", photos, "--model", vit, "--out", tmp_path / "m", *TRAIN, *options, *changed), "made with"
        )


def test_a_student_of_a_resnet_is_cut_out_of_it(call: Call, photos: Path, tmp_path: Path) -> None:
    sizes = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [2, 1]}
    loading.save(tmp_path / "resnet", *tiny("resnet", **CLASSES | sizes))
    argv = ("distill", tmp_path / "resnet", "--data", photos, *TRAIN, "--hidden-weight", 1, "--out", tmp_path / "s")
    done = call(*argv, "--student", "layers:2+channels:0.5")
    assert done.code == 0, done.err
    made = read(tmp_path / "s" / "config.json")
    assert (made["depths"], made["hidden_sizes"]) == ([1, 1], [8, 16])
    told = call("evaluate", tmp_path / "s", "--data", photos, "--out", tmp_path / "e", "--device", "cpu")
    assert told.code == 0, told.err


def test_an_evaluation_keeps_paths_and_shows_the_errors(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    made = call("evaluate", vit, "--data", photos, "--out", tmp_path / "e", "--device", "cpu", "--json")
    assert made.code == 0, made.err
    rows = pd.read_parquet(tmp_path / "e" / "predictions.parquet")
    assert set(rows["image"]) == {f"test/{c}/{i}.png" for c in ("cat", "dog") for i in range(8)}
    assert {"id", "label", "predicted", "confidence", "p_cat", "p_dog"} <= set(rows.columns)
    wrong = int((rows["label"] != rows["predicted"]).sum())
    assert wrong > 0
    assert Image.open(tmp_path / "e" / "figures" / "errors.png").width > 96
    analysed = call("error-analysis", tmp_path / "e", "--out", tmp_path / "a", "--json")
    assert analysed.code == 0, analysed.err
    counted = json.loads(analysed.out)["metrics"]
    assert (counted["rows"], counted["errors"]) == (16, wrong)
    slices = read(tmp_path / "a" / "slices.json")
    assert {"brightness", "sharpness", "colourfulness"} <= set(slices["columns"])
    assert len(slices["attribution"]) == min(12, wrong)
    assert all(
        told["region"]["left"] < told["region"]["right"] <= 1 and told["place"] for told in slices["attribution"]
    )
    assert Image.open(tmp_path / "a" / "figures" / "regions.png").width > 150
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "data:image/png" in page
    name = rows.loc[rows["label"] != rows["predicted"], "id"].iloc[0]
    assert page.count(f">{name}<") == 1  # its path is its id
    errors = pd.read_parquet(tmp_path / "a" / "errors.parquet")
    assert errors["image"].str.endswith(".png").all()


def test_other_images_under_the_same_names_are_refused(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, data := tmp_path / "data")
    evaluation = toolkit.evaluate(vit, data=data, out=tmp_path / "e").artifact
    data.rename(tmp_path / "kept")
    shutil.copytree(photos, data)
    for path in data.glob("test/*/*"):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    says = "has other images under the same ids"
    one_line(call("evaluate", vit, "--data", data, "--baseline", evaluation, "--out", tmp_path / "f"), says)
    one_line(call("error-analysis", evaluation, "--data", data, "--out", tmp_path / "a"), says)
    shutil.rmtree(data)
    (tmp_path / "kept").rename(data)
    again = toolkit.evaluate(vit, data=data, baseline=[str(evaluation)], out=tmp_path / "again")
    assert again.metrics["against e"] in ("equivalent", "undecided")


def test_unlabelled_images_are_predicted(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    called = call("predict", vit, "--data", photos, "--out", tmp_path / "p", "--device", "cpu")
    assert called.code == 0, called.err
    rows = pd.read_parquet(tmp_path / "p" / "predictions.parquet")
    assert len(rows) == 48
    assert rows["image"].map(type).eq(str).all()


def test_mixtures_that_augment_made_are_learned_from(call: Call, photos: Path, vit: Path, tmp_path: Path) -> None:
    source = toolkit.split(pictures(tmp_path / "in"), out=tmp_path / "s", validation=0.25, test=0.25).artifact
    made = toolkit.augment(source, out=tmp_path / "a", method=["mixup", "cutmix"], copies=2).artifact
    train = pd.read_parquet(made / "data" / "train.parquet")
    assert train["label_weights"].notna().sum() >= 8
    weights = []
    for name, data in (("with", made), ("without", source)):
        called = call("finetune", data, "--model", vit, "--out", tmp_path / name, *TRAIN)
        assert called.code == 0, called.err
        weights.append(read(tmp_path / name / "metrics.json")["train"]["rows"])
    assert weights[0] == len(train) > weights[1]


@pytest.mark.parametrize("command", ["finetune", "tune"])
@pytest.mark.parametrize(
    "option", [("--resolution", 64), ("--mixup", 0.2), ("--cutmix", 1), ("--flip",), ("--crop", 0.5)]
)
def test_options_of_images_on_texts(call: Call, split: Path, tmp_path: Path, command: str, option: tuple[Any]) -> None:
    called = call(command, split, "--out", tmp_path / "m", *option)
    one_line(called, f"{option[0]} is for images, the data holds texts", f"leave {option[0]} out")


@pytest.mark.parametrize(("pixels", "near"), [(100, 96), (240, 256), (33, 32)])
def test_a_resolution_between(call: Call, photos: Path, tmp_path: Path, pixels: int, near: int) -> None:
    called = call("finetune", photos, "--out", tmp_path / "m", "--resolution", pixels)
    one_line(called, f"--resolution is {pixels}, no multiple of 32", f"take {near}")


@pytest.mark.parametrize("command", ["finetune", "evaluate", "predict"])
def test_a_model_of_other_contents(
    call: Call, photos: Path, vit: Path, split: Path, model: Path, tmp_path: Path, command: str
) -> None:
    for given, data, says in (
        (vit, split, "reads images, the data holds texts"),
        (model, photos, "reads texts, the data holds images"),
    ):
        argv = (data, "--model", given) if command == "finetune" else (given, "--data", data)
        one_line(call(command, *argv, "--out", tmp_path / "m"), says, "give a model for this data")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("name", "data"), [("builtin:text-tiny", "photos"), ("builtin:image-tiny", "split"), ("builtin:vit-tiny", "split")]
)
def test_a_built_in_of_other_contents(
    call: Call, request: pytest.FixtureRequest, tmp_path: Path, name: str, data: str
) -> None:
    called = call("finetune", request.getfixturevalue(data), "--model", name, "--out", tmp_path / "m")
    one_line(called, f"{name} does not read this data", "use builtin:")


@pytest.mark.parametrize("command", ["finetune", "evaluate", "predict"])
def test_an_image_that_cannot_be_read(call: Call, vit: Path, tmp_path: Path, command: str) -> None:
    for part in ("train", "validation", "test"):
        source = pictures(tmp_path / "in" / part)
        whole = (source / "cat" / "3.png").read_bytes()
        (source / "cat" / "3.png").write_bytes(whole[: len(whole) // 2])
    argv = (tmp_path / "in", "--model", vit) if command == "finetune" else (vit, "--data", tmp_path / "in")
    called = call(command, *argv, "--out", tmp_path / "m", "--device", "cpu")
    one_line(called, "cat/3.png cannot be read: broken", "run 'toolkit clean' first")


def test_odd_images_are_read(call: Call, vit: Path, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in")
    for i, mode in enumerate(("L", "RGBA", "CMYK", "P", "1", "LA")):
        suffix = "tiff" if mode == "CMYK" else "png"
        Image.open(source / "dog" / "0.png").convert(mode).save(source / "cat" / f"odd{i}.{suffix}")
    Image.new("RGB", (1, 1)).save(source / "dog" / "dot.png")
    Image.new("RGB", (2000, 1)).save(source / "dog" / "line.png")
    called = call("predict", vit, "--data", source, "--out", tmp_path / "p", "--device", "cpu")
    assert called.code == 0, called.err
    assert len(pd.read_parquet(tmp_path / "p" / "predictions.parquet")) == 24


def test_one_class_of_images(call: Call, vit: Path, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in")
    for path in (source / "dog").iterdir():
        path.unlink()
    called = call("finetune", source, "--model", vit, "--out", tmp_path / "m")  # the folder of dogs is empty
    one_line(called, "one class")
