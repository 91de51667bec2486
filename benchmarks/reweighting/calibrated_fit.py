"""Time of ``simulacra fit --calibrate`` with 320,000 events of 64 runs, as a user types it, on all cores.

A fit of alphaS to 5,000 events against a reference of 100,000; their seeds were not used in training ``dctr-z``. The
simulation (two minutes per core) is not timed. Run: ``python -m benchmarks.reweighting.calibrated_fit``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.reweighting.samples import Sample, write_sample

from simulacra.training.checkpoint import versions

EVENTS_A_RUN: Final = 5_000
SAMPLES: Final = {
    "data": Sample(5_000, 3112, {"values": {"alphaS": "0.1473"}}, EVENTS_A_RUN),
    "reference": Sample(100_000, 3113, chunk_size=EVENTS_A_RUN),
    "runs": Sample(
        320_000, 3111, {"vary": {"alphaS": "uniform:0.13:0.175"}, "events_per_draw": EVENTS_A_RUN}, EVENTS_A_RUN
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/calibrated-fit"), help="of the samples")
    parser.add_argument("--times", type=int, default=2, help="how often it is timed")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    paths = {}
    for name, sample in SAMPLES.items():
        paths[name] = str(arguments.folder / f"{name}.zarr")
        write_sample(Path(paths[name]), sample, sample.n, os.cpu_count() or 1)
    seconds, core_seconds, said = [], [], ""
    for _ in range(arguments.times):
        with tempfile.TemporaryDirectory() as output:
            command = [str(Path(sys.executable).with_name("simulacra")), "fit", paths["data"], paths["reference"]]
            command += ["--free", "alphaS", "--calibrate", paths["runs"], "--quiet", "-o", output]
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(time.monotonic() - began)
            core_seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        print(f"{seconds[-1]:.1f} s, {core_seconds[-1]:.1f} s of cores", flush=True)
    record = {
        "calibration_events": SAMPLES["runs"].n,
        "runs": SAMPLES["runs"].n // EVENTS_A_RUN,
        "seconds": seconds,
        "core_seconds": core_seconds,
        "cores": os.cpu_count(),
        "processor": processor(),
        "load_after": os.getloadavg()[0],
        "said": said.splitlines()[:-1],
        "versions": versions(),
    }
    path = arguments.output / "calibrated-fit.json"
    write_record(path, record)
    print(f"{said}written to {path}")


if __name__ == "__main__":
    main()
