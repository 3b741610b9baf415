"""The chain of prune, distill and quantize beside what else makes a model fast here: same rows, one run, in turns.

Use: compress.py DATA MODEL OUT [--names trec sst2 banking77 resnet vit] [--markdown FILE]

DATA holds a folder of each data set, MODEL is a pretrained encoder. For each data set of texts the model is fine-tuned,
made small by `scripts/pipelines/compress.sh`, and by the others: PyTorch, ONNX Runtime's dynamic INT8 and NNCF's INT8
of the model as transformers has it, `toolkit quantize` alone (calibrated, and trained), and three layers fine-tuned.
`resnet` and `vit` are the built-in classifiers, trained from scratch on clothing_images, and made small in the same
way. What is finished under OUT stays: a second call only measures. Then all models of a data set are timed in turns in
one process by the same Predictor (batch 32; and alone, for the latency), and judged on its test rows. Accuracy lost is
paired with the fine-tuned model, over the test rows of all data sets of texts together in the last table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import toolkit
from toolkit import inputs, quiet
from toolkit.artifacts import manifest
from toolkit.artifacts import model as models
from toolkit.commands import _models
from toolkit.data.options import ContentOptions
from toolkit.evaluation import paired
from toolkit.inference import timing
from toolkit.reading import first_token

FINETUNE = {
    "trec": "--lr 2e-4 --epochs 6 --batch-size 16",
    "sst2": "--lr 2e-4 --epochs 5 --batch-size 64",
    "banking77": "--lr 3e-4 --epochs 10",
    "resnet": "--model builtin:image-tiny --resolution 160 --flip --epochs 30 --patience 0",
    "vit": "--model builtin:vit-tiny --flip --epochs 30 --patience 0",
}
# What the script is told of each; docs/results.md says how it was chosen.
CHAIN = {
    "trec": {
        "CUT": "--layers 3 --hidden 288 --ffn 0.5 --vocab",
        "EPOCHS": "10",
        "LEARN": "--lr 3e-4 --spans 4 --patience 0",
    },
    "sst2": {
        "CUT": "--layers 6 --hidden 256 --ffn 0.75 --vocab",
        "EPOCHS": "4",
        "LEARN": "--lr 2e-4 --spans 8 --patience 0",
    },
    "banking77": {
        "CUT": "--layers 2 --hidden 288 --ffn 0.5 --vocab",
        "EPOCHS": "15",
        "LEARN": "--lr 3e-4 --patience 0",
    },
    "resnet": {"CUT": "--channels 0.25", "EPOCHS": "30", "LEARN": "--lr 1e-3 --flip --crop 0.5 --patience 0"},
    "vit": {"CUT": "--ffn 0.5", "EPOCHS": "30", "LEARN": "--lr 5e-4 --flip --crop 0.5 --patience 0"},
}
TEACHERS = (1, 2)  # seeds of two more models of texts, fine-tuned alike, that teach beside the first
IMAGES = ("resnet", "vit")
SHORT = "--layers 3 --no-recover"  # what is fine-tuned plainly
FLOAT, ORT, NNCF, OURS = "float32, PyTorch", "ONNX Runtime, INT8", "NNCF, INT8", "prune, distill, quantize"
SINGLE = {FLOAT: "finetune", ORT: "onnx", NNCF: "nncf", "quantize": "int8", "quantize, qat": "qat"}
PLAIN = {"3 layers, fine-tuned": "short", "… in INT8": "short-int8"}  # of texts alone
SMALL = {"distilled, float32": "small/distill", OURS: "small/quantize"}
COLUMNS = ("", "parameters", "bytes", "samples/s", "times", "p50 ms", "times", "accuracy lost (95%)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--names", nargs="+", default=list(FINETUNE), choices=FINETUNE)
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    given = parser.parse_args()
    for name in given.names:
        make(given.data / ("clothing_images" if name in IMAGES else name), given.model, given.out / name)
    found = {name: measured(given.out / name) for name in given.names}
    texts = {name: told for name, told in found.items() if name not in IMAGES}
    parts = [
        *(f"{name}\n\n{table(told)}" for name, told in found.items()),
        *([pooled(texts)] if texts else []),
        about(),
    ]
    text = "\n\n".join(parts)
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n", encoding="utf-8")


def make(data: Path, model: str, out: Path) -> None:
    """Every model of a data set."""
    chain, options = Path(__file__).parent.parent / "pipelines" / "compress.sh", FINETUNE[out.name]
    text = out.name not in IMAGES
    train = f"toolkit finetune {out}/split {f'--model {model}' * text} {options}"
    more = {seed: f"{out}/teacher-{seed}" for seed in TEACHERS * text}
    settings = CHAIN[out.name] | {"LEARN": " --teacher ".join([CHAIN[out.name]["LEARN"], *more.values()])}
    commands = [
        f"toolkit split {data} --out {out}/split",
        f"{train} --out {out}/finetune",
        *(f"{train} --seed {seed} --out {folder}" for seed, folder in more.items()),
        f"toolkit quantize {out}/finetune --data {out}/split --out {out}/int8",
        f"toolkit quantize {out}/finetune --data {out}/split --method qat --out {out}/qat",
        f"{chain} {out}/finetune {out}/split {out}/small",
    ]
    plain = [
        f"toolkit prune {out}/finetune --data {out}/split {SHORT} --out {out}/short-start",
        f"toolkit finetune {out}/split --model {out}/short-start {options} --out {out}/short",
        f"toolkit quantize {out}/short --data {out}/split --out {out}/short-int8",
    ]
    for command in commands + plain * text:
        subprocess.run(command.split(), check=True, env=os.environ | settings)
    with stock(), nncf_alone():
        for folder, backend in {"onnx": "onnx", "nncf": "openvino"}.items():
            toolkit.quantize(out / "finetune", data=str(out / "split"), out=out / folder, backend=backend)


def stock() -> Any:
    """Inside, PyTorch runs and converters trace what transformers has, all tokens of the last layer."""
    return mock.patch.object(first_token, "alone", return_value=contextlib.nullcontext())


def nncf_alone() -> Any:
    """Inside, NNCF corrects biases as it does by itself."""
    quantize = quiet.nncf().quantize

    def by_itself(*given: Any, **settings: Any) -> Any:
        return quantize(*given, **settings | {"fast_bias_correction": True})

    return mock.patch.object(quiet.nncf(), "quantize", by_itself)


def folders_of(name: str) -> dict[str, str]:
    """The folder of each model of a data set."""
    return SINGLE | (PLAIN if name not in IMAGES else {}) | SMALL


def measured(out: Path) -> dict[str, dict[str, Any]]:
    """Of each model its size, speed, and which test rows it tells right."""
    source, folders = inputs.resolve("data", "dataset", str(out / "split")), folders_of(out.name)
    rows = inputs.load_dataset(source, ContentOptions(), kinds=("text", "image"))["test"]
    pairs = {}
    for name, folder in folders.items():
        pairs[name] = _models.predictor(inputs.resolve("source", "model", str(out / folder)), "evaluate", "cpu")
    contents = next(iter(pairs.values())).reader.contents(rows)
    with stock():
        speed = timing.measure(pairs, contents)
        answers = {name: pair.probabilities(contents).argmax(1) for name, pair in pairs.items()}
    return {
        name: speed[name]
        | {
            "parameters": json.loads((out / folder / "artifact.json").read_text())["metrics"]["parameters"],
            "bytes": models.inference_bytes(out / folder),
            "right": answers[name] == np.array(_models.labels_in_order(rows, pairs[name].names, str(out))),
        }
        for name, folder in folders.items()
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: a model a line, beside the float one."""
    base, lines = found[FLOAT], []
    for name, told in found.items():
        lost = paired.difference(told["right"], base["right"])
        lines.append([
            name,
            f"{told['parameters'] / 1e6:.1f} M",
            f"{told['bytes'] / 1e6:.1f} MB (1/{base['bytes'] / told['bytes']:.1f})",
            f"{told['samples_per_second']:,.0f} (±{told['spread'] / 2:.0%})",
            f"{told['samples_per_second'] / base['samples_per_second']:.1f}",
            f"{told['latency_ms']['p50']:.2f}",
            f"{base['latency_ms']['p50'] / told['latency_ms']['p50']:.1f}",
            f"{100 * told['right'].mean():.1f}%" if name == FLOAT else points(lost),
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in [COLUMNS, ["---", *["---:"] * 7], *lines])


def pooled(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Over all data sets: what is lost, and the geometric means of the ratios to the float model."""
    lines = []
    for name in SINGLE | PLAIN | SMALL:
        right, base = (np.concatenate([told[side]["right"] for told in found.values()]) for side in (name, FLOAT))
        ratios = [
            [
                told[name]["samples_per_second"] / told[FLOAT]["samples_per_second"],
                told[name]["samples_per_second"] / max(told[peer]["samples_per_second"] for peer in (ORT, NNCF)),
                told[FLOAT]["latency_ms"]["p50"] / told[name]["latency_ms"]["p50"],
                told[FLOAT]["bytes"] / told[name]["bytes"],
            ]
            for told in found.values()
        ]
        faster, than_peers, sooner, smaller = np.exp(np.log(ratios).mean(0))
        lost = points(paired.difference(right, base))
        lines.append(f"| {name} | {faster:.1f} | {than_peers:.1f} | {sooner:.1f} | 1/{smaller:.1f} | {lost} |")
    head = "| all | samples/s, times float | … the better peer | p50, times | bytes | points lost (95%) |"
    return "\n".join([head, "| --- | ---: | ---: | ---: | ---: | ---: |", *lines])


def points(lost: dict[str, Any]) -> str:
    return f"{100 * lost['value']:+.1f} ({100 * lost['low']:+.1f} to {100 * lost['high']:+.1f})"


def about() -> str:
    machine, versions = manifest.machine(), manifest.versions()
    packages = ", ".join(f"{name} {versions[name]}" for name in versions)
    return f"{machine['cpu']}, {machine['cores']} cores; {timing.ROUNDS} rounds; {packages}"


if __name__ == "__main__":
    main()
