"""Where an OpenVINO encoder's time goes: processor time of a batch at each length, and the share of each kind of work.

Use: lengths.py MODEL [--batch 32] [--lengths 12 16 24 28 32 48 64]   (an OpenVINO model that reads single texts)

On one thread, the least of several runs, so that a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import quiet
from toolkit.artifacts import model as models

RUNS = 10
SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lengths", type=int, nargs="+", default=[12, 16, 24, 28, 32, 48, 64])
    given = parser.parse_args()
    graph = models.load_for_inference(given.model)[0]
    core = quiet.openvino().Core()
    plain = core.compile_model(graph, "CPU", SETTINGS).create_infer_request()
    counted = core.compile_model(graph, "CPU", SETTINGS | {"PERF_COUNT": True}).create_infer_request()
    print(f"| tokens | ms a batch of {given.batch} | us a token | most of the time |\n| ---: | ---: | ---: | --- |")
    for length in given.lengths:
        batch = {"input_ids": np.full((given.batch, length), 100, np.int64)}
        batch["attention_mask"] = np.ones_like(batch["input_ids"])
        ms = least(plain, batch)
        told = ", ".join(f"{name} {share:.0%}" for name, share in shares(counted, batch)[:4])
        print(f"| {length} | {ms:.2f} | {1e3 * ms / given.batch / length:.1f} | {told} |", flush=True)


def least(request: Any, batch: dict[str, Any]) -> float:
    """Milliseconds of processor time."""
    found = []
    for _ in range(RUNS):
        started = time.process_time()
        request.infer(batch)
        found.append(time.process_time() - started)
    return 1e3 * min(found)


def shares(request: Any, batch: dict[str, Any]) -> list[tuple[str, float]]:
    """The part of each type of operation, largest first ("Subgraph" is attention)."""
    best: dict[tuple[str, str], float] = {}
    for _ in range(RUNS):
        request.infer(batch)
        for told in request.profiling_info:
            key = (told.node_type, told.node_name)
            best[key] = min(best.get(key, np.inf), told.real_time.total_seconds())
    of_type: dict[str, float] = defaultdict(float)
    for (kind, _), seconds in best.items():
        of_type[kind] += seconds
    total = sum(of_type.values())
    return sorted(((kind, seconds / total) for kind, seconds in of_type.items()), key=lambda item: -item[1])


if __name__ == "__main__":
    main()
