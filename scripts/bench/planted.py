"""Does error-analysis find what was planted, and nothing where nothing was?

    python scripts/bench/planted.py DATA MODEL [--seeds 5] [--work DIR]

DATA is a split data set of texts that MODEL was fine-tuned on. Into its test split are planted, in rows of their own:

- labels: 5% of the rows get another label, drawn alike from all others;
- source: 3% of the rows are of a source whose texts are broken, each character lost with a probability of 0.3 (the
  other rows are of seven sources at random);
- keyword: a word that the model has learned to take for a class stands before 3% of the rows, all of other classes.
  It is the one of ten, each in 30 rows of train or more and nearly all of these of one class, that turns the most
  answers of validation.

Each is found where plan.json names it: a finding of kind "label", source = planted, keyword = the word. Two controls:
the same rows and sources with nothing planted, where none of the three may be named (the model's own errors may gather:
these are counted as others); and the planted answers dealt anew to the texts and sources, where no slice may be.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import toolkit

LABELS, SOURCE, KEYWORD = 0.05, 0.03, 0.03
LOST = 0.3
SLICES = ("column", "keyword", "cluster", "conjunction")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("model")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("planted"))
    given = parser.parse_args()
    splits, model = _read(given.data, given.model)
    predictor = Known(model)
    word = shortcut(splits, predictor)
    print(f"keyword: {word}\n")
    print("| seed | rows | labels | of these right | planted found | source | keyword | others |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in range(given.seeds):
        for what in ("planted", "nothing", "dealt anew"):
            folder = given.work / f"{seed}-{what.replace(' ', '-')}"
            print(f"| {seed} {what} | {row(splits, predictor, word, seed, what, folder)} |", flush=True)


def _read(data: str, model: str) -> tuple[dict[str, Any], Any]:
    """The splits as DataFrames with the labels as texts, and the model."""
    from toolkit import inputs
    from toolkit.commands import _models
    from toolkit.data.options import ContentOptions

    loaded = inputs.load_dataset(inputs.resolve("data", "dataset", data), ContentOptions())
    splits = {}
    for split, rows in loaded.items():
        frame = rows.to_pandas()[["id", "text", "label"]]
        splits[split] = frame.assign(label=[rows.features["label"].names[i] for i in frame["label"]])
    return splits, _models.predictor(inputs.resolve("model", "model", model), "evaluate", "auto")


class Known:
    """A model that is asked once for each text."""

    def __init__(self, predictor: Any) -> None:
        self.predictor, self.names = predictor, predictor.names
        self.told: dict[str, Any] = {}

    def probabilities(self, texts: list[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in self.told]
        if new:
            self.told |= zip(new, self.predictor.probabilities(new), strict=True)
        return np.array([self.told[text] for text in texts])


def shortcut(splits: dict[str, Any], predictor: Any) -> str:
    """The word that turns the most answers, of those that tell a class."""
    from toolkit.evaluation.slices import words

    train, rows = splits["train"], splits["validation"]
    found, vocabulary = words.count(train["text"].tolist())
    names = np.array(predictor.names)
    hot = (train["label"].to_numpy()[:, None] == names).astype(np.float32)
    together = found.T @ hot
    total = together.sum(1)
    pure = np.where(total >= 30, together.max(1) / total, 0)
    best: tuple[float, str] = (0.0, "")
    for i in np.argsort(-pure, kind="stable")[:10]:
        other = rows[rows["label"] != names[together[i].argmax()]]["text"].head(200)
        turned = predictor.probabilities([f"{vocabulary[i]}: {text}" for text in other]).argmax(1)
        best = max(best, (float((names[turned] == names[together[i].argmax()]).mean()), vocabulary[i]))
    return best[1]


def planted(splits: dict[str, Any], predictor: Any, word: str, seed: int, *, really: bool) -> Any:
    """The test split with a column `source` and one `planted` (what was done to a row, "" for nothing)."""
    from toolkit.evaluation.slices import words

    rng = np.random.default_rng(seed)
    rows = splits["test"].copy().reset_index(drop=True)
    count = len(rows)
    rows["source"] = rng.choice([f"source {i}" for i in range(1, 8)], count)
    free = rng.permutation([i for i in range(count) if word not in words.words(rows["text"][i])])
    sizes = np.cumsum([round(share * count) for share in (SOURCE, KEYWORD, LABELS)])
    source, keyword, labels = free[: sizes[0]], free[sizes[0] : sizes[1]], free[sizes[1] : sizes[2]]
    rows.loc[source, "source"] = "planted"
    rows["planted"] = ""
    if not really:
        return rows
    for name, some in (("source", source), ("keyword", keyword), ("label", labels)):
        rows.loc[some, "planted"] = name
    rows.loc[source, "text"] = [_broken(text, rng) for text in rows.loc[source, "text"]]
    rows.loc[keyword, "text"] = [f"{word}: {text}" for text in rows.loc[keyword, "text"]]
    names = predictor.names
    shift = rng.integers(1, len(names), len(labels))
    own = [names.index(label) for label in rows.loc[labels, "label"]]
    rows.loc[labels, "label"] = [names[(i + k) % len(names)] for i, k in zip(own, shift, strict=True)]
    return rows


def _broken(text: str, rng: Any) -> str:
    kept = rng.random(len(text)) >= LOST
    return "".join(char for char, stays in zip(text, kept, strict=True) if stays) or text


def row(splits: dict[str, Any], predictor: Any, word: str, seed: int, what: str, folder: Path) -> str:
    """One line of the table."""
    rows = planted(splits, predictor, word, seed, really=what != "nothing")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    evaluation = _evaluation(rows, predictor, folder, seed if what == "dealt anew" else None)
    made = toolkit.error_analysis(evaluation, out=folder / "analysis", explain=0).artifact
    plan = json.loads((made / "plan.json").read_text(encoding="utf-8"))["findings"]
    label = next((f for f in plan if f["kind"] == "label"), None)
    source = next((f for f in plan if (f["column"], f["value"]) == ("source", "planted")), None)
    keyword = next((f for f in plan if (f["kind"], f["value"]) == ("keyword", word)), None)
    others = [f for f in plan if f not in (label, source, keyword) and f["kind"] in SLICES]
    hits = ("–", "–") if what == "dealt anew" else _hits(made, label, rows)  # whose labels are others' rows'
    cells = [len(rows), label["rows"] if label else "–", *hits]
    cells += [f"{f['errors']}/{f['rows']}" if f else "–" for f in (source, keyword)]
    cells.append("; ".join(f"{f['column']} = {f['value']}" for f in others) or "–")
    return " | ".join(map(str, cells))


def _hits(made: Path, label: Any, rows: Any) -> tuple[str, str]:
    """Of the labels that are said to be wrong the share that is, and of the wrong ones the share that is said."""
    import pandas as pd

    truth = set(rows.loc[rows["planted"] == "label", "id"])
    if not label or not truth:
        return "–", "–"
    found = pd.read_parquet(made / "findings.parquet")
    said = set(found.loc[found["finding"] == label["number"], "id"])
    return f"{len(said & truth) / len(said):.0%}", f"{len(said & truth) / len(truth):.0%}"


def _evaluation(rows: Any, predictor: Any, folder: Path, deal: int | None) -> Path:
    """An evaluation of the rows; `deal`: a seed, by which labels and answers go to other rows together."""
    from datasets import Dataset
    from error_analysis import publish  # beside this script

    probabilities = predictor.probabilities(rows["text"].tolist())
    if deal is not None:
        order = np.random.default_rng(1000 + deal).permutation(len(rows))
        rows, probabilities = rows.assign(label=rows["label"].to_numpy()[order]), probabilities[order]
    shown = Dataset.from_pandas(rows.drop(columns="planted"), preserve_index=False)
    return publish(folder / "evaluation", shown, probabilities, predictor.names)


if __name__ == "__main__":
    main()
