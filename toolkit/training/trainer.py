"""The one training engine: transformers' Trainer, with our batches, best weights and checkpoints.

finetune, tune, distill and the recovery after pruning all train here.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.evaluation import metrics
from toolkit.training import optimization, precision, stages
from toolkit.training.config import EPOCHS, LR, TrainConfig
from toolkit.training.sampling import LengthGroupedBatches
from toolkit.training.tasks import text_classification as task

COMPLETE = "complete"  # a checkpoint without this file was cut off while it was written
Rows = list[dict[str, Any]]
Loss = Callable[[Any, dict[str, Any]], tuple[torch.Tensor, Any]]  # (model, batch) -> loss, model outputs


def train(
    model: Any,
    tokenizer: Any,
    rows: Rows,
    validation: Rows,
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
        rows: encoded rows (`tasks.*.encode`); `validation` likewise.
        work: where checkpoints, best weights and logs go; a run that finds checkpoints there resumes.
        scratch: whether the weights are new, which decides the default rate and epochs.
        loss: takes the place of the model's own loss (distillation).
        report: called with the validation figures after each epoch (a search that prunes raises from it).

    Returns:
        `{"validation": {...}, "train": {"samples_per_second", "seconds", "epochs", ...}}`

    Raises:
        ToolkitError: the loss or a gradient is no longer finite.
    """
    started = "scratch" if scratch else "pretrained"
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    device = precision.resolve_device(config.device)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and precision.has_bf16(device))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = Engine(
            model=model,
            args=_arguments(config, work, started, device, bf16, seed),
            train_dataset=rows,  # type: ignore[arg-type]
            eval_dataset=sorted(validation, key=lambda row: len(row["input_ids"])),  # type: ignore[arg-type]
            data_collator=partial(task.collate, tokenizer.pad_token_id),
            compute_metrics=_validation_figures,
            config=config,
            loss=loss,
        )
        watch = Watch(engine, config, report)
        engine.add_callback(watch)
        engine.add_callback(TensorBoardCallback(_writer(work / "logs")))
        checkpoint = last_checkpoint(work)
        if checkpoint:
            console.note(f"resuming from step {checkpoint.name.split('-')[1]}")
            watch.recall(checkpoint)
        console.note(
            f"training on {device}, {'bf16' if bf16 else 'fp32'}; watch it: tensorboard --logdir {work / 'logs'}"
        )
        try:
            if not watch.is_over():
                engine.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            watch.close()
    watch.restore_best()
    return watch.figures()


def validate(model: Any, tokenizer: Any, validation: Rows) -> dict[str, Any]:
    """Validation figures of a model as it is."""
    labels = np.array([row["labels"] for row in validation])
    return metrics.summary(labels, metrics.softmax(predict(model, tokenizer, validation))) | {"rows": len(validation)}


def predict(model: Any, tokenizer: Any, rows: Rows) -> Any:
    """The model's logits, float64 (rows, classes)."""
    batches = [rows[i : i + 64] for i in range(0, len(rows), 64)]
    model.eval()
    with torch.inference_mode():
        logits = [model(**task.collate(tokenizer.pad_token_id, batch)).logits.numpy() for batch in batches]
    return np.concatenate(logits).astype(np.float64)


