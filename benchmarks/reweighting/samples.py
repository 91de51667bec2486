"""The samples: e+e- -> Z -> hadrons at 91.2 GeV by Pythia 8, at particle and detector level."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import xarray as xr

from simulacra.simulators.detector import write_detector
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.simulators.pythia import write_collisions
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.store import open_events

SCAN: Final = tuple(round(0.10 + 0.01 * k, 2) for k in range(11))
PARAMETERS: Final = ("alphaS", "aLund", "probStoUD")
TRUTHS: Final = {"alphaS": 0.16, "aLund": 0.8, "probStoUD": 0.275}
THREE: Final = {"alphaS": 0.12, "aLund": 0.6, "probStoUD": 0.12}
#: points of runs for calibration curves: around the estimate, as in an analysis after a first fit
NEAR: Final = {"alphaS": "uniform:0.13:0.175", "aLund": "uniform:0.66:0.88", "probStoUD": "uniform:0.19:0.295"}
NEAR_THREE: Final = {"alphaS": "uniform:0.105:0.15", "aLund": "uniform:0.52:0.75", "probStoUD": "uniform:0.105:0.2"}
DETECTOR_SEED: Final = 91


@dataclass(frozen=True)
class Sample:
    """A sample to simulate: number of events, seed, Pythia's settings, and whether to simulate the detector."""

    n: int
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)
    chunk_size: int = 2500
    detector: bool = False
    fewest_chunks: int = 1


SAMPLES: Final = {
    "default": Sample(600_000, 1, detector=True),
    "alphaS": Sample(500_000, 11, {"values": {"alphaS": "0.16"}}, detector=True),
    "aLund": Sample(500_000, 12, {"values": {"aLund": "0.8"}}, detector=True),
    "probStoUD": Sample(500_000, 13, {"values": {"probStoUD": "0.275"}}, detector=True),
    "three": Sample(300_000, 14, {"values": {"alphaS": "0.12", "aLund": "0.6", "probStoUD": "0.12"}}, detector=True),
    "vincia": Sample(120_000, 15, {"shower": "vincia"}),
    "corner": Sample(120_000, 17, {"values": {"TimeShower:MEcorrections": "off"}}),
    "everywhere": Sample(120_000, 18, {"values": {"sigmaPT": "0.345"}}),
    "variations": Sample(
        120_000,
        19,
        {
            "variations": ("alphaS_up fsr:muRfac=0.7", "aLund_up frag:aLund=0.8", "strange_up frag:rho=0.275"),
            # Without these two the weight includes a compensation that no direct run has.
            "values": {"UncertaintyBands:muSoftCorr": "off", "UncertaintyBands:deltaAlphaSmax": "1"},
        },
    ),
    **{
        f"calibration-{name}": Sample(
            150_000,
            20 + k,
            {"vary": {name: NEAR[name]}, "events_per_draw": 5_000},
            chunk_size=5_000,
            detector=True,
            fewest_chunks=8,
        )
        for k, name in enumerate(PARAMETERS)
    },
    "calibration-three": Sample(
        400_000, 23, {"vary": NEAR_THREE, "events_per_draw": 10_000}, chunk_size=10_000, detector=True, fewest_chunks=12
    ),
    **{
        f"scan-{value:.2f}": Sample(30_000, 100 + k, {"values": {"alphaS": f"{value}"}}) for k, value in enumerate(SCAN)
    },
}
#: the training sample of the continuous reweighter, with the default sample
PRIOR: Final = Sample(
    1_000_000,
    2,
    {"vary": {"alphaS": "uniform:0.10:0.18", "aLund": "uniform:0.5:0.9", "probStoUD": "uniform:0.1:0.3"}},
)


def write_sample(path: Path, sample: Sample, n: int, workers: int = 1) -> None:
    """Simulate ``n`` events; a complete store is left unchanged, an incomplete one is continued."""
    settings = PythiaSettings.model_validate({"process": "z-to-dijets", **sample.settings})
    write_collisions(path, settings, seed=sample.seed, n_events=n, workers=workers, chunk_size=sample.chunk_size)


def simulate(folder: Path, name: str, workers: int, scale: float) -> dict[str, Any]:
    """Simulate a sample, and the detector if needed; existing stores stay."""
    sample = PRIOR if name == "prior" else SAMPLES[name]
    n = max(sample.fewest_chunks, round(sample.n * scale / sample.chunk_size)) * sample.chunk_size
    path = folder / f"{name}.zarr"
    if not path.exists():
        write_sample(path, sample, n, workers)
    stores = [path]
    if sample.detector:
        stores.append(folder / f"{name}-seen.zarr")
        if not stores[-1].exists():
            write_detector(path, stores[-1], DetectorSettings.load("lep-like"), seed=DETECTOR_SEED, workers=workers)
    # A store contains the time that it took.
    each = [float(open_events(store).attrs["seconds_per_event"]) for store in stores]
    return {
        "events": n,
        "seed": sample.seed,
        "settings": sample.settings,
        "core_seconds_per_event": dict(zip((store.stem for store in stores), each, strict=True)),
        "core_seconds": n * sum(each),
    }


def events(folder: Path, name: str, most: int | None = None) -> xr.Dataset:
    """Open a sample."""
    found = open_events(folder / f"{name}.zarr")
    return found if most is None else found.isel(event=slice(0, most))
