"""The one training engine: transformers' Trainer, with our batches, best weights and checkpoints.

finetune, tune, distill and the recovery after pruning all train here.
"""

from __future__ import annotations

import copy
import json
import math
import shutil
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from toolkit import console, ranks
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded
from toolkit.training import (
    auto_stages,
    clipping,
    distributed,
    dropout,
    find_lr,
    layer_drop,
    memory,
    mixing,
    optimization,
    precision,
    processor,
    sparse_adamw,
    stages,
    tasks,
    weighting,
)
from toolkit.training.config import EPOCHS, LR, TrainConfig, for_images
from toolkit.training.sampling import LengthGroupedBatches
from toolkit.training.sparse_adamw import SparseAdamW
from toolkit.training.tasks import Task
from toolkit.training.watch import Watch

COMPLETE = "complete"  # a checkpoint without this file was cut off while it was written
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
) -> dict[str, Any]:
    """Train `model` in place and leave the weights in it that were best on validation.

    Args:
        task: made for this model (`tasks.bind`).
        rows: encoded by the task; `validation` likewise.
        work: where checkpoints, best weights and logs go; a run that finds checkpoints there resumes.
        scratch: whether the weights are new, which decides the default rate and epochs.
        loss: takes the place of the task's own loss (distillation).
        report: called with the validation figures after each epoch (a search that prunes raises from it).

    Returns:
        `{"validation": {...}, "train": {"samples_per_second", "seconds", "epochs", ...}}`

    Raises:
        ToolkitError: the loss or a gradient is no longer finite.
    """
    started = "scratch" if scratch else "pretrained"
    config = replace(config, metric=tasks.metric(task.figures_of, config.metric))
    if task.reader.kind == "image":
        config = for_images(config, started)
    dropout.apply(model, config.regularise)
    rows = weighting.weighted(rows, config.regularise, list(model.config.id2label.values()))
    device = precision.resolve_device(config.device)
    layers = auto_stages.settle(config.layers, config.optim, model, len(rows), work, device, scratch)
    config = replace(config, layers=layers)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and precision.has_bf16(device))
    with ExitStack() as inside:
        inside.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        engine = Engine(
            model=copy.deepcopy(model) if distributed.sharded(config) else model,
            whole=model,
            args=_arguments(config, work, started, device, bf16, seed),
            train_dataset=rows,  # type: ignore[arg-type]
            eval_dataset=sorted(validation, key=task.reader.size),  # type: ignore[arg-type]
            data_collator=task.collate,
            compute_metrics=lambda told: task.figures(told.predictions, told.label_ids),
            task=task,
            config=config,
            loss=loss,
        )
        if not ranks.leads():
            transformers.set_seed(seed + ranks.rank())  # each rank drops out other neurons
        watch = Watch(engine, config, report)
        engine.add_callback(watch)
        if ranks.leads():
            engine.add_callback(TensorBoardCallback(_writer(work / "logs")))
        inside.enter_context(memory.checkpointed(model, config.checkpoint_activations))
        inside.enter_context(layer_drop.applied(model, config.regularise, engine.ask))
        checkpoint = distributed.agreed(last_checkpoint(work))
        if checkpoint:
            console.note(f"resuming from step {checkpoint.name.split('-')[1]}")
            engine.recall(checkpoint)
        if config.optim.find_lr:
            engine.args.learning_rate = find_lr.settle(engine, work)
        if device == "cpu":
            inside.enter_context(processor.quick(model, logits_only=loss is None))
        where = f"{device}, {ranks.count()} processes" if ranks.count() > 1 else device
        console.note(
            f"training on {where}, {'bf16' if bf16 else 'fp32'}, {memory.effective_batch(engine.args)}; "
            f"watch it: tensorboard --logdir {work / 'logs'}"
        )
        try:
            if not watch.is_over():
                engine.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except (RuntimeError, MemoryError) as e:
            if memory.is_out(e):
                raise ToolkitError("no memory left", memory.HINT) from e
            raise
        finally:
            watch.close()
            engine.close()
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


