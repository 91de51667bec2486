"""The multiscale flow of fields: an inverse, exact volumes, parts that sum up, the likelihood of a Gaussian field."""

import numpy as np
import pytest
import torch

from simulacra.models.multiscale_field_flow import MultiscaleFieldFlow
from simulacra.networks.haar_wavelets import decomposed
from simulacra.simulators.random_fields import RandomFieldSettings, log_likelihood, simulate_random_fields

CASES = [((8, 12), 1, "periodic", 2), ((8, 8), 1, "open", 0), ((16, 16), 2, "open", 2)]


def flow(shape: tuple[int, ...], scales: int, boundary: str, conditions: int = 2) -> MultiscaleFieldFlow:
    """Return a flow with random parameters, fitted to fields of noise."""
    torch.manual_seed(3)
    model = MultiscaleFieldFlow(
        shape,
        conditions,
        scales=scales,
        width=4,
        layers=1,
        knots=5,
        pieces=5,
        hidden=6,
        boundary=boundary,  # type: ignore[arg-type]
    )
    model.fit(*(one.float() for one in fields(shape, 20, conditions)))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.double().requires_grad_(False)


def fields(shape: tuple[int, ...], n: int = 3, conditions: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(5)
    return 4 * torch.randn(n, *shape, generator=rng).double(), torch.randn(n, conditions, generator=rng).double()


@pytest.mark.parametrize(("shape", "scales", "boundary", "conditions"), CASES)
def test_samples_are_the_inverse_and_the_volume_is_that_of_the_jacobian(
    shape: tuple[int, ...], scales: int, boundary: str, conditions: int
) -> None:
    model, (field, given) = flow(shape, scales, boundary, conditions), fields(shape, conditions=conditions)
    # Some pixels are beyond the range of the pixels' map.
    field = torch.cat([field, 2.5 * field])
    given = given.repeat(2, 1)
    noise, log_volume = model.whitened(field, given)
    torch.testing.assert_close(model(noise, given), field, rtol=1e-4, atol=1e-4)
    jacobian = torch.autograd.functional.jacobian(
        lambda flat: model.whitened(flat.reshape(1, *shape), given[:1])[0].flatten(), field[0].flatten()
    )
    assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(float(log_volume[0]), abs=1e-3)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum(dim=1) + log_volume
    torch.testing.assert_close(model.log_prob(field, given), normal)
    parts = model.log_prob_by_scale(field, given)
    assert parts.shape == (6, len(model.parts))
    torch.testing.assert_close(parts.sum(dim=1), normal)


def test_a_part_is_that_of_its_scale_given_the_coarser_ones() -> None:
    model, (field, given) = flow((16, 16), 2, "periodic"), fields((16, 16))
    assert model.parts == [
        "map of pixels", "means of 4 x 4 pixels", "details of 4 x 4 pixels", "details of 2 x 2 pixels",
    ]  # fmt: skip
    rng = torch.Generator().manual_seed(6)
    noise, _ = model.whitened(field, given)
    # 16 numbers are the coarsest field's, and 48 its details'.
    other = torch.cat([noise[:, :64], torch.randn(3, 192, generator=rng).double()], dim=1)
    before, after = (model.log_prob_by_scale(model(one, given), given) for one in (noise, other))
    torch.testing.assert_close(before[:, 1:3], after[:, 1:3], rtol=1e-4, atol=1e-4)
    assert bool((before[:, 3] - after[:, 3]).abs().min() > 0.1)


def test_periodic_fields_shifted_by_the_coarsest_pixel_are_as_likely() -> None:
    model, (field, given) = flow((16, 16), 2, "periodic"), fields((16, 16))
    whole, half = (model.log_prob(field.roll(by, 1), given) for by in (8, 1))
    torch.testing.assert_close(whole, model.log_prob(field, given))
    assert float((half - whole).abs().min()) > 1e-2


@pytest.mark.parametrize("form", ["gaussian", "lognormal"])
def test_of_a_gaussian_field_and_its_function_the_beginning_is_nearly_all(form: str) -> None:
    settings = RandomFieldSettings(form=form, pixels=32)  # type: ignore[arg-type]
    events = simulate_random_fields(settings, seed=1, n_events=600)
    field, none = torch.as_tensor(events["field"].values), torch.zeros(600, 0)
    torch.manual_seed(1)
    model = MultiscaleFieldFlow((32, 32), 0, scales=2)
    model.fit(field[:500], none[:500])
    with torch.no_grad():
        found = model.log_prob(field[500:], none[500:]).double().numpy() / 32**2
    parameters = (events[name].values[500:].astype(np.float64) for name in ("amplitude", "spectral_index"))
    expected = log_likelihood(field[500:].numpy(), *parameters, form=form) / 32**2
    assert found.mean() == pytest.approx(expected.mean(), abs=1e-3)
    assert np.abs(found - expected).mean() < 2e-3
    with torch.no_grad():
        noise = torch.randn(200, model.latent, generator=torch.Generator().manual_seed(2))
        made = model(noise, torch.zeros(200, 0))
    for real, drawn in zip(decomposed(field), decomposed(made), strict=True):
        assert float(drawn.std()) == pytest.approx(float(real.std()), rel=0.02)


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="fields with two axes"):
        MultiscaleFieldFlow((16, 16, 16), 0)
    for shape in ((16, 18), (16, 8)):
        with pytest.raises(
            ValueError, match="2 scales need axes of a multiple of 4 pixels, 16 at least, not the shape"
        ):
            MultiscaleFieldFlow(shape, 0)
    with pytest.raises(ValueError, match=r"fields must be \(N, 8, 8\), not \(3, 8, 12\)"):
        flow((8, 8), 1, "open").log_prob(*fields((8, 12)))
