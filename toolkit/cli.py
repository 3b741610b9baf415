"""The command line: the table of commands becomes a Typer app; `main` is the only error boundary."""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit import __version__, console, ranks
from toolkit import config as configs
from toolkit.commands import COMMANDS, step
from toolkit.errors import ToolkitError, of_system
from toolkit.step import Result, Step, View, execute

FAILED_GATE = 3
INTERRUPTED = 130
PANEL = "Running"  # the help panel of the options that every command has


def build_app() -> typer.Typer:
    """The Typer app with every command of the table."""
    app = typer.Typer(
        name="toolkit",
        help="Composable steps from dirty labelled data and a model to a small, fast, measured model.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def _root(
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None: ...

    for name in COMMANDS:
        command = step(name)
        app.command(name, help=inspect.getdoc(command.run))(_callback(command))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit()


def _callback(command: Step | View) -> Callable[..., None]:
    """A function with the signature that Typer needs: the config's leaves, then the options of every command."""

    def callback(**values: Any) -> None:
        context = values.pop("context")
        quiet, as_json = values.pop("quiet", False), values.pop("json")
        if not quiet:
            console.enable()
        if isinstance(command, View):
            found = command.run(configs.build(command.config, values))
            print(json.dumps(found, ensure_ascii=False, indent=2) if as_json else command.show(found))
            return
        out, force, dry_run = values.pop("out"), values.pop("force"), values.pop("dry_run")
        del values["config"]
        assigned = values.pop("set") or []
        given = {name: value for name, value in values.items() if _is_given(context, name)}
        merged = (context.obj or {}) | given | configs.assignments(command.config, assigned)
        with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints: stdout carries the result alone
            result = execute(command, merged, Path(out), force=force, dry_run=dry_run)
        _tell(result, as_json)
        if not result.passed:
            raise typer.Exit(FAILED_GATE)

    parameters = [_parameter("context", typer.Context)]
    parameters += [
        _parameter(
            leaf.name, Annotated[leaf.type, _shown(leaf)], inspect.Parameter.empty if leaf.required else leaf.default
        )
        for leaf in configs.leaves(command.config)
        if leaf.cli
    ]
    parameters += _view_options() if isinstance(command, View) else _step_options(command.config)
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {p.name: p.annotation for p in parameters}
    return callback


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line says it; what only the config file says is checked and named as the file's."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _shown(leaf: configs.Leaf) -> Any:
    """The leaf's option, in the help panel of its group; a copy, since configs share options."""
    option = copy.copy(leaf.cli)
    if len(leaf.path) > 1 and option and not option.rich_help_panel:
        option.rich_help_panel = leaf.path[-2].capitalize()
    return option


def _view_options() -> list[inspect.Parameter]:
    return [_parameter("json", Annotated[bool, typer.Option("--json", help="Print JSON.")], False)]


def _step_options(cls: type) -> list[inspect.Parameter]:
    required = [leaf for leaf in configs.leaves(cls) if leaf.required]

    def load(context: typer.Context, given: str | None) -> str | None:
        if given:
            context.obj = found = configs.load(cls, given)
            # what is required may stand there; the rest is merged, and checked, by `configs.build`
            context.default_map = {leaf.name: found[leaf.name] for leaf in required if leaf.name in found}
        return given

    def option(*names: str, **kwargs: Any) -> Any:
        return typer.Option(*names, rich_help_panel=PANEL, **kwargs)

    return [
        _parameter("out", Annotated[str, option("--out", "-o", help="The folder to write.", show_default=False)]),
        _parameter(
            "config",
            Annotated[
                str | None,
                option("--config", callback=load, is_eager=True, help="JSON, TOML or YAML file, or an artifact."),
            ],
            None,
        ),
        _parameter(
            "set",
            Annotated[list[str] | None, option("--set", metavar="KEY=VALUE", help="Any key of the config.")],
            None,
        ),
        _parameter(
            "force",
            Annotated[bool, option("--force", help="Replace what is at --out, if it is something else.")],
            False,
        ),
        _parameter("dry_run", Annotated[bool, option("--dry-run", help="Check everything, print the plan.")], False),
        _parameter("json", Annotated[bool, option("--json", help="Print the result as one JSON object.")], False),
        _parameter("quiet", Annotated[bool, option("--quiet", "-q", help="Print errors only.")], False),
    ]


def _tell(result: Result, as_json: bool) -> None:
    for gate in result.gates:
        if not gate["passed"]:
            value = "not among the figures of metrics.json" if gate["value"] is None else f"{gate['value']:.4g}"
            console.error(f"gate not met: {gate['name']} is {value}, the bound is {gate['bound']:.4g}")
    if result.status == "planned":
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in result.metrics.items()]
        console.table("Plan (nothing was written)", ("what", "value"), rows)
    elif result.status == "up-to-date":
        console.note(f"{result.artifact} is up-to-date")
    print(json.dumps(result.as_dict(), ensure_ascii=False) if as_json else result.artifact)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; every failure ends here, as one line and an exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["help"]:
        argv = [*argv[1:], "--help"]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for who writes code
    try:
        with ranks.one_voice():
            build_app()(args=argv, prog_name="toolkit")
    except SystemExit as e:
        ranks.part()
        return e.code if isinstance(e.code, int) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as e:
        if os.environ.get("TOOLKIT_DEBUG") == "1":
            raise
        if ranks.speaks():
            console.error(_one_line(e))
            ranks.spoke()
        return e.code if isinstance(e, ToolkitError) else 1
    finally:
        console.disable()
    return 0


def _one_line(e: Exception) -> str:
    if isinstance(e, ToolkitError):
        return str(e)
    if isinstance(e, OSError) and e.strerror:
        return str(of_system(e))
    if isinstance(e, MemoryError):
        return "no memory left: use a smaller --batch-size or less data"
    what = " ".join(str(e).split())[:300]
    return f"unexpected {type(e).__name__}: {what} (a bug: set TOOLKIT_DEBUG=1 for the traceback and report it)"
