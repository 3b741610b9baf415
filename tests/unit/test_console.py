"""What a person sees while a step runs."""

import io

from rich.console import Console

from toolkit import console


def test_how_far_it_is_stays_in_sight_on_a_narrow_terminal(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "_console", Console(file=screen, force_terminal=True, width=80, color_system=None))
    with console.progress("training", 12345) as advance:
        advance(2000, "loss 1.09 accuracy 0.333 rate 0.000925 gradient 0.59 rows/s 52.6")
        console._running.refresh()
    assert "2000/12345" in screen.getvalue()
    assert "loss 1.09 accuracy 0.333" in screen.getvalue()
