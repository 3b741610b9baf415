"""Rows from elsewhere: `toolkit evaluate --ood` beside what TF-IDF with a linear model reaches on the same rows.

Use: ood.py DATA MODEL --ood FILE [--ood-validation FILE] [--out FOLDER]

DATA is a dataset artifact of texts with train, validation and test; MODEL was fine-tuned on it. The linear models learn
from the same training rows: a support vector machine on words and pairs of words (its largest decision value is the
score) and a logistic regression on words (its largest probability).
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
from toolkit.evaluation.robustness import detection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("--ood", required=True)
    parser.add_argument("--ood-validation")
    parser.add_argument("--out", type=Path, help="keep the evaluation here")
    given = parser.parse_args()
    print("| model | score | accuracy | AUROC | AUPR | FPR at 95% TPR |\n| --- | --- | ---: | ---: | ---: | ---: |")
    train, test = (pd.read_parquet(given.data / "data" / f"{name}.parquet") for name in ("train", "test"))
    for name, (accuracy, figures) in linear(train, test, pd.read_csv(given.ood)).items():
        told("TF-IDF, linear", name, accuracy, figures)
    with tempfile.TemporaryDirectory() as folder:
        options = {"ood": given.ood, "ood_validation": given.ood_validation}
        made = toolkit.evaluate(given.model, data=str(given.data), out=given.out or Path(folder) / "e", **options)
        found = json.loads((made.artifact / "metrics.json").read_text(encoding="utf-8"))
    ood, accuracy = found["robustness"]["ood"], found["quality"]["accuracy"]["value"]
    for name, figures in ood["methods"].items():
        told(Path(given.model).name, name + " (chosen)" * (name == ood["method"]), accuracy, figures)


def linear(train: pd.DataFrame, test: pd.DataFrame, other: pd.DataFrame) -> dict[str, tuple[float, dict[str, Any]]]:
    """Accuracy and figures of the linear models, by the name of their score."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    models = {
        "decision value": (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(), "decision_function"),
        "probability": (TfidfVectorizer(), LogisticRegression(C=10, max_iter=300), "predict_proba"),
    }
    out = {}
    for name, (vectors, model, score) in models.items():
        model.fit(vectors.fit_transform(train["text"]), train["label"])
        inside, outside = vectors.transform(test["text"]), vectors.transform(other["text"])
        scores = [getattr(model, score)(rows).max(1) for rows in (inside, outside)]
        accuracy = float(np.mean(model.predict(inside) == test["label"]))
        out[name] = accuracy, detection.figures(scores[0], scores[1], 0)
    return out


def told(model: str, score: str, accuracy: float, figures: dict[str, Any]) -> None:
    """A row of the table."""
    shown = [f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})" for f in figures.values()]
    print(f"| {model} | {score} | {accuracy:.3f} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
