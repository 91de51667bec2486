"""Bars are drawn on terminals alone; lines reach everyone who wants them, as they are."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable

import pytest

from simulacra.progress import ProgressBar, event_progress, step_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps() -> None:
    with step_progress("judging", show=True) as tell:
        tell("a [bold]step[/bold]", 0.25)


def events() -> None:
    with event_progress("reading", 200, 50, show=True) as advance:
        advance(50)


@pytest.mark.parametrize(
    ("job", "shown"),
    [(steps, ("a [bold]step[/bold]", "25%")), (events, ("100/200", "reading: 50 in", "50 were there"))],
)
def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(
    job: Callable[[], None], shown: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        job()
        assert all(text in stream.getvalue() for text in shown) == stream.isatty()
        assert stream.isatty() or not stream.getvalue()


def test_lines_are_printed_whole_and_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = "warning [red]: " + "x" * 300
    for show in (True, False):
        with ProgressBar("job", 3, show=show) as bar:
            bar.say(text)
    assert capsys.readouterr().err == f"{text}\n"


def test_a_long_job_tells_its_rate_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    with event_progress("simulating", 3000, 0, show=True) as advance:
        advance(3000)
    assert capsys.readouterr().err == "simulating: 3,000 in 2.0 s, 1,500/s\n"
