"""The settings of the parametric detector: acceptance, resolutions and identification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from simulacra.settings import CheckedSettings, read_shipped

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_FOLDER: Final = Path(__file__).parent / "detectors"


class DetectorError(ValueError):
    """A detector that is missing or invalid; the message names the file, the place in it and the remedy."""


class Acceptance(CheckedSettings):
    """The acceptance: up to ``max_abs_cos_theta``, and up to ``max_abs_eta`` if that is given."""

    max_abs_cos_theta: Probability = 1.0
    max_abs_eta: Positive | None = None


class Tracking(CheckedSettings):
    """How charged particles are measured.

    With the transverse momentum pT [GeV], a particle above the ``threshold`` [GeV] is found with the probability
    ``efficiency * (1 - exp(-(pT - threshold) / turn_on))``, or ``efficiency`` if ``turn_on`` [GeV] is 0. Its momentum
    has the relative resolution ``resolution_constant`` (+) ``resolution_slope`` [1/GeV] times pT, and its direction is
    smeared by a Gaussian of ``angular_resolution`` [rad] in two perpendicular directions.
    """

    efficiency: Probability = 1.0
    threshold: NotNegative = 0.0
    turn_on: NotNegative = 0.0
    resolution_constant: NotNegative = 0.0
    resolution_slope: NotNegative = 0.0
    angular_resolution: NotNegative = 0.0
    acceptance: Acceptance = Acceptance()


class EnergyResolution(CheckedSettings):
    """A relative resolution of ``stochastic`` / sqrt(E/GeV) (+) ``constant``."""

    stochastic: NotNegative = 0.0
    constant: NotNegative = 0.0


class Calorimeter(CheckedSettings):
    """How neutral particles are measured.

    All neutral particles in a cell of ``polar_cell`` ([rad], or of pseudorapidity if ``polar_coordinate`` is "eta") by
    ``phi_cell`` [rad] become one deposit at the cell's centre. The cell sizes in theta and phi are adjusted slightly,
    so that a whole number of cells fits. With cells of size 0 each particle is a separate deposit, in its own
    direction. A deposit has the resolutions of the photons and of the hadrons in it, and is lost unless its measured
    energy is above the ``threshold`` [GeV].
    """

    threshold: NotNegative = 0.0
    polar_coordinate: Literal["theta", "eta"] = "theta"
    polar_cell: Annotated[float, Field(ge=0, le=np.pi, allow_inf_nan=False)] = 0.0
    phi_cell: Annotated[float, Field(ge=0, le=2 * np.pi, allow_inf_nan=False)] = 0.0
    electromagnetic: EnergyResolution = EnergyResolution()
    hadronic: EnergyResolution = EnergyResolution()
    acceptance: Acceptance = Acceptance()

    @model_validator(mode="after")
    def _cells_in_both(self) -> Self:
        if (self.polar_cell > 0) != (self.phi_cell > 0):
            raise ValueError(
                f"polar_cell ({self.polar_cell:g}) and phi_cell ({self.phi_cell:g}) must be both above 0, or both 0 "
                "for a calorimeter without cells"
            )
        for name, size in (("polar_cell", self.polar_cell), ("phi_cell", self.phi_cell)):
            if 0 < size < 1e-5:
                raise ValueError(f"{name} is {size:g}: cells of less than 1e-5 are too many; 0 means none")
        return self


class Identification(CheckedSettings):
    """The probabilities to identify a particle.

    Kaons, protons and other charged hadrons (``charged_hadron``), electrons and muons otherwise count as pions. A
    deposit of photons only (``photon``) or of one kind of neutral hadron (``neutral_hadron``) otherwise has an unknown
    kind.
    """

    charged_hadron: Probability = 1.0
    electron: Probability = 1.0
    muon: Probability = 1.0
    photon: Probability = 1.0
    neutral_hadron: Probability = 1.0


class DetectorSettings(CheckedSettings):
    """A parametric detector. The default detector measures every visible particle perfectly."""

    name: Annotated[str, Field(min_length=1)]
    tracking: Tracking = Tracking()
    calorimeter: Calorimeter = Calorimeter()
    identification: Identification = Identification()

    @classmethod
    def load(cls, name_or_path: str | Path) -> DetectorSettings:
        """Return a shipped detector by its name, or one from a TOML file.

        Raises
        ------
        DetectorError
            with the names of the shipped detectors, or the wrong place in the file.
        """
        return read_shipped(cls, "detector", _FOLDER, name_or_path, DetectorError)
