"""Grindhammer and Peters: electromagnetic showers in closed form, without a network.

arXiv:hep-ex/0001020, the parametrisation behind GFlash, fitted to one detector's showers. Physicists would use it
instead of a generative network; it is the baseline to beat.

From the paper: the gamma profile along the shower with correlated fluctuations of ln T and ln alpha, the two components
around it, their forms in depth and energy, and energy spots. Different here: the numbers, including T's slope in ln y,
are fitted to the training sample instead of computed for any material; cells get integrals instead of single random
spots; spots have exponential energies; and the energy neither deposited nor leaked behind the detector has a gamma
distribution. The paper's fluctuations of the sampled energy are not needed, because a cell includes absorber and active
medium.

The longitudinal numbers are fitted when training begins (:mod:`simulacra.models.longitudinal_fit`). The training loop
then maximises the likelihood of the positions of the energy (for the radial numbers) and of the cells' energies (for
the spots).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import xarray as xr

from simulacra.geometry import CalorimeterGeometry
from simulacra.kinds import showers
from simulacra.kinds.showers import CARRIES, Showers, to_variables
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.models.parametrised_shower import ParametrisedShower
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
CONDITIONS: Final = {"incident_energy": showers.CONDITIONS["incident_energy"]}


class Settings(CheckedSettings):
    """Settings of a parametrised shower; there are none."""

    kind: Literal["grindhammer_peters"] = "grindhammer_peters"


class Trainer:
    """A parametrised shower in training."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Fit the longitudinal numbers to ``events``, the training part."""
        import torch

        from simulacra.generators.maximum_likelihood import MaximumLikelihood
        from simulacra.models.longitudinal_fit import fit_longitudinal

        self.showers = Showers(events, tuple(CONDITIONS))
        if moving := [
            name for name in ("impact_x", "impact_y", "polar_angle") if name in events and events[name].any()
        ]:
            raise ValueError(f"a parametrised shower runs along the axis; {', '.join(moving)} of these events varies")
        self.geometry, self.description = self.showers.geometry, self.showers.description
        self.module: ParametrisedShower = build(settings, self.description)
        fit = fit_longitudinal(self.module, *self._sections(events))
        with torch.no_grad():
            self.module.longitudinal.copy_(torch.from_numpy(fit.longitudinal))
            self.module.lost.copy_(torch.from_numpy(fit.lost))
            # The other sections start with the spots of the last one; training changes them.
            self.module.spots.copy_(torch.from_numpy(fit.last_spot).expand_as(self.module.spots))
        self.family = MaximumLikelihood(self.module, self)

    def _sections(self, events: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        shower = events["shower"].values
        places = [self.geometry.section_slice(i) for i in range(len(self.geometry.sections))]
        sections = np.stack([shower[:, place].sum(axis=1, dtype=np.float64) for place in places], axis=1)
        if not (sections.sum(axis=1) > 0).all():
            raise ValueError(
                f"{(sections.sum(axis=1) <= 0).sum()} showers without any energy: remove them before training"
            )
        return sections, events["incident_energy"].values.astype(np.float64)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``shower`` (N, cells) [MeV], ``conditions`` (N, 1) [GeV] and ``profile`` (N, 3), see the fit."""
        import torch

        from simulacra.models.longitudinal_fit import profiles

        sections, energy = self._sections(events)
        return {
            **self.showers.tensors(events),
            "profile": torch.as_tensor(profiles(self.module, sections, energy).astype(np.float32)),
        }

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the batch unchanged: a parametrised shower is already symmetric about its axis."""
        return dict(batch)

    def log_likelihood(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood of the positions of the energy in the sections, and of the cells' energies, (N,).

        The first, sum_c (E_c / E_i) ln p_c in section i, is that of a spot's position, averaged over the section's
        energy; it determines the radial numbers. The second, for spots around these expected energies, determines the
        numbers of the spots.
        """
        import torch

        from simulacra.models.energy_spots import log_likelihood

        shower: Any = module
        energy, (log_t, log_alpha, start) = batch["conditions"][:, 0], batch["profile"].unbind(dim=1)
        expected = shower.cell_shares(energy, log_t, start, shower.slices(log_t, log_alpha, start))
        spot = shower.spot_energy(energy)
        found = torch.zeros_like(energy)
        for i in range(len(self.geometry.sections)):
            place = self.geometry.section_slice(i)
            cells, p = batch["shower"][:, place], expected[:, place]
            held = cells.sum(dim=1, keepdim=True)
            found = found + (cells / held.clamp(min=1e-9) * torch.log(p)).sum(dim=1)
            if i + 1 < len(self.geometry.sections):  # the longitudinal fit has found the spots of the last section
                incident = 1000.0 * energy[:, None]
                seen = log_likelihood(cells / incident, p.detach() * held / incident, spot[:, i : i + 1].expand_as(p))
                found = found + seen.mean(dim=1)
        return found

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge by shower shapes (:class:`~simulacra.kinds.showers.ShowerValidation`)."""
        return self.showers.validate(self.module, events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> ParametrisedShower:  # noqa: ARG001
    """Return the module that a checkpoint fills, with the paper's numbers: (noise, energy [GeV]) -> cells [MeV]."""
    from simulacra.models.parametrised_shower import ParametrisedShower

    return ParametrisedShower(CalorimeterGeometry.from_json(description["geometry"]), str(description["particle"]))


def fold(module: nn.Module) -> nn.Module:
    """Return the module for use: itself."""
    return module.eval()


def example(folder: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return a small experiment, on showers that the package ships."""
    return showers.example(kind="grindhammer_peters")
