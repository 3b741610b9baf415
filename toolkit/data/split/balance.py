"""Classes brought nearer to each other's size: rows dropped from the large ones, or copied in the small ones."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from toolkit.errors import ToolkitError


def ratio(text: str, flag: str = "--balance") -> float:
    """How many times the smallest class the largest may be, from what is written as 1:1.5.

    Raises:
        ToolkitError: it is not written so, or the second number is the smaller one.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[:：]\s*(\d+(?:\.\d+)?)\s*", text)
    hint = "write smallest:largest, such as 1:1 or 1:1.5"
    if not found or float(found[1]) == 0:
        raise ToolkitError(f"{flag} {text} is no ratio", hint)
    if float(found[2]) < float(found[1]):
        raise ToolkitError(f"{flag} {text} asks for a smallest class that is the larger one", hint)
    return float(found[2]) / float(found[1])


def under(codes: Any, most: float, seed: int) -> Any:
    """Numbers of the rows to drop, so that no class has more than `most` times the rows of the smallest."""
    counts = np.bincount(codes)
    limit = math.floor(counts[counts > 0].min() * most + 1e-9)
    order, rank = _ranked(codes, seed)
    return np.sort(order[rank >= limit])


def over(codes: Any, most: float, seed: int) -> tuple[Any, Any]:
    """(numbers of the rows to copy, which copy of its row each is, from 1), so that no class has less than the largest
    divided by `most`; the rows of a class are copied as often as each other, by one more or less."""
    counts = np.bincount(codes)
    target = math.ceil(counts.max() / most - 1e-9)
    order, rank = _ranked(codes, seed)
    size = counts[codes[order]]
    copies = np.zeros(len(codes), np.int64)
    copies[order] = np.where(size < target, target // size - 1 + (rank < target % size), 0)
    number = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies) + 1
    return np.repeat(np.arange(len(codes)), copies), number


def _ranked(codes: Any, seed: int) -> tuple[Any, Any]:
    """(row numbers, shuffled and class by class; the place of each within its class)."""
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    start = np.searchsorted(codes[order], codes[order], side="left")
    return order, np.arange(len(codes)) - start
