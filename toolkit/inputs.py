"""What a command is given: an artifact, a file, a folder, a hub name or a built-in, resolved to a content digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console, digest
from toolkit.artifacts import manifest, scratch
from toolkit.errors import ToolkitError, did_you_mean

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.data.options import ColumnOptions

MODEL_FILES = (
    ".json",
    ".safetensors",
    ".txt",
    ".model",
    ".xml",
    ".bin",
    ".onnx",
)  # what a model folder's digest covers
DATA = ("dataset", "raw data", "hub dataset")


@dataclass(frozen=True)
class Given:
    """One resolved input. `path` is None for what is no file (a built-in)."""

    name: str
    given: str
    kind: str
    path: Path | None
    digest: str
    manifest: dict[str, Any] | None = None
    files: dict[str, list[Path]] = field(default_factory=dict)  # raw data: split -> files

    @property
    def title(self) -> str:
        """What a card or report calls it: a path's last part, the whole name of what lies nowhere here."""
        path = Path(self.given)
        return path.resolve().name if path.exists() else self.given

    def record(self) -> dict[str, Any]:
        """The input as `artifact.json` keeps it."""
        out = {"name": self.name, "path": self.given, "kind": self.kind, "digest": self.digest}
        return out | ({"lineage": manifest.lineage(self.manifest)} if self.manifest else {})


def learned_validation(given: Mapping[str, Given]) -> Iterator[str]:
    """A line for each model that has learned validation (`--refit`) of a dataset given beside it, or of its kin."""
    data = {source.given: _data_behind(source.record()) for source in given.values() if source.kind in DATA}
    for model in given.values():
        made = manifest.ancestry(model.manifest) if model.manifest and model.kind == "model" else ()
        seen = set().union(*(_rows_behind(step) for step in made if step["config"].get("refit")))
        for name in (name for name, behind in data.items() if behind & seen):
            yield f"{model.given} has learned all rows of {name} but test's (--refit): figures on others flatter it"


def _data_behind(source: Mapping[str, Any]) -> set[str]:
    """The digests of a dataset, as a manifest keeps inputs, and of those that its rows come from."""
    return {source["digest"]} | _rows_behind(source.get("lineage", {"inputs": ()}))


def _rows_behind(step: Mapping[str, Any]) -> set[str]:
    """The digests of the datasets that what a step made has its rows from."""
    found = [given for given in step["inputs"] if given["name"] == "source" and given["kind"] in DATA]
    return set().union(*map(_data_behind, found))


def resolve(name: str, kind: str, given: str) -> Given:
    """Find an input and digest its content, without heavy imports.

    Raises:
        ToolkitError: it is not there, or is something else than the `kind` that is wanted.
    """
    if not given.strip():
        raise ToolkitError(f"the {name} is an empty string", "give a path or a name")
    path = Path(given)
    try:
        exists = path.exists()
    except OSError:  # longer than a file name may be
        exists = False
    found = manifest.read(path) if exists and path.is_dir() else None
    if found:
        if kind not in ("artifact", found["kind"]):
            there, wanted = (f"{'an' if what[0] in 'aeiou' else 'a'} {what}" for what in (found["kind"], kind))
            hint = f"give the folder of {wanted}; this one was made by 'toolkit {found['command']}'"
            raise ToolkitError(f"{given} holds {there}, not {wanted}", hint)
        manifest.check_files(path, found)
        return Given(name, given, found["kind"], path, found["digest"], found)
    if kind in ("file", "path"):
        return _resolve_file(name, given, path, folder=kind == "path")
    if kind == "dataset":
        return _resolve_data(name, given, path, exists)
    if kind == "model":
        return _resolve_model(name, given, path, exists)
    if not exists:
        raise ToolkitError(f"no such folder: {given}", f"give the folder of a finished {kind}")
    raise ToolkitError(f"{given} holds no artifact.json", f"give the folder of a finished {kind}")


def _resolve_file(name: str, given: str, path: Path, folder: bool = False) -> Given:
    if folder and path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        told = manifest.digest_json([[str(p.relative_to(path)), digest.of_file(p)] for p in files])
        return Given(name, given, "folder", path, told)
    if not path.is_file():
        raise ToolkitError(
            f"no such file: {given}", f"give the {'path' if folder else 'file'} of --{name.replace('_', '-')}"
        )
    return Given(name, given, "file", path, digest.of_file(path))


