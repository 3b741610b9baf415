"""The one training engine: transformers' Trainer, with our batches, best weights and checkpoints.

finetune, tune, distill and the recovery after pruning all train here.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from toolkit import console
from toolkit.reading import Encoded
from toolkit.training import checkpoints, guard, optimization, precision, stages, stopped, tasks
from toolkit.training.config import EPOCHS, LR, TrainConfig
from toolkit.training.sampling import LengthGroupedBatches
from toolkit.training.stopped import told_of
from toolkit.training.tasks import Task
from toolkit.training.watch import Watch

Loss = Callable[[Any, dict[str, Any]], tuple[torch.Tensor, Any]]  # (model, batch) -> loss, model outputs


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
    report: Callable[[dict[str, float]], None] | None = None,
    ids: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Train `model` in place and leave the weights in it that were best on validation.

    Args:
        task: made for this model (`tasks.bind`).
        rows: encoded by the task; `validation` likewise.
        work: where checkpoints, best weights and logs go; a run that finds checkpoints there resumes.
        scratch: whether the weights are new, which decides the default rate and epochs.
        loss: takes the place of the task's own loss (distillation).
        report: called with the validation figures after each epoch (a search that prunes raises from it).
        ids: of the rows, by which errors name them.

    Returns:
        `{"validation": {...}, "train": {"samples_per_second", "seconds", "epochs", ...}}`

    Raises:
        ToolkitError: the loss or a gradient is no longer finite.
    """
    started = "scratch" if scratch else "pretrained"
    config = replace(config, metric=tasks.metric(task.figures_of, config.metric))
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    machine = precision.resolve(model, config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = Engine(
            model=model,
            args=_arguments(config, work, started, machine, seed),
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
        engine.watch = watch = Watch(engine, config, report)
        engine.add_callback(watch)
        checkpoint = last_checkpoint(work)
        if checkpoint:
            console.note(f"resuming from step {checkpoints.step_of(checkpoint)}")
            engine.recall(checkpoint)
        watch.forget_after(engine.state.global_step)
        engine.add_callback(TensorBoardCallback(_writer(work / "logs", engine.state.global_step)))
        (work / stopped.NAME).unlink(missing_ok=True)
        console.note(f"training on {machine}; watch it: tensorboard --logdir {work / 'logs'}")
        try:
            if not watch.is_over():
                with precision.compiled(model, machine.compile):
                    engine.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except guard.Unsound as e:
            raise told_of(engine, e) from e
        finally:
            watch.close()
    watch.restore_best()
    return watch.figures()


def validate(model: Any, task: Task, validation: Encoded) -> dict[str, Any]:
    """Validation figures of a model as it is."""
    return task.figures(*answers(model, task, validation)) | {"rows": len(validation)}


def answers(model: Any, task: Task, rows: Encoded) -> tuple[Any, Any]:
    """What the model says of the rows, and what is right: arrays (rows, …), as `Task.answers` has them."""
    batches = [task.collate(rows[i : i + 64]) for i in range(0, len(rows), 64)]
    model.eval()
    with torch.inference_mode():
        told = [task.answers(model, batch) for batch in batches]
    said, right = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*told, strict=True))
    return said, right


def set_dropout(model: Any, p: float) -> None:
    """Set every dropout of the model, in its modules and in its config."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = p
    for key in vars(model.config):
        if "dropout" in key and isinstance(getattr(model.config, key), float):
            setattr(model.config, key, p)


def _arguments(
    config: TrainConfig, work: Path, started: str, machine: precision.Precision, seed: int
) -> TrainingArguments:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return TrainingArguments(
        output_dir=str(work / "checkpoints"),
        num_train_epochs=EPOCHS[started] if config.epochs is None else config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=max(config.batch_size, 64),
        gradient_accumulation_steps=config.optim.accumulate,
        learning_rate=LR[config.optim.optimizer][started] if config.optim.lr is None else config.optim.lr,
        max_grad_norm=config.optim.max_grad_norm,
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
    )


def _writer(folder: Path, step: int) -> Any:
    """TensorBoard's, which forgets what a run that was cut off had logged after `step`."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end and is as it was."""
    return checkpoints.newest(work / "checkpoints")


