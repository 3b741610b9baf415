"""How fast near-duplicates are found: beside datasketch, simhash and rensa in one run, and by the number of texts.

Use: clean.py near [--sizes 10000,100000,1000000] [--peers 10000,50000] [--repeat 3] [--corpus plain]
     clean.py whole [--sizes 10000,100000,1000000] [--repeat 3]      the command `clean` with its default stages

The peers are no part of the toolkit: pip install datasketch simhash rensa (without them: --peers '').

Each figure is of a fresh process: a csv is read, each text folded, cut into shingles and signed, candidates are
verified, and what stays is written to a csv. The clock starts after the imports; the memory is the process's peak.
The contenders take turns, so that a busy machine is busy for all; the table gives the median and the range.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from math import log2
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from toolkit.data import near
from toolkit.data.text import fold, is_cjk

PEERS = ("datasketch", "simhash", "rensa")
NEAR, SAME, CHINESE = 0.05, 0.02, 0.3  # shares of near-copies, of copies, of Chinese-like texts among the rest


def plain(count: int, seed: int = 0) -> Iterator[str]:
    """Short texts: 5 to 25 made-up words (Chinese-like: 12 to 52 characters) by Zipf's law, and copies of some."""
    rng = np.random.default_rng(seed)
    words = _words(rng, 20_000)
    han = np.array([chr(0x4E00 + i) for i in rng.permutation(20_000)[:3500]])
    shares = [1 / np.arange(1, len(some) + 1) ** power for some, power in ((words, 1.0), (han, 0.8))]
    out: list[str] = []
    while len(out) < count:
        kinds, sizes = rng.random(10_000), rng.integers(5, 26, 10_000)
        drawn = words[rng.choice(len(words), sizes.sum(), p=shares[0] / shares[0].sum())].tolist()
        signs = "".join(han[rng.choice(len(han), 2 * sizes.sum(), p=shares[1] / shares[1].sum())])
        for kind, size, end in zip(kinds.tolist(), sizes.tolist(), np.cumsum(sizes).tolist(), strict=True):
            if kind < NEAR + SAME and out:
                text = out[int(rng.integers(len(out)))]
                at = int(rng.integers(len(text)))
                text = text[:at] + "x" + text[at + 1 :] if kind < NEAR else text
            elif kind < NEAR + SAME + CHINESE * (1 - NEAR - SAME):
                text = f"{signs[2 * end - 2 * size : 2 * end - size]}，{signs[2 * end - size : 2 * end]}。"
            else:
                text = f"{' '.join(drawn[end - size : end]).capitalize()}."
            out.append(text)
    yield from out[:count]


def _words(rng: Any, count: int) -> Any:
    """Made-up words of one to four syllables, the short ones first, as the frequent words of a language are."""
    syllables = [a + b + c for a in "bcdfghjklmnprstvwz" for b in "aeiou" for c in ("", "", "n", "r", "s")]
    drawn = {"".join(rng.choice(syllables, rng.integers(1, 5))) for _ in range(3 * count)}
    words = sorted(drawn)[:: max(1, len(drawn) // count)][:count]
    return np.array(sorted(words, key=lambda word: len(word) + 4 * rng.random()))


def codes(count: int, seed: int = 0) -> Iterator[str]:
    """One template, none near another: a long code in a short text."""
    yield from (
        f"your code is {i:06d}, valid for 5 minutes" for i in np.random.default_rng(seed).integers(0, 10**6, count)
    )


def parcels(count: int, seed: int = 0) -> Iterator[str]:
    """One template, all near one another: a short number in a long text."""
    text = (
        "the parcel that you ordered from our online shop will be delivered tomorrow between nine and noon, its number"
    )
    yield from (
        f"{text} is {i:06d}, please do not reply" for i in np.random.default_rng(seed).integers(0, 10**6, count)
    )


CORPORA: dict[str, Callable[[int], Iterator[str]]] = {"plain": plain, "codes": codes, "parcels": parcels}


def ours(source: Path, target: Path) -> int:
    table = csv.read_csv(source)
    stays = near.keep(table["text"], np.arange(len(table)))[0] < 0
    csv.write_csv(table.filter(pa.array(stays)), target)
    return int(stays.sum())


def ours_simhash(source: Path, target: Path) -> int:
    table = csv.read_csv(source)
    stays = near.keep(table["text"], np.arange(len(table)), method="simhash")[0] < 0
    csv.write_csv(table.filter(pa.array(stays)), target)
    return int(stays.sum())


def shingles(text: str) -> list[str]:
    size = 2 if is_cjk(text) else 5
    return [text[i : i + size] for i in range(max(1, len(text) - size + 1))]


def datasketch(source: Path, target: Path, **how: Any) -> int:
    """MinHashLSH at 0.8 as its documentation shows it: query, verify by the exact similarity, insert what stays."""
    library = import_module("datasketch")
    texts = csv.read_csv(source)["text"].to_pylist()
    options = {"num_perm": 128, "threshold": 0.8} | how
    index, stays = library.MinHashLSH(**options), []
    kept: dict[int, set[str]] = {}
    for number, text in enumerate(texts):
        own = set(shingles(fold(text)))
        signature = library.MinHash(num_perm=options["num_perm"])
        signature.update_batch([shingle.encode() for shingle in own])
        if not any(5 * len(own & kept[other]) >= 4 * len(own | kept[other]) for other in index.query(signature)):
            index.insert(number, signature)
            kept[number] = own
            stays.append(text)
    csv.write_csv(pa.table({"text": stays}), target)
    return len(stays)


def datasketch_bands(source: Path, target: Path) -> int:
    """The same with our 18 bands of 5, for the same recall."""
    return datasketch(source, target, num_perm=90, params=(18, 5))


def simhash(source: Path, target: Path) -> int:
    """SimhashIndex at a distance of 3, as its documentation shows it."""
    library = import_module("simhash")
    texts = csv.read_csv(source)["text"].to_pylist()
    index, stays = library.SimhashIndex([], k=3), []
    for number, text in enumerate(texts):
        signature = library.Simhash(shingles(fold(text)))
        if not index.get_near_dups(signature):
            index.add(str(number), signature)
            stays.append(text)
    csv.write_csv(pa.table({"text": stays}), target)
    return len(stays)


def rensa(source: Path, target: Path) -> int:
    """RMinHashDeduplicator as its documentation shows it: verified by the signatures, not by the texts."""
    library = import_module("rensa")
    texts = csv.read_csv(source)["text"].to_pylist()
    dedup = library.RMinHashDeduplicator(threshold=0.8, num_perm=128, use_lsh=True)
    flags = dedup.add_pairs((str(number), shingles(fold(text))) for number, text in enumerate(texts))
    stays = [text for text, stay in zip(texts, flags, strict=True) if stay]
    csv.write_csv(pa.table({"text": stays}), target)
    return len(stays)


def whole(source: Path, target: Path) -> int:
    """All default stages, reports included; the import of what they need is in the time."""
    toolkit = import_module("toolkit")
    return int(toolkit.clean(source, out=target.with_suffix("")).metrics["rows_out"])


CONTENDERS: dict[str, Callable[[Path, Path], int]] = {
    "toolkit": ours,
    "toolkit, simhash": ours_simhash,
    "datasketch": datasketch,
    "datasketch, 18 bands of 5": datasketch_bands,
    "simhash": simhash,
    "rensa": rensa,
    "whole": whole,
}
SEARCHES = [name for name in CONTENDERS if name != "whole"]


def child(name: str, source: Path) -> None:
    """One measurement, printed as JSON."""
    for module in (name.split(",")[0], "scipy.sparse.csgraph", "pyarrow.compute"):
        if module not in ("toolkit", "whole"):
            import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        stays = CONTENDERS[name](source, Path(folder) / "out.csv")
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "stays": stays}))


