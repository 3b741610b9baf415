"""The floor under a classifier, on the same split: of texts TF-IDF with a linear support vector machine, of images
colour histograms with one of Gaussian kernels.

Use: floor.py DATASET...   (artifacts of `toolkit split`)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from toolkit import console
from toolkit.data.images.decode import decode
from toolkit.evaluation.statistics import wilson

BINS = 8  # a channel


def of_texts() -> Any:
    """Word 1-2-grams and character 1-5-grams."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), sublinear_tf=True, min_df=2)
    return make_pipeline(make_union(words, characters), LinearSVC())


def of_images() -> Any:
    """Histograms; C and the kernel's width by five folds of train."""
    model = make_pipeline(StandardScaler(), SVC())
    return GridSearchCV(model, {"svc__C": [1, 3, 10, 30], "svc__gamma": ["scale", 3e-4, 1e-3, 3e-3]}, cv=5)


def histogram(cell: dict[str, Any]) -> Any:
    """Square roots of the shares of 8 x 8 x 8 colours in hue, saturation and value, (512,)."""
    pixels = np.asarray(decode(cell["bytes"]).image.convert("HSV")).reshape(-1, 3) // (256 // BINS)
    counts = np.bincount(pixels.astype(int) @ [BINS * BINS, BINS, 1], minlength=BINS**3)
    return np.sqrt(counts / len(pixels))


def accuracy(folder: Path) -> list[str]:
    """Accuracy on test, learned on train and validation."""
    parts = {split: pd.read_parquet(folder / "data" / f"{split}.parquet") for split in ("train", "validation", "test")}
    train, test = pd.concat([parts["train"], parts["validation"]]), parts["test"]
    if "image" in train:
        model, (seen, new) = of_images(), (np.stack([histogram(c) for c in rows["image"]]) for rows in (train, test))
    else:
        model, seen, new = of_texts(), train["text"], test["text"]
    right = int((model.fit(seen, train["label"]).predict(new) == test["label"]).sum())
    low, high = wilson(right, len(test))
    return [str(folder), f"{right / len(test):.3f} ({low:.3f}–{high:.3f})", f"{len(test):,}"]


if __name__ == "__main__":
    console.enable()
    console.table("The floor", ("dataset", "accuracy", "rows"), [accuracy(Path(a)) for a in sys.argv[1:]])
