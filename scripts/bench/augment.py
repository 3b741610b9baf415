"""How fast texts are augmented: beside nlpaug in one run, and a million of them.

Use: augment.py --text FILE.csv [--rows 5000] [--rounds 5] [--wordnet FOLDER]     one core, EDA's four operations
     augment.py --million [--size 1000000] [--workers N]                          the command, its time and memory

Ours "alone" is what nlpaug does: a text is cut into words and changed. "Checked" is all that becomes of a row: it is
drawn, changed, compared with its parent (chrF), looked up among all texts, and drawn again where it failed. nlpaug's
synonyms need a tagger that only a download has: one that says "noun" at once stands in for it. With --wordnet they are
WordNet's for both (nlpaug: pip install nltk; Debian: wordnet-base and wordnet-sense-index), else nlpaug reads our table
as a PPDB file. Nothing in nlpaug inserts synonyms without word vectors; replacing random words by given ones is the
nearest that it has.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from toolkit.data.augment import run
from toolkit.data.augment import text as texts_of
from toolkit.data.augment.strategy import Draw
from toolkit.data.augment.text import synonyms
from toolkit.data.augment.text.draws import Draws
from toolkit.data.text import tokens

ALPHA = 0.1
OPERATIONS = texts_of.EDA


def ours(rows: pa.Table, operations: Sequence[str], table: synonyms.Table) -> int:
    """Drawn, made, compared with their parents and looked up: the number of rows that stay."""
    texts: Any = texts_of.Texts(rows, None, _draws(operations), _given(table))
    ids = rows.column("id").to_pylist()
    quota = np.ones(len(ids), dtype=np.int64)
    return sum(len(block) for block, _ in run.children(texts, ids, quota, texts_of.keys(rows), seed=0))


def alone(texts: Sequence[str], operations: Sequence[str], table: synonyms.Table) -> None:
    """What nlpaug does too: cut into words and change."""
    made = texts_of.Texts(pa.table({"text": pa.array(texts, pa.string())}), None, _draws(operations), _given(table))
    rng, methods = Draws(0), made.methods
    for i, text in enumerate(texts):
        rng.seed(i)
        methods[i % len(methods)](tokens(text), rng)


def _draws(operations: Sequence[str]) -> list[Draw]:
    return [Draw(name, 1.0, {"alpha": ALPHA}) for name in operations]


def _given(table: synonyms.Table) -> dict[str, Any]:
    return {"min_similarity": 0.3, "synonyms": table}


def nlpaugs(wordnet: str | None, table: synonyms.Table, folder: Path) -> dict[str, Any]:
    """nlpaug's augmenter for each operation."""
    words = import_module("nlpaug.augmenter.word")
    return {
        "synonym_replacement": _synonym_aug(words, wordnet, table, folder),
        "random_insertion": words.RandomWordAug("substitute", aug_p=ALPHA, target_words=[*table][:1000]),
        "random_swap": words.RandomWordAug("swap", aug_p=ALPHA),
        "random_deletion": words.RandomWordAug("delete", aug_p=ALPHA),
    }


def _synonym_aug(words: Any, wordnet: str | None, table: synonyms.Table, folder: Path) -> Any:
    path = folder / "ppdb.txt"
    lines = [f"[NN] ||| {word} ||| {own}" for word, others in table.items() for own in others if " " not in own]
    path.write_text("\n".join(lines), encoding="utf-8")
    out = words.SynonymAug(aug_src="ppdb", model_path=str(path), aug_p=ALPHA)
    if wordnet:
        corpus = folder / "corpora" / "wordnet"
        corpus.mkdir(parents=True)
        for file in (file for file in Path(wordnet).iterdir() if file.is_file()):
            (corpus / file.name).write_bytes(file.read_bytes())
        (corpus / "lexnames").write_text("".join(f"{i:02}\tname{i}\t1\n" for i in range(45)), encoding="utf-8")
        import_module("nltk.data").path.append(str(folder))
        out = words.SynonymAug(aug_p=ALPHA)
    out.model.pos_tag = lambda tokens: [(token, "NN") for token in tokens]
    return out


