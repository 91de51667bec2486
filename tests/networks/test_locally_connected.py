"""Locally connected layers and convolutions against explicit loops and torch's own convolution."""

import pytest
import torch
from torch.nn import functional

from simulacra.networks.locally_connected import ChannelNorm, Convolution2d, LocallyConnected2d, windows

GEOMETRIES = [
    ((5, 4), (2, 2), (1, 1), (0, 0, 0, 0)),
    ((5, 4), (3, 3), (1, 2), (1, 1, 1, 1)),
    ((3, 7), (2, 3), (2, 1), (0, 1, 2, 0)),
    ((4, 4), (1, 1), (1, 1), (0, 0, 0, 0)),
]


def loop(layer: LocallyConnected2d, x: torch.Tensor) -> torch.Tensor:
    """The definition, one number at a time: x is (rows, columns, channels, N)."""
    top, _, left, _ = layer.padding
    rows, columns, channels, n = x.shape
    y = torch.zeros(*layer.output_size, layer.weight.shape[1], n, dtype=x.dtype)
    for row in range(layer.output_size[0]):
        for column in range(layer.output_size[1]):
            position = row * layer.output_size[1] + column
            for out in range(layer.weight.shape[1]):
                if layer.bias is not None:
                    y[row, column, out] += layer.bias[position, out, 0]
                for i in range(layer.kernel[0]):
                    for j in range(layer.kernel[1]):
                        r, c = row * layer.stride[0] + i - top, column * layer.stride[1] + j - left
                        if not (0 <= r < rows and 0 <= c < columns):
                            continue
                        for channel in range(channels):
                            tap = (i * layer.kernel[1] + j) * channels + channel
                            y[row, column, out] += layer.weight[position, out, tap] * x[r, c, channel]
    return y


@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), GEOMETRIES)
@pytest.mark.parametrize("bias", [True, False])
def test_locally_connected_is_its_definition(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, ...], bias: bool
) -> None:
    torch.manual_seed(1)
    layer = LocallyConnected2d(size, 2, 3, kernel, stride, padding, bias=bias).double()
    if bias:
        torch.nn.init.normal_(layer.bias)
    x = torch.randn(*size, 2, 4, dtype=torch.float64)
    with torch.no_grad():
        assert layer(x).shape == (*layer.output_size, 3, 4)
        torch.testing.assert_close(layer(x), loop(layer, x))


@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), GEOMETRIES)
def test_locally_connected_with_one_filter_everywhere_is_a_convolution(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> None:
    torch.manual_seed(2)
    layer = LocallyConnected2d(size, 3, 2, kernel, stride, padding)
    shared, bias = torch.randn(2, 3, *kernel), torch.randn(2)
    with torch.no_grad():
        # Taps run over kernel rows, kernel columns, channels.
        layer.weight.copy_(shared.permute(0, 2, 3, 1).reshape(1, 2, -1).expand_as(layer.weight))
        layer.bias.copy_(bias[None, :, None].expand_as(layer.bias))
        x = torch.randn(*size, 3, 5)
        top, bottom, left, right = padding
        padded = functional.pad(x.permute(3, 2, 0, 1), (left, right, top, bottom))
        expected = functional.conv2d(padded, shared, bias, stride)
        torch.testing.assert_close(layer(x).permute(3, 2, 0, 1), expected)


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (0, 1, 0, 1), (2, 0, 1, 3)])
def test_convolution_is_torchs(padding: tuple[int, int, int, int]) -> None:
    torch.manual_seed(3)
    layer = Convolution2d(3, 4, (2, 3), padding)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 5, 6, 2)  # channel-major
    top, bottom, left, right = padding
    weight = layer.weight.reshape(4, 2, 3, 3).permute(0, 3, 1, 2)
    expected = functional.conv2d(
        functional.pad(x.permute(3, 0, 1, 2), (left, right, top, bottom)), weight, layer.bias[:, 0]
    )
    torch.testing.assert_close(layer(x).permute(3, 2, 0, 1), expected)


def test_channel_norm_is_torchs_batch_norm_in_two_dimensions() -> None:
    torch.manual_seed(4)
    norm, reference = ChannelNorm(3), torch.nn.BatchNorm2d(3)
    x = torch.randn(5, 4, 3, 6) * 2 + 1
    for _ in range(2):
        torch.testing.assert_close(norm(x).permute(3, 2, 0, 1), reference(x.permute(3, 2, 0, 1)))
    torch.testing.assert_close(norm.norm.running_mean, reference.running_mean)
    torch.testing.assert_close(norm.eval()(x).permute(3, 2, 0, 1), reference.eval()(x.permute(3, 2, 0, 1)))


def test_a_kernel_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 3\) kernel does not fit into an image of \(2, 9\)"):
        LocallyConnected2d((2, 9), 1, 1, (3, 3))


@pytest.mark.parametrize("rows_first", [True, False])
@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (2, 1)])
def test_patches_have_the_gradients_of_slices_twice(stride: tuple[int, int], rows_first: bool) -> None:
    torch.manual_seed(4)
    size = (4, 5, 2, 3) if rows_first else (2, 4, 5, 3)
    x = torch.randn(*size, dtype=torch.float64, requires_grad=True)

    def patches(image: torch.Tensor) -> torch.Tensor:
        return windows(image, (2, 3), stride, rows_first=rows_first)

    torch.testing.assert_close(patches(x), patches(x.detach()))
    assert torch.autograd.gradcheck(patches, (x,))
    assert torch.autograd.gradgradcheck(lambda image: patches(image) ** 2, (x,))
