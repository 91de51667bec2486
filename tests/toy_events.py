"""A toy simulator whose chunks are pure functions of their number, and the ways in which a real one goes wrong.

Run as a script it writes a store: ``toy_events.py PATH N_EVENTS CHUNK_SIZE WORKERS SECONDS_A_CHUNK``, where
WORKERS is their number or a scheduler.
"""

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

from simulacra.campaigns import executor_for
from simulacra.events import make_events, variable
from simulacra.store import Chunk, write_store


def toy_events(start: int, stop: int, *, seed: int = 7, seconds_per_event: float = 0.5) -> xr.Dataset:
    """Events ``start`` to ``stop - 1``, of which each depends on the seed and its own index alone."""
    shower = np.stack([np.random.default_rng([seed, i]).exponential(size=6) for i in range(start, stop)])
    shower[shower < 0.5] = 0
    return make_events(
        {
            "shower": variable(shower.astype("f4"), "cell", units="MeV", long_name="energy", role="feature"),
            "incident_energy": variable(
                shower.sum(1).astype("f4"), units="GeV", long_name="incident energy", role="condition"
            ),
            "kept": variable(shower[:, 0] > 1, units="1", long_name="whether it is kept", role="mask"),
        },
        simulator="toy",
        simulator_version="1",
        seed=seed,
        settings={"a": 1},
        seconds_per_event=seconds_per_event,
        first_event=start,
        particle="e+",
    )


@dataclasses.dataclass(frozen=True)
class ToyTask:
    """Makes a chunk; in the chunk ``at`` does what ``fault`` says first. Leaves a file in ``log`` for each call."""

    fault: str = ""
    at: int = -1
    delay: float = 0.0
    log: Path | None = None

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        if self.log is not None:
            self.log.mkdir(exist_ok=True)
            (self.log / f"{chunk.index}-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(self.delay)
        events = toy_events(chunk.start, chunk.stop, seconds_per_event=chunk.index)
        if chunk.index == self.at:
            match self.fault:
                case "abort":
                    signal.signal(signal.SIGABRT, signal.SIG_DFL)
                    os.abort()
                case "exit":
                    os._exit(7)
                case "raise":
                    raise ValueError("the detector is on fire")
                case "nan":
                    events["shower"][1, 2] = np.nan
                case "shift":
                    return toy_events(chunk.start + 1, chunk.stop + 1)
                case "attribute":
                    return events.assign_attrs(particle="gamma")
                case "dtype":
                    return events.assign(incident_energy=events.incident_energy.astype("f8"))
        return events


if __name__ == "__main__":
    path, n_events, chunk_size, workers, delay = sys.argv[1:]
    by = executor_for(None, int(workers)) if workers.isdigit() else executor_for(workers)
    try:
        with by as executor:
            write_store(
                path,
                ToyTask(delay=float(delay), log=Path(os.environ.get("TOY_LOG") or Path(path).with_name("log"))),
                n_events=int(n_events),
                chunk_size=int(chunk_size),
                workers=executor,
                fingerprint={"seed": 7},
            )
    except KeyboardInterrupt as stop:
        print(stop, file=sys.stderr)
        sys.exit(130)
