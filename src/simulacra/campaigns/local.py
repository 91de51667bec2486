"""A Dask cluster on this machine: a scheduler in this process, and workers that are begun again when they end."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from os import getpid
from typing import Any, Final, Self

from simulacra.processes import die_with

#: between the end of a worker and the begin of the next one [s]
PAUSE: Final = 0.1
#: Dask asks nobody who he is: whoever reaches a port may run code. So no port can be reached from another machine.
HOST: Final = "127.0.0.1"
#: a worker that is told to end is given this time [s]
ENDING: Final = 3.0


class LocalWorkers:
    """A scheduler and workers, each a process with one thread.

    Dask's own local cluster gives a worker up that is killed while it begins.
    """

    def __init__(self, workers: int) -> None:
        from distributed import LocalCluster

        self._cluster: Any = LocalCluster(
            n_workers=0, host=HOST, dashboard_address=f"{HOST}:0", silence_logs=logging.CRITICAL
        )
        self.scheduler_address: str = self._cluster.scheduler_address
        self._ending = threading.Event()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._threads = [threading.Thread(target=self._keep, args=(i,), daemon=True) for i in range(workers)]
        for thread in self._threads:
            thread.start()

    def pids(self) -> list[int]:
        """Return the numbers of the workers' processes."""
        return [process.pid for process in list(self._processes.values()) if process.poll() is None]

    def close(self, timeout: float = ENDING) -> None:
        """End all workers, then the scheduler."""
        self._ending.set()
        for process in list(self._processes.values()):
            process.terminate()
        for thread in self._threads:
            thread.join(timeout)
        for process in list(self._processes.values()):
            process.kill()
        for thread in self._threads:
            thread.join(timeout)
        self._cluster.close(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, number: int) -> None:
        """Keep one worker running."""
        start = f"import sys; sys.path[:] = {sys.path!r}; from simulacra.campaigns.local import main; main()"
        command = [sys.executable, "-c", start, self.scheduler_address, str(getpid())]
        while not self._ending.is_set():
            # a session of its own: Ctrl-C is for the command alone
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
            self._processes[number] = process
            if self._ending.is_set():
                process.kill()
            process.wait()
            self._ending.wait(PAUSE)


def main() -> None:
    """Be a worker of the scheduler at an address, until the parent ends."""
    address, parent = sys.argv[1], int(sys.argv[2])
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    import asyncio

    from distributed import Worker

    logging.getLogger("distributed").setLevel(logging.CRITICAL)

    async def work() -> None:
        async with Worker(
            address,
            nthreads=1,
            host=HOST,
            # a worker without pages still begins a server of HTTP, by default on all addresses
            dashboard=False,
            dashboard_address=f"{HOST}:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as one:
            await one.finished()

    asyncio.run(work())
