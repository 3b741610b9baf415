"""`error-analysis`, what asks the model or the data: near-duplicates of train, images' looks, what decided."""

from __future__ import annotations

from typing import Any

from toolkit import console, inputs
from toolkit.artifacts.evaluation import DIGEST, digests
from toolkit.commands import _error_rows
from toolkit.commands._error_rows import Rows
from toolkit.data.options import ContentOptions
from toolkit.errors import ToolkitError
from toolkit.step import Job

NEAR = "near train"
SAME, OTHER, NONE = "with the same label", "with another label", "no near-duplicate"
MOST_READ = 20_000  # rows that the model reads again
LOOKS = ("width", "height", "aspect", "brightness", "contrast", "sharpness", "colourfulness")


def splits(job: Job, name: str) -> Any:
    """The splits of an input (`data` or `train`), read as the evaluation read its own; None where it is not at hand."""
    if name not in job.inputs:
        return None
    options = ContentOptions(**_error_rows.named_columns(job))
    return inputs.load_dataset(job.inputs[name], options, kinds=("text", "image"))


def evaluated(job: Job, rows: Rows, data: Any) -> Any:
    """The evaluated rows as they stand in the data, in the order of the evaluation's; None where they do not.

    Raises:
        ToolkitError: images of these ids are others.
    """
    made = job.inputs["source"].manifest
    split = made["config"].get("split") if made else None
    if data is None or split not in data or "id" not in data[split].column_names or "id" not in rows.table:
        return None
    place = {name: i for i, name in enumerate(data[split]["id"])}
    found = [place.get(name) for name in rows.table["id"]]
    if None in found:
        return None
    again = data[split].select(found)
    if DIGEST in rows.table and digests(again) != rows.table[DIGEST].tolist():
        raise ToolkitError(f"{job.inputs['data'].given} has other images under the same ids", "give what was evaluated")
    return again


def looks(evaluated: Any) -> tuple[dict[str, Any], Any]:
    """What images look like: the statistics by name, and all that was seen."""
    from toolkit.data import images

    seen = images.look(evaluated.with_format("arrow")[:].column("image"))
    return {name: seen.statistics[name] for name in LOOKS}, seen


def near_train(rows: Rows, train: Any, seen: Any) -> Any:
    """Of each row whether train holds a near-duplicate of it, with the same label or another; an array of texts."""
    import numpy as np

    labels = _label_texts(train)
    nearest = _near_images(train, seen) if rows.content == "image" else _near_texts(rows, train)
    out = np.full(len(rows), NONE, dtype=object)
    for row in np.flatnonzero(nearest >= 0):
        own = rows.table["label"].iloc[row]
        out[row] = SAME if labels[nearest[row]] == (own if isinstance(own, str) else sorted(own)) else OTHER
    return out


def _label_texts(train: Any) -> list[Any]:
    from toolkit.data import labels

    names = labels.names_of(train.features)
    values = train.with_format("arrow")[:].column("label").to_pylist()
    return [sorted(names[i] for i in v) if isinstance(v, list) else names[v] for v in values]


def _near_texts(rows: Rows, train: Any) -> Any:
    """For each row the number of the row of train that it is near to, or -1."""
    import numpy as np

    from toolkit.data import near

    pairs = train["text_pair"] if "text_pair" in rows.table and "text_pair" in train.column_names else None
    texts = [text or "" for text in train["text"]]
    if pairs is not None:
        texts = [f"{text}\n{pair or ''}" for text, pair in zip(texts, pairs, strict=True)]
    first = len(texts)
    every = np.arange(first + len(rows))
    goes_for, _ = near.keep(
        [*texts, *rows.texts()], every, groups=every, anchors=every < first, label="near-duplicates of train"
    )
    return goes_for[first:]


def _near_images(train: Any, seen: Any) -> Any:
    import numpy as np

    from toolkit.data import images

    known = images.look(train.with_format("arrow")[:].column("image"), "looking at train")
    first = len(known)
    both = images.Looks(first + len(seen))
    for name in ("digest", "luma", "chroma"):
        setattr(both, name, np.concatenate([getattr(known, name), getattr(seen, name)]))
    both.error = known.error + seen.error
    out = np.full(len(seen), -1)
    for a, b in images.pairs(both, "near-duplicates of train")[0]:
        if a < first <= b:
            out[b - first] = a
    return out


