"""`error-analysis`, the search: all slices of the rows, and which of them errors gather in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.commands._error_rows import Rows
from toolkit.step import Job

MOST_SHOWN = 200  # slices in slices.json
MOST_DOUBTED = 50  # labels
SYSTEMATIC = 2.0  # times the overall odds of an error: a slice surely above it is wrong for a reason of its own


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the search has found.

    tables: a column's slices, by its name. every: all slices that were tried; p, and the ones that were picked.
    """

    tables: dict[str, list[dict[str, Any]]]
    every: Any
    p: Any
    picked: list[int]

    def shown(self, wrong: Any) -> list[dict[str, Any]]:
        """The slices that no shuffled control shows, those that were picked first; `part_of` names the one that an
        unpicked slice shares most of its errors with.
        """
        import numpy as np

        from toolkit.evaluation.slices.control import ALPHA

        rest = [i for i in np.argsort(self.p, kind="stable") if self.p[i] <= ALPHA and i not in self.picked]
        inside = np.zeros((len(self.picked), len(wrong)), bool)
        for k, i in enumerate(self.picked):
            inside[k, self.every.rows(i)] = True
        out = [self.every.figures(i, wrong) | {"p": float(self.p[i]), "part_of": None} for i in self.picked]
        for i in rest[: MOST_SHOWN - len(out)]:
            rows = self.every.rows(i)
            shared = inside[:, rows[wrong[rows]]].sum(1)
            parent = out[int(shared.argmax())]["value"] if len(self.picked) else None
            out.append(self.every.figures(int(i), wrong) | {"p": float(self.p[i]), "part_of": parent})
        return out


def search(job: Job, rows: Rows, traits: Any, vectors: Any) -> Found:
    """Divide the rows in every way, and judge all slices by one control.

    Args:
        vectors: what the model makes of each row, (rows, width); None where it is not at hand.
    """
    from toolkit.evaluation.slices import clusters, columns, conjunctions, control, family, words

    tables, families = {}, [_classes(rows)]
    for name in traits.columns:
        codes, conditions = columns.divide(name, traits[name])
        table = columns.table(rows.wrong, codes, conditions)
        if table:
            tables[name] = table
            families.append(family.of_codes("column", conditions, codes))
    texts = rows.texts()
    if texts:
        counted, vocabulary = words.count(texts)
        families.append(words.family(counted, vocabulary))
    else:  # images are told by their classes
        counted, vocabulary = _hot(rows), rows.names
    if texts or vectors is not None:
        families.append(clusters.family(counted, vocabulary, job.config.seed, vectors))
    parts = family.together(families)
    every = family.together([parts, conjunctions.family(parts)])
    p, picked = control.find(every, rows.wrong, job.config.seed)
    return Found(tables=tables, every=every, p=p, picked=picked)


def _hot(rows: Rows) -> Any:
    """Which classes each row has, csr (rows, classes) of float32 ones."""
    import numpy as np
    from scipy.sparse import csr_array

    if rows.several:
        return csr_array(rows.labels.astype(np.float32))
    every = np.arange(len(rows))
    return csr_array((np.ones(len(rows), np.float32), (every, rows.labels)), shape=(len(rows), len(rows.names)))


def _classes(rows: Rows) -> Any:
    from toolkit.evaluation.slices import family

    return family.of_matrix("class", [[{"column": "label", "value": name}] for name in rows.names], _hot(rows).tocsc())


def label_errors(job: Job, rows: Rows, found: Found) -> dict[str, Any] | None:
    """Labels that are probably wrong, among the rows that no slice explains."""
    import numpy as np

    from toolkit.evaluation.slices import labels
    from toolkit.evaluation.statistics import wilson

    judged = np.ones(len(rows), bool)
    overall = rows.wrong.mean()
    for i in found.picked:
        inside = found.every.rows(i)
        low = wilson(int(rows.wrong[inside].sum()), len(inside))[0]
        if low * (1 - overall) > SYSTEMATIC * overall * (1 - low):
            judged[inside] &= found.every.kinds[i] == "class"
    find = labels.find_of_several if rows.several else labels.find
    return find(rows.labels, rows.probabilities, judged, job.config.seed)


def label_figures(rows: Rows, doubted: dict[str, Any] | None) -> dict[str, Any] | None:
    """For slices.json: how many labels are probably wrong, and the most doubtful of them."""
    import numpy as np

    if doubted is None:
        return None
    order = [int(i) for i in np.argsort(-doubted["p_wrong"], kind="stable")[:MOST_DOUBTED] if doubted["flagged"][i]]
    return {
        "flagged": int(doubted["flagged"].sum()),
        "share": doubted["share"],
        "precision": doubted["precision"],
        "rows": [_doubt(rows, doubted, i) for i in order],
    }


def _doubt(rows: Rows, doubted: dict[str, Any], i: int) -> dict[str, Any]:
    row = rows.table.iloc[i]
    return {
        "id": str(row["id"]) if "id" in rows.table else f"row {i}",
        rows.content: rows.shown(i),
        "label": rows.named(rows.labels[i]),
        "suggested": rows.named(doubted["suggested"][i]),
        "p_wrong": float(doubted["p_wrong"][i]),
    }
