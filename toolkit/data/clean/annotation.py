"""Annotation quality: how far several raters agree, and the label that their votes come to.

Votes come as columns of raters, counts per class, long format (item, rater, label) or the column `annotations` of a
Label Studio export. They are weighed over all splits: a rater is the same person in each. What a person corrected
(`--corrections`) outweighs the votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import console
from toolkit.data import agreement
from toolkit.data import votes as voting
from toolkit.data.clean import audit
from toolkit.data.clean.audit import sample as audit_sample
from toolkit.data.clean.rows import Rows
from toolkit.data.votes import Votes
from toolkit.errors import ToolkitError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["audit_sample", "holds_votes", "run"]

CORRECTION = "correction"  # the rater's name of what came back from an audit


def run(rows: Rows, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Corrections, then agreement and consensus. A row whose raters are tied has no label and is rejected.

    Raises:
        ToolkitError: votes named in two ways, a column that is not there or holds no counts, and as `audit.apply`.
    """
    options = config.annotation
    figures: dict[str, Any] = {}
    found = _read(rows, options)
    fixed = np.zeros(len(rows), dtype=bool)
    if given.get("corrections") is not None:
        figures["corrections"], fixed = audit.apply(rows, given["corrections"])
        if found is not None and found[0] == "label-studio":
            _record(rows, np.flatnonzero(fixed & rows.alive))
    if found is not None:
        form, votes, numbers = found
        figures |= {"format": form} | _agreement(votes, config.seed)
        if form == "label-studio":
            figures["invalid_annotations"] = _invalid(rows)
        figures |= _consensus(rows, form, votes, numbers, options, fixed)
    return {name: _rounded(value) for name, value in figures.items()}


def _read(rows: Rows, options: Any) -> tuple[str, Votes, Any] | None:
    """How the votes are written, the votes, and the row of each item; None where there are none."""
    ways = {"--raters": options.raters, "--votes": options.votes, "--item and --rater": options.item or options.rater}
    asked = [way for way, names in ways.items() if names]
    if len(asked) > 1:
        raise ToolkitError(f"votes are named in {len(asked)} ways ({', '.join(asked)})", "name them in one")
    if options.votes and options.consensus == "dawid-skene":
        raise ToolkitError(
            "counts of votes do not tell who voted, which dawid-skene weighs", "use --consensus majority"
        )
    living = rows.living()
    if options.raters:
        names = _columns(rows, options.raters)
        return "columns", voting.from_columns({name: _cells(rows, name, living) for name in names}), living
    if options.votes:
        names = _columns(rows, options.votes)
        return "counts", voting.from_counts(np.stack([_counts(rows, name) for name in names], 1)[living], names), living
    if options.item or options.rater:
        if not (options.item and options.rater):
            raise ToolkitError("votes in long format need both --item and --rater", "name both columns")
        return "long", *_long(rows, *_columns(rows, [options.item]), *_columns(rows, [options.rater]))
    if "annotations" in rows.table.column_names:
        return _label_studio(rows, living)
    return None


def _columns(rows: Rows, names: Sequence[str]) -> list[str]:
    """The columns that are named, one an option or several with commas; `id` is the source's own, told apart or not."""
    known = rows.table.column_names
    wanted = [part.strip() for name in names for part in ([name] if name in known else name.split(","))]
    wanted = ["id_original" if name == "id" and "id_original" in known else name for name in wanted if name]
    for name in wanted:
        if name not in known:
            raise ToolkitError(f"the source has no column '{name}'", did_you_mean(name, known))
        if wanted.count(name) > 1:
            raise ToolkitError(f"the column '{name}' is named twice", "name each column once")
    return wanted


def _cells(rows: Rows, name: str, numbers: Any) -> pa.ChunkedArray:
    return rows.table.column(name).take(numbers)


def _counts(rows: Rows, name: str) -> Any:
    import pyarrow as pa

    try:
        values = np.nan_to_num(rows.floats(name))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise ToolkitError(f"the column '{name}' holds no counts of votes", "name columns of whole numbers") from e
    wrong = np.flatnonzero((values < 0) | (values != np.round(values)))
    if len(wrong):
        first = f"row {rows.id(wrong[0])}: {values[wrong[0]]:g}"
        raise ToolkitError(f"the column '{name}' holds no counts of votes ({first})", "name columns of whole numbers")
    return values