def set_dropout(model: Any, p: float) -> None:
    """Set every dropout of the model, in its modules and in its config."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = p
    for key in vars(model.config):
        if "dropout" in key and isinstance(getattr(model.config, key), float):
            setattr(model.config, key, p)


def _arguments(config: TrainConfig, work: Path, started: str, device: str, bf16: bool, seed: int) -> TrainingArguments:
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
        bf16=bf16,
        use_cpu=device == "cpu",
        eval_strategy="epoch",
        save_strategy="no",  # `Watch` says when
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
    )


def _validation_figures(prediction: Any) -> dict[str, float]:
    return metrics.summary(prediction.label_ids, metrics.softmax(prediction.predictions.astype(np.float64)))


def _writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    found = [p for p in (work / "checkpoints").glob("checkpoint-*") if (p / COMPLETE).is_file()]
    return max(found, key=lambda p: int(p.name.split("-")[1]), default=None)


class Engine(Trainer):
    """transformers' Trainer with reproducible batches, an exchangeable loss, and checkpoints whole or absent."""

    def __init__(self, *args: Any, config: TrainConfig, loss: Loss | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config, self.loss = config, loss
        self.model_accepts_loss_kwargs = False  # a loss is the mean of its batch, and accumulated ones are averaged
        self.spent = {"seconds": 0.0, "steps": 0}  # on training steps, evaluation and saving left out
        # The default printer would write to stdout, which carries the result alone.
        self.callback_handler.callbacks = [
            c
            for c in self.callback_handler.callbacks
            if type(c).__name__ not in ("PrinterCallback", "ProgressCallback")
        ]

    def get_train_dataloader(self) -> DataLoader[Any]:
        lengths = [len(row["input_ids"]) for row in self.train_dataset]  # type: ignore[union-attr]
        batches = LengthGroupedBatches(lengths, self.args.train_batch_size, self.args.seed)
        loader = DataLoader(self.train_dataset, batch_sampler=batches, collate_fn=self.data_collator)  # type: ignore[arg-type]
        self.batches = batches
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        lr, layers = self.args.learning_rate, self.config.layers
        self.parts = (
            stages.parts(model or self.model) if staged(self.config) else [[*(model or self.model).parameters()]]
        )
        depth = len(self.parts) - 2
        self.stages = stages.plan(stages.given(layers.stages), depth, lr, layers.layer_decay) if depth > 0 else []
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
        sign, name = -1.0 if self.config.metric == "loss" else 1.0, f"eval_{self.config.metric}"
        return [sign * entry[name] for entry in self.state.log_history if name in entry]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        smoothing = self.config.label_smoothing
        loss, outputs = self.loss(model, inputs) if self.loss else task.loss(model, inputs, smoothing)
        return (loss, outputs) if return_outputs else loss

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.args.output_dir) / "writing")

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write aside, mark, rename, then drop the oldest."""
        aside = Path(self._get_output_dir(trial))
        shutil.rmtree(aside, ignore_errors=True)
        super()._save_checkpoint(model, trial)
        name = f"checkpoint-{self.state.global_step}"
        (aside / name / COMPLETE).write_text(json.dumps(self.spent))
        final = Path(self.args.output_dir) / name
        shutil.rmtree(final, ignore_errors=True)
        (aside / name).rename(final)
        kept = sorted(final.parent.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
        for old in kept[: -self.config.keep]:
            shutil.rmtree(old)


def staged(config: TrainConfig) -> bool:
    """Whether layers learn at rates of their own."""
    return config.layers.layer_decay != 1 or config.layers.stages not in (None, "none")


class Watch(TrainerCallback):
    """Progress, logs, health, best weights, early stopping and the moment of saving.

    Everything it must remember over a resume stands in the Trainer's own history.
    """

    def __init__(self, engine: Engine, config: TrainConfig, report: Callable[[dict[str, float]], None] | None) -> None:
        self.engine, self.config, self.report = engine, config, report
        self.work = Path(engine.args.output_dir).parent
        self.sign = -1.0 if config.metric == "loss" else 1.0
        self.note = ""
        self.stage: stages.Stage | None = None
        self.bar = ExitStack()

    def evaluations(self) -> list[dict[str, float]]:
        return [entry for entry in self.engine.state.log_history if "eval_accuracy" in entry]

    def best(self) -> dict[str, float]:
        """The first of the best evaluations."""
        return max(self.evaluations(), key=lambda e: self.sign * e[f"eval_{self.config.metric}"])

    def epochs_without_gain(self) -> int:
        history = self.evaluations()
        return len(history) - 1 - history.index(self.best()) if history else 0

    def is_over(self) -> bool:
        """Whether all steps are done, or patience is at its end."""
        state = self.engine.state
        done = 0 < state.max_steps <= state.global_step
        return done or (self.config.patience > 0 and self.epochs_without_gain() >= self.config.patience)

    def recall(self, checkpoint: Path) -> None:
        """Take up what an interrupted run knew."""
        self.engine.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        self.engine.spent = json.loads((checkpoint / COMPLETE).read_text())

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance = self.bar.enter_context(console.progress("training", state.max_steps))
        self.advance(state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.engine.batches.set_epoch(int(state.epoch or 0))
        self.mark = time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.engine.stages:
            stage = stages.at(self.engine.stages, state.global_step / max(state.max_steps, 1))
            if stage is not self.stage:
                self.stage = stage
                stages.freeze(self.engine.parts, stage.rates)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.engine.spent["seconds"] += time.perf_counter() - self.mark
        self.engine.spent["steps"] += 1
        self.mark = time.perf_counter()
        self.advance(1, self.note)
        if state.global_step % self.config.save_every == 0:
            control.should_save = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        unsound = [k for k in ("loss", "grad_norm", "eval_loss") if k in logs and not np.isfinite(logs[k])]
        if unsound:
            raise ToolkitError(f"{unsound[0]} is {logs[unsound[0]]} at step {state.global_step}", "use a smaller --lr")
        self.note = " ".join(f"{k} {logs[k]:.3g}" for k in ("loss", "eval_accuracy", "grad_norm") if k in logs)
        with (self.work / "logs" / "metrics.jsonl").open("a") as f:
            f.write(json.dumps({"step": state.global_step, **logs}) + "\n")

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.epochs_without_gain() == 0:
            self._keep_weights()
        control.should_training_stop |= self.is_over()
        if self.report:
            self.report({k.removeprefix("eval_"): v for k, v in self.evaluations()[-1].items()})
        self.mark = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.mark = time.perf_counter()

    def close(self) -> None:
        """Take the progress bar down, however the training ended."""
        self.bar.close()

    def _keep_weights(self) -> None:
        from safetensors.torch import save_model

        aside = self.work / "best.new"
        save_model(self.engine.model, str(aside))
        aside.rename(self.work / "best.safetensors")

    def restore_best(self) -> None:
        from safetensors.torch import load_model

        self.engine.model.to("cpu")
        load_model(self.engine.model, self.work / "best.safetensors")
        self.engine.model.requires_grad_(True)
        self.engine.model.eval()

    def figures(self) -> dict[str, Any]:
        """What `metrics.json` says of a training."""
        best, rows, spent = self.best(), len(self.engine.train_dataset), self.engine.spent  # type: ignore[arg-type]
        batch = self.config.batch_size * self.config.optim.accumulate
        seen = min(spent["steps"] * batch, round(self.engine.state.epoch * rows))
        chosen = {k: best[f"eval_{k}"] for k in ("accuracy", "f1_macro", "loss")}
        return {
            "validation": chosen | {"rows": len(self.engine.eval_dataset)},  # type: ignore[arg-type]
            "train": {
                "samples_per_second": round(seen / spent["seconds"], 1),
                "seconds": round(spent["seconds"], 2),
                "epochs": self.engine.state.epoch,
                "best_epoch": best["epoch"],
                "steps": self.engine.state.global_step,
                "rows": rows,
            },
        }
