"""Requests that wait are evaluated together, by threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulacra.serving.metrics import Metrics
from simulacra.serving.refusals import RefusalError
from simulacra.serving.served import PIECE, SPACING, Plan, Served


@dataclass(eq=False)
class Job:
    """A request that waits for its events.

    Attributes
    ----------
    finish:
        makes the answer from the network's output; called in the thread that made the last events.
    given_up:
        set when nobody waits any more.
    """

    served: Served
    plan: Plan
    finish: Callable[[np.ndarray], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    pieces: list[np.ndarray] = field(default_factory=list)
    done: int = 0
    given_up: bool = False

    @property
    def left(self) -> int:
        """The number of events still to be made."""
        return self.plan.asked.number - self.done

    @property
    def bytes(self) -> int:
        """The size of all its events."""
        return self.plan.asked.number * self.served.bytes_per_event

    def end(self, result: Any, error: BaseException | None = None) -> None:
        """Hand the answer, or the error, to the request."""

        def hand() -> None:
            if self.future.done():
                return
            if error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(result)

        # At the end of the service its loop may be gone, and with it whoever waited.
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(hand)


class Batches:
    """A queue of requests and the threads that work on it.

    Each pass of a thread takes up to 32 rows of the first request's model: a piece of a long request, or the rows of
    several requests if the model's rows may share an evaluation. A request that is not finished goes to the end of the
    queue, so a long one does not hold up the short ones. The rows of a request begin at a multiple of 4 and the number
    of rows is one, because the last bits of a row depend on that: a request's events are the same bit for bit, alone
    or with others.
    """

    def __init__(self, threads: int, most_waiting: int, most_waiting_bytes: int, metrics: Metrics) -> None:
        self._most, self._most_bytes, self._metrics = most_waiting, most_waiting_bytes, metrics
        self._queue: deque[Job] = deque()
        self._unfinished: dict[Job, int] = {}
        self._bytes = 0
        self._ready = threading.Condition()
        self._closed = False
        self._n_threads = threads
        self._threads: list[threading.Thread] = []

    def __len__(self) -> int:
        return len(self._unfinished)

    async def made(self, served: Served, plan: Plan, finish: Callable[[np.ndarray], Any], timeout: float) -> Any:
        """Return what ``finish`` makes of the request's output.

        Raises
        ------
        RefusalError
            503 if too many requests wait, 504 if it takes longer than ``timeout`` [s].
        """
        loop = asyncio.get_running_loop()
        job = Job(served, plan, finish, loop, loop.create_future())
        self._put(job)
        try:
            return await asyncio.wait_for(job.future, timeout)
        except TimeoutError:
            raise RefusalError(
                504,
                f"the events were not made within {timeout:g} s",
                where="the service",
                what_to_do="ask for fewer events at a time, or again when there is less to do",
            ) from None
        finally:
            job.given_up = True

    def _put(self, job: Job) -> None:
        with self._ready:
            full = len(self._unfinished) >= self._most
            # A request that fits alone is always taken when nothing waits.
            full = full or (bool(self._unfinished) and self._bytes + job.bytes > self._most_bytes)
            if full or self._closed:
                raise RefusalError(
                    503,
                    "the service ends" if self._closed else "too many requests wait for their events",
                    where="the service",
                    what_to_do="ask again later",
                    headers={"Retry-After": "1"},
                )
            if not self._threads:
                self._start()
            self._unfinished[job] = job.bytes
            self._bytes += job.bytes
            self._queue.append(job)
            self._metrics.waiting.set(len(self._unfinished))
            self._ready.notify()

    def _start(self) -> None:
        """Start the threads, when there is something to do."""
        self._threads = [
            threading.Thread(target=self._work, name=f"events-{i}", daemon=True) for i in range(self._n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def open(self) -> None:
        """Take requests, again if it was closed."""
        self._closed = False

    def close(self) -> None:
        """End the threads; requests that still wait are refused."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)
        self._threads = []
        self._queue.clear()
        for job in list(self._unfinished):
            self._refuse(job)

    def _refuse(self, job: Job) -> None:
        self._leave(job)
        job.end(None, RefusalError(503, "the service ends", where="the service", what_to_do="ask again later"))

    def _leave(self, job: Job) -> None:
        with self._ready:
            self._bytes -= self._unfinished.pop(job, 0)
            self._metrics.waiting.set(len(self._unfinished))

    def _work(self) -> None:
        while True:
            with self._ready:
                while not (self._queue or self._closed):
                    self._ready.wait()
                if self._closed:
                    return
                taken = self._taken()
            if taken:
                self._serve(taken)

    def _taken(self) -> list[tuple[Job, int, int]]:
        """Take the next piece of each request of one pass from the queue: (request, first event, number)."""
        taken: list[tuple[Job, int, int]] = []
        passed: list[Job] = []
        room = PIECE
        while self._queue and room:
            job = self._queue.popleft()
            if job.given_up:
                self._bytes -= self._unfinished.pop(job, 0)
                continue
            if taken and job.served is not taken[0][0].served:
                passed.append(job)
                continue
            n = min(job.left, room)
            taken.append((job, job.done, n))
            room -= -(-n // SPACING) * SPACING
            if not job.served.shares:
                break
        self._queue.extendleft(reversed(passed))
        self._metrics.waiting.set(len(self._unfinished))
        return taken

    def _serve(self, taken: list[tuple[Job, int, int]]) -> None:
        try:
            output = self._evaluated(taken)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told and the thread goes on
            for job, _, _ in taken:
                self._leave(job)
                job.end(None, error)
            return
        finished = []
        for (job, _, n), piece in zip(taken, output, strict=True):
            job.pieces.append(piece)
            job.done += n
            if not job.left:
                finished.append(job)
        unfinished = [job for job, _, _ in taken if job.left]
        with self._ready:
            self._queue.extend(unfinished)
            self._ready.notify(len(unfinished))
        for job in finished:
            self._finish(job)

    def _evaluated(self, taken: list[tuple[Job, int, int]]) -> list[np.ndarray]:
        """Return the network's output of each piece, by one evaluation."""
        served = taken[0][0].served
        self._metrics.evaluated(len(taken), sum(n for _, _, n in taken))
        noises = [served.noise(job.plan, start, start + n) for job, start, n in taken]
        rows = [job.plan.rows[start : start + n] for job, start, n in taken]
        if not served.shares:
            return [served.generator.evaluate(noises[0], rows[0])]
        made = served.generator.evaluate(_spaced(noises), _spaced(rows))
        places = np.cumsum([0, *(-(-len(one) // SPACING) * SPACING for one in rows)])
        # Copies, so that one request's answer does not keep everybody's rows in memory.
        return [made[place : place + len(one)].copy() for place, one in zip(places, rows, strict=False)]

    def _finish(self, job: Job) -> None:
        self._leave(job)
        if job.given_up:
            return
        try:
            output = job.pieces[0] if len(job.pieces) == 1 else np.concatenate(job.pieces)
            result = job.finish(output)
        except Exception as error:  # noqa: BLE001 - as above
            job.end(None, error)
            return
        self._metrics.made(job.served.name, job.plan.asked.number)
        job.end(result)


def _spaced(pieces: list[np.ndarray]) -> np.ndarray:
    """Join rows so that each piece begins at a multiple of the spacing; its last row fills the gap."""
    filled = []
    for piece in pieces:
        filled.append(piece)
        if gap := -len(piece) % SPACING:
            filled.append(np.repeat(piece[-1:], gap, axis=0))
    return filled[0] if len(filled) == 1 else np.concatenate(filled)
