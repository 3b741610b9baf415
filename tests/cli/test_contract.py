"""The contract of the command line: help everywhere and at once, options from the configs, nothing undocumented."""

import ast
import importlib.util
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import shell
from typer.main import get_command
from typer.models import ArgumentInfo

import toolkit
from toolkit import cli, config
from toolkit.commands import COMMANDS, step
from toolkit.step import Step

ROOT = Path(toolkit.__file__).parent.parent
HEAVY = [
    "torch",
    "transformers",
    "datasets",
    "sklearn",
    "pandas",
    "optuna",
    "numpy",
    "pyarrow",
    "openvino",
    "matplotlib",
]
RUNNING = {"out", "config", "set", "force", "dry_run", "json", "quiet", "help"}
APP = get_command(cli.build_app())


def test_every_form_of_help_works_and_imports_nothing_heavy() -> None:
    script = f"""
import contextlib, io, json, sys
from toolkit.cli import main
from toolkit.commands import COMMANDS
told = {{}}
for name in COMMANDS:
    for argv in ([name, "--help"], [name, "-h"], ["help", name]):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = main(argv)
        told[" ".join(argv)] = [code, out.getvalue()]
print(json.dumps({{"told": told, "heavy": [m for m in {HEAVY} if m in sys.modules]}}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)
    assert found["heavy"] == []
    assert len(found["told"]) == 3 * len(COMMANDS)
    for argv, (code, text) in found["told"].items():
        assert code == 0, argv
        assert "--help" in text, argv
    for name in COMMANDS:
        assert found["told"][f"{name} --help"][1] == found["told"][f"help {name}"][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_module_form_tells_the_same(name: str) -> None:
    called = shell(name, "--help")
    assert called.code == 0
    assert called.err == ""
    assert f"toolkit {name}" in called.out
    assert "\x1b[" not in called.out


def test_help_in_a_blink() -> None:
    """In processor's time, which what else the machine does hardly changes."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    times = []
    for _ in range(5):
        before = spent()
        subprocess.run([sys.executable, "-m", "toolkit", "--help"], capture_output=True, timeout=30, check=True)
        times.append(spent() - before)
    assert 0 < min(times) < 0.5


def test_the_list_of_commands_and_the_version() -> None:
    listed = shell("--help")
    assert all(f" {name} " in listed.out for name in COMMANDS)
    assert shell("help").out == listed.out
    assert shell("--version").out == f"{toolkit.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_the_configs_leaves(name: str) -> None:
    command = step(name)
    shown = {p.name for p in APP.commands[name].params}  # type: ignore[attr-defined]
    own = {leaf.name for leaf in config.leaves(command.config) if leaf.cli}
    assert shown - RUNNING == own
    assert (shown & RUNNING) - {"help"} == (RUNNING - {"help"} if isinstance(command, Step) else {"json"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    assert (step(name).run.__doc__ or "").strip()
    for param in APP.commands[name].params:  # type: ignore[attr-defined]
        assert (getattr(param, "help", None) or "").strip(), param.name


@pytest.mark.parametrize("name", COMMANDS)
def test_names_are_unique_in_a_command(name: str) -> None:
    names = [leaf.name for leaf in config.leaves(step(name).config)]
    assert len(names) == len(set(names))
    assert not RUNNING & set(names)


def test_every_leaf_is_read_somewhere() -> None:
    """As an attribute (`config.lr`), or by name (`inputs["data"]`, a role of a column)."""
    read = set()
    for path in (ROOT / "toolkit").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        read |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
        names = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        if path.name == "columns.py":
            read |= {n.value for n in names}
        indices = (n.slice for n in ast.walk(tree) if isinstance(n, ast.Subscript))
        read |= {n.value for n in indices if isinstance(n, ast.Constant)}
    for name in COMMANDS:
        unread = {leaf.name for leaf in config.leaves(step(name).config)} - read
        assert not unread, (name, unread)


def test_no_command_imports_another() -> None:
    modules = {path.rpartition(".")[2] for path in COMMANDS.values()}
    for path in (ROOT / "toolkit" / "commands").glob("*.py"):
        if path.stem not in modules:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = getattr(node, "module", None) or ""
            imported = {name.rpartition(".")[2] for name in names} if module == "toolkit.commands" else set()
            imported |= {n.rpartition(".")[2] for n in [module, *names] if n.startswith("toolkit.commands.")}
            assert not imported & modules, (path.name, imported)


@pytest.mark.parametrize(("page", "script"), [("cli", "make_cli_docs"), ("augmentations", "make_method_docs")])
def test_the_reference_is_what_the_code_says(page: str, script: str) -> None:
    reference = ROOT / "docs" / f"{page}.md"
    spec = importlib.util.spec_from_file_location(script, ROOT / "scripts" / f"{script}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert reference.read_text(encoding="utf-8") == module.render(), "run make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_python_function_has_the_commands_name(name: str) -> None:
    function = getattr(toolkit, name.replace("-", "_"))
    assert function is step(name)
    assert name.replace("-", "_") in dir(toolkit)


@pytest.mark.parametrize("name", COMMANDS)
def test_positional_arguments_are_inputs(name: str) -> None:
    for leaf in config.leaves(step(name).config):
        assert bool(leaf.input) >= isinstance(leaf.cli, ArgumentInfo), leaf.name


@pytest.mark.parametrize(
    "argv", [["nosuch"], ["clean"], ["clean", "a", "--out", "b", "--nosuch"], ["clean", "a", "b", "-o", "c"]]
)
def test_wrong_usage_is_two(argv: list[str]) -> None:
    called = shell(*argv)
    assert called.code == 2
    assert called.out == ""
    assert called.err


def test_the_schemas_are_schemas() -> None:
    from jsonschema import Draft202012Validator

    found = list((ROOT / "docs" / "schemas").glob("*.json"))
    assert found
    for path in found:
        Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))
