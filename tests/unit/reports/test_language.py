"""Every text that a report says is there in Chinese, with the same things filled in."""

import ast
import string
from pathlib import Path

import toolkit
from toolkit.reports.chinese import CHINESE
from toolkit.reports.language import speaker


def _said() -> dict[str, str]:
    """Each text given to `say` -> where."""
    out: dict[str, str] = {}
    for path in sorted(Path(toolkit.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                text = node.args[0]
                assert isinstance(text, ast.Constant | ast.IfExp | ast.Name), f"{path}:{node.lineno}"
                for part in [text.body, text.orelse] if isinstance(text, ast.IfExp) else [text]:
                    if isinstance(part, ast.Constant):
                        out[part.value] = f"{path.name}:{node.lineno}"
    return out


def _filled(text: str) -> list[tuple[str | None, str | None]]:
    return sorted((name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None)


def test_all_texts_are_translated():
    said = _said()
    assert len(said) > 20
    assert {text: where for text, where in said.items() if text not in CHINESE} == {}


def test_translations_fill_in_the_same():
    assert [text for text, chinese in CHINESE.items() if _filled(text) != _filled(chinese)] == []


def test_a_text_is_said_in_the_language():
    assert speaker("zh")("batch {size}", size=8) == "批大小 8"
    assert speaker("en")("batch {size}", size=8) == "batch 8"
    assert speaker("zh")("never translated {n}", n=1) == "never translated 1"
