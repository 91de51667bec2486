"""Failures that the judges detect, their false alarms on perfect generators, the verdicts, and the times.

The stages are planted failures with known truth (``planted``, ``planted_showers``) at several sample sizes and seeds,
their verdicts for a full stand-in, 200 draws of truth against truth, distances of Gaussians against their formulas, and
the time on 50,000 + 50,000 events of 40 features. Each stage runs once: a stopped run continues, ``--fresh`` forgets
the numbers. ``--scale 0.1`` is a quick look. The stages share the cores, one thread each; the times are measured last,
alone. Run: ``make bench-judges``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.judges import closed_forms, detection, false_alarms, speed, verdicts
from benchmarks.judges.panel import ALONE, TIMED
from benchmarks.judges.planted import FAILURES
from benchmarks.judges.tables import print_tables
from benchmarks.records import write_record
from benchmarks.stages import hold_scale, run_stage, run_stages

from simulacra.training.checkpoint import versions
from simulacra.whole_files import write_whole

#: smallest sample of a quick look: enough for all judges
FEWEST_EVENTS: Final = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/judges-benchmark"), help="of the stages' numbers")
    parser.add_argument("--sizes", type=int, nargs="+", default=detection.SIZES, help="events of each sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=detection.SEEDS, help="draws of each failure, by size")
    parser.add_argument("--draws", type=int, default=false_alarms.DRAWS, help="of truth against truth")
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything, against the full benchmark")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--fresh", action="store_true", help="do all stages again")
    parser.add_argument("--only", nargs="*", default=None, metavar="PREFIX", help="stages whose names begin so")
    parser.add_argument("--judge", choices=tuple(ALONE), help="only this judge, added to the numbers of the others")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if not arguments.scale > 0:
        raise SystemExit(f"--scale must be above 0, not {arguments.scale}")
    if len(arguments.seeds) != len(arguments.sizes):
        raise SystemExit(
            f"{len(arguments.sizes)} sizes and {len(arguments.seeds)} numbers of seeds: give one for each size"
        )
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    hold_scale(folder, arguments.scale)
    if arguments.fresh:
        shutil.rmtree(folder / "results", ignore_errors=True)

    def scaled(full: int, least: int) -> int:
        return max(min(full, least), round(full * arguments.scale))

    pairs = sorted(zip(arguments.sizes, arguments.seeds, strict=True))
    seeds = {scaled(n, FEWEST_EVENTS): scaled(most, 1) for n, most in pairs}
    path = arguments.output / "judges.json"
    if arguments.judge is not None:
        one = {
            **false_alarms.stages(
                scaled(false_alarms.EVENTS, FEWEST_EVENTS), scaled(arguments.draws, 2), arguments.judge
            ),
            **detection.stages(seeds, arguments.judge),
        }
        record = added(
            json.loads(path.read_text(encoding="utf-8")),
            summary(run_stages(folder, one, arguments.workers), seeds),
            speed.measure(scaled(speed.EVENTS, 1_000), only=TIMED[arguments.judge]),
        )
        write_record(path, record)
        write_whole(arguments.output / "judges.md", print_tables(record))
        return
    stages: dict[str, tuple[Any, ...]] = {
        **closed_forms.stages(scaled(closed_forms.EVENTS, 1_000), closed_forms.SEEDS),
        **false_alarms.stages(scaled(false_alarms.EVENTS, FEWEST_EVENTS), scaled(arguments.draws, 2)),
        **detection.stages(seeds),
        **verdicts.stages(
            {scaled(n, FEWEST_EVENTS): scaled(verdicts.DRAWS, 1) for n in verdicts.SIZES},
            scaled(verdicts.SHOWERS, FEWEST_EVENTS // 2),
            scaled(verdicts.DRAWS, 1),
        ),
    }

    def wanted(name: str) -> bool:
        return arguments.only is None or any(name.startswith(prefix) for prefix in arguments.only)

    found = run_stages(folder, {name: stages[name] for name in stages if wanted(name)}, arguments.workers)
    if wanted("speed"):
        found["speed"] = run_stage(folder, "speed", timing, scaled(speed.EVENTS, 1_000))
    record = summary(found, seeds) | {
        "scale": arguments.scale,
        "workers": arguments.workers,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": versions(),
        "wall_seconds_of_this_run": time.monotonic() - began,
        "seconds_of_all_stages": sum(stage["seconds"] for stage in found.values()),
        "core_seconds_of_all_stages": sum(stage["core_seconds"] for stage in found.values()),
    }
    write_record(path, record)
    write_whole(arguments.output / "judges.md", print_tables(record))
    minutes = [record[key] / 60 for key in ("wall_seconds_of_this_run", "core_seconds_of_all_stages")]
    print(f"{minutes[0]:.1f} minutes, all stages {minutes[1]:.0f} minutes of one core; written to {path}")


def added(before: dict[str, Any], found: dict[str, Any], times: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the numbers of one more judge, or with new numbers of one that is there."""
    for failure, judges in found["detection"].items():
        before["detection"][failure] |= judges
    before["false_alarms"] |= found["false_alarms"]
    before["speed"]["judges"] |= times["judges"]
    return before


def timing(_folder: Path, n: int) -> dict[str, Any]:
    """Return the time of each judge on n + n events."""
    return speed.measure(n)


def summary(found: dict[str, dict[str, Any]], seeds: dict[int, int]) -> dict[str, Any]:
    """Return the combined results of the stages."""
    return {
        "failures": {name: failure.title for name, failure in FAILURES.items()},
        "seeds": seeds,
        "detection": detection.summary(found, tuple(seeds)),
        "verdicts": verdicts.summary(found),
        "false_alarms": false_alarms.summary(found),
        "closed_forms": {name: stage for name, stage in found.items() if name.startswith("formula-")},
        "speed": found.get("speed", {}),
    }


if __name__ == "__main__":
    main()
