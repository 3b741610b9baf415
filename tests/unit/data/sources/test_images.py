import os
import tracemalloc

import pyarrow as pa
import pytest

from toolkit import inputs
from toolkit.data import sources
from toolkit.data.sources import gather, images
from toolkit.errors import ToolkitError


def laid_out(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def read(folder):
    files, passed_over = sources.locate(folder)
    return {split: table.to_pylist() for split, table in sources.read(files).items()}, passed_over


def row(name, label):
    return {"image": {"bytes": name.encode(), "path": name}, "label": label}


def test_class_folders(tmp_path):
    laid_out(tmp_path, "cat/b.jpg", "cat/a.PNG", "狗/c.webp", "dog/x.tiff")
    assert read(tmp_path) == (
        {"train": [row("cat/a.PNG", "cat"), row("cat/b.jpg", "cat"), row("dog/x.tiff", "dog"), row("狗/c.webp", "狗")]},
        [],
    )


def test_split_folders(tmp_path):
    laid_out(tmp_path, "test/cat/a.jpg", "Train/cat/a.jpg", "val/dog/b.gif", "Train/dog/c.bmp")
    tables, passed_over = read(tmp_path)
    assert tables == {
        "train": [row("Train/cat/a.jpg", "cat"), row("Train/dog/c.bmp", "dog")],
        "validation": [row("val/dog/b.gif", "dog")],
        "test": [row("test/cat/a.jpg", "cat")],
    }
    assert list(tables) == ["train", "validation", "test"]
    assert not passed_over


def test_a_class_may_be_named_like_a_split(tmp_path):
    laid_out(tmp_path, "test/a.jpg", "exam/b.jpg")
    assert [r["label"] for r in read(tmp_path)[0]["train"]] == ["exam", "test"]


def test_what_is_passed_over_is_named(tmp_path):
    kept = "train/cat/a.jpg"
    others = ["cat/x.jpg", "loose.jpg", "notes.txt", "train/.DS_Store", "train/cat/._a.jpg", "train/cat/deep/b.jpg"]
    laid_out(tmp_path, kept, *others, "train/cat/list.csv", "train/empty/c.txt")
    tables, passed_over = read(tmp_path)
    assert [r["image"]["path"] for r in tables["train"]] == ["cat/a.jpg"]
    named = ["cat", "loose.jpg", "notes.txt", "train/.DS_Store", "train/cat/._a.jpg", "train/cat/deep"]
    assert passed_over == [*named, "train/cat/list.csv", "train/empty"]


def test_many_that_are_passed_over_are_counted(tmp_path):
    laid_out(tmp_path, "cat/a.jpg", *(f"cat/{i:02}.txt" for i in range(25)))
    assert sources.locate(tmp_path)[1] == [*(f"cat/{i:02}.txt" for i in range(10)), "15 more"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.jpg", "b.jpg"], r"holds images in no class folder: put each into a folder .*CLASS/NAME\.jpg"),
        (["train/a.jpg", "test/b.jpg"], "holds images in no class folder"),
        (["val/cat/a.jpg", "dev/cat/a.jpg"], "holds two folders for validation"),
        (["deep/deeper/deepest/a.jpg"], "holds no data that is read here"),
    ],
)
def test_other_layouts_are_refused(tmp_path, names, message):
    laid_out(tmp_path, *names)
    with pytest.raises(ToolkitError, match=message):
        sources.locate(tmp_path)


@pytest.mark.parametrize("link", ["cat/link.jpg", "dog", "cat/gone.jpg", "link.txt"])
def test_links_that_leave_the_folder_are_refused(tmp_path, link):
    laid_out(tmp_path, "in/cat/a.jpg", "out/b.jpg")
    target = {"cat/link.jpg": "out/b.jpg", "dog": "out", "cat/gone.jpg": "gone.jpg", "link.txt": "out/b.jpg"}[link]
    (tmp_path / "in" / link).symlink_to(tmp_path / target)
    with pytest.raises(ToolkitError, match=rf"{link} is a link that leaves the folder: copy"):
        sources.locate(tmp_path / "in")


def test_links_within_the_folder_are_followed(tmp_path):
    laid_out(tmp_path, "in/cat/a.jpg")
    (tmp_path / "in" / "cat" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "link").symlink_to("in")
    tables, _ = read(tmp_path / "link")
    assert [(r["image"]["path"], r["image"]["bytes"]) for r in tables["train"]] == [
        ("cat/a.jpg", b"in/cat/a.jpg"),
        ("cat/b.jpg", b"in/cat/a.jpg"),
    ]


