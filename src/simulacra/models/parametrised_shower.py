r"""An electromagnetic shower in closed form: Grindhammer and Peters, hep-ex/0001020.

With depth t in radiation lengths, y = E / E_c and a shower's maximum T and shape alpha (section 3.1),

.. math:: \frac{1}{E}\frac{dE}{dt} = \frac{(\beta t)^{\alpha-1} \beta e^{-\beta t}}{\Gamma(\alpha)},
    \quad \beta = (\alpha - 1) / T,

.. math:: \langle\ln T\rangle = \ln(t_1 + t_2 \ln y), \quad \langle\ln\alpha\rangle = \ln(a_1 + a_2 \ln y), \quad
    \sigma = (s_1 + s_2 \ln y)^{-1}, \quad \rho = r_1 + r_2 \ln y.

Around the axis, with :math:`\tau = t/T` and r in Molière radii (sections 3.2 and 4.2),

.. math:: f(r) = p \frac{2 r R_C^2}{(r^2 + R_C^2)^2} + (1 - p) \frac{2 r R_T^2}{(r^2 + R_T^2)^2},

.. math:: R_C = z_1 + z_1' \ln E + z_2 \tau + z_3 e^{-\tau}, \quad
    R_T = k_1 \left(e^{k_3 (\tau - k_2)} + e^{(k_4 + k_4' \ln E)(\tau - k_2)}\right) + k_5 e^{-\tau},

.. math:: p = p_1 e^{u - e^u} + p_4 e^{-(\tau - 1)^2}, \quad u = (p_2 - \tau) / (p_3 + p_3' \ln E),

whose last terms are those of the sampling. Each component is Student's t in the plane, so its integral over a
rectangular cell is known and needs no sampling of spots. Spots (:mod:`simulacra.models.energy_spots`) give the
fluctuations; their mean energy in a section is a power of the energy, like the paper's number of spots. A photon's
shower starts where it converts, and t is measured from there.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry, CartesianSection
from simulacra.geometry.effective_medium import EffectiveMedium
from simulacra.models.energy_spots import energy_of_spots, poisson_number

SLICE: Final = 2.5  # radiation lengths, about, over which the radial profile is taken as constant
STEPS: Final = 8  # of the longitudinal integral in a slice
BEYOND: Final = 40  # further steps behind the detector, of a slice each, which see what leaks
CONVERSION: Final = 9.0 / 7.0  # mean depth of a photon's conversion, in radiation lengths
ELECTRON_MASS: Final = 0.51099895e-3  # GeV
RADIAL: Final = (
    "z1", "z1_energy", "z2", "z3", "k1", "k2", "k3", "k4", "k4_energy", "k5", "p1", "p2", "p3", "p3_energy", "p4",
)  # fmt: skip
LONGITUDINAL: Final = ("t1", "t2", "a1", "a2", "s1_t", "s2_t", "s1_a", "s2_a", "r1", "r2")
LOST: Final = ("mean", "mean_energy", "shape", "shape_energy")


def published_radial(medium: EffectiveMedium) -> Tensor:
    """Return the radial numbers of the paper for a medium, in the order of :data:`RADIAL` (sections 3.2 and 4.2)."""
    z, signal, thickness = medium.atomic_number, 1.0 - medium.response_ratio, 1.0 / medium.sampling_frequency
    return torch.tensor([
        0.0251 - 0.0203 * signal, 0.00319, 0.1162 - 0.000381 * z, 0.0397 * thickness,
        0.659 - 0.00309 * z, 0.645, -2.59, 0.3585, 0.0421, -0.495 * thickness,
        2.632 - 0.00094 * z, 0.401 + 0.00187 * z, 1.313, -0.0686, -0.642 * thickness * signal,
    ])  # fmt: skip


def published_longitudinal(medium: EffectiveMedium) -> Tensor:
    """Return the longitudinal numbers of the paper for a medium, in the order of :data:`LONGITUDINAL` (section 4.1)."""
    thickness, signal = 1.0 / medium.sampling_frequency, 1.0 - medium.response_ratio
    return torch.tensor([
        -0.812 - 0.59 * thickness - 0.53 * signal, 1.0,
        0.81 - 0.444 * thickness, 0.458 + 2.26 / medium.atomic_number,
        -2.5, 1.25, -0.82, 0.79, 0.784, -0.023,
    ])  # fmt: skip


def means_and_deviations(numbers: Tensor, log_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the means of ln T and ln alpha, their deviations and their correlation, (N,) each."""
    t1, t2, a1, a2, s1_t, s2_t, s1_a, s2_a, r1, r2 = numbers.unbind()
    return (
        torch.log((t1 + t2 * log_y).clamp(min=0.2)),
        torch.log((a1 + a2 * log_y).clamp(min=1.1)),
        1.0 / (s1_t + s2_t * log_y).clamp(min=1.0),
        1.0 / (s1_a + s2_a * log_y).clamp(min=1.0),
        (r1 + r2 * log_y).clamp(-0.99, 0.99),
    )


