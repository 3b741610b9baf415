"""What measuring costs: `toolkit evaluate` beside transformers' pipeline, intervals beside scipy's bootstrap.

Use: evaluate.py predict MODEL TEXTS [--rows 20000] [--rounds 3] [--threads N]
     evaluate.py intervals [--rows 100000] [--classes 100] [--resamples 3]
     (each also: --markdown FILE)

predict: the whole command (start, reading, predicting, timing, intervals, report) and a process that does nothing but
load the model and run `pipeline("text-classification")` at the batch size that is best for it on a tenth of the rows;
both in float32, in turns. TEXTS is a data set of texts; as many as a draw says are joined, so that lengths vary.
intervals: all figures of quality; scikit-learn's figures in `scipy.stats.bootstrap`, as many resamples as given,
stretched to 1,000; seconds of the processor, so that what else the machine does does not count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

SIZES = (8, 16, 32, 64, 128)
RESAMPLES = 1000
PIPED = """
import sys, time
import pandas, torch, transformers
transformers.utils.logging.set_verbosity_error()
model, data, rows, sizes, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
torch.set_num_threads(threads)
texts = pandas.read_parquet(data)["text"].tolist()[:rows]
pipe = transformers.pipeline("text-classification", model=model, device="cpu", dtype=torch.float32)
for size in map(int, sizes.split(",")):
    started = time.perf_counter()
    pipe(texts, batch_size=size, truncation=True)
    print(size, time.perf_counter() - started, flush=True)
