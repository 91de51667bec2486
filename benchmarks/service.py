"""A generator as a service: requests of one shower a second, and how long their answers take.

Starts ``simulacra serve`` as a process of its own and asks it over the loopback interface. Requests begin at random
times, by a Poisson process of a given rate, whatever became of those before (an open loop); a request's time runs from
the time at which it should have begun to the last byte of its answer, so that waiting for a late generator of load
counts too. Run: ``make bench-service``; it takes some four minutes and keeps to its numbers of requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import benchmarks.one_thread  # noqa: F401 - before numpy and torch
import numpy as np
from benchmarks.machine import processor
from benchmarks.records import write_record
from rich.console import Console
from rich.table import Table

MODES: Final = {"together": "--together", "one by one": "--one-by-one"}
ACCEPT: Final = {"arrow": "application/vnd.apache.arrow.stream", "npz": "application/x-npz"}
QUANTILES: Final = (0.5, 0.9, 0.99)
#: seconds that a request may take; what takes longer counts as failed
DEADLINE: Final = 10.0
CONNECTIONS: Final = 64
WARM_UP: Final = 100


@contextmanager
def serving(model: str, *options: str) -> Iterator[tuple[str, int]]:
    """Give the URL of a service in a process of its own, and the number of the process."""
    command = [sys.executable, "-m", "simulacra", "serve", model, "--port", "0", "--most-requests", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        if not found:
            raise RuntimeError(f"the service did not start: {said}")
        yield found[0], process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


class Client:
    """A few connections over which requests are sent, by little code of its own: the load takes the same processor."""

    def __init__(self, url: str, model: str, accept: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._head = (
            f"POST /models/{model}/events HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nAccept: {accept}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        self._free: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()

    async def open(self) -> None:
        """Open the connections."""
        for _ in range(CONNECTIONS):
            self._free.put_nowait(await asyncio.open_connection(self._host, self._port))

    async def close(self) -> None:
        """Close the connections that are free."""
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def ask(self, seed: int, energy: float) -> tuple[int, int]:
        """Return the status and the length of the answer to a request for one shower."""
        body = json.dumps({"number": 1, "seed": seed, "conditions": {"incident_energy": energy}})
        reader, writer = await self._free.get()
        try:
            writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
            await reader.readexactly(length)
        except BaseException:
            writer.close()
            self._free.put_nowait(await asyncio.open_connection(self._host, self._port))
            raise
        self._free.put_nowait((reader, writer))
        return int(head[9:12]), length


async def open_loop(url: str, model: str, form: str, rate: float, number: int, seed: int) -> dict[str, Any]:
    """Return the times of requests at a rate [1/s], [ms]."""
    rng = np.random.default_rng(seed)
    begins = np.cumsum(rng.exponential(1.0 / rate, number))
    energies = rng.uniform(1.0, 100.0, number)
    client = Client(url, model, ACCEPT[form])
    await client.open()
    for k in range(WARM_UP):
        await client.ask(k, 50.0)
    times, sizes = np.full(number, np.nan), np.zeros(number)
    start = time.perf_counter()

    async def one(k: int) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                status, sizes[k] = await client.ask(k, round(float(energies[k]), 3))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return
        if status == 200:
            times[k] = 1000.0 * (time.perf_counter() - start - begins[k])

    waiting = []
    for k in range(number):
        if (early := begins[k] - (time.perf_counter() - start)) > 0:
            await asyncio.sleep(early)
        waiting.append(asyncio.create_task(one(k)))
    await asyncio.gather(*waiting)
    seconds = time.perf_counter() - start
    await client.close()
    answered = np.isfinite(times)
    return {
        "answered": int(answered.sum()),
        "failed": int((~answered).sum()),
        "seconds": seconds,
        "rate": float(answered.sum() / seconds),
        "bytes": float(np.median(sizes)),
        # A request that failed took longer than any that did not.
        "quantiles": {str(q): float(np.quantile(np.where(answered, times, 1000 * DEADLINE), q)) for q in QUANTILES},
    }


async def closed_loop(url: str, model: str, form: str, number: int, at_once: int) -> dict[str, Any]:
    """Return how many requests a second are answered when ``at_once`` are always under way."""
    client = Client(url, model, ACCEPT[form])
    await client.open()
    for k in range(WARM_UP):
        await client.ask(k, 50.0)
    left = iter(range(number))
    start = time.perf_counter()

    async def worker() -> None:
        for k in left:
            await client.ask(k, 1.0 + k % 99)

    await asyncio.gather(*(worker() for _ in range(at_once)))
    seconds = time.perf_counter() - start
    await client.close()
    return {"rate": number / seconds, "seconds": seconds}


def processor_seconds(process: int) -> float:
    """Return the processor time of a process so far, from Linux [s]."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def evaluations(url: str) -> tuple[float, float]:
    """Return the number of evaluations of the network so far, and of requests in them."""
    import urllib.request

    with urllib.request.urlopen(url + "metrics", timeout=10) as answer:
        lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
    return float(lines["simulacra_evaluation_requests_count"]), float(lines["simulacra_evaluation_requests_sum"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="calo-eplus", help="a shipped generator of showers")
    parser.add_argument("--rates", type=float, nargs="+", default=[100.0, 200.0], help="requests a second")
    parser.add_argument("--number", type=int, default=1000, help="requests of one run")
    parser.add_argument("--repeats", type=int, default=3, help="runs that the spread is taken over")
    parser.add_argument("--at-once", type=int, default=32, help="requests under way, for the most a second")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/service.json"))
    arguments = parser.parse_args()
    runs: list[dict[str, Any]] = []
    most: list[dict[str, Any]] = []
    for repeat in range(arguments.repeats):
        for mode, option in MODES.items():
            with serving(arguments.model, option) as (url, process):
                for form in ACCEPT:
                    for rate in arguments.rates:
                        before, used, own = evaluations(url), processor_seconds(process), time.process_time()
                        made = open_loop(url, arguments.model, form, rate, arguments.number, seed=repeat)
                        run = asyncio.run(made)
                        calls, requests = (new - old for new, old in zip(evaluations(url), before, strict=True))
                        run |= {
                            "requests_per_evaluation": requests / calls,
                            "load": os.getloadavg()[0],
                            # Other programs lengthen a request's time, but hardly the processor's work for it.
                            "service_ms": 1000 * (processor_seconds(process) - used) / requests,
                            "asking_ms": 1000 * (time.process_time() - own) / requests,
                        }
                        runs.append({"mode": mode, "format": form, "asked": rate, "repeat": repeat, **run})
                        print(f"{mode}, {form}, {rate:g}/s: {run['quantiles']}", file=sys.stderr)
                    full = closed_loop(url, arguments.model, form, arguments.number, arguments.at_once)
                    most.append({"mode": mode, "format": form, "repeat": repeat, **asyncio.run(full)})
                    print(f"{mode}, {form}: {most[-1]['rate']:.0f}/s at most", file=sys.stderr)
    record = {
        "model": arguments.model,
        "number": arguments.number,
        "repeats": arguments.repeats,
        "at_once": arguments.at_once,
        "runs": runs,
        "most": most,
        "processor": processor(),
        "cpus": os.cpu_count(),
    }
    write_record(arguments.output, record)
    _print(record)
    print(f"written to {arguments.output}")


def _print(record: dict[str, Any]) -> None:
    table = Table(title=f"one event of {record['model']} a request, median of {record['repeats']} runs")
    for heading in ("", "format", "asked [1/s]", *(f"{float(q):.0%} [ms]" for q in map(str, QUANTILES)), "failed"):
        table.add_column(heading)
    for key in dict.fromkeys((run["mode"], run["format"], run["asked"]) for run in record["runs"]):
        same = [run for run in record["runs"] if (run["mode"], run["format"], run["asked"]) == key]
        times = (f"{np.median([run['quantiles'][str(q)] for run in same]):.1f}" for q in QUANTILES)
        table.add_row(key[0], key[1], f"{key[2]:g}", *times, str(sum(run["failed"] for run in same)))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
