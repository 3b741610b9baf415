"""What classifying texts and classifying images have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

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
        for name, key in (("label", "labels"), (SHARES, SHARES)):
            if name in rows.column_names:
                for row, value in zip(out, rows[name], strict=True):
                    row.update({key: value} if value is not None else {})
        return out

    def collate(self, rows: Encoded) -> dict[str, Any]:
        """Inputs, labels int64 (rows,), weights float32 (rows,) where there are any, and shares float32 (rows, classes)
        where a row is a mixture."""
        import torch

        batch = {key: torch.from_numpy(value) for key, value in self.reader.batch(rows).items()}
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        classes = next((len(row[SHARES]) for row in rows if SHARES in row), 0)
        if classes:
            unit = np.eye(classes, dtype=np.float32)
            shares = np.array([row.get(SHARES, unit[row["labels"]]) for row in rows], dtype=np.float32)
            batch[SHARES] = torch.from_numpy(shares)
        if WEIGHT in rows[0]:
            batch[WEIGHT] = torch.tensor([row[WEIGHT] for row in rows])
        own = [key for key, value in rows[0].items() if isinstance(value, torch.Tensor)]  # what a teacher said
        return batch | {key: torch.stack([row[key] for row in rows]) for key in own}

    def loss(self, model: Any, batch: dict[str, Any], smoothing: float = 0.0) -> tuple[Any, Any]:
        """Cross-entropy to the labels, or to the shares of classes where rows are mixtures; times the rows' weights.

        Args:
            smoothing: share of each label that is spread over all classes (Szegedy et al., 2016).
        """
        from torch.nn.functional import cross_entropy

        outputs = model(**{key: value for key, value in batch.items() if key not in TARGETS})
        target = batch.get(SHARES, batch["labels"])
        each = cross_entropy(outputs.logits.float(), target, label_smoothing=smoothing, reduction="none")
        return (each * batch.get(WEIGHT, 1.0)).mean(), outputs

    def answers(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Logits (rows, classes) and labels."""
        outputs = model(**{key: value for key, value in batch.items() if key not in TARGETS})
        return outputs.logits.float(), batch["labels"]

    def figures(self, answers: Any, labels: Any) -> dict[str, float]:
        return metrics.summary(labels, metrics.softmax(answers.astype(np.float64)))
