"""The summed mass of a signal region's jets, predicted from the jet mass of a control region: arXiv:1903.02556."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from simulacra.trained import TrainedGenerator


def summed_jet_mass(
    template: str | os.PathLike[str] | Sequence[TrainedGenerator],
    events: xr.Dataset,
    edges: Sequence[float] | np.ndarray,
    *,
    draws: int = 20,
    seed: int = 1,
) -> xr.Dataset:
    """Return the predicted histogram of the summed jet mass with its band.

    Each jet's mass is drawn given its transverse momentum and pseudorapidity; the masses of the events themselves are
    not used, and need not be there. An ensemble gives the uncertainty of the template.

    Parameters
    ----------
    template:
        a shipped name, a run folder of one model or of an ensemble (``simulacra train --members``), or the generators.
    events:
        the signal region (:func:`~simulacra.observables.multi_jets.with_jets`): ``jet_pt``, ``jet_eta`` and
        ``present``, (event, jet). Weights count.
    edges:
        of the bins [GeV], rising; events beyond them are left out.
    draws:
        how often the masses of each event are drawn, at least 2.
    seed:
        of the draws.

    Returns
    -------
    xarray.Dataset
        along ``bin``, with the coordinates ``low_edge`` and ``high_edge``: ``predicted``, the expected number of
        events; ``template_error``, the standard deviation of the members' predictions (0 for a single model);
        ``statistical_error``, the expected standard deviation of the observed number given the jets' transverse momenta
        and pseudorapidities; ``error``, both in quadrature, so that 68 % of observed numbers lie within it if the jet
        mass depends on nothing else. Attributes: ``members``, and ``outside``, the share of jets beyond the template's
        trained range, where it extrapolates.

    Raises
    ------
    ValueError
        if the edges do not rise, there are too few draws, or the template is no template of the jet mass.
    simulacra.EventsError
        if the events are not of several jets, or have a transverse momentum that is not above 0.

    Warns
    -----
    simulacra.ExtrapolationWarning
        if jets are beyond the trained range.

    Examples
    --------
    >>> import simulacra
    >>> from simulacra.observables.multi_jets import with_jets
    >>> from simulacra.simulators.pythia import simulate_collisions
    >>> from simulacra.simulators.pythia_settings import PythiaSettings
    >>> events = simulate_collisions(PythiaSettings(process="multi-jets"), seed=7, n_events=50)
    >>> found = simulacra.summed_jet_mass("qcd-jet-mass", with_jets(events, 3), [0, 200, 400, 2000])
    >>> found["predicted"].dims
    ('bin',)
    """
    from simulacra.event_weights import weights_of
    from simulacra.observables.multi_jets import check
    from simulacra.units import in_convention

    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
        raise ValueError(f"the edges of bins are two or more rising numbers [GeV], not {edges.tolist()}")
    if draws < 2:
        raise ValueError(f"masses must be drawn at least twice an event, not {draws} times")
    events = in_convention(events)
    check(events, masses=False)
    members = _members(template)
    there = events["present"].values.astype(bool)
    row = np.nonzero(there)[0]
    pt, eta = (events[name].values[there].astype(np.float64) for name in ("jet_pt", "jet_eta"))
    shares = []
    for number, member in enumerate(members):
        made = member.sample(
            len(pt) * draws, seed=seed + number, jet_pt=np.tile(pt, draws), jet_eta=np.tile(eta, draws)
        )
        mass = made["jet_mass"].values.astype(np.float64).reshape(draws, len(pt))
        shares.append(_shares(mass, row, there.shape[0], edges))
    weights = weights_of(events)
    predictions = np.array([weights @ share for share in shares])
    # p (1 - p) of a share of a few draws is too small by the factor 1 - 1 / draws
    single = [weights**2 @ (share * (1 - share)) * draws / (draws - 1) for share in shares]
    statistical = np.sqrt(np.mean(single, axis=0))
    template_error = predictions.std(axis=0, ddof=1) if len(members) > 1 else np.zeros(len(edges) - 1)
    columns = {
        "predicted": (predictions.mean(axis=0), "expected number of events"),
        "template_error": (template_error, "standard deviation of the members' predictions"),
        "statistical_error": (statistical, "standard deviation of the observed number, given the jets"),
        "error": (np.hypot(template_error, statistical), "both errors in quadrature"),
    }
    named = {name: ("bin", values, {"units": "1", "long_name": text}) for name, (values, text) in columns.items()}
    ends = {"low_edge": edges[:-1], "high_edge": edges[1:]}
    attributes = {"units": "GeV", "long_name": "summed jet mass"}
    return xr.Dataset(
        named,
        coords={name: ("bin", values, attributes) for name, values in ends.items()},
        attrs={"members": len(members), "outside": _outside(members[0], pt, eta)},
    )


def _shares(mass: np.ndarray, row: np.ndarray, events: int, edges: np.ndarray) -> np.ndarray:
    """Return the share of draws of each event in each bin, (events, bins), from masses (draws, jets)."""
    bins = len(edges) - 1
    counts = np.zeros((events, bins))
    for one in mass:
        total = np.bincount(row, weights=one, minlength=events)
        place = np.searchsorted(edges, total, side="right") - 1
        inside = (place >= 0) & (place < bins)
        counts[np.flatnonzero(inside), place[inside]] += 1
    return counts / len(mass)


def _members(template: str | os.PathLike[str] | Sequence[TrainedGenerator]) -> Sequence[TrainedGenerator]:
    from simulacra.trained import load_members

    members = load_members(template) if isinstance(template, str | os.PathLike) else tuple(template)
    if not members:
        raise ValueError("there is no template: give one or several generators of the jet mass")
    for member in members:
        if member.kind != "jet_mass_template":
            raise ValueError(
                f"'{member.name}' is of the system {member.kind}: the summed mass needs one of jet_mass_template, such "
                "as 'qcd-jet-mass'"
            )
    return members


def _outside(member: TrainedGenerator, pt: np.ndarray, eta: np.ndarray) -> float:
    beyond = np.zeros(len(pt), dtype=bool)
    for name, values in (("jet_pt", pt), ("jet_eta", eta)):
        low, high = member.trained_range[name]
        beyond |= (values < low) | (values > high)
    return float(beyond.mean()) if len(beyond) else 0.0
