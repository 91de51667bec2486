"""Reweighting and fits with real Pythia 8: the figures of the talk's Part II, with their uncertainties.

Simulates what is missing, trains the two-sample reweighters, judges them and the continuous one, checks both against
exact weights, scans alphaS, and fits pseudo-experiments at particle level and behind a detector. Each stage runs
once: a stopped run continues, ``--fresh`` forgets the numbers (not the simulated events). The continuous
reweighters are the shipped ones; ``--retrain`` first trains them again, from their experiment files. ``--scale 0.1`` is
a quick look. Run: ``make bench-reweighting``.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.records import write_record
from benchmarks.reweighting import exact, fits, reweighters, scan
from benchmarks.reweighting.samples import PRIOR, SAMPLES, simulate
from benchmarks.reweighting.tables import print_tables
from benchmarks.stages import hold_scale, run_stage, run_stages

from simulacra.training.checkpoint import versions
from simulacra.whole_files import write_whole

FIT_TARGETS = ("alphaS", "aLund", "probStoUD", "three")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/reweighting"), help="samples, runs, pages, figures")
    parser.add_argument("--model", default="dctr-z", help="particle-level reweighter: shipped name, file or folder")
    parser.add_argument("--seen-model", default="srgn-z", help="detector-level reweighter, likewise")
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything, against the full benchmark")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--fresh", action="store_true", help="do all stages again, with the samples that are there")
    parser.add_argument("--only", nargs="*", default=None, metavar="PREFIX", help="stages whose names begin so")
    parser.add_argument("--retrain", action="store_true", help="train the continuous reweighters first (an hour)")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    hold_scale(folder, arguments.scale)
    if arguments.fresh:
        for name in ("results", "runs", "pages", "figures"):
            shutil.rmtree(folder / name, ignore_errors=True)

    def wanted(name: str) -> bool:
        return arguments.only is None or any(name.startswith(prefix) for prefix in arguments.only)

    found: dict[str, dict[str, Any]] = {}
    for name in SAMPLES:
        if wanted(f"simulate-{name}"):
            stage = f"simulate-{name}"
            found[stage] = run_stage(folder, stage, simulate, name, arguments.workers, arguments.scale)
    model, seen_model, scale = arguments.model, arguments.seen_model, arguments.scale
    if arguments.retrain:
        run_stage(folder, "simulate-prior", simulate, "prior", arguments.workers, scale)
        model, seen_model = retrain(folder)
    stages: dict[str, tuple[Any, ...]] = {
        **{f"reweight-{name}": (reweighters.train_and_judge, name, scale) for name in reweighters.TARGETS},
        "reweight-exact": (exact.trained_on_exact, scale),
        **{f"continuous-{n}": (reweighters.judge_continuous, n, model, scale) for n in reweighters.PARAMETERS},
        "exact-continuous": (exact.against_continuous, model),
        "scan": (scan.closure_against_alpha_s, model, scale),
    }
    for target in FIT_TARGETS:
        stages[f"fit-particle-{target}"] = (fits.particle_level, target, model, scale)
        stages[f"fit-detector-{target}"] = (fits.detector_level, target, model, seen_model, scale)
    found |= run_stages(folder, {name: stages[name] for name in stages if wanted(name)}, arguments.workers)
    record = {
        "scale": scale,
        "models": {"particle": model, "detector": seen_model},
        "machine": {"processor": platform.processor() or platform.machine(), "workers": arguments.workers},
        "versions": versions(),
        "wall_seconds_of_this_run": time.monotonic() - began,
        "seconds_of_all_stages": sum(stage["seconds"] for stage in found.values()),
        "core_seconds_of_all_stages": sum(stage["core_seconds"] for stage in found.values()),
        "prior": vars(PRIOR),
        "stages": found,
    }
    path = arguments.output / "reweighting.json"
    write_record(path, record)
    write_whole(arguments.output / "reweighting.md", print_tables(record))
    core = record["core_seconds_of_all_stages"] / 60
    print(f"{record['wall_seconds_of_this_run'] / 60:.1f} minutes, all stages {core:.0f} minutes of one core")
    print(f"written to {path}; pages in {folder / 'pages'}")


def retrain(folder: Path) -> tuple[str, str]:
    """Train both continuous reweighters from their experiment files and return their folders."""
    from simulacra.training.settings import read_experiment
    from simulacra.workflows.train import train_reweighter

    runs = []
    for name in ("dctr-z", "srgn-z"):
        file = Path("experiments") / f"{name}.toml"
        overrides = [] if not runs else [f'system.reweighter="{runs[0]}"']
        run = folder / "runs" / name
        print(train_reweighter(read_experiment(file, overrides), run, file.read_text(encoding="utf-8")))
        runs.append(str(run))
    return runs[0], runs[1]


if __name__ == "__main__":
    main()
