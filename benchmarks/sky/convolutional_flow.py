"""A plain convolutional flow of fields for comparison: affine couplings of a chessboard (RealNVP, arXiv:1605.08803)."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

WIDTH: Final = 32
COUPLINGS: Final = 8
BATCH: Final = 16


class ConvolutionalFlow(nn.Module):
    """Fields (N, n, n) to noise: each coupling shifts and scales one colour of a chessboard, given the other."""

    def __init__(self, size: int, conditions: int) -> None:
        super().__init__()
        colour = (torch.arange(size)[:, None] + torch.arange(size)) % 2
        self.register_buffer("black", colour.float())
        self.centre = nn.Parameter(torch.zeros(()))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 + conditions, WIDTH, 3, padding=1), nn.SiLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.SiLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.SiLU(),
                nn.Conv2d(WIDTH, 2, 3, padding=1),
            )
            for _ in range(COUPLINGS)
        )  # fmt: skip
        for network in self.networks:
            nn.init.zeros_(network[-1].weight)  # type: ignore[index, arg-type, union-attr]
            nn.init.zeros_(network[-1].bias)  # type: ignore[index, arg-type, union-attr]

    def log_prob(self, field: Tensor, conditions: Tensor) -> Tensor:
        """Return the log-density of fields given their conditions (N, C), (N,)."""
        x = (field - self.centre) * torch.exp(-self.log_scale)
        volume = -self.log_scale * math.prod(field.shape[1:]) * torch.ones(len(field))
        given = conditions[:, :, None, None].expand(-1, -1, *field.shape[1:])
        for step, network in enumerate(self.networks):
            held: Tensor = self.black if step % 2 else 1 - self.black  # type: ignore[operator, assignment]
            seen = torch.stack([x * held, held.expand_as(x)], dim=1)
            shift, scale = network(torch.cat([seen, given], dim=1)).unbind(dim=1)
            scale = 2 * torch.tanh(scale / 2) * (1 - held)
            x = (x + shift * (1 - held)) * scale.exp()
            volume = volume + scale.sum(dim=(1, 2))
        return -0.5 * (x.square() + math.log(2 * math.pi)).sum(dim=(1, 2)) + volume


def trained(
    training: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], steps: int, seed: int = 1
) -> ConvolutionalFlow:
    """Return the flow with the best validation likelihood; fields are turned and mirrored at random in training."""
    torch.manual_seed(seed)
    field, conditions = training
    flow = ConvolutionalFlow(field.shape[1], conditions.shape[1])
    flow.centre.data.copy_(field.mean())
    flow.log_scale.data.copy_(field.std().log())
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, kept = -math.inf, flow.state_dict()
    for step in range(1, steps + 1):
        rows = torch.randint(len(field), (BATCH,))
        batch = torch.rot90(field[rows], int(torch.randint(4, ())), (1, 2))
        batch = batch.flip(1) if torch.rand(()) < 0.5 else batch
        loss = -flow.log_prob(batch, conditions[rows]).mean() / batch[0].numel()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            with torch.no_grad():
                score = float(flow.log_prob(*validation).mean())
            if score > best:
                best, kept = score, {name: value.clone() for name, value in flow.state_dict().items()}
    flow.load_state_dict(kept)
    return flow.eval()