class ParametrisedShower(nn.Module):
    """Map noise and the incident energy to the cells of a shower, with about thirty parameters.

    Parameters
    ----------
    geometry:
        the detector, with three cartesian sections or more.
    particle:
        "e+" adds the energy of its annihilation, "gamma" converts first.

    Attributes
    ----------
    longitudinal, lost:
        parameters of the longitudinal fit.
    radial, spots:
        trained parameters; ``spots`` (sections, 2) is the logarithm of a spot's share of the energy and its slope.
    """

    edges_t: Tensor
    section: Tensor
    longitudinal: Tensor
    lost: Tensor

    def __init__(self, geometry: CalorimeterGeometry, particle: str) -> None:
        super().__init__()
        cartesian = [section for section in geometry.sections if isinstance(section, CartesianSection)]
        if len(cartesian) != len(geometry.sections) or len(cartesian) < 3:
            raise ValueError(f"a parametrised shower needs three cartesian sections or more, unlike '{geometry.name}'")
        self.medium = EffectiveMedium.of(geometry)
        self.rest_energy = 2.0 * ELECTRON_MASS if particle == "e+" else 0.0
        self.sections, self.n_cells = len(cartesian), geometry.n_cells
        self.counts = [section.n_cells for section in cartesian]
        self.converts = particle == "gamma"
        self.profile_noise = 5 if self.converts else 3
        self.latent = self.profile_noise + 3 * geometry.n_cells
        edges, owner = [0.0], []
        for i, section in enumerate(cartesian):
            depth = section.layers * geometry.layer_thickness / self.medium.radiation_length
            slices = max(1, round(depth / SLICE))
            edges += [edges[-1] + depth / slices * (k + 1) for k in range(slices)]
            owner += [i] * slices
            half = geometry.lateral_size / 2 / self.medium.moliere_radius
            self.register_buffer(f"x{i}", torch.linspace(-half, half, section.eta_cells + 1), persistent=False)
            self.register_buffer(f"y{i}", torch.linspace(-half, half, section.phi_cells + 1), persistent=False)
        self.owner = owner
        self.register_buffer("edges_t", torch.tensor(edges), persistent=False)
        self.register_buffer("section", torch.from_numpy(geometry.section_of_cell.copy()), persistent=False)
        self.register_buffer("longitudinal", published_longitudinal(self.medium))
        self.register_buffer("lost", torch.tensor([-5.5, 0.0, 1.0, 0.0]))
        self.radial = nn.Parameter(published_radial(self.medium))
        self.spots = nn.Parameter(torch.tensor([[-5.0, -0.8]] * self.sections))

    def log_y(self, energy: Tensor) -> Tensor:
        """Return the logarithm of the energy (N,) [GeV] over the critical energy, (N,)."""
        return torch.log(energy * (1000.0 / self.medium.critical_energy))

    def slices(self, log_t: Tensor, log_alpha: Tensor, start: Tensor) -> Tensor:
        """Return the energy's share in each slice and, last, behind the detector, (N, slices + 1).

        From ln T, ln alpha and the depth where the shower starts, (N,) each; by the midpoint rule, because ONNX has no
        incomplete gamma function.
        """
        alpha = torch.exp(log_alpha).clamp(min=1.05)[:, None]
        beta = (alpha - 1.0) / torch.exp(log_t)[:, None]
        width = (self.edges_t[1:] - self.edges_t[:-1]) / STEPS
        inside = self.edges_t[:-1, None] + width[:, None] * (torch.arange(STEPS, device=width.device) + 0.5)
        outside = self.edges_t[-1] + SLICE / STEPS * 2.0 * (torch.arange(BEYOND, device=width.device) + 0.5)
        points = torch.cat([inside.flatten(), outside]) - start[:, None]
        # Relative to the maximum, at beta t = alpha - 1, nothing overflows.
        depth = beta * points.clamp(min=1e-6) / (alpha - 1.0)
        density = torch.exp((alpha - 1.0) * (torch.log(depth) - depth + 1.0)) * (points > 0).to(depth.dtype)
        count = len(width) * STEPS
        within = density[:, :count].unflatten(1, (len(width), STEPS)).sum(dim=2) * width
        behind = density[:, count:].sum(dim=1, keepdim=True) * (SLICE / STEPS * 2.0)
        shares = torch.cat([within, behind], dim=1)
        return shares / shares.sum(dim=1, keepdim=True)

    def spot_energy(self, energy: Tensor) -> Tensor:
        """Return the mean energy of a spot over that of the particle, (N, sections)."""
        return torch.exp(self.spots[:, 0] + self.spots[:, 1] * torch.log(energy)[:, None])

    def cell_shares(self, energy: Tensor, log_t: Tensor, start: Tensor, slices: Tensor) -> Tensor:
        """Return each cell's expected share of its section's energy, (N, cells)."""
        core, tail, weight = self._radii(energy, log_t, start)
        pieces = []
        for i in range(self.sections):
            first, last = self._slices_of(i)
            x, y = getattr(self, f"x{i}"), getattr(self, f"y{i}")
            part = slices[:, first:last] / slices[:, first:last].sum(dim=1, keepdim=True).clamp(min=1e-20)
            p = weight[:, first:last]
            corners = (part * p)[:, :, None, None] * _corners(core[:, first:last], y, x)
            corners = (corners + (part * (1.0 - p))[:, :, None, None] * _corners(tail[:, first:last], y, x)).sum(dim=1)
            rows = corners[:, 1:] - corners[:, :-1]
            cells = (rows[:, :, 1:] - rows[:, :, :-1]).flatten(1).clamp(min=1e-9)
            pieces.append(cells / cells.sum(dim=1, keepdim=True))
        return torch.cat(pieces, dim=1)

    def section_shares(self, slices: Tensor) -> Tensor:
        """Return each section's share of the deposited energy, (N, sections)."""
        pieces = [slices[:, first:last].sum(dim=1) for first, last in map(self._slices_of, range(self.sections))]
        inside = torch.stack(pieces, dim=1)
        return inside / inside.sum(dim=1, keepdim=True)

    def _slices_of(self, section: int) -> tuple[int, int]:
        first = self.owner.index(section)
        return first, first + self.owner.count(section)

    def _radii(self, energy: Tensor, log_t: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z1, z1_e, z2, z3, k1, k2, k3, k4, k4_e, k5, p1, p2, p3, p3_e, p4 = self.radial.unbind()
        log_e = torch.log(energy)[:, None]
        middle = 0.5 * (self.edges_t[1:] + self.edges_t[:-1]) - start[:, None]
        tau = middle.clamp(min=0.0) / torch.exp(log_t)[:, None]
        sampling = torch.exp(-tau)
        core = (z1 + z1_e * log_e + z2 * tau + z3 * sampling).clamp(0.01, 10.0)
        grown = torch.exp((k3 * (tau - k2)).clamp(max=5.0)) + torch.exp(
            ((k4 + k4_e * log_e) * (tau - k2)).clamp(max=5.0)
        )
        tail = (k1 * grown + k5 * sampling).clamp(0.05, 50.0)
        u = ((p2 - tau) / (p3 + p3_e * log_e).clamp(min=0.1)).clamp(max=5.0)
        weight = (p1 * torch.exp(u - torch.exp(u)) + p4 * torch.exp(-((tau - 1.0) ** 2))).clamp(0.01, 0.99)
        return core, tail, weight

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and energies (N, 1) [GeV] to energies of cells, (N, cells), [MeV]."""
        energy = conditions[:, 0]
        log_y = self.log_y(energy)
        z_t, z_a, z_lost = noise[:, 0], noise[:, 1], noise[:, 2]
        mean_t, mean_a, width_t, width_a, rho = means_and_deviations(self.longitudinal, log_y)
        log_t = mean_t + width_t * z_t
        log_alpha = mean_a + width_a * (rho * z_t + torch.sqrt(1.0 - rho * rho) * z_a)
        start = torch.zeros_like(energy)
        if self.converts:  # an exponential number is half of the sum of two squares
            start = 0.5 * CONVERSION * (noise[:, 3] ** 2 + noise[:, 4] ** 2)
        slices = self.slices(log_t, log_alpha, start)
        # What neither the sections nor the leakage behind them hold: gamma distributed, by its cube root.
        shape = torch.exp(self.lost[2] + self.lost[3] * log_y).clamp(min=0.3)
        root = 1.0 - 1.0 / (9.0 * shape) + z_lost / (3.0 * torch.sqrt(shape))
        lost = torch.exp(self.lost[0] + self.lost[1] * log_y) * root.clamp(min=0.0) ** 3
        deposited = 1000.0 * (energy + self.rest_energy) * (1.0 - slices[:, -1]).sub(lost).clamp(min=0.0)

        z_number, z_energy, z_second = noise[:, self.profile_noise :].split(self.n_cells, dim=1)
        sections = self.section_shares(slices)
        numbers = (sections / self.spot_energy(energy)).index_select(1, self.section)
        expected = self.cell_shares(energy, log_t, start, slices) * numbers
        spots = energy_of_spots(poisson_number(expected, z_number), z_energy, z_second)
        *found, last = spots.split(self.counts, dim=1)
        # The last section holds few spots and what they bring; those before it share the rest as the profile says.
        last = last * self.spot_energy(energy)[:, -1:]
        last = last * (0.5 / last.sum(dim=1, keepdim=True).clamp(min=0.5))  # at most half of the energy
        before = sections[:, :-1] / sections[:, :-1].sum(dim=1, keepdim=True) * (1.0 - last.sum(dim=1, keepdim=True))
        filled = [
            piece * (before[:, i : i + 1] / piece.sum(dim=1, keepdim=True).clamp(min=1e-12))
            for i, piece in enumerate(found)
        ]
        return torch.cat([*filled, last], dim=1) * deposited[:, None]


def _corners(radius: Tensor, y: Tensor, x: Tensor) -> Tensor:
    r"""Return the integral of R²/π (x² + y² + R²)^-2 from 0 to each corner, (N, slices, Y, X), radii (N, slices).

    .. math:: \frac{1}{2\pi}\left[\frac{x}{\sqrt{x^2 + R^2}} \arctan\frac{y}{\sqrt{x^2 + R^2}}
        + \frac{y}{\sqrt{y^2 + R^2}} \arctan\frac{x}{\sqrt{y^2 + R^2}}\right]
    """
    square = (radius * radius)[:, :, None, None]
    column, row = y[:, None], x[None, :]
    along_x, along_y = torch.rsqrt(row * row + square), torch.rsqrt(column * column + square)
    first = row * along_x * torch.atan(column * along_x)
    second = column * along_y * torch.atan(row * along_y)
    return (first + second) * (0.5 / math.pi)
