"""The processor: what it is called, and what makes its matrix products fast."""

from __future__ import annotations

import platform
from pathlib import Path

# By their flags.
UNITS = {"AVX-512": {"avx512f"}, "VNNI": {"avx512_vnni", "avx_vnni"}, "AMX": {"amx_bf16"}, "I8MM": {"i8mm"}}


def units() -> list[str]:
    """Which of `UNITS` it has; none where the system does not tell (only Linux does)."""
    flags = set(_told().split())
    return [unit for unit, names in UNITS.items() if flags & names]


def bf16_unit() -> str:
    """What makes products of bfloat16 much faster than those of float32; "" for none.

    On an AMD EPYC of the Zen 5 generation AVX-512's are four times as fast (torch 2.13, oneDNN 3.12, 512x384x1536 on
    two cores: 750 beside 200 GFLOP/s); on a Xeon without AMX they are slower.
    """
    told = _told()
    return "AMX" if "AMX" in units() else "AVX-512" if "AuthenticAMD" in told and "avx512_bf16" in told else ""


def title() -> str:
    """Its name, with its units: the same name is sold with and without."""
    lines = (line.partition(":")[2].strip() for line in _told().splitlines() if "model name" in line)
    name = next(lines, platform.processor() or platform.machine())
    return f"{name} ({', '.join(units())})" if units() else name


def _told() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.is_file() else ""
