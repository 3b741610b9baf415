"""Does it help? The built-in linear model, trained on rows of train with and without their children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import crossfit, features

if TYPE_CHECKING:
    import pyarrow as pa

SEEDS, FOLDS = 5, 5
MOST = 20_000  # rows of train that take part
PENALTY = 1.0  # of the ridge regression


def gains(kind: str, train: pa.Table, children: pa.Table, codes: Any, seed: int) -> dict[str, dict[str, Any]]:
    """The accuracy on rows of train that were left out, with all children ("all") and with those of each method.

    Each of five seeds divides train into five folds; each fold is told by a model of the other four, once without and
    once with the children whose parents are both among those. No child is ever told; validation and test play no part.

    Returns:
        name -> rows (children), without and with (accuracies), gain ({"value", "low", "high"}; 95%, corrected for folds
        that share rows: Nadeau and Bengio, 2003; Bouckaert and Frank, 2004).
    """
    import pyarrow as pa

    part = np.sort(np.random.default_rng(seed).permutation(train.num_rows)[:MOST])
    place = {id_: i for i, id_ in enumerate(train.column("id").take(pa.array(part)).to_pylist())}
    ours, parents = _parents(children, place)
    both = pa.concat_tables(
        [table.select(_content(kind, train)) for table in (train.take(pa.array(part)), children.take(pa.array(ours)))],
        promote_options="permissive",
    )
    targets = _targets(codes[part], children.take(pa.array(ours)), parents[:, 0])
    methods = np.array(children.column("method").take(pa.array(ours)).to_pylist(), dtype=object)
    sets = {"all": np.ones(len(ours), dtype=bool)}
    names = sorted({name for method in methods for name in method.split("+")})
    if len(names) > 1:
        sets |= {name: np.array([name in method.split("+") for method in methods]) for name in names}
    matrices = _matrices(kind, both, len(part), seed)
    hits: dict[str, list[float]] = {name: [] for name in ("", *sets)}
    folds = [crossfit.folds(codes[part], np.arange(len(part)), FOLDS, seed + s) for s in range(SEEDS)]
    for fold, k in console.track([(fold, k) for fold in folds for k in range(FOLDS)], "checking the gain"):
        inside, out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        apart = (fold[parents] != k).all(1)
        for name in hits:
            rows = inside if not name else np.r_[inside, len(part) + np.flatnonzero(apart & sets[name])]
            model = crossfit.fit([m[rows] for m in matrices], targets[rows], PENALTY)
            told = crossfit.predict(model, [m[out] for m in matrices]).argmax(1)
            hits[name].append(float((told == codes[part][out]).mean()))
    return {name: _gain(hits[""], hits[name], int(sets[name].sum())) for name in sets}


def _content(kind: str, table: pa.Table) -> list[str]:
    from toolkit.data.roles import features_of

    return features_of(table.column_names) if kind == "table" else [kind]


def _parents(children: pa.Table, place: dict[str, int]) -> tuple[Any, Any]:
    """(children whose parents all take part, the places of the two parents of each: of one alone, twice)."""
    first = children.column("parent_id").to_pylist()
    second = children.column("partner_id").to_pylist() if "partner_id" in children.column_names else first
    pairs = [(a, a if b is None else b) for a, b in zip(first, second, strict=True)]
    ours = [i for i, (a, b) in enumerate(pairs) if a in place and b in place]
    places = [(place[pairs[i][0]], place[pairs[i][1]]) for i in ours]
    return np.array(ours, np.int64), np.array(places, np.int64).reshape(-1, 2)


def _targets(codes: Any, children: pa.Table, parents: Any) -> Any:
    """One-hot classes (float32), of mixtures their shares."""
    unit = np.eye(codes.max() + 1, dtype=np.float32)
    out = np.concatenate([unit[codes], unit[codes[parents]]])
    if "label_weights" in children.column_names:
        for i, weights in enumerate(children.column("label_weights").to_pylist()):
            if weights:
                out[len(codes) + i] = weights[: len(unit)]
    return out


def _matrices(kind: str, both: pa.Table, own: int, seed: int) -> crossfit.Parts:
    """What the model reads; what is counted or centred is fitted on train's own rows, the same for every model."""
    rows, fitted = np.arange(both.num_rows), np.arange(own)
    texts = both.column("text").to_pylist() if kind == "text" else None
    found = None if kind == "text" else features.vectors(kind, both, seed)
    return crossfit.Encoder(texts, found, fitted, seed).parts(rows)


def _gain(without: list[float], with_: list[float], rows: int) -> dict[str, Any]:
    from scipy.stats import t

    differences = np.array(with_) - np.array(without)
    runs, value = len(differences), float(differences.mean())
    error = float(np.sqrt((1 / runs + 1 / (FOLDS - 1)) * differences.var(ddof=1)) * t.ppf(0.975, runs - 1))
    return {
        "rows": rows,
        "without": float(np.mean(without)),
        "with": float(np.mean(with_)),
        "gain": {"value": value, "low": value - error, "high": value + error},
    }
