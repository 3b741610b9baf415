"""What the commands that train have in common: splits, options, models."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit import console
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.config import changed
from toolkit.errors import ToolkitError
from toolkit.inputs import Given
from toolkit.step import Job
from toolkit.training.config import Images, TrainConfig, unread

if TYPE_CHECKING:
    from datasets import DatasetDict

    from toolkit.training.tasks import Task

VALIDATION_SHARE = 0.1
Found = TypeVar("Found")


def once(find: Callable[[Job], Found]) -> Callable[[Job], Found]:
    """What `plan` found and told, `run` takes up without finding and telling it again."""

    @wraps(find)
    def found(job: Job) -> Found:
        if find not in job.kept:
            job.kept[find] = find(job)
        kept: Found = job.kept[find]
        return kept

    return found


@once
def splits(job: Job) -> DatasetDict:
    """Train and validation (a stratified tenth of train where there is none), labels and parents checked.

    Raises:
        ToolkitError: no train rows, one class only, unseen labels, augmented rows outside of train, odd options, a
            --metric that rows of one class have not, options for images on other contents.
    """
    from toolkit.data import labels
    from toolkit.training import tasks

    name = job.config.data if hasattr(job.config, "data") else job.config.source
    data = _with_train(job.dataset, name)
    labels.check_labels(data, name)
    return _checked(job, data, name, tasks.find(tasks.OF_KIND[kind(data)], labels.is_multi(data["train"].features)))


@once
def texts(job: Job) -> DatasetDict:
    """The same of texts alone: their labels, where they have some, are left out.

    Raises:
        ToolkitError: no texts, no train rows, augmented rows outside of train, odd --stages, another task's --metric.
    """
    from toolkit.training import tasks

    name = job.config.source
    data = job.read_dataset(need_label=False)
    if kind(data) != "text":
        raise ToolkitError(f"--task {tasks.MASKED_LM}: {name} holds {kind(data)}s", "give texts, or leave --task out")
    data = _with_train(data, name)
    unused = {"label", "label_weights"} & set(data["train"].column_names)
    return _checked(job, data.remove_columns(sorted(unused)), name, tasks.find(tasks.MASKED_LM))


def _with_train(data: DatasetDict, name: str) -> DatasetDict:
    if "train" not in data:
        raise ToolkitError(f"{name} has no train split", "give a dataset with one")
    return data


def _checked(job: Job, data: DatasetDict, name: str, task: Any) -> DatasetDict:
    """The splits with a validation (with --refit all rows in train), once what is asked for is known to fit them."""
    from toolkit.data import labels, split
    from toolkit.training import weighting

    check_options(job.config.train, kind(data), task)
    if job.config.train.regularise.weights:
        weighting.named(job.config.train.regularise.weights, labels.names_of(data["train"].features))
    split.check_children(data, name)
    if getattr(job.config, "refit", False):
        return _all_in_train(data)
    if "validation" not in data:
        data = split.with_validation(data, VALIDATION_SHARE, job.config.seed)
        how = "a stratified tenth" if "label" in data["train"].column_names else "a tenth"
        console.note(f"{name} has no validation split: took {how} of train")
    return data


def _all_in_train(data: DatasetDict) -> DatasetDict:
    """Validation's rows after train's, in the columns that both have alike: training reads no others."""
    from datasets import DatasetDict, concatenate_datasets

    rows = {split: part for split, part in data.items() if split != "validation"}
    both = [data[split] for split in ("train", "validation") if split in data]
    same = [name for name, kept in both[0].features.items() if all(part.features.get(name) == kept for part in both)]
    return DatasetDict(rows | {"train": concatenate_datasets([part.select_columns(same) for part in both])})


def check_options(asked: TrainConfig, reads: str, task: Any) -> None:
    """Options for training go together, and with the contents and the task.

    Raises:
        ToolkitError: they do not.
    """
    from toolkit.training import distributed, precision, stages, tasks
    from toolkit.training.config import check

    check(asked)
    precision.check(asked)
    distributed.check(asked)
    stages.plan(stages.given(asked.layers.stages), layers=12, lr=1.0)  # of any model
    tasks.metric(task.figures_of, asked.metric)
    weighed = asked.regularise
    if task is tasks.find(tasks.MASKED_LM) and (
        weighed.class_weights != "none" or weighed.weights or weighed.oversample
    ):
        hint = "leave --class-weights, regularise.weights and --oversample out"
        raise ToolkitError("rows without a class have no class weights", hint)
    if task is tasks.find(tasks.MASKED_LM) and weighed.r_drop:
        raise ToolkitError("--r-drop compares answers to classes, the rows have none", "leave it out")
    check_images(asked.images, reads)
    if asked.max_length is not None and reads == "image":
        raise ToolkitError("--max-length is for texts, the data holds images", "leave it out")


def tell_unread(job: Job, searched: Collection[str] = ()) -> None:
    """Warn of options that change nothing beside the others; `searched` ones have other values too."""
    for line in unread(job.config.train, searched):
        job.warn(line)


def check_refit(job: Job) -> None:
    """Nothing is asked for that goes by validation, which --refit learns.

    Raises:
        ToolkitError: the schedule does.
    """
    if job.config.train.schedule.scheduler == "plateau":
        raise ToolkitError("--scheduler plateau goes by validation, which --refit learns", "take another scheduler")
    for leaf in changed(job.config.train):
        if leaf.name in ("metric", "patience"):
            job.warn(f"{leaf.flag} changes nothing: --refit measures nothing on validation and keeps the last weights")


def check_taught_images(asked: Images) -> None:
    """Images stay what a teacher has seen of them.

    Raises:
        ToolkitError: they do not.
    """
    odd = [name for name in ("resolution", "mixup", "cutmix") if getattr(asked, name)]
    if odd:
        raise ToolkitError(f"--{odd[0]}: the teacher answers for the images as they are", "leave it out")


def check_images(asked: Images, reads: str) -> None:
    """Options for images stand beside images, the resolution is one that models are made for.

    Raises:
        ToolkitError: they do not.
    """
    odd = [f"--{name}" for name, value in vars(asked).items() if value != getattr(Images(), name)]
    if odd and reads != "image":
        raise ToolkitError(f"{odd[0]} is for images, the data holds {reads}s", f"leave {' and '.join(odd)} out")
    if asked.resolution and asked.resolution % 32:
        near = max(32, round(asked.resolution / 32) * 32)
        raise ToolkitError(f"--resolution is {asked.resolution}, no multiple of 32", f"take {near}")


def kind(data: DatasetDict) -> str:
    """The kind of the rows' contents."""
    from toolkit.data import roles

    return roles.kind_of(next(iter(data.values())).column_names)


