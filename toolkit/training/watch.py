"""What is done beside the steps of a training: progress, logs, health, best weights, stopping, stages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from toolkit import console, ranks
from toolkit.errors import ToolkitError
from toolkit.training import distributed, divergence, stages
from toolkit.training.config import TrainConfig


class Watch(TrainerCallback):
    """Progress, logs, health, best weights, early stopping and the moment of saving.

    Everything it must remember over a resume stands in the Trainer's own history.
    """

    def __init__(self, engine: Any, config: TrainConfig, report: Callable[[dict[str, float]], None] | None) -> None:
        self.engine, self.config, self.report = engine, config, report
        self.work = Path(engine.args.output_dir).parent
        self.note = ""
        self.stage: stages.Stage | None = None
        self.bar = ExitStack()

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
        lost = divergence.diverged([(line["step"], line["loss"]) for line in state.log_history if "loss" in line])
        if lost:
            told = f"training has diverged: the loss is {lost[0]:.3g} at step {state.global_step}, it was {lost[1]:.3g}"
            raise ToolkitError(told, "use a smaller --lr, or --find-lr")
        self.note = " ".join(f"{k} {logs[k]:.3g}" for k in ("loss", "eval_accuracy", "grad_norm") if k in logs)
        if ranks.leads():
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

        model = distributed.gathered(self.engine)
        if ranks.leads():
            aside = self.work / "best.new"
            save_model(model, str(aside))
            aside.rename(self.work / "best.safetensors")
        self.engine.accelerator.wait_for_everyone()

    def restore_best(self) -> None:
        from safetensors.torch import load_model

        model = self.engine.whole
        model.to("cpu")
        load_model(model, self.work / "best.safetensors")
        model.requires_grad_(True)
        model.eval()

    def figures(self) -> dict[str, Any]:
        """What `metrics.json` says of a training."""
        best, rows, spent = self.best(), len(self.engine.train_dataset), self.engine.spent
        batch = self.config.batch_size * self.config.optim.accumulate * ranks.count()
        seen = min(spent["steps"] * batch, round(self.engine.state.epoch * rows))
        chosen = {k: best[f"eval_{k}"] for k in self.engine.task.figures_of}
        return {
            "validation": chosen | {"rows": len(self.engine.eval_dataset)},
            "train": {
                "samples_per_second": round(seen / spent["seconds"], 1),
                "seconds": round(spent["seconds"], 2),
                "epochs": self.engine.state.epoch,
                "best_epoch": best["epoch"],
                "steps": self.engine.state.global_step,
                "rows": rows,
                "learning_rate": self.engine.args.learning_rate,
            },
        }
