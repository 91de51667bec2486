"""Coverage of the default fits of ``simulacra fit``, at five points of the box and three truths of alphaS.

Nothing is calibrated here: the reweighter's file contains its calibration over the box. Data and references have seeds
not used for training or calibration. Each pseudo-experiment is fitted by
:class:`simulacra.fits.default_fit.RatioFit`, as the command does (log ratios interpolated in the parameters), to one of
several references of 100,000 events in turn: alphaS alone with the others fixed at the truth, and all three together.
Experiments at one point share the calibration and some of the references. Their intervals include these errors, but
their pulls are correlated.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from benchmarks.records import write_record
from benchmarks.reweighting.samples import DETECTOR_SEED, PARAMETERS, Sample, write_sample
from rich.console import Console
from rich.table import Table

from simulacra.fits.coverage import Coverage, pseudo_experiments
from simulacra.fits.default_fit import RatioFit
from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.fits.result import Fit
from simulacra.reweighting.reweighter import Reweighter
from simulacra.simulators.detector import write_detector
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.store import open_events
from simulacra.training.checkpoint import versions
from simulacra.whole_files import whole_file

DEFAULT: Final = {"alphaS": 0.1365, "aLund": 0.68, "probStoUD": 0.217}
#: the source's parameters, and four points towards non-adjacent corners of the box
POINTS: Final = (
    DEFAULT,
    {"alphaS": 0.112, "aLund": 0.60, "probStoUD": 0.26},
    {"alphaS": 0.165, "aLund": 0.76, "probStoUD": 0.27},
    {"alphaS": 0.160, "aLund": 0.59, "probStoUD": 0.135},
    {"alphaS": 0.115, "aLund": 0.78, "probStoUD": 0.14},
)
TRUTHS: Final = tuple({**DEFAULT, "alphaS": value} for value in (0.1473, 0.1129, 0.1618))
SIZES: Final = {1: 5_000, 3: 5_000}
REFERENCE: Final = 100_000
PIECES: Final = 6
_KINDS: Final = {"point": POINTS, "truth": TRUTHS}
CHUNK: Final = 5_000
BOX: Final = {"alphaS": "uniform:0.10:0.18", "aLund": "uniform:0.5:0.9", "probStoUD": "uniform:0.1:0.3"}
#: the samples of the shipped calibration, made by ``simulacra calibrate``
CALIBRATION: Final = {
    "cal-prior": Sample(5_000_000, 3105, {"vary": BOX, "events_per_draw": 1000}, CHUNK),
    "cal-default": Sample(1_000_000, 3106, chunk_size=CHUNK),
}


def _pieces_of(name: str) -> int:
    """Return the number of pieces of 200,000 events of a sample.

    The estimates from the first three at the source's parameters scatter by three quarters of their errors; three more
    show whether that is chance.
    """
    return PIECES if name == "point-0" else 3 if name.startswith("point") else 1


SAMPLES: Final = {
    **{f"ref-{k}": Sample(200_000, 3221 + k, chunk_size=CHUNK) for k in range(4)},
    **{
        f"{kind}-{k}-{piece}": Sample(
            200_000, seed + 10 * k + piece, {} if truth == DEFAULT else {"values": _changed}, CHUNK
        )
        for (kind, truths), seed in zip(_KINDS.items(), (3500, 3600), strict=True)
        for k, truth in enumerate(truths)
        for _changed in [{name: str(value) for name, value in truth.items() if kind == "point" or name == "alphaS"}]
        for piece in range(_pieces_of(f"{kind}-{k}"))
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/coverage"), help="samples and journals")
    parser.add_argument("--model", default="dctr-z", help="reweighter: shipped name, file or folder")
    parser.add_argument("--pieces", type=int, default=PIECES, help="of 200,000 events each, at most")
    parser.add_argument("--references", type=int, default=8, help="references of 100,000 events, at most 8")
    parser.add_argument("--only", nargs="*", default=None, metavar="SAMPLE", help="samples, such as point-0 truth-2")
    parser.add_argument("--fitted", type=int, nargs="*", default=[1, 3], help="numbers of parameters that are fitted")
    parser.add_argument(
        "--detector",
        action="store_true",
        help="fits behind the detector (--model srgn-z)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    model = Reweighter.load(arguments.model)
    kinds = {f"{kind}-{k}": truth for kind, truths in _KINDS.items() for k, truth in enumerate(truths)}
    chosen = [name for name in kinds if arguments.only is None or name in arguments.only]
    pieces = {name: min(arguments.pieces, _pieces_of(name)) for name in chosen}
    needed = [f"ref-{k}" for k in range((arguments.references + 1) // 2)]
    needed += [f"{name}-{piece}" for name in chosen for piece in range(pieces[name])]
    run = Run(arguments.folder, arguments.model, arguments.references, tuple(arguments.fitted), arguments.detector)
    # New processes: a process that has used torch must not be forked.
    with ProcessPoolExecutor(arguments.workers, multiprocessing.get_context("spawn")) as pool:
        seconds = sum(pool.map(prepare, [run] * len(needed), needed))
        rows = []
        jobs = [pool.submit(coverage_at, run, name, kinds[name], pieces[name]) for name in chosen]
        for job in jobs:
            found, used = job.result()
            rows += found
            seconds += used
            Console(width=150).print(table_of(found))
    record = {
        "model": model.name,
        "detector": arguments.detector,
        "calibration": {method: told["made_from"] for method, told in model.fit_calibration.items()},
        "events": {"one parameter": SIZES[1], "three": SIZES[3]},
        "reference_events": REFERENCE,
        "references": arguments.references,
        "pieces": arguments.pieces,
        "core_seconds": seconds,
        "versions": versions(),
        "rows": sorted(rows, key=lambda one: one["fitted"]),
    }
    path = arguments.output / f"default-fits{'-detector' if arguments.detector else ''}.json"
    write_record(path, record)
    Console(width=150).print(table_of(rows))
    print(f"written to {path}")


@dataclass(frozen=True)
class Run:
    """The arguments of all processes: folder, model, numbers of references and fitted parameters, detector or not."""

    folder: Path
    model: str
    references: int
    fitted: tuple[int, ...]
    detector: bool


def prepare(run: Run, name: str) -> float:
    """Simulate and embed a sample if needed; return the processor's seconds."""
    began = time.process_time()
    torch.set_num_threads(1)
    sample(run, name, Reweighter.load(run.model))
    return time.process_time() - began


