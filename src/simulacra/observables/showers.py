r"""Shower shapes: the observables by which the CaloGAN papers compare showers (arXiv:1705.02355, arXiv:1712.10321).

With :math:`I_{ic}` the energy in cell :math:`c` of section :math:`i`, centred at :math:`(\eta_c, \phi_c)` [mm], and
:math:`E_i = \sum_c I_{ic}`, a shower's shapes are

=========================  ==========================================================================================
``energy_i``               :math:`E_i`
``total_energy``           :math:`E_\mathrm{tot} = \sum_i E_i`
``energy_response``        :math:`E_\mathrm{tot}` over the incident energy
``energy_fraction_i``      :math:`f_i = E_i / E_\mathrm{tot}`
``sparsity_i``             share of the section's cells above the threshold, as in CaloGAN (the CaloChallenge's
                           "sparsity" is one minus this)
``eta_centre_i``           :math:`\langle\eta\rangle_i = \sum_c I_{ic}\eta_c / E_i`; ``phi_centre_i`` likewise
``eta_width_i``            :math:`\sigma_i = \sqrt{\sum_c I_{ic}\eta_c^2 / E_i - \langle\eta\rangle_i^2}`;
                           ``phi_width_i`` likewise
``r_centre_i``             :math:`\langle r\rangle_i = \sum_c I_{ic} r_c / E_i` with :math:`r_c` the middle of a
                           cell's ring; ``r_width_i`` likewise. Of cylindrical sections only
``energy_ratio_i``         :math:`(I_i^{(1)} - I_i^{(2)}) / (I_i^{(1)} + I_i^{(2)})`, the two most energetic cells
``deepest_section``        :math:`d = \max\{i : \max_c I_{ic} > \mathrm{threshold}\}`
``depth_weighted_energy``  :math:`l_d = \sum_i i E_i`
``shower_depth``           :math:`s_d = l_d / E_\mathrm{tot}`
``shower_depth_width``     :math:`\sigma_{s_d} = \sqrt{\sum_i i^2 E_i / E_\mathrm{tot} - s_d^2}`
=========================  ==========================================================================================

A shape whose denominator is 0 (a section without energy, an incident energy of 0) is 0 by convention, never NaN. A
cylindrical section without division in alpha has no centres and widths in eta and phi, because a ring has no centre
there. Detectors with more than eight sections (the CaloChallenge's sets 2 and 3 have 45) have no ``energy_fraction_i``
and ``energy_ratio_i``. The others are the CaloChallenge's high-level features, with its rule for sections without
division in alpha (``HighLevelFeatures.CalculateFeatures`` of its evaluation; ``EC_r`` and ``width_r`` are the centre
and width in r).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr

from simulacra.geometry import CalorimeterGeometry, CylindricalSection

MANY_SECTIONS: Final = 8
MEV_PER_GEV: Final = 1000.0


def shower_shapes(events: xr.Dataset, *, threshold: float = 0.0) -> xr.Dataset:
    """Return the shower shapes of events that hold ``shower`` [MeV] and ``incident_energy`` [GeV].

    Parameters
    ----------
    events:
        showers with the attribute ``geometry``.
    threshold:
        energy above which a cell counts as hit [MeV].

    Returns
    -------
    xarray.Dataset
        one variable (event,) per shape, with its ``units`` and ``long_name``.

    Raises
    ------
    ValueError
        if a variable is missing, or as :func:`shower_shapes_of`.
    """
    for name in ("shower", "incident_energy"):
        if name not in events.data_vars:
            raise ValueError(
                f"shower shapes need the variable '{name}'; the events hold {sorted(map(str, events.data_vars))}"
            )
    geometry = CalorimeterGeometry.from_events(events)
    shapes = shower_shapes_of(events["shower"].values, events["incident_energy"].values, geometry, threshold=threshold)
    described = {
        name: xr.Variable(("event",), values, attrs=_description(name, geometry)) for name, values in shapes.items()
    }
    return xr.Dataset(described, coords={"event": events["event"]})


def shower_shapes_of(
    cells: np.ndarray, incident_energy: np.ndarray, geometry: CalorimeterGeometry, *, threshold: float = 0.0
) -> dict[str, np.ndarray]:
    """Return the shower shapes of plain arrays.

    Parameters
    ----------
    cells:
        energy of each cell, (N, n_cells), [MeV].
    incident_energy:
        energy of the incident particle, (N,), [GeV].
    geometry:
        the detector.
    threshold:
        energy above which a cell counts as hit [MeV].

    Returns
    -------
    dict
        float64 arrays (N,), in a fixed order.

    Raises
    ------
    ValueError
        if the array shapes do not fit each other or the geometry, or a value is not finite or negative.
    """
    cells, incident = np.asarray(cells), np.asarray(incident_energy, dtype=np.float64)
    _check(cells, incident, geometry)
    many = len(geometry.sections) > MANY_SECTIONS
    columns: dict[str, dict[int, np.ndarray]] = {}
    for i in range(len(geometry.sections)):
        section = cells[:, geometry.section_slice(i)]
        for name, values in _section_shapes(section, _places(geometry, i), threshold, with_ratio=not many).items():
            columns.setdefault(name, {})[i] = values

    energy = np.stack(list(columns["energy"].values()), axis=1)
    total = energy.sum(axis=1)
    number = np.arange(energy.shape[1], dtype=np.float64)
    if not many:
        columns["energy_fraction"] = dict(enumerate(_ratio(energy, total[:, None]).T))
    depth = _ratio(energy @ number, total)
    variance = _ratio(energy @ number**2, total) - depth**2
    reached = np.stack(list(columns["sparsity"].values()), axis=1) > 0

    shapes = {"total_energy": total, "energy_response": _ratio(total, incident * MEV_PER_GEV)}
    for name in _SECTION:
        shapes |= {f"{name}_{i}": values for i, values in columns.get(name, {}).items()}
    shapes["deepest_section"] = np.where(reached, number, 0.0).max(axis=1)
    shapes["depth_weighted_energy"] = energy @ number
    shapes["shower_depth"] = depth
    shapes["shower_depth_width"] = _root(variance, number[-1] if len(number) > 1 else 1.0)
    return shapes


def _places(geometry: CalorimeterGeometry, i: int) -> dict[str, np.ndarray]:
    """Return the coordinates of the cells of a section, (n,) each [mm]."""
    section, place = geometry.sections[i], geometry.section_slice(i)
    plane = {"eta": geometry.cell_x[place], "phi": geometry.cell_y[place]}
    if not isinstance(section, CylindricalSection):
        return plane
    edges = np.asarray(section.r_edges)
    radius = {"r": ((edges[:-1] + edges[1:]) / 2)[geometry.eta_of_cell[place]]}
    return radius if section.alpha_bins == 1 else plane | radius


def _section_shapes(
    cells: np.ndarray, places: Mapping[str, np.ndarray], threshold: float, *, with_ratio: bool
) -> dict[str, np.ndarray]:
    """Return the shapes of one section, each (N,), from its cells (N, n) and their coordinates (n,) [mm]."""
    powers = [power for place in places.values() for power in (place, place**2)]
    moments = cells.astype(np.float64) @ np.stack([np.ones(cells.shape[1]), *powers], axis=1)
    energy = moments[:, 0]
    shapes = {"energy": energy, "sparsity": np.count_nonzero(cells > threshold, axis=1) / cells.shape[1]}
    for k, (name, place) in enumerate(places.items()):
        mean, square = _ratio(moments[:, 2 * k + 1], energy), _ratio(moments[:, 2 * k + 2], energy)
        shapes[f"{name}_centre"] = mean
        shapes[f"{name}_width"] = _root(square - mean**2, float(np.abs(place).max()))
    if with_ratio:
        if cells.shape[1] > 1:
            top = np.partition(cells, cells.shape[1] - 2, axis=1)[:, -2:].astype(np.float64)
        else:
            top = np.concatenate([np.zeros_like(cells, dtype=np.float64), cells.astype(np.float64)], axis=1)
        shapes["energy_ratio"] = _ratio(top[:, 1] - top[:, 0], top[:, 1] + top[:, 0])
    return shapes


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio; 0 if the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient = np.zeros(shape)
    np.divide(numerator, denominator, out=quotient, where=np.broadcast_to(denominator > 0, shape))
    return quotient


def _root(variance: np.ndarray, extent: float) -> np.ndarray:
    """Return the square root, with a variance that is 0 up to rounding set to 0."""
    return np.sqrt(np.where(variance > 1e-12 * extent**2, variance, 0.0))


def _check(cells: np.ndarray, incident: np.ndarray, geometry: CalorimeterGeometry) -> None:
    if cells.ndim != 2 or cells.shape[1] != geometry.n_cells:
        raise ValueError(
            f"the geometry has {geometry.n_cells} cells, so showers are (N, {geometry.n_cells}), not {cells.shape}"
        )
    if incident.shape != (cells.shape[0],):
        raise ValueError(f"{cells.shape[0]} showers need incident energies ({cells.shape[0]},), not {incident.shape}")
    for name, values in (("shower", cells), ("incident_energy", incident)):
        # A minimum is NaN if anything is; the maximum catches infinity: two passes without a temporary array.
        if values.size and not (values.min() >= 0 and np.isfinite(values.max())):
            wrong = np.argwhere(~(np.isfinite(values) & (values >= 0)))[0]
            raise ValueError(
                f"'{name}' is {values[tuple(wrong)]} in event {wrong[0]}: energies must be finite and not negative"
            )


_GLOBAL: Final = {
    "total_energy": ("MeV", "Total energy"),
    "energy_response": ("1", "Total energy over incident energy"),
    "deepest_section": ("1", "Deepest section with energy"),
    "depth_weighted_energy": ("MeV", "Depth-weighted total energy"),
    "shower_depth": ("1", "Shower depth (in sections)"),
    "shower_depth_width": ("1", "Shower depth width (in sections)"),
}
_SECTION: Final = {
    "energy": ("MeV", "Energy in {}"),
    "energy_fraction": ("1", "Energy fraction in {}"),
    "sparsity": ("1", "Share of cells hit in {}"),
    "eta_centre": ("mm", "Centre in η in {}"),
    "phi_centre": ("mm", "Centre in φ in {}"),
    "eta_width": ("mm", "Width in η in {}"),
    "phi_width": ("mm", "Width in φ in {}"),
    "r_centre": ("mm", "Centre in r in {}"),
    "r_width": ("mm", "Width in r in {}"),
    "energy_ratio": ("1", "Energy ratio of the two hottest cells in {}"),
}


def _description(name: str, geometry: CalorimeterGeometry) -> dict[str, str]:
    if name in _GLOBAL:
        units, text = _GLOBAL[name]
    else:
        kind, _, number = name.rpartition("_")
        units, text = _SECTION[kind]
        text = text.format(geometry.sections[int(number)].name.replace("_", " "))
    return {"units": units, "long_name": text, "role": "feature"}
