"""A generator of jets and its critic, from networks of message passing and the representation of particles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.message_passing import CloudCritic, CloudGenerator
from simulacra.representations.conditional_quantiles import ConditionalQuantiles
from simulacra.representations.count_scores import CountScores
from simulacra.representations.jet_attributes import ATTRIBUTES, context_of, relative_mass, relative_mass_squared
from simulacra.representations.jet_particles import FEATURES, JetParticles, by_falling_pt

#: what is drawn of a jet: its multiplicity, what lacks of its mass, and the exponential of its pseudorapidity
DRAWN: Final = 3
#: noise beyond which nothing changes: of what is drawn of a jet, one number in 10^5 is further out; of particles, none
FURTHEST_DRAWN: Final = 4.5
FURTHEST_NOISE: Final = 8.0
#: below which the mass of the particles over pT is not resolved
LEAST_MASS: Final = 1e-4
#: jets are given their masses in this unit [GeV], in which an output's numbers are of one order
MASS_UNIT: Final = 1000.0
#: terms of the regression of the jet's mass
TERMS: Final = 4
#: what the critic sees of a particle: its point, its momentum times 1, eta and phi
SEEN: Final = 6
#: sizes of a particle's momentum and of its moments, by which they are divided
MOMENTUM: Final = 0.05
MOMENT: Final = 0.005
#: standardised observables beyond which nothing changes
FURTHEST_OBSERVABLE: Final = 10.0
OBSERVABLES: Final = 4


class JetGenerator(nn.Module):
    """Map noise and conditions to jets: the module of a checkpoint and of an ONNX file.

    Multiplicity and pseudorapidity are drawn from their distributions in the class, as in the paper. The mass of the
    jet is that of its particles, times what softer particles add: a regression on the mass and the summed pT of those
    that are there, with residuals from their distribution in the class.

    Parameters
    ----------
    particles:
        number of places for particles, P.
    classes:
        number of classes.
    pt_range:
        trained range of the jets' transverse momentum [GeV].
    latent:
        noise numbers of a particle.
    edge_widths, node_width, hidden:
        of the network (:class:`~simulacra.networks.message_passing.CloudGenerator`).
    """

    left_out: Tensor

    def __init__(
        self,
        particles: int,
        classes: int,
        pt_range: tuple[float, float],
        *,
        latent: int,
        edge_widths: Sequence[int],
        node_width: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.particles_per_jet, self.classes, self.pt_range = particles, classes, pt_range
        self.multiplicity = CountScores(particles, max(classes, 2))
        self.quantiles = ConditionalQuantiles(torch.zeros(DRAWN - 1, dtype=torch.long), max(classes, 2))
        self.representation = JetParticles(classes)
        self.network = CloudGenerator(latent, FEATURES, classes + 1, edge_widths, node_width, hidden=hidden)
        self.register_buffer("left_out", torch.zeros(classes, TERMS))
        self.latent = DRAWN + particles * latent

    def fit(self, cloud: Tensor, jet: Tensor, conditions: Tensor) -> None:
        """Fit to clouds (N, P, 3), multiplicity, mass over pT and pseudorapidity (N, 3), and conditions (N, 2)."""
        jet_class = conditions[:, 0]
        number, mass, eta = jet.unbind(dim=1)
        below = relative_mass(*cloud.unbind(dim=2))
        terms = self._terms(below, cloud[..., 2].sum(dim=1))
        more = mass.clamp(min=LEAST_MASS).log() - below.clamp(min=LEAST_MASS).log()
        for kind in jet_class.unique().long().tolist():
            rows = jet_class == kind
            # Of few jets, the least of the solutions.
            found = torch.linalg.pinv(terms[rows].double()) @ more[rows].double()
            self.left_out[kind] = found.to(self.left_out)
        residual = more - (terms * self.left_out[jet_class.long()]).sum(dim=1)
        self.multiplicity.fit(number, jet_class)
        drawn = torch.stack([residual.exp(), eta.exp()], dim=1)
        if len(jet_class.unique()) == 1:
            # The quantiles depend on the class: of one class, they are those of two that are alike.
            cloud, drawn = (torch.cat([one, one]) for one in (cloud, drawn))
            jet_class = torch.cat([jet_class, jet_class + 1])
        self.quantiles.fit(drawn, jet_class[:, None])
        # Angles about the jet's axis: the centre is what comes of the particles.
        self.representation.fit(cloud, torch.zeros(len(cloud), ATTRIBUTES), jet_class)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, latent) and conditions (N, 2), class and pT [GeV], to jets (N, 3 P + 2).

        The columns are eta, phi and pT of each particle relative to the jet, by falling pT, all 0 of absent ones; the
        jet's pseudorapidity, and its mass [TeV].
        """
        # What is NaN has no place among quantiles, and becomes NaN again at the end.
        wrong = noise.isnan().any(dim=1, keepdim=True)
        noise = noise.masked_fill(wrong, 0.0)
        number, residual, eta = self.drawn(noise, conditions)
        points = self.points(noise, number, conditions)
        cloud = by_falling_pt(*self.physical(points, conditions))
        mass = relative_mass(*cloud.unbind(dim=2))
        terms = self._terms(mass, cloud[..., 2].sum(dim=1))
        kind = functional.one_hot(conditions[:, 0].round().long(), self.classes).to(mass.dtype)
        more = (terms * (kind @ self.left_out)).sum(dim=1).exp() * residual
        mass = mass * more.clamp(min=1.0) * conditions[:, 1] / MASS_UNIT
        columns = [cloud.transpose(1, 2).flatten(1), eta[:, None], mass[:, None]]
        return torch.cat(columns, dim=1).masked_fill(wrong, torch.nan)

    def drawn(self, noise: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return multiplicities, residuals of the mass and pseudorapidities, (N,) each, of noise (N, latent)."""
        scores = noise[:, :DRAWN].clamp(-FURTHEST_DRAWN, FURTHEST_DRAWN)
        number = self.multiplicity.inverse(scores[:, 0], conditions[:, 0])
        residual, exponential = self.quantiles.inverse(scores[:, 1:], conditions[:, :1]).unbind(dim=1)
        tiny = torch.finfo(exponential.dtype).tiny
        return number, residual, exponential.clamp(min=tiny).log()

    def points(self, noise: Tensor, number: Tensor, conditions: Tensor) -> Tensor:
        """Return the particles' points (N, P, 3) of noise (N, latent) and multiplicities (N,); 0 of absent ones."""
        place = torch.arange(self.particles_per_jet, device=noise.device)
        there = (place < number[:, None]).to(noise.dtype)
        particles = noise[:, DRAWN:].clamp(-FURTHEST_NOISE, FURTHEST_NOISE)
        made: Tensor = self.network(
            particles.unflatten(1, (self.particles_per_jet, -1)), there, self.context(conditions)
        )
        return made

    def physical(self, points: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return angles (N, P, 2) and pT (N, P) relative to the jet of points (N, P, 3)."""
        return self.representation.particles(points, present(points), conditions[:, 0])

    def context(self, conditions: Tensor) -> Tensor:
        """Return the conditions (N, 2) as columns of order 1, (N, classes + 1)."""
        return context_of(conditions, self.classes, self.pt_range)

    @staticmethod
    def _terms(mass: Tensor, total: Tensor) -> Tensor:
        """Return what the logarithm of the jet's mass over the particles' mass depends on, (N, TERMS)."""
        log = mass.clamp(min=LEAST_MASS).log()
        return torch.stack([torch.ones_like(log), log, log.square(), total], dim=1)


class JetOpponent(nn.Module):
    """The critic and what it sees of jets: their particles, and sums over them, which it would learn last.

    Parameters
    ----------
    classes:
        number of classes.
    edge_widths, node_width, hidden:
        of the network (:class:`~simulacra.networks.message_passing.CloudCritic`).
    """

    mean: Tensor
    width: Tensor

    def __init__(self, classes: int, *, edge_widths: Sequence[int], node_width: int, hidden: int) -> None:
        super().__init__()
        self.network = CloudCritic(SEEN, OBSERVABLES, classes + 1, edge_widths, node_width, hidden=hidden)
        self.register_buffer("mean", torch.zeros(OBSERVABLES))
        self.register_buffer("width", torch.ones(OBSERVABLES))

    def fit(self, angles: Tensor, pt: Tensor) -> None:
        """Fit the units of the observables to angles (N, P, 2) and pT (N, P)."""
        found = self.observables(angles, pt)
        self.mean.copy_(found.mean(dim=0))
        self.width.copy_(found.std(dim=0).clamp(min=1e-6))

    def forward(self, points: Tensor, angles: Tensor, pt: Tensor, context: Tensor) -> Tensor:
        """Return the logit of "real", (N,), of points (N, P, 3), their angles (N, P, 2) and pT (N, P)."""
        seen = torch.cat([points, pt[..., None] / MOMENTUM, pt[..., None] * angles / MOMENT], dim=2)
        observables = (self.observables(angles, pt) - self.mean) / self.width
        observables = observables.clamp(-FURTHEST_OBSERVABLE, FURTHEST_OBSERVABLE)
        logit: Tensor = self.network(seen, present(points), observables, context)
        return logit

    @staticmethod
    def observables(angles: Tensor, pt: Tensor) -> Tensor:
        """Return summed pT, the logarithm of the squared mass, and the centre in eta and phi, (N, OBSERVABLES)."""
        total = pt.sum(dim=1)
        centre = (pt[..., None] * angles).sum(dim=1) / total.clamp(min=LEAST_MASS)[:, None]
        square = relative_mass_squared(angles[..., 0], angles[..., 1], pt)
        return torch.cat([total[:, None], (square + LEAST_MASS**2).log()[:, None], centre], dim=1)


def present(points: Tensor) -> Tensor:
    """Return 1 for present particles and 0 for absent ones, whose points (N, P, 3) are 0, (N, P)."""
    return (points != 0).any(dim=2).to(points.dtype)


class JetGame:
    """The networks of the adversarial family for jets.

    See :class:`~simulacra.generators.adversarial.AdversarialNetworks`. Batches hold ``points`` (N, P, 3) and
    ``conditions`` (N, 2) in physical units.
    """

    def generate(self, generator: nn.Module, noise: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return generated particles at the conditions of the batch, with generated multiplicities."""
        conditions = batch["conditions"]
        number = generator.drawn(noise, conditions)[0]  # type: ignore[operator]
        return {"points": generator.points(noise, number, conditions)}  # type: ignore[operator]

    def real(self, generator: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """Return real particles."""
        return {"points": batch["points"]}

    def criticise(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the logit of "real", (N,)."""
        angles, pt = generator.physical(seen["points"], batch["conditions"])  # type: ignore[operator]
        logit: Tensor = critic(seen["points"], angles, pt, generator.context(batch["conditions"]))  # type: ignore[operator]
        return logit

    def auxiliary(
        self,
        generator: nn.Module,  # noqa: ARG002
        critic: nn.Module,  # noqa: ARG002
        seen: Mapping[str, Tensor],  # noqa: ARG002
        batch: Mapping[str, Tensor],  # noqa: ARG002
    ) -> Tensor:
        """Return 0: nothing else is asked of the generator."""
        return torch.zeros(())
