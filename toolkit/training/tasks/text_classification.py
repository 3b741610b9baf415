"""One class a text."""

from __future__ import annotations

from toolkit.training.tasks.classification import Classification


class Task(Classification):
    """Classifies texts."""
