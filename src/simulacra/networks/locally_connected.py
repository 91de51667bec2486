"""Convolution-like layers whose weights are, or are not, shared between positions.

Jet images and showers are not translation invariant: the centre is special, so each position has its own filter (LAGAN,
de Oliveira, Paganini and Nachman, arXiv:1701.05927). Tensors here are *position-major*, (rows, columns, channels, N): a
locally connected layer is then one batched matrix product over positions without transposition, on every backend and in
an ONNX file. The long axis is contiguous although there are few channels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def windows(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), *, rows_first: bool = True) -> Tensor:
    """Return the patches under a sliding kernel, (H, W, C, N) -> (H', W', kernel * C, N).

    Without ``rows_first`` the channels come first: (C, H, W, N) -> (kernel * C, H', W', N).
    """
    if torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling():
        patches: Tensor = _Windows.apply(x, kernel, stride, 0 if rows_first else 1)  # type: ignore[no-untyped-call]
        return patches
    return _gathered(x, kernel, stride, 0 if rows_first else 1)


def _gathered(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], axis: int) -> Tensor:
    """Return the patches; ``axis`` is that of the rows, and columns are the next."""
    return torch.cat(
        [x[place] for place in _places(x.shape[axis], x.shape[axis + 1], kernel, stride, axis)], dim=0 if axis else 2
    )


def _places(
    rows: int, columns: int, kernel: tuple[int, int], stride: tuple[int, int], axis: int
) -> list[tuple[slice, ...]]:
    """Return the part of an image under each pixel of a sliding kernel."""
    before = (slice(None),) * axis
    return [
        (
            *before,
            slice(i, rows - kernel[0] + i + 1, stride[0]),
            slice(j, columns - kernel[1] + j + 1, stride[1]),
        )
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


class _Windows(torch.autograd.Function):
    """The patches, with a gradient that is summed in one tensor: that of slices makes one of zeros for each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], axis: int) -> Tensor:
        ctx.geometry = x.shape, kernel, stride, axis
        return _gathered(x, kernel, stride, axis)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        spread: Tensor = _Scattered.apply(gradient, *ctx.geometry)  # type: ignore[no-untyped-call]
        return spread, None, None, None


class _Scattered(torch.autograd.Function):
    """The adjoint of :class:`_Windows`: each pixel is the sum over the patches that hold it."""

    @staticmethod
    def forward(
        ctx: Any,
        patches: Tensor,
        size: tuple[int, ...],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        axis: int,
    ) -> Tensor:
        ctx.geometry = kernel, stride, axis
        image = patches.new_zeros(size)
        pieces = patches.chunk(kernel[0] * kernel[1], dim=0 if axis else 2)
        for place, piece in zip(_places(size[axis], size[axis + 1], kernel, stride, axis), pieces, strict=True):
            image[place] += piece
        return image

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        patches: Tensor = _Windows.apply(gradient, *ctx.geometry)  # type: ignore[no-untyped-call]
        return patches, None, None, None, None


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
        patches = windows(x, self.kernel, rows_first=False).flatten(1)
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
