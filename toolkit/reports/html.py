"""The report as one HTML file that needs nothing else: no network, no font, no script of somebody.

A page is a plain dict:

    {"title": str, "kicker": "toolkit evaluate", "lead": "a sentence or two of verdict", "lang": "en" or "zh",
     "cards": [{"label", "value", "note"}],
     "sections": [{"title", "text", "figures": [{"name", "caption", "figure"}], "table": TABLE, "tables": [TABLE]}],
                 (a figure is a drawn `figure`, or a `picture`: the bytes of a PNG)
     "footer": {key: value}}

    TABLE = {"title": str, "columns": [str], "rows": [[cell]], "note": str}

All but the title may be missing. A cell (a card's value, a footer's value too) is a str, a number, a bool, None, an
interval {"value", "low", "high"}, a share {"share": 0.42, "text": "…"} that is drawn as a quiet bar, a changed text
{"edits": [("same" or "gone" or "new", text)]}, or a text whose pieces weigh something {"weights": [(text, weight)]}:
they are shaded in proportion to the heaviest, in one colour where the weight is positive, in another where it is
negative.
"""

from __future__ import annotations

import base64
import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.reports import canvas, numbers, svg

if TYPE_CHECKING:
    from jinja2 import Template

WORDS = {
    "en": {
        "contents": "Contents",
        "footer": "How this was made",
        "no_rows": "No rows.",
        "sort": "Sort by this column",
        "yes": "yes",
        "no": "no",
        "more": "The first {shown:,} of {all:,} rows.",
        "html_lang": "en",
    },
    "zh": {
        "contents": "目录",
        "footer": "生成信息",
        "no_rows": "没有数据。",
        "sort": "按此列排序",
        "yes": "是",
        "no": "否",
        "more": "仅显示 {all:,} 行中的前 {shown:,} 行。",
        "html_lang": "zh-CN",
    },
}
MOST_ROWS = 1000  # of a table: a page of 10,000 classes has to open on a phone
SHORT = 28  # columns of a terminal: a text up to this is kept on one line
LONG = 48  # and one beyond this gets a column wide enough to read it
MEASURED = re.compile(r"[-+−±]?\d+([,\u202f ]\d{3})*(\.\d+)?\s?[%×]?")  # a text that is a number all the same


def render(page: Mapping[str, Any]) -> str:
    """The page as HTML; the same page gives the same text."""
    words = WORDS[page.get("lang") or "en"]
    sections = page.get("sections") or []
    return _template().render(
        title=page["title"],
        kicker=page.get("kicker"),
        words=words,
        theme=canvas.THEME,
        paragraphs=_paragraphs(page.get("lead")),
        cards=[{"note": "", **card, "value": _cell(card.get("value"), words)} for card in page.get("cards") or []],
        sections=[_section(section, i, words) for i, section in enumerate(sections, start=1)],
        footer={key: _cell(value, words) for key, value in (page.get("footer") or {}).items()},
    )


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("toolkit.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _section(section: Mapping[str, Any], i: int, words: Mapping[str, str]) -> dict[str, Any]:
    from markupsafe import Markup

    figures = []
    for j, drawn in enumerate(section.get("figures") or [], start=1):
        caption = drawn.get("caption") or ""
        if "picture" in drawn:
            figures.append(
                {"svg": _picture(drawn["picture"], caption or drawn["name"]), "caption": caption, "wide": True}
            )
            continue
        picture = svg.inline(drawn["figure"], f"f{i}-{j}", caption or drawn["name"])
        wide = drawn["figure"].get_figwidth() > canvas.WIDTH + 0.5
        figures.append({"svg": Markup(picture), "caption": caption, "wide": wide})
    tables = [section["table"]] if section.get("table") else []
    return {
        "id": f"s{i}",
        "title": section.get("title") or "",
        "paragraphs": _paragraphs(section.get("text")),
        "figures": figures,
        "tables": [_table(table, words) for table in [*tables, *(section.get("tables") or [])]],
    }


def _picture(png: bytes, told: str) -> Any:
    from markupsafe import Markup

    data = base64.b64encode(png).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(told, data)


def _paragraphs(text: str | None) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text or "") if part.strip()]


