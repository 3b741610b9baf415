"""What is done beside the steps of a training: progress, logs, health, best weights, stopping, stages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from toolkit import console, digest, ranks
from toolkit.errors import ToolkitError
from toolkit.training import checkpoints, distributed, divergence, hardware, memory, precision, stages, weighting
from toolkit.training.config import TrainConfig
from toolkit.training.health import Statistics

METRICS = "metrics.jsonl"


class Watch(TrainerCallback):
    """Progress, logs, health, best weights, early stopping and the moment of saving.

    Everything it must remember over a resume stands in the Trainer's own history and in what the engine spent.
    """

    def __init__(self, engine: Any, config: TrainConfig, report: Callable[[dict[str, float]], None] | None) -> None:
        self.engine, self.config, self.report = engine, config, report
        self.work = Path(engine.args.output_dir).parent
        self.best_weights = self.work / checkpoints.BEST
        self.shown: dict[str, str] = {}  # beside the progress bar
        self.stage: stages.Stage | None = None
        self.bar = ExitStack()
        self.heaviest = weighting.heaviest(engine.train_dataset)  # weight of a row in the loss
        self.measured = False  # whether the step in progress is one that is logged

    def evaluations(self) -> list[dict[str, float]]:
        return [entry for entry in self.engine.state.log_history if f"eval_{self.config.metric}" in entry]

    def best(self) -> dict[str, float]:
        """The first of the best evaluations."""
        history = self.engine.history()
        found: dict[str, float] = self.evaluations()[history.index(max(history))]
        return found

    def epochs_without_gain(self) -> int:
        history = self.engine.history()
        return len(history) - 1 - history.index(max(history)) if history else 0

    def is_over(self) -> bool:
        """Whether all steps are done, or patience is at its end."""
        state = self.engine.state
        done = 0 < state.max_steps <= state.global_step
        return done or (
            self.config.regularise.patience > 0 and self.epochs_without_gain() >= self.config.regularise.patience
        )

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance = self.bar.enter_context(console.progress("training", state.max_steps))
        self.advance(state.global_step)
        self.statistics = Statistics(self.engine.model)  # not before: sharding gives a model other weights
        self.meter = hardware.Meter(self.engine.machine.device)
        self.bar.callback(self.meter.close)
        self.logged = dict(self.engine.spent)
        scaler = self.engine.accelerator.scaler
        self.scale = scaler.get_scale() if scaler else None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.engine.batches.set_epoch(int(state.epoch or 0))
        self.mark = time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.engine.stages:
            stage = stages.at(self.engine.stages, state.global_step / max(state.max_steps, 1))
            if stage is not self.stage:
                self.stage = stage
                stages.freeze(self.engine.parts, stage.rates)
        step = state.global_step + 1
        self.engine.guard.begin(step)
        self.measured = step in (1, state.max_steps) or step % self.config.log_every == 0
        if self.measured:
            self.statistics.watch()

    def before_batch(self, inputs: Any) -> None:
        """Compiled code calls no hooks: there the activations are those of one more forward pass."""
        if self.statistics.hooks and self.engine.machine.compile:
            model = self.engine.model
            with ExitStack() as inside:
                inside.enter_context(torch.random.fork_rng())  # how often is logged must not decide what is drawn
                inside.enter_context(precision.plainly(model.eval()))
                inside.enter_context(torch.no_grad())
                inside.enter_context(self.engine.compute_loss_context_manager())
                for piece, _ in self.engine.pieces.cut(self.engine._prepare_inputs(inputs)):
                    self.engine.loss_of(model, piece)
            self.statistics.unhook()

    def after_gradients(self) -> None:
        if self.measured:
            self.statistics.unhook()
            self.statistics.gradients(self.scale or 1.0)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.measured:
            self.statistics.before()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.measured:
            self.statistics.after()
            self.rates = {group.get("part", 0): group["lr"] for group in self.engine.optimizer.param_groups}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.scale is not None:
            self._count_overflows()
        spent = self.engine.spent
        spent["seconds"] += time.perf_counter() - self.mark
        spent["steps"] += 1
        self.mark = time.perf_counter()
        self.advance(1, " ".join(f"{word} {value}" for word, value in self.shown.items()))
        control.should_log = self.measured
        # At the end of an epoch, a last part of one too, there is a checkpoint anyway, which knows of its validation.
        ends = float(state.epoch).is_integer() or state.global_step >= state.max_steps
        if state.global_step % self.config.save_every == 0 and not ends:
            control.should_save = True

    def _count_overflows(self) -> None:
        """The scaler of fp16 has passed over a step when it has lowered its scale."""
        before, self.scale = self.scale, self.engine.accelerator.scaler.get_scale()
        self.engine.spent["overflows"] += self.scale < before
        if self.scale < precision.NO_SCALE:
            self.engine.guard.stop(
                f"fp16 cannot hold this model's gradients: {self.engine.spent['overflows']} steps overflowed, and "
                f"the loss's scale fell to {self.scale:.2g}",
                "use --precision bf16 or fp32",
            )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Add the step's figures to what is logged (TensorBoard's callback comes after this one), and write it down."""
        if not np.isfinite(logs.get("eval_loss", 0.0)):
            self.engine.guard.stop(f"eval_loss is {logs['eval_loss']}")
        if "loss" in logs:
            logs |= self._rates() | self._speed() | self.statistics.take()
            logs |= hardware.memory(self.engine.machine.device) | self.meter.take()
        metric = str(self.config.metric)
        words = {"loss": "loss", f"eval_{metric}": metric.replace("loss", "validation loss")}  # first: what fits always
        words |= {"learning_rate": "rate", "grad_norm": "gradient", "samples_per_second": "rows/s"}
        known = self.shown | {word: f"{logs[key]:.3g}" for key, word in words.items() if key in logs}
        self.shown = {word: known[word] for word in words.values() if word in known}
        if ranks.leads():
            with (self.work / "logs" / METRICS).open("a") as f:
                f.write(json.dumps({"step": state.global_step, **logs}) + "\n")
        losses = [(line["step"], line["loss"]) for line in state.log_history if "loss" in line]
        if lost := divergence.diverged(losses, self.heaviest, memory.rows_a_step(self.engine.args)):
            told = f"training has diverged: the loss rose from {lost[1]:.3g} to {lost[0]:.3g}"
            self.engine.guard.stop(told, "use a smaller --lr, or --find-lr", divergence.sound(losses, self.heaviest))

    def _rates(self) -> dict[str, float]:
        """The rate of each part in this step, where they have rates of their own; fp16's scale and overflows."""
        out = {}
        if len(self.engine.parts) > 1:
            last = len(self.engine.parts) - 1
            parts = {0: "embeddings", last: "head"} | {i: f"layer.{i - 1}" for i in range(1, last)}
            out = {f"learning_rate/{parts[part]}": rate for part, rate in self.rates.items()}
            out["learning_rate"] = self.rates[last]
        if self.scale is not None:
            out |= {"loss_scale": self.scale, "overflows": self.engine.spent["overflows"]}
        return out

    def _speed(self) -> dict[str, float]:
        """Rows a second since the last time, evaluation and saving left out."""
        before, self.logged = self.logged, dict(self.engine.spent)
        rows, seconds = (self.logged[key] - before[key] for key in ("rows", "seconds"))
        return {"samples_per_second": rows / seconds if seconds else 0.0}

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.epochs_without_gain() == 0:
            self.keep_weights()
        control.should_training_stop |= self.is_over()
        if self.report:
            self.report({k.removeprefix("eval_"): v for k, v in self.evaluations()[-1].items()})
        self.mark = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.mark = time.perf_counter()

    def close(self) -> None:
        """Take the progress bar down, however the training ended."""
        self.bar.close()

    def forget_after(self, step: int) -> None:
        """Drop what a run that was cut off had logged after the step that it goes on from."""
        path = self.work / "logs" / METRICS
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step))

    def keep_weights(self) -> None:
        """Write the weights aside as the best so far."""
        from safetensors.torch import save_model

        model = distributed.gathered(self.engine)
        if ranks.leads():
            aside = self.work / "best.new"
            save_model(model, str(aside))
            checkpoints.sync(aside)
            self.engine.best_digest = digest.of_file(aside)
            aside.rename(self.best_weights)
        self.engine.accelerator.wait_for_everyone()

    def restore_best(self) -> None:
        """Load the weights that were best.

        Raises:
            ToolkitError: their file is not what was written.
        """
        from safetensors.torch import load_model

        if ranks.leads() and digest.of_file(self.best_weights) != self.engine.best_digest:
            raise ToolkitError(
                f"{self.best_weights} is damaged", "the same call goes on from the last checkpoint that is whole"
            )
        model = self.engine.whole
        model.to("cpu")
        load_model(model, self.best_weights)
        model.requires_grad_(True)
        model.eval()

    def figures(self) -> dict[str, Any]:
        """What `metrics.json` says of a training."""
        spent, measured, chosen = self.engine.spent, {}, {}
        if self.engine.eval_dataset:
            best = self.best()
            told = {k: best[f"eval_{k}"] for k in self.engine.task.figures_of}
            measured, chosen = (
                {"validation": told | {"rows": len(self.engine.eval_dataset)}},
                {"best_epoch": best["epoch"]},
            )
        overflows = {"overflows": spent["overflows"]} if self.engine.machine.format == "fp16" else {}
        return measured | {
            "train": {
                "samples_per_second": round(spent["rows"] / spent["seconds"], 1),
                "seconds": round(spent["seconds"], 2),
                "epochs": self.engine.state.epoch,
                **chosen,
                "steps": self.engine.state.global_step,
                "rows": len(self.engine.train_dataset),
                "learning_rate": self.engine.args.learning_rate,
                "precision": str(self.engine.machine),
            }
            | overflows,
        }
