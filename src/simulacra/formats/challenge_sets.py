"""The CaloChallenge's four sets (Krause et al., arXiv:2410.21611): their voxels and thresholds.

A file of the challenge does not name its set, but its number of voxels identifies it. The edges are those of the
challenge's published binning files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.formats.binning import Binning

#: in sets 2 and 3 the energy in silicon is divided by this
SAMPLING_FRACTION: Final = 0.033
#: threshold of a voxel's energy in silicon in sets 2 and 3 [MeV]
SILICON_THRESHOLD: Final = 0.5e-3
#: of set 1, for photons and pions [MeV]; the challenge's evaluation sets voxels below it to 0 in both samples
ATLAS_THRESHOLD: Final = 1.0

Layers = Sequence[tuple[Sequence[float], int]]


@dataclass(frozen=True)
class ChallengeSet:
    """One of the challenge's sets.

    Attributes
    ----------
    name:
        "1-photons", "1-pions", "2" or "3", as in the challenge's evaluation.
    binning:
        its voxels.
    threshold:
        energy below which a voxel counts as empty [MeV], in generated showers and in the reference.
    """

    name: str
    binning: Binning
    threshold: float


def set_of(n_voxels: int) -> ChallengeSet | None:
    """Return the set whose showers have ``n_voxels``, None if there is none."""
    return SETS.get(n_voxels)


def _binning(name: str, pid: int, layers: Layers, eta: tuple[float, float] | None = None) -> Binning:
    return Binning.model_validate(
        {
            "name": name,
            "pid": pid,
            "eta_min": eta[0] if eta else None,
            "eta_max": eta[1] if eta else None,
            "layers": [{"id": i, "r_edges": edges, "alpha_bins": bins} for i, (edges, bins) in enumerate(layers)],
        }
    )


def _equal_rings(rings: int) -> tuple[float, ...]:
    """Return the edges [mm] of rings of equal width out to 41.85 mm, which is nine times 4.65 mm."""
    return tuple(np.round(np.linspace(0.0, 41.85, rings + 1), 3).tolist())


_NONE: Final[tuple[tuple[float, ...], int]] = ((0.0,), 1)
_PRESAMPLER: Final = ((0.0, 5, 10, 30, 50, 100, 200, 400, 600), 1)
_BACK: Final = ((0.0, 50, 100, 200, 400, 600), 1)

_PHOTONS: Final[Layers] = (
    _PRESAMPLER,
    ((0.0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200), 10),
    ((0.0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400), 10),
    _BACK,
    *[_NONE] * 8,
    ((0.0, 100, 200, 400, 1000, 2000), 1),
    *[_NONE] * 11,
)
_PIONS: Final[Layers] = (
    _PRESAMPLER,
    ((0.0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200), 10),
    ((0.0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400), 10),
    _BACK,
    *[_NONE] * 8,
    ((0.0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 1000, 2000), 10),
    ((0.0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 600, 1000, 2000), 10),
    ((0.0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000), 1),
    *[_NONE] * 9,
)

_ELECTRON_THRESHOLD: Final = SILICON_THRESHOLD / SAMPLING_FRACTION

#: by the number of voxels
SETS: Final = {
    each.binning.n_voxels: each
    for each in (
        ChallengeSet("1-photons", _binning("photon", 22, _PHOTONS, (0, 130)), ATLAS_THRESHOLD),
        ChallengeSet("1-pions", _binning("pion", 211, _PIONS, (0, 80)), ATLAS_THRESHOLD),
        ChallengeSet("2", _binning("electron", 11, [(_equal_rings(9), 16)] * 45), _ELECTRON_THRESHOLD),
        ChallengeSet("3", _binning("electron", 11, [(_equal_rings(18), 50)] * 45), _ELECTRON_THRESHOLD),
    )
}
