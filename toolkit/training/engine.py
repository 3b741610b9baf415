"""transformers' Trainer with our batches, steps judged before they are taken, and checkpoints whole or absent."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerState

from toolkit import ranks
from toolkit.training import (
    checkpoints,
    clipping,
    distributed,
    guard,
    layer_drop,
    memory,
    mixing,
    optimization,
    precision,
    r_drop,
    sparse_adamw,
    stages,
    tasks,
    weighting,
)
from toolkit.training.config import TrainConfig
from toolkit.training.sampling import LengthGroupedBatches
from toolkit.training.sparse_adamw import SparseAdamW
from toolkit.training.tasks import Task
from toolkit.training.watch import Watch

Loss = Callable[[Any, dict[str, Any]], tuple[torch.Tensor, Any]]  # (model, batch) -> loss, model outputs


class Engine(Trainer):
    """The one training engine; `trainer.train` says what it is given."""

    def __init__(
        self,
        *args: Any,
        whole: Any,
        task: Task,
        config: TrainConfig,
        loss: Loss | None,
        machine: precision.Precision,
        ids: Sequence[Any] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.whole = whole  # the model, or its like where that is sharded
        self.task, self.config, self.machine, self.ids = task, config, machine, ids
        self.loss = loss or partial(task.loss, smoothing=config.regularise.label_smoothing)
        if config.regularise.r_drop:
            self.loss = r_drop.twice(self.loss, config.regularise.r_drop)
        if machine.format == "fp16":
            self.accelerator.native_amp = True  # which accelerate leaves out on a processor
            self.accelerator.scaler = precision.scaler(machine.device)
        self.guard = guard.Guard(machine.device, self.accelerator.scaler)
        self.sparse: SparseAdamW | None = None
        self.best_digest = ""
        self.watch: Watch
        self.model_accepts_loss_kwargs = False  # a loss is the mean of its batch, and accumulated ones are averaged
        # On training steps, evaluation and saving left out; and fp16's steps that were not taken.
        self.spent: dict[str, float] = {"seconds": 0.0, "steps": 0, "rows": 0, "overflows": 0}
        self.pieces = memory.Pieces(self.args, task.piece)
        # The default printer would write to stdout, which carries the result alone.
        self.callback_handler.callbacks = [
            c
            for c in self.callback_handler.callbacks
            if type(c).__name__ not in ("PrinterCallback", "ProgressCallback")
        ]

    # Batches, rates and losses

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
            layer_drop.check(self.config.regularise, self.stages)
        # else dense gradients are asked for
        sparse = self.machine.quick and ranks.count() == 1 and 0 < self.args.max_grad_norm < math.inf
        tables = sparse_adamw.tables(model) if sparse else []
        self.optimizer = optimization.optimizer(self.parts, self.config.optim, lr, tables)
        self.sparse = self.optimizer if isinstance(self.optimizer, SparseAdamW) else None
        return self.optimizer

    def close(self) -> None:
        """Leave the model without what its optimizer hung onto it."""
        if self.sparse is not None:
            self.sparse.close()

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

    def loss_of(self, model: Any, inputs: Any) -> tuple[torch.Tensor, Any]:
        """(the loss, the model's outputs) of this process's batch."""
        return self.loss(model, mixing.vary(inputs, self.config.images, self.model.config.num_labels))

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss, outputs = self.loss_of(model, inputs)
        if ranks.count() > 1:
            loss = distributed.weighted(loss, len(inputs["labels"]), self.accelerator)
        return (loss * self.pieces.share, outputs) if return_outputs else loss * self.pieces.share

    def ask(self) -> None:
        """Run the model on one row."""
        self.task.answers(self.model, self._prepare_inputs(self.task.collate(self.train_dataset[:1])))  # type: ignore[index]

    # Steps

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        self.watch.before_batch(inputs)
        loss = self.pieces.step(super().training_step, model, inputs, self.accelerator.sync_gradients)
        self.guard.saw(inputs, loss)
        self.spent["rows"] += len(next(iter(inputs.values()))) * ranks.count()
        if self.accelerator.sync_gradients:
            self.watch.after_gradients()
        return loss

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: transformers walks over all weights for it at each step, 1% of a small batch's time."""
        return 0

    def _clip_grad_norm(self, model: Any) -> Any:
        if self.sparse is not None:
            return sparse_adamw.clip(model.parameters(), self.args.max_grad_norm)
        norm = super()._clip_grad_norm(model)
        if self.config.optim.clip == "adaptive":  # not the head, as in the paper
            clipping.adaptive(self.model.base_model.parameters(), self.config.optim.clip_factor)
        return norm

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        self.guard.judge(norm, getattr(self.optimizer, "optimizer", self.optimizer))
        return norm

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        if self.sparse is not None:
            self.sparse.settle()
        if not self.eval_dataset:
            if self.watch.is_over():
                self.watch.keep_weights()
            return {}
        figures: dict[str, float] = super().evaluate(*args, **kwargs)
        return figures

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return None, *self.task.answers(model, inputs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """JSON has no infinity: the norm of an fp16 step that overflowed is left out."""
        super().log({k: v for k, v in logs.items() if k != "grad_norm" or math.isfinite(v)}, start_time)

    # Checkpoints

    def recall(self, checkpoint: Path) -> None:
        """Take up what an interrupted run knew."""
        self.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        known = checkpoints.known(checkpoint)
        self.spent, self.best_digest, self.pieces.count = known["spent"], known["best"], known["pieces"]
        work = Path(self.args.output_dir).parent
        if ranks.leads() and (checkpoint / checkpoints.BEST).is_file():
            checkpoints.link(checkpoint / checkpoints.BEST, work / checkpoints.BEST)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The state is the checkpoint's; what was asked for now (rate, decay …) stays where it differs."""
        asked = self._asked()
        super()._load_optimizer_and_scheduler(checkpoint)
        if self.sparse is None:
            sparse_adamw.settle_for_dense(self.optimizer)
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

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the weights under the names that the model has.

        By itself transformers 5 writes those of ViT and others under their published names, and a resume, which does
        not rename them, goes on with the weights that it started from.
        """
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        is_main = self.args.should_save
        model.save_pretrained(output_dir, state_dict=state_dict, is_main_process=is_main, save_original_format=False)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write aside, flush, mark with digests, rename, then drop the oldest."""
        self.guard.settle()
        bad = guard.unsound_weights(self.model)
        if bad:  # a checkpoint is one to go on from
            self.guard.stop(f"the weights {bad} are not finite")
        aside = Path(self._get_output_dir(trial))
        if ranks.leads():
            shutil.rmtree(aside, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if ranks.leads():
                self._seal(aside)
        except BaseException as e:
            shutil.rmtree(aside, ignore_errors=True)  # a full disk needs the room
            if "inline_container" in str(e):  # how torch.save tells of a write that failed
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from e
            raise

    def _seal(self, aside: Path) -> None:
        made, best = aside / f"checkpoint-{self.state.global_step}", aside.parent.parent / checkpoints.BEST
        if best.is_file():
            checkpoints.link(best, made / checkpoints.BEST)
        known = {"spent": self.spent, "best": self.best_digest, "pieces": self.pieces.count, "optim": self._asked()}
        checkpoints.seal(made, known)
        checkpoints.publish(made, aside.parent, self.config.keep)
