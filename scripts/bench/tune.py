"""How soon TPE with median pruning finds what random search without pruning finds, both given the same time.

Use: tune.py DATA MODEL [--folder FOLDER] [--rows 800] [--epochs 4] [--trials 16] [--seeds 3] [--metric accuracy]
             [--max-length 48] [--space FILE]

DATA is what `toolkit split` reads, MODEL what `toolkit tune` takes. For each seed a stratified sample of train is
drawn, a fifth of it for validation. Random search runs its trials to the end; then TPE gets as many seconds as that
took, drawing and pruned trials counted. TPE begins with the default options; its next three trials are random, the same
as random search's of that seed. Told is after how many seconds, and after how many epochs of training (which no other
load on the machine changes), each had found a trial as good as random search's best: beside what random search took to
find it, and beside all that it ran, of which it needs half by itself on average. The studies stay in FOLDER: a call
that was cut off goes on, and one that is made again only tells.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import toolkit

SEARCHES = {"random": ("random", "none"), "tpe": ("tpe", "median")}
MOST = 20  # times the trials of random search, more than its time allows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("model")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bench-tune")
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--max-length", type=int, default=48)
    parser.add_argument("--space")
    given = parser.parse_args()
    told = [one(given, seed) for seed in range(given.seeds)]
    print(pd.DataFrame(told).to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    came = sum(row["tpe best"] * sign(given.metric) >= row["random best"] * sign(given.metric) for row in told)
    print(f"TPE with pruning came to random search's best in {came} of {len(told)} searches.")
    for unit in ("seconds", "epochs"):
        for whole in ("random", "all"):
            shares = [row[f"tpe {unit}"] / row[f"{whole} {unit}"] for row in told]
            what = "in which random search found it" if whole == "random" else "of all of random search"
            print(f"{statistics.median(shares):.2f} ({min(shares):.2f}–{max(shares):.2f}) of the {unit} {what}")


def sign(metric: str) -> int:
    return -1 if metric == "loss" else 1


def one(given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """A seed's two searches; infinite where TPE did not come to random search's best in its time."""
    folder = given.folder / f"seed{seed}"
    rows = toolkit.split(given.data, out=folder / "data", seed=seed, validation=0.2, subset=_share(given))
    options = {"model": given.model, "seed": seed, "epochs": given.epochs, "metric": given.metric, "space": given.space}
    options |= {"max_length": given.max_length}
    found, spent = {}, None
    for name, (sampler, pruner) in SEARCHES.items():
        trials = given.trials * (1 if spent is None else MOST)
        done = toolkit.tune(
            rows.artifact,
            out=folder / name,
            sampler=sampler,
            pruner=pruner,
            total_trials=trials,
            timeout=spent,
            **options,
        )
        spent = done.metrics["seconds"]
        found[name] = pd.read_csv(done.artifact / "trials.csv")
        print(
            f"seed {seed}, {name}: best {done.metrics['best']:.4f} of {len(found[name])} trials, {spent:.0f} s",
            flush=True,
        )
    complete = {name: table[table["state"] == "COMPLETE"]["value"] for name, table in found.items()}
    way = sign(given.metric)
    goal = max(way * complete["random"])
    out = {"seed": seed, "random best": way * goal, "tpe best": way * max(way * complete["tpe"])}
    for unit in ("seconds", "epochs"):
        out |= {f"{name} {unit}": reached(table, way, goal, unit) for name, table in found.items()}
        out[f"all {unit}"] = found["random"][unit].sum()
    return out | {"tpe trials": len(found["tpe"]), "pruned": int((found["tpe"]["state"] == "PRUNED").sum())}


def _share(given: argparse.Namespace) -> Any:
    """The share of train that a sample of `--rows` is."""
    count: int = toolkit.split(given.data, out=given.folder / "unsplit", dry_run=True).metrics["rows"]["train"]
    return min(1.0, given.rows / count)


def reached(table: pd.DataFrame, way: int, goal: float, unit: str) -> float:
    """What had been spent when a trial was complete that is as good as the goal."""
    good = (table["state"] == "COMPLETE") & (way * table["value"] >= goal)
    return float(table[unit].cumsum()[good].min()) if good.any() else float("inf")


if __name__ == "__main__":
    main()
