"""A step's life: resolve inputs, stamp, up-to-date check, plan, stage, run, judge, publish.

A command module declares a `Step`; everything that all commands share happens here, once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import config as configs
from toolkit import console, inputs, ranks
from toolkit import stamp as stamps
from toolkit.artifacts import manifest, staging
from toolkit.errors import ToolkitError, of_system

if TYPE_CHECKING:
    from datasets import DatasetDict

Gate = dict[str, Any]  # {"name", "bound", "value", "passed"}


@dataclass(frozen=True)
class Result:
    """What a step gives back: the artifact's folder and the figures that matter."""

    artifact: Path
    kind: str
    status: str  # "created", "up-to-date" or "planned"
    seconds: float
    metrics: dict[str, Any]
    gates: list[Gate] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(gate["passed"] for gate in self.gates)

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "artifact": str(self.artifact),
            "kind": self.kind,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "metrics": self.metrics,
        }


@dataclass(frozen=True, kw_only=True)
class Step:
    """A subcommand: `run` does the work in `job.folder`; its docstring is the help.

    `version` goes up when the same options and inputs give another result. `plan` checks what can be checked before any
    work and returns what `--dry-run` prints. `judge` turns the stored figures into gates, so that a call that finds the
    artifact up-to-date judges as the first one did.
    """

    name: str
    kind: str
    config: type
    run: Callable[[Job], None]
    plan: Callable[[Job], dict[str, Any]]
    judge: Callable[[Any, dict[str, Any]], list[Gate]] | None = None
    version: int = 1
    resumable: bool = False
    adjustable: tuple[str, ...] = ()  # options that may differ when a run that was no longer finite is gone on with
    measures: bool = False  # its figures are of this machine: the processor is in the stamp
    enough: Callable[[Any, dict[str, Any]], bool] | None = None  # whether a finished artifact (its summary) suffices
    kind_of: Callable[[Any], str] | None = None  # where a config decides the kind
    takes: tuple[str, ...] = ("text",)  # the kinds of content that it works on
    # options that stand, where they are not given, for an input (by its name) of what `source` was made from, if it is
    # still there
    inherits: Mapping[str, str] = field(default_factory=dict)
    alone: str | None = "call it without torchrun or accelerate launch"  # what to do instead; None: several ranks can

    def makes(self, config: Any) -> str:
        """The kind of the artifact under this config."""
        return self.kind_of(config) if self.kind_of else self.kind

    def __call__(self, *sources: Any, out: Any, force: bool = False, dry_run: bool = False, **options: Any) -> Result:
        return execute(
            self, configs.with_sources(self.config, sources, options), Path(out), force=force, dry_run=dry_run
        )


@dataclass(frozen=True, kw_only=True)
class View:
    """A subcommand that only looks: `run` returns what `--json` prints, `show` prints it for a person."""

    name: str
    config: type
    run: Callable[[Any], dict[str, Any]]
    show: Callable[[dict[str, Any]], str]

    def __call__(self, *sources: Any, **options: Any) -> dict[str, Any]:
        return self.run(configs.build(self.config, configs.with_sources(self.config, sources, options)))


