"""Tasks on the workers of a Dask cluster.

Dask decides where a task runs, and runs it again if its worker is lost. What is added here: a task that ends its
workers is named after some of them and not after all, workers that do not fit are left out by name, a full disk is left
to the other workers, and a scheduler that is restarted gets the tasks again.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from simulacra.campaigns.connection import connected, refuse_other_security
from simulacra.campaigns.messages import packed, unpacked
from simulacra.campaigns.on_worker import Answer, Job, end_children, misfit, probe, run_on_worker, versions
from simulacra.errors import printable
from simulacra.store.errors import StoreError
from simulacra.store.executors import ExecutorError
from simulacra.store.objects import Objects
from simulacra.store.workers import ChunkError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: how often the workers are counted [s]
TICK: Final = 1.0
#: a task whose worker died so often is at fault itself
WORKER_DEATHS: Final = 10
#: so is one whose own process died so often, while the worker lived on
PROCESS_DEATHS: Final = 3
#: the longest wait for one answer of a scheduler that is there [s]
ANSWER: Final = 30.0
#: the longest wait for the workers to end their tasks [s]
ENDING: Final = 5.0
#: workers are waited for without a word for this time [s]
UNTOLD: Final = 10.0
#: variables of the command that its tasks get
VARIABLES: Final = "SIMULACRA_"


class CampaignWarning(UserWarning):
    """Something happened to a cluster, and the campaign goes on."""


@dataclass(eq=False)
class _Piece:
    """An item on its way: how often its worker or its process died, and the workers that may have it (None: all)."""

    item: Any
    data: bytes
    worker_deaths: int = 0
    process_deaths: int = 0
    allowed: frozenset[str] | None = None


@dataclass(frozen=True)
class DaskExecutor:
    """Runs tasks on the workers of a scheduler, each in a process of its own for each thread of a worker.

    Attributes
    ----------
    address:
        of the scheduler.
    patience:
        how long to wait for a scheduler that was lost, or for the first of its workers; one that is not there when
        the tasks begin is given 30 s at most [s].
    tasks_here:
        number of tasks at once in the memory of this machine.
    """

    address: str
    patience: float = 600.0
    tasks_here: int = 1
    elsewhere: bool = True

    def run(
        self, task: Callable[[Item], Result], items: Iterable[Item], *, shared: str | None = None
    ) -> Generator[tuple[Item, Result]]:
        """Yield each item with its result; see :class:`simulacra.store.executors.Executor`."""
        name = uuid.uuid4().hex
        environment = {key: value for key, value in os.environ.items() if key.startswith(VARIABLES)}
        places = tuple(os.path.abspath(place) for place in sys.path)  # noqa: PTH100 - may be empty
        seen = shared if shared is None or "://" in shared else str(Path(shared).absolute())
        job = Job(name, packed(task), versions(), seen, str(Path.cwd()), places, environment)
        with _probe(job):
            run = _Run(self, job, iter(items))
            try:
                yield from run.done()
            finally:
                run.close()


@contextlib.contextmanager
def _probe(job: Job) -> Iterator[None]:
    if job.shared is None:
        yield
        return
    if "://" in job.shared:
        objects = Objects.at(job.shared)
        objects.write(probe(job.name), job.name.encode())
        try:
            yield
        finally:
            with contextlib.suppress(StoreError):
                objects.remove(probe(job.name))
        return
    file = Path(job.shared) / probe(job.name)
    file.write_text(job.name, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@dataclass
class _Run:
    executor: DaskExecutor
    job: Job
    waiting: Iterator[Any]
    again: list[_Piece] = field(default_factory=list)
    pending: dict[Any, _Piece] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    client: Any = None

    def done(self) -> Iterator[tuple[Any, Any]]:
        """Yield items with results."""
        first = next(self.waiting, None)
        if first is None:
            return
        self.again.append(self._piece(first))
        self._connect()
        counted = time.monotonic()
        while self.pending or self.again:
            if time.monotonic() - counted > TICK:
                self._count()
                counted = time.monotonic()
            self._submit()
            try:
                future = self.answers.get(timeout=TICK)
            except queue.Empty:
                continue
            piece = self.pending.pop(future, None)
            if piece is not None and (found := self._outcome(future, piece)) is not None:
                self._submit()
                yield found

    def close(self) -> None:
        """Leave no task behind, and close the connection."""
        client, self.client = self.client, None
        if client is None:
            return
        ending = threading.Thread(target=_end, args=(client, list(self.pending), self.job.name), daemon=True)
        ending.start()
        # a worker that has just died is not waited for; its processes died with it
        ending.join(ENDING)
        self.pending.clear()
        with contextlib.suppress(Exception):
            client.close(timeout=5)

    # the connection

    def _connect(self, lost: bool = False) -> None:
        """Connect to the scheduler, wait for a worker and check all workers.

        One that was lost is waited for within the executor's patience.
        """
        address = self.executor.address
        refuse_other_security(address.partition(":")[0], f"the scheduler at {address}")
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.no_worker_since: float | None = None
        until = time.monotonic() + self.executor.patience
        while True:
            try:
                self._greet()
            except (OSError, TimeoutError, ValueError) as error:
                self._disconnect()
                if not lost or time.monotonic() > until:
                    raise ExecutorError(
                        f"no scheduler answers at {self.executor.address} ({printable(str(error), 200)}); start one "
                        "(dask scheduler), with workers (dask worker ADDRESS), or wait until it is back"
                    ) from None
                time.sleep(TICK)
            else:
                return

    def _greet(self) -> None:
        with warnings.catch_warnings():
            # of other versions: refused below, with names
            warnings.simplefilter("ignore")
            self.client = connected(self.executor.address, min(ANSWER, max(1.0, self.executor.patience)))
        self._refuse_other_scheduler()
        since, told = time.monotonic(), False
        while not self._has_workers():
            time.sleep(TICK / 5)
            if not told and time.monotonic() - since > UNTOLD:
                warnings.warn(CampaignWarning(f"waiting for workers of {self.executor.address}"), stacklevel=2)
                told = True
        self._refuse_misfits()

    def _disconnect(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=2)

    def _lost(self) -> None:
        """Wait for a scheduler that is lost, and give it all tasks again."""
        warnings.warn(
            CampaignWarning(
                f"the scheduler at {self.executor.address} is lost; waiting up to {self.executor.patience:.0f} s for "
                "another one at this address"
            ),
            stacklevel=2,
        )
        self.again += self.pending.values()
        self.pending.clear()
        self._disconnect()
        self._connect(lost=True)

    def _refuse_other_scheduler(self) -> None:
        packages = self.client.get_versions(check=False)["scheduler"]["packages"]
        theirs = {"Python": ".".join(str(packages.get("python")).split(".")[:2])} | packages
        other = [
            f"{name} {theirs.get(name)}, not {self.job.versions[name]}"
            for name in ("Python", "dask", "distributed")
            if str(theirs.get(name)) != self.job.versions[name]
        ]
        if other:
            raise ExecutorError(
                f"the scheduler at {self.executor.address} has {', '.join(other)}: install what the command has"
            )

    def _refuse_misfits(self) -> None:
        """Refuse workers that do not fit, before anything is made."""
        found = self.client.run(misfit, self.job, on_error="return")
        # one that dies meanwhile is no misfit; one that cannot be reached is asked again with its first task
        wrong = {
            worker: f"it has no simulacra ({type(told).__name__}: {told})" if isinstance(told, Exception) else told
            for worker, told in found.items()
            if told and not isinstance(told, OSError | TimeoutError)
        }
        if wrong:
            raise ExecutorError(_told(wrong))

    def _has_workers(self) -> bool:
        """Count the workers; raise if there has been none for too long."""
        self.threads = dict(self.client.nthreads())
        now = time.monotonic()
        if self.threads:
            self.no_worker_since = None
        elif self.no_worker_since is None:
            self.no_worker_since = now
        elif now - self.no_worker_since > self.executor.patience:
            raise ExecutorError(
                f"the scheduler at {self.executor.address} has had no worker for {self.executor.patience:.0f} s; "
                "start some (dask worker ADDRESS)"
            )
        return bool(self.threads)

    def _count(self) -> None:
        """Count the workers; notice when the scheduler or all workers are lost."""
        try:
            self._has_workers()
        except (OSError, TimeoutError):
            self._lost()
        # Those who may have these tasks are gone.
        for future, piece in list(self.pending.items()):
            if piece.allowed is not None and self.threads and not piece.allowed & set(self.threads):
                del self.pending[future]
                future.cancel()
                self.again.append(piece)

    # the tasks

    def _piece(self, item: Any) -> _Piece:
        return _Piece(item, packed(item))

    def _submit(self) -> None:
        """Keep a task for each thread of the workers with the scheduler.

        Not more: when a worker dies, Dask suspects all tasks that wait for it, too.
        """
        while len(self.pending) < max(1, sum(self.threads.values())):
            if self.again:
                piece = self.again.pop()
            elif (item := next(self.waiting, None)) is not None:
                piece = self._piece(item)
            else:
                return
            piece.allowed = frozenset(set(self.threads) - set(self.left_out)) if self.left_out else None
            future = self.client.submit(
                run_on_worker,
                self.job,
                piece.data,
                key=f"simulacra-{uuid.uuid4().hex}",
                workers=None if piece.allowed is None else sorted(piece.allowed),
                pure=False,
            )
            self.pending[future] = piece
            future.add_done_callback(self.answers.put)

    def _outcome(self, future: Any, piece: _Piece) -> tuple[Any, Any] | None:
        """Return the item with its result, or None if it must be run again."""
        from distributed import KilledWorker

        if future.status == "cancelled":
            self.again.append(piece)
            self._lost()
            return None
        if future.status == "error":
            error = future.exception(timeout=ANSWER)
            if not isinstance(error, KilledWorker):
                raise ChunkError(piece.item, f"a worker could not run it ({type(error).__name__}: {error})")
            piece.worker_deaths += error.allowed_failures + 1
            if piece.worker_deaths >= WORKER_DEATHS:
                raise ChunkError(
                    piece.item, f"{piece.worker_deaths} workers died with it, lastly {error.last_worker.address}"
                )
            self.again.append(piece)
            return None
        try:
            answer: Answer = future.result(timeout=ANSWER)
        except Exception:  # noqa: BLE001 - its worker died before the answer was fetched
            self.again.append(piece)
            return None
        if answer.kind == "refused":
            self._leave_out(answer.worker, answer.reason, piece)
            return None
        if answer.kind == "died":
            piece.process_deaths += 1
            if piece.process_deaths >= PROCESS_DEATHS:
                raise ChunkError(piece.item, f"its process {answer.reason}, and so did {PROCESS_DEATHS - 1} before")
            self.again.append(piece)
            return None
        result, failure = unpacked(answer.content)
        if isinstance(failure, str):
            raise ChunkError(piece.item, f"the worker {answer.worker} cannot read it ({failure})")
        if failure is None:
            return piece.item, result
        if failure.error_number is None:
            raise failure
        self._leave_out(answer.worker, f"its disk is full ({failure.message})", piece, failure)
        return None

    def _leave_out(self, worker: str, reason: str, piece: _Piece, failure: ChunkError | None = None) -> None:
        """Give a worker no more tasks, and its task to others; raise if there are no others."""
        new = worker not in self.left_out
        self.left_out[worker] = reason
        self._count()
        others = set(self.threads) - set(self.left_out)
        if not others:
            raise failure or ExecutorError(_told(self.left_out))
        if new:
            warnings.warn(CampaignWarning(f"{_told({worker: reason})}; others go on"), stacklevel=2)
        self.again.append(piece)


def _end(client: Any, futures: list[Any], name: str) -> None:
    with contextlib.suppress(Exception):
        client.cancel(futures, force=True)
        client.run(end_children, name, on_error="ignore")


def _told(reasons: dict[str, str]) -> str:
    shown = [f"the worker {worker} does not fit: {printable(reason, 300)}" for worker, reason in reasons.items()]
    more = f"; and {len(shown) - 5} others" if len(shown) > 5 else ""
    return "; ".join(shown[:5]) + more