def _arguments(config: TrainConfig, work: Path, started: str, device: str, bf16: bool, seed: int) -> TrainingArguments:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    arguments = TrainingArguments(
        output_dir=str(work / "checkpoints"),
        num_train_epochs=EPOCHS[started] if config.epochs is None else config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=max(config.batch_size, 64),
        gradient_accumulation_steps=config.optim.accumulate,
        learning_rate=LR[config.optim.optimizer][started] if config.optim.lr is None else config.optim.lr,
        max_grad_norm=config.optim.max_grad_norm if config.optim.clip == "norm" else math.inf,
        bf16=bf16,
        use_cpu=device == "cpu",
        eval_strategy="epoch",
        save_strategy="no",  # `Watch` says when
        logging_steps=config.log_every,
        logging_first_step=True,  # what divergence is measured by
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
        **distributed.placed(config, device, bf16),
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # else one process would spread its batches over all GPUs (DataParallel)
    return arguments


def _writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    found = [p for p in (work / "checkpoints").glob("checkpoint-*") if (p / COMPLETE).is_file()]
    return max(found, key=lambda p: int(p.name.split("-")[1]), default=None)


class Engine(Trainer):
    """transformers' Trainer with reproducible batches, an exchangeable loss, and checkpoints whole or absent."""

    def __init__(
        self, *args: Any, whole: Any, task: Task, config: TrainConfig, loss: Loss | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.whole = whole  # the model, or its like where that is sharded
        self.task, self.config = task, config
        self.loss = loss or partial(task.loss, smoothing=config.regularise.label_smoothing)
        self.model_accepts_loss_kwargs = False  # a loss is the mean of its batch, and accumulated ones are averaged
        self.sparse: SparseAdamW | None = None
        self.spent = {"seconds": 0.0, "steps": 0}  # on training steps, evaluation and saving left out
        self.pieces = memory.Pieces(self.args, task.piece)
        # The default printer would write to stdout, which carries the result alone.
        self.callback_handler.callbacks = [
            c
            for c in self.callback_handler.callbacks
            if type(c).__name__ not in ("PrinterCallback", "ProgressCallback")
        ]

    def get_train_dataloader(self) -> DataLoader[Any]:
        lengths = [self.task.reader.size(row) for row in self.train_dataset]  # type: ignore[union-attr]
        classes = getattr(self.model.config, "num_labels", 0)
        often = weighting.often(self.train_dataset, self.config.regularise.oversample, classes)  # type: ignore[arg-type]
        size = self.args.train_batch_size * ranks.count()
        self.batches = batches = LengthGroupedBatches(lengths, size, self.args.seed, often)
        share: Any = distributed.Share(batches, ranks.rank(), ranks.count())
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=share,
            collate_fn=lambda rows: self.task.collate(rows, batches.epoch),
        )
        # of one process: accelerate would share out whole batches, and drop some where one is shorter than the others
        return prepare_data_loader(loader, self.args.device, num_processes=1, process_index=0, put_on_device=True)  # type: ignore[no-any-return]

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        lr, layers = self.args.learning_rate, self.config.layers
        model = model or self.model
        self.parts, self.stages = [[*model.parameters()]], []
        if layers.layer_decay != 1 or layers.stages not in (None, "none"):
            self.parts = stages.parts(model)
            self.stages = stages.plan(stages.given(layers.stages), len(self.parts) - 2, lr, layers.layer_decay)
        alone = self.args.device.type == "cpu" and self.args.world_size == 1
        alone &= self.config.optim.clip == "norm" and self.args.max_grad_norm > 0  # else dense gradients are asked for
        tables = sparse_adamw.tables(model) if alone else []
        self.optimizer = optimization.optimizer(self.parts, self.config.optim, lr, tables)
        self.sparse = self.optimizer if isinstance(self.optimizer, SparseAdamW) else None
        return self.optimizer

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        if self.sparse is not None:
            self.sparse.settle()
        figures: dict[str, float] = super().evaluate(*args, **kwargs)
        return figures

    def close(self) -> None:
        """Leave the model without what training hung onto it."""
        if self.sparse is not None:
            self.sparse.close()
            self.sparse = None

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
        inputs = mixing.vary(inputs, self.config.images, self.model.config.num_labels)
        loss, outputs = self.loss(model, inputs)
        if ranks.count() > 1:
            loss = distributed.weighted(loss, len(inputs["labels"]), self.accelerator)
        return (loss * self.pieces.share, outputs) if return_outputs else loss * self.pieces.share

    def ask(self) -> None:
        """Run the model on one row."""
        self.task.answers(self.model, self._prepare_inputs(self.task.collate(self.train_dataset[:1])))  # type: ignore[index]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        return self.pieces.step(super().training_step, model, inputs, self.accelerator.sync_gradients)

    def _clip_grad_norm(self, model: Any) -> Any:
        if self.sparse is not None:
            return sparse_adamw.clip(model.parameters(), self.args.max_grad_norm)
        norm = super()._clip_grad_norm(model)
        if self.config.optim.clip == "adaptive":  # not the head, as in the paper
            clipping.adaptive(self.model.base_model.parameters(), self.config.optim.clip_factor)
        return norm

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return None, *self.task.answers(model, inputs)

    def recall(self, checkpoint: Path) -> None:
        """Take up what an interrupted run knew."""
        self.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        known = json.loads((checkpoint / COMPLETE).read_text())
        self.pieces.count = known.pop("pieces")
        self.spent = known

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.args.output_dir) / "writing")

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the weights under the names that the model has.

        By itself transformers 5 writes those of ViT and others under their published names, and a resume, which does
        not rename them, goes on with the weights that it started from.
        """
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        is_main = self.args.should_save
        model.save_pretrained(output_dir, state_dict=state_dict, is_main_process=is_main, save_original_format=False)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write aside, mark, rename, then drop the oldest."""
        aside = Path(self._get_output_dir(trial))
        if ranks.leads():
            shutil.rmtree(aside, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if not ranks.leads():
            return
        name = f"checkpoint-{self.state.global_step}"
        (aside / name / COMPLETE).write_text(json.dumps(self.spent | {"pieces": self.pieces.count}))
        final = Path(self.args.output_dir) / name
        shutil.rmtree(final, ignore_errors=True)
        (aside / name).rename(final)
        kept = sorted(final.parent.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
        for old in kept[: -self.config.keep]:
            shutil.rmtree(old)
