"""One class a text, or a pair of texts; or several classes."""

from __future__ import annotations

from toolkit.training.tasks import classification


class Task(classification.Classification):
    """Classifies texts."""


class Several(classification.Several):
    """Tells the classes of texts that have several."""
