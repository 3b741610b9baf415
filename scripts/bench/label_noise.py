"""How well wrong labels are found: labels flipped at random, `clean --label-noise flag`, what is flagged.

Use: label_noise.py TRAIN.csv [--label COLUMN] [--model ENCODER] [--share 0.1] [--seeds 3]
                      [--cleanlab [same] [scores] [logistic]]
     label_noise.py [TRAIN.csv] --coverage 200      how often the 95% intervals hold the truth

A share of the labels is set to another class, drawn evenly. Labels that are wrong in the source itself count as right,
so that the true precision is a little higher than the one told.

--cleanlab: beside `cleanlab.filter.find_label_issues` with its defaults (prune_by_noise_rate), on the same rows, given
all or some of
  same       the very class probabilities that the toolkit judges by,
  scores     the out-of-fold scores of its ridge regression, cut off at 0 and scaled to a sum of 1,
  logistic   out-of-fold probabilities of scikit-learn's LogisticRegression on TF-IDF of character 1- to 5-grams.
cleanlab is under the AGPL and no part of the toolkit: install it into an environment of its own that sees the toolkit.

--coverage: each simulation flips 1, 3, 10 or 20% of the labels (evenly; to the next class; or in half of the classes
alone) of 400 to 5000 rows: random rows of TRAIN.csv, or without it of 2 to 10 clouds of points that overlap.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

import toolkit
from toolkit.data import noise

SHARES, KINDS = (0.01, 0.03, 0.1, 0.2), ("any other class", "the next class", "half of the classes")
PROBABILITIES = ("same", "scores", "logistic")
LEAST = 10  # flagged rows: with fewer a precision says little


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--label", default="label")
    parser.add_argument("--model")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cleanlab", nargs="*", choices=PROBABILITIES)
    parser.add_argument("--coverage", type=int, metavar="SIMULATIONS")
    given = parser.parse_args()
    rows = pd.read_csv(given.data, keep_default_na=False) if given.data else None
    if given.coverage:
        cover(rows, given)
    elif rows is None:
        parser.error("give TRAIN.csv, or --coverage")
    else:
        compare(rows, given)


def compare(rows: pd.DataFrame, given: argparse.Namespace) -> None:
    print("| seed | by | flagged | precision | recall | F1 | estimated precision (95% interval) |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    names, codes = np.unique(rows[given.label].astype(str), return_inverse=True)
    for seed in range(given.seeds):
        labels = flipped(codes, given.share, KINDS[0], np.random.default_rng(seed))
        wrong = labels != codes
        with tempfile.TemporaryDirectory() as folder:
            found = flagged(rows.assign(**{given.label: names[labels]}), given, Path(folder))
        contenders = {"toolkit": found["flagged"]}
        if given.cleanlab is not None:
            wanted = given.cleanlab or PROBABILITIES
            contenders |= {f"cleanlab, {n}": issues(n, found, rows["text"].astype(str), labels) for n in wanted}
        for by, mask in contenders.items():
            hits, told = int((mask & wrong).sum()), found["precision"] if by == "toolkit" else None
            shares = hits / max(mask.sum(), 1), hits / max(wrong.sum(), 1), 2 * hits / max(mask.sum() + wrong.sum(), 1)
            told = "{value:.3f} ({low:.3f}–{high:.3f})".format(**told) if told else "–"
            print(f"| {seed} | {by} | {mask.sum()} | {' | '.join(f'{s:.3f}' for s in shares)} | {told} |", flush=True)


def flipped(codes: Any, share: float, kind: str, rng: np.random.Generator) -> Any:
    """Class numbers, some of them moved."""
    classes = codes.max() + 1
    pool = np.flatnonzero(codes < max(classes / 2, 1)) if kind == KINDS[2] else np.arange(len(codes))
    chosen = rng.choice(pool, min(round(share * len(codes)), len(pool) // 2), replace=False)
    out = codes.copy()
    step = np.ones(len(chosen), int) if kind == KINDS[1] else rng.integers(1, classes, len(chosen))
    out[chosen] = (out[chosen] + step) % classes
    return out


def flagged(rows: pd.DataFrame, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What `noise.find` told in a run of `clean`, in the order of the rows, and the fit and the scores it came from."""
    rows.to_csv(folder / "flipped.csv", index=False)
    seen: dict[str, Any] = {}
    find, fit = noise.find, noise.fit

    def finding(*args: Any, **options: Any) -> dict[str, Any]:
        seen.update(found := find(*args, **options))
        return found

    def fitting(scores: Any, labels: Any, seed: int = 0) -> noise.Fit:
        seen.update(scores=scores, fit=fit(scores, labels, seed))
        fitted: noise.Fit = seen["fit"]
        return fitted

    with mock.patch.object(noise, "find", finding), mock.patch.object(noise, "fit", fitting):
        toolkit.clean(
            folder / "flipped.csv", out=folder / "out", label=given.label, label_noise="flag",
            stages=["format,missing,label-noise"], **({"model": given.model} if given.model else {}),
        )  # fmt: skip
    order = np.argsort(np.argsort([f"train-{i}" for i in range(len(rows))]))  # the stage goes by sorted ids
    if len(order) != seen["scored"].sum():
        raise SystemExit("rows without text or label, or of rare classes: leave them out of TRAIN.csv first")
    return seen | {name: seen[name][order] for name in ("flagged", "scores")}