@functools.cache
def fits_to_references(run: Run) -> tuple[RatioFit, ...]:
    """Return the default fit to each of the references, once per process."""
    model = Reweighter.load(run.model)
    found = []
    for k in range(run.references):
        half = np.arange(REFERENCE) + (k % 2) * REFERENCE
        found.append(RatioFit(model, sample(run, f"ref-{k // 2}", model).select(half)))
    return tuple(found)


def sample(run: Run, name: str, model: Reweighter) -> EmbeddedEvents:
    """Simulate and embed a sample if needed, and return it."""
    path, kept = run.folder / f"{name}.zarr", run.folder / f"{name}-{summaries_of(model)}.npz"
    if not kept.exists():
        wanted = SAMPLES[name]
        write_sample(path, wanted, wanted.n)
        if run.detector:
            particles, path = path, run.folder / f"{name}-seen.zarr"
            write_detector(particles, path, DetectorSettings.load("lep-like"), seed=DETECTOR_SEED)
        found = model.embed(open_events(path))
        summaries = {f"summary_{k}": z.numpy() for k, z in enumerate(found.summaries)}
        with whole_file(kept) as fresh, fresh.open("wb") as file:
            np.savez(file, weights=found.weights, **summaries)  # type: ignore[arg-type]
    with np.load(kept, allow_pickle=False) as held:
        members = [torch.from_numpy(held[f"summary_{k}"]) for k in range(model.size)]
        return embedded(members, held["weights"], label=name)


def summaries_of(model: Reweighter) -> str:
    """Return a digest of only the networks: their summaries do not depend on the calibration."""
    digest = hashlib.sha256()
    for k in range(model.size):
        for name, tensor in sorted(model.member(k).network.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:12]


def coverage_at(run: Run, name: str, truth: dict[str, float], pieces: int) -> tuple[list[dict[str, Any]], float]:
    """Fit disjoint pseudo-experiments, each to one of the references in turn; a stopped run continues.

    Returns the rows of each parameter, and the processor's seconds.
    """
    began = time.process_time()
    torch.set_num_threads(1)
    references = fits_to_references(run)
    model = references[0].reweighter
    pools = [sample(run, f"{name}-{piece}", model) for piece in range(pieces)]
    largest = max(SIZES.values())
    blocks = [pool.select(np.arange(largest) + at) for pool in pools for at in range(0, len(pool), largest)]
    many = [reference.of_many(blocks[which :: run.references]) for which, reference in enumerate(references)]

    rows: list[dict[str, Any]] = []
    for free in (("alphaS",), PARAMETERS):
        if len(free) not in run.fitted or (len(free) > 1 and name.startswith("truth")):
            continue
        size = SIZES[len(free)]
        held = {parameter: value for parameter, value in truth.items() if parameter not in free}
        cut = [(block, at) for block in range(len(blocks)) for at in range(0, largest, size)]

        def one(where: tuple[int, int], free: tuple[str, ...] = free, held: dict[str, float] = held) -> Fit:
            block, at = where
            fits = many[block % run.references]
            events = fits.samples[block // run.references].select(np.arange(SIZES[len(free)]) + at)
            return fits(events, free=free, fixed=held)

        found = pseudo_experiments(
            one,
            cut,
            truth,
            journal=run.folder / "journals" / f"{model.name}-{name}-{len(free)}.jsonl",
            run={
                "model": model.sha256,
                "calibration": model.fit_calibration["likelihood_ratio"]["coefficients"],
                "references": run.references,
            },
        )
        rows += [row(name.replace("-", " "), truth, parameter, found, len(free)) for parameter in free]
    return rows, time.process_time() - began


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
