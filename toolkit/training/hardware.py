"""Memory and GPU figures while a training runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

MB = 1 << 20
BETWEEN = 1.0  # seconds between two looks at a GPU, each of which takes some tens of milliseconds


def memory(device: str) -> dict[str, float]:
    """`memory/process_mb`; of a GPU what tensors take now and took at most: `memory/gpu_mb`, `memory/gpu_peak_mb`."""
    import psutil
    import torch

    out = {"memory/process_mb": psutil.Process().memory_info().rss / MB}
    if device == "cuda":
        out["memory/gpu_mb"] = torch.cuda.memory_allocated() / MB
        out["memory/gpu_peak_mb"] = torch.cuda.max_memory_allocated() / MB
    return out


class Meter:
    """A GPU's use, memory and PCIe traffic, looked at by a thread of its own (the driver takes 20 ms a direction).

    Without a GPU, its driver or nvidia-ml-py it has no figures.
    """

    def __init__(self, device: str) -> None:
        self.seen: list[dict[str, float]] = []
        self.lock, self.over = threading.Lock(), threading.Event()
        look = _looker() if device == "cuda" else None
        self.thread = threading.Thread(target=self._run, args=(look,), daemon=True) if look else None
        if self.thread:
            self.thread.start()

    def _run(self, look: Callable[[], dict[str, float]]) -> None:
        while not self.over.wait(BETWEEN):
            try:
                seen = look()
            except Exception:  # a driver that answers no more costs figures, not the training
                return
            with self.lock:
                self.seen.append(seen)

    def take(self) -> dict[str, float]:
        """Means since the last call; nothing where there was no look since."""
        with self.lock:
            seen, self.seen = self.seen, []
        return {name: sum(one[name] for one in seen) / len(seen) for name in seen[0]} if seen else {}

    def close(self) -> None:
        self.over.set()
        if self.thread:
            self.thread.join()


def _looker() -> Callable[[], dict[str, float]] | None:
    """What looks at the GPU that torch computes on."""
    import torch

    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle: Any = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties().uuid}")

        def look() -> dict[str, float]:
            use = pynvml.nvmlDeviceGetUtilizationRates(handle)
            sent = pynvml.nvmlDeviceGetPcieThroughput(handle, pynvml.NVML_PCIE_UTIL_TX_BYTES)  # KB/s
            got = pynvml.nvmlDeviceGetPcieThroughput(handle, pynvml.NVML_PCIE_UTIL_RX_BYTES)
            return {
                "gpu/use": use.gpu / 100,
                "gpu/memory_mb": pynvml.nvmlDeviceGetMemoryInfo(handle).used / MB,
                "gpu/pcie_sent_mb_per_second": sent / 1024,
                "gpu/pcie_received_mb_per_second": got / 1024,
            }

        look()
    except Exception:  # no driver, no rights, a slice of a GPU (MIG): there are no figures then
        return None
    return look