def issues(name: str, found: dict[str, Any], texts: Any, labels: Any) -> Any:
    """What cleanlab flags (bool), given probabilities of that name."""
    try:
        find = import_module("cleanlab.filter").find_label_issues
    except ImportError:
        raise SystemExit("--cleanlab needs cleanlab in the Python that runs this: see --help") from None
    if name == "logistic":
        shares = logistic(texts, labels)
    else:
        shares, *_ = noise._posterior(found["fit"].theta, found["scores"].astype(np.float64), labels)
    if name == "scores":
        plain = noise.SOFT * np.log(np.expm1(np.exp(found["scores"].astype(np.float64))))  # the logarithms undone
        shares = np.maximum(plain, 1e-6) / np.maximum(plain, 1e-6).sum(1, keepdims=True)
    return find(labels, shares, n_jobs=1)


def logistic(texts: Any, labels: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), min_df=2, sublinear_tf=True)
    model = make_pipeline(grams, LogisticRegression(max_iter=1000))
    return cross_val_predict(model, texts, labels, cv=5, method="predict_proba")


def cover(rows: pd.DataFrame | None, given: argparse.Namespace) -> None:
    """The bias of the estimates, the width of their intervals, and how many hold the truth."""
    found = pd.DataFrame(simulated(rows, given))
    print("| errors | estimate of | simulations | mean error | half a width | holds the truth | below | above |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind in (*KINDS, "all"):
        for of in ("precision", "share"):
            some = found[(found["of"] == of) & ((found["kind"] == kind) | (kind == "all"))]
            below, above = (some["truth"] < some["low"]).mean(), (some["truth"] > some["high"]).mean()
            error, half = (some["value"] - some["truth"]).mean(), (some["high"] - some["low"]).mean() / 2
            print(f"| {kind} | {of} | {len(some)} | {error:+.3f} | {half:.3f} | {1 - below - above:.1%} "
                  f"| {below:.1%} | {above:.1%} |")  # fmt: skip


def simulated(rows: pd.DataFrame | None, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in range(given.coverage):
        rng = np.random.default_rng(seed)
        count, share, kind = int(rng.choice([400, 1500, 5000])), float(rng.choice(SHARES)), str(rng.choice(KINDS))
        if rows is None:
            codes, source = clouds(count, rng)
        else:
            some = rows.iloc[np.sort(rng.permutation(len(rows))[:count])]
            codes = np.unique(some[given.label].astype(str), return_inverse=True)[1]
            source = {"texts": some["text"].astype(str).tolist()}
        labels = flipped(codes, share, kind, rng)
        wrong, found = labels != codes, noise.find(labels, **source, seed=seed)
        yield {"of": "share", "kind": kind, "truth": wrong.mean(), **found["share"]}
        if found["flagged"].sum() >= LEAST:
            yield {"of": "precision", "kind": kind, "truth": wrong[found["flagged"]].mean(), **found["precision"]}


def clouds(count: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Classes of uneven size, each of one or three clouds, in 5 to 60 dimensions; more or less far apart."""
    classes, width = int(rng.choice([2, 3, 5, 10])), int(rng.choice([5, 20, 60]))
    codes = rng.choice(classes, count, p=rng.dirichlet(np.full(classes, 5.0)))
    codes = np.unique(np.r_[np.repeat(np.arange(classes), 10), codes][:count], return_inverse=True)[1]
    parts = int(rng.choice([1, 3]))
    centres = rng.standard_normal((classes, parts, width)) * rng.uniform(1.5, 5) / np.sqrt(width)
    spread = 1.0 if rng.random() < 0.5 else rng.gamma(4, 0.25, (count, 1))
    points = centres[codes, rng.integers(0, parts, count)] + spread * rng.standard_normal((count, width))
    return codes, {"vectors": points.astype(np.float32)}


if __name__ == "__main__":
    main()
