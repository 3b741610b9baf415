"""The report of an artifact: `report.html`, and each of its figures as a picture of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "report.html"
FIGURES = "figures"


def write(folder: Path, page: Mapping[str, Any]) -> None:
    """Write `report.html` and `figures/<name>.png`; what a page holds is told in `toolkit.reports.html`.

    Raises:
        ValueError: two figures of the page have the same name.
    """
    from toolkit.reports import canvas, html

    pictures: dict[str, Any] = {}
    for section in page.get("sections") or []:
        for drawn in section.get("figures") or []:
            name = file_name(drawn["name"])
            if name in pictures:
                raise ValueError(f"two figures are named {name}")
            pictures[name] = drawn.get("picture") or drawn["figure"]
    (folder / NAME).write_text(html.render(page), encoding="utf-8", newline="\n")
    for name, figure in pictures.items():
        (folder / FIGURES).mkdir(exist_ok=True)
        if isinstance(figure, bytes):
            (folder / FIGURES / name).write_bytes(figure)
        else:
            canvas.save_png(figure, folder / FIGURES / name)


def file_name(name: str) -> str:
    """The picture's file name: the figure's name without what no file system should see."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip(".-")
    return f"{plain or 'figure'}.png"
