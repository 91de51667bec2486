"""The process in which a worker of a cluster runs tasks, one after the other, in its main thread.

A worker of Dask runs tasks in threads, beside its own messages to the scheduler. Geant4, Pythia and torch keep states
in the process, may hold Python's lock for minutes, and can end the process; so each thread of a worker has such a
process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any, Final

from simulacra.processes import die_with

#: a process without work ends after this time, with exit code 0 [s]
IDLE: Final = 300.0


def main() -> None:
    """Run the tasks that come from the parent, until it closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, parent = Connection(int(sys.argv[1])), int(sys.argv[2])
    die_with(parent)
    from simulacra.campaigns.messages import packed, unpacked
    from simulacra.store.workers import attempt

    with contextlib.suppress(OSError, ValueError, AttributeError):
        faulthandler.enable()
    task: Any = None
    with contextlib.suppress(EOFError, ConnectionError):
        while connection.poll(IDLE):
            kind, content = connection.recv()
            if kind == "task":
                _enter(content)
                task = content.task
                continue
            try:
                # read here, because only this process has the folders and variables of the command
                called = unpacked(task)
                item = unpacked(content)
            except Exception as error:  # noqa: BLE001 - such as a module that this machine does not have
                connection.send_bytes(packed((None, f"{type(error).__name__}: {error}")))
                continue
            connection.send_bytes(packed(attempt(called, item)))


def _enter(job: Any) -> None:
    """Take over the working folder, modules and variables of the command, as far as this machine has them."""
    with contextlib.suppress(OSError):
        os.chdir(job.folder)
    sys.path += [place for place in job.search_path if place not in sys.path]
    os.environ.update(job.environment)
