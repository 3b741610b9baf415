"""One class an image, or several."""

from __future__ import annotations

from toolkit.training.tasks import classification


class Task(classification.Classification):
    """Classifies images."""


class Several(classification.Several):
    """Tells the classes of images that have several."""