def test_names_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    try:
        (tmp_path / "cat" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system refuses such names itself")
    with pytest.raises(ToolkitError, match="is not UTF-8: rename it"):
        sources.locate(tmp_path)


def test_an_image_that_is_too_large_is_refused(tmp_path, monkeypatch):
    laid_out(tmp_path, "cat/a.jpg")
    monkeypatch.setattr(images, "MAX_BYTES", 3)
    with pytest.raises(ToolkitError, match=r"cat/a\.jpg is larger than"):
        read(tmp_path)


def test_the_digest_covers_bytes_classes_and_names(tmp_path):
    digests = set()

    def digest():
        return inputs.resolve("source", "dataset", str(tmp_path)).digest

    laid_out(tmp_path, "cat/a.jpg", "dog/b.jpg")
    assert digest() == digest()
    digests.add(digest())
    (tmp_path / "dog").rename(tmp_path / "fox")
    digests.add(digest())
    (tmp_path / "cat/a.jpg").rename(tmp_path / "fox/a.jpg")
    digests.add(digest())
    (tmp_path / "fox/a.jpg").write_bytes(b"other")
    digests.add(digest())
    assert len(digests) == 4


# Tables that name files


def embedded(tmp_path, names, **options):
    table = pa.table({"n": range(len(names)), "image": pa.array(names, pa.string())})
    return sources.embed_images(table, "image", tmp_path, **options)


def test_paths_become_images(tmp_path):
    laid_out(tmp_path, "a.jpg", "deep/b.png")
    names = ["a.jpg", None, "deep/b.png", "deep/../a.jpg"]
    read = embedded(tmp_path, names)
    assert read.column_names == ["n", "image"]
    assert read.column("image").to_pylist() == [
        {"bytes": b"a.jpg", "path": "a.jpg"},
        None,
        {"bytes": b"deep/b.png", "path": "deep/b.png"},
        {"bytes": b"a.jpg", "path": "deep/../a.jpg"},
    ]
    assert sources.embed_images(read, "image", tmp_path) is read


@pytest.mark.parametrize("name", ["../out.jpg", "in/../../out.jpg", "/etc/passwd", "link.jpg", "linked/out.jpg"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    laid_out(tmp_path, "in/a.jpg", "out.jpg")
    (tmp_path / "in" / "link.jpg").symlink_to("../out.jpg")
    (tmp_path / "in" / "linked").symlink_to("..")
    with pytest.raises(ToolkitError, match=r"row 2: the image '.*' leaves the folder"):
        embedded(tmp_path / "in", ["a.jpg", name])


@pytest.mark.parametrize("name", ["gone.jpg", "", "deep", "https://host/a.jpg", "\0.jpg"])
def test_files_that_are_not_there_are_told(tmp_path, name):
    laid_out(tmp_path, "a.jpg", "deep/b.jpg")
    with pytest.raises(ToolkitError, match=r"row 3: there is no image '.*' in "):
        embedded(tmp_path, ["a.jpg", None, name])


# Folders larger than memory


def test_a_large_folder_is_laid_out(tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "SPILL_BYTES", 1 << 20)
    monkeypatch.setattr(images, "_BLOCK", 1 << 18)
    (tmp_path / "in" / "cat").mkdir(parents=True)
    for i in range(40):
        (tmp_path / "in" / "cat" / f"{i:02}.jpg").write_bytes(bytes([i]) * (1 << 17))
    files, _ = sources.locate(tmp_path / "in")
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    table = sources.read(files, tmp_path / "aside")["train"]
    assert pa.total_allocated_bytes() - before < 1 << 20
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()
    assert (tmp_path / "aside" / "train.arrow").stat().st_size > 5 << 20
    assert [(r["image"]["path"], r["image"]["bytes"][:1]) for r in table.to_pylist()] == [
        (f"cat/{i:02}.jpg", bytes([i])) for i in range(40)
    ]
    names = [f"cat/{i:02}.jpg" for i in range(40)]
    again = embedded(tmp_path / "in", names, spill=tmp_path / "aside" / "again.arrow")
    assert (tmp_path / "aside" / "again.arrow").exists()
    assert again.column("image").to_pylist() == table.column("image").to_pylist()
