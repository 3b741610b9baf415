"""`artifact.json`: what a folder is, how it was made, from what, and whether its files are still those."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from toolkit import cpu, digest, ranks
from toolkit.errors import ToolkitError

NAME = "artifact.json"
SCHEMA_VERSION = 1
# What reports on an artifact, or takes another value at each run (times), is not its content: two runs with the same
# inputs, config and seed have the same content digest.
NOT_CONTENT = (
    "README.md",
    "report.json",
    "report.html",
    "metrics.json",
    "trainer_state.json",
    "study.db",
    "logs/",
    "figures/",
)
KEYS = (
    "schema_version",
    "kind",
    "command",
    "stamp",
    "digest",
    "config",
    "seed",
    "inputs",
    "outputs",
    "metrics",
    "gates",
)
FIGURES = ("metrics.json", "report.json")  # what gates read
PACKAGES = ("torch", "transformers", "datasets", "scikit-learn", "optuna", "openvino", "nncf", "nlpaug")


def digest_json(value: Any) -> str:
    """xxh3-128 of a JSON value in canonical form."""
    import xxhash

    return xxhash.xxh3_128_hexdigest(json.dumps(value, sort_keys=True, ensure_ascii=True).encode())


def outputs_of(folder: Path) -> list[dict[str, Any]]:
    """Every file of the folder but the manifest: relative path, bytes, digest."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != NAME)
    return [
        {"path": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size, "digest": digest.of_file(p)}
        for p in files
    ]


def content_digest(outputs: list[dict[str, Any]]) -> str:
    """One digest of what later steps read: the data half of an artifact."""
    return digest_json([[o["path"], o["digest"]] for o in outputs if not o["path"].startswith(NOT_CONTENT)])


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of an artifact folder, or None where there is none."""
    try:
        text = (folder / NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        manifest: dict[str, Any] = json.loads(text)
        if manifest["schema_version"] > SCHEMA_VERSION:
            raise ToolkitError(f"{folder} was written by a newer toolkit", "update this one")
        missing = [key for key in KEYS if key not in manifest]
    except (ValueError, KeyError, TypeError) as e:
        raise ToolkitError(f"{folder / NAME} is damaged", "make the artifact again with --force") from e
    if missing:
        raise ToolkitError(f"{folder / NAME} has no {missing[0]}", "make the artifact again with --force")
    return manifest


def whole(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder that is a whole artifact, None for anything else."""
    try:
        manifest = read(folder)
        if manifest:
            check_files(folder, manifest)
    except ToolkitError:
        return None
    return manifest


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Sizes of what later steps and gates read against the manifest: cheap, and finds what was cut, lost or edited.

    Cards, reports, figures and logs are there to be edited or thrown away.

    Raises:
        ToolkitError: a file is gone or has another size.
    """
    for output in manifest["outputs"]:
        if output["path"].startswith(NOT_CONTENT) and output["path"] not in FIGURES:
            continue
        path = folder / output["path"]
        if not path.is_file():
            raise ToolkitError(f"{folder}: {output['path']} is missing", "make the artifact again with --force")
        if path.stat().st_size != output["bytes"]:
            raise ToolkitError(
                f"{folder}: {output['path']} has changed since it was written", "make the artifact again with --force"
            )


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either the old or the new one, never half."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as f:
            f.write(f"{text}\n")
            f.flush()
            os.fsync(f.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def figures_of(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The artifact's full figures: `metrics.json` or `report.json`, else the manifest's summary."""
    for name in FIGURES:
        if (folder / name).is_file():
            loaded: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
            return loaded
    summary: dict[str, Any] = manifest["metrics"]
    return summary


def lineage(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a descendant keeps of this artifact: enough to read the whole chain from the last folder."""
    kept = ("kind", "command", "config", "seed", "digest", "metrics", "inputs")
    return {key: manifest[key] for key in kept}


def ancestry(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """This artifact, and all that it was made from by way of others."""
    yield manifest
    for source in manifest["inputs"]:
        if "lineage" in source:
            yield from ancestry(source["lineage"])


def versions() -> dict[str, str]:
    """Python, toolkit and the packages that decide results."""
    from toolkit import __version__

    out = {"python": platform.python_version(), "toolkit": __version__}
    for package in PACKAGES:
        try:
            out[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return out


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, accelerator (if torch is loaded and has one), processes that ran it."""
    import sys

    affinity = getattr(os, "sched_getaffinity", None)
    torch = sys.modules.get("torch")
    accelerator = torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None
    return {
        "cpu": cpu.title(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "accelerator": accelerator,
        "processes": ranks.count(),
    }
