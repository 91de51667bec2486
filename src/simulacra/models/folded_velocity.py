"""A velocity followed in fixed steps as one function, in fewer operations, for generation and export."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.generators.flow_matching import QUARTER, Solver
from simulacra.networks.velocity import Velocity


class FoldedTransport(nn.Module):
    """:func:`~simulacra.generators.flow_matching.transport` along a trained velocity: same noise, same points.

    The angles of all evaluations are known. Quantities that depend only on them are therefore constants: the factors of
    the normal distribution's velocity, and the angle's part of the embedding's first layer. The embeddings of all
    evaluations are computed together, because they do not depend on the point. A norm's scale and offset are merged
    into the next layer. Points stay in the components in which the normal distribution's velocity is diagonal: one
    rotation at the end is one product, a rotation in each evaluation would be two.

    Parameters
    ----------
    network:
        the trained velocity.
    steps, solver:
        of the integration.
    """

    entering: Tensor
    normal: Tensor
    learned: Tensor
    embedded_angles: Tensor

    def __init__(self, network: Velocity, steps: int, solver: Solver) -> None:
        super().__init__()
        self.steps, self.solver, self.width, self.size = steps, solver, network.width, network.size
        angles, lengths = _evaluations(steps, solver)
        with torch.no_grad():
            angle, length = (torch.tensor(x, dtype=torch.float64)[:, None] for x in (angles, lengths))
            cosine, sine, variance = angle.cos(), angle.sin(), network.variance.double()
            total = cosine.square() + sine.square() * variance
            self.register_buffer("entering", total.rsqrt().float())
            self.register_buffer("normal", (length * cosine * sine * (variance - 1.0) / total).float())
            self.register_buffer("learned", (length * (variance / total).sqrt()).float())
            weight, bias = _double(network.embed[0])
            context = weight.shape[1] - 2 * len(network.harmonics)
            phases = angle * network.harmonics.double()
            known = torch.cat([phases.sin(), phases.cos()], dim=1) @ weight[:, context:].t() + bias
            self.register_buffer("embedded_angles", known.float()[:, None])
            self.context = _product(weight[:, :context].t())
            self.embed = nn.ParameterList(_layer(network.embed[2]))
            shift_weight, shift_bias = _double(network.shift)
            blocks, offsets = [], []
            for norm, block in zip(network.norms, network.blocks, strict=True):
                weight, bias = _double(block)
                scale, offset = _double(norm)
                blocks.append(_product((weight * scale).t()))
                offsets.append(bias + weight @ offset)
            self.blocks = nn.ParameterList(blocks)
            self.shift = nn.ParameterList([_product(shift_weight.t()), _product(shift_bias + torch.cat(offsets))])
            self.first = nn.ParameterList(_layer(network.first))
            self.last = nn.ParameterList(_layer(network.last))
        self.epsilon = float(network.norms[0].eps) if len(network.norms) else 0.0  # type: ignore[arg-type]

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise (N, D) to points (N, D), given the context (N, C)."""
        shifts, x = self._shifts(context), noise
        for i in range(self.steps):
            if self.solver == "euler":
                x = x + self._moved(i, x, shifts)
                continue
            first = self._moved(2 * i, x, shifts)
            second = self._moved(2 * i + 1, x + first, shifts)
            x = x + (second if self.solver == "midpoint" else 0.5 * (first + second))
        return x

    def _shifts(self, context: Tensor) -> Tensor:
        """Return the offsets of each block in each evaluation, (evaluations, N, width * blocks)."""
        x = functional.silu(torch.mm(context, self.context) + self.embedded_angles)
        # One product over the rows of all evaluations, which reads the weights once.
        x = functional.silu(torch.addmm(self.embed[1], x.flatten(0, 1), self.embed[0]))
        shifts = torch.addmm(self.shift[1], x, self.shift[0])
        return shifts.reshape(len(self.embedded_angles), -1, self.shift[0].shape[1])

    def _moved(self, evaluation: int, x: Tensor, shifts: Tensor) -> Tensor:
        """Return the step of points (N, D) from their position."""
        h = torch.addmm(self.first[1], x * self.entering[evaluation], self.first[0])
        of_blocks = shifts[evaluation].split(self.width, dim=1) if len(self.blocks) else ()
        for block, shift in zip(self.blocks, of_blocks, strict=True):
            normed = functional.layer_norm(h, (self.width,), eps=self.epsilon)
            h = h + functional.silu(torch.addmm(shift, normed, block))
        found = torch.addmm(self.last[1], h, self.last[0])
        return torch.addcmul(x * self.normal[evaluation], found, self.learned[evaluation])


def _evaluations(steps: int, solver: Solver) -> tuple[list[float], list[float]]:
    """Return the angles at which a velocity is evaluated and the length of each step."""
    size = QUARTER / steps
    if solver == "euler":
        return [i * size for i in range(steps)], [size] * steps
    later, reach = (0.5, [0.5 * size, size]) if solver == "midpoint" else (1.0, [size, size])
    return [(i + part) * size for i in range(steps) for part in (0.0, later)], reach * steps


def _double(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return layer.weight.detach().double(), layer.bias.detach().double()  # type: ignore[operator]


def _layer(layer: nn.Module) -> list[nn.Parameter]:
    weight, bias = _double(layer)
    return [_product(weight.t()), _product(bias)]


def _product(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.float().contiguous(), requires_grad=False)
