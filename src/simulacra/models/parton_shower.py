"""A generator of parton showers by repeated splittings with shared weights, and its critic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.networks.deep_sets import ParticleFlowNetwork, perceptron
from simulacra.networks.unit_spline import UnitSpline
from simulacra.observables.lund import Declusterings, clouds_of, decluster

#: numbers of a splitting that the critic sees
SEEN: Final = 7
#: numbers of noise of a splitting: azimuth, and for each of the two partons its starting scale, next angle and share
NOISE: Final = 7
#: kT of both partons of equal shares is half of that of the parton: the room for a splitting begins at this
LEAST_ROOM: Final = math.log(2.0)
#: how many times faster than weights the two numbers of the ordering are learned: Adam moves all by equal steps, and
#: these have further to go
FASTER: Final = 5.0


class Decided(NamedTuple):
    """Everything that a generator drew for partons of showers, (M,) each.

    Attributes
    ----------
    event:
        the place of the parton's event.
    energy, room:
        log of the energy, and of the starting kT (energy times starting angle), in units of the cut-off.
    split:
        whether it splits at all.
    level, share:
        log of energy times angle of its splitting in units of the cut-off, and the place of log(1/z) in its range.
    start, stretch, angle:
        log of its starting angle before the largest angle limits it, log of its mother's energy over its own, and log
        of the angle at which it was made; 0 of first partons.
    made:
        whether it was made by a splitting, and could itself split at some angle.
    """

    event: Tensor
    energy: Tensor
    room: Tensor
    split: Tensor
    level: Tensor
    share: Tensor
    start: Tensor
    stretch: Tensor
    angle: Tensor
    made: Tensor


class SplittingKernel(nn.Module):
    """The splitting of a parton, with the same weights for every parton.

    With energies and transverse momenta as logarithms in units of the cut-off, the angle of a parton's next splitting
    has a distribution that depends on its energy and its starting angle. The share z of the softer one of the two,
    between the cut-off and 1/2, has one that depends on energy and angle. Both are splines
    (:class:`~simulacra.networks.unit_spline.UnitSpline`) whose parameters are a network's output. A parton does not
    split if the angle is so small that no share is above the cut-off.

    The two partons start at the angle at which E^a theta is as at their own splitting, smeared: the exponent a, the
    ordering variable, is learned, and so is the width.

    Parameters
    ----------
    width, pieces:
        of the networks, and of the splines.
    """

    def __init__(self, width: int, pieces: int) -> None:
        super().__init__()
        self.next = perceptron([2, width, width, 3 * pieces + 1])
        self.share = perceptron([2, width, width, 3 * pieces + 1])
        for network in (self.next, self.share):
            last = network[-1]
            assert isinstance(last, nn.Linear)
            with torch.no_grad():
                last.weight.mul_(0.1)
                last.bias.zero_()
        # the exponent and the log of the width, which begin at 0.5 and log 0.3
        self.ordering = nn.Parameter(torch.tensor([0.5, math.log(0.3)]) / FASTER)

    @property
    def exponent(self) -> Tensor:
        """The exponent a of the ordering variable E^a theta, a scalar."""
        return FASTER * self.ordering[0]

    def next_scale(self, energy: Tensor, room: Tensor) -> UnitSpline:
        """Return the distribution of the next level, in units of the room."""
        return UnitSpline.of(self.next(_scaled(energy, room)))

    def shares(self, energy: Tensor, level: Tensor) -> UnitSpline:
        """Return the distribution of the place of log(1/z) between log 2 and the level."""
        return UnitSpline.of(self.share(_scaled(energy, level)))

    def start(self, stretch: Tensor, angle: Tensor) -> Tensor:
        """Return the mean of the log of the starting angle."""
        return angle + self.exponent * stretch

    def width(self) -> Tensor:
        """Return the standard deviation of the log of the starting angle."""
        return torch.exp(FASTER * self.ordering[1]) + 0.02

    def log_probability(self, decided: Decided, events: int) -> Tensor:
        """Return the log-probability of everything that was drawn for the showers of so many events, (events,)."""
        room = decided.room
        able = room > LEAST_ROOM
        safe = torch.where(able, room, 2 * LEAST_ROOM)
        scale = self.next_scale(decided.energy, safe)
        # No splitting: any level at which no share is above the cut-off. This is the Sudakov factor.
        none = torch.log(scale.cumulative(LEAST_ROOM / safe).clamp(min=1e-12))
        level = torch.where(decided.split, decided.level, safe)
        some = scale.log_density(level / safe) + self.shares(decided.energy, level).log_density(decided.share)
        total = torch.where(able, torch.where(decided.split, some, none), 0.0)
        width = self.width()
        pull = (decided.start - self.start(decided.stretch, decided.angle)) / width
        total = total + torch.where(decided.made, -0.5 * pull**2 - torch.log(width), 0.0)
        return total.new_zeros(events).index_add(0, decided.event, total)


def _scaled(energy: Tensor, other: Tensor) -> Tensor:
    """Return inputs of order 1 of logarithms between 0 and about 8."""
    return torch.stack([0.4 * energy - 1.6, 0.6 * other - 1.6], dim=-1)


class PartonShower(nn.Module):
    """Map noise and the energy of a parton to the partons of its shower: the module of a checkpoint and an ONNX file.

    Light-cone energies and transverse momenta are conserved in each splitting. The splitting with the largest ordering
    variable is made first, until no parton splits or all places are taken.

    Parameters
    ----------
    places:
        largest number of partons, P.
    cutoff, largest_angle:
        lowest kT of a splitting [GeV], and largest starting angle.
    width, pieces:
        of :class:`SplittingKernel`.
    """

    def __init__(self, places: int, cutoff: float, largest_angle: float, width: int, pieces: int) -> None:
        super().__init__()
        self.places, self.cutoff, self.log_largest = places, cutoff, math.log(largest_angle)
        self.kernel = SplittingKernel(width, pieces)
        self.latent = 2 + NOISE * (places - 1)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, latent) and light-cone energies (N, 1) [GeV] to px, py, pz and energy of partons, (N, P, 4).

        The partons are in the order of their splittings, and absent ones are 0.
        """
        energy, slope = self.shower(noise, conditions)
        other = 0.25 * energy * (slope**2).sum(dim=-1)
        across = energy[..., None] * slope
        return torch.cat([(energy - other)[..., None], across, (energy + other)[..., None]], dim=-1)

    def shower(self, noise: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return light-cone energies (N, P) [GeV] and slopes (N, P, 2)."""
        kernel, latent = self.kernel, torch.special.ndtr(noise)
        first = torch.log(conditions / self.cutoff)
        zero = torch.zeros_like(first)
        energy, slope = conditions, torch.zeros_like(conditions)[..., None].expand(-1, -1, 2)
        started = zero + self.log_largest
        level, share, split = self._next(first, started, latent[:, :2, None])
        # of each parton: log of its splitting's angle, the logarithm of 1/z there, and its place in the ordering
        angle, steep, rank = self._told(first, level, share, split)
        for k in range(self.places - 1):
            chosen = rank.argmax(dim=1, keepdim=True)
            going = torch.gather(rank, 1, chosen) > _NEVER / 2
            if not torch.compiler.is_exporting() and not bool(going.any()):
                break
            noise_here = latent[:, 2 + NOISE * k : 2 + NOISE * (k + 1)]
            e, a, s = (torch.gather(x, 1, chosen) for x in (energy, angle, steep))
            z = torch.exp(-s)
            middle = torch.gather(slope, 1, chosen[..., None].expand(-1, -1, 2))
            turn = 2 * math.pi * noise_here[:, :1]
            apart = torch.exp(a)[..., None] * torch.stack([torch.cos(turn), torch.sin(turn)], dim=-1)
            shares = torch.cat([1 - z, z], dim=1)
            two = e * shares
            log_two = torch.log(two / self.cutoff)
            stretch = -torch.log(shares)
            smeared = noise[:, 3 + NOISE * k : 5 + NOISE * k]
            start = kernel.start(stretch, a.expand(-1, 2)) + kernel.width() * smeared
            started = start.clamp(max=self.log_largest)
            level, share, split = self._next(log_two, started, noise_here[:, 3:].unflatten(1, (2, 2)))
            told = self._told(log_two, level, share, split & going)
            here = torch.zeros_like(energy).scatter(1, chosen, 1.0) * going
            hard, soft = middle - z[..., None] * apart, middle + (1 - z)[..., None] * apart
            energy = _grown(energy, here, two, going)
            slope = torch.cat(
                [torch.where(here[..., None] > 0, hard, slope), torch.where(going[..., None], soft, 0.0)], dim=1
            )
            angle, steep = (_grown(x, here, y, going) for x, y in zip((angle, steep), told[:2], strict=True))
            rank = torch.cat([torch.where(here > 0, told[2][:, :1], rank), told[2][:, 1:]], dim=1)
        missing = self.places - energy.shape[1]
        if missing:
            energy = nn.functional.pad(energy, (0, missing))
            slope = nn.functional.pad(slope, (0, 0, 0, missing))
        return energy, slope

    def grow(self, conditions: Tensor, rng: torch.Generator) -> tuple[list[Tensor], Decided]:
        """Return the partons of showers of any length, and everything that was drawn for them.

        It draws what :meth:`shower` draws, from other random numbers, for only those partons that are there: this takes
        a tenth of the time in training.

        Parameters
        ----------
        conditions:
            light-cone energies of first partons (N, 1) [GeV].

        Returns
        -------
        tuple
            event (M,), light-cone energy (M,) [GeV] and slopes (M, 2) of the final partons; what was decided.
        """
        kernel, device = self.kernel, conditions.device

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=rng).to(device)

        def uniform(count: int) -> Tensor:
            return torch.rand(count, generator=rng).to(device)

        event = torch.arange(len(conditions), device=device)
        energy = torch.log(conditions[:, 0] / self.cutoff)
        slope = torch.zeros(len(conditions), 2, device=device)
        zero = torch.zeros_like(energy)
        start, stretch, angle = zero + self.log_largest, zero, zero
        made = torch.zeros_like(event, dtype=torch.bool)
        final: list[tuple[Tensor, ...]] = []
        record: list[Decided] = []
        while len(event):
            room = energy + start.clamp(max=self.log_largest)
            able = room > LEAST_ROOM
            safe = torch.where(able, room, 2 * LEAST_ROOM)
            level = safe * kernel.next_scale(energy, safe).quantile(uniform(len(event)))
            split = able & (level > LEAST_ROOM)
            level = torch.where(split, level, 2 * LEAST_ROOM)
            share = kernel.shares(energy, level).quantile(uniform(len(event)))
            record.append(Decided(event, energy, room, split, level, share, start, stretch, angle, made))
            final.append((event[~split], self.cutoff * torch.exp(energy[~split]), slope[~split]))
            event, energy, level, share, slope = (x[split] for x in (event, energy, level, share, slope))
            steep = LEAST_ROOM + (level - LEAST_ROOM) * share
            z = torch.exp(-steep)
            turn = 2 * math.pi * uniform(len(event))
            angle = level - energy
            apart = torch.exp(angle)[:, None] * torch.stack([torch.cos(turn), torch.sin(turn)], dim=1)
            slope = torch.cat([slope - z[:, None] * apart, slope + (1 - z)[:, None] * apart])
            stretch = torch.cat([-torch.log1p(-z), steep])
            event, angle, energy = torch.cat([event, event]), torch.cat([angle, angle]), torch.cat([energy, energy])
            energy = energy - stretch
            start = kernel.start(stretch, angle) + kernel.width() * normal(len(event))
            # Of partons too soft to split at any angle, nothing depends on the starting angle.
            made = energy + self.log_largest > LEAST_ROOM
        partons = [torch.cat(column) for column in zip(*final, strict=True)]
        return partons, Decided(*(torch.cat(column) for column in zip(*record, strict=True)))

    @staticmethod
    def splittings(decided: Decided) -> tuple[Tensor, Tensor, Tensor]:
        """Return logs of z, kT [cut-offs] and angle of partons' splittings, (M,) each; they mean nothing of others."""
        steep = LEAST_ROOM + (decided.level - LEAST_ROOM) * decided.share
        return -steep, decided.level - steep, decided.level - decided.energy

    def _next(self, energy: Tensor, started: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return level, share and whether there is a splitting, (N, K) each, of partons that start at an angle.

        ``uniform`` are the probabilities of levels and shares, (N, 2, K).
        """
        room = energy + started
        able = room > LEAST_ROOM
        safe = torch.where(able, room, 2 * LEAST_ROOM)
        level = safe * self.kernel.next_scale(energy, safe).quantile(uniform[:, 0])
        split = able & (level > LEAST_ROOM)
        level = torch.where(split, level, 2 * LEAST_ROOM)
        return level, self.kernel.shares(energy, level).quantile(uniform[:, 1]), split

    def _told(self, energy: Tensor, level: Tensor, share: Tensor, split: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log of the angle, log(1/z) and the log of the ordering variable of splittings, (N, K) each."""
        angle = level - energy
        steep = LEAST_ROOM + (level - LEAST_ROOM) * share
        rank = torch.where(split, angle + self.kernel.exponent * energy, _NEVER)
        return angle, steep, rank


#: instead of the ordering variable of partons that do not split
_NEVER: Final = -1e4


def _grown(values: Tensor, here: Tensor, two: Tensor, going: Tensor) -> Tensor:
    """Return values (N, K) with those of a pair (N, 2): one in the place of the mother, one at the end."""
    return torch.cat([torch.where(here > 0, two[:, :1], values), torch.where(going, two[:, 1:], 0.0)], dim=1)


class ShowerCritic(nn.Module):
    """Tell real final states from generated ones, as sets of the splittings that reclustering finds in them.

    A deep set of the splittings does not depend on the order of partons, and takes the energy as a further number.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = ParticleFlowNetwork(
            SEEN, 2, particle_widths=(width, width, width), event_widths=(width,), summary=1, numbers=1
        )

    def forward(self, splittings: Tensor, present: Tensor, energy: Tensor) -> Tensor:
        """Return the logit of "real", (N,), of splittings (N, S, 7), which of them are there, and log energies (N,)."""
        logit: Tensor = self.network(splittings, present.to(torch.uint8), energy[:, None])
        return logit[:, 0]


def splittings_of(found: Declusterings, cutoff: float) -> np.ndarray:
    """Return what the critic sees of the splittings of final states, (N, P - 1, 7), numbers of order 1."""

    def log(values: np.ndarray) -> np.ndarray:
        return np.log(np.where(found.present & (values > 0), values, 1.0))

    first = found.present & (found.mother_energy == 0)
    columns = (
        0.4 * log(found.energy / cutoff) - 1.6,
        0.5 * log(found.angle) + 1.5,
        0.6 * log(found.kt / cutoff) - 0.6,
        0.6 * log(2 * found.z) + 0.6,
        np.where(first, 0.0, 0.6 * (log(found.mother_energy) - log(found.energy))),
        np.where(first, 0.0, 0.6 * (log(found.mother_angle) - log(found.angle))),
        np.where(first, -1.0, np.where(found.soft, 1.0, 0.0)),
    )
    return np.where(found.present[..., None], np.stack(columns, axis=2), 0.0).astype(np.float32)


class ShowerGame:
    """The networks of the boundary-seeking family for showers.

    See :class:`~simulacra.generators.boundary_seeking.DecisionNetworks`. Batches hold ``splittings`` (N, S, 7),
    ``split`` (N, S) and ``conditions`` (N, 1) [GeV].
    """

    def __init__(self, cutoff: float) -> None:
        self.cutoff = cutoff

    def draw(
        self, generator: nn.Module, batch: Mapping[str, Tensor], rng: torch.Generator
    ) -> tuple[dict[str, Tensor], Decided]:
        """Return the splittings that reclustering finds in generated final states, and what was decided for them."""
        conditions = batch["conditions"]
        partons, decided = generator.grow(conditions, rng)  # type: ignore[operator]
        event, energy, slope = (column.cpu().numpy() for column in partons)
        found = decluster(*clouds_of(event, energy, slope, len(conditions)))
        most = max(1, int(found.present.sum(axis=1).max(initial=0)))
        seen = {
            "splittings": torch.as_tensor(splittings_of(found, self.cutoff)[:, :most]).to(conditions.device),
            "split": torch.as_tensor(np.ascontiguousarray(found.present[:, :most])).to(conditions.device),
        }
        return seen, decided

    def log_probability(self, generator: nn.Module, decided: Decided) -> Tensor:
        """Return the log-probability of the decisions for each event, (N,)."""
        kernel: SplittingKernel = generator.kernel  # type: ignore[assignment]
        return kernel.log_probability(decided, int(decided.event.max()) + 1)

    def real(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the splittings that reclustering finds in real final states."""
        return {name: batch[name] for name in ("splittings", "split")}

    def criticise(
        self,
        generator: nn.Module,  # noqa: ARG002
        critic: nn.Module,
        seen: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
    ) -> Tensor:
        """Return the logit of "real", (N,)."""
        energy = 0.4 * torch.log(batch["conditions"][:, 0] / self.cutoff) - 1.6
        logit: Tensor = critic(seen["splittings"].to(energy.dtype), seen["split"], energy)
        return logit
