"""The same generator of showers in fewer operations, for generation and export.

Successive linear operations become one matrix: dense layer and shared convolution; batch normalisation and the locally
connected layer after it; the attention's carried image and its weights. A locally connected layer becomes a few dense
products on overlapping bands of the image, which processors compute several times faster than one small product per
position. Tensors are (features, N): the events are the contiguous axis.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from scipy import sparse as scipy_sparse
from torch import Tensor, nn
from torch.nn import functional

from simulacra.models.shower_gan import ShowerGenerator
from simulacra.networks.layered_images import SLOPE, ImageStream, InpaintingAttention, sparse
from simulacra.networks.locally_connected import LocallyConnected2d
from simulacra.representations.shower_images import raised

BAND_ROWS = 32  # rows of each dense product, which fill a processor's vector registers


class Banded(nn.Module):
    """A sparse linear map as one batch of dense products, (features, N) -> (features', N).

    Parameters
    ----------
    matrix:
        the map, (outputs, inputs).
    bias:
        (outputs,).
    bands:
        the outputs of each product.
    place:
        position of each input in the given tensor, (inputs,); :attr:`place` is the position of each output.
    """

    index: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self, matrix: scipy_sparse.csr_matrix, bias: np.ndarray, bands: list[np.ndarray], place: np.ndarray
    ) -> None:
        super().__init__()
        needed = [np.unique(matrix[band].indices) for band in bands]
        inputs, outputs = max(map(len, needed)), max(map(len, bands))
        index = np.zeros((len(bands), inputs), dtype=np.int64)
        weight = np.zeros((len(bands), outputs, inputs), dtype=np.float32)
        constant = np.zeros((len(bands), outputs, 1), dtype=np.float32)
        self.place = np.zeros(matrix.shape[0], dtype=np.int64)
        for i, (band, columns) in enumerate(zip(bands, needed, strict=True)):
            index[i, : len(columns)] = place[columns]
            weight[i, : len(band), : len(columns)] = matrix[band][:, columns].toarray()
            constant[i, : len(band), 0] = bias[band]
            self.place[band] = i * outputs + np.arange(len(band))
        self.register_buffer("index", torch.from_numpy(index.reshape(-1)))
        self.register_buffer("weight", torch.from_numpy(weight))
        self.register_buffer("bias", torch.from_numpy(constant))

    def forward(self, x: Tensor) -> Tensor:
        """Map (features, N) to (bands * outputs, N)."""
        bands, outputs, inputs = self.weight.shape
        gathered = x.index_select(0, self.index).reshape(bands, inputs, -1)
        return (torch.matmul(self.weight, gathered) + self.bias).reshape(bands * outputs, -1)


def as_matrix(layer: LocallyConnected2d) -> scipy_sparse.csr_matrix:
    """Return a locally connected layer as a sparse matrix from (position, channel) to (position, channel)."""
    rows, columns = layer.size
    weight = layer.weight.detach().double().numpy()
    positions, out_channels, fan_in = weight.shape
    channels = fan_in // (layer.kernel[0] * layer.kernel[1])
    entries, targets, sources = [], [], []
    for position in range(positions):
        row, column = divmod(position, layer.output_size[1])
        for i in range(layer.kernel[0]):
            for j in range(layer.kernel[1]):
                r = row * layer.stride[0] + i - layer.padding[0]
                c = column * layer.stride[1] + j - layer.padding[2]
                if not (0 <= r < rows and 0 <= c < columns):
                    continue
                tap = (i * layer.kernel[1] + j) * channels
                block = weight[position, :, tap : tap + channels]
                entries.append(block.ravel())
                targets.append(np.repeat(position * out_channels + np.arange(out_channels), channels))
                sources.append(np.tile((r * columns + c) * channels + np.arange(channels), out_channels))
    shape = (positions * out_channels, rows * columns * channels)
    flat = (np.concatenate(entries), (np.concatenate(targets), np.concatenate(sources)))
    return scipy_sparse.coo_matrix(flat, shape=shape).tocsr()


def bands_of(size: tuple[int, int], channels: int) -> list[np.ndarray]:
    """Cut an image's features into bands across its shorter side."""
    features = np.arange(size[0] * size[1] * channels).reshape(size[0], size[1], channels)
    if size[1] < size[0]:
        features = features.transpose(1, 0, 2)
    width = max(1, round(BAND_ROWS / (features.shape[0] * channels)))
    return [features[:, k : k + width].ravel() for k in range(0, features.shape[1], width)]


class FoldedStream(nn.Module):
    """An :class:`ImageStream` in three products, (N, inputs) -> (cells, N)."""

    dense: Tensor
    constant: Tensor
    own_noise: Tensor
    order: Tensor

    def __init__(self, stream: ImageStream) -> None:
        super().__init__()
        with torch.no_grad():
            # The convolution is linear: it maps the dense layer's columns as it maps images.
            convolution: Any = copy.deepcopy(stream.convolution).double()
            weight, bias = stream.dense.weight.double(), stream.dense.bias.double()
            constant = convolution(bias.reshape(-1, *stream.padded, 1)).flatten(0, 2)
            convolution.bias.zero_()
            dense = convolution(weight.reshape(-1, *stream.padded, weight.shape[1])).flatten(0, 2)
            norm = stream.norm.norm
            scale = (norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)).numpy()  # type: ignore[union-attr]
            offset = norm.bias.double().numpy() - norm.running_mean.double().numpy() * scale  # type: ignore[union-attr]
        # Transposed: a row of numbers times a matrix is the product that runtimes do best for a single shower.
        self.register_buffer("dense", dense.t().float().contiguous())
        self.register_buffer("constant", constant.float())
        channels = stream.local.weight.shape[2] // 4
        self.register_buffer("own_noise", stream.own_noise.detach().reshape(stream.positions, channels, 1).clone())
        first, second = as_matrix(stream.local), as_matrix(stream.image)
        self.local = Banded(
            (first @ scipy_sparse.diags(np.tile(scale, stream.positions))).tocsr(),
            first @ np.tile(offset, stream.positions) + _bias(stream.local),
            bands_of(stream.local.output_size, stream.local.weight.shape[1]),
            np.arange(first.shape[1]),
        )
        self.image = Banded(second, _bias(stream.image), bands_of(stream.size, 1), self.local.place)
        self.register_buffer("order", torch.from_numpy(self.image.place))

    def forward(self, rows: Tensor, own: Tensor) -> Tensor:
        """Map (N, inputs) and the stream's own noise (positions, N) to (cells, N)."""
        x = (self.own_noise * own[:, None]).flatten(0, 1) + self.constant
        x = functional.leaky_relu(torch.matmul(rows, self.dense).t() + x, SLOPE)
        x = self.image(functional.leaky_relu(self.local(x), SLOPE))
        cells: Tensor = x.index_select(0, self.order)
        return cells


