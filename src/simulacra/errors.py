"""Which errors are messages to whoever runs the program, and which are faults of the program.

An error is *explained* if this package raised it in order to say something: its class is one of ours, or a ``raise``
statement of ours made it. What the system says of a file (no such file, no permission, no space) explains itself too.
Everything else, such as a ``ValueError`` from inside numpy or from an ``int(...)`` of our own that nobody checked, is
unexpected, whatever its class: it must not be passed off as the user's fault.
"""

from __future__ import annotations

import dis
from types import TracebackType
from typing import Final

PACKAGE: Final = __name__.partition(".")[0]
#: built-in classes in which this package says what is wrong with what it was given
SAYING: Final = (ValueError, RuntimeError, FloatingPointError, OSError, ImportError)
#: the instruction that a ``raise`` statement is compiled to
RAISE: Final = dis.opmap["RAISE_VARARGS"]
#: the longest message that is shown, [characters]
LONGEST: Final = 2000


def is_explained(error: BaseException) -> bool:
    """Return whether an error was raised to tell the user something, rather than by a fault of the program.

    An error that speaks for another one, such as one in a process of its own, says so by its attribute ``unexpected``.
    """
    if getattr(error, "unexpected", False):
        return False
    if _is_ours(type(error).__module__):
        return True
    if isinstance(error, ImportError) and error.name is not None:
        return not _is_ours(error.name)
    if isinstance(error, OSError) and error.errno is not None:
        return True
    return isinstance(error, SAYING) and _by_our_raise(error.__traceback__)


def printable(text: str, most: int = LONGEST) -> str:
    """Return a text in one line, with escapes for what a terminal cannot show, and cut where it is very long."""
    line = " ".join(text.split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line[:most])
    return shown if len(line) <= most else f"{shown}… ({len(line)} characters)"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


def _by_our_raise(traceback: TracebackType | None) -> bool:
    """Return whether the innermost frame is one of this package, at a ``raise`` statement."""
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    if not _is_ours(str(frame.f_globals.get("__name__", ""))):
        return False
    return frame.f_code.co_code[traceback.tb_lasti] == RAISE
