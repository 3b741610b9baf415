"""Back-translation (Sennrich et al., 2016): a text into another language and back is said otherwise."""

from __future__ import annotations

from random import Random
from typing import Annotated, Any

from toolkit.data.augment.strategy import Between
from toolkit.data.text import fold


def back_translation(
    rows: list[list[str]],
    rngs: list[Random],
    copies: list[int],
    *,
    translate: Any,
    rounds: Annotated[int, Between(1, 10)] = 3,
    beams: Annotated[int, Between(1, 100)] = 4,
) -> list[str | None]:
    """The text after some round trips; copy k takes the k-th of the last trip's beams that differ from it.

    Copies beyond the beams search twice as wide, then three times: what a copy gets is its own affair.

    Args:
        translate: `(texts, rounds, beams) -> for each text its translations, best first`; see
            `inference.translate.Translator`. None of a text that it can't do.
    """
    texts = ["".join(row) for row in rows]
    widths = [beams * (1 + copy // beams) for copy in copies]
    found: dict[tuple[str, int], list[str]] = {}
    for width in sorted(set(widths)):
        distinct = list(dict.fromkeys(text for text, own in zip(texts, widths, strict=True) if own == width))
        for text, said in zip(distinct, translate(distinct, rounds, width), strict=True):
            found[text, width] = said
    return [_kth(text, found[text, width], copy) for text, width, copy in zip(texts, widths, copies, strict=True)]


def _kth(text: str, translations: list[str], copy: int) -> str | None:
    """The copy-th translation that is neither empty nor the text, nor said before."""
    kept = {fold(translation): translation for translation in reversed(translations)}
    for nothing in ("", fold(text)):
        kept.pop(nothing, None)
    best_first = list(reversed(kept.values()))
    return best_first[copy] if copy < len(best_first) else None
