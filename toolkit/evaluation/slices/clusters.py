"""Rows divided by their likeness: k-means of what the model makes of them, else of TF-IDF by latent semantic analysis.

What a model computes of contents puts together those that it takes for alike, of images as of texts (clusters of a
model's features as hidden strata: Sohoni et al., 2020). Where there is no model, texts are alike by their words
(Deerwester et al., 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.slices.family import Family, of_codes

COLUMN = "cluster"
WIDTH = 32  # of the vectors of texts that no model has read
ROWS_A_CLUSTER, MOST = 60, 50
NAMED = 4  # words that describe a cluster


def family(found: Any, vocabulary: Sequence[str], seed: int, vectors: Any = None) -> Family:
    """Slices of rows that are alike, described by the words (of images the classes) that stand out in them.

    Args:
        found: which words each row holds, csr (rows, words).
        vectors: what a model makes of each row, float (rows, width).
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import normalize

    clusters = min(found.shape[0] // ROWS_A_CLUSTER, MOST)
    if clusters < 2 or (vectors is None and found.shape[1] <= WIDTH):
        return of_codes("cluster", [], np.full(found.shape[0], -1))
    weights = TfidfTransformer().fit_transform(found)
    points = normalize(_semantic(weights, seed) if vectors is None else vectors)
    codes = MiniBatchKMeans(clusters, random_state=seed, n_init=3, batch_size=4096).fit_predict(points)
    mean = np.asarray(weights.mean(0)).ravel()
    conditions = []
    for k in range(clusters):
        inside = codes == k
        distinct = np.asarray(weights[inside].mean(0)).ravel() - mean if inside.any() else -mean
        top = [vocabulary[i] for i in np.argsort(-distinct, kind="stable")[:NAMED] if distinct[i] > 0]
        conditions.append({"column": COLUMN, "value": f"{k + 1}: {', '.join(top)}"})
    return of_codes("cluster", conditions, codes)


def _semantic(weights: Any, seed: int) -> Any:
    from sklearn.decomposition import TruncatedSVD

    return TruncatedSVD(WIDTH, random_state=seed).fit_transform(weights)
