"""Attacks on a classifier of texts before and after training on augmented rows.

Use: attack.py DATA MODEL [--rows 2000] [--test-rows 400] [--attack 200] [--copies 2] [--epochs 2] [--seed 0]

DATA is a dataset artifact with train, validation and test; MODEL a pretrained encoder. It is fine-tuned twice with
equal options and for as many steps: on a sample of the training rows, and on these with children that have synonyms
and slips of the hand. Both are attacked on the same rows of test, with WordNet's synonyms beside our own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import toolkit

METHODS = ["synonym_replacement", "keyboard", "char_swap", "char_delete", "char_insert"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--test-rows", type=int, default=400)
    parser.add_argument("--attack", type=int, default=200)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--epochs", type=float, default=2.0, help="over the augmented rows")
    parser.add_argument("--alpha", type=float, default=0.2, help="share of a child's words that are changed")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: one(name, source, given, Path(folder)) for name, source in sources(given, Path(folder)).items()}
    told(found)


def sources(given: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """The rows without and with children."""
    plain = folder / "plain"
    plain.mkdir()
    for split, rows in (("train", given.rows), ("validation", given.test_rows), ("test", given.test_rows)):
        found = pd.read_parquet(given.data / "data" / f"{split}.parquet")[["id", "text", "label"]]
        found.sample(min(rows, len(found)), random_state=given.seed).to_parquet(plain / f"{split}.parquet")
    more = toolkit.augment(
        plain, out=folder / "more", method=METHODS, alpha=given.alpha, copies=given.copies, seed=given.seed
    )
    return {"plain": plain, "augmented": more.artifact}


def one(name: str, source: Path, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train on a source, attack; the figures."""
    epochs = given.epochs * (1 if name == "augmented" else 1 + given.copies)
    options: dict[str, Any] = {"model": given.model, "seed": given.seed, "epochs": epochs, "patience": 0}
    model = toolkit.finetune(source, out=folder / f"{name}-model", **options).artifact
    tried = {"attack": given.attack, "noise": given.test_rows, "synonyms": "wordnet", "seed": given.seed}
    judged = toolkit.evaluate(model, data=str(folder / "plain"), out=folder / f"{name}-judged", **tried).artifact
    print(f"{name}: done", flush=True)
    figures: dict[str, Any] = json.loads((judged / "metrics.json").read_text(encoding="utf-8"))
    return figures


def told(found: dict[str, dict[str, Any]]) -> None:
    """The table: a line a figure, a column a model."""
    lines = {"accuracy": ("quality", "accuracy"), "accuracy under attack": ("robustness", "attack", "accuracy")}
    lines |= {"attack success": ("robustness", "attack", "success")}
    methods = ("synonyms", "characters")
    lines |= {f"by {m}": ("robustness", "attack", "methods", m, "success") for m in methods}
    lines |= {"mean drop under noise": ("robustness", "noise", "drop")}
    print(f"\n| figure | {' | '.join(found)} |\n| --- |{' ---: |' * len(found)}")
    for title, path in lines.items():
        cells = [interval(figures, path) for figures in found.values()]
        print(f"| {title} | {' | '.join(cells)} |")
    for m in methods:
        asked = [figures["robustness"]["attack"]["methods"][m]["queries"] for figures in found.values()]
        print(f"| queries a row, {m} | {' | '.join(f'{queries:.1f}' for queries in asked)} |")


def interval(figures: dict[str, Any], path: tuple[str, ...]) -> str:
    """A figure with its interval."""
    for part in path:
        figures = figures[part]
    return f"{figures['value']:.3f} ({figures['low']:.3f} to {figures['high']:.3f})"


if __name__ == "__main__":
    main()
