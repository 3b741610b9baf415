"""Does it help? The built-in linear model, trained on rows of train with and without their children."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import content, crossfit, features
from toolkit.data.roles import compared
from toolkit.data.split import together

if TYPE_CHECKING:
    import pyarrow as pa

SEEDS, FOLDS = 5, 5
MOST = 40_000  # rows of train and children that take part
PENALTY = 1.0  # of the ridge regression


def gains(kind: str, train: pa.Table, children: pa.Table, codes: Any, seed: int) -> dict[str, dict[str, Any]]:
    """The accuracy on rows of train that were left out, with all children ("all") and with those of each method.

    Each of five seeds divides train into five folds; each fold is told by a model of the other four, once without and
    once with the children whose parents are both among those. Rows of a `group` are left out together. No child is ever
    told; validation and test play no part.

    Returns:
        name -> rows (children), without and with (accuracies), gain ({"value", "low", "high"}; 95%, corrected for folds
        that share rows: Nadeau and Bengio, 2003; Bouckaert and Frank, 2004).
    """
    most = math.ceil(MOST * train.num_rows / (train.num_rows + children.num_rows))
    part = np.sort(np.random.default_rng(seed).permutation(train.num_rows)[:most])
    ours, parents = _parents(children, train.column("id").take(part).to_pylist())
    matrices = _matrices(kind, train, children, part, ours, seed)
    targets = _targets(codes[part], children, ours, parents[:, 0])
    sets = _sets(children.column("method").take(ours).to_pylist())
    groups = _groups(train, part)
    count = min(FOLDS, len(np.unique(groups)))
    folds = [crossfit.folds(codes[part], groups, count, seed + s) for s in range(SEEDS)]
    hits: dict[str, list[float]] = {name: [] for name in ("", *sets)}
    for fold, k in console.track([(fold, k) for fold in folds for k in range(count)], "checking the gain"):
        inside, out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        apart = (fold[parents] != k).all(1)
        for name in hits:
            rows = inside if not name else np.r_[inside, len(part) + np.flatnonzero(apart & sets[name])]
            model = crossfit.fit([m[rows] for m in matrices], targets[rows], PENALTY)
            told = crossfit.predict(model, [m[out] for m in matrices]).argmax(1)
            hits[name].append(float((told == codes[part][out]).mean()))
    return {name: _gain(hits[""], hits[name], int(sets[name].sum()), count) for name in sets}


def _sets(methods: list[str]) -> dict[str, Any]:
    """name -> which children (bool): all, and, where there are several, those of each method."""
    taken = [set(method.split("+")) for method in methods]
    names = sorted(set().union(*taken))
    sets = {"all": np.ones(len(methods), dtype=bool)}
    return sets | {name: np.array([name in own for own in taken]) for name in names if len(names) > 1}


def _groups(train: pa.Table, part: Any) -> Any:
    """A number for each row's group; a row without one has its own, and all have where there is but one group."""
    own = np.arange(len(part))
    if "group" not in train.column_names:
        return own
    found = together.groups(train.select(["group"]).take(part))
    found = np.where(found < 0, len(part) + own, found)
    return found if len(np.unique(found)) > 1 else own


def _parents(children: pa.Table, ids: list[str]) -> tuple[Any, Any]:
    """(children whose parents all take part, the places of the two parents of each: of one alone, twice)."""
    place = {id_: i for i, id_ in enumerate(ids)}
    first = children.column("parent_id").to_pylist()
    second = children.column("partner_id").to_pylist() if "partner_id" in children.column_names else first
    pairs = [(a, a if b is None else b) for a, b in zip(first, second, strict=True)]
    ours = [i for i, (a, b) in enumerate(pairs) if a in place and b in place]
    places = [(place[pairs[i][0]], place[pairs[i][1]]) for i in ours]
    return np.array(ours, np.int64), np.array(places, np.int64).reshape(-1, 2)


def _targets(codes: Any, children: pa.Table, ours: Any, parents: Any) -> Any:
    """One-hot classes (float32), of mixtures their shares."""
    unit = np.eye(codes.max() + 1, dtype=np.float32)
    out = np.concatenate([unit[codes], unit[codes[parents]]])
    if "label_weights" in children.column_names:
        for i, weights in enumerate(children.column("label_weights").take(ours).to_pylist()):
            if weights:
                out[len(codes) + i] = weights[: len(unit)]
    return out


def _matrices(kind: str, train: pa.Table, children: pa.Table, part: Any, ours: Any, seed: int) -> crossfit.Parts:
    """What the model reads; what is counted or scaled is fitted on train's own rows, the same for every model."""
    import pyarrow as pa

    names = compared(train.column_names)
    both = pa.concat_tables([train.select(names), children.select(names)], promote_options="permissive")
    rows = np.r_[part, train.num_rows + ours]
    texts = content.texts(both).take(rows).to_pylist() if kind == "text" else None
    found = None if kind == "text" else features.vectors(kind, both, rows, len(part), seed)
    return crossfit.Encoder(texts, found, np.arange(len(part)), seed).parts(np.arange(len(rows)))


def _gain(without: list[float], with_: list[float], rows: int, folds: int) -> dict[str, Any]:
    from scipy.stats import t

    differences = np.array(with_) - np.array(without)
    runs, value = len(differences), float(differences.mean())
    error = float(np.sqrt((1 / runs + 1 / (folds - 1)) * differences.var(ddof=1)) * t.ppf(0.975, runs - 1))
    return {
        "rows": rows,
        "without": float(np.mean(without)),
        "with": float(np.mean(with_)),
        "gain": {"value": value, "low": value - error, "high": value + error},
    }