def _long(rows: Rows, item: str, rater: str) -> tuple[Votes, Any]:
    """Several rows an item become its first; a row of a protected split comes before others."""
    if rows.table.column("label").null_count == len(rows):
        raise ToolkitError("votes in long format need a column with the label", "name it with --label")
    living = rows.living()
    order = living[np.lexsort((living, ~rows.protected[living]))]
    codes, names = voting.encode(_cells(rows, item, order))
    for row in order[codes < 0]:
        rows.reject(row, "no item", f"the column '{item}' is empty", unusable=True)
    order, codes = order[codes >= 0], codes[codes >= 0]
    votes = voting.from_long(codes, _cells(rows, rater, order), _cells(rows, "label", order), len(names))
    _, first = np.unique(codes, return_index=True)
    kept = order[first]
    others = np.delete(np.arange(len(order)), first)
    ids = rows.values("id", kept)
    for k in others:
        row, original = order[k], kept[codes[k]]
        detail = f"of {ids[codes[k]]} in {rows.split(original)}"
        rows.reject(row, "vote of the same item", detail, unusable=True)
    return votes, kept


def holds_votes(rows: Rows) -> bool:
    """Whether there is a column `annotations` with the labels that raters gave."""
    import pyarrow as pa

    if "annotations" not in rows.table.column_names:
        return False
    kind = rows.table.schema.field("annotations").type
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return inner != kind and pa.types.is_struct(inner) and {"rater", "label"} <= {field.name for field in inner}


def _label_studio(rows: Rows, living: Any) -> tuple[str, Votes, Any] | None:
    import pyarrow.compute as pc

    if not holds_votes(rows):
        console.note("the column 'annotations' holds no votes of raters and passes through")
        return None
    column = rows.table.column("annotations").take(living).combine_chunks()
    flat = pc.list_flatten(column)
    vote = pc.fill_null(pc.not_equal(pc.struct_field(flat, "rater").cast("string"), CORRECTION), True)
    items = pc.list_parent_indices(column).filter(vote).to_numpy(zero_copy_only=False).astype(np.int64)
    rater, label = (pc.struct_field(flat, name).filter(vote) for name in ("rater", "label"))
    return "label-studio", voting.from_long(items, rater, label, len(living)), living


def _record(rows: Rows, numbers: Any) -> None:
    """A correction stands with the annotations, or the next `clean` would find the old consensus again."""
    import pyarrow as pa

    kind, cells = rows.table.schema.field("annotations").type, []
    named = pa.struct([f.with_type(pa.string()) if f.name in ("rater", "label") else f for f in kind.value_type])
    if kind != pa.list_(named):  # raters that are numbers
        rows.set_column("annotations", rows.table.column("annotations").cast(pa.list_(named)))
    for cell, label in zip(rows.values("annotations", numbers), rows.values("label", numbers), strict=True):
        others = [vote for vote in cell or [] if vote["rater"] != CORRECTION]
        cells.append([*others, {"rater": CORRECTION, "label": label, "ground_truth": True}])
    rows.replace("annotations", numbers, cells)


def _invalid(rows: Rows) -> int:
    """Annotations without exactly one label."""
    import pyarrow.compute as pc

    flat = pc.list_flatten(rows.table.column("annotations").combine_chunks())
    return int(pc.struct_field(flat, "label").null_count)


def _agreement(votes: Votes, seed: int) -> dict[str, Any]:
    """The figures of `agreement.report`, and `kappa`: Cohen's of two raters, else Fleiss'."""
    found = agreement.report(votes, seed)
    two = found["cohen_kappa"] if len(votes.raters) == 2 else None
    form = found["fleiss_kappa"].pop("form")
    kappa = {name: two[0][name] for name in ("value", "low", "high")} if two else found["fleiss_kappa"]
    if found["cohen_kappa"] is not None:
        listed = [(" and ".join(pair.pop("raters")), pair.pop("items"), pair) for pair in found["cohen_kappa"]]
        found["cohen_kappa"] = {name: {"items": items, "kappa": pair} for name, items, pair in listed}
    if "fleiss_kappa_equal" in found:
        plain = found["fleiss_kappa_equal"]
        plain.pop("form")
        counts = {name: plain.pop(name) for name in ("votes_per_item", "items")}
        found["fleiss_kappa_equal"] = counts | {"kappa": plain}
    shown = {"agreement": "agreement", "Fleiss' kappa": "fleiss_kappa", "Krippendorff's alpha": "krippendorff_alpha"}
    told = ", ".join(f"{name} {_told(found[key])}" for name, key in shown.items())
    console.note(f"{found['votes']:,} votes on {found['items']:,} items: {told}")
    if votes.contradicted:
        console.warn(f"{votes.contradicted:,} votes do not count: their raters gave the same item several classes")
    return {"kappa": kappa, "kappa_form": "Cohen (1960)" if two else form} | found