class FoldedAttention(nn.Module):
    """An :class:`InpaintingAttention` with the softmax over two as the sigmoid of their difference."""

    carry: Tensor
    difference: Tensor
    constant: Tensor

    def __init__(self, attention: InpaintingAttention) -> None:
        super().__init__()
        matrix, bias = as_matrix(attention.weights), _bias(attention.weights)
        # Inputs are (position, own or carried), outputs (position, own or carried).
        difference = (matrix[0::2] - matrix[1::2]).toarray()
        own_then_carried = np.concatenate([difference[:, 0::2], difference[:, 1::2]], axis=1)
        self.register_buffer("carry", attention.carry.clone())
        self.register_buffer("difference", torch.from_numpy(own_then_carried).float())
        self.register_buffer("constant", torch.from_numpy((bias[0::2] - bias[1::2])[:, None]).float())

    def forward(self, image: Tensor, before: Tensor) -> Tensor:
        """Mix (cells, N) with the section before it, (cells', N)."""
        carried = torch.matmul(self.carry, before)
        own = torch.sigmoid(torch.matmul(self.difference, torch.cat([image, carried])) + self.constant)
        return carried + own * (image - carried)


class FoldedShowerGenerator(nn.Module):
    """A trained :class:`~simulacra.models.shower_gan.ShowerGenerator`, for use: same inputs, same output."""

    scale: Tensor

    def __init__(self, generator: ShowerGenerator) -> None:
        super().__init__()
        if generator.training:
            raise ValueError("fold a generator in evaluation mode: its running moments are used, not those of a batch")
        network = generator.network
        self.latent, self.noise_sizes = generator.latent, network.noise_sizes
        self.conditions = generator.conditions
        self.modulation = network.modulation
        self.response = network.response
        self.streams = nn.ModuleList(FoldedStream(stream) for stream in network.streams)  # type: ignore[arg-type]
        self.attention = nn.ModuleList(FoldedAttention(attention) for attention in network.attention)  # type: ignore[arg-type]
        self.images = generator.images
        self.register_buffer("scale", generator.images.scale[:, None].clone())

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and conditions (N, C) to energies in the cells, (N, cells), [MeV]."""
        scaled = self.conditions(conditions)
        shared, *own = noise.split(self.noise_sizes, dim=1)
        rows = torch.cat([shared * self.modulation(scaled), scaled], dim=1)
        score = self.response(rows)
        images: list[Tensor] = []
        for i, stream in enumerate(self.streams):
            image = stream(rows, own[i].t())
            if i:
                image = self.attention[i - 1](image, functional.relu(images[-1]))
            images.append(image)
        image = sparse(torch.cat(images))
        share = self.scale * raised(image, self.images.power)
        total = (1000.0 * conditions[:, 0:1] * self.images.response(score)).t()
        return (share * (total / share.sum(dim=0, keepdim=True).clamp(min=1e-12))).t()


def _bias(layer: LocallyConnected2d) -> np.ndarray:
    if layer.bias is None:
        return np.zeros(layer.weight.shape[0] * layer.weight.shape[1])
    bias: np.ndarray = layer.bias.detach().double().numpy().ravel()
    return bias
