"""ONNX Runtime in the place of a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.deploy.session import Session


class RuntimeModule(nn.Module):
    """A session behind the call of a torch module: same inputs, same output, on the CPU and without gradients.

    In a :class:`~simulacra.trained.TrainedGenerator`'s ``module`` it makes ``sample`` run in ONNX Runtime: the same
    noise and the same conditions, with ``exact=True`` in blocks of the same size, so that an event is a function of
    seed, index and conditions as before, and torch's to within the file's parity.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.latent = session.latent

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Return the output, (N, ...), for noise (N, latent) and conditions (N, C) in physical units."""
        return torch.from_numpy(self.session.run(noise.numpy(), conditions.numpy(), whole=True))
