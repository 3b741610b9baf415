"""What a report says, in the language that is asked for; the code says it in English."""

from __future__ import annotations

from typing import Literal, Protocol

from toolkit.reports.chinese import CHINESE

Language = Literal["en", "zh"]


class Say(Protocol):
    """A text and what is to be filled in, as `str.format` does it -> the text in the report's language."""

    def __call__(self, text: str, /, **values: object) -> str: ...


def speaker(language: Language) -> Say:
    """Texts that have no translation stay English (a test finds those that a report says)."""
    known = CHINESE if language == "zh" else {}

    def say(text: str, /, **values: object) -> str:
        return known.get(text, text).format(**values)

    return say