def beside_nlpaug(given: argparse.Namespace) -> None:
    table = synonyms.load(given.wordnet)
    rows = csv.read_csv(given.text).slice(0, given.rows).select(["text"])
    texts = [str(text) for text in rows.column("text").to_pylist()]
    rows = rows.append_column("id", pa.array([f"r{i}" for i in range(len(texts))]))
    with tempfile.TemporaryDirectory() as folder:
        theirs = nlpaugs(given.wordnet, table, Path(folder))
        works: dict[str, tuple[Callable[[], Any], ...]] = {
            name: (
                partial(alone, texts, [name], table),
                partial(ours, rows, [name], table),
                partial(theirs[name].augment, texts),
            )
            for name in OPERATIONS
        }
        quarters = [partial(theirs[name].augment, texts[i :: len(OPERATIONS)]) for i, name in enumerate(OPERATIONS)]
        mixed = partial(alone, texts, OPERATIONS, table), partial(ours, rows, OPERATIONS, table)
        works["the four mixed"] = (*mixed, lambda: [quarter() for quarter in quarters])
        seconds: dict[str, list[list[float]]] = {name: [] for name in works}
        for _ in range(given.rounds):
            for name, contenders in works.items():
                seconds[name].append([_seconds(work) for work in contenders])
    print(f"{len(texts)} texts, alpha {ALPHA}, {given.rounds} rounds in turns; rows a second of the processor, medians")
    columns = ["operation", "ours alone", "ours, checked", "nlpaug", "alone : nlpaug", "checked : nlpaug"]
    for row in (columns, ["---", *["---:"] * 5]):
        print(f"| {' | '.join(row)} |")
    for name, turns in seconds.items():
        speeds = [f"{len(texts) / median(turn[i] for turn in turns):,.0f}" for i in range(3)]
        ratios = [f"{median(turn[2] / turn[i] for turn in turns):.1f}" for i in range(2)]
        print(f"| {' | '.join([name, *speeds, *ratios])} |")


def _seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def corpus(size: int) -> list[str]:
    """Short texts of words with synonyms among made-up ones; three of ten Chinese."""
    rng, table = random.Random(0), synonyms.load()
    english = [word for word in table if word.isascii()]
    chinese = [word for word in table if not word.isascii()]
    made_up = ["".join(rng.choices("bcdfglmnprst", k=3)) + rng.choice("aeiou") for _ in range(5000)]
    out = []
    for _ in range(size):
        count = rng.randrange(5, 15)
        if rng.random() < 0.3:
            out.append("".join(rng.choices(chinese, k=count)) + "。")
        else:
            out.append(" ".join(rng.choices(english if rng.random() < 0.3 else made_up, k=count)).capitalize() + ".")
    return out


def million(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "source", Path(folder) / "out"
        source.mkdir()
        labels = [f"class {i % 10}" for i in range(given.size)]
        csv.write_csv(pa.table({"text": corpus(given.size), "label": labels}), source / "train.csv")
        command = [
            sys.executable,
            "-m",
            "toolkit",
            "augment",
            str(source),
            "--out",
            str(out),
            "--preset",
            "eda",
            "--json",
        ]
        start = time.perf_counter()
        with subprocess.Popen([*command, "--workers", str(given.workers)], stdout=subprocess.PIPE) as process:
            peak = _peak(process)
        if process.returncode:
            sys.exit(process.returncode)
        seconds = time.perf_counter() - start
        metrics = json.loads((out / "artifact.json").read_text(encoding="utf-8"))["metrics"]
    print(f"{given.size:,} texts, {given.workers} workers: {seconds:.0f} s, peak {peak / 2**20:,.0f} MB, {metrics}")


def _peak(process: subprocess.Popen[bytes]) -> int:
    """The most memory (bytes) that the process and its children had together, shared pages counted once."""
    psutil = import_module("psutil")
    peak, parent = 0, psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        for one in [parent, *_tried(parent.children, psutil.Error, [])]:
            memory = _tried(one.memory_full_info, psutil.Error, None)
            total += memory.pss if memory else 0
        peak = max(peak, total)
        time.sleep(0.2)
    return peak


def _tried(ask: Callable[[], Any], error: type[Exception], default: Any) -> Any:
    try:
        return ask()
    except error:  # it has just ended
        return default


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--text", metavar="FILE.csv", help="texts in a column 'text'")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--wordnet", metavar="FOLDER", help="WordNet's synonyms for both")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.text:
        beside_nlpaug(given)
    if given.million:
        million(given)
    if not (given.text or given.million):
        parser.error("give --text FILE.csv or --million")


if __name__ == "__main__":
    main()
