"""Adversarial training with an auxiliary class: the critic also says of which class an event is.

Odena, Olah and Shlens, arXiv:1610.09585, as in LAGAN (arXiv:1701.05927): the generator learns to make events that the
critic takes for real and for those of the class that was asked for. Some labels are flipped, so that neither answer
becomes certain (Salimans et al., arXiv:1606.03498). Unlike in these papers the critic learns the class of real events
alone: it would otherwise learn by what the generator tells its classes apart. The rest is as in
:mod:`simulacra.generators.adversarial`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.generators.adversarial import Adversarial


class ClassNetworks(Protocol):
    """What the family needs from its networks; the other methods of ``AdversarialNetworks`` besides."""

    def answers(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of "real" and of the class 1, both (N,)."""

    def labels(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the class, 0 or 1, of each event of the batch, (N,)."""


class AuxiliaryClass(Adversarial):
    """The two players and their losses, with an auxiliary class.

    Parameters
    ----------
    networks:
        see :class:`ClassNetworks`.
    class_weight:
        weight of the loss of the class against that of "real".
    flipped_real, flipped_class:
        share of the critic's labels "real" or "generated", and of the classes asked from the generator, that are
        flipped.
    others:
        of :class:`~simulacra.generators.adversarial.Adversarial`.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        networks: Any,
        *,
        class_weight: float = 0.5,
        flipped_real: float = 0.05,
        flipped_class: float = 0.09,
        **others: Any,
    ) -> None:
        super().__init__(generator, critic, networks, **others)
        self.class_weight, self.flipped_real, self.flipped_class = class_weight, flipped_real, flipped_class

    def forward(
        self, player: str, batch: Mapping[str, Tensor], step: int, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of ``player`` on a batch, and scalars to log."""
        networks: Any = self.networks
        labels = networks.labels(batch)
        n = len(labels)
        noise = torch.randn(n, self.latent, generator=rng).to(labels.device)
        # Gradients of the critic in the generator's turn would only be thrown away.
        self.critic.requires_grad_(player == "critic")
        if player == "generator":
            seen = networks.generate(self.generator, noise, batch)
            logit, kind = networks.answers(self.generator, self.critic, seen, batch)
            asked = flipped(labels, self.flipped_class, rng)
            auxiliary = networks.auxiliary(self.generator, self.critic, seen, batch)
            of_class = functional.binary_cross_entropy_with_logits(kind, asked)
            loss = functional.softplus(-logit).mean() + self.class_weight * of_class + auxiliary
            return loss, {"auxiliary": auxiliary.detach(), "class_loss": of_class.detach()}
        with torch.no_grad():
            fake = networks.generate(self.generator, noise, batch)
        penalise = self.gradient_penalty > 0 and step % self.penalty_interval == 0
        real = {k: v.detach().requires_grad_(penalise) for k, v in networks.real(self.generator, batch).items()}
        logit_real, kind_real = networks.answers(self.generator, self.critic, real, batch)
        logit_fake, _ = networks.answers(self.generator, self.critic, fake, batch)
        logits = torch.cat([logit_real, logit_fake])
        truth = torch.cat([torch.ones_like(logit_real), torch.zeros_like(logit_fake)])
        loss = 2 * functional.binary_cross_entropy_with_logits(logits, flipped(truth, self.flipped_real, rng))
        # Of generated events only the class that was asked for is known, not whether they look like it.
        of_class = functional.binary_cross_entropy_with_logits(kind_real, labels)
        loss = loss + 2 * self.class_weight * of_class
        accuracy = 0.5 * ((logit_real > 0).float().mean() + (logit_fake < 0).float().mean())
        if penalise:
            gradients = torch.autograd.grad(logit_real.sum(), list(real.values()), create_graph=True)
            norm = sum((g.reshape(n, -1) ** 2).sum(dim=1) for g in gradients)
            loss = loss + 0.5 * self.gradient_penalty * self.penalty_interval * torch.as_tensor(norm).mean()
        right = ((kind_real > 0) == (labels > 0)).float().mean()
        return loss, {"accuracy": accuracy.detach(), "class_accuracy": right}


def flipped(labels: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Return labels 0 and 1, (N,), of which a share on average is flipped."""
    flips = torch.rand(len(labels), generator=rng).to(labels.device) < share
    return torch.where(flips, 1 - labels, labels)
