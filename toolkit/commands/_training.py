"""What the commands that train have in common: splits, loading and publishing a model."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.artifacts import manifest
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Job

if TYPE_CHECKING:
    from datasets import DatasetDict

VALIDATION_SHARE = 0.1


def splits(job: Job) -> DatasetDict:
    """Train and validation (a stratified tenth of train where there is none), labels and parents checked.

    Raises:
        ToolkitError: no train rows, one class only, unseen labels, augmented rows outside of train, odd --stages.
    """
    from toolkit.data import labels, split
    from toolkit.training import stages

    stages.plan(stages.given(job.config.train.layers.stages), layers=12, lr=1.0)  # of any model
    name = job.config.data if hasattr(job.config, "data") else job.config.source
    data = job.dataset
    if "train" not in data:
        raise ToolkitError(f"{name} has no train split", "give a dataset with one")
    labels.check_labels(data, name)
    split.check_children(data, name)
    if "validation" not in data:
        data = split.with_validation(data, VALIDATION_SHARE, job.config.seed)
        console.note(f"{name} has no validation split: took a stratified tenth of train")
    return data


def check_model(given: Given) -> None:
    """What can be told of a model without loading it.

    Raises:
        ToolkitError: no weights, or weights that cannot be trained.
    """
    if given.path is None:
        return
    models.read_config(given.path)
    if models.backend(given.path) != "torch":
        raise ToolkitError(f"{given.given} is quantized and cannot be trained", "train first, quantize last")


def in_model_order(data: DatasetDict, given: Given, source: str) -> tuple[DatasetDict, list[str]]:
    """The splits and their class names; in the model's order where it is a classifier of just these classes already."""
    names: list[str] = data["train"].features["label"].names
    own = models.labels(given.path) if given.path else None
    if own and own != names and set(own) == set(names):
        return relabelled(data, own, source), own
    return data, names


def load_given(given: Given, labels: list[str], texts: list[str], seed: int) -> tuple[Any, Any]:
    """A model with a head for `labels`: loaded, or built from scratch with a vocabulary from `texts`."""
    from transformers import set_seed

    from toolkit.training import builtin

    set_seed(seed)
    if given.path is None:
        return builtin.build(given.given, texts, labels, seed)
    return models.load(given.path, labels)


def relabelled(data: DatasetDict, names: list[str], source: str) -> DatasetDict:
    """The splits with labels as numbers of the model's classes, matched by name.

    Raises:
        ToolkitError: a label that the model does not know.
    """
    import pyarrow as pa
    from datasets import ClassLabel

    from toolkit.commands._models import labels_in_order
    from toolkit.data.columns import with_column

    feature = ClassLabel(names=names)
    out = type(data)()
    for split, rows in data.items():
        codes = labels_in_order(rows, names, source)
        out[split] = with_column(rows, "label", codes, feature)
        if "label_weights" in rows.column_names:
            order = [rows.features["label"].str2int(name) for name in names]
            old = rows.with_format("arrow")[:].column("label_weights").to_pylist()
            shares = [[w[k] for k in order] if w else None for w in old]
            weights = rows.features["label_weights"]
            out[split] = with_column(out[split], "label_weights", pa.array(shares, pa.list_(pa.float32())), weights)
    return out


def publish(job: Job, model: Any, tokenizer: Any, figures: dict[str, Any], title: str, length: int) -> None:
    """Write the model artifact's files: weights, figures, state, logs, card; fill the job's summary."""
    tokenizer.model_max_length = length
    model.config.architectures = [type(model).__name__]
    figures["model"] = {"parameters": sum(p.numel() for p in model.parameters())}
    models.save(job.folder, model, tokenizer)
    figures["model"]["size_bytes"] = models.inference_bytes(job.folder)
    manifest.write_json(job.folder / "metrics.json", figures)
    if (job.work / "logs").is_dir():
        shutil.move(job.work / "logs", job.folder / "logs")
    states = sorted((job.work / "checkpoints").glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    if states:
        state = json.loads(states[-1].read_text())
        state["best_model_checkpoint"] = None
        manifest.write_json(job.folder / "trainer_state.json", state)
    names = list(model.config.id2label.values())
    flat = {f"{group}.{key}": value for group, values in figures.items() for key, value in values.items()}
    lines = [
        "Load it with `AutoModelForSequenceClassification.from_pretrained(DIR)`, or `toolkit predict DIR --data …`."
    ]
    (job.folder / "README.md").write_text(models.card(title, names, flat, lines), encoding="utf-8")
    job.metrics |= {
        "accuracy": figures["validation"]["accuracy"],
        "f1_macro": figures["validation"]["f1_macro"],
        **figures["model"],
    }
