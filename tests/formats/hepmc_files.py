"""Particles for HepMC, and HepMC files as other programs write them, with the weights that a test asks for."""

from pathlib import Path

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.variations import variation_variable

KINDS = np.array([22, 211, -211, 321, 2212, -2112, 130, 11, -13, 14])
CHARGES = np.array([0, 1, -1, 1, 1, 0, 0, -1, 1, 0])


def clouds(n: int = 20, room: int = 12, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    present = np.arange(room) < rng.integers(1, room - 2, n)[:, None]
    energy = np.where(present, -np.sort(-rng.exponential(5, (n, room)), axis=1), 0).astype(np.float32)
    direction = rng.normal(size=(n, room, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    kind = rng.integers(0, len(KINDS), (n, room))
    shared = {"role": "feature", "long_name": "x"}
    return make_events(
        {
            "momentum": variable(
                (direction * energy[..., None] * 0.9).astype(np.float32),
                "particle", "component", units="GeV", role="feature", signed=True,
                long_name="momentum px, py, pz of each final particle",
            ),
            "energy": variable(
                energy, "particle", units="GeV", role="feature", long_name="energy of each final particle"
            ),
            "identity": variable(
                np.where(present, KINDS[kind], 0).astype(np.int32), "particle", units="1", role="feature",
                long_name="PDG code of each final particle, 0 where there is none",
            ),
            "charge": variable(
                np.where(present, CHARGES[kind], 0).astype(np.int8), "particle", units="e", role="feature", signed=True,
                long_name="charge of each final particle",
            ),
            "present": variable(
                present, "particle", units="1", role="mask", long_name="whether there is a particle"
            ),
            "weight": variable(np.ones(n), units="1", role="weight", long_name="the event's own weight"),
            "variation_alphaS_up": variation_variable(rng.lognormal(size=n), "alphaS_up"),
            "alphaS": variable(
                rng.uniform(0.1, 0.18, n).astype(np.float32), units="1", role="condition", long_name=shared["long_name"]
            ),
        },
        simulator="pythia",
        simulator_version="8.317",
        seed=3,
        settings={"vary": {"alphaS": "uniform:0.1:0.18"}, "text": 'a "quoted" ü\n\\line'},
        seconds_per_event=0.1,
        first_event=100,
    )  # fmt: skip


def hepmc3(
    path: Path, header: str, weights: list[str], *, numbers: list[int] | None = None, units: str = "GEV"
) -> Path:
    """Write one photon an event, whose energy counts the events, each with the lines of weights given."""
    numbers = numbers or list(range(len(weights)))
    lines = ["HepMC::Version 3.02.05", "HepMC::Asciiv3-START_EVENT_LISTING", *header.splitlines()]
    for i, (number, weight) in enumerate(zip(numbers, weights, strict=True)):
        lines += [f"E {number} 0 1", *([f"U {units} MM"] if units else []), *weight.splitlines()]
        lines += [f"P 1 0 22 0 0 {i + 1} {i + 1} 0 1"]
    path.write_text("\n".join([*lines, "HepMC::Asciiv3-END_EVENT_LISTING", "", ""]))
    return path


def hepmc2(path: Path, names: str, weights: list[str], *, units: str = "U MEV CM\n") -> Path:
    """Write e+ e- to two photons of 1000 and 2000 (MeV) for each event of HepMC2."""
    lines = ["", "HepMC::Version 2.06.09", "HepMC::IO_GenEvent-START_EVENT_LISTING"]
    for i, weight in enumerate(weights):
        n = len(weight.split())
        lines += [f"E {i} 0 0 0 0 0 0 1 1 2 2 77 88 {n} {weight}", *names.splitlines(), *units.splitlines()]
        lines += ["V -1 0 0 0 0 0 2 2 0", "P 1 11 0 0 1500 1500 0 4 0 0 -1 0", "P 2 -11 0 0 -1500 1500 0 4 0 0 -1 0"]
        lines += ["P 3 22 0 0 2000 2000 0 1 0 0 0 0", "P 4 22 0 0 -1000 1000 0 1 0 0 0 0"]
    path.write_text("\n".join([*lines, "HepMC::IO_GenEvent-END_EVENT_LISTING", "", ""]))
    return path


def weights_of(events: xr.Dataset) -> dict[str, list[float]]:
    return {
        str(name): array.values.tolist() for name, array in events.data_vars.items() if array.attrs["role"] == "weight"
    }