"""


class Spent(NamedTuple):
    """Seconds, and seconds of the processor (of child processes too)."""

    seconds: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["predict", "intervals"])
    parser.add_argument("given", nargs="*")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resamples", type=int, default=3)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    parser.add_argument("--markdown", type=Path, help="also write what is printed to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.what == "predict":
            text = predict(
                given.given[0], given.given[1], given.rows or 20_000, given.rounds, given.threads, Path(folder)
            )
        else:
            text = intervals(given.rows or 100_000, given.classes, given.resamples)
    text += f"\n\n{about(given.threads)}"
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n", encoding="utf-8")


def mixed(source: str, rows: int, folder: Path) -> Path:
    """A data set whose texts are one to twenty texts joined, mostly few, as a test split."""
    import pandas as pd

    from toolkit import inputs
    from toolkit.data import labels
    from toolkit.data.options import ColumnOptions

    data = inputs.load_dataset(inputs.resolve("data", "dataset", source), ColumnOptions())
    split = next(iter(data.values()))
    texts, names = split["text"], labels.names_of(split.features)
    rng = np.random.default_rng(0)
    counts = np.minimum(20, rng.geometric(0.25, rows))
    firsts = rng.integers(0, len(texts), (rows, 20))
    table = pd.DataFrame({
        "text": [" ".join(texts[i] for i in first[:n]) for first, n in zip(firsts, counts, strict=True)],
        "label": [names[split[int(first[0])]["label"]] for first in firsts],
    })  # fmt: skip
    (folder / "data").mkdir()
    table.to_parquet(folder / "data" / "test.parquet")
    return folder / "data"


def predict(model: str, source: str, rows: int, rounds: int, threads: int, folder: Path) -> str:
    """Seconds of both, in turns."""
    data = mixed(source, rows, folder)
    piped = folder / "piped.py"
    piped.write_text(PIPED, encoding="utf-8")

    def pipeline(count: int, sizes: str) -> tuple[Spent, list[tuple[int, float]]]:
        call = [str(piped), model, str(data / "test.parquet"), str(count), sizes, str(threads)]
        spent, out = run(*call)
        return spent, [(int(size), float(seconds)) for size, seconds in map(str.split, out.splitlines())]

    found = pipeline(max(200, rows // 10), ",".join(map(str, SIZES)))[1]
    best = min(found, key=lambda pair: pair[1])[0]
    print("pipeline on a tenth:", {size: round(seconds, 1) for size, seconds in found}, flush=True)
    ours, theirs = [], []
    for round_ in range(rounds):
        ours.append(
            command("evaluate", model, "--data", str(data), "--out", str(folder / f"e{round_}"), "--device", "cpu")
        )
        theirs.append(pipeline(rows, str(best))[0])
        print(ours[-1], theirs[-1], flush=True)
    lines = [
        [name, told([s.seconds for s in spent]), told([s.processor for s in spent])]
        for name, spent in (("toolkit evaluate", ours), (f"pipeline, batch {best}", theirs))
    ]
    pairs = [(a.seconds / b.seconds, a.processor / b.processor) for a, b in zip(ours, theirs, strict=True)]
    lines.append(["ratio", *(told(list(ratios), 2) for ratios in zip(*pairs, strict=True))])
    return markdown([f"{rows:,} texts, each a whole process", "seconds", "processor's seconds"], lines)


def intervals(rows: int, width: int, resamples: int) -> str:
    """Seconds for all figures with their intervals, here and by resampling rows."""
    from scipy.stats import bootstrap
    from sklearn import metrics as reference

    from toolkit.evaluation import metrics, quality

    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, width, rows), rng.normal(size=(rows, width))
    logits[np.arange(rows), labels] += 3
    probabilities, hot = metrics.softmax(logits), np.eye(width, dtype=np.int8)[labels]
    started, asked = time.process_time(), [0]
    quality.measure(labels, probabilities, seed=0)
    ours = time.process_time() - started

    def figures(drawn: Any) -> Any:
        asked[0] += 1
        y, p = labels[drawn], probabilities[drawn]
        answers = p.argmax(1)
        return np.array([
            reference.accuracy_score(y, answers), reference.balanced_accuracy_score(y, answers),
            *reference.precision_recall_fscore_support(y, answers, average="macro", zero_division=0)[:3],
            reference.matthews_corrcoef(y, answers), reference.top_k_accuracy_score(y, p, k=3),
            reference.top_k_accuracy_score(y, p, k=5), reference.roc_auc_score(y, p, multi_class="ovr"),
            reference.average_precision_score(hot[drawn], p), reference.log_loss(y, p),
            np.square(hot[drawn] - p).sum(1).mean(),
        ])  # fmt: skip

    started = time.process_time()
    options: dict[str, Any] = {"vectorized": False, "method": "percentile", "batch": 1, "rng": np.random.default_rng(0)}
    bootstrap((np.arange(rows),), figures, n_resamples=resamples, **options)
    each = (time.process_time() - started) / asked[0]  # it may also ask for the figures of the rows themselves
    lines = [
        ["toolkit", f"{ours:.1f}", "1"],
        ["scikit-learn's figures once, without intervals", f"{each:.1f}", f"{each / ours:.1f}"],
        [
            f"scipy.stats.bootstrap, {RESAMPLES:,} resamples",
            f"{each * RESAMPLES:,.0f}",
            f"{each * RESAMPLES / ours:,.0f}",
        ],
    ]
    return markdown([f"{rows:,} rows, {width} classes", "processor's seconds", "times"], lines)


def command(*argv: str) -> Spent:
    return run("-m", "toolkit", *argv, "--quiet")[0]


def run(*argv: str) -> tuple[Spent, str]:
    """What a Python process takes, and what it prints."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([sys.executable, *argv], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}")
        out.seek(0)
        seconds = time.perf_counter() - started
        return Spent(seconds, usage.ru_utime + usage.ru_stime), out.read()


def told(values: list[float], digits: int = 1) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def markdown(columns: list[str], lines: list[list[str]]) -> str:
    table = [columns, ["---", *["---:"] * (len(columns) - 1)], *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def about(threads: int) -> str:
    from toolkit.artifacts import manifest

    machine, versions = manifest.machine(), manifest.versions()
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    return f"{machine['cpu']}, {machine['cores']} cores, {threads} threads, {load}; {shown}"


if __name__ == "__main__":
    main()