@dataclass
class Job:
    """One run of a step, as its command sees it."""

    step: Step
    config: Any
    inputs: dict[str, inputs.Given]
    out: Path = Path()  # what the artifact will be called
    folder: Path = Path()  # where the artifact's files go, till then
    work: Path = Path()  # where the engine may keep what it needs to resume
    previous: Path | None = None  # the finished artifact that this run goes on from
    metrics: dict[str, Any] = field(default_factory=dict)  # the summary
    warnings: list[str] = field(default_factory=list)
    kept: dict[Any, Any] = field(default_factory=dict)  # what `plan` found and `run` takes up
    _read: dict[tuple[bool, bool], DatasetDict] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Tell the user, and keep it in the manifest."""
        self.warnings.append(text)
        console.warn(text)

    def footer(self) -> dict[str, str]:
        """What a report says of its making."""
        machine = manifest.machine()
        made = {"toolkit": manifest.versions()["toolkit"], "machine": f"{machine['cpu']}, {machine['cores']} cores"}
        return {name: source.given for name, source in self.inputs.items()} | made

    @property
    def dataset(self) -> DatasetDict:
        """The rows of the dataset input, complete and checked."""
        return self.read_dataset()

    def read_dataset(self, *, complete: bool = True, need_label: bool = True) -> DatasetDict:
        """The rows of the dataset input, read once; see `inputs.load_dataset`."""
        key = (complete, need_label)
        if key not in self._read:
            source = self.inputs.get("data") or self.inputs["source"]
            self._read[key] = inputs.load_dataset(
                source,
                self.config.columns,
                complete=complete,
                need_label=need_label,
                kinds=self.step.takes,
            )
        return self._read[key]


def execute(step: Step, values: dict[str, Any], out: Path, *, force: bool = False, dry_run: bool = False) -> Result:
    """Run a step, or find that its result is there already.

    Raises:
        ToolkitError: the input or the environment is at fault; nothing is left behind but what a resume needs.
    """
    try:
        if ranks.count() > 1:
            return _together(step, values, out, force, dry_run)
        return _execute(step, values, out, force, dry_run)
    except OSError as e:
        if e.strerror is None:  # a library's own, not the system's
            raise
        raise of_system(e) from e


def _together(step: Step, values: dict[str, Any], out: Path, force: bool, dry_run: bool) -> Result:
    """Every rank was given the same call: rank 0 runs the step, the others take part and end with its result."""
    if step.alone:
        raise ToolkitError(f"'toolkit {step.name}' runs in one process, not in {ranks.count()}", step.alone)
    ranks.meet()
    if not ranks.leads():
        return _follow(step, values)
    try:
        result = _execute(step, values, out, force, dry_run)
    except Exception as e:
        ranks.speaks()
        ranks.end({"error": str(e)})
        raise
    ranks.end({"result": vars(result) | {"artifact": str(result.artifact)}})
    return result


def _follow(step: Step, values: dict[str, Any]) -> Result:
    said = ranks.hear("begin")
    if "folder" in said:
        try:
            _take_part(step, values, Path(said["folder"]), said["stamp"])
        except ToolkitError as e:
            raise ToolkitError(f"{ranks.name()}: {e.message}", e.hint) from e
        said = ranks.hear("end")
    if "error" in said:
        raise ToolkitError(said["error"])
    return Result(**said["result"] | {"artifact": Path(said["result"]["artifact"])})


def _take_part(step: Step, values: dict[str, Any], folder: Path, stamp: str) -> None:
    """Run the step beside rank 0, in its folder, once disk and inputs are known to be rank 0's."""
    config = configs.build(step.config, values)
    given = stamps.resolve(step, config)
    if stamps.stamp(step, config, given) != stamp:
        raise ToolkitError("its options or inputs are not those of rank 0", "give all machines the same")
    if staging.left_stamp(folder).get("stamp") != stamp:
        raise ToolkitError(f"{folder} is not that of rank 0", "give --out on a disk that all machines share")
    step.run(Job(step, config, given, folder=folder, work=folder / staging.WORK))