def _predictor(job: Job) -> Any:
    """The evaluated model, loaded once."""
    from toolkit.commands import _models

    if "predictor" not in job.kept:
        job.kept["predictor"] = _models.predictor(job.inputs["model"], "error-analysis", job.config.device)
    return job.kept["predictor"]


def _contents(table: Any) -> list[Any]:
    """Rows of texts as a model's reader takes them."""
    texts: list[Any] = table["text"].fillna("").tolist()
    return list(zip(texts, table["text_pair"].fillna(""), strict=True)) if "text_pair" in table else texts


def vectors(job: Job, rows: Rows, evaluated: Any) -> Any:
    """What the model's last layer reads of each row, (rows, width); None where that cannot be had, or takes too long.

    As it differs from the mean of the rows with the same answer: else rows were alike by their answers above all.
    """
    import numpy as np

    if "model" not in job.inputs or len(rows) > MOST_READ or (rows.content == "image" and evaluated is None):
        return None
    predictor = _predictor(job)
    contents = predictor.reader.contents(evaluated) if rows.content == "image" else _contents(rows.table)
    read = predictor.features(contents, label="reading the rows again")[1]
    if read is None:
        return None
    _, answer, count = np.unique(rows.answers, axis=0, return_inverse=True, return_counts=True)
    answer = answer.ravel()  # numpy 2.0 gives a column
    mean = np.zeros((len(count), read.shape[1]))
    np.add.at(mean, answer, read)
    return read - (mean / count[:, None])[answer]


def attribute(job: Job, rows: Rows, worst: list[int], evaluated: Any) -> list[dict[str, Any]]:
    """What decided the answers to these rows, one dict a row.

    Of texts {"parts": [[text, weight]]}; of images {"region": …, "place": …} and, for the report, "drawn" (a cell).
    """
    if not worst or "model" not in job.inputs or (rows.content == "image" and evaluated is None):
        return []
    from toolkit.evaluation.slices import attribution

    predictor = _predictor(job)
    answers = [predictor.names.index(rows.names[_blamed(rows, i)]) for i in worst]
    if rows.content == "text":
        found = attribution.words(predictor.probabilities, _contents(rows.table.iloc[worst]), answers)
        return [{"parts": [list(part) for part in parts]} for parts in found]
    cells = evaluated.select(worst).with_format("arrow")[:].column("image").to_pylist()

    def ask(pictures: Any) -> Any:
        from datasets import Dataset

        return predictor.probabilities(predictor.reader.contents(Dataset.from_dict({"image": list(pictures)})))

    lost = attribution.regions(ask, cells, answers)
    regions = [attribution.deciding(values) for values in lost]
    drawn = attribution.drawn(cells, lost)
    return [{"region": r, "place": attribution.place(r), "drawn": d} for r, d in zip(regions, drawn, strict=True)]


def _blamed(rows: Rows, row: int) -> int:
    """The class that is wrongly said of a row; where rows have several, the likeliest of these, else one missed."""
    if not rows.several:
        return int(rows.answers[row])
    extra = rows.answers[row] & ~rows.labels[row]
    told = rows.probabilities[row]
    return int((told * extra).argmax() if extra.any() else (told * (rows.labels[row] & ~rows.answers[row])).argmax())


def note_absent(job: Job, rows: Rows) -> None:
    """Say what is left out since it is not at hand."""
    absent = {"model": "what decided the errors"} if job.config.explain else {}
    if rows.content == "image":
        absent["data"] = "what the images look like, and near-duplicates of train"
    elif "train" not in job.inputs:
        absent["data"] = "near-duplicates of train"
    for name in sorted(absent.keys() - job.inputs.keys()):
        console.note(f"the evaluation's {name} is not at hand: left out is {absent[name]} (--{name} says where it is)")


def check(job: Job, rows: Rows) -> None:
    """Whether a model that was given by hand knows the classes.

    Raises:
        ToolkitError: it does not.
    """
    if not job.config.model:
        return
    from toolkit.commands import _models

    unknown = set(rows.names) - set(_models.check(job.inputs["model"], "error-analysis"))
    if unknown:
        raise ToolkitError(
            f"{job.config.model} does not know the class {min(unknown)}", "give the model that was evaluated"
        )
