"""Generative adversarial training of a generator and a critic.

Goodfellow et al., arXiv:1406.2661, with the non-saturating loss, or by least squares (Mao et al., arXiv:1611.04076),
where the critic answers 1 for real events and 0 for generated ones. The gradient penalty on real events (R1) of
Mescheder, Geiger and Nowozin, arXiv:1801.04406, makes the training converge; it is applied every few steps (Karras et
al., arXiv:1912.04958). The moving average of the generator's weights is validated and shipped.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.generators.average import follow

Loss = Literal["logistic", "least_squares"]


class AdversarialNetworks(Protocol):
    """What the family needs from its networks."""

    def generate(self, generator: nn.Module, noise: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the critic's input for generated events at the conditions of ``batch``."""

    def criticise(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the logit of "real", (N,)."""

    def real(self, generator: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the critic's input for real events."""

    def auxiliary(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Return a further loss of the generator (energy held to the requested one), a scalar."""


class Adversarial(nn.Module):
    """The two players and their losses.

    Parameters
    ----------
    generator, critic:
        the networks.
    networks:
        connects them to the representation (see :class:`AdversarialNetworks`).
    latent:
        length of the noise vector.
    gradient_penalty:
        R1's gamma.
    penalty_interval:
        steps between two penalties; its gradient is scaled up in proportion.
    average_decay:
        decay of the moving average of the generator's weights.
    loss:
        of the critic's answer.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        networks: AdversarialNetworks,
        *,
        latent: int,
        gradient_penalty: float = 1.0,
        penalty_interval: int = 8,
        average_decay: float = 0.999,
        loss: Loss = "logistic",
    ) -> None:
        super().__init__()
        self.generator, self.critic = generator, critic
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.networks, self.latent = networks, latent
        self.gradient_penalty, self.penalty_interval = gradient_penalty, penalty_interval
        self.average_decay = average_decay
        self.loss = loss

    def players(self) -> dict[str, nn.Module]:
        """Return the modules to optimise, in the order of their turns."""
        return {"critic": self.critic, "generator": self.generator}

    def forward(
        self, player: str, batch: Mapping[str, Tensor], step: int, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of ``player`` on a batch, and scalars to log."""
        n = next(iter(batch.values())).shape[0]
        noise = torch.randn(n, self.latent, generator=rng).to(next(self.generator.parameters()).device)
        if player == "generator":
            seen = self.networks.generate(self.generator, noise, batch)
            logit = self.networks.criticise(self.generator, self.critic, seen, batch)
            auxiliary = self.networks.auxiliary(self.generator, self.critic, seen, batch)
            return self._error(logit, real=True) + auxiliary, {"auxiliary": auxiliary.detach()}
        with torch.no_grad():
            fake = self.networks.generate(self.generator, noise, batch)
        penalise = self.gradient_penalty > 0 and step % self.penalty_interval == 0
        real = {k: v.detach().requires_grad_(penalise) for k, v in self.networks.real(self.generator, batch).items()}
        logit_real = self.networks.criticise(self.generator, self.critic, real, batch)
        logit_fake = self.networks.criticise(self.generator, self.critic, fake, batch)
        loss = self._error(logit_real, real=True) + self._error(logit_fake, real=False)
        middle = 0.5 if self.loss == "least_squares" else 0.0
        accuracy = 0.5 * ((logit_real > middle).float().mean() + (logit_fake < middle).float().mean())
        if penalise:
            gradients = torch.autograd.grad(logit_real.sum(), list(real.values()), create_graph=True)
            norm = sum((g.reshape(n, -1) ** 2).sum(dim=1) for g in gradients)
            loss = loss + 0.5 * self.gradient_penalty * self.penalty_interval * torch.as_tensor(norm).mean()
        return loss, {"accuracy": accuracy.detach()}

    def _error(self, logit: Tensor, *, real: bool) -> Tensor:
        """Return the mean error of the critic's answers (N,), if they should be "real", or "generated"."""
        if self.loss == "least_squares":
            return (logit - float(real)).square().mean()
        return functional.softplus(-logit if real else logit).mean()

    def after_step(self, step: int) -> None:
        """Update the moving average."""
        follow(self.average, self.generator, step, self.average_decay)