class Engine(Trainer):
    """transformers' Trainer with reproducible batches, an exchangeable loss, and checkpoints whole or absent."""

    def __init__(
        self,
        *args: Any,
        task: Task,
        config: TrainConfig,
        loss: Loss | None,
        machine: precision.Precision,
        ids: Sequence[Any] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.machine, self.ids = machine, ids
        if machine.format == "fp16":
            self.accelerator.native_amp = True  # which accelerate leaves out on a processor
            self.accelerator.scaler = precision.scaler(machine.device)
        self.guard = guard.Guard(machine.device, self.accelerator.scaler)
        self.best_digest = ""
        self.watch: Watch
        self.task, self.config = task, config
        self.loss = loss or partial(task.loss, smoothing=config.label_smoothing)
        self.model_accepts_loss_kwargs = False  # a loss is the mean of its batch, and accumulated ones are averaged
        # On training steps, evaluation and saving left out; and fp16's steps that were not taken.
        self.spent: dict[str, float] = {"seconds": 0.0, "steps": 0, "rows": 0, "overflows": 0}
        # The default printer would write to stdout, which carries the result alone.
        self.callback_handler.callbacks = [
            c
            for c in self.callback_handler.callbacks
            if type(c).__name__ not in ("PrinterCallback", "ProgressCallback")
        ]

    def get_train_dataloader(self) -> DataLoader[Any]:
        lengths = [self.task.reader.size(row) for row in self.train_dataset]  # type: ignore[union-attr]
        batches = LengthGroupedBatches(lengths, self.args.train_batch_size, self.args.seed)
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=lambda rows: self.task.collate(rows, batches.epoch),
        )
        self.batches = batches
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        lr, layers = self.args.learning_rate, self.config.layers
        model = model or self.model
        self.parts, self.stages = [[*model.parameters()]], []
        if layers.layer_decay != 1 or layers.stages not in (None, "none"):
            self.parts = stages.parts(model)
            self.stages = stages.plan(stages.given(layers.stages), len(self.parts) - 2, lr, layers.layer_decay)
        self.optimizer = optimization.optimizer(self.parts, self.config.optim, lr)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        optimizer = optimizer or self.optimizer
        share = optimization.rate(self.config.schedule, num_training_steps, self.history)
        rates: list[Callable[[int], float]] = [
            partial(self.rate_of, share, num_training_steps, group["part"]) for group in optimizer.param_groups
        ]
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rates)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def rate_of(self, share: Callable[[int], float], steps: int, part: int, step: int) -> float:
        """A part's share of the peak rate at a step."""
        own = stages.at(self.stages, step / max(steps, 1)).rates[part] if self.stages else 1.0
        return own * share(step)

    def history(self) -> list[float]:
        """The figure that picks the best weights after each evaluation, the greater the better."""
        sign, name = -1.0 if self.config.metric in tasks.LESS_IS_BETTER else 1.0, f"eval_{self.config.metric}"
        return [sign * entry[name] for entry in self.state.log_history if name in entry]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss, outputs = self.loss(model, inputs)
        return (loss, outputs) if return_outputs else loss

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return None, *self.task.answers(model, inputs)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self.watch.before_batch(inputs)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.guard.saw(inputs, loss)
        self.spent["rows"] += len(next(iter(inputs.values())))
        if self.accelerator.sync_gradients:
            self.watch.after_gradients()
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        self.guard.judge(norm, getattr(self.optimizer, "optimizer", self.optimizer))
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """JSON has no infinity: the norm of an fp16 step that overflowed is left out."""
        super().log({k: v for k, v in logs.items() if k != "grad_norm" or math.isfinite(v)}, start_time)

    def recall(self, checkpoint: Path) -> None:
        """Take up what an interrupted run knew."""
        self.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        known = checkpoints.known(checkpoint)
        self.spent, self.best_digest = known["spent"], known["best"]
        work = Path(self.args.output_dir).parent
        if (checkpoint / checkpoints.BEST).is_file():
            checkpoints.link(checkpoint / checkpoints.BEST, work / checkpoints.BEST)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The state is the checkpoint's; what was asked for now (rate, decay …) stays where it differs."""
        asked = self._asked()
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint and checkpoints.known(Path(checkpoint))["optim"] != asked:
            for group, own in zip(self.optimizer.param_groups, asked["groups"], strict=True):
                group |= own
            self.lr_scheduler.base_lrs = [group["initial_lr"] for group in asked["groups"]]
            for group, rate in zip(self.optimizer.param_groups, self.lr_scheduler.get_lr(), strict=True):
                group["lr"] = rate

    def _asked(self) -> dict[str, Any]:
        """The schedule, and each group's rate at its peak, decay …, as a checkpoint notes them."""
        kept = [{k: v for k, v in group.items() if k not in ("params", "lr")} for group in self.optimizer.param_groups]
        told: dict[str, Any] = json.loads(json.dumps({"schedule": asdict(self.config.schedule), "groups": kept}))
        return told

    def _load_scaler(self, checkpoint: str | None) -> None:
        if self.accelerator.scaler is not None:  # else the checkpoint is of an fp16 run that goes on without
            super()._load_scaler(checkpoint)

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.args.output_dir) / checkpoints.ASIDE)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write aside, flush, mark with digests, rename, then drop the oldest."""
        self.guard.settle()
        bad = guard.unsound_weights(self.model)
        if bad:  # a checkpoint is one to go on from
            self.guard.stop(f"the weights {bad} are not finite")
        folder = Path(self._get_output_dir(trial))
        shutil.rmtree(folder, ignore_errors=True)
        made, best = folder / f"checkpoint-{self.state.global_step}", folder.parent.parent / checkpoints.BEST
        try:
            super()._save_checkpoint(model, trial)
            if best.is_file():
                checkpoints.link(best, made / checkpoints.BEST)
            known = {"spent": self.spent, "best": self.best_digest, "optim": self._asked()}
            checkpoints.seal(made, known)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # a full disk needs the room
            raise
        checkpoints.publish(made, folder.parent, self.config.keep)
