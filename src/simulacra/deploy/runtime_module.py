"""ONNX Runtime instead of a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.deploy.session import Session


class RuntimeModule(nn.Module):
    """A session with the interface of a torch module: same inputs, same output, on the CPU and without gradients.

    As ``module`` of a :class:`~simulacra.trained.TrainedGenerator` it makes ``sample`` run in ONNX Runtime, with the
    same noise and conditions, and with ``exact=True`` in blocks of the same size. An event still depends only on seed,
    index and conditions, and agrees with torch's within the file's parity.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.latent = session.latent

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Return the output, (N, ...), for noise (N, latent) and conditions (N, C) in physical units."""
        return torch.from_numpy(self.session.run(noise.numpy(), conditions.numpy(), whole=True))
