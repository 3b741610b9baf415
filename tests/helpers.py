"""What tests of several folders call: rows to learn from, and the command line in a process of its own."""

import atexit
import csv
import functools
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

THINGS = {
    "billing": ("invoice refund charge payment receipt fee", "发票 退款 扣款 付款 收据 费用"),
    "delivery": ("parcel courier shipping address tracking box", "包裹 快递 发货 地址 物流 箱子"),
    "product": ("battery screen button manual size colour", "电池 屏幕 按钮 说明书 尺寸 颜色"),
}
NAMES = ("Anna Ben Chloe David Emma Frank", "小王 老李 张先生 刘女士 陈同学 赵老师")
WHEN = ("today yesterday Monday lately now earlier", "今天 昨天 周一 上周 早上 三月")
WHAT = ("broke vanished stopped failed leaked changed", "不对 没有到 丢失了 很奇怪 要更换 坏掉了")


@dataclass(frozen=True)
class Called:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str


def raw_rows(count: int = 240, seed: int = 3) -> list[dict[str, str]]:
    """Texts of three classes in two languages, no two alike; three words in four tell the class."""
    rng, rows, seen = random.Random(seed), [], set()
    while len(rows) < count:
        label, chinese = list(THINGS)[len(rows) % 3], (len(rows) // 3) % 2
        a, b, c = rng.sample(THINGS[label][chinese].split(), 3)
        who, when, what = (rng.choice(words[chinese].split()) for words in (NAMES, WHEN, WHAT))
        odd = rng.randrange(1000, 9999)
        if chinese:
            text = f"{who}{when}说{a}和{b}{what}，单号{odd}，还有{c}。"
        else:
            text = f"{who} says {when} the {a} and the {b} {what}, no {odd}, also {c}."
        if text not in seen:
            seen.add(text)
            rows.append({"text": text, "label": label, "source": "app" if odd % 2 else "email"})
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    """A csv file of rows with the same keys."""
    with path.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_evaluation(folder: Path, columns: dict[str, Any], probabilities: Any, names: list[str]) -> Path:
    """An evaluation artifact of rows whose `label` is a class number, or a list of them."""
    import numpy as np
    from datasets import ClassLabel, Dataset, Sequence

    from toolkit.artifacts import evaluation, manifest
    from toolkit.evaluation import metrics

    several = isinstance(columns["label"][0], list)
    label = ClassLabel(names=names)
    rows = Dataset.from_dict({"id": [f"r{i}" for i in range(len(probabilities))]} | columns)
    rows = rows.cast_column("label", Sequence(label) if several else label)
    chosen = metrics.chosen(probabilities) if several else np.asarray(probabilities).argmax(1)
    confidence = metrics.certainty(probabilities) if several else np.asarray(probabilities).max(1)
    folder.mkdir(parents=True)
    evaluation.write(folder / "predictions.parquet", rows, np.asarray(probabilities), names, chosen, confidence)
    outputs = manifest.outputs_of(folder)
    made = dict.fromkeys(("stamp", "digest"), manifest.content_digest(outputs)) | {"schema_version": 1, "seed": 0}
    made |= {"kind": "evaluation", "command": "evaluate", "config": {}, "inputs": [], "metrics": {}, "gates": []}
    manifest.write_json(folder / manifest.NAME, made | {"outputs": outputs})
    return folder


def command(*argv: object) -> list[str]:
    """The command line as a process's arguments."""
    return [sys.executable, "-m", "toolkit", *map(str, argv)]


def shell(*argv: object, timeout: float = 120, **kwargs: object) -> Called:
    """Call the command line in a process of its own."""
    done = subprocess.run(command(*argv), capture_output=True, text=True, timeout=timeout, check=False, **kwargs)  # type: ignore[call-overload]
    return Called(done.returncode, done.stdout, done.stderr)


def torchrun(*argv: object, timeout: float = 300) -> Called:
    """Call a script or a module (-m NAME) as two ranks, as a user does."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run([*launcher, *map(str, argv)], capture_output=True, text=True, timeout=timeout, check=False)
    return Called(done.returncode, done.stdout, done.stderr)


def listing(folder: Path) -> set[str]:
    """Everything under a folder, hidden files too."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


def untouched(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything under a folder, and of what is no folder its size and when it was written."""
    found = {name: (folder / name).lstat() for name in listing(folder)}
    return {
        name: () if (folder / name).is_dir() else (s.st_size, s.st_mtime_ns, s.st_mode) for name, s in found.items()
    }


def refused(
    call: Callable[..., Called], folder: Path, *argv: object, says: str | tuple[str, ...], out: object = None
) -> None:
    """Call into a deep `--out` under `folder`; it is refused in one line that says so, and leaves nothing."""
    before = untouched(folder)
    called = call(*argv, "--out", out or folder / "deep" / "er" / "out")
    assert called.code == 1, called.err
    assert called.out == ""
    lines = called.err.splitlines()
    assert len(lines) == 1, called.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in called.err
    assert "a bug" not in called.err
    for word in (says,) if isinstance(says, str) else says:
        assert word in lines[0], lines[0]
    assert ": " in lines[0].removeprefix("error: "), "it says what to do"
    assert untouched(folder) == before


def pictures(folder: Path, seed: int = 0) -> Path:
    """An image folder: two classes of eight pictures of squares."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for i in range(8):
            squares = np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
            Image.fromarray(squares).save(folder / label / f"{i}.png")
    return folder


def token_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Encoded rows of different lengths, of two classes told by their first token."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    out = []
    for i in range(count):
        n = int(torch.randint(4, 12, (1,), generator=generator))
        ids = torch.randint(20, 100, (n,), generator=generator).tolist()
        ids[0] = 10 + i % 2
        out.append({"input_ids": ids, "labels": i % 2})
    return out


@functools.cache
def _preloaded() -> Any:
    """Where processes are forked from one that has imported what commands need, rather than each importing it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toolkit.cli", "toolkit.training.trainer", "toolkit.artifacts.loading", "datasets"])
    return context


def forked(script: str, *argv: object, **env: object) -> tuple[int, str]:
    """Run a script in a process of its own, most imports behind it: its exit code, and what it wrote to stderr."""
    with tempfile.NamedTemporaryFile("r+") as told:
        words = [str(a) for a in argv]
        process = _preloaded().Process(target=_become, args=(script, words, {**os.environ, **env}, told.name))
        process.start()
        process.join(120)
        alive = process.is_alive()
        process.kill()
        process.join()
        assert not alive, "it took too long"
        return int(process.exitcode), told.read()


def _become(script: str, argv: list[str], env: dict[str, object], told: str) -> None:
    os.environ.clear()
    os.environ.update({name: str(value) for name, value in env.items()})
    tempfile.tempdir = None  # it was asked for before the environment was ours
    for number, path in ((1, os.devnull), (2, told)):
        with open(path, "a") as f:
            os.dup2(f.fileno(), number)
    sys.argv = ["-c", *argv]
    try:
        exec(script, {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()
