"""Rows divided by the likeness of their texts: TF-IDF, latent semantic analysis (Deerwester et al., 1990), k-means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.slices.family import Family, of_codes

COLUMN = "cluster"
WIDTH = 32  # of the vectors
ROWS_A_CLUSTER, MOST = 60, 50
NAMED = 4  # words that describe a cluster


def family(found: Any, vocabulary: Sequence[str], seed: int) -> Family:
    """Slices of texts that are alike, described by the words that stand out in them.

    Args:
        found: which words each text holds, csr (rows, words).
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import normalize

    clusters = min(found.shape[0] // ROWS_A_CLUSTER, MOST)
    if clusters < 2 or found.shape[1] <= WIDTH:
        return of_codes("cluster", [], np.full(found.shape[0], -1))
    weights = TfidfTransformer().fit_transform(found)
    vectors = normalize(TruncatedSVD(WIDTH, random_state=seed).fit_transform(weights))
    codes = MiniBatchKMeans(clusters, random_state=seed, n_init=3, batch_size=4096).fit_predict(vectors)
    mean = np.asarray(weights.mean(0)).ravel()
    conditions = []
    for k in range(clusters):
        inside = codes == k
        distinct = np.asarray(weights[inside].mean(0)).ravel() - mean if inside.any() else -mean
        top = [vocabulary[i] for i in np.argsort(-distinct, kind="stable")[:NAMED]]
        conditions.append({"column": COLUMN, "value": f"{k + 1}: {', '.join(top)}"})
    return of_codes("cluster", conditions, codes)
