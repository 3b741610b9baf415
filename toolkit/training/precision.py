"""What number format training really gains from on this machine."""

from __future__ import annotations

from pathlib import Path


def resolve_device(wanted: str) -> str:
    """ "auto" becomes cuda, mps or cpu; what is asked for and not there is an error."""
    import torch

    from toolkit.errors import ToolkitError

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[wanted]:
        raise ToolkitError(f"--device {wanted}: this machine has none", "use --device auto")
    return wanted


def has_bf16(device: str) -> bool:
    """Whether bf16 matrix products run natively: AVX-512 BF16 or AMX on a processor, Ampere or later on a GPU."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if device == "cpu" and cpuinfo.is_file() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
