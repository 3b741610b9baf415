"""Scores of every class for every row by models that never saw the row: ridge regression, out of fold.

Texts as TF-IDF of their character 1- to 5-grams and word 1- and 2-grams; vectors (embeddings, numbers) through a
Gaussian kernel by the Nyström method (Williams & Seeger, 2001); both added up. Regression to one-hot classes (Rifkin &
Klautau, 2004) in its dual form, all classes at once by conjugate gradients: nothing is iterated over classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.data.text import CJK

CHARACTERS = 10_000_000  # of all texts together whose character n-grams count; more are cut off the long ones
LONGEST = 10_000  # characters of a text whose words count
LANDMARKS = 1024
BLOCK = 16_384  # rows whose kernel is held at a time
STEPS, RESIDUE = 40, 0.03  # of the conjugate gradients: at most so many, until the residue is this share of the target
COLUMNS = 32  # classes solved at a time: bounds the memory
Parts = list[Any]  # matrices (rows, features), sparse or dense, float32; a row has a norm of about 1 in each


def folds(codes: Any, groups: Any, count: int, seed: int) -> Any:
    """A fold (int64, 0 to count - 1) for each row: classes spread evenly, rows of a group together.

    What number a group bears plays no part.
    """
    _, first, unit = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(first)[np.random.default_rng(seed).permutation(len(first))]
    order = order[np.argsort(codes[first[order]], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % count
    return fold[unit]


class Encoder:
    """From rows to `Parts`; what is counted and centred is fitted on the rows `train` (numbers) alone.

    Args:
        texts: one a row, or None.
        vectors: float array (rows, width), or None; what is not finite is missing and counts as the mean.
    """

    def __init__(self, texts: Sequence[str] | None, vectors: Any, train: Any, seed: int) -> None:
        self.texts, self.vectors = texts, vectors
        self.names = ["n-grams"] * (texts is not None) + ["vectors"] * (vectors is not None)
        if texts is not None:
            self.length = max(CHARACTERS // len(train), 100)
            self._fit_texts([texts[i] for i in train])
        if vectors is not None:
            self._fit_vectors(train, seed)

    def parts(self, rows: Any) -> Parts:
        out = []
        if self.texts is not None:
            out.append(self._grams([self.texts[i] for i in rows]))
        if self.vectors is not None:
            out.append(self._nystroem(rows))
        return out

    def _fit_texts(self, texts: list[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        options = {"sublinear_tf": True, "dtype": np.float32, "lowercase": False}
        characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), min_df=2, **options)
        # Chinese is told by its characters alone
        words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=rf"[^\W{CJK}]+|[^\w\s]|[\x02\x03]", **options)
        self.grams = [(characters, self.length), (words, LONGEST)]
        for grams, length in self.grams:
            grams.fit(_marked(texts, length))

    def _grams(self, texts: list[str]) -> Any:
        from scipy.sparse import csr_array, hstack
        from sklearn.preprocessing import normalize

        found = [grams.transform(_marked(texts, length)) for grams, length in self.grams]
        return csr_array(normalize(hstack(found, format="csr")))

    def _fit_vectors(self, train: Any, seed: int) -> None:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(train))[:LANDMARKS])
        known = np.isfinite(self.vectors[train])
        total = np.where(known, self.vectors[train], 0).sum(0, dtype=np.float64)
        self.centre = total / np.maximum(known.sum(0), 1)
        self.landmarks = self._scaled(self.vectors[train[chosen]])
        distances = _distances(self.landmarks, self.landmarks)
        self.width = float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
        kernel = self._kernel(self.landmarks)
        self.root = np.linalg.cholesky(kernel + 1e-4 * np.eye(len(kernel)))

    def _nystroem(self, rows: Any) -> Any:
        """Features (rows, landmarks) whose products approximate the kernel."""
        from scipy.linalg import solve_triangular

        out = np.empty((len(rows), len(self.landmarks)), np.float32)
        for start in range(0, len(rows), BLOCK):
            kernel = self._kernel(self._scaled(self.vectors[rows[start : start + BLOCK]]))
            out[start : start + BLOCK] = solve_triangular(self.root, kernel.T, lower=True).T
        return out

    def _scaled(self, vectors: Any) -> Any:
        return np.where(np.isfinite(vectors), vectors - self.centre, 0.0)

    def _kernel(self, scaled: Any) -> Any:
        """exp(-2 d^2 / median d^2) to the landmarks, float64."""
        return np.exp(-2 / self.width * _distances(scaled, self.landmarks))


def _marked(texts: list[str], length: int) -> list[str]:
    """Start and end as signs of their own, so that an n-gram tells where it stands."""
    return [f"\x02{text[:length].lower()}\x03" for text in texts]


def _distances(left: Any, right: Any) -> Any:
    """Squared Euclidean distances."""
    square = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
    return np.maximum(square, 0.0)


Model = tuple[list[Any], Any]  # weights (features, classes) of each part, mean target


def fit(parts: Parts, targets: Any, penalty: float) -> Model:
    """Ridge regression with an intercept; targets float32 (rows, classes)."""
    mean = targets.mean(0)
    weights: list[list[Any]] = [[] for _ in parts]
    for start in range(0, targets.shape[1], COLUMNS):
        dual = _solved(parts, targets[:, start : start + COLUMNS] - mean[start : start + COLUMNS], penalty)
        for part, found in zip(parts, weights, strict=True):
            found.append(part.T @ dual)
    return [np.concatenate(found, 1) for found in weights], mean


def predict(model: Model, parts: Parts) -> Any:
    weights, mean = model
    return sum((part @ w for part, w in zip(parts, weights, strict=True)), mean)


def _solved(parts: Parts, targets: Any, penalty: float) -> Any:
    """(K + penalty I)^-1 targets, K the sum of part @ part.T, by conjugate gradients in each column."""
    out, residue = np.zeros_like(targets), targets.copy()
    direction, size = residue.copy(), (residue**2).sum(0)
    enough = RESIDUE**2 * size
    for _ in range(STEPS):
        if (size <= enough).all():
            break
        image = penalty * direction
        for part in parts:
            image += part @ (part.T @ direction)
        step = size / np.maximum((direction * image).sum(0), 1e-30)
        out += step * direction
        residue -= step * image
        before, size = size, (residue**2).sum(0)
        direction = residue + size / np.maximum(before, 1e-30) * direction
    return out