def _execute(step: Step, values: dict[str, Any], out: Path, force: bool, dry_run: bool) -> Result:
    started = time.monotonic()
    config = configs.build(step.config, values)
    given = stamps.resolve(step, config)
    out = _checked_out(out, given)
    stamp = stamps.stamp(step, config, given)
    if not dry_run:
        staging.recover(out)
    finished, previous = _finished(out, force), None
    if finished and finished["stamp"] == stamp:
        if not step.enough or step.enough(config, finished["metrics"]):
            return _up_to_date(step, config, out, finished, dry_run, time.monotonic() - started)
        previous = out
    replace = force or previous is not None
    if not replace and staging.is_taken(out):
        raise ToolkitError(
            f"{out} is there already, {stamps.difference(finished, step, config, given)}",
            "add --force to replace it, or choose another --out",
        )

    job = Job(step, config, given, out=out, previous=previous)
    for text in dict.fromkeys(inputs.learned_validation(given)):
        job.warn(text)
    plan = step.plan(job)
    if dry_run:
        return Result(out, step.makes(config), "planned", time.monotonic() - started, plan)
    base = stamps.stamp(step, config, given, without=step.adjustable)
    with staging.stage(out, stamp, base=base, resumable=step.resumable, force=force, replace=replace) as place:
        if place.adjusted:
            job.warn("goes on from the last checkpoint of a run with other options that was no longer finite")
        if not place.finished:
            job.folder, job.work = place.folder, place.work
            ranks.begin({"folder": str(place.folder.resolve()), "stamp": stamp})
            step.run(job)
            _write_manifest(job, stamp, started)
    written = manifest.read(out)
    assert written
    if place.finished and step.enough and not step.enough(config, written["metrics"]):
        return _execute(step, values, out, force, dry_run)  # it was finished for a smaller call than this one
    return Result(out, step.makes(config), "created", written["seconds"], written["metrics"], written["gates"])


def _finished(out: Path, force: bool) -> dict[str, Any] | None:
    """The manifest of the finished artifact at `out`, if there is one; a damaged one counts as none under `--force`."""
    if force:
        return manifest.whole(out)
    finished = manifest.read(out)
    if finished:
        manifest.check_files(out, finished)
    return finished


def _checked_out(out: Path, given: dict[str, inputs.Given]) -> Path:
    if out.name in ("", ".."):
        raise ToolkitError(f"--out {out} has no name of its own", "give a folder that does not exist yet")
    if out.is_symlink():
        out = out.resolve()
    here = out.resolve()
    for source in given.values():
        there = source.path.resolve() if source.path else None
        if there and (here.is_relative_to(there) or there.is_relative_to(here)):
            raise ToolkitError(f"--out {out} and the input {source.given} lie in each other", "choose another --out")
    return out


def _up_to_date(step: Step, config: Any, out: Path, finished: dict[str, Any], dry_run: bool, seconds: float) -> Result:
    gates = step.judge(config, manifest.figures_of(out, finished)) if step.judge else []
    if not dry_run:
        with contextlib.suppress(OSError):  # another user's artifact, or a read-only disk's, is as good
            if gates != finished["gates"]:
                manifest.write_json(out / manifest.NAME, finished | {"gates": gates})
            os.utime(out / manifest.NAME)  # so that make agrees that it is newer than its inputs
            (out / staging.LOCK).unlink(missing_ok=True)  # of a process that was killed right after publishing
    return Result(out, step.makes(config), "up-to-date", seconds, finished["metrics"], gates)


def _write_manifest(job: Job, stamp: str, started: float) -> None:
    outputs = [o for o in manifest.outputs_of(job.folder) if not o["path"].startswith(staging.UNPUBLISHED)]
    seconds = time.monotonic() - started
    written = {
        "schema_version": manifest.SCHEMA_VERSION,
        "kind": job.step.makes(job.config),
        "command": job.step.name,
        "stamp": stamp,
        "digest": manifest.content_digest(outputs),
        "config": configs.as_dict(job.config),
        "seed": job.config.seed,
        "inputs": [source.record() for source in job.inputs.values()],
        "outputs": outputs,
        "metrics": job.metrics,
        "gates": [],
        "warnings": job.warnings,
        "started": datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "versions": manifest.versions(),
        "machine": manifest.machine(),
    }
    if job.step.judge:
        written["gates"] = job.step.judge(job.config, manifest.figures_of(job.folder, written))
    manifest.write_json(job.folder / manifest.NAME, written)
