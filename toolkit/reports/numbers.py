"""Numbers as a reader wants them: in tables, on cards and on the axes of figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, TypeGuard

THIN = "\u202f"  # narrow no-break space: groups digits without the comma or point that means another thing elsewhere
MINUS = "\u2212"
NOTHING = "–"
DIGITS = 4  # significant ones


def is_number(value: object) -> TypeGuard[float]:
    """True for Python's and numpy's real numbers, but not for booleans."""
    return isinstance(value, Real) and not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool")


def missing(value: object) -> bool:
    """True for None and NaN, which are both shown as nothing."""
    return value is None or (is_number(value) and math.isnan(value))


def number(value: float | None, decimals: int | None = None) -> str:
    """An int in groups of three, a float to four significant digits (whole ones are never rounded away).

    With `decimals` a float is written with as many, as far as its significant digits go (so that columns line up).
    """
    if value is None or missing(value):
        return NOTHING
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    sign, size = (MINUS if value < 0 else ""), abs(value)
    if isinstance(value, Integral):
        return sign + _grouped(str(int(size)))
    if size >= 1e15 or 0 < size < 1e-4:
        mantissa, exponent = f"{size:.{DIGITS - 1}e}".split("e")
        return f"{sign}{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    most = _most_decimals(size)
    text = f"{size:.{most}f}"
    if most:
        text = text.rstrip("0").rstrip(".")
        if decimals:
            text = f"{size:.{max(_decimals(text), min(decimals, most))}f}"
    return _grouped(text) if text.strip("0.") == "" else sign + _grouped(text)


def aligned(values: Sequence[Any]) -> list[str]:
    """The numbers of one column, with as many decimals as the most exact of them needs."""
    common = decimals(values)
    return [number(v, common) for v in values]


def decimals(values: Iterable[Any]) -> int:
    """How many the most exact of the numbers needs."""
    plain = (number(v) for v in values if is_number(v) and not isinstance(v, Integral))
    return max((_decimals(text) for text in plain if "e" not in text), default=0)


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """`low–high`; a negative end gets room around the dash."""
    dash = " – " if any(is_number(end) and end < 0 for end in (low, high)) else "–"
    return f"{number(low, decimals)}{dash}{number(high, decimals)}"


def percent(share: float | None) -> str:
    """A share of 1 as per cent."""
    return NOTHING if share is None or missing(share) else f"{number(float(f'{100 * share:.3g}'))}%"


def _grouped(digits: str) -> str:
    whole, point, rest = digits.partition(".")
    return (f"{int(whole):,}".replace(",", THIN) if len(whole) > 4 else whole) + point + rest


def _most_decimals(size: float) -> int:
    return DIGITS if size == 0 else max(0, DIGITS - 1 - math.floor(math.log10(size)))


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def finite(value: float | None) -> float:
    """The value as a float; NaN where it is missing or infinite."""
    plain = math.nan if value is None else float(value)
    return plain if math.isfinite(plain) else math.nan


def zero(value: float) -> float:
    """0 in place of NaN."""
    return 0.0 if math.isnan(value) else value