def measured(name: str, source: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "child", name, str(source)], stdout=subprocess.PIPE, check=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def compare(sizes: list[int], names: list[str], repeat: int, corpus: str) -> None:
    """Measures each contender at each size so many times, in turns, and prints the table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            source = Path(folder) / f"{size}.csv"
            labels = [f"class {number % 10}" for number in range(size)]
            csv.write_csv(pa.table({"text": list(CORPORA[corpus](size)), "label": labels}), source)
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _ in range(repeat):
                for name in names:
                    runs[name].append(measured(name, source))
            rows += [_row(size, name, runs[name], runs[names[0]]) for name in names]
            source.unlink()
    columns = ["texts", corpus, "seconds (range)", "texts/s", "times ours", "ns / (n log2 n)", "peak MB", "stay"]
    for row in (columns, ["---:", "---", *["---:"] * 6], *rows):
        print(f"| {' | '.join(row)} |", flush=True)
    print()


def _row(size: int, name: str, runs: list[dict[str, float]], first: list[dict[str, float]]) -> list[str]:
    seconds = [run["seconds"] for run in runs]
    middle = median(seconds)
    # in each turn the machine was about equally busy: the ratio is steadier than the seconds
    ratio = median(run["seconds"] / other["seconds"] for run, other in zip(runs, first, strict=True))
    return [
        f"{size:,}",
        name,
        f"{middle:.2f} ({min(seconds):.2f}–{max(seconds):.2f})",
        f"{size / middle:,.0f}",
        f"{ratio:.1f}",
        f"{middle * 1e9 / (size * log2(size)):.0f}",
        f"{median(run['peak_mb'] for run in runs):,.0f}",
        f"{runs[0]['stays']:,}",
    ]


def near_duplicates(given: argparse.Namespace) -> None:
    missing = [name for name in PEERS if given.peers and not _version(name)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (pip install {' '.join(missing)}, or give --peers '')")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, python {sys.version.split()[0]}", file=sys.stderr)
    print({name: _version(name) for name in ("numpy", "pyarrow", *PEERS)}, file=sys.stderr)
    if given.peers:
        compare(given.peers, SEARCHES, given.repeat, given.corpus)
    if given.sizes:
        compare(given.sizes, ["toolkit"], given.repeat, given.corpus)
    print(f"load at the end {os.getloadavg()[0]:.1f}", file=sys.stderr)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("near")
    command.add_argument("--sizes", type=numbers, default=numbers("10000,100000,1000000"))
    command.add_argument("--peers", type=numbers, default=numbers("10000,50000"), help="sizes; '' leaves them out")
    command.add_argument("--repeat", type=int, default=3)
    command.add_argument("--corpus", choices=CORPORA, default="plain")
    command = commands.add_parser("whole")
    command.add_argument("--sizes", type=numbers, default=numbers("10000,100000,1000000"))
    command.add_argument("--repeat", type=int, default=3)
    command = commands.add_parser("child")
    command.add_argument("name", choices=CONTENDERS)
    command.add_argument("source", type=Path)
    given = parser.parse_args()
    if given.command == "child":
        child(given.name, given.source)
    elif given.command == "whole":
        compare(given.sizes, ["whole"], given.repeat, "plain")
    else:
        near_duplicates(given)


if __name__ == "__main__":
    main()
