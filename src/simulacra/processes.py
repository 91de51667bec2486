"""Processes that end with their parent, and how a process ended, in words."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def end_of(exit_code: int | None) -> str:
    """Return in words how a process ended."""
    if exit_code is None:
        return "closed its connection"
    if exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        memory = " (was the machine out of memory?)" if name == "SIGKILL" else ""
        return f"was killed by {name}{memory}"
    if exit_code == 1:
        return (
            "could not start or ended with exit code 1; a script that calls this must do so under "
            "if __name__ == '__main__':"
        )
    return f"ended with exit code {exit_code}"


def die_with(parent: int) -> None:
    """Let this process end when its parent ends, even by a signal that the parent cannot handle."""
    if sys.platform == "linux":
        # a simulator may hold the interpreter's lock for long, so the kernel is asked too
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
