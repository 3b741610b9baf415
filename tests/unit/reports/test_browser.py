"""The report in a real browser: headless Chromium opens it, clicks, and tells what it shows then."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from toolkit.reports.html import render

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=2000",
)  # fmt: skip
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
EVIL = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
WIDE = "a-long-name-without-a-place-to-break-it-" * 8


def page(**more: Any) -> dict[str, Any]:
    interval = {"value": 0.9, "low": 0.8, "high": 0.95}
    rows = [["b", 10, interval], ["a", 9, interval | {"value": 0.5}], [EVIL, None, None], ["c", 100, interval]]
    table = {"title": f"Classes {EVIL}", "columns": ["class", "rows", f"recall {EVIL}"], "rows": rows, "note": EVIL}
    words = {"columns": ["text"], "rows": [[WIDE], ["多字节文字" * 60]]}
    sections = [{"title": EVIL, "text": EVIL, "tables": [table, words]}, {"title": WIDE, "text": WIDE}]
    return {"title": f"Report {EVIL}", "lead": EVIL, "sections": sections, "footer": {EVIL: WIDE}} | more


def shown(tmp_path: Path, document: str, script: str) -> Any:
    """What the browser finds: the value of an expression, once the page is there."""
    told = (
        f"<script>addEventListener('load', () => {{ document.body.dataset.told = JSON.stringify({script}) }})</script>"
    )
    place = tmp_path / "page.html"
    place.write_text(document.replace("</body>", f"{told}</body>"), encoding="utf-8")
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", place.as_uri()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r'data-told="([^"]*)"', done.stdout)
    assert found, done.stderr[-500:]
    return json.loads(html.unescape(found[1]))


def test_a_click_on_a_column_sorts_by_it_and_another_turns_it(tmp_path: Path) -> None:
    script = """(() => {
        const table = document.querySelector('table'), heads = table.tHead.rows[0].cells, out = [];
        const cells = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent.slice(0, 3).trim());
        for (const i of [1, 1, 0, 2]) {
            heads[i].querySelector('button').click();
            out.push([heads[i].ariaSort, cells()]);
        }
        return out;
    })()"""
    assert shown(tmp_path, render(page()), script) == [
        ["descending", ["c", "b", "a", "<sc"]],
        ["ascending", ["a", "b", "c", "<sc"]],
        ["ascending", ["<sc", "a", "b", "c"]],
        ["descending", ["b", "c", "a", "<sc"]],
    ]


def test_what_data_holds_is_shown_and_never_run(tmp_path: Path) -> None:
    title, images, text = shown(
        tmp_path, render(page()),
        "[document.title, document.images.length, document.querySelector('h1').textContent]",
    )  # fmt: skip
    assert images == 0
    assert title == text == f"Report {EVIL}"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_phone_need_not_scroll_sideways(tmp_path: Path, lang: str) -> None:
    framed = html.escape(render(page(lang=lang)), quote=True)
    outer = f'<!DOCTYPE html><html><body><iframe width="390" height="800" srcdoc="{framed}"></iframe></body></html>'
    root = "document.querySelector('iframe').contentDocument.documentElement"
    width, content = shown(tmp_path, outer, f"[{root}.clientWidth, {root}.scrollWidth]")
    assert content <= width
    assert 300 < width <= 390


def test_the_dark_page_is_dark(tmp_path: Path) -> None:
    script = "getComputedStyle(document.body).backgroundColor"
    assert shown(tmp_path, render(page()), script) == "rgb(255, 255, 255)"
    dark = render(page()).replace("screen and (prefers-color-scheme: dark)", "screen")
    assert shown(tmp_path, dark, script) == "rgb(24, 24, 27)"
