"""How well wrong labels are found: labels flipped at random, `clean --label-noise flag`, what is flagged.

Use: label_noise.py TRAIN.csv [--label COLUMN] [--model ENCODER] [--share 0.1] [--seeds 3]

A share of the labels is set to another class, drawn evenly.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import toolkit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--label", default="label")
    parser.add_argument("--model")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    rows = pd.read_csv(given.data, keep_default_na=False)
    print("| seed | flagged | precision | recall | F1 | estimated precision (95% interval) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for seed in range(given.seeds):
        wrong, labels = flipped(rows[given.label].astype(str).to_numpy(), given.share, seed)
        with tempfile.TemporaryDirectory() as folder:
            found, figures = flagged(rows.assign(**{given.label: labels}), given, Path(folder))
        hits = int(wrong[found].sum())
        precision, recall = hits / max(len(found), 1), hits / max(int(wrong.sum()), 1)
        f1 = 2 * hits / max(len(found) + int(wrong.sum()), 1)
        told = "–" if not figures["precision"] else "{value:.3f} ({low:.3f}–{high:.3f})".format(**figures["precision"])
        print(f"| {seed} | {len(found)} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {told} |", flush=True)


def flipped(labels: Any, share: float, seed: int) -> tuple[Any, Any]:
    """Which rows were flipped (bool), and the labels after."""
    rng, names = np.random.default_rng(seed), sorted(set(labels))
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[rng.choice(len(labels), round(share * len(labels)), replace=False)] = True
    out = [
        rng.choice([n for n in names if n != label]) if bad else label for label, bad in zip(labels, wrong, strict=True)
    ]
    return wrong, out


def flagged(rows: pd.DataFrame, given: argparse.Namespace, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The numbers of the flagged rows, and what the stage says of itself."""
    rows.to_csv(folder / "flipped.csv", index=False)
    options = {"model": given.model} if given.model else {}
    made = toolkit.clean(
        folder / "flipped.csv", out=folder / "out", label=given.label, label_noise="flag",
        stages=["format,missing,label-noise"], **options,
    )  # fmt: skip
    kept = pd.read_parquet(made.artifact / "data" / "train.parquet")
    flags = kept["flags"].fillna("") if "flags" in kept else pd.Series("", index=kept.index)
    ids = kept["id"][flags.str.contains("label noise")]
    report = json.loads((made.artifact / "report.json").read_text(encoding="utf-8"))
    return ids.str.removeprefix("train-").astype(int).to_numpy(), report["stages"][-1]["figures"]


if __name__ == "__main__":
    main()
