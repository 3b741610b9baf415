"""The classes of rows, as the examples of a report name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

LEAST = 0.005  # of a class's share


class Labels:
    """Names for the labels of a table that knows its class names; the numbers where it does not."""

    def __init__(self, train: pa.Table) -> None:
        from datasets import Features

        from toolkit.data.labels import names_of

        known = b"huggingface" in (train.schema.metadata or {}) and "label" in train.column_names
        self.names = names_of(Features.from_arrow_schema(train.schema)) if known else []

    def told(self, row: dict[str, Any]) -> str:
        """The class of a row (a list of several), of a mixture each with its share; "" where none is known."""
        weights = row.get("label_weights")
        if weights:
            parts = [(self._name(i), share) for i, share in enumerate(weights) if share >= LEAST]
            return ", ".join(f"{name} {100 * share:.0f}%" for name, share in sorted(parts, key=lambda p: -p[1]))
        label = row.get("label")
        labels = label if isinstance(label, list) else [label]
        return ", ".join(self._name(number) for number in labels if number is not None)

    def _name(self, label: Any) -> str:
        return self.names[label] if self.names else str(label)
