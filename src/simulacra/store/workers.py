"""Processes that make chunks: each makes many; if one dies, the error names the chunk and the reason."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from simulacra.errors import is_explained
from simulacra.store.errors import FULL_DISK, StoreError
from simulacra.store.plan import Chunk

PR_SET_PDEATHSIG: Final = 1


class ChunkError(Exception):
    """The error of a chunk: the message, the text of the traceback, and the system's error number if there is one.

    ``unexpected`` says that it was a bug (:func:`simulacra.errors.is_explained`).
    """

    def __init__(
        self,
        chunk: Chunk | None,
        message: str,
        trace: str = "",
        error_number: int | None = None,
        unexpected: bool = False,
    ) -> None:
        # all arguments go to Exception, which sends them between processes
        super().__init__(chunk, message, trace, error_number, unexpected)
        self.chunk, self.message, self.trace, self.error_number = chunk, message, trace, error_number
        self.unexpected = unexpected

    def __str__(self) -> str:
        return self.message


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    chunk: Chunk | None = None


@dataclass
class Workers:
    """Processes that call ``make(chunk)`` and report when it has returned.

    Parameters
    ----------
    make:
        picklable; makes and writes one chunk.
    n_workers:
        number of processes.
    """

    make: Callable[[Chunk], None]
    n_workers: int
    _workers: list[_Worker] = field(default_factory=list)

    def run(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield each chunk when it is written, in the order of completion.

        No process outlives this iterator, and a chunk is taken only when a process is free for it.

        Raises
        ------
        ChunkError
            if a task raised or its process died.
        """
        waiting = iter(chunks)
        first = list(itertools.islice(waiting, self.n_workers))
        try:
            for _ in first:
                self._workers.append(self._start())
            waiting = itertools.chain(first, waiting)
            for worker in self._workers:
                self._give(worker, waiting)
            while any(worker.chunk is not None for worker in self._workers):
                for worker in self._ready():
                    chunk = self._result(worker)
                    self._give(worker, waiting)
                    yield chunk
        finally:
            self._stop()

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.make, os.getpid(), list(sys.path)), daemon=True)
        # Ctrl-C reaches the whole foreground group; the parent alone answers it, and a blocked signal is inherited.
        # The tracker is a process that multiprocessing starts in addition to the first; it then unblocks the signal.
        resource_tracker.ensure_running()
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
            theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker, waiting: Iterator[Chunk]) -> None:
        worker.chunk = next(waiting, None)
        # one that has died already is found by its closed pipe
        with contextlib.suppress(OSError):
            worker.connection.send(worker.chunk)

    def _ready(self) -> list[_Worker]:
        ready = wait([worker.connection for worker in self._workers if worker.chunk is not None])
        return [worker for worker in self._workers if worker.connection in ready]

    def _result(self, worker: _Worker) -> Chunk:
        chunk = worker.chunk
        try:
            failure = worker.connection.recv()
        except (EOFError, ConnectionError):
            worker.process.join(5)
            raise ChunkError(chunk, f"its process {_end(worker.process.exitcode)}") from None
        if failure is not None:
            raise failure
        if chunk is None:
            raise ChunkError(chunk, "a process sent an unexpected answer")
        return chunk

    def _stop(self) -> None:
        idle_until = time.monotonic() + 5
        for worker in self._workers:
            if worker.chunk is not None:
                worker.process.terminate()
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(max(0.0, idle_until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()
        self._workers.clear()


def _end(exit_code: int | None) -> str:
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


def _work(connection: Connection, make: Callable[[Chunk], None], parent: int, search_path: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = search_path
    _die_with(parent)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        faulthandler.enable()
    with contextlib.suppress(EOFError, ConnectionError):
        while (chunk := connection.recv()) is not None:
            connection.send(attempt(make, chunk))


def attempt(make: Callable[[Chunk], None], chunk: Chunk) -> ChunkError | None:
    """Make one chunk and return the error, if any."""
    try:
        make(chunk)
    except ChunkError as failure:
        return failure
    except Exception as error:  # noqa: BLE001 - whatever a simulator raises is told to the parent
        number = error.errno if isinstance(error, OSError) and error.errno in FULL_DISK else None
        named = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        return ChunkError(chunk, named, traceback.format_exc(), number, unexpected=not is_explained(error))
    return None


def _die_with(parent: int) -> None:
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
