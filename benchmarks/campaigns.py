"""Chunks a second of a task that takes no time: by this process, by processes, and by a Dask cluster on this machine.

The store is written in full: events are checked, compressed and marked as finished. What differs is how tasks get to
where they run. The first chunks, while processes begin, are not counted; the time to the very first one is given. Run:
``python -m benchmarks.campaigns``; it takes some three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import benchmarks.one_thread  # noqa: F401 - before numpy and torch
import numpy as np
import xarray as xr
from benchmarks.machine import processor
from benchmarks.records import write_record

from simulacra.campaigns import executor_for
from simulacra.events import make_events, variable
from simulacra.store import Chunk, Executor, write_store
from simulacra.store.executors import Processes, ThisProcess, executor_of


@dataclass(frozen=True)
class Ready:
    """Returns events of one number."""

    events: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        values = np.arange(chunk.start, chunk.stop, dtype=np.float32)
        return make_events(
            {"x": variable(values, units="1", long_name="a number", role="feature")},
            simulator="ready",
            simulator_version="1",
            seed=0,
            settings={},
            seconds_per_event=0.0,
            first_event=chunk.start,
        )


@dataclass
class Timed:
    """An executor that notes when each item was finished."""

    inner: Executor
    times: list[float]

    @property
    def tasks_here(self) -> int:
        return self.inner.tasks_here

    @property
    def elsewhere(self) -> bool:
        return self.inner.elsewhere

    def run(self, task: Any, items: Any, *, shared: str | None = None) -> Generator[Any]:
        with contextlib.closing(self.inner.run(task, items, shared=shared)) as done:
            for one in done:
                self.times.append(time.perf_counter())
                yield one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=300, help="chunks of a store that are timed")
    parser.add_argument("--begin", type=int, default=20, help="chunks before these, while processes begin")
    parser.add_argument("--events", type=int, default=100, help="events of a chunk")
    parser.add_argument("--repeats", type=int, default=5, help="stores of each kind")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/campaigns.json"))
    arguments = parser.parse_args()

    def measured(name: str, workers: int, executor: Executor) -> dict[str, Any]:
        rates, firsts, load = [], [], os.getloadavg()[0]
        for _ in range(arguments.repeats):
            timed, begun = Timed(executor, []), time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                write_store(
                    Path(folder) / "x.zarr",
                    Ready(arguments.events),
                    n_events=(arguments.begin + arguments.chunks) * arguments.events,
                    chunk_size=arguments.events,
                    fingerprint={},
                    workers=timed,
                    progress=False,
                )
            rates.append(arguments.chunks / (timed.times[-1] - timed.times[arguments.begin - 1]))
            firsts.append(timed.times[0] - begun)
        print(f"{name}, {workers}: {np.median(rates):.0f} chunks/s ({min(rates):.0f} to {max(rates):.0f})", flush=True)
        return {"name": name, "workers": workers, "rates": rates, "firsts": firsts, "load": load}

    rows = [measured("this process", 1, ThisProcess()), measured("processes", 2, Processes(2))]
    for workers in (1, 2):
        with executor_for(f"local:{workers}") as executor:
            rows.append(measured("Dask, local", workers, executor_of(executor)))
    write_record(
        arguments.output,
        {
            "rows": rows,
            "chunks": arguments.chunks,
            "begin": arguments.begin,
            "events": arguments.events,
            "processor": processor(),
            "threads": os.cpu_count(),
        },
    )
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
