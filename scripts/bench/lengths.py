"""Where an OpenVINO encoder's time goes: processor time of a batch at each length, and the share of each kind of work.

Use: lengths.py MODEL [--batch 32] [--lengths 12 16 20 24 28 32 40 48 56 64 96 128]   (which reads single texts)

With attention as one kernel, as OpenVINO has it, and in parts. On one thread, the least of several runs in turns, so
that a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import quiet
from toolkit.artifacts import loading
from toolkit.inference.backends import IN_PARTS

RUNS = 12
SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lengths", type=int, nargs="+", default=[12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128])
    given = parser.parse_args()
    graph = loading.load_for_inference(given.model)[0]
    core = quiet.openvino().Core()
    ways = {"one kernel": SETTINGS, "in parts": SETTINGS | IN_PARTS}
    plain = {name: core.compile_model(graph, "CPU", way).create_infer_request() for name, way in ways.items()}
    counted = {
        name: core.compile_model(graph, "CPU", way | {"PERF_COUNT": True}).create_infer_request()
        for name, way in ways.items()
    }
    print(
        f"| tokens | ms a batch of {given.batch}, attention one kernel | … in parts | most of the time of the quicker |"
    )
    print("| ---: | ---: | ---: | --- |")
    for length in given.lengths:
        batch = {"input_ids": np.full((given.batch, length), 100, np.int64)}
        batch["attention_mask"] = np.ones_like(batch["input_ids"])
        ms = least(plain, batch)
        told = ", ".join(
            f"{name} {share:.0%}" for name, share in shares(counted[min(ms, key=lambda name: ms[name])], batch)[:4]
        )
        print(f"| {length} | {' | '.join(f'{taken:.2f}' for taken in ms.values())} | {told} |", flush=True)


def least(requests: dict[str, Any], batch: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of processor time."""
    found = dict.fromkeys(requests, np.inf)
    for _ in range(RUNS):
        for name, request in requests.items():
            started = time.process_time()
            request.infer(batch)
            found[name] = min(found[name], 1e3 * (time.process_time() - started))
    return found


def shares(request: Any, batch: dict[str, Any]) -> list[tuple[str, float]]:
    """The part of each type of operation, largest first ("Subgraph" is attention as one kernel)."""
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
