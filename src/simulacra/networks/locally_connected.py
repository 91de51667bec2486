"""Convolution-like layers whose weights are, or are not, shared between positions.

Jet images and showers are not translation invariant: the centre is special, so each position has its own filter (LAGAN,
de Oliveira, Paganini and Nachman, arXiv:1701.05927). Tensors here are *position-major*, (rows, columns, channels, N): a
locally connected layer is then one batched matrix product over positions without transposition, on every backend and in
an ONNX file. The long axis is contiguous although there are few channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def windows(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> Tensor:
    """Return the patches under a sliding kernel, (H, W, C, N) -> (H', W', kernel * C, N)."""
    rows, columns = x.shape[0], x.shape[1]
    pieces = [
        x[i : rows - kernel[0] + i + 1 : stride[0], j : columns - kernel[1] + j + 1 : stride[1]]
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
    return torch.cat(pieces, dim=2)


def pad(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """Pad with zeros above, below, left and right, (H, W, C, N)."""
    top, bottom, left, right = padding
    return functional.pad(x, (0, 0, 0, 0, left, right, top, bottom)) if any(padding) else x


def output_size(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> tuple[int, int]:
    """Return the (rows, columns) after a layer."""
    rows = (size[0] + padding[0] + padding[1] - kernel[0]) // stride[0] + 1
    columns = (size[1] + padding[2] + padding[3] - kernel[1]) // stride[1] + 1
    if rows < 1 or columns < 1:
        raise ValueError(f"a {kernel} kernel does not fit into an image of {size} padded by {padding}")
    return rows, columns


class LocallyConnected2d(nn.Module):
    """A convolution whose filter differs from position to position.

    Parameters
    ----------
    size:
        (rows, columns) of the input.
    in_channels, out_channels:
        numbers of channels.
    kernel, stride:
        (rows, columns).
    padding:
        zeros (above, below, left, right).
    bias:
        whether each position and channel adds a constant.
    """

    def __init__(
        self,
        size: tuple[int, int],
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.size, self.kernel, self.stride, self.padding = size, kernel, stride, padding
        self.output_size = output_size(size, kernel, stride, padding)
        positions = self.output_size[0] * self.output_size[1]
        fan_in = in_channels * kernel[0] * kernel[1]
        self.weight = nn.Parameter(torch.randn(positions, out_channels, fan_in) * math.sqrt(2.0 / fan_in))
        self.bias = nn.Parameter(torch.zeros(positions, out_channels, 1)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, columns, in_channels, N) to (rows', columns', out_channels, N)."""
        patches = windows(pad(x, self.padding), self.kernel, self.stride)
        flat = patches.reshape(-1, patches.shape[2], patches.shape[3])
        y = torch.bmm(self.weight, flat) if self.bias is None else torch.baddbmm(self.bias, self.weight, flat)
        return y.reshape(*self.output_size, self.weight.shape[1], -1)


class Convolution2d(nn.Module):
    """An ordinary convolution, one matrix product on channel-major tensors, (channels, rows, columns, N)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int],
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        super().__init__()
        self.kernel, self.padding = kernel, padding
        fan_in = in_channels * kernel[0] * kernel[1]
        self.weight = nn.Parameter(torch.randn(out_channels, fan_in) * math.sqrt(2.0 / fan_in))
        self.bias = nn.Parameter(torch.zeros(out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (in_channels, rows, columns, N) to position-major (rows', columns', out_channels, N)."""
        top, bottom, left, right = self.padding
        x = functional.pad(x, (0, 0, left, right, top, bottom))
        rows, columns = x.shape[1] - self.kernel[0] + 1, x.shape[2] - self.kernel[1] + 1
        pieces = [x[:, i : i + rows, j : j + columns] for i in range(self.kernel[0]) for j in range(self.kernel[1])]
        patches = torch.cat(pieces, dim=0).flatten(1)
        y = torch.addmm(self.bias, self.weight, patches)
        return y.reshape(-1, rows, columns, x.shape[3]).permute(1, 2, 0, 3)


class ChannelNorm(nn.Module):
    """Batch normalisation of position-major tensors: one mean and width per channel, over positions and events."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (rows, columns, channels, N)."""
        y: Tensor = self.norm(x.flatten(0, 1)).reshape(x.shape)
        return y
