"""Showers of 40,500 cells, more of them than fit into the memory: trained on, generated and judged in bounded memory.

``python -m benchmarks.scale`` makes samples in the geometry of the CaloChallenge's set 3, trains, generates and judges
with each, and writes time, memory and disk to ``benchmarks/results/scale.json``. Every command runs under a limit of
the memory that a process may allocate, so that one that needs more fails. ``--campaign`` measures what a campaign of
many small showers costs, by Geant4 and by a shipped generator.

The largest samples hold more showers than Geant4 makes in an hour. They are Geant4's showers and their images under the
detector's symmetries, rotations by whole bins in alpha and reflections. They measure time and memory, and no quality.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from benchmarks.machine import processor
from benchmarks.records import write_record

from simulacra.store import Chunk, open_events, write_store

RESULT = Path(__file__).parent / "results" / "scale.json"
EXPERIMENT = Path(__file__).parents[1] / "experiments" / "calochallenge-3-electrons.toml"
SIZES = (100, 1_000, 10_000, 100_000)
GEANT4_SHOWERS = 1_500
SECTIONS, ALPHA_BINS, RINGS = 45, 50, 18
CHUNK = 200
#: showers of each sample that are judged
JUDGED = 500
#: steps of training, to measure a step
STEPS = 20
GENERATOR = "calo-eplus"
#: showers of a campaign's measurement, and how often it is repeated
GEANT4_CAMPAIGN, GENERATED_CAMPAIGN, REPEATED = 100, 50_000, 3


@dataclass(frozen=True)
class Images:
    """Makes showers from those of Geant4 by the detector's symmetries (picklable)."""

    source: Path

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the showers of a chunk: image ``i // n`` of Geant4's shower ``i % n``."""
        events = open_events(self.source).drop_vars("active")
        index = np.arange(chunk.start, chunk.stop)
        image, which = np.divmod(index, events.sizes["event"])
        chosen = events.isel(event=which).load()
        cells = chosen["shower"].values.reshape(-1, SECTIONS, ALPHA_BINS, RINGS)
        for shower, number in zip(cells, image % (2 * ALPHA_BINS), strict=True):
            turned = np.roll(shower, number % ALPHA_BINS, axis=1)
            shower[:] = turned[:, ::-1] if number >= ALPHA_BINS else turned
        showers = (chosen["shower"].dims, cells.reshape(len(index), -1), chosen["shower"].attrs)
        return chosen.assign_coords(event=index).assign(shower=showers)


def sample(folder: Path, n: int) -> Path:
    """Return the store of ``n`` showers, made if it is not there."""
    source, path = folder / "geant4.zarr", folder / f"sample-{n}.zarr"
    fingerprint = {"images of": str(GEANT4_SHOWERS), "n": n}
    write_store(path, Images(source), n_events=n, chunk_size=min(n, CHUNK), fingerprint=fingerprint, label="images")
    return path


def measured(arguments: Sequence[object], limit: float) -> dict[str, Any]:
    """Run ``simulacra ARGUMENTS`` with at most ``limit`` GiB of allocated memory; return its time and memory."""
    command = ["prlimit", f"--data={int(limit * 2**30)}", sys.executable, "-m", "simulacra", *map(str, arguments)]
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"'{' '.join(command)}' ended with {process.returncode}, with a limit of {limit:g} GiB")
    return {
        "seconds": time.monotonic() - begun,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }


