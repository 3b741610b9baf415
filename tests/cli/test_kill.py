"""`kill -9` at any moment: nothing half done under the final name, and the same call goes on from where it was."""

import functools
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Called, command, forked, listing, pictures, raw_rows, write_csv

import toolkit
from toolkit.artifacts import manifest

Call = Callable[..., Called]

# Slow enough to be caught in the middle: 12 epochs of 11 steps.
FINETUNE = ("--epochs", "12", "--batch-size", "16", "--max-length", "48", "--patience", "0", "--save-every", "4")

# Runs the command line in a process that sends itself a signal when its condition holds.
ARMED = """
import os, signal, sys
from toolkit import cli

def die():
    os.kill(os.getpid(), {signal})

{arm}
raise SystemExit(cli.main(sys.argv[1:]))
"""

# Before or after the n-th rename to a path that ends so.
AT_RENAME = """
real, seen = {function}, 0
def rename(a, b, *rest, **named):
    global seen
    hit = str(b).endswith({target!r})
    seen += hit
    if hit and seen == {count} and {before}:
        die()
    real(a, b, *rest, **named)
    if hit and seen == {count} and not {before}:
        die()
{function} = rename
"""

# When a function of a module is called for the n-th time (of those whose first argument ends so).
AT_CALL = """
import importlib
holder = importlib.import_module({module!r})
for part in {path!r}.split(".")[:-1]:
    holder = getattr(holder, part)
name = {path!r}.split(".")[-1]
real, seen = getattr(holder, name), 0
def call(*args, **named):
    global seen
    seen += not {of!r} or str(args[0]).endswith({of!r})
    if seen == {count}:
        die()
    return real(*args, **named)
setattr(holder, name, call)
"""

# Before the n-th time that Python opens, makes, renames or removes something below a folder.
AT_MOMENT = """
import atexit
below, seen = {below!r}, 0
def watch(event, args):
    global seen
    if event.startswith(("open", "os.", "shutil.")) and args and str(args[0]).startswith(below):
        seen += 1
        if seen == {count}:
            die()
sys.addaudithook(watch)
atexit.register(lambda: print(seen, file=sys.stderr))
"""


def run_armed(arm: str, *argv: object, number: int = signal.SIGKILL, **env: object) -> tuple[int, str]:
    """Call the command line in a process that gets a signal on the way: its exit code, and what it said."""
    return forked(ARMED.format(arm=arm, signal=int(number)), *argv, **env)


def armed(arm: str, *argv: object, **env: object) -> None:
    """Call the command line in a process that dies on the way."""
    code, told = run_armed(arm, *argv, **env)
    assert code == -signal.SIGKILL, told


def at_rename(target: str, *, before: bool, count: int = 1, function: str = "os.rename") -> str:
    return AT_RENAME.format(function=function, target=target, before=before, count=count)


def at_call(module: str, path: str, count: int = 1, of: str = "") -> str:
    return AT_CALL.format(module=module, path=path, count=count, of=of)


