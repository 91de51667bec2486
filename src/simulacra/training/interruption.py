"""Ctrl-C between two steps: the saved state is then that of an uninterrupted run at that step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interruption:
    """Records Ctrl-C in its context; ``asked`` says that it came. A second one stops at once."""

    def __init__(self) -> None:
        self.asked = False
        self._mine = False

    def __enter__(self) -> Self:
        # Python answers signals in its main thread alone, and one that is ignored (nohup) stays ignored.
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._mine = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True
