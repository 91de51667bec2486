"""The front of shower generators: AUCs, distances, memorisation and milliseconds per shower on one truth, in one run.

The truth is the shipped Geant4 reference sample of each particle, or the test part of a larger file (``--truth``),
whose training part then shows whether showers were memorised. The models are those of ``models.toml``; a missing one
leaves an empty row. Each number is computed once: a stopped run continues, a number is computed again if its model's
file, the truth or the settings changed, and ``--fresh`` forgets all, such as after a change of the judges. The stages
share the cores, one thread each; the times are measured last, one after the other.
Run: ``make bench-showers``.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.showers.cost import cost_of
from benchmarks.showers.drawing import Job
from benchmarks.showers.figure import front
from benchmarks.showers.models import (
    LIST,
    PARTICLES,
    Entry,
    digest,
    files_of,
    geant4,
    read_entries,
    read_record,
    with_given,
)
from benchmarks.showers.quality import FOLDS, area, distances
from benchmarks.showers.speed import speed
from benchmarks.showers.summary import GOALS, JUDGED, NOT_TRAINED, model_record
from benchmarks.showers.tables import print_tables
from benchmarks.showers.truth import Sources, measured_milliseconds, milliseconds, pair
from benchmarks.stages import run_stages

from simulacra.judges.published_results import read_published
from simulacra.training.checkpoint import versions
from simulacra.whole_files import write_whole

QUICK_SHOWERS: Final = 400
QUICK_SECONDS: Final = 0.1
#: the slowest first, so no core waits at the end
QUALITY: Final = {"low_level": (area, "low_level"), "shapes": (area, "shapes"), "distances": (distances,)}


def main() -> None:
    arguments = _arguments()
    began = time.monotonic()
    folder: Path = arguments.folder
    if arguments.fresh:
        shutil.rmtree(folder / "results", ignore_errors=True)
    entries = _or_stop(lambda: with_given(read_entries(arguments.list), arguments.models))
    record_name, goals = read_record(arguments.list, GOALS)
    chosen = [e for e in entries.values() if arguments.only is None or e.name.startswith(tuple(arguments.only))]
    sources = _or_stop(lambda: _sources(arguments, {entry.particle for entry in chosen}))
    published = None
    if arguments.published is not None:
        published = _or_stop(lambda: read_published(arguments.published, arguments.published_set))
    seconds = QUICK_SECONDS if arguments.quick else arguments.seconds

    jobs: dict[str, tuple[Job, str]] = {}
    costs: dict[str, dict[str, Any]] = {}
    statuses: dict[str, str] = {}
    listed = [entry for particle in sources for entry in (geant4(particle), *_of(chosen, particle))]
    truths = {particle: source.events() for particle, source in sources.items()}
    marks = {particle: digest(events["shower"].values.tobytes()) for particle, events in truths.items()}
    for entry in listed:
        statuses[entry.name], cost = _status(entry, list(map(str, truths[entry.particle].data_vars)))
        if statuses[entry.name] == JUDGED:
            job = Job(entry, sources[entry.particle], arguments.seed, arguments.cell_threshold)
            jobs[entry.name] = job, digest(job, marks[entry.particle], *files_of(entry).values())
        if cost is not None:
            costs[entry.name] = cost

    names: dict[tuple[str, str], str] = {}
    quality: dict[str, tuple[Any, ...]] = {}
    for kind, (function, *further) in QUALITY.items():
        for name, (job, mark) in jobs.items():
            names[name, kind] = f"{kind}-{name}-{mark}"
            quality[names[name, kind]] = (function, job, *further)
    timed: dict[str, tuple[Any, ...]] = {}
    for name, (job, mark) in jobs.items():
        if job.entry.weights is not None:
            names[name, "speed"] = f"speed-{name}-{mark}-{digest(seconds)}"
            timed[names[name, "speed"]] = (speed, job, seconds)
    found = run_stages(folder, quality, arguments.workers) | run_stages(folder, timed, 1)

    stages = {entry.name: {k: found[n] for (name, k), n in names.items() if name == entry.name} for entry in listed}
    record = {
        "settings": {
            "seed": arguments.seed,
            "folds": FOLDS,
            "cell_threshold": arguments.cell_threshold,
            "quick": arguments.quick,
            "seconds_a_time": seconds,
        },
        "goals": goals,
        "particles": {
            particle: _particle(arguments, source, truths[particle])
            | {
                "models": [
                    model_record(entry, statuses[entry.name], costs.get(entry.name), stages[entry.name], goals)
                    for entry in listed
                    if entry.particle == particle
                ]
            }
            for particle, source in sources.items()
        },
        "published": published,
        "processor": processor(),
        "versions": versions(),
        "wall_seconds_of_this_run": time.monotonic() - began,
        "core_seconds_of_all_stages": sum(stage["core_seconds"] for stage in found.values()),
    }
    output: Path = arguments.output or (folder / "quick" if arguments.quick else Path("benchmarks/results"))
    record = write_record(output / f"{record_name}.json", record)
    write_whole(output / f"{record_name}.md", print_tables(record))
    for suffix, drawing in zip(("svg", "png"), front(record, published), strict=True):
        write_whole(output / f"{record_name}.{suffix}", drawing)
    print(f"{record['wall_seconds_of_this_run'] / 60:.1f} minutes; written to {output / f'{record_name}.json'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", nargs="*", default=[], metavar="PARTICLE=FILE", help="Geant4 showers, e+ or gamma")
    parser.add_argument(
        "--training", nargs="*", default=[], metavar="PARTICLE=FILE", help="what was trained on, if not --truth"
    )
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME=PATH", help="weights for a name, or a model")
    parser.add_argument("--list", type=Path, default=LIST, help="of the models")
    parser.add_argument("--only", nargs="*", default=None, metavar="PREFIX", help="models whose names begin so")
    parser.add_argument("--published", type=Path, default=None, help="published results, drawn in grey")
    parser.add_argument("--published-set", default="ds1_photons", help="the data set of them")
    parser.add_argument("--geant4", type=int, default=None, metavar="N", help="time Geant4 here, with N showers")
    parser.add_argument("--cell-threshold", type=float, default=0.0, help="up to which a cell counts as empty [MeV]")
    parser.add_argument("--seconds", type=float, default=1.5, help="seconds for each time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SHOWERS} showers, to see that it runs")
    parser.add_argument("--fresh", action="store_true", help="find all numbers again")
    parser.add_argument("--folder", type=Path, default=Path("runs/showers-benchmark"), help="of the stages' numbers")
    parser.add_argument("-o", "--output", type=Path, default=None, help="folder; benchmarks/results if not given")
    return parser.parse_args()


def _or_stop(call: Any) -> Any:
    try:
        return call()
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error


def _sources(arguments: argparse.Namespace, particles: set[str]) -> dict[str, Sources]:
    given = {}
    for option in ("truth", "training"):
        files = {}
        for text in getattr(arguments, option):
            particle, _, file = text.partition("=")
            if particle not in PARTICLES or not file:
                raise ValueError(f"--{option} {text}: give PARTICLE=FILE with a particle of {', '.join(PARTICLES)}")
            files[particle] = file
        given[option] = files
    most = QUICK_SHOWERS if arguments.quick else None
    return {
        particle: Sources(particle, given["truth"].get(particle), given["training"].get(particle), most)
        for particle in PARTICLES
        if particle in particles
    }


def _of(entries: list[Entry], particle: str) -> list[Entry]:
    return [entry for entry in entries if entry.particle == particle]


def _status(entry: Entry, held: list[str]) -> tuple[str, dict[str, Any] | None]:
    """Return "judged", or why an entry is not judged, and the contents of its files."""
    if entry.weights is None:
        return JUDGED, None
    for name, file in files_of(entry).items():
        if file is None:
            print(f"{entry.name}: there is no model '{name}', neither shipped nor in benchmarks/weights: not trained")
            return NOT_TRAINED, None
    try:
        cost = cost_of(entry)
    except (KeyError, RuntimeError, ValueError) as error:
        print(f"{entry.name}: cannot be used: {error}")
        return f"cannot be used: {error}", None
    if lacking := [condition for condition in cost["conditions"] if condition not in held]:
        print(f"{entry.name}: the truth does not hold {', '.join(lacking)}: give a sample that does by --truth")
        return f"the truth does not hold {', '.join(lacking)}", None
    return JUDGED, cost


def _particle(arguments: argparse.Namespace, source: Sources, events: Any) -> dict[str, Any]:
    cost, error, said = milliseconds(events), None, "its time per shower is that on the machine that made the truth"
    if cost is None:
        said = "the truth does not say how long a shower took"
    if arguments.geant4 is not None:
        try:
            cost, error = measured_milliseconds(events, source.particle, arguments.geant4, arguments.seed)
            said = f"its time per shower was measured here with {arguments.geant4} showers, ± {error:.2g} ms"
        except (ImportError, RuntimeError, ValueError) as fault:
            print(f"Geant4 does not run here ({fault}): {said}")
    return {
        "truth": source.said(),
        "showers": events.sizes["event"],
        "training": source.training or source.truth,
        "pair": pair(source)[2],
        "geant4_milliseconds": cost,
        "geant4_milliseconds_error": error,
        "geant4_time": said,
    }


if __name__ == "__main__":
    main()
