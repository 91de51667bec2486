"""Stages that run once: each writes its numbers and its seconds to a file, and a stopped run continues from there."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.records import write_record

from simulacra.progress import ProgressBar
from simulacra.whole_files import write_whole

Stage = Callable[..., dict[str, Any]]


def hold_scale(folder: Path, scale: float) -> None:
    """Mark a folder with this scale, or stop if it has another: reused results must be of one size."""
    size = folder / "scale.txt"
    if size.exists() and float(size.read_text(encoding="utf-8")) != scale:
        raise SystemExit(f"{folder} was made at --scale {size.read_text(encoding='utf-8')}: choose another --folder")
    write_whole(size, f"{scale}")


def done(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the results of a stage, if it has run."""
    path = folder / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run_stage(folder: Path, name: str, function: Stage, *arguments: Any) -> dict[str, Any]:
    """Run a stage if needed, and return its numbers and its seconds."""
    if (found := done(folder, name)) is not None:
        return found
    began, used = time.monotonic(), _core_seconds()
    result = function(folder, *arguments)
    # The processor's time in addition to the clock's: the cost of the stage on an otherwise idle machine.
    result = {"seconds": time.monotonic() - began, "core_seconds": _core_seconds() - used} | result
    return write_record(folder / "results" / f"{name}.json", result)


def _core_seconds() -> float:
    """Return the processor's time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_stages(folder: Path, stages: Mapping[str, tuple[Any, ...]], workers: int) -> dict[str, dict[str, Any]]:
    """Run independent stages, each (function, *arguments), in processes of one thread each."""
    os.environ["OMP_NUM_THREADS"] = "1"
    found = {name: result for name in stages if (result := done(folder, name)) is not None}
    left = [name for name in stages if name not in found]
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool,
        ProgressBar("stages", len(stages), len(found), show=bool(left), kept=True) as bar,
    ):
        running = {pool.submit(run_stage, folder, name, *stages[name]): name for name in left}
        for future in as_completed(running):
            name = running[future]
            found[name] = future.result()
            bar.say(f"  {name}: {found[name]['seconds']:.0f} s")
            bar.update(len(found))
    return {name: found[name] for name in stages}
