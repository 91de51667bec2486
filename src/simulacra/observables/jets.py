"""Anti-kT jets of particle clouds (Cacciari, Salam and Soyez, arXiv:0802.1189), by fastjet (arXiv:1111.6097)."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from simulacra.events import variable
from simulacra.observables.cloud_arrays import checked_cloud

#: largest number of jets per event: their numbers are stored as int8
MOST_JETS: Final = 127
#: pseudorapidity of a jet along the beam, as in fastjet
BEAM_PSEUDORAPIDITY: Final = 1e5


def cluster_jets(
    momentum: np.ndarray,
    energy: np.ndarray,
    present: np.ndarray,
    *,
    radius: float = 0.8,
    n_jets: int = 2,
    min_pt: float = 0.0,
) -> dict[str, xr.Variable]:
    """Return the hardest anti-kT jets of each event, by falling transverse momentum.

    Parameters
    ----------
    momentum:
        px, py, pz of each particle, (N, P, 3), [GeV].
    energy:
        energy of each particle, (N, P), [GeV].
    present:
        whether there is a particle, (N, P).
    radius:
        the jets' radius R in rapidity and azimuth.
    n_jets:
        number of jets per event; missing jets are zero.
    min_pt:
        smallest transverse momentum of a jet [GeV].

    Returns
    -------
    dict
        ``jet_pt`` [GeV], ``jet_eta`` (pseudorapidity), ``jet_phi`` [rad] from -pi to pi and ``jet_mass`` [GeV],
        (N, n_jets) float32; ``jet_constituents``, the number of particles, (N, n_jets) int16; and ``jet_index``, the
        number of a particle's jet, -1 for none, (N, P) int8.

    Raises
    ------
    ValueError
        if a setting is invalid, or as :func:`simulacra.observables.cloud_arrays.checked_cloud`.
    ImportError
        if fastjet is not installed.
    """
    if not 0 < radius < np.inf:
        raise ValueError(f"a jet's radius must be above 0, not {radius}")
    if not 1 <= n_jets <= MOST_JETS:
        raise ValueError(f"the number of jets must be from 1 to {MOST_JETS}, not {n_jets}")
    if not 0 <= min_pt < np.inf:
        raise ValueError(f"the smallest transverse momentum of a jet must be 0 GeV or more, not {min_pt}")
    momentum, energy, present = checked_cloud(momentum, energy, present)
    four_momentum = np.concatenate([momentum, energy[..., None]], axis=2)[present]  # (particles of all events, 4)
    counts = np.count_nonzero(present, axis=1)
    event_of_jet, jet_of_particle = clustered(four_momentum, counts, radius, min_pt)

    # The jets' momenta are summed here from their constituents: one look-up in fastjet instead of two that must agree.
    in_jet = jet_of_particle >= 0
    jets = np.zeros((len(event_of_jet), 4))
    np.add.at(jets, jet_of_particle[in_jet], four_momentum[in_jet])
    sizes = np.bincount(jet_of_particle[in_jet], minlength=len(event_of_jet))
    pt = np.hypot(jets[:, 0], jets[:, 1])
    order = np.lexsort((-pt, event_of_jet))
    first = np.searchsorted(event_of_jet, np.arange(len(counts)))  # jets come event by event
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - first[event_of_jet[order]]

    kept = rank < n_jets
    place = (event_of_jet[kept], rank[kept])
    columns = _columns(jets[kept], pt[kept]) | {"jet_constituents": sizes[kept]}
    attributes = {"algorithm": "anti-kt", "radius": float(radius), "min_pt": float(min_pt)}
    variables = {}
    for name, values in columns.items():
        units, dtype, long_name = _DESCRIPTIONS[name]
        table = np.zeros((len(counts), n_jets), dtype=dtype)
        table[place] = values
        variables[name] = variable(table, "jet", units=units, long_name=long_name, role="feature", **attributes)
    index = np.full(present.shape, -1, dtype=np.int8)
    ranks = np.append(np.where(kept, rank, -1), -1)  # the last one is for particles in no jet at all
    index[present] = ranks[jet_of_particle]
    variables["jet_index"] = variable(
        index,
        "particle",
        units="1",
        long_name="number of the jet that contains the particle, -1 for none",
        role="feature",
    )
    return variables


def clustered(
    four_momentum: np.ndarray,
    counts: np.ndarray,
    radius: float,
    min_pt: float,
    algorithm: Literal["antikt", "kt"] = "antikt",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the event of each jet, (J,), in order, and the jet of each particle, -1 for none, (particles,).

    ``four_momentum`` is px, py, pz, E of the particles of all events, (particles, 4), and ``counts`` their numbers in
    each event, (N,).
    """
    fastjet = _fastjet()
    import awkward

    particles = awkward.zip(dict(zip(("px", "py", "pz", "E"), four_momentum.T, strict=True)))
    sequence = fastjet.ClusterSequence(
        awkward.unflatten(particles, counts), fastjet.JetDefinition(getattr(fastjet, f"{algorithm}_algorithm"), radius)
    )
    constituents = sequence.constituent_index(min_pt)  # events * jets * numbers within the event
    jets_per_event = awkward.to_numpy(awkward.num(constituents, axis=1))
    event_of_jet = np.repeat(np.arange(len(counts)), jets_per_event)
    sizes = awkward.to_numpy(awkward.flatten(awkward.num(constituents, axis=2)))
    within = awkward.to_numpy(awkward.flatten(constituents, axis=None))
    jet = np.repeat(np.arange(len(event_of_jet)), sizes)
    start = np.cumsum(counts) - counts
    jet_of_particle = np.full(len(four_momentum), -1, dtype=np.int64)
    jet_of_particle[start[event_of_jet[jet]] + within] = jet
    return event_of_jet, jet_of_particle


def _fastjet() -> Any:
    """Return fastjet without its banner, which would appear in the middle of a command's output."""
    try:
        import fastjet
        from fastjet._swig import ClusterSequence
    except ImportError as error:
        raise ImportError(f"jets need fastjet: pip install 'simulacra[jets]' ({error})") from error
    ClusterSequence.set_fastjet_banner_stream(None)
    return fastjet


def _columns(jets: np.ndarray, pt: np.ndarray) -> dict[str, np.ndarray]:
    px, py, pz, energy = jets.T
    along_beam = np.sign(pz) * BEAM_PSEUDORAPIDITY
    slope = np.divide(pz, pt, out=np.zeros_like(pz), where=pt > 0)
    mass_squared = energy**2 - px**2 - py**2 - pz**2
    return {
        "jet_pt": pt,
        "jet_eta": np.where(pt > 0, np.arcsinh(slope), along_beam),
        "jet_phi": np.arctan2(py, px),
        "jet_mass": np.sqrt(np.maximum(mass_squared, 0.0)),  # rounding leaves a light jet a negative square
    }


_DESCRIPTIONS: Final = {
    "jet_pt": ("GeV", np.float32, "transverse momentum of the jet"),
    "jet_eta": ("1", np.float32, "pseudorapidity of the jet"),
    "jet_phi": ("rad", np.float32, "azimuth of the jet"),
    "jet_mass": ("GeV", np.float32, "mass of the jet"),
    "jet_constituents": ("1", np.int16, "number of particles in the jet"),
}
