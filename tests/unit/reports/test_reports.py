"""The report and its figures: escaping, self-containment, determinism, numbers, and every figure's edge cases."""

from __future__ import annotations

import base64
import math
import re
import warnings
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from toolkit.artifacts import report
from toolkit.reports import canvas, curves, figures, html, numbers, pareto, search, svg

NAN = math.nan
EVIL = '<script>alert("x")</script>&\'"'
NAMES = ["体育", "$cash$ & <b>", "url(#clip)", "#2a66b0", 'id="x"']


def page(**more: Any) -> dict[str, Any]:
    matrix = [[9, 1, 0, 0, 0], [0, 7, 0, 2, 0], [0, 0, 0, 0, 0], [0, 0, 0, 3, 0], [1, 0, 0, 0, 4]]
    drawn = [
        {"name": "confusion", "caption": EVIL, "figure": figures.confusion(matrix, NAMES)},
        {"name": "bars", "caption": "", "figure": figures.bars(NAMES, {"a": [1, 2, 3, 4, 5]}, horizontal=True)},
        {"name": "line", "caption": "损失", "figure": curves.line([1, 2], {EVIL: [1, 2]}, xlabel="x", ylabel="y")},
    ]
    table = {"title": EVIL, "columns": [EVIL, "n"], "rows": [[EVIL, 1], ["类别", None]], "note": EVIL}
    section = {"title": EVIL, "text": f"one {EVIL}\n\ntwo", "figures": drawn, "table": table, "tables": [table]}
    cards = [{"label": EVIL, "value": {"value": 0.912, "low": 0.89, "high": 0.93}, "note": EVIL}]
    text = {"title": EVIL, "kicker": EVIL, "lead": EVIL, "lang": "en"}
    return {**text, "cards": cards, "sections": [section, section], "footer": {EVIL: EVIL, "seed": 0}, **more}


