"""Boosted trees on observables: the baseline for a reweighting on the full phase space.

The classifier f that separates target and source gives weights f/(1-f), like the boosted reweighting of A. Rogozhnikov
(arXiv:1608.05806), here with scikit-learn's histogram-based trees and a calibration on other events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import Field

from simulacra.reweighting.calibration import CalibrationMap, fit_isotonic, fit_temperature
from simulacra.reweighting.prior_weights import WeightError, class_weights
from simulacra.settings import CheckedSettings
from simulacra.statistics.classifiers.trees import bin_edges, binned, fit_trees

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

BINS: Final = 255
FEWEST: Final = 50


class TreeSettings(CheckedSettings):
    """Settings of the trees and of their calibration."""

    trees: int = Field(default=300, ge=1)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    leaves: int = Field(default=15, ge=2)
    fewest_in_leaf: int = Field(default=50, ge=1)
    calibration: Literal["temperature", "isotonic"] = "temperature"
    calibration_share: float = Field(default=0.25, gt=0, lt=1)


class TreeReweighter:
    """Weights from boosted trees on observables; kept only in memory, because trees can only be saved as pickles.

    Parameters
    ----------
    settings:
        of the trees and the calibration.
    """

    def __init__(self, settings: TreeSettings | None = None) -> None:
        self.settings = settings or TreeSettings()
        self.calibration: CalibrationMap | None = None
        self._model: HistGradientBoostingClassifier | None = None
        self._edges: list[np.ndarray] = []

    def fit(
        self,
        source: np.ndarray,
        target: np.ndarray,
        *,
        source_weights: np.ndarray | None = None,
        target_weights: np.ndarray | None = None,
        seed: int,
    ) -> TreeReweighter:
        """Train on a part of both samples, calibrate on the rest, and return the reweighter itself.

        Parameters
        ----------
        source, target:
            features, (N, F) and (M, F), finite.
        source_weights, target_weights:
            the events' own weights, (N,) and (M,), not negative. Both classes have the same total weight.
        seed:
            of the division and of the trees.

        Raises
        ------
        ValueError
            if a class has fewer than 50 events, features are not finite or have the wrong shape, or a weight is
            negative.
        """
        source, target = _features(source, "source"), _features(target, "target")
        if source.shape[1] != target.shape[1]:
            raise ValueError(
                f"the source has {source.shape[1]} features and the target {target.shape[1]}: give the same of both"
            )
        if min(len(source), len(target)) < FEWEST:
            raise ValueError(
                f"the trees need {FEWEST} events of each sample, not {len(source)} of the source and "
                f"{len(target)} of the target"
            )
        own = np.concatenate(class_weights(source_weights, len(source), target_weights, len(target)))
        if (own < 0).any():
            raise WeightError(
                f"{np.count_nonzero(own < 0)} weights are negative, and trees accept only positive ones: use a "
                "reweighter with networks, or a sample without negative weights"
            )
        features = np.concatenate([source, target])
        labels = np.repeat([0, 1], [len(source), len(target)])
        rng = np.random.default_rng(seed)
        held_out = np.zeros(len(labels), dtype=bool)
        for label in (0, 1):
            rows = rng.permutation(np.flatnonzero(labels == label))
            held_out[rows[: max(1, round(self.settings.calibration_share * len(rows)))]] = True
        self._edges = bin_edges(features[~held_out], BINS)
        self._model = fit_trees(
            binned(features[~held_out], self._edges),
            labels[~held_out],
            own[~held_out],
            int(rng.integers(2**31)),
            bins=BINS,
            fewest_in_leaf=self.settings.fewest_in_leaf,
            trees=self.settings.trees,
            learning_rate=self.settings.learning_rate,
            leaves=self.settings.leaves,
        )
        raw = self._raw(features[held_out])
        fit = fit_isotonic if self.settings.calibration == "isotonic" else fit_temperature
        self.calibration = fit(raw, labels[held_out], own[held_out])
        return self

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """Return the calibrated logarithm of p_target / p_source of each event, (N,); features are (N, F)."""
        if self.calibration is None:
            raise ValueError("the trees were not trained: call fit first")
        features = _features(features, "sample")
        if features.shape[1] != len(self._edges):
            raise ValueError(f"the trees were trained on {len(self._edges)} features, not {features.shape[1]}")
        return self.calibration(self._raw(features))

    def weights(self, features: np.ndarray) -> np.ndarray:
        """Return p_target / p_source of each event, (N,), a ratio of normalised densities; features are (N, F)."""
        return np.asarray(np.exp(self.log_odds(features)))

    def _raw(self, features: np.ndarray) -> np.ndarray:
        if self._model is None:
            raise ValueError("the trees were not trained: call fit first")
        return np.asarray(self._model.decision_function(binned(features, self._edges)), dtype=np.float64)


def _features(features: np.ndarray, sample: str) -> np.ndarray:
    checked = np.asarray(features, dtype=np.float64)
    if checked.ndim != 2 or not checked.size:
        raise ValueError(f"features of the {sample} have the shape {checked.shape}: give one row of numbers per event")
    bad = ~np.isfinite(checked)
    if bad.any():
        raise ValueError(
            f"features of the {sample} are not finite in {np.count_nonzero(bad.any(axis=1))} events, the first in row "
            f"{int(np.flatnonzero(bad.any(axis=1))[0])}: correct or remove them"
        )
    return checked
