"""A figure as SVG that belongs to its page: the page's fonts and colours, ids of its own, nothing to load."""

from __future__ import annotations

import re
from typing import Any

from toolkit.reports import canvas

COLORS = {light: "currentColor" if name == "ink" else f"var(--{name})" for name, (light, _) in canvas.THEME.items()}
COLORS["#000000"] = "currentColor"  # of a figure that somebody made without our settings
REFERENCE = re.compile(r"url\(#([^)]+)\)")
NUMBER = re.compile(r"-?\d+\.\d{3,}")
ZOOM = 1.45  # how much larger than its points a figure may be shown: 10 pt texts at 14.5 px


def inline(figure: Any, prefix: str, label: str) -> str:
    """The figure's `<svg>` for an HTML page; `prefix` makes its ids unique there, `label` is read to the blind."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(canvas.svg(figure).encode())
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in list(root.iter()):
        element.tag = _local(element.tag)
        element.tail = None
        if element.tag in ("style", "metadata"):  # `* {…}` would reach the whole page; ours says the same
            parents[element].remove(element)
        elif element.tag != "text" and element.tag != "tspan":
            element.text = None
    ids = {name: f"{prefix}-{i}" for i, name in enumerate(_referenced(root), start=1)}
    for element in root.iter():
        attributes = {_local(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        for name, value in attributes.items():
            if tidied := _attribute(name, value, ids):
                element.set(name, tidied)
    wide, high = (float(side) for side in root.attrib["viewBox"].split()[2:])
    root.attrib.clear()
    root.attrib |= {"viewBox": f"0 0 {wide:g} {high:g}", "role": "img", "aria-label": label}
    root.set("style", f"--width:{wide * ZOOM:.0f}px")
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _referenced(root: Any) -> list[str]:
    """The ids that something points at, in the order of first use; all others go."""
    found: dict[str, None] = {}
    for element in root.iter():
        for name, value in element.attrib.items():
            if _local(name) == "href" and value.startswith("#"):
                found[value[1:]] = None
            found |= dict.fromkeys(REFERENCE.findall(value))
    return list(found)


def _attribute(name: str, value: str, ids: dict[str, str]) -> str:
    """The attribute's value in the page, empty where it goes."""
    if name == "id":
        return ids.get(value, "")
    if name == "href" and value.startswith("#"):
        return f"#{ids[value[1:]]}"
    if name == "href":
        return value if value.startswith("data:") else ""
    value = REFERENCE.sub(lambda found: f"url(#{ids[found[1]]})", value)
    if name == "d":
        value = " ".join(value.split())
    if name == "style":
        value = ";".join(filter(None, (_declaration(part) for part in value.split(";"))))
    if name == "transform":
        value = re.sub(r"rotate\(-?0 [^)]*\)", "", value).strip()
    return NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _declaration(css: str) -> str:
    key, _, value = (part.strip() for part in css.partition(":"))
    if key == "font-family":
        return ""
    if key == "font":  # matplotlib's shorthand ends in the families
        size = re.search(r"[\d.]+px", value)
        return f"font-size:{size[0]}" if size else ""
    return f"{key}:{COLORS.get(value.lower(), value)}" if key else ""
