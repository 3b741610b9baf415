"""Everything a person sees while a step runs: on stderr, and silent until the command line switches it on.

The Python functions never print, so each function here does nothing before `enable()`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0  # progress of a run without a terminal

_console: Console | None = None
_hushed = False
_running: Any = None  # one live display at a time; a progress inside a progress shares it


def enable() -> None:
    """Show notes, warnings, tables and progress on stderr from now on."""
    global _console
    from rich.console import Console

    _console = Console(stderr=True, highlight=False, emoji=False)


def disable() -> None:
    """Show nothing any more."""
    global _console
    _console = None


def note(text: str) -> None:
    """One line that informs."""
    if not _hushed:
        _say(text)


def _say(text: str) -> None:
    if _console:
        _console.print(text, markup=False, soft_wrap=True)


@contextmanager
def without_notes() -> Iterator[None]:
    """Notes inside are not shown: what a step says once would be said by each of its trials."""
    global _hushed
    before, _hushed = _hushed, True
    try:
        yield
    finally:
        _hushed = before


def warn(text: str) -> None:
    """One line that should be read."""
    if _console:
        _console.print(f"[yellow]warning:[/] {_escaped(text)}", soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table: the first column is left-aligned, the others (figures) to the right."""
    if not _console:
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    out = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        out.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        out.add_row(*(_escaped(str(cell)) for cell in row))
    _console.print(f"\n[bold]{_escaped(title)}[/]", soft_wrap=True)
    _console.print(out)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` while a progress bar counts them."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    with progress(label, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Any]:
    """A progress bar; yields `advance(steps=1, note="")`. Without a terminal: a plain line now and then."""
    if not _console:
        yield lambda steps=1, note="": None
    elif not _console.is_terminal:
        yield _plain_progress(label, total)
    else:
        with _live() as live:
            task = live.add_task(label, total=total, note="")

            def advance(steps: int = 1, note: str = "") -> None:
                live.update(task, advance=steps, **({"note": note} if note else {}))

            try:
                yield advance
            finally:
                live.remove_task(task)


@contextmanager
def _live() -> Iterator[Any]:
    global _running
    if _running is not None:
        yield _running
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    assert _console
    bar = BarColumn(bar_width=_console.width // 8)
    words = TextColumn("[dim]{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    columns = ("{task.description}", bar, MofNCompleteColumn(), TimeRemainingColumn(compact=True), words)
    with Progress(*columns, console=_console, transient=True, expand=True) as live:
        _running = live
        try:
            yield live
        finally:
            _running = None


def _plain_progress(label: str, total: int | None) -> Any:
    done, last = 0, time.monotonic()

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += steps
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _say(f"{label} {done}{f'/{total}' if total else ''} {note}".rstrip())

    return advance


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def error(text: str) -> None:
    """The one line of a failure; the only thing that `--quiet` leaves."""
    from rich.console import Console

    Console(stderr=True, highlight=False, emoji=False).print(f"[bold red]error:[/] {_escaped(text)}", soft_wrap=True)
