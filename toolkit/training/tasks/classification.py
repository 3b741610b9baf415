"""What classifying texts and classifying images have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from toolkit import reading
from toolkit.evaluation import metrics
from toolkit.reading import Encoded, Reader
from toolkit.training.weighting import WEIGHT

SHARES = "label_weights"  # of a mixture's classes; other rows have none
TARGETS = ("labels", SHARES, WEIGHT)  # what of a batch is not for the model


@dataclass(frozen=True)
class Classification:
    """One class a row, or shares of several."""

    reader: Reader
    figures_of: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "loss")

    def encode(self, rows: Any) -> Encoded:
        """The model's inputs, and `labels` and `label_weights` where the rows have them."""
        out = self.reader.encode(self.reader.contents(rows))
        reading.tell_empty(self.reader, sum(map(self.reader.empty, out)), len(out))
        for name, key in (("label", "labels"), (SHARES, SHARES)):
            if name in rows.column_names:
                for row, value in zip(out, rows[name], strict=True):
                    row.update({key: value} if value is not None else {})
        return out

    def collate(self, rows: Encoded, epoch: int | None = None) -> dict[str, Any]:
        """Inputs, `labels` as `target` has them, shares float32 (rows, classes) where a row is a mixture, and weights
        float32 (rows,) where rows have them."""
        import torch

        batch = {key: torch.from_numpy(value) for key, value in self.reader.batch(rows).items()}
        if "labels" in rows[0]:
            batch["labels"] = self.target([row["labels"] for row in rows])
        classes = next((len(row[SHARES]) for row in rows if SHARES in row), 0)
        if classes:
            unit = np.eye(classes, dtype=np.float32)
            shares = np.array([row.get(SHARES, unit[row["labels"]]) for row in rows], dtype=np.float32)
            batch[SHARES] = torch.from_numpy(shares)
        if WEIGHT in rows[0]:
            batch[WEIGHT] = torch.tensor([row[WEIGHT] for row in rows])
        own = [key for key, value in rows[0].items() if isinstance(value, torch.Tensor)]  # what a teacher said
        return batch | {key: torch.stack([row[key] for row in rows]) for key in own}

    def piece(self, batch: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
        """Some rows of a batch."""
        return {key: value[start:stop] for key, value in batch.items()}

    def target(self, labels: list[Any]) -> Any:
        """Class numbers, int64 (rows,)."""
        import torch

        return torch.tensor(labels)

    def loss(self, model: Any, batch: dict[str, Any], smoothing: float = 0.0) -> tuple[Any, Any]:
        """The mean of the rows' losses times their weights, and the model's outputs.

        Args:
            smoothing: share of each label that is spread over all classes (Szegedy et al., 2016).
        """
        outputs = model(**{key: value for key, value in batch.items() if key not in TARGETS})
        losses = self.losses(outputs.logits.float(), batch, smoothing)
        return (losses * batch.get(WEIGHT, 1.0)).mean(), outputs

    def losses(self, logits: Any, batch: dict[str, Any], smoothing: float) -> Any:
        """(rows,) the cross-entropy to the label, or to the shares of the classes where rows are mixtures."""
        from torch.nn.functional import cross_entropy

        target = batch.get(SHARES, batch["labels"])
        return cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")

    def answers(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Logits (rows, classes) and labels."""
        outputs = model(**{key: value for key, value in batch.items() if key not in TARGETS})
        return outputs.logits.float(), batch["labels"]

    def figures(self, answers: Any, labels: Any) -> dict[str, float]:
        return metrics.summary(labels, metrics.softmax(answers.astype(np.float64)))


@dataclass(frozen=True)
class Several(Classification):
    """Any number of classes a row, each of them told by itself."""

    classes: int
    figures_of: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "f1_micro", "loss")

    def target(self, labels: list[Any]) -> Any:
        """1 for a row's classes and 0 for others, float32 (rows, classes)."""
        import torch

        return torch.from_numpy(metrics.several_hot(labels, self.classes).astype(np.float32))

    def losses(self, logits: Any, batch: dict[str, Any], smoothing: float) -> Any:
        """(rows,) the binary cross-entropy, mean over the classes; smoothed, each answer is half of it for certain."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        target = batch["labels"] * (1 - smoothing) + smoothing / 2
        return binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)

    def figures(self, answers: Any, labels: Any) -> dict[str, float]:
        return metrics.several_summary(labels > 0, metrics.sigmoid(answers.astype(np.float64)))