def start(*argv: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(command(*argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object], process: "subprocess.Popen[str]", seconds: float = 90) -> None:
    """Wait until something holds, while the process lives."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "it ended before it could be caught"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def whole_or_absent(out: Path) -> bool:
    """Whether an artifact stands there; anything else than an artifact or nothing fails."""
    assert manifest.whole(out) or not out.exists()
    return out.exists()


def checkpoints(out: Path) -> list[Path]:
    return list((out.parent / f".{out.name}.partial" / "work" / "checkpoints").glob("checkpoint-*/complete"))


@pytest.fixture(scope="module")
def undisturbed(split: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the training gives that nothing disturbs, but for a second call that wants the same folder meanwhile."""
    out = tmp_path_factory.mktemp("undisturbed") / "m"
    first = start("finetune", split, "--out", out, *FINETUNE)
    wait_for(lambda: checkpoints(out), first)
    second = subprocess.run(
        command("finetune", split, "--out", out, *FINETUNE), capture_output=True, text=True, timeout=120, check=False
    )
    assert first.poll() is None, "the first ended too early to be disturbed"
    printed, told = first.communicate(timeout=120)
    assert (first.returncode, printed) == (0, f"{out}\n"), told
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.splitlines()[-1].startswith(f"error: another process is writing {out}: wait for it")
    assert {p.name for p in out.parent.iterdir()} == {"m"}
    return out


def test_two_processes_on_one_out(undisturbed: Path) -> None:
    assert manifest.whole(undisturbed)


def test_killed_training_resumes_to_the_same_weights(
    call: Call, split: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m"
    argv = ("finetune", split, "--out", out, *FINETUNE)
    process = start(*argv)
    wait_for(lambda: len(checkpoints(out)) > 1, process)
    process.kill()
    process.communicate(timeout=30)
    assert not whole_or_absent(out)
    again = call(*argv)
    assert again.code == 0, again.err
    line = next(line for line in again.err.splitlines() if line.startswith("resuming from step "))
    assert int(line.split()[-1]) > 0
    assert weights(out) == weights(undisturbed)
    assert {p.name for p in tmp_path.iterdir()} == {"m"}
    third = call(*argv)
    assert (third.code, third.out) == (0, f"{out}\n")
    assert "is up-to-date" in third.err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["train"]["epochs"] == 12
    assert metrics["validation"] == json.loads((undisturbed / "metrics.json").read_text())["validation"]


TRAINER = "toolkit.training.trainer"


@pytest.mark.parametrize(
    ("arm", "resumes"),
    [
        (at_call(TRAINER, "Watch.on_step_end", 3), None),
        (at_call("torch", "save", 2), None),
        (at_rename("best.safetensors", before=True), 8),
        (at_call(TRAINER, "Engine._save_checkpoint", 4), 11),
        (at_rename("checkpoint-12", before=True), 11),
        (at_rename("old-checkpoint-4", before=False), 11),
        (at_call("toolkit.training.checkpoints", "sync", 26), 8),
        (at_call("toolkit.artifacts.loading", "save"), 22),
        (at_rename("artifact.json", before=True, function="os.replace"), 22),
        (at_rename("/m", before=True), None),
        (at_rename("/m", before=False), None),
    ],
    ids=[
        "before-any-checkpoint",
        "in-the-first-checkpoint",
        "best-weights",
        "later-checkpoint",
        "before-a-checkpoints-name",
        "removing-an-old-checkpoint",
        "flushing",
        "publishing",
        "before-the-manifest",
        "before-the-name",
        "after-the-name",
    ],
)
def test_killed_at_every_stage_of_a_training(
    call: Call, split: Path, tmp_path: Path, two_epochs: str, arm: str, resumes: int | None
) -> None:
    out = tmp_path / "m"
    argv = ("finetune", split, "--out", out, *FINETUNE, "--epochs", "2")
    armed(arm, *argv)
    whole_or_absent(out)
    again = call(*argv)
    assert again.code == 0, again.err
    assert (f"resuming from step {resumes}" in again.err) if resumes else ("resuming" not in again.err)
    assert weights(out) == two_epochs
    assert "up-to-date" in call(*argv).err
    assert {p.name for p in tmp_path.iterdir()} == {"m"}
    assert not [name for name in listing(out) if Path(name).name.startswith(".")]


@pytest.mark.parametrize(
    "arm", [at_rename("best.safetensors", before=True), at_rename("artifact.json", before=True, function="os.replace")]
)
def test_a_killed_refit_resumes_to_the_same_weights(call: Call, split: Path, tmp_path: Path, arm: str) -> None:
    options = ("--refit", *FINETUNE, "--epochs", "2")
    assert call("finetune", split, "--out", tmp_path / "whole", *options).code == 0
    argv = ("finetune", split, "--out", tmp_path / "m", *options)
    armed(arm, *argv)
    assert "resuming from step" in (again := call(*argv)).err, again.err
    assert weights(tmp_path / "m") == weights(tmp_path / "whole")


@pytest.fixture(scope="module")
def two_epochs(split: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights after two epochs."""
    options = {"epochs": 2, "batch_size": 16, "max_length": 48, "patience": 0, "save_every": 4}
    return weights(toolkit.finetune(split, out=tmp_path_factory.mktemp("two") / "m", **options).artifact)


def test_unfinished_work_of_other_options_is_not_thrown_away(call: Call, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    argv = ("finetune", split, "--out", out, *FINETUNE, "--epochs", "2")
    armed(at_rename("checkpoint-4", before=False), *argv)
    called = call(*argv, "--seed", "5")
    assert called.code == 1
    assert "holds unfinished work of a run with other options or inputs" in called.err
    assert checkpoints(out)
    called = call(*argv, "--seed", "5", "--force")
    assert called.code == 0
    assert "resuming" not in called.err
    assert {p.name for p in tmp_path.iterdir()} == {"m"}


# A step that does not resume, and the swap of --force


@pytest.mark.parametrize(
    "arm",
    [
        at_call("toolkit.artifacts.staging", "manifest.write_json"),
        at_call("toolkit.data.clean", "clean"),
        at_call("toolkit.artifacts.report", "write"),
        at_rename("artifact.json", before=True, function="os.replace"),
        at_rename("artifact.json", before=False, function="os.replace"),
        at_rename("/a", before=True),
        at_rename("/a", before=False),
    ],
    ids=["opening", "working", "reporting", "before-manifest", "after-manifest", "before-name", "after-name"],
)
def test_killed_clean(call: Call, raw: Path, tmp_path: Path, arm: str) -> None:
    out = tmp_path / "deep" / "a"
    armed(arm, "clean", raw, "--out", out)
    whole_or_absent(out)
    called = call("clean", raw, "--out", out)
    assert (called.code, called.out) == (0, f"{out}\n")
    assert manifest.whole(out)
    assert {p.name for p in out.parent.iterdir()} == {"a"}
    assert "up-to-date" in call("clean", raw, "--out", out).err
    assert "train.parquet" in str(listing(out))


@pytest.mark.parametrize("next_call", ["old", "new", "new --force"])
@pytest.mark.parametrize(
    ("arm", "left"),
    [
        (at_rename(".a.old", before=True), "old"),
        (at_rename(".a.old", before=False), None),
        (at_rename("/a", before=True), None),
        (at_rename("/a", before=False), "new"),
        (at_call("shutil", "rmtree", 2, of=".a.old"), "new"),  # at first there is none yet
    ],
    ids=["before-retiring", "after-retiring", "before-the-name", "after-the-name", "removing"],
)
def test_killed_in_the_swap(call: Call, raw: Path, tmp_path: Path, arm: str, left: str | None, next_call: str) -> None:
    out = tmp_path / "a"
    options = {"old": (), "new": ("--min-length", 12), "new --force": ("--min-length", 12, "--force")}
    length = {"old": 10, "new": 12, "new --force": 12}
    assert call("clean", raw, "--out", out).code == 0
    armed(arm, "clean", raw, "--out", out, *options["new --force"])
    found = manifest.whole(out)
    if left:
        assert found
        assert found["config"]["quality"]["min_length"] == length[left]
    else:
        assert not out.exists()
    called = call("clean", raw, "--out", out, *options[next_call])
    found = manifest.whole(out)
    assert found, "the old or the new one"
    if next_call == "new --force" or (next_call == "old") == (left != "new"):
        assert called.code == 0
        assert found["config"]["quality"]["min_length"] == length[next_call]
    else:
        assert called.code == 1
        assert "is there already" in called.err
    assert {p.name for p in tmp_path.iterdir()} - {".a.partial"} == {"a"}
    assert call("clean", raw, "--out", out, *options["new --force"]).code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"a"}


def test_a_swap_in_progress_is_not_undone_by_another_call(call: Call, raw: Path, tmp_path: Path) -> None:
    """Another process stands between its two renames, and holds its lock."""
    import fcntl

    out = tmp_path / "a"
    assert call("clean", raw, "--out", out).code == 0
    out.rename(tmp_path / ".a.old")
    (tmp_path / ".a.partial").mkdir()
    with (tmp_path / ".a.partial" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        called = call("clean", raw, "--out", out)
        assert called.code == 1
        assert "another process is writing" in called.err
        assert {p.name for p in tmp_path.iterdir()} == {".a.old", ".a.partial"}
    assert "up-to-date" in call("clean", raw, "--out", out).err
    assert whole_or_absent(out)


def test_what_appeared_meanwhile_is_not_replaced(
    call: Call, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.data import sources

    out = tmp_path / "deep" / "a"
    real = sources.read

    def slow(*args: object) -> object:
        monkeypatch.undo()
        toolkit.clean(raw, out=out, min_length=12)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sources, "read", slow)
    called = call("clean", raw, "--out", out)
    assert called.code == 1
    assert "has appeared meanwhile" in called.err
    assert manifest.whole(out)["config"]["quality"]["min_length"] == 12  # type: ignore[index]
    assert {p.name for p in out.parent.iterdir()} == {"a"}


# A search


def trials(folder: Path) -> int:
    """Trials with a result in a study's file."""
    with sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True) as base:
        return int(base.execute("select count(*) from trials where state in ('COMPLETE', 'PRUNED')").fetchone()[0])


def test_a_killed_search_goes_on_to_the_total(call: Call, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    argv = ("tune", split, "--out", out, "--epochs", "1", "--max-length", "48")
    armed(at_call("toolkit.training.search", "trainer.train", 3), *argv, "--total-trials", "4")
    assert not whole_or_absent(out)
    assert trials(tmp_path / ".t.partial" / "work") == 2
    again = call(*argv, "--total-trials", "3")
    assert again.code == 0, again.err
    assert trials(out) == 3
    assert "up-to-date" in call(*argv, "--total-trials", "2").err
    more = call(*argv, "--total-trials", "4", "--json")
    assert more.code == 0, more.err
    assert (json.loads(more.out)["status"], json.loads(more.out)["metrics"]["trials"]) == ("created", 4)
    assert trials(out) == 4
    armed(at_rename("/t", before=True), *argv, "--total-trials", "5")
    assert not out.exists()
    assert trials(tmp_path / ".t.old") == 4
    assert json.loads(call(*argv, "--total-trials", "6", "--json").out)["metrics"]["trials"] == 6
    assert {p.name for p in tmp_path.iterdir()} == {"t"}


def test_a_killed_distillation_ends_as_an_undisturbed_one(
    model: Path, narrow: Path, split: Path, tmp_path: Path
) -> None:
    options = {"student": str(narrow), "hidden_weight": 1.0, "epochs": 1, "batch_size": 16, "save_every": 4}
    wanted = weights(toolkit.distill(model, data=str(split), out=tmp_path / "whole", **options).artifact)
    argv = (
        "distill",
        model,
        "--data",
        split,
        *(x for k, v in options.items() for x in (f"--{k.replace('_', '-')}", v)),
    )
    moments = {
        "asking": at_call("toolkit.training.tasks.classification", "Classification.collate", 3),
        "training": at_call("toolkit.training.checkpoints", "publish", 2),
    }
    for name, arm in moments.items():
        armed(arm, *argv, "--out", tmp_path / name)
        work = tmp_path / f".{name}.partial" / "work"
        assert list(work.glob("answers-*.f32")), "what the teacher said so far"
        assert bool(checkpoints(tmp_path / name)) == (name == "training")
        assert weights(toolkit.distill(model, data=str(split), out=tmp_path / name, **options).artifact) == wanted


def test_terminated_leaves_nothing_under_the_name(split: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    process = start("finetune", split, "--out", out, *FINETUNE)
    wait_for(lambda: (tmp_path / ".m.partial" / "stamp.json").exists(), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not whole_or_absent(out)


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.0, 1.2])
def test_killed_at_any_moment(call: Call, raw: Path, tmp_path: Path, seconds: float) -> None:
    out = tmp_path / "a"
    process = start("split", raw, "--out", out)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    whole_or_absent(out)
    assert call("split", raw, "--out", out).code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"a"}


# Sources that are laid out in the folder for temporary files, and folders of images


class Sandbox:
    """A source, the place of the artifact, and a folder for temporary files, each in a folder of its own."""

    def __init__(self, base: Path, kind: str) -> None:
        self.base, self.out, self.temporary = base, base / "out" / "a", base / "tmp"
        self.temporary.mkdir(parents=True)
        self.source = MAKERS[kind](base / "in")
        self.before = self.state()

    def state(self) -> dict[str, tuple[int, bytes]]:
        """Every file of the source: when it was written, and its bytes."""
        files = (p for p in (self.base / "in").rglob("*") if p.is_file())
        return {p.as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}

    def beside(self) -> set[str]:
        """What stands where the artifact goes."""
        return {p.name for p in self.out.parent.iterdir()} if self.out.parent.exists() else set()

    def moment(self, count: int) -> str:
        """The condition that holds at a moment, counted from 1."""
        return LAID_OUT + AT_MOMENT.format(below=str(self.base), count=count)


LAID_OUT = """
from toolkit.data.sources import delimited, gather, images
gather.SPILL_BYTES, delimited._BLOCK, images._BLOCK = 4000, 4000, 4000
"""


def a_csv(folder: Path) -> Path:
    """Texts, a number that is typed after they were laid out, a repeat, and something to mend."""
    folder.mkdir()
    rows = [row | {"n": str(i)} for i, row in enumerate(raw_rows(90))]
    rows[7]["text"] += " &amp; more"
    return write_csv(folder / "rows.csv", [*rows, rows[0]])


def images(folder: Path) -> Path:
    """Pictures, one of them twice, and one broken."""
    pictures(folder)
    (folder / "cat" / "twice.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    (folder / "dog" / "broken.png").write_bytes((folder / "dog" / "0.png").read_bytes()[:200])
    return folder


def named_images(folder: Path) -> Path:
    """The same pictures, named by a table."""
    rows = [{"image": f"{p.parent.name}/{p.name}", "label": p.parent.name} for p in images(folder).glob("*/*.png")]
    return write_csv(folder / "rows.csv", sorted(rows, key=lambda row: row["image"]))


MAKERS: dict[str, Callable[[Path], Path]] = {"csv": a_csv, "images": images, "named images": named_images}
WAYS = ["clean csv", "split csv", "clean images", "split images", "clean named images"]
NAMED = {
    "laying": at_call("toolkit.data.sources.gather", "_laid_out"),
    "typing": at_call("toolkit.data.sources.gather", "_laid_out", 2),  # the rows once more, numbers as numbers
    "mapping": at_call("pyarrow", "memory_map"),
    "writing": at_call("toolkit.artifacts.dataset", "write"),
}
SHARES = ("0.1", "0.18", "0.6", "0.97")  # of all moments
MOMENTS = [(way, moment) for way in WAYS for moment in (*SHARES, *NAMED) if moment != "typing" or "csv" in way]


def data_bytes(out: Path) -> dict[str, bytes]:
    """The data half of an artifact, byte by byte."""
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.parquet")}


Whole = Callable[[str], tuple[int, Path]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """How many moments a run has that nothing disturbs (it lays everything out), and what it gives."""

    @functools.cache
    def made(way: str) -> tuple[int, Path]:
        name, _, kind = way.partition(" ")
        box = Sandbox(tmp_path_factory.mktemp("whole") / "box", kind)
        code, told = run_armed(box.moment(0), name, box.source, "--out", box.out, TMPDIR=box.temporary)
        assert code == 0, told
        assert box.beside() == {"a"}
        assert listing(box.temporary) == set()
        assert box.state() == box.before
        return int(told.split()[-1]), box.out

    return made


@pytest.mark.parametrize(("way", "moment"), MOMENTS)
def test_killed_while_it_reads_and_writes(
    call: Call, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, moment: str
) -> None:
    """Nothing of the source changes, nothing half done stands there, and the next call gives the same bytes."""
    total, undisturbed = whole(way)
    name, _, kind = way.partition(" ")
    box = Sandbox(tmp_path / "box", kind)
    arm = LAID_OUT + NAMED[moment] if moment in NAMED else box.moment(round(float(moment) * total))
    armed(arm, name, box.source, "--out", box.out, TMPDIR=box.temporary)
    whole_or_absent(box.out)
    assert box.state() == box.before
    assert box.beside() <= {"a", ".a.partial"}
    monkeypatch.setattr(tempfile, "tempdir", str(box.temporary))
    called = call(name, box.source, "--out", box.out)
    assert (called.code, called.out) == (0, f"{box.out}\n"), called.err
    assert data_bytes(box.out) == data_bytes(undisturbed)
    assert box.beside() == {"a"}
    assert not [path for path in listing(box.out) if Path(path).name.startswith(".")]
    assert not [path for path in box.temporary.rglob("*") if path.is_file()], "what was left is swept away"
    assert box.state() == box.before


@pytest.mark.parametrize("moment", ["laying", "mapping", "writing"])
@pytest.mark.parametrize("way", WAYS[1:])
def test_interrupted_it_leaves_nothing_anywhere(tmp_path: Path, way: str, moment: str) -> None:
    name, _, kind = way.partition(" ")
    box = Sandbox(tmp_path / "box", kind)
    argv = (name, box.source, "--out", box.out)
    code, told = run_armed(LAID_OUT + NAMED[moment], *argv, number=signal.SIGINT, TMPDIR=box.temporary)
    assert code == 130, told
    assert "Traceback" not in told
    assert not box.out.parent.exists()
    assert listing(box.temporary) == set()
    assert box.state() == box.before
