"""The chain as README shows it, run by the scripts that users run, on part of sample_data and without any network."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# One worker runs all of this, since all of it stands on one chain.
pytestmark = pytest.mark.xdist_group("chain")

STEPS = ("clean", "split", "augment", "tune", "finetune", "prune", "distill", "quantize", "error-analysis")
EVALUATED = ("finetune", "prune", "distill", "quantize")


def environment(tmp_path):
    bins = Path(sys.executable).parent
    return os.environ | {
        "PATH": f"{bins}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{Path(__file__).parent / 'no_network'}{os.pathsep}{ROOT}",
        "NETWORK_LOG": str(tmp_path / "network.log"),
        "TRIALS": "1",
        "EPOCHS": "1",
    }


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    with (ROOT / "sample_data" / "text.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    with (folder / "text.csv").open("w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows(rows[:1500])
    call = ["bash", str(ROOT / "scripts/pipelines/text.sh"), "text.csv", "builtin:text-tiny", "out"]
    done = subprocess.run(call, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def test_every_step_leaves_its_artifact(chain):
    folder, done = chain
    for step in (*STEPS, *(f"evaluate-{name}" for name in EVALUATED)):
        manifest = json.loads((folder / "out" / step / "artifact.json").read_text())
        assert manifest["command"] == step.split("-")[0] or step == "error-analysis"
        assert f"out/{step}\n" in done.stdout
    assert not list((folder / "out").glob(".*"))


def test_no_step_asks_the_network(chain):
    folder, _ = chain
    assert not (folder / "network.log").exists(), (folder / "network.log").read_text()


def test_smaller_is_smaller(chain):
    folder, _ = chain
    found = {n: json.loads((folder / f"out/evaluate-{n}/metrics.json").read_text())["efficiency"] for n in EVALUATED}
    assert found["prune"]["parameters"] < found["finetune"]["parameters"]
    assert found["distill"]["parameters"] < found["finetune"]["parameters"]
    assert found["quantize"]["size_bytes"] < 0.6 * found["distill"]["size_bytes"]
    table = (folder / "out/table.md").read_text()
    assert all(f"| {name} |" in table for name in ("original", "pruned", "distilled", "quantized"))


def test_the_lineage_leads_from_the_last_folder_to_the_source(chain):
    folder, _ = chain
    node, commands = json.loads((folder / "out/evaluate-quantize/artifact.json").read_text()), []
    while node.get("inputs"):
        commands.append(node["command"])
        first = node["inputs"][0]
        node = first.get("lineage", {})
    assert commands == ["evaluate", "quantize", "distill", "finetune", "augment", "split", "clean"]
    assert first["path"] == "text.csv"


def test_stock_tools_open_the_artifacts(chain):
    import datasets
    from transformers import AutoModelForSequenceClassification

    folder, _ = chain
    data = datasets.load_dataset(str(folder / "out/split"), cache_dir=str(folder / "cache"))
    assert set(data) == {"train", "validation", "test"}
    assert data["train"].features["label"].names == ["billing", "delivery", "product"]
    for step in ("finetune", "prune", "distill"):
        model = AutoModelForSequenceClassification.from_pretrained(folder / "out" / step)
        assert set(model.config.label2id) == {"billing", "delivery", "product"}


def test_again_everything_is_up_to_date(chain):
    folder, _ = chain
    call = ["bash", str(ROOT / "scripts/pipelines/text.sh"), "text.csv", "builtin:text-tiny", "out"]
    done = subprocess.run(call, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert done.stderr.count("is up-to-date") == len(STEPS) + len(EVALUATED)


def test_the_makefile_sees_it_so_too_and_rebuilds_only_what_changed(chain):
    folder, _ = chain
    call = ["make", "-f", str(ROOT / "scripts/pipelines/Makefile"), "DATA=text.csv", "OUT=out", "TRIALS=1", "EPOCHS=1"]

    def make():
        return subprocess.run(call, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)

    make()  # the table is younger than nothing that it needs
    assert "Nothing to be done" in make().stdout
    (folder / "out/evaluate-prune/artifact.json").unlink()
    again = make()
    assert again.returncode == 0, again.stderr[-2000:]
    assert again.stdout.count("toolkit ") == 1
    assert "toolkit evaluate out/prune" in again.stdout


def test_the_compression_chain_makes_a_smaller_product_and_its_table(chain):
    folder, _ = chain
    call = ["bash", str(ROOT / "scripts/pipelines/compress.sh"), "out/finetune", "out/split", "small"]
    done = subprocess.run(call, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    names = ("original", "prune", "distill", "quantize")
    found = {n: json.loads((folder / f"small/evaluate-{n}/metrics.json").read_text())["efficiency"] for n in names}
    assert found["quantize"]["size_bytes"] < found["original"]["size_bytes"] / 3
    assert found["distill"]["parameters"] == found["prune"]["parameters"] < found["original"]["parameters"]
    (folder / "small/table.md").unlink()
    asked = environment(folder) | {"INT8": "--min-speedup 1000"}
    missed = subprocess.run(call, cwd=folder, env=asked, capture_output=True, text=True, timeout=300)
    assert missed.returncode == 3, missed.stderr[-3000:]
    assert (folder / "small/table.md").is_file(), "a gate that is not met does not keep the table back"
    assert "| quantized |" in (folder / "small/table.md").read_text()
    assert (folder / "small/pareto.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("config", "cut"),
    [
        ({"model_type": "bert"}, "--layers 3 --ffn 0.5 --vocab"),
        ({"model_type": "deit", "num_channels": 3}, "--ffn 0.5"),
        ({"model_type": "resnet", "num_channels": 3}, "--channels 0.25"),
    ],
)
def test_the_compression_chain_cuts_what_a_model_has(tmp_path, config, cut):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    stub = tmp_path / "toolkit"
    stub.write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    stub.chmod(0o755)
    call = ["bash", str(ROOT / "scripts/pipelines/compress.sh"), "model", "data", "out"]
    path = f"{tmp_path}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(call, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.stdout == f"prune model --data data {cut} --no-recover --no-sensitivity --out out/prune\n"


# Images: a shorter chain


IMAGE_STEPS = ("clean", "split", "augment", "finetune", "evaluate", "error-analysis")


@pytest.fixture(scope="module")
def image_chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for label in sorted((ROOT / "sample_data" / "images").iterdir()):
        (folder / "in" / label.name).mkdir(parents=True)
        for path in sorted(label.iterdir())[:24]:
            shutil.copy(path, folder / "in" / label.name)
    call = ["bash", str(ROOT / "scripts/pipelines/images.sh"), "in", "builtin:image-tiny", "out"]

    def run():
        env = environment(folder) | {"TRIALS": "0"}
        done = subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    return folder, run(), run()


def test_the_chain_of_images(image_chain):
    folder, first, again = image_chain
    for step in IMAGE_STEPS:
        assert json.loads((folder / "out" / step / "artifact.json").read_text())["command"] == step
        assert f"out/{step}\n" in first.stdout
    assert again.stderr.count("is up-to-date") == len(IMAGE_STEPS)
    assert not (folder / "network.log").exists()
    assert "| images |" in (folder / "out/table.md").read_text()
    lineage = json.loads((folder / "out/error-analysis/artifact.json").read_text())["inputs"][0]["lineage"]
    assert lineage["command"] == "evaluate"
    assert "data:image/png" in (folder / "out/error-analysis/report.html").read_text()


def test_stock_tools_open_the_model_of_images(image_chain):
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    folder, *_ = image_chain
    model = AutoModelForImageClassification.from_pretrained(folder / "out/finetune")
    processor = AutoImageProcessor.from_pretrained(folder / "out/finetune", backend="pil")
    assert set(model.config.label2id) == {"circle", "cross", "star", "triangle"}
    assert processor.size == {"height": 64, "width": 64}
