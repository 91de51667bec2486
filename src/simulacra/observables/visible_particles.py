"""The visible particles of each collision: transverse momentum and direction, by falling transverse momentum.

=================  =========  =====  =================  ==============================
variable           role       units  dimensions         meaning
=================  =========  =====  =================  ==============================
``particle_pt``    feature    GeV    (event, particle)  transverse momentum, falling
``particle_eta``   feature    1      (event, particle)  pseudorapidity
``particle_phi``   feature    rad    (event, particle)  azimuth, from -pi to pi
``present``        mask       1      (event, particle)  whether there is a particle
=================  =========  =====  =================  ==============================

Particles count as massless, and their kind is not kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import variable

VARIABLES: Final = ("particle_pt", "particle_eta", "particle_phi")
_UNITS: Final = {"particle_pt": "GeV", "particle_eta": "1", "particle_phi": "rad"}
_NAMES: Final = {
    "particle_pt": "transverse momentum of the particle",
    "particle_eta": "pseudorapidity of the particle",
    "particle_phi": "azimuth of the particle",
}


def particle_variable(values: np.ndarray, name: str) -> xr.Variable:
    """Return a variable (N, P) of the table above by its name."""
    if name == "present":
        return variable(values, "particle", units="1", long_name="whether there is a particle", role="mask")
    signed = {} if name == "particle_pt" else {"signed": True}
    return variable(values, "particle", units=_UNITS[name], long_name=_NAMES[name], role="feature", **signed)


def visible_particles(
    momentum: np.ndarray, present: np.ndarray, *, min_pt: float, max_abs_eta: float, particles: int
) -> dict[str, xr.Variable]:
    """Return the variables of the table above, float32.

    Parameters
    ----------
    momentum:
        px, py, pz of each particle, (N, P, 3), [GeV].
    present:
        which particles are visible, (N, P).
    min_pt, max_abs_eta:
        of the particles that are kept; their transverse momentum [GeV] is above the first.
    particles:
        number of places; particles left out are the softest.
    """
    pt = np.hypot(momentum[..., 0], momentum[..., 1]).astype(np.float64)
    eta = np.arcsinh(np.divide(momentum[..., 2], pt, out=np.full_like(pt, np.inf), where=pt > 0))
    kept = present & (pt > min_pt) & (np.abs(eta) < max_abs_eta)
    order = np.argsort(np.where(kept, -pt, np.inf), axis=1, kind="stable")[:, :particles]
    there = np.take_along_axis(kept, order, axis=1)
    beyond = ((0, 0), (0, particles - order.shape[1]))

    def placed(values: np.ndarray) -> np.ndarray:
        return np.pad(np.where(there, np.take_along_axis(values, order, axis=1), 0).astype(np.float32), beyond)

    phi = np.arctan2(momentum[..., 1], momentum[..., 0])
    columns = dict(zip(VARIABLES, map(placed, (pt, np.where(kept, eta, 0), phi)), strict=True))
    return {
        name: particle_variable(values, name) for name, values in (columns | {"present": np.pad(there, beyond)}).items()
    }
