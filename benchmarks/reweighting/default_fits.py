"""Coverage of fits as ``simulacra fit`` makes them by default, at five points of the box and three truths of alphaS.

Nothing is calibrated here: the reweighter brings its calibration over the box. Data and references have seeds that
neither training nor calibration has used. Each pseudo-experiment is fitted by
:class:`simulacra.fits.default_fit.RatioFit`, as the command does (log ratios interpolated in the parameters), to one of
several references of 100,000 events in turn: alphaS alone with the others held at the truth, and all three together.
What experiments at a point have in common, the calibration and some of the references, is in their intervals, but
moves their pulls together.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from benchmarks.reweighting.samples import PARAMETERS, Sample
from rich.console import Console
from rich.table import Table

from simulacra.fits.coverage import Coverage, pseudo_experiments
from simulacra.fits.default_fit import RatioFit
from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.pages.plain import plain
from simulacra.reweighting.reweighter import Reweighter
from simulacra.simulators.pythia import write_collisions
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.store import open_events
from simulacra.store.whole_files import write_whole
from simulacra.training.checkpoint import versions

DEFAULT: Final = {"alphaS": 0.1365, "aLund": 0.68, "probStoUD": 0.217}
#: the source's parameters, and four points towards corners of the box that are no neighbours
POINTS: Final = (
    DEFAULT,
    {"alphaS": 0.112, "aLund": 0.60, "probStoUD": 0.26},
    {"alphaS": 0.165, "aLund": 0.76, "probStoUD": 0.27},
    {"alphaS": 0.160, "aLund": 0.59, "probStoUD": 0.135},
    {"alphaS": 0.115, "aLund": 0.78, "probStoUD": 0.14},
)
TRUTHS: Final = tuple({**DEFAULT, "alphaS": value} for value in (0.1473, 0.1129, 0.1618))
SIZES: Final = {1: 5_000, 3: 10_000}
REFERENCE: Final = 100_000
PIECES: Final = 3
CHUNK: Final = 5_000
BOX: Final = {"alphaS": "uniform:0.10:0.18", "aLund": "uniform:0.5:0.9", "probStoUD": "uniform:0.1:0.3"}
#: what the shipped calibration is made of, by ``simulacra calibrate``
CALIBRATION: Final = {
    "cal-prior": Sample(500_000, 3102, {"vary": BOX, "events_per_draw": 100}),
    "cal-default": Sample(300_000, 3101),
}
SAMPLES: Final = {
    **{f"ref-{k}": Sample(200_000, 3201 + k) for k in range(4)},
    **{
        f"{kind}-{k}-{piece}": Sample(n, seed + 10 * k + piece, {} if truth == DEFAULT else {"values": _changed})
        for kind, truths, n, seed in (("point", POINTS, 200_000, 3300), ("truth", TRUTHS, 100_000, 3400))
        for k, truth in enumerate(truths)
        for _changed in [{name: str(value) for name, value in truth.items() if kind == "point" or name == "alphaS"}]
        for piece in range(PIECES)
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/coverage"), help="samples and journals")
    parser.add_argument("--model", default="dctr-z", help="reweighter: shipped name, file or folder")
    parser.add_argument("--pieces", type=int, default=PIECES, help="of each point's events, at most 3")
    parser.add_argument("--first-piece", type=int, default=0, help="of each point's events that is taken, from 0")
    parser.add_argument("--most", type=int, default=None, help="fits of each sample, at most; all by default")
    parser.add_argument("--references", type=int, default=4, help="references of 100,000 events, at most 8")
    parser.add_argument("--only", nargs="*", default=None, metavar="SAMPLE", help="samples, such as point-0 truth-2")
    parser.add_argument("--fitted", type=int, nargs="*", default=[1, 3], help="numbers of parameters that are fitted")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder: Path = arguments.folder
    model = Reweighter.load(arguments.model)
    began = time.process_time()
    references = []
    for k in range(arguments.references):
        whole = sample(folder, f"ref-{k // 2}", model, arguments.workers)
        half = np.arange(REFERENCE) + (k % 2) * REFERENCE
        references.append(RatioFit(model, whole.select(half)))
    rows: list[dict[str, Any]] = []
    for free in (("alphaS",), PARAMETERS):
        for kind, truths in (("point", POINTS), ("truth", TRUTHS)):
            if len(free) not in arguments.fitted or (kind == "truth" and len(free) > 1):
                continue
            for k, truth in enumerate(truths):
                if arguments.only is not None and f"{kind}-{k}" not in arguments.only:
                    continue
                pieces = [
                    sample(folder, f"{kind}-{k}-{piece}", model, arguments.workers)
                    for piece in range(arguments.first_piece, min(arguments.first_piece + arguments.pieces, PIECES))
                ]
                label = f"{kind}-{k}-from-{arguments.first_piece}"
                found = coverage_at(folder, label, truth, pieces, references, free, model, arguments.most)
                rows += [row(f"{kind} {k}", truth, name, found, len(free)) for name in free]
                print(rows[-len(free) :], flush=True)
    record = {
        "model": model.name,
        "calibration": {method: told["made_from"] for method, told in model.fit_calibration.items()},
        "events": {"one parameter": SIZES[1], "three": SIZES[3]},
        "reference_events": REFERENCE,
        "references": arguments.references,
        "first_piece": arguments.first_piece,
        "pieces": arguments.pieces,
        "core_seconds": time.process_time() - began,
        "versions": versions(),
        "rows": rows,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "default-fits.json"
    write_whole(path, json.dumps(plain(record, "default fits"), indent=1) + "\n")
    Console(width=150).print(table_of(rows))
    print(f"written to {path}")


def sample(folder: Path, name: str, model: Reweighter, workers: int) -> EmbeddedEvents:
    """Simulate a sample unless it is there, embed it unless that was done, and return it."""
    path, kept = folder / f"{name}.zarr", folder / f"{name}-{model.sha256[:12]}.npz"
    if not kept.exists():
        wanted = SAMPLES[name]
        if not path.exists():
            settings = PythiaSettings.model_validate({"process": "z-to-dijets", **wanted.settings})
            write_collisions(path, settings, seed=wanted.seed, n_events=wanted.n, workers=workers, chunk_size=CHUNK)
        found = model.embed(open_events(path))
        summaries = {f"summary_{k}": z.numpy() for k, z in enumerate(found.summaries)}
        beside = kept.with_name(f".{kept.name}")
        with beside.open("wb") as file:
            np.savez(file, weights=found.weights, **summaries)  # type: ignore[arg-type]
        beside.replace(kept)
    with np.load(kept, allow_pickle=False) as held:
        members = [torch.from_numpy(held[f"summary_{k}"]) for k in range(model.size)]
        return embedded(members, held["weights"], label=name)


def coverage_at(
    folder: Path,
    name: str,
    truth: dict[str, float],
    pieces: list[EmbeddedEvents],
    references: list[RatioFit],
    free: tuple[str, ...],
    model: Reweighter,
    most: int | None = None,
) -> Coverage:
    """Fit disjoint pseudo-experiments, each to one of the references in turn; a run that was stopped goes on."""
    size = SIZES[len(free)]
    held = {parameter: value for parameter, value in truth.items() if parameter not in free}
    cut = [(piece, start) for piece in pieces for start in range(0, len(piece) - size + 1, size)][:most]
    many: dict[int, Any] = {}

    def one(number: int) -> Any:
        which = number % len(references)
        if which not in many:
            mine = [n for n in range(len(cut)) if n % len(references) == which]
            samples = [cut[n][0].select(np.arange(cut[n][1], cut[n][1] + size)) for n in mine]
            fits = references[which].of_many(samples, free=free, fixed=held)
            many[which] = (fits, dict(zip(mine, fits.samples, strict=True)))
        fits, samples = many[which]
        return fits(samples[number])

    return pseudo_experiments(
        one,
        list(range(len(cut))),
        truth,
        journal=folder / "journals" / f"{name}-{len(free)}.jsonl",
        run={
            "model": model.sha256,
            "calibration": model.fit_calibration["likelihood_ratio"]["coefficients"],
            "references": len(references),
        },
    )


def row(label: str, truth: dict[str, float], name: str, found: Coverage, free: int) -> dict[str, Any]:
    """Return one parameter's results as a plain row."""
    told = vars(found.of(name))
    told.pop("name")
    return {"sample": label, "at": truth, "fitted": free, "parameter": name, "truth": truth[name], **told}


def table_of(rows: list[dict[str, Any]]) -> Table:
    """Return the results as a table."""
    table = Table(
        "sample", "fitted", "parameter", "truth", "fits", "coverage [%]", "bias", "pull mean", "pull width", "error"
    )
    for one in rows:
        table.add_row(
            one["sample"],
            str(one["fitted"]),
            one["parameter"],
            f"{one['truth']:g}",
            str(one["experiments"] + one["failed"]),
            f"{100 * one['coverage']:.0f} ({100 * one['coverage_low']:.0f} to {100 * one['coverage_high']:.0f})",
            f"{one['bias']:+.5f} ± {one['bias_error']:.5f}",
            f"{one['pull_mean']:+.2f} ± {one['pull_mean_error']:.2f}",
            f"{one['pull_width']:.2f} ± {one['pull_width_error']:.2f}",
            f"{one['mean_error']:.5f}",
        )
    return table


if __name__ == "__main__":
    main()
