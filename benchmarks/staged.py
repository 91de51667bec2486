"""The command of a benchmark of several systems: its stages, one table, one JSON file and a figure of each."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.rows import LeftOutError, table_of
from benchmarks.stages import hold_scale, run_stage
from rich.console import Console


def run(name: str, stages: Mapping[str, ModuleType], about: str | None) -> None:
    """Run the stages that the command line asks for.

    Parameters
    ----------
    name:
        of the benchmark: its results are ``NAME.json`` and ``NAME-STAGE.svg``.
    stages:
        a module for each stage, with ``measure(folder, scale)``, whose result has ``rows`` (records of
        :class:`benchmarks.rows.Row`); ``draw(found, path)`` draws its figure, if it has one.
    about:
        the description in the command's help.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(f"runs/{name}-benchmark"), help="of samples and numbers")
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
    wanted = [stage for stage in stages if arguments.only is None or stage.startswith(tuple(arguments.only))]
    if not wanted:
        raise SystemExit(f"no stage begins with {arguments.only}: there are {', '.join(stages)}")
    if arguments.fresh:
        for stage in wanted:
            (folder / "results" / f"{stage}.json").unlink(missing_ok=True)
    output: Path = arguments.output if arguments.scale == 1.0 else folder
    path = output / f"{name}.json"
    record = _record(path)
    for stage in wanted:
        try:
            found = run_stage(folder, stage, stages[stage].measure, arguments.scale)
        except LeftOutError as reason:
            print(f"{stage} is left out: {reason}")
            continue
        # Read again, for another stage may have been measured meanwhile.
        record = _record(path) | {stage: found | {"processor": processor()}}
        write_record(path, record)
        if draw := getattr(stages[stage], "draw", None):
            draw(found, output / f"{name}-{stage}.svg")
    rows = (row for stage in stages if stage in record for row in record[stage]["rows"])
    Console(width=max(shutil.get_terminal_size().columns, 160)).print(table_of(name, rows).printed())
    print(f"written to {path}")


def _record(path: Path) -> dict[str, Any]:
    """Return the results so far, by stage."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