def _told(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return f"undefined ({estimate['reason']})"
    interval = "" if estimate["low"] is None else f" ({estimate['low']:.3f} to {estimate['high']:.3f})"
    return f"{estimate['value']:.3f}{interval}"


def _consensus(rows: Rows, form: str, votes: Votes, numbers: Any, options: Any, fixed: Any) -> dict[str, Any]:
    """Every item's row gets the label that its votes come to; without one it is rejected."""
    codes, figures = _weighed(votes, options.consensus)
    labels = np.array([*votes.classes, None], dtype=object)[codes]  # code -1 is the last
    before = np.array(rows.values("label", numbers), dtype=object)
    out: dict[str, Any] = {}
    if form in ("columns", "counts"):
        out["label"] = _compared(before, labels, votes.classes, by_place=form == "counts")
    if form == "label-studio":
        _take_truth(rows, numbers, labels)
    voted = votes.counts.sum(1) > 0
    free = rows.alive[numbers] & ~fixed[numbers]
    clear = labels != None  # noqa: E711  (elementwise)
    given = free & clear
    figures |= {"labelled": int(given.sum()), "changed": int((before[given] != labels[given]).sum())}
    rows.replace("label", numbers[given], labels[given].tolist())
    ties = np.flatnonzero(free & ~clear & voted)
    for k in ties:
        rows.reject(numbers[k], "no consensus", _ballot(votes, int(k)), unusable=True)
    for k in np.flatnonzero(free & ~clear & ~voted & (before == None)):  # noqa: E711
        rows.reject(numbers[k], "no vote", "", unusable=True)
    return out | {"consensus": figures | {"ties": len(ties), "without_votes": int((~voted).sum())}}


def _weighed(votes: Votes, method: str) -> tuple[Any, dict[str, Any]]:
    """The class of each item (-1: none) and how it was found."""
    if method == "majority":
        return voting.majority(votes), {"method": method}
    found = voting.dawid_skene(votes)
    if not found["converged"]:
        console.warn(f"the weights of the raters still moved after {found['rounds']} rounds: few votes an item?")
    accuracy = dict(zip(votes.raters, map(float, found["accuracy"]), strict=True))
    rounds = {name: found[name] for name in ("rounds", "converged")}
    return found["label"], {"method": method, **rounds, "rater_accuracy": accuracy}


def _ballot(votes: Votes, item: int) -> str:
    counts = votes.counts[item]
    return ", ".join(f"{votes.classes[c]} {counts[c]}" for c in np.argsort(-counts, kind="stable") if counts[c])


def _take_truth(rows: Rows, numbers: Any, labels: Any) -> None:
    """What a person corrected, or an annotator marked as the truth, is the label, whatever the others chose."""
    for k, cell in enumerate(rows.values("annotations", numbers)):
        marked = [vote for vote in cell or [] if vote["label"] and (vote.get("ground_truth") or _corrected(vote))]
        truth = {vote["label"] for vote in marked if _corrected(vote)} or {vote["label"] for vote in marked}
        if len(truth) == 1:  # two truths are none
            labels[k] = truth.pop()


def _corrected(vote: Mapping[str, Any]) -> bool:
    return bool(vote["rater"] == CORRECTION)


def _compared(before: Any, labels: Any, classes: Sequence[str], *, by_place: bool) -> dict[str, Any] | None:
    """How often the source's own label is the consensus; a label may be the place of its class among the columns."""
    names = {label for label in before if label is not None}
    if names and by_place and not names & set(classes) and names <= {str(i) for i in range(len(classes))}:
        before = np.array([None if label is None else classes[int(label)] for label in before], dtype=object)
    elif not names & set(classes):
        return None
    both = (before != None) & (labels != None)  # noqa: E711
    same, of = int((before[both] == labels[both]).sum()), int(both.sum())
    return {"compared": of, "same": same, "agreement": agreement.share(same, of)}


def _rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {name: _rounded(value) for name, value in figures.items()}
    return round(figures, 4) if isinstance(figures, float) else figures