class Reader(HTMLParser):
    """What a browser would see: elements, attributes, the texts inside the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def rendered() -> str:
    return html.render(page())


def test_everything_is_escaped(rendered: str) -> None:
    assert "<script>alert" not in rendered
    assert Reader(rendered).tags.count("script") == 1
    assert "&lt;script&gt;alert" in rendered


def test_nothing_is_loaded(rendered: str) -> None:
    assert not re.search(r"https?://", rendered)
    reader = Reader(rendered)
    assert {"link", "img", "iframe", "image"}.isdisjoint(reader.tags)
    assert not reader.values("src")
    assert all(value.startswith("#") for value in reader.values("href"))
    assert "@import" not in rendered


def test_ids_are_unique_and_every_reference_is_met(rendered: str) -> None:
    reader = Reader(rendered)
    ids = reader.values("id")
    assert len(ids) == len(set(ids)) > 6
    wanted = {value[1:] for value in reader.values("href")}
    wanted |= {found for _, value in reader.attributes for found in re.findall(r"url\(#([^)]+)\)", value)}
    assert wanted <= set(ids)


def test_the_same_page_gives_the_same_bytes(tmp_path: Any, rendered: str) -> None:
    assert html.render(page()) == rendered
    kept = page()
    assert html.render(kept) == html.render(kept)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        report.write(tmp_path / name, page(sections=page()["sections"][:1]))
    for file in ("report.html", "figures/confusion.png", "figures/line.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    report.write(tmp_path / "b", kept := page(sections=page()["sections"][:1]))
    assert html.render(kept).encode() == (tmp_path / "a" / "report.html").read_bytes()
    assert sorted(p.name for p in (tmp_path / "a" / "figures").iterdir()) == ["bars.png", "confusion.png", "line.png"]


def test_names_in_figures_stay_as_they_are(rendered: str) -> None:
    for name in ("体育", "$cash$ &amp; &lt;b&gt;", "url(#clip)", "#2a66b0", 'id="x"'):
        assert f">{name}</text>" in rendered


def test_figures_take_the_colours_and_fonts_of_the_page(rendered: str) -> None:
    styles = [value for key, value in Reader(rendered).attributes if key == "style"]
    assert any("currentColor" in style for style in styles)
    assert any("var(--c1)" in style for style in styles)
    assert not any(re.search(r"#[0-9a-f]{6}|font-family", style) for style in styles)
    assert all(f"--{name}: {dark};" in rendered for name, (_, dark) in canvas.THEME.items())


def test_a_figure_made_elsewhere_is_shown_too() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    axes.imshow([[0, 1], [2, 3]])
    axes.set_title("标题")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = svg.inline(figure, "f", "label")
    assert "data:image/png" in text
    assert "标题" in text
    assert "http" not in text


def test_a_page_may_hold_a_title_alone() -> None:
    text = html.render({"title": "T"})
    assert "<h1>T</h1>" in text
    assert '<html lang="en">' in text
    assert "<footer>" not in text


def test_chinese_pages_have_chinese_words() -> None:
    sections = [{"title": str(i), "table": {"columns": ["a"], "rows": [[True]] * i}} for i in range(4)]
    text = html.render({"title": "报告", "lang": "zh", "sections": sections, "footer": {"a": 1}})
    assert '<html lang="zh-CN">' in text
    for word in html.WORDS["zh"].values():
        assert word in text or word in ("否", html.WORDS["zh"]["more"])
    assert "No rows" not in text


def test_a_long_table_is_cut_and_says_so() -> None:
    rows = [[f"class {i}", i / 7, {"value": 0.5, "low": 0.4, "high": 0.6}] for i in range(10_000)]
    table = {"columns": ["class", "share", "recall"], "rows": rows, "note": "by name"}
    text = html.render({"title": "", "lang": "zh", "sections": [{"table": table}]})
    assert len(text) < 1e6
    assert "class 999<" in text
    assert "class 1000<" not in text
    assert "仅显示 10,000 行中的前 1,000 行。 by name" in text


def cell(value: Any) -> str:
    text = html.render({"title": "", "sections": [{"table": {"columns": ["a"], "rows": [[value]]}}]})
    found = re.search(r"<tbody>\s*<tr>(<td.*?</td>)", text, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234, "1234"),
        (12345, "12\u202f345"),
        (-1234567, "−1\u202f234\u202f567"),
        (0.912345, "0.9123"),
        (0.5, "0.5"),
        (12345.6, "12\u202f346"),
        (99.999, "100"),
        (0.00001234, "1.234e-5"),
        (-0.0, "0"),
        (np.float32(0.25), "0.25"),
        (np.int64(7), "7"),
        (None, "–"),
        (NAN, "–"),
        (-math.inf, "−∞"),
        (True, "yes"),
        (np.bool_(False), "no"),
    ],
)
def test_numbers(value: Any, text: str) -> None:
    assert f">{text}</td>" in cell(value)


def test_intervals() -> None:
    assert re.sub("<[^>]*>", "", cell({"value": 0.912, "low": 0.89, "high": 0.93})) == "0.912 (0.890–0.930)"
    assert re.sub("<[^>]*>", "", cell({"value": 0.0, "low": -0.02, "high": 0.01})) == "0.00 (−0.02 – 0.01)"
    assert re.sub("<[^>]*>", "", cell({"value": 0.9, "low": None, "high": NAN})) == "0.9"
    assert re.sub("<[^>]*>", "", cell({"value": None, "low": None, "high": None})) == "–"
    rows = [[{"value": 0.22, "low": 0.1732, "high": 0.3}], [{"value": 2.8891, "low": 2.5, "high": 3}], [None]]
    text = html.render({"title": "", "sections": [{"table": {"columns": ["a"], "rows": rows}}]})
    shown = re.findall(r'>(\d[\d.]*) <span class="range">\((.*?)\)', text)
    assert shown == [("0.2200", "0.1732–0.3000"), ("2.889", "2.500–3")]


def test_shares() -> None:
    assert 'style="--share:42.0%">42 of 100</span>' in cell({"share": 0.42, "text": "42 of 100"})
    assert "--share:100.0%" in cell({"share": 7.0})
    assert ">12.3%<" in cell({"share": 0.1234})
    assert "&lt;b&gt;" in cell({"share": 0.1, "text": "<b>"})
    assert "share" not in cell({"share": NAN})


def test_a_column_of_numbers_is_aligned_as_one() -> None:
    assert numbers.aligned([0.9, 0.9123, None, 123.45, 3]) == ["0.9000", "0.9123", "–", "123.5", "3"]
    rows = [["a", 1.5, "3%", 1], ["b", None, "−12%", "x"], ["c"]]
    text = html.render({"title": "", "sections": [{"table": {"columns": ["t", "n", "p", "m"], "rows": rows}}]})
    assert re.findall(r'<th scope="col"(.*?)>', text) == ["", ' class="num"', ' class="num"', ""]
    assert 'data-v="-12.0"' in text
    assert "data-sortable" in text


def test_numbers_that_are_texts_already_are_set_as_numbers_too() -> None:
    rows = [
        ["accuracy", "0.8785", "1.2.3"],
        ["bytes", "3,576,881", "2"],
        ["flipped", "", "3"],
        ["change", "-0.5 %", "4"],
    ]
    text = html.render(page(sections=[{"table": {"columns": ["figure", "input", "version"], "rows": rows}}]))
    assert re.findall(r'<th scope="col"(.*?)>', text) == ["", ' class="num"', ""]
    assert ">3,576,881<" in text


def test_rows_longer_than_the_header_are_an_error() -> None:
    with pytest.raises(ValueError, match="more cells"):
        html.render({"title": "", "sections": [{"table": {"columns": ["a"], "rows": [[1, 2]]}}]})


def test_two_figures_of_one_name_are_an_error(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="two figures"):
        report.write(tmp_path, page())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "file"), [("../../x", "x.png"), ("a b/c", "a-b-c.png"), ("各类别", "各类别.png"), ("..", "figure.png")]
)
def test_file_names(name: str, file: str) -> None:
    assert report.file_name(name) == file


COLUMNS = {"lr": [1e-5, 1e-3, 1e-4], "stages": ["<none>", "渐进", "$x$"], "batch_size": [8, 16, None]}
TWENTY_FIVE = [f"class_{i}" for i in range(25)]
DRAWN = {
    "bars": lambda: figures.bars(["train", "测试"], {"en": [3, 0], "zh": [1, NAN]}, xlabel="x", ylabel="y"),
    "bars, nothing": lambda: figures.bars([], {}),
    "bars, no labels": lambda: figures.bars([], {"a": []}),
    "bars, zeros": lambda: figures.bars(["a"], {"a": [0]}),
    "bars, only NaN": lambda: figures.bars(["a"], {"a": [NAN]}),
    "bars, negative": lambda: figures.bars(["a", "b"], {"a": [-1, 2]}, horizontal=True),
    "bars, all negative": lambda: figures.bars(["a", "b"], {"a": [-1, -2]}),
    "bars, many": lambda: figures.bars([f"{i}类" * 40 for i in range(200)], {"a": [1e9] * 200, "b": [math.inf] * 200}),
    "histogram": lambda: figures.histogram({"a": [1.5, 2, 3.7], "训练": [2, NAN, math.inf]}, xlabel="x"),
    "histogram, nothing": lambda: figures.histogram({}, xlabel="x"),
    "histogram, one empty": lambda: figures.histogram({"a": [], "b": [1]}, xlabel="x"),
    "histogram, one value": lambda: figures.histogram({"a": [5] * 9}, xlabel="x"),
    "histogram, tail": lambda: figures.histogram({"a": [*range(500), 10**6]}, xlabel="x"),
    "confusion": lambda: figures.confusion([[12000, 1], [0, 0]], ["是", "否"], words=("真实", "预测", "")),
    "confusion, one class": lambda: figures.confusion([[3]], ["only"]),
    "confusion, no class": lambda: figures.confusion([], []),
    "confusion, zeros": lambda: figures.confusion(np.zeros((3, 3)), list("abc")),
    "confusion, many": lambda: figures.confusion(np.ones((25, 25)), TWENTY_FIVE),
    "line": lambda: curves.line([1, 2, 3], {"a": [1, NAN, 2], "b": [NAN] * 3}, xlabel="x", ylabel="y"),
    "line, nothing": lambda: curves.line([], {}, xlabel="x", ylabel="y"),
    "line, one point": lambda: curves.line([5], {"a": [5]}, xlabel="x", ylabel="y", log_x=True),
    "line, log": lambda: curves.line([0, 1, 1e6], {"a": [1, 2, 3]}, xlabel="x", ylabel="y", log_x=True),
    "line, many series": lambda: curves.line([1, 2], {f"s{i}": [i, i] for i in range(20)}, xlabel="", ylabel=""),
    "history": lambda: curves.history([NAN, 0.5, 0.4], [NAN, 0.5, 0.5]),
    "history, one": lambda: curves.history([1.0], [1.0]),
    "history, nothing": lambda: curves.history([], []),
    "history, all failed": lambda: curves.history([NAN], [NAN]),
    "parallel": lambda: search.parallel(COLUMNS, [True, False, False], [False, False, True]),
    "parallel, one": lambda: search.parallel({"lr": [0.1]}, [True], [False]),
    "parallel, nothing": lambda: search.parallel({}, [], []),
    "parallel, gaps": lambda: search.parallel({"a": [None, None], "b": [NAN, 3]}, [True, False], [False, True]),
    "parallel, many": lambda: search.parallel({"a": [*range(2000)]}, [False] * 2000, [False] * 2000),
    "pareto": lambda: pareto.pareto({"小": (10, (0.9, 0.8, 1)), "b": (5, (0.8, 0.8, NAN))}, xlabel="x", ylabel="y"),
    "pareto, one": lambda: pareto.pareto({"a": (1, (1, 1, 1))}, xlabel="x"),
    "pareto, nothing": lambda: pareto.pareto({}, xlabel="x"),
    "reliability": lambda: curves.reliability([0.1, 0.9], [0.2, NAN], [5, 0]),
    "reliability, nothing": lambda: curves.reliability([], [], []),
    "reliability, no counts": lambda: curves.reliability([0.5], [0.5], [0]),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_drawn_without_a_warning(name: str, tmp_path: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = DRAWN[name]()
        text = svg.inline(figure, "f", name)
    wide, high = figure.get_size_inches()
    assert 2 <= wide <= 12
    assert 0.5 <= high <= 30
    assert ("无数据" in text) == any(word in name for word in ("nothing", "only NaN", "no ", "failed"))


def test_a_picture_is_saved_without_a_warning_where_no_font_has_the_signs(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(canvas, "_cjk_fonts", lambda: ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas.save_png(figures.bars(["体育"], {"中文": [1]}), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_column_of_parallel_coordinates_by_its_values() -> None:
    drawn = search.parallel(COLUMNS | {"loss": [0.2, 0.9, 0.4]}, [False, True, False], [False, False, True])
    lines = [line for line in drawn.axes[0].lines if len(line.get_xdata()) == 4]
    assert [line.get_ydata()[0] for line in lines] == pytest.approx([0, 0.5, 1])  # logarithmic, the best on top
    assert [line.get_color() for line in lines] == [canvas.color(0), canvas.MUTED, canvas.color(1)]
    assert [line.get_ydata()[3] for line in lines] == pytest.approx([0, 0.2 / 0.7, 1])
    text = svg.inline(drawn, "f", "")
    for name in ("lr", "stages", "渐进", "&lt;none&gt;", "0.9", "stopped early"):
        assert f">{name}</text>" in text


def test_numbers_beside_a_column_keep_clear_of_each_other() -> None:
    drawn = search.parallel({"lr": [0.0010, 0.0011, 0.5, 1.0]}, [True] * 4, [False] * 4)
    assert [text.get_text() for text in drawn.axes[0].texts[:3]] == ["0.001", "0.5", "1"]


def test_the_most_confused_classes_are_shown() -> None:
    matrix = np.diag([100] * 25)
    matrix[24, 23] = 50
    text = svg.inline(figures.confusion(matrix, TWENTY_FIVE), "f", "")
    assert ">class_24<" in text
    assert ">class_20<" not in text
    assert "20 / 25" in text


def test_every_series_needs_all_its_values() -> None:
    with pytest.raises(ValueError, match="one value a label"):
        figures.bars(["a", "b"], {"a": [1]})


def test_the_caller_keeps_its_matplotlib_settings() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    html.render(page())
    assert dict(matplotlib.rcParams) == before


def test_a_picture_stands_in_the_page_and_beside_it(tmp_path: Any) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"x" * 20
    section = {"title": "Copies", "figures": [{"name": "near copies", "caption": 'a "pair"', "picture": png}]}
    report.write(tmp_path, {"title": "t", "sections": [section]})
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert base64.b64encode(png).decode() in html
    assert 'alt="a &#34;pair&#34;"' in html
    assert (tmp_path / "figures" / "near-copies.png").read_bytes() == png
