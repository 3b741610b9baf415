"""One table of several evaluations: parameters, bytes, accuracy with its interval, speed; and their Pareto figure.

Use: compare.py NAME=EVALUATION... [--markdown FILE] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.reports import canvas, side_by_side

COLUMNS = ("model", "parameters", "bytes", "accuracy (95% interval)", "samples/s", "p50 ms")


def row(name: str, metrics: dict[str, Any]) -> list[str]:
    """One evaluation's figures as cells."""
    parameters, size, rate, latency, accuracy = side_by_side.evaluated(metrics)
    return [
        name,
        "–" if parameters is None else f"{parameters:,}",
        f"{size:,}",
        f"{accuracy['value']:.3f} ({accuracy['low']:.3f}–{accuracy['high']:.3f})",
        f"{rate:,.0f}",
        f"{latency:.2f}",
    ]


def markdown(rows: list[list[str]]) -> str:
    """The rows as a Markdown table."""
    lines = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("evaluations", nargs="+", metavar="NAME=EVALUATION")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--figure", type=Path, help="write accuracy over speed to this PNG")
    given = parser.parse_args()
    named = [evaluation.partition("=") for evaluation in given.evaluations]
    found = {name: json.loads((Path(folder) / "metrics.json").read_text("utf-8")) for name, _, folder in named}
    rows = [row(name, figures) for name, figures in found.items()]
    console.enable()
    console.table("The chain", COLUMNS, rows)
    if given.markdown:
        given.markdown.write_text(markdown(rows), encoding="utf-8")
    if given.figure:
        drawn = side_by_side.trade(found, xlabel="samples a second", ylabel="accuracy (95% interval)")
        canvas.save_png(drawn, given.figure)


if __name__ == "__main__":
    main()
