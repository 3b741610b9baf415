"""One table of several evaluations: parameters, bytes, accuracy with its interval, speed; and their Pareto figure.

Use: compare.py NAME=EVALUATION... [--markdown FILE] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.reports import canvas
from toolkit.reports.pareto import pareto

COLUMNS = ("model", "parameters", "bytes", "accuracy (95% interval)", "samples/s", "p50 ms")


def row(name: str, figures: dict[str, Any]) -> list[str]:
    """One evaluation's figures as cells."""
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


def figure(found: dict[str, dict[str, Any]]) -> Any:
    """Accuracy with its interval over samples a second."""
    accuracy = {name: figures["quality"]["accuracy"] for name, figures in found.items()}
    dots = {
        name: (
            figures["efficiency"]["samples_per_second"],
            tuple(accuracy[name][end] for end in ("value", "low", "high")),
        )
        for name, figures in found.items()
    }
    return pareto(dots, xlabel="samples a second", ylabel="accuracy (95% interval)")


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
        canvas.save_png(figure(found), given.figure)


if __name__ == "__main__":
    main()
