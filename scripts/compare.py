"""One table of several evaluations: parameters, bytes, accuracy with its interval, speed.

Use: compare.py NAME=EVALUATION... [--markdown FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from toolkit import console

COLUMNS = ("model", "parameters", "bytes", "accuracy (95% interval)", "samples/s", "p50 ms")


def row(name: str, folder: Path) -> list[str]:
    """One evaluation's figures as cells."""
    figures: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    accuracy, efficiency = figures["quality"]["accuracy"], figures["efficiency"]
    return [
        name,
        "–" if efficiency["parameters"] is None else f"{efficiency['parameters']:,}",
        f"{efficiency['size_bytes']:,}",
        f"{accuracy['value']:.3f} ({accuracy['low']:.3f}–{accuracy['high']:.3f})",
        f"{efficiency['samples_per_second']:,.0f}",
        f"{efficiency['latency_ms']['p50']:.2f}",
    ]


def markdown(rows: list[list[str]]) -> str:
    """The rows as a Markdown table."""
    lines = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("evaluations", nargs="+", metavar="NAME=EVALUATION")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    named = [evaluation.partition("=") for evaluation in given.evaluations]
    rows = [row(name, Path(folder)) for name, _, folder in named]
    console.enable()
    console.table("The chain", COLUMNS, rows)
    if given.markdown:
        given.markdown.write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
