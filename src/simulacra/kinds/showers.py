"""The validation of a generator of showers in training, by their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from simulacra.geometry import CalorimeterGeometry
from simulacra.observables.showers import shower_shapes_of
from simulacra.statistics.validation import Validation, ValidationJudge

SEED: Final = 17


class ShowerValidation:
    """Judges generated showers by the 1-Wasserstein distance of each shower shape, in units of its width.

    ``score`` is the mean over shapes and four bins of energy; lower is better. Lost modes raise an alarm
    (:class:`~simulacra.statistics.validation.ValidationJudge`).

    Parameters
    ----------
    geometry:
        the detector.
    conditions:
        names of what the generator is conditioned on, ``incident_energy`` first.
    """

    def __init__(self, geometry: CalorimeterGeometry, conditions: Sequence[str]) -> None:
        self.geometry, self.conditions = geometry, conditions
        self._judge: ValidationJudge | None = None
        self._judged: xr.Dataset | None = None

    def check(self, events: xr.Dataset, generated: np.ndarray) -> Validation:
        """Judge showers (N, cells) [MeV] generated at the conditions of ``events``."""
        if self._judge is None or self._judged is not events:
            truth = self._shapes(events, events["shower"].values)
            table = np.stack(list(truth.values()), axis=1)
            conditions = np.stack([events[name].values.astype(np.float32) for name in self.conditions], axis=1)
            self._judge = ValidationJudge(table, conditions, seed=SEED, names=tuple(truth), binned=(0,))
            self._judged = events
        return self._judge.check(np.stack(list(self._shapes(events, generated).values()), axis=1))

    def _shapes(self, events: xr.Dataset, shower: np.ndarray) -> dict[str, np.ndarray]:
        energy = events["incident_energy"].values.astype(np.float32)
        return shower_shapes_of(shower.astype(np.float32), energy, self.geometry)
