"""Fewer bits for a model's numbers: the methods, and which runtime has which of them.

A runtime is a file; adding a method is a function there and its name in `METHODS`.
"""

from __future__ import annotations

from toolkit.errors import ToolkitError

# By runtime and kind of content; the first is the default.
METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "openvino": dict.fromkeys(("text", "image"), ("static", "qat", "weights", "fp16")),
    # as ONNX Runtime's guide to quantization recommends for transformers and for convolutions
    "onnx": {"text": ("dynamic",), "image": ("static",)},
    "torch": dict.fromkeys(("text", "image"), ("dynamic", "fp16", "bf16")),
}
CALIBRATED = ("static", "qat")
BITS = {"static": (8,), "dynamic": (8,), "qat": (8,), "weights": (8, 4), "fp16": (16,), "bf16": (16,)}


def calibrates(method: str, bits: int) -> bool:
    """Whether more than one row has a part in the result."""
    return method in CALIBRATED or bits == 4


def resolve(backend: str, method: str | None, kind: str, bits: int | None) -> tuple[str, int]:
    """The method, and the bits that a weight gets.

    Raises:
        ToolkitError: the runtime has no such method for this kind of content, or the method no such width.
    """
    there = METHODS[backend][kind]
    method = method or there[0]
    if method not in there:
        others = [name for name, kinds in METHODS.items() if method in kinds[kind]]
        instead = [f"--backend {name}" for name in others] + [f"--method {name}" for name in there]
        raise ToolkitError(f"--method {method} of {kind}s is not done by {backend}", f"use {' or '.join(instead)}")
    if bits not in (None, *BITS[method]):
        fits = [name for name in METHODS["openvino"][kind] if bits in BITS[name]]
        widths = " or ".join(map(str, BITS[method]))
        hint = f"use --method {fits[0]}, or leave --bits out" if fits else "leave --bits out"
        raise ToolkitError(f"--bits {bits}: --method {method} makes numbers of {widths} bits", hint)
    return method, bits or BITS[method][0]
