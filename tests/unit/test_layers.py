"""Arrows go down only, told from the source: which module imports which."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolkit

PACKAGE = Path(toolkit.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
ENGINES = {"data", "training", "compression", "inference", "evaluation", "reports", "reading"}
BOTTOM = {"console", "digest", "errors", "config", "gates", "quiet", "ranks", "cpu", "_version"}

# layer -> the layers that it may import besides itself and the bottom
ALLOWED = {
    "__init__": {"commands"},
    "__main__": {"cli"},
    "cli": {"commands", "step", "__init__"},
    "commands": {"step", "inputs", "artifacts"} | ENGINES,
    "step": {"stamp", "inputs", "artifacts"} | ENGINES,
    "stamp": {"step", "inputs", "artifacts"},  # the step's type alone
    "inputs": {"artifacts"} | ENGINES,
    "artifacts": {"__init__", "reports"},  # report.html is rendered by the engine and written here
    "training": {"reading", "data", "evaluation"},
    "inference": {"reading", "data", "evaluation"},
    "compression": {"reading", "training", "inference", "evaluation", "data"},
    "reading": {"data"},
    "evaluation": {"data"},
    "data": set(),
    "reports": set(),
    "gates": set(),
    "console": set(),
    "config": set(),
    "errors": set(),
    "quiet": set(),
    "ranks": set(),
    "digest": set(),
    "cpu": set(),
    "_version": set(),
}
BOTTOM_OF_ITS_OWN = {
    "config": {"errors"},
    "gates": {"errors"},
    "console": set(),
    "errors": set(),
    "quiet": set(),
    "ranks": {"errors"},
    "digest": set(),
    "cpu": set(),
    "_version": set(),
}
LIGHT = {
    "cli",
    "commands",
    "config",
    "step",
    "stamp",
    "errors",
    "inputs",
    "console",
    "gates",
    "quiet",
    "ranks",
    "digest",
    "cpu",
    "artifacts",
    "__init__",
    "__main__",
    "_version",
}
LIGHT_MODULES = {"toolkit.data.options", "toolkit.training.config"}  # option bundles


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def at_module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run on import, those under `if TYPE_CHECKING` left out."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield from (
            (n for n in ast.walk(node) if isinstance(n, ast.stmt))
            if not isinstance(node, ast.FunctionDef | ast.ClassDef)
            else ()
        )


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Dotted names of what is imported: `from toolkit import console` is toolkit.console."""
    out = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            out |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            out |= {f"{node.module}.{a.name}" for a in node.names}
    return out


def own_layers(names: set[str]) -> set[str]:
    """The layers of this package among imported names."""
    parts = [name.split(".") for name in names if name.split(".")[0] == "toolkit"]
    known = set(ALLOWED)
    return {p[1] if len(p) > 1 and p[1] in known else "__init__" for p in parts}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_go_down(path: Path) -> None:
    own = layer(path)
    assert own in ALLOWED, f"a new layer: {own}"
    found = own_layers(imported(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))) - {own}
    bottom = BOTTOM_OF_ITS_OWN.get(own, BOTTOM)
    assert found <= ALLOWED[own] | bottom, f"{own} may not import {sorted(found - ALLOWED[own] - bottom)}"


@pytest.mark.parametrize("path", [p for p in SOURCES if layer(p) in LIGHT], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_level_is_light(path: Path) -> None:
    for name in imported(at_module_level(ast.parse(path.read_text(encoding="utf-8")))):
        top, _, _ = name.partition(".")
        if top == "toolkit":
            module = ".".join(name.split(".")[:3])
            assert own_layers({name}) <= LIGHT or module in LIGHT_MODULES, name
        else:
            assert top in sys.stdlib_module_names or top == "typer", name


@pytest.mark.parametrize("name", sorted(LIGHT_MODULES))
def test_option_bundles_are_light(name: str) -> None:
    path = PACKAGE.parent / f"{name.replace('.', '/')}.py"
    for found in imported(at_module_level(ast.parse(path.read_text(encoding="utf-8")))):
        assert found.split(".")[0] in {*sys.stdlib_module_names, "typer"} or own_layers({found}) <= BOTTOM, found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unsafe(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tops = {name.split(".")[0] for name in imported(ast.walk(tree))}
    assert not tops & {"click", "pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = {k.arg: k.value for k in node.keywords}
            assert "trust_remote_code" not in keywords
            if ast.unparse(node.func) == "torch.load":
                assert ast.unparse(keywords["weights_only"]) == "True"
            if ast.unparse(node.func) in ("eval", "exec", "os.system", "yaml.load"):
                raise AssertionError(ast.unparse(node))
