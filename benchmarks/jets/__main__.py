"""Every system of jets on events never seen in training: one table, one JSON file and the figures of docs/.

Each stage simulates its truth (real Pythia), generates as many events with the shipped model, and measures them. A
stage runs once: a stopped run continues, ``--fresh`` forgets the numbers, ``--only clouds`` runs stages whose names
begin so and keeps the others' last results. ``--scale 0.1`` is a quick look, and is not written to the results.
Run: ``make bench-jets``.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401  # isort: skip - before numpy and torch

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks.jets import clouds, images, parton_shower, pile_up, tagger, templates
from benchmarks.jets.rows import NothingShippedError, table_of
from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.stages import hold_scale, run_stage
from rich.console import Console

#: a module for each stage, with ``measure(folder, scale)``, whose result has ``rows`` (records of
#: :class:`benchmarks.jets.rows.Row`), and ``draw(found, path)``, which draws its figure
STAGES: Final[Mapping[str, ModuleType]] = {
    "clouds": clouds,
    "images": images,
    "parton-shower": parton_shower,
    "pile-up": pile_up,
    "templates": templates,
    "tagger": tagger,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/jets-benchmark"), help="of samples and numbers")
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything, against the full benchmark")
    parser.add_argument("--only", nargs="*", default=None, metavar="PREFIX", help="stages whose names begin so")
    parser.add_argument("--fresh", action="store_true", help="do these stages again")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    if not arguments.scale > 0:
        raise SystemExit(f"--scale must be above 0, not {arguments.scale}")
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    hold_scale(folder, arguments.scale)
    wanted = [name for name in STAGES if arguments.only is None or name.startswith(tuple(arguments.only))]
    if not wanted:
        raise SystemExit(f"no stage begins with {arguments.only}: there are {', '.join(STAGES)}")
    if arguments.fresh:
        for name in wanted:
            (folder / "results" / f"{name}.json").unlink(missing_ok=True)
    output: Path = arguments.output if arguments.scale == 1.0 else folder
    path = output / "jets.json"
    record = _record(path)
    for name in wanted:
        try:
            found = run_stage(folder, name, STAGES[name].measure, arguments.scale)
        except NothingShippedError as nothing:
            print(f"{name} is left out: {nothing}")
            continue
        # Read again, for another stage may have been measured meanwhile.
        record = _record(path) | {name: found | {"processor": processor()}}
        write_record(path, record)
        STAGES[name].draw(found, output / f"jets-{name}.svg")
    Console(width=max(shutil.get_terminal_size().columns, 160)).print(
        table_of(row for name in STAGES if name in record for row in record[name]["rows"]).printed()
    )
    print(f"written to {path}")


def _record(path: Path) -> dict[str, Any]:
    """Return the results so far, by stage."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


if __name__ == "__main__":
    main()
