"""A training from its options to its best weights: finetune, tune, distill and prune train here."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import TrainingArguments
from transformers.integrations import TensorBoardCallback

from toolkit import console, quiet, ranks
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded
from toolkit.training import (
    auto_stages,
    checkpoints,
    distributed,
    dropout,
    find_lr,
    guard,
    layer_drop,
    memory,
    precision,
    processor,
    r_drop,
    stopped,
    tasks,
    weighting,
)
from toolkit.training.config import TrainConfig, settled
from toolkit.training.engine import Engine, Loss
from toolkit.training.tasks import Task
from toolkit.training.watch import Watch


def train(
    model: Any,
    task: Task,
    rows: Encoded,
    validation: Encoded,
    config: TrainConfig,
    work: Path,
    *,
    seed: int,
    scratch: bool = False,
    loss: Loss | None = None,
    reads_hidden: bool = False,
    report: Callable[[dict[str, float]], None] | None = None,
    ids: Sequence[Any] | None = None,
    hooked: bool = False,
) -> dict[str, Any]:
    """Train `model` in place and leave the weights in it that were best on validation, the last ones where it is empty.

    Args:
        task: made for this model (`tasks.bind`).
        rows: encoded by the task; `validation` likewise.
        work: where checkpoints, best weights and logs go; a run that finds checkpoints there resumes.
        scratch: whether the weights are new, which decides the default rate and epochs.
        loss: takes the place of the task's own loss (distillation).
        reads_hidden: whether that loss reads more than the model's logits.
        report: called with the validation figures after each epoch (a search that prunes raises from it).
        ids: of the rows, by which errors name them.
        hooked: something hangs on the model's operations, so that a processor must not compute them in its own ways.

    Returns:
        `{"validation": {...}, "train": {"samples_per_second", "seconds", "epochs", ...}}`, without "validation" where
        that is empty

    Raises:
        ToolkitError: the loss or a gradient is no longer finite, the loss explodes, or no memory is left.
    """
    started = "scratch" if scratch else "pretrained"
    config = replace(config, metric=tasks.metric(task.figures_of, config.metric))
    config = settled(config, started, model, task.reader.kind)
    dropout.apply(model, config.regularise)
    r_drop.check(model.config, config.regularise)
    rows = weighting.weighted(rows, config.regularise, list(model.config.id2label.values()))
    machine = precision.resolve(model, config, hooked)
    arguments = _arguments(config, work, machine, seed)  # from here on processes hear each other
    layers = auto_stages.settle(config.layers, config.optim, model, len(rows), work, machine.device, scratch)
    config = replace(config, layers=layers)
    with ExitStack() as inside:
        inside.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        engine = Engine(
            model=copy.deepcopy(model) if distributed.sharded(config) else model,
            whole=model,
            args=arguments,
            train_dataset=rows,  # type: ignore[arg-type]
            eval_dataset=sorted(validation, key=task.reader.size),  # type: ignore[arg-type]
            data_collator=task.collate,
            compute_metrics=lambda told: task.figures(told.predictions, told.label_ids),
            task=task,
            config=config,
            loss=loss,
            machine=machine,
            ids=ids,
        )
        forward = {name: value for name, value in vars(engine.model).items() if name == "forward"}  # NNCF's, say
        if not ranks.leads():
            transformers.set_seed(seed + ranks.rank())  # each rank drops out other neurons
        engine.watch = Watch(engine, config, report)
        engine.add_callback(engine.watch)
        inside.enter_context(memory.checkpointed(engine.model, config.checkpoint_activations))
        inside.enter_context(layer_drop.applied(engine.model, config.regularise, engine.ask))
        checkpoint = _begin(engine, work)
        if machine.quick:
            inside.enter_context(processor.quick(engine.model, logits_only=not reads_hidden))
        if not engine.watch.is_over():
            inside.enter_context(precision.compiled(engine.model, machine.compile))
        _run(engine, checkpoint)
    for name in ("forward", "_original_forward"):  # accelerate's, which computes in the training's precision
        engine.model.__dict__.pop(name, None)
    engine.model.__dict__.update(forward)
    engine.watch.restore_best()
    return engine.watch.figures()


def _begin(engine: Engine, work: Path) -> Path | None:
    """Take up what is there of an interrupted run, say what comes; gives the checkpoint to go on from."""
    checkpoint = distributed.agreed(last_checkpoint(work))
    if checkpoint:
        console.note(f"resuming from step {checkpoints.step_of(checkpoint)}")
        engine.recall(checkpoint)
    if engine.config.optim.find_lr:
        engine.args.learning_rate = find_lr.settle(engine, work)
    if ranks.leads():
        engine.watch.forget_after(engine.state.global_step)
        writer = _writer(work / "logs", engine.state.global_step)
        engine.add_callback(TensorBoardCallback(writer))
        engine.watch.bar.callback(writer.close)  # its thread ends, also where the training does not
        (work / stopped.NAME).unlink(missing_ok=True)
    where = f"{engine.machine}, {ranks.count()} processes" if ranks.count() > 1 else str(engine.machine)
    console.note(
        f"training on {where}, {memory.effective_batch(engine.args)}; watch it: tensorboard --logdir {work / 'logs'}"
    )
    return checkpoint


def _run(engine: Engine, checkpoint: Path | None) -> None:
    """Train to the end, or to where it cannot go on."""
    try:
        if not engine.watch.is_over():
            engine.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except guard.Unsound as e:
        raise stopped.told_of(engine, e) from e
    except (RuntimeError, MemoryError) as e:
        if memory.is_out(e):
            raise ToolkitError("no memory left", memory.HINT) from e
        raise
    finally:
        engine.watch.close()
        engine.close()


def validate(model: Any, task: Task, validation: Encoded) -> dict[str, Any]:
    """Validation figures of a model as it is."""
    return task.figures(*answers(model, task, validation)) | {"rows": len(validation)}


def answers(model: Any, task: Task, rows: Encoded) -> tuple[Any, Any]:
    """What the model says of the rows, and what is right: arrays (rows, …), as `Task.answers` has them."""
    batches = (task.collate(rows[i : i + 64]) for i in range(0, len(rows), 64))
    model.eval()
    with torch.inference_mode():
        told = [task.answers(model, batch) for batch in batches]
    said, right = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*told, strict=True))
    return said, right


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end and is as it was."""
    return checkpoints.newest(work / "checkpoints")


def _arguments(config: TrainConfig, work: Path, machine: precision.Precision, seed: int) -> TrainingArguments:
    quiet.transformers()
    arguments = TrainingArguments(
        output_dir=str(work / "checkpoints"),
        num_train_epochs=config.epochs,  # type: ignore[arg-type]
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=max(config.batch_size, 64),
        gradient_accumulation_steps=config.optim.accumulate,
        learning_rate=config.optim.lr,  # type: ignore[arg-type]
        max_grad_norm=config.optim.max_grad_norm if config.optim.clip == "norm" else math.inf,
        bf16=machine.format == "bf16",
        fp16=machine.format == "fp16",
        tf32=machine.tf32 if machine.device == "cuda" else None,
        use_cpu=machine.device == "cpu",
        eval_strategy="epoch",
        save_strategy="no",  # `Watch` says when
        logging_strategy="no",
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        dataloader_pin_memory=machine.device == "cuda",
        **distributed.placed(config, machine.device, machine.format),
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # else one process would spread its batches over all GPUs (DataParallel)
    return arguments


def _writer(folder: Path, step: int) -> Any:
    """TensorBoard's, which forgets what a run that was cut off had logged after `step`."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
