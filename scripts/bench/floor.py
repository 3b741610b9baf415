"""The floor under a classifier, on the same split: of texts TF-IDF with a linear support vector machine, of images
colour histograms with one of Gaussian kernels, and histograms of gradients with a linear one.

Use: floor.py DATASET...   (artifacts of `toolkit split`)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from toolkit import console
from toolkit.data import features
from toolkit.data.images.decode import decode
from toolkit.evaluation.statistics import wilson

BINS = 8  # a channel


def on_texts() -> Any:
    """Word 1-2-grams and character 1-5-grams."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), sublinear_tf=True, min_df=2)
    return make_pipeline(make_union(words, characters), LinearSVC())


def on_colours() -> Any:
    """C and the kernels' width by five folds of what it learns from."""
    grid = {"svc__C": [1, 3, 10], "svc__gamma": ["scale", 3e-3]}
    return GridSearchCV(make_pipeline(StandardScaler(), SVC()), grid, cv=5)


def on_gradients() -> Any:
    return make_pipeline(StandardScaler(), LinearSVC(C=1e-3))


def texts(rows: pa.Table) -> list[str]:
    found: list[str] = rows.column("text").to_pylist()
    return found


def colours(rows: pa.Table) -> Any:
    """Square roots of the shares of 8 x 8 x 8 colours in hue, saturation and value, (rows, 512)."""
    return np.stack([_histogram(cell) for cell in rows.column("image").to_pylist()])


def _histogram(cell: dict[str, Any]) -> Any:
    pixels = np.asarray(decode(cell["bytes"]).image.convert("HSV")).reshape(-1, 3) // (256 // BINS)
    counts = np.bincount(pixels.astype(int) @ [BINS * BINS, BINS, 1], minlength=BINS**3)
    return np.sqrt(counts / len(pixels))


def gradients(rows: pa.Table) -> Any:
    """What the linear model of `augment --check` reads, (rows, 624)."""
    return features.vectors("image", rows, np.arange(rows.num_rows), rows.num_rows)


FLOORS = {
    "text": {"TF-IDF": (texts, on_texts)},
    "image": {"colours": (colours, on_colours), "gradients": (gradients, on_gradients)},
}


def accuracies(folder: Path) -> list[list[str]]:
    """Accuracy on test of each floor, learned on train and validation."""
    parts = [parquet.read_table(folder / "data" / f"{split}.parquet") for split in ("train", "validation", "test")]
    train, test, out = pa.concat_tables(parts[:2]), parts[2], []
    for name, (read, model) in FLOORS["image" if "image" in train.column_names else "text"].items():
        labels, expected = (part.column("label").to_numpy() for part in (train, test))
        right = int((model().fit(read(train), labels).predict(read(test)) == expected).sum())
        low, high = wilson(right, len(expected))
        out.append([str(folder), name, f"{right / len(expected):.3f} ({low:.3f}–{high:.3f})", f"{len(expected):,}"])
    return out


if __name__ == "__main__":
    console.enable()
    rows = [row for argument in sys.argv[1:] for row in accuracies(Path(argument))]
    console.table("The floor", ("dataset", "on", "accuracy", "rows"), rows)
