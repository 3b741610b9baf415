"""What augmentation brings to few rows: the protocol of EDA (Wei & Zou, 2019, section 3) on one data set.

Use: augment_gain.py FOLDER [--rows 500] [--model builtin:text-tiny] [--copies 16] [--preset eda] [--alpha 0.05]
                            [--epochs 15] [--seeds 5]

FOLDER holds train and test. Of train a stratified sample is drawn for each seed; a model is trained on it without and
with its children, and both are judged on the whole test split. The defaults are the paper's choice for 500 rows. Both
models train for the same number of steps, and keep the weights that were best on a tenth of the sample. The
interval counts in the chance of the seeds and that of the test rows.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import toolkit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--model", default="builtin:text-tiny")
    parser.add_argument("--copies", type=int, default=16)
    parser.add_argument("--preset", default="eda")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--epochs", type=float, default=15.0, help="over the augmented rows")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    train, test = (pd.read_csv(given.data / f"{name}.csv", keep_default_na=False) for name in ("train", "test"))
    hits: dict[str, list[Any]] = {"without": [], "with": []}
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found = one(train, test, given, seed, Path(folder))
        print(f"seed {seed}: {found['without'].mean():.4f} without, {found['with'].mean():.4f} with", flush=True)
        for name, right in found.items():
            hits[name].append(right)
    told(hits)


def one(train: pd.DataFrame, test: pd.DataFrame, given: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    """Which test rows are told right (bool), by a model trained without and one trained with children."""
    (folder / "few").mkdir()
    label = "label" if "label" in train else "category"
    share = given.rows / len(train)
    train.groupby(label).sample(frac=share, random_state=seed).to_csv(folder / "few" / "train.csv", index=False)
    test.to_csv(folder / "few" / "test.csv", index=False)
    sources = {"without": folder / "few", "with": folder / "more"}
    toolkit.augment(
        sources["without"], out=sources["with"], preset=given.preset, alpha=given.alpha, copies=given.copies, seed=seed
    )
    out = {}
    for name, source in sources.items():
        epochs = given.epochs * (1 if name == "with" else 1 + given.copies)
        options: dict[str, Any] = {"model": given.model, "seed": seed, "epochs": epochs, "patience": 0}
        model = toolkit.finetune(source, out=folder / f"{name}-model", **options).artifact
        judged = toolkit.evaluate(model, data=str(source), out=folder / f"{name}-judged").artifact
        rows = pd.read_parquet(judged / "predictions.parquet")
        out[name] = (rows["label"] == rows["predicted"]).to_numpy()
    return out


def told(hits: dict[str, list[Any]]) -> None:
    """A row of a table: accuracies, and the gain with its 95% interval."""
    without, with_ = (np.array(found, dtype=float) for found in hits.values())
    difference = with_ - without
    variance = difference.mean(0).var(ddof=1) / difference.shape[1] + difference.mean(1).var(ddof=1) / len(difference)
    value, error = difference.mean(), 1.96 * np.sqrt(variance)
    print("\n| without | with | gain (95% interval) |\n| ---: | ---: | ---: |")
    print(
        f"| {without.mean():.3f} | {with_.mean():.3f} | {value:+.3f} ({value - error:+.3f} to {value + error:+.3f}) |"
    )


if __name__ == "__main__":
    main()
