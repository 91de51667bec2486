"""Processes that run tasks: each runs many; if one dies, the error names the item and the reason."""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from simulacra.errors import is_explained
from simulacra.processes import die_with, end_of
from simulacra.store.errors import FULL_DISK, StoreError

Item = TypeVar("Item")
Result = TypeVar("Result")


class ChunkError(Exception):
    """The error of a chunk or another item: message, text of the traceback, and the system's error number if any.

    ``unexpected`` says that it was a bug (:func:`simulacra.errors.is_explained`).
    """

    def __init__(
        self,
        chunk: object,
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
    item: Any = None


@dataclass
class Workers(Generic[Item, Result]):
    """Processes that call ``task(item)`` and report its result.

    Parameters
    ----------
    task:
        picklable; for a store it makes and writes one chunk.
    n_workers:
        number of processes.
    """

    task: Callable[[Item], Result]
    n_workers: int
    _workers: list[_Worker] = field(default_factory=list)

    def run(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Yield each item with its result, in the order of completion.

        No process outlives this iterator, and an item is taken only when a process is free for it.

        Raises
        ------
        ChunkError
            if a task raised or its process died.
        """
        waiting = iter(items)
        first = list(itertools.islice(waiting, self.n_workers))
        try:
            for _ in first:
                self._workers.append(self._start())
            waiting = itertools.chain(first, waiting)
            for worker in self._workers:
                self._give(worker, waiting)
            while any(worker.item is not None for worker in self._workers):
                for worker in self._ready():
                    done = self._result(worker)
                    self._give(worker, waiting)
                    yield done
        finally:
            self._stop()

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.task, os.getpid(), list(sys.path)), daemon=True)
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

    def _give(self, worker: _Worker, waiting: Iterator[Item]) -> None:
        worker.item = next(waiting, None)
        # one that has died already is found by its closed pipe
        with contextlib.suppress(OSError):
            worker.connection.send(worker.item)

    def _ready(self) -> list[_Worker]:
        ready = wait([worker.connection for worker in self._workers if worker.item is not None])
        return [worker for worker in self._workers if worker.connection in ready]

    def _result(self, worker: _Worker) -> tuple[Item, Result]:
        try:
            result, failure = worker.connection.recv()
        except (EOFError, ConnectionError):
            worker.process.join(5)
            raise ChunkError(worker.item, f"its process {end_of(worker.process.exitcode)}") from None
        if failure is not None:
            raise failure
        return worker.item, result

    def _stop(self) -> None:
        idle_until = time.monotonic() + 5
        for worker in self._workers:
            if worker.item is not None:
                worker.process.terminate()
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(max(0.0, idle_until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()
        self._workers.clear()


def _work(connection: Connection, task: Callable[[Any], Any], parent: int, search_path: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = search_path
    die_with(parent)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        faulthandler.enable()
    with contextlib.suppress(EOFError, ConnectionError):
        while (item := connection.recv()) is not None:
            connection.send(attempt(task, item))


def attempt(task: Callable[[Item], Result], item: Item) -> tuple[Any, ChunkError | None]:
    """Return the result of ``task(item)`` and its error; one of the two is None."""
    try:
        return task(item), None
    except ChunkError as failure:
        return None, failure
    except Exception as error:  # noqa: BLE001 - whatever a simulator raises is told to the parent
        number = error.errno if isinstance(error, OSError) and error.errno in FULL_DISK else None
        named = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        return None, ChunkError(item, named, traceback.format_exc(), number, unexpected=not is_explained(error))
