"""The floor under a text classifier: TF-IDF with a linear support vector machine on the same split.

Use: floor.py DATASET...   (artifacts of `toolkit split`)
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from toolkit import console
from toolkit.evaluation.statistics import wilson


def accuracy(folder: Path) -> list[str]:
    """Accuracy on test of word 1-2-grams and character 1-5-grams, learned on train and validation."""
    parts = {split: pd.read_parquet(folder / "data" / f"{split}.parquet") for split in ("train", "validation", "test")}
    train, test = pd.concat([parts["train"], parts["validation"]]), parts["test"]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), sublinear_tf=True, min_df=2)
    model = make_pipeline(make_union(words, characters), LinearSVC()).fit(train["text"], train["label"])
    right = int((model.predict(test["text"]) == test["label"]).sum())
    low, high = wilson(right, len(test))
    return [str(folder), f"{right / len(test):.3f} ({low:.3f}–{high:.3f})", f"{len(test):,}"]


if __name__ == "__main__":
    console.enable()
    console.table("TF-IDF and LinearSVC", ("dataset", "accuracy", "rows"), [accuracy(Path(a)) for a in sys.argv[1:]])
