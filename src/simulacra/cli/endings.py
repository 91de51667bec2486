"""The end of a failed command: one line, an exit code, and a log if it is a bug."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from simulacra.errors import is_explained, printable

FAILED: Final = 1
BAD_INPUT: Final = 2
#: EX_SOFTWARE of sysexits.h: a bug
FAULT: Final = 70
INTERRUPTED: Final = 130
#: exit code of a program whose reader closed the pipe (128 + SIGPIPE)
BROKEN_PIPE: Final = 141


def end(error: BaseException, *, debug: bool) -> int:
    """Say in one line how a command ended and return its exit code.

    Parameters
    ----------
    error:
        the raised error.
    debug:
        whether to also show the traceback.
    """
    if isinstance(error, BrokenPipeError):
        # The reader is gone; the remaining output must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return BROKEN_PIPE
    if debug:
        _print("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, KeyboardInterrupt):
        return _say(str(error) or "stopped", INTERRUPTED)
    if _is_out_of_memory(error):
        return _say(f"out of memory ({error}): ask for fewer events, or for fewer at a time", FAILED)
    if is_explained(error):
        bad_input = isinstance(error, ValueError | FileNotFoundError)
        return _say(str(error) or type(error).__name__, BAD_INPUT if bad_input else FAILED)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if len(what) > 300:
        what = what[:300] + "…"
    return _say(f"unexpected {what}. This is a bug in simulacra: {_logged(error)}", FAULT)


def warn_in_one_line() -> None:
    """Show warnings as one line each, without the place in the code."""
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:
            shown(message, category, filename, lineno, file, line)
            return
        place = "" if issubclass(category, UserWarning) else f" ({category.__name__} at {Path(filename).name}:{lineno})"
        _print(f"warning: {printable(str(message))}{place}", style="yellow")

    # The function is documented to be replaceable.
    warnings.showwarning = show


def _say(message: str, code: int) -> int:
    _print(f"error: {printable(message)}", style="red")
    return code


def _print(text: str, *, style: str = "") -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(text, style=style))


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out; torch raises a RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in str(error) or type(error).__name__ == "OutOfMemoryError")
    )


def _logged(error: BaseException) -> str:
    """Write the traceback to a log and return a sentence with its path."""
    from importlib.metadata import distributions

    now = dt.datetime.now(dt.UTC)
    packages = ("simulacra", "torch", "numpy", "xarray", "zarr")
    versions = {found.name: found.version for found in distributions() if found.name in packages}
    text = "\n".join(
        [
            f"{now.isoformat(timespec='seconds')} {' '.join(sys.argv)}",
            ", ".join(f"{package} {versions.get(package, '(not installed)')}" for package in packages),
            f"Python {platform.python_version()} on {platform.platform()}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    name = f"error-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
    for folder in _log_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return f"please report it with the log {folder / name}"
    return "no log could be written; run the command again with --debug before its name, and report the output"


def _log_folders() -> list[Path]:
    """Return folders for a log: the user's folder for program states, then that for temporary files."""
    from platformdirs import user_log_path

    ways: list[Callable[[], Path]] = [lambda: user_log_path("simulacra"), lambda: Path(tempfile.gettempdir())]
    folders = []
    for way in ways:
        try:
            folders.append(way())
        except OSError:
            continue
    return folders