def size_on_disk(path: Path) -> int:
    """Return the size of a folder's files [bytes]."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def row(folder: Path, n: int, limit: float, stages: Sequence[str]) -> dict[str, Any]:
    """Return what training on, generating and judging ``n`` showers takes, as far as these stages are asked for."""
    truth, run, made = sample(folder, n), folder / f"run-{n}", folder / f"generated-{n}.zarr"
    settings = ("data.in_memory=false", f"training.steps={STEPS}", f"training.validate_every={STEPS}")
    overrides = [f"data.path={truth}", *settings, "training.batch_size=32"]
    if n > SIZES[0] and "train" in stages:
        # A run that is complete would be measured as nothing.
        shutil.rmtree(run, ignore_errors=True)
        train = measured(["train", EXPERIMENT, "-o", run, *(x for one in overrides for x in ("--set", one))], limit)
    else:
        # too few for the quantiles of a network: the next larger one's model generates
        train, run = {}, run if n > SIZES[0] else folder / f"run-{SIZES[1]}"
    found: dict[str, Any] = {"showers": n, "bytes": n * SECTIONS * ALPHA_BINS * RINGS * 4}
    found["store_bytes"] = size_on_disk(truth)
    found["train"] = train
    like = ["--energy", "log:1:100", "-n", n, "--seed", 5, "--overwrite"]
    found["generate"] = measured(["generate", run, made, *like], limit) if "generate" in stages else {}
    judge = ["judge", truth, made, "--max-events", JUDGED, "-o", folder / f"report-{n}"]
    found["judge"] = measured(judge, limit) if n >= SIZES[1] and "judge" in stages else {}
    return found


def campaign(folder: Path) -> dict[str, Any]:
    """Return time per shower and core, and disk per shower, of Geant4 and of a shipped generator, several times."""
    found: dict[str, Any] = {}
    for name, n, arguments in (
        ("geant4", GEANT4_CAMPAIGN, ["simulate", "geant4", "--geometry", "calogan", "--particle", "e+"]),
        (GENERATOR, GENERATED_CAMPAIGN, ["generate", GENERATOR]),
        (f"{GENERATOR}, onnx", GENERATED_CAMPAIGN, ["generate", GENERATOR, "--runtime", "onnx"]),
    ):
        seconds = []
        out = folder / f"campaign-{name.replace(', ', '-')}.zarr"
        for seed in range(REPEATED):
            here = [*arguments, "--energy", "log:1:100", "-n", n, "--seed", seed + 1, "--overwrite", out]
            few = [*arguments, "--energy", "log:1:100", "-n", 1, "--seed", seed + 1, "--overwrite", out]
            start = measured(few, 64)["cpu_seconds"]
            seconds.append((measured(here, 64)["cpu_seconds"] - start) / n)
        found[name] = {"showers": n, "cpu_seconds": seconds, "store_bytes": size_on_disk(out) / n}
    return found


def main() -> None:
    """Measure the sizes that are asked for; the others stay as they are in the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("runs/scale"), help="for samples and models (40 GB)")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of showers")
    parser.add_argument("--limit", type=float, default=4.0, help="memory that a command may allocate [GiB]")
    parser.add_argument("--campaign", action="store_true", help="measure a campaign of many small showers instead")
    parser.add_argument("--stages", default="train,generate,judge", help="what is measured; the rest stays as it is")
    asked = parser.parse_args()
    stages = asked.stages.split(",")
    asked.folder.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"sizes": {}}
    if asked.campaign:
        measured_here = {"processor": processor(), "measured": campaign(asked.folder)}
        write_record(RESULT, before | {"campaign": measured_here})
        return
    geant4 = ["simulate", "geant4", "--geometry", "calochallenge-3", "--particle", "e-", "--energy", "log:1:100"]
    measured([*geant4, "-n", GEANT4_SHOWERS, "--seed", 3, asked.folder / "geant4.zarr"], 64)
    rows: dict[str, Any] = before["sizes"]
    seconds = float(open_events(asked.folder / "geant4.zarr").attrs["seconds_per_event"])
    for n in sorted(int(size) for size in asked.sizes.split(",")):
        # The smallest size uses the model of the next one.
        if n == SIZES[0] and not (asked.folder / f"run-{SIZES[1]}").exists():
            rows[str(SIZES[1])] = row(asked.folder, SIZES[1], asked.limit, stages)
        there = rows.get(str(n), {})
        rows[str(n)] = there | {name: one for name, one in row(asked.folder, n, asked.limit, stages).items() if one}
        record = {
            "processor": processor(),
            "limit_gib": asked.limit,
            "judged": JUDGED,
            "steps": STEPS,
            "geant4_seconds": seconds,
            "sizes": dict(sorted(rows.items(), key=lambda one: int(one[0]))),
        }
        write_record(RESULT, before | record)


if __name__ == "__main__":
    main()
