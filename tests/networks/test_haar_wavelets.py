"""Haar wavelets: orthonormal, the inverse of their composition, and the means and differences that they say."""

import torch

from simulacra.networks.haar_wavelets import composed, decomposed


def test_the_step_is_orthonormal_and_has_an_inverse() -> None:
    field = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(1)).double()
    low, details = decomposed(field)
    assert low.shape == (3, 3, 4)
    assert details.shape == (3, 3, 3, 4)
    torch.testing.assert_close(composed(low, details), field)

    def flat(x: torch.Tensor) -> torch.Tensor:
        coarse, fine = decomposed(x.reshape(1, 6, 8))
        return torch.cat([coarse.flatten(), fine.flatten()])

    matrix = torch.autograd.functional.jacobian(flat, field[0].flatten())
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(48).double())


def test_details_are_differences_along_each_axis() -> None:
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    low, details = decomposed((rows + 10 * columns)[None])
    assert low[0].tolist() == [[11.0, 51.0], [15.0, 55.0]]
    assert details[0, :, 0, 0].tolist() == [-1.0, -10.0, 0.0]
    _, both = decomposed((rows * columns)[None])
    assert (both[0, 2] == 0.5).all()
