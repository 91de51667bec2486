"""Particle clouds as inputs of a network: each particle's momentum relative to the event's axes, and its kind."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor, nn

Frame = Literal["event", "beam"]

#: PDG codes without their sign, by kind; 0 means "absent"
KINDS: Final = {
    "photon": (22,),
    "electron": (11,),
    "muon": (13,),
    "neutrino": (12, 14, 16),
    "charged pion": (211,),
    "charged kaon": (321,),
    "neutral kaon": (130, 310, 311),
    "proton": (2212,),
    "neutron": (2112,),
    "unidentified": (0,),
    "other": (),
}
FEATURES: Final = 5
SMALLEST: Final = 1e-6


class ParticleClouds(nn.Module):
    """Map momenta, energies and identities to features of order 1 and kinds.

    In the frame "event" the axes are the eigenvectors of the linearised momentum tensor, sum over particles of p_i p_j
    / |p| (Donoghue, Low and Pi, Phys. Rev. D 20 (1979) 2759): the result does not depend on the event's orientation, so
    the network need not learn this. The features are then the logarithm of the energy, the pseudorapidity along the
    first axis, the logarithm of the momentum transverse to it, and the cosine and sine of the azimuth around it. In the
    frame "beam" the axis is the beam, and azimuths are relative to the hardest particle.

    The features are rounded to half precision, in which a sample is stored: networks see the same in training and use.
    """

    mean: Tensor
    width: Tensor

    def __init__(self, frame: Frame = "event") -> None:
        super().__init__()
        self.frame = frame
        codes = [(code, kind) for kind, names in enumerate(KINDS.values(), 1) for code in names]
        self.kinds = len(KINDS) + 1
        self._codes = tuple(codes)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("width", torch.ones(FEATURES))

    def fit(self, momentum: Tensor, energy: Tensor, present: Tensor) -> None:
        """Compute the features' means and widths from a sample, (N, P, 3), (N, P), (N, P)."""
        features = self._raw(momentum, energy, present)[present]
        if len(features) < 2:
            raise ValueError(f"the sample holds {len(features)} particles: at least 2 are needed to scale them")
        mean, width = features.mean(dim=0), features.std(dim=0)
        # Cosine and sine keep their meaning.
        mean[3:], width[3:] = 0.0, 1.0
        self.mean.copy_(mean)
        self.width.copy_(width.clamp(min=1e-3))

    def forward(self, momentum: Tensor, energy: Tensor, identity: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Map momenta (N, P, 3) [GeV], energies (N, P) [GeV], PDG codes (N, P) and presence (N, P).

        Returns
        -------
        tuple
            features (N, P, 5) half, kinds (N, P) uint8; both 0 where absent.
        """
        features = (self._raw(momentum, energy, present) - self.mean) / self.width
        code = identity.abs()
        kinds = torch.full(code.shape, self.kinds - 1, dtype=torch.uint8, device=code.device)
        for known, kind in self._codes:
            kinds.masked_fill_(code == known, kind)
        # An ion's code would be beyond what the table knows; it stays "other".
        return features.half().masked_fill(~present[..., None], 0.0), kinds.masked_fill(~present, 0)

    def _raw(self, momentum: Tensor, energy: Tensor, present: Tensor) -> Tensor:
        p = momentum.float().masked_fill(~present[..., None], 0.0)
        if self.frame == "event":
            p = self._about_own_axes(p)
            along, across = p[..., 0], p[..., 1:]
        else:
            along, across = p[..., 2], p[..., :2]
        transverse = across.norm(dim=-1).clamp(min=SMALLEST)
        direction = across / transverse[..., None]
        if self.frame == "beam":
            hardest = transverse.masked_fill(~present, 0.0).argmax(dim=1)
            axis = direction[torch.arange(len(p)), hardest][:, None]
            direction = torch.stack(
                [(direction * axis).sum(-1), axis[..., 0] * direction[..., 1] - axis[..., 1] * direction[..., 0]],
                dim=-1,
            )
        return torch.cat(
            [
                torch.log(energy.float().clamp(min=SMALLEST))[..., None],
                torch.asinh(along / transverse).clamp(-10.0, 10.0)[..., None],
                torch.log(transverse)[..., None],
                direction,
            ],
            dim=-1,
        )

    @staticmethod
    def _about_own_axes(p: Tensor) -> Tensor:
        size = p.norm(dim=-1, keepdim=True).clamp(min=SMALLEST)
        tensor = (p / size).transpose(1, 2) @ p
        # Columns by falling eigenvalue; in double precision, for two of them may be almost equal.
        axes = torch.linalg.eigh(tensor.double()).eigenvectors.flip(-1).to(p.dtype)
        turned: Tensor = p @ axes
        # An axis has no direction: let the sum of cubes along it be positive, whatever the library returned.
        sign = torch.where((turned**3).sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
        about_axes: Tensor = turned * sign
        return about_axes