def _table(table: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """The table's cells as the template shows them; a column of numbers is aligned as one; a long table is cut."""
    titles, rows = [str(c) for c in table["columns"]], table["rows"][:MOST_ROWS]
    cut = [words["more"].format(shown=len(rows), all=len(table["rows"]))] * (len(rows) < len(table["rows"]))
    if any(len(row) > len(titles) for row in rows):
        raise ValueError(f"a row of the table {titles} has more cells than the table has columns")
    columns = [_column([row[i] if i < len(row) else None for row in rows], words) for i in range(len(titles))]
    heads = [
        {"title": title, "numeric": bool(column) and all(cell["numeric"] or cell["missing"] for cell in column)}
        for title, column in zip(titles, columns, strict=True)
    ]
    for head, column in zip(heads, columns, strict=True):
        head["numeric"] = head["numeric"] and not all(cell["missing"] for cell in column)
        for cell in column:
            cell["kind"] = " ".join(filter(None, ("num" if head["numeric"] else "", cell["kind"])))
    return {
        "heads": heads,
        "rows": list(zip(*columns, strict=True)) if columns else [],
        "title": table.get("title") or "",
        "note": " ".join(filter(None, [*cut, table.get("note")])),
        "sortable": len(rows) > 1,
    }


def _column(values: Sequence[Any], words: Mapping[str, str]) -> list[dict[str, Any]]:
    cells = [_cell(value, words) for value in values]
    plain = [i for i, value in enumerate(values) if numbers.is_number(value)]
    for i, text in zip(plain, numbers.aligned([values[i] for i in plain]), strict=True):
        cells[i]["text"] = text
    bounded = [(cell, value) for cell, value in zip(cells, values, strict=True) if cell["range"]]
    common = numbers.decimals(value.get(end) for _, value in bounded for end in ("value", "low", "high"))
    for cell, value in bounded:
        cell["text"] = numbers.number(value["value"], common)
        cell["range"] = numbers.interval(value.get("low"), value.get("high"), common)
    return cells


def _cell(value: Any, words: Mapping[str, str]) -> dict[str, Any]:
    """A value as the template shows it: its text, what it is sorted by, and how it is set."""
    cell: dict[str, Any] = {"text": numbers.NOTHING, "sort": None, "range": "", "share": None, "kind": ""}
    cell |= {"numeric": False, "missing": False}
    if numbers.missing(value) or value == "":
        return cell | {"missing": True}
    if numbers.is_number(value):
        return cell | {"text": numbers.number(value), "sort": float(value), "numeric": True}
    if isinstance(value, Mapping) and "edits" in value:
        return cell | {"text": _edits(value["edits"]), "kind": "long"}
    if isinstance(value, Mapping) and "weights" in value:
        return cell | {"text": _weights(value["weights"]), "kind": "long"}
    if isinstance(value, Mapping) and "share" in value:
        return cell | _share(value)
    if isinstance(value, Mapping) and "value" in value:
        cell |= _cell(value["value"], words)
        bounded = not (numbers.missing(value.get("low")) and numbers.missing(value.get("high")))
        return cell | {"range": numbers.interval(value.get("low"), value.get("high")) if bounded else ""}
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return cell | {"text": words["yes"] if value else words["no"]}
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return cell | _text(str(value))


def _edits(pieces: Sequence[tuple[str, str]]) -> Any:
    """What a text became: pieces that are the same, gone or new."""
    from markupsafe import Markup, escape

    tags = {"same": "{}", "gone": "<del>{}</del>", "new": "<ins>{}</ins>"}
    return Markup("").join(Markup(tags[what]).format(escape(text)) for what, text in pieces)


def _weights(pieces: Sequence[tuple[str, float]]) -> Any:
    """A text whose pieces are shaded by their weights; what weighs less than a twentieth of the heaviest is plain."""
    from markupsafe import Markup, escape

    most = max((abs(weight) for _, weight in pieces), default=0.0) or 1.0
    mark = Markup('<mark class="{}" style="--weight:{:.0f}%" title="{:+.3f}">{}</mark>')
    return Markup("").join(
        mark.format("for" if weight > 0 else "against", 60 * abs(weight) / most, weight, text)
        if abs(weight) > most / 20
        else escape(text)
        for text, weight in pieces
    )


def _share(value: Mapping[str, Any]) -> dict[str, Any]:
    share = None if numbers.missing(value["share"]) else float(value["share"])
    given = value.get("text")
    text = numbers.percent(share) if given is None else given if isinstance(given, str) else numbers.number(given)
    bar = None if share is None else f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    numeric = bool(re.match(r"[-+−]?\d|–$", text))
    return {"text": text, "sort": share, "share": bar, "numeric": numeric, "missing": share is None and given is None}


def _text(text: str) -> dict[str, Any]:
    if MEASURED.fullmatch(text):
        amount = float(re.sub(r"[^\d.]", "", text.replace(",", "")) or 0)
        return {"text": text, "sort": -amount if text[0] in "-−" else amount, "numeric": True}
    columns = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
    short = columns <= SHORT and "\n" not in text
    return {"text": text, "kind": "short" if short else "long" if columns > LONG else ""}