def checked_model(given: Given, data: DatasetDict) -> Given:
    """A model after what can be told of it without loading it; the built-in default under its own name.

    Raises:
        ToolkitError: no weights, weights that cannot be trained, or a model that reads other contents.
    """
    from toolkit.training import builtin

    if given.path is None:
        return replace(given, given=builtin.resolve(given.given, kind(data)))
    if models.backend(given.path) != "torch":
        raise ToolkitError(f"{given.given} is quantized and cannot be trained", "train first, quantize last")
    models.demand_kind(given.path, kind(data))
    return given


def check_given(given: Given, asked: TrainConfig) -> None:
    """What a training asks of the model's architecture is there; of a built-in it shows when that is made.

    Raises:
        ToolkitError: a dropout that it does not have, R-Drop where nothing is dropped out.
    """
    from toolkit.artifacts import loading
    from toolkit.training import dropout, r_drop

    if given.path is not None:
        config = loading.load_config(given.path)
        dropout.changes(config, asked.regularise)
        r_drop.check(config, asked.regularise)


def in_model_order(data: DatasetDict, given: Given, source: str) -> tuple[DatasetDict, list[str]]:
    """The splits and their class names; in the model's order where it is a classifier of just these classes already."""
    from toolkit.data import labels

    names = labels.names_of(data["train"].features)
    own = models.labels(given.path) if given.path else None
    if own and own != names and set(own) == set(names):
        return relabelled(data, own, source), own
    return data, names


def load_given(
    given: Given, names: list[str], train: Any, seed: int, max_length: int | None, resolution: int | None = None
) -> tuple[Any, Task]:
    """A model with a head for the classes `names`, loaded or built from scratch; and the task that it learns.

    Args:
        train: the rows of train; a built-in learns its vocabulary from them.
        max_length: the most tokens that it is to read; None: what it can.
        resolution: pixels a side of the images that it is to read; None: its own.
    """
    from transformers import set_seed

    from toolkit.data import labels, roles
    from toolkit.training import builtin

    several = labels.is_multi(train.features)
    reads = roles.kind_of(train.column_names)
    set_seed(seed)
    if given.path is None:
        contents = (
            [text for name in roles.compared(train.column_names) for text in train[name]] if reads == "text" else []
        )
        model, processor = builtin.build(builtin.resolve(given.given, reads), contents, names, seed)
        model.config.problem_type = models.SEVERAL if several else None
    else:
        own = models.labels(given.path)
        if own and not models.has_head(given.path, names, several):
            way = f"tells {'one class' if several else 'several classes'} a row"
            why = f"tells other classes ({few(own)})" if set(own) != set(names) else way
            console.note(f"{given.given} {why}: it gets a new head")
        model, processor = loading.load(given.path, names, several)
    if resolution:
        from toolkit.training.resolution import change

        model, processor = change(model, processor, resolution)
    return model, bind(reads, model, processor, max_length)


def bind(reads: str, model: Any, processor: Any, max_length: int | None = None) -> Task:
    """The task of a loaded model; `max_length` is the most tokens that it is to read."""
    from toolkit import reading
    from toolkit.training import tasks

    reader = reading.of(reads, processor, model.config, wanted=max_length)
    if reads == "text" and max_length and reader.max_length < max_length:  # type: ignore[attr-defined]
        console.note(f"texts are cut to {reader.max_length} tokens: the model reads no more")  # type: ignore[attr-defined]
    several = model.config.problem_type == models.SEVERAL
    return tasks.bind(tasks.OF_KIND[reads], reader, len(model.config.id2label) if several else 0)


def few(names: list[str]) -> str:
    """A few names of many."""
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def relabelled(data: DatasetDict, names: list[str], source: str) -> DatasetDict:
    """The splits with labels as numbers of the model's classes, matched by name.

    Raises:
        ToolkitError: a label that the model does not know.
    """
    import pyarrow as pa
    from datasets import ClassLabel, List

    from toolkit.commands._models import labels_in_order
    from toolkit.data import labels
    from toolkit.data.columns import with_column

    feature = ClassLabel(names=names)
    out = type(data)()
    for split, rows in data.items():
        codes = labels_in_order(rows, names, source)
        if labels.is_multi(rows.features):
            out[split] = with_column(rows, "label", pa.array(codes, pa.list_(pa.int64())), List(feature))
        else:
            out[split] = with_column(rows, "label", codes, feature)
        if "label_weights" in rows.column_names:
            order = [rows.features["label"].str2int(name) for name in names]
            old = rows.with_format("arrow")[:].column("label_weights").to_pylist()
            shares = [[w[k] for k in order] if w else None for w in old]
            weights = rows.features["label_weights"]
            out[split] = with_column(out[split], "label_weights", pa.array(shares, pa.list_(pa.float32())), weights)
    return out
