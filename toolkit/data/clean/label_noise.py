"""Labels that are probably wrong, told by models that did not see them (`toolkit.data.noise`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import content, near, noise, numbers
from toolkit.data.clean.rows import Rows

_CATEGORIES = 50  # values of a column that are told apart


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Flag, drop or relabel rows whose label is probably wrong; those go first into an audit."""
    ids = np.array(rows.values("id"), dtype=object)
    living = rows.living()
    living = living[np.argsort(ids[living], kind="stable")]  # the order of the source plays no part
    names = sorted({name for name in rows.labels(living).values() if name})
    code = {name: k for k, name in enumerate(names)}
    codes = np.array([code.get(label or "", -1) for label in rows.labels(living).values()], np.int64)
    texts = [text or "" for text in content.texts(rows.table).take(living).to_pylist()] if rows.kind == "text" else None
    found = noise.find(
        codes,
        texts=texts,
        vectors=given["embed"](texts) if texts and "embed" in given else _vectors(rows, living),
        train=rows.fit[living],
        groups=_groups(rows, config)[living],
        folds=config.noise.noise_folds,
        seed=config.seed,
    )
    _act(rows, config, living, codes, names, found)
    count = int(found["flagged"].sum())
    console.note(f"label noise: {count} labels are probably wrong, {_told(found['precision'])} of these truly")
    return {
        "content": found["content"],
        "scored": int(found["scored"].sum()),
        "flagged": int(found["flagged"].sum()),
        "threshold": round(float(found["threshold"]), 4),
        "precision": _rounded(found["precision"]),
        "share_of_wrong_labels": _rounded(found["share"]),
        "classes_too_rare": [names[k] for k in found["rare"]],
    }


def _act(rows: Rows, config: Any, living: Any, codes: Any, names: list[str], found: Mapping[str, Any]) -> None:
    action = "flag" if config.noise.label_noise == "off" else config.noise.label_noise
    which = np.flatnonzero(found["flagged"])
    for k in which[np.argsort(-found["p_wrong"][which], kind="stable")].tolist():
        row, other, chance = int(living[k]), names[found["suggested"][k]], found["p_wrong"][k]
        rows.suspicious[row] = (other, f"label noise {chance:.2f}")
        if action == "flag":
            rows.flag(row, f"label noise: maybe {other}")
        elif action == "drop":
            rows.reject(row, "label noise", f"maybe {other}, not {names[codes[k]]}: probability {chance:.2f}")
    if action == "relabel":
        usable = which[~rows.protected[living[which]]]
        rows.replace("label", living[usable], [names[k] for k in found["suggested"][usable]])


def _groups(rows: Rows, config: Any) -> Any:
    """Near-duplicates are of one group, so that none tells on another."""
    search = rows.near(config.duplicates.near)
    clusters = np.array(near.clusters(int(search.number.max(initial=-1)) + 1, search.links()), np.int64)
    alone = np.arange(len(rows)) + len(clusters)  # a text without any character
    if not len(clusters):
        return alone
    return np.where(search.number >= 0, clusters[search.number], alone)


def _vectors(rows: Rows, living: Any) -> Any:
    """What a model can learn from where there is no text: float (rows, width), scaled by train; None of nothing."""
    if rows.kind == "image":
        looks = rows.looks()
        return (
            np.concatenate(
                [looks.luma[living].reshape(len(living), -1), looks.chroma[living].reshape(len(living), -1)], 1
            )
            / 255
        )
    if rows.kind == "series":
        columns = list(numbers.series_statistics(rows.table.column("series")).values())
    elif rows.kind == "table":
        numeric = set(numbers.numeric(rows.table, rows.features))
        columns = [rows.floats(name) for name in rows.features if name in numeric]
        for name in rows.features:
            if name not in numeric and not numbers.is_identifier(name):
                values = np.array([str(value) for value in rows.values(name)])
                columns += [(values == value).astype(float) for value in sorted(set(values.tolist()))[:_CATEGORIES]]
    else:
        return None
    if not columns:
        return None
    found = np.stack(columns, 1)
    usual = np.ma.masked_invalid(found[rows.fit])
    mean, scale = usual.mean(0).filled(0), usual.std(0).filled(0)
    return (found[living] - mean) / np.where(scale > 0, scale, 1)


def _rounded(figure: Mapping[str, float] | None) -> dict[str, float] | None:
    return {name: round(float(value), 4) for name, value in figure.items()} if figure else None


def _told(figure: Mapping[str, float] | None) -> str:
    return f"{figure['value']:.0%} ({figure['low']:.0%} to {figure['high']:.0%})" if figure else "none"