def _resolve_data(name: str, given: str, path: Path, exists: bool) -> Given:
    from toolkit.data import sources

    if given.startswith("hf:"):
        return Given(name, given, "hub dataset", None, manifest.digest_json([given, sources.hub_revision(given[3:])]))
    if not exists:
        raise ToolkitError(f"no such file or folder: {given}", "check the path (hf:NAME takes a data set from the hub)")
    files, passed_over = sources.locate(path)
    if passed_over:
        console.note(f"{given}: passed over {', '.join(passed_over)}")
    digests: dict[str, Any] = {
        split: [digest.of_file(f) for f in console.track(paths, "files digested")] for split, paths in files.items()
    }
    for split, names in sources.image_names(files).items():  # an image's class is the name of its folder
        digests[split] = list(zip(names, digests[split], strict=True))
    return Given(name, given, "raw data", path, manifest.digest_json(digests), None, files)


def _resolve_model(name: str, given: str, path: Path, exists: bool) -> Given:
    from toolkit.training import builtin

    if given == builtin.DEFAULT or given.startswith(f"{builtin.DEFAULT}:"):
        if given not in (builtin.DEFAULT, *builtin.NAMES):
            raise ToolkitError(f"no built-in model '{given}'", did_you_mean(given, builtin.NAMES))
        return Given(name, given, "built-in model", None, manifest.digest_json([given, builtin.version(given)]))
    if not exists:
        path = _from_hub(given)
    if not (path / "config.json").is_file():
        hint = "give a model artifact, or a folder written by save_pretrained"
        raise ToolkitError(f"{given} has no config.json", hint)
    files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in MODEL_FILES)
    told = manifest.digest_json([[p.name, digest.of_file(p)] for p in files])
    return Given(name, given, "model folder", path, told)


def _from_hub(name: str) -> Path:
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        hint = "check the path, or use a built-in such as builtin:text-tiny"
        raise ToolkitError(f"no such model folder: {name}", hint)
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as e:
        raise ToolkitError(
            f"no model '{name}': no such folder here, and the hub does not give it ({type(e).__name__})",
            "give a folder, or a built-in such as builtin:text-tiny",
        ) from e


def load_dataset(
    source: Given,
    options: ColumnOptions,
    *,
    complete: bool = True,
    need_label: bool = True,
    kinds: tuple[str, ...] = ("text",),
) -> DatasetDict:
    """The rows of a dataset input, its columns under their standard names.

    `complete` demands a content and a label in every row and gives a ClassLabel; without it (`clean`) labels stay as
    they are. Without `need_label` (`predict`) there may be no label column. A source larger than memory is laid out
    in the folder for temporary files and mapped from there.

    Raises:
        ToolkitError: the content is none of `kinds`.
    """
    from toolkit.data import columns, gaps, roles, sources

    with scratch.folder() as aside:  # what is mapped from there lives on without a name
        tables, choice = columns.choose(_read_tables(source, aside), options, source.given, need_label=need_label)
        if choice:
            console.note(f"{source.given}: {choice}")
        kind = roles.kind_of(next(iter(tables.values())).column_names)
        if kind not in kinds:
            raise ToolkitError(
                f"{source.given} holds {_PLURAL[kind]}, this command takes {', '.join(_PLURAL[k] for k in kinds)}",
                "give another source" + (", or name its column of texts with --text" if "text" in kinds else ""),
            )
        if kind == "image" and source.path is not None:
            root = source.path if source.path.is_dir() else source.path.parent
            tables = {
                split: sources.embed_images(table, "image", root, aside / f"{split}.images")
                for split, table in tables.items()
            }
    if kind == "table" and not source.manifest:  # what an artifact holds was read so before
        tables, found = gaps.read(tables)
        if found:
            told = ", ".join(f"{name} ({count})" for name, count in found.items())
            console.note(f"{source.given}: written gaps read as missing: {told}")
    return columns.to_dataset(tables, source.given, complete=complete and need_label)


def _read_tables(source: Given, aside: Path) -> dict[str, Any]:
    from toolkit.artifacts import dataset
    from toolkit.data import sources

    if source.manifest:
        assert source.path is not None
        return dataset.read_tables(source.path)
    if source.path is None:
        return sources.read_hub(source.given[3:])
    return sources.read(source.files, aside)


_PLURAL = {"text": "texts", "image": "images", "series": "time series", "table": "tables of features"}
