"""Which errors are messages to the user, and which are bugs.

An error is *explained* if this package raised it as a message: its class is one of ours, or it comes from one of our
``raise`` statements. Errors of the system about a file (no such file, no permission, no space) are also explained. All
others, such as a ``ValueError`` from inside numpy or from an unchecked ``int(...)`` of our own, are unexpected,
whatever their class: they must not look like the user's mistake.
"""

from __future__ import annotations

import dis
from types import TracebackType
from typing import Final

PACKAGE: Final = __name__.partition(".")[0]
#: built-in classes that this package uses for messages about wrong inputs
SAYING: Final = (ValueError, RuntimeError, FloatingPointError, OSError, ImportError)
#: the bytecode instruction of a ``raise`` statement
RAISE: Final = dis.opmap["RAISE_VARARGS"]
#: longest message to show [characters]
LONGEST: Final = 2000


def is_explained(error: BaseException) -> bool:
    """Return whether an error is a message to the user and not a bug.

    An error that reports another one, such as one in another process, has the attribute ``unexpected``.
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
    """Return a text in one line, with escapes for characters that a terminal cannot show, shortened if very long."""
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
