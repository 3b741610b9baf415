"""What the whole suite shares: a quiet, offline environment, a way to call the command line, and a small chain.

The chain (raw -> split -> model -> evaluation) is made once and shared by all workers: a step that finds its artifact
says up-to-date, and a file lock keeps two workers from making it at the same time.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import Called, raw_rows, write_csv

import toolkit
from toolkit import cli
from toolkit.commands import _fresh

# Before anything imports torch or a hub client: what stands above imports neither.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "MPLBACKEND": "Agg",
    "COLUMNS": "100",
}
for _name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "CLICOLOR_FORCE", "TOOLKIT_DEBUG", "TTY_COMPATIBLE"):
    os.environ.pop(_name, None)
if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # a shell's background job, and so the commands that tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One worker at a time."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / "lock").open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


_measured = _fresh.measure


@pytest.fixture(scope="session", autouse=True)
def _no_fresh_process() -> Iterator[None]:
    """Spare tests of other things the processes that measure a model's start-up and memory (5 seconds each)."""
    told = {"startup_seconds": 2.5, "peak_memory_bytes": 100_000_000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fresh, "measure", lambda *given: dict(told))
        yield


@pytest.fixture(autouse=True)
def _fresh_process_where_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "measures_memory" in request.keywords:
        monkeypatch.setattr(_fresh, "measure", _measured)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def raw(shared: Path) -> Path:
    """A raw csv: 240 rows, English and Chinese, three classes, nothing to clean."""
    path = shared / "raw.csv"
    with _alone(shared):
        if not path.exists():
            write_csv(path, raw_rows())
    return path


@pytest.fixture(scope="session")
def split(shared: Path, raw: Path) -> Path:
    """A dataset artifact with train, validation and test."""
    with _alone(shared):
        return toolkit.split(raw, out=shared / "split", validation=0.15, test=0.15).artifact


@pytest.fixture(scope="session")
def model(shared: Path, split: Path) -> Path:
    """A model artifact: builtin:text-tiny, two short epochs; better than chance, far from good."""
    with _alone(shared):
        options = {"epochs": 2, "batch_size": 16, "lr": 2e-3, "precision": "fp32", "max_length": 48}
        return toolkit.finetune(split, out=shared / "model", **options).artifact


@pytest.fixture(scope="session")
def narrow(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of half the model's width, with the model's tokenizer and random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("narrow") / "student"
    config = AutoConfig.from_pretrained(model)
    config.update({"embedding_size": 64, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2})
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def touchy(narrow: Path, split: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and rows labelled as it answers them, so narrowly that most answers turn where little of it changes."""
    import pandas as pd
    import torch

    from toolkit.artifacts import loading

    folder = tmp_path_factory.mktemp("touchy")
    model, tokenizer = loading.load(narrow)
    parts = {name: pd.read_parquet(split / "data" / f"{name}.parquet")["text"] for name in ("train", "validation")}
    with torch.inference_mode():
        said = {
            name: model(**tokenizer([*texts], padding=True, truncation=True, return_tensors="pt")).logits
            for name, texts in parts.items()
        }
    middle = said["train"].mean(0)
    model.classifier.out_proj.bias.data -= middle
    loading.save(folder / "model", model, tokenizer)
    (folder / "data").mkdir()
    for name, logits in said.items():
        labels = [model.config.id2label[i] for i in (logits - middle).argmax(1).tolist()]
        rows = [{"text": text, "label": label} for text, label in zip(parts[name], labels, strict=True)]
        write_csv(folder / "data" / f"{name}.csv", rows)
    return folder / "model", folder / "data"


@pytest.fixture(scope="session")
def evaluation(shared: Path, split: Path, model: Path) -> Path:
    """An evaluation of the model on the test split."""
    with _alone(shared):
        return toolkit.evaluate(model, data=str(split), out=shared / "evaluation").artifact


@pytest.fixture
def few_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing that takes no time: what is tested is not how fast this machine is."""
    from toolkit.inference import timing

    for name, value in (("ROUNDS", 1), ("LATENCY_ROWS", 4), ("WARM_UP", 1)):
        monkeypatch.setattr(timing, name, value)


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call the command line in this process, as a shell would."""

    def run(*argv: object) -> Called:
        capfd.readouterr()
        code = cli.main([str(a) for a in argv])
        captured = capfd.readouterr()
        return Called(code, captured.out, captured.err)

    return run
