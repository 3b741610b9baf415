"""A model cut to sizes and trained back, at once or in rounds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from toolkit import console
from toolkit.compression import channel_importance, families, targets, unstructured
from toolkit.compression.sensitivity import Bench, Found, kept
from toolkit.reading import Encoded
from toolkit.training import trainer
from toolkit.training.config import TrainConfig
from toolkit.training.engine import Loss

ROUNDING = 1e-9  # 0.95 - 0.94 is a little above 0.01
BETWEEN = 1.0  # epochs between two rounds


class Smaller(NamedTuple):
    """A model that was cut and trained back.

    figures: of the training, or of validation alone. sizes, cuts: what stayed, round by round. work: has the logs.
    """

    model: Any
    figures: dict[str, Any]
    sizes: list[Any]
    cuts: list[Any]
    work: Path


@dataclass(frozen=True)
class Recovery:
    """How a cut model is trained back; config None: not at all.

    rows: encoded, with what `loss` reads of the teacher. zeros: the share of weights that are zero at the end, and of
    what.
    """

    rows: Encoded
    validation: Encoded
    ids: Sequence[Any]
    config: TrainConfig | None
    rounds: int
    loss: Loss
    seed: int
    zeros: tuple[float, unstructured.Scope] | None = None

    def run(self, bench: Bench, to: Any, work: Path) -> Smaller:
        """A copy of the model, cut and trained; what is found in the work folder of an earlier call is taken up."""
        model, cuts, figures = copy.deepcopy(bench.model), [], {}
        family = families.of(model.config.model_type)
        whole = family.shape(model.config)
        steps = [family.between(whole, to, (i + 1) / self.rounds, bench.model.config) for i in range(self.rounds)]
        sizes = [step for step in dict.fromkeys(steps) if step != whole] or [to]  # where nothing goes is no round
        for number, now in enumerate(sizes, start=1):
            cut = kept(work / f"cut-{number}.json", partial(_choose, bench, model, now))
            family.apply(model, cut)
            channel_importance.settle(model, bench.task, bench.batches)
            cuts.append(cut)
            console.note(
                f"{family.told(now)}: {model.num_parameters() / bench.model.num_parameters():.0%} of the parameters"
            )
            last = number == len(sizes)
            figures = self._train(model, bench, work if last else work / f"round-{number}", last)
        return Smaller(model, figures, sizes, cuts, work)

    def _train(self, model: Any, bench: Bench, work: Path, last: bool) -> dict[str, Any]:
        """Give the model trained weights, its zeros among them in the last round; figures."""
        trained = copy.deepcopy(model)  # a resumed round would lack what else a training leaves on its model
        masks = unstructured.zero_out(trained, *self.zeros) if last and self.zeros else []
        if self.config is None:
            figures: dict[str, Any] = {"validation": trainer.validate(trained, bench.task, self.validation)}
        else:
            epochs = self.config.epochs if last else min(BETWEEN, self.config.epochs or BETWEEN)
            with unstructured.held(masks):
                figures = trainer.train(
                    trained,
                    bench.task,
                    self.rows,
                    self.validation,
                    replace(self.config, epochs=epochs),
                    work,
                    seed=self.seed,
                    loss=self.loss,
                    ids=self.ids,
                )
        model.load_state_dict(trained.state_dict())
        return figures | ({"sparsity": unstructured.figures(model, masks)} if masks else {})

    def furthest(self, bench: Bench, measured: Found, most: float, work: Path) -> tuple[Smaller, list[Found]]:
        """The fastest model that, trained back, loses at most so much accuracy on validation; and all that were tried.

        Where none does it is the mildest cut.
        """
        rungs, tried = targets.ladder(bench.model, measured), []
        before = trainer.validate(bench.model, bench.task, self.validation)["accuracy"]
        found: dict[int, Smaller] = {}

        def holds(number: int) -> bool:
            found[number] = self.run(bench, rungs[number], work / f"rung-{number}")
            after = trainer.validate(found[number].model, bench.task, self.validation)["accuracy"]
            tried.append({"sizes": list(rungs[number]), "accuracy": after, "accuracy_drop": before - after})
            console.note(f"accuracy lost {before - after:.4f}, at most {most:g} wanted")
            return bool(before - after <= most + ROUNDING)

        best = targets.furthest(len(rungs), holds)
        return found[best or 0], tried


def _choose(bench: Bench, model: Any, to: Any) -> Any:
    choose = families.of(model.config.model_type).choose
    return choose(model, bench.task, bench.batches, to, bench.importance)
