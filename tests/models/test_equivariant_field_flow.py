"""The equivariant flow of fields: an inverse, exact volumes, the symmetries, and the likelihood of a Gaussian field."""

import numpy as np
import pytest
import torch

from simulacra.models.equivariant_field_flow import EquivariantFieldFlow
from simulacra.networks.radial_filters import along_axes, spline_basis, wave_numbers, waves
from simulacra.simulators.random_fields import RandomFieldSettings, log_likelihood, simulate_random_fields

SHAPES = [(9,), (6, 5), (8, 8), (4, 5, 4)]
BOUNDARIES = ["periodic", "open"]


def flow(shape: tuple[int, ...], boundary: str, conditions: int = 2) -> EquivariantFieldFlow:
    """Return a flow with random parameters."""
    torch.manual_seed(3)
    model = EquivariantFieldFlow(shape, conditions, layers=2, knots=5, pieces=5, hidden=6, boundary=boundary)  # type: ignore[arg-type]
    torch.nn.init.normal_(model.base, std=0.4)
    if model.control is not None:
        torch.nn.init.normal_(model.control[-1].weight, std=0.2)
    return model.double()


def fields(shape: tuple[int, ...], n: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(5)
    # Some pixels are beyond the splines' range.
    return 4 * torch.randn(n, *shape, generator=rng).double(), torch.randn(n, 2, generator=rng).double()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_samples_are_the_inverse_and_the_volume_is_that_of_the_jacobian(shape: tuple[int, ...], boundary: str) -> None:
    model, (field, conditions) = flow(shape, boundary), fields(shape)
    with torch.no_grad():
        noise, log_volume = model.whitened(field, conditions)
    torch.testing.assert_close(model(noise.flatten(1), conditions).detach(), field, rtol=1e-4, atol=1e-4)
    jacobian = torch.autograd.functional.jacobian(
        lambda flat: model.whitened(flat.reshape(1, *shape), conditions[:1])[0].flatten(), field[0].flatten()
    )
    assert float(torch.linalg.slogdet(jacobian.detach())[1]) == pytest.approx(float(log_volume[0]), abs=1e-3)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise[0]).sum() + log_volume[0]
    assert float(model.log_prob(field, conditions)[0].detach()) == pytest.approx(float(normal))


@pytest.mark.parametrize("shape", [(9,), (8, 8), (4, 4, 4)])
def test_shifted_turned_and_mirrored_fields_are_as_likely(shape: tuple[int, ...]) -> None:
    axes = tuple(range(1, len(shape) + 1))
    for boundary in BOUNDARIES:
        model, (field, conditions) = flow(shape, boundary).requires_grad_(False), fields(shape)
        noise, _ = model.whitened(field, conditions)
        same = {"mirrored": lambda x: x.flip(1)}
        if len(shape) > 1:
            same["turned"] = lambda x: x.rot90(1, (1, 2))
        if boundary == "periodic":
            same["shifted"] = lambda x: x.roll(tuple(range(2, 2 + len(shape))), axes)
        for name, change in same.items():
            moved, _ = model.whitened(change(field), conditions)
            torch.testing.assert_close(
                moved, change(noise), rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
            )
    with torch.no_grad():
        change = model.log_prob(field.roll(2, 1), conditions) - model.log_prob(field, conditions)
    assert float(change.abs().min()) > 1e-3, "open"


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_waves_are_orthonormal_and_a_filter_is_fouriers(boundary: str) -> None:
    rows, _ = waves(7, boundary)  # type: ignore[arg-type]
    np.testing.assert_allclose(rows @ rows.T, np.eye(7), atol=1e-12)
    shape = (6, 7)
    field = np.random.default_rng(1).normal(size=(1, *shape))
    kernel = np.exp(-wave_numbers(shape, "periodic"))
    matrices = [torch.as_tensor(waves(n, "periodic")[0]) for n in shape]
    found = along_axes(
        along_axes(torch.as_tensor(field), matrices) * torch.as_tensor(kernel), [one.T for one in matrices]
    )
    expected = np.fft.ifft2(np.fft.fft2(field[0]) * kernel)
    np.testing.assert_allclose(expected.imag, 0, atol=1e-12)
    np.testing.assert_allclose(found[0], expected.real, atol=1e-12)


def test_a_spline_of_the_kernel_goes_through_its_knots() -> None:
    knots = np.geomspace(0.1, 3.0, 6)
    np.testing.assert_allclose(spline_basis(knots, knots)[:, :-1], np.eye(6), atol=1e-12)
    beyond = spline_basis(np.array([0.0, 0.01, 5.0]), knots)
    np.testing.assert_allclose(beyond, np.eye(7)[[6, 0, 5]], atol=1e-12)


@pytest.mark.parametrize("form", ["gaussian", "lognormal"])
def test_of_a_gaussian_field_and_its_function_the_first_layer_is_all(form: str) -> None:
    settings = RandomFieldSettings(form=form, pixels=32)  # type: ignore[arg-type]
    events = simulate_random_fields(settings, seed=1, n_events=600)
    field, none = torch.as_tensor(events["field"].values), torch.zeros(600, 0)
    model = EquivariantFieldFlow((32, 32), 0, layers=2)
    model.fit(field[:500], none[:500])
    with torch.no_grad():
        found = model.log_prob(field[500:], none[500:]).double().numpy() / 32**2
    parameters = (events[name].values[500:].astype(np.float64) for name in ("amplitude", "spectral_index"))
    expected = log_likelihood(field[500:].numpy(), *parameters, form=form) / 32**2
    assert found.mean() == pytest.approx(expected.mean(), abs=1e-3)
    assert np.abs(found - expected).mean() < 2e-3
    with torch.no_grad():
        noise, _ = model.whitened(field[500:], none[500:])
    assert float(noise.std()) == pytest.approx(1, abs=0.01)


def test_other_sizes_have_the_same_spectrum() -> None:
    settings = RandomFieldSettings(pixels=32)
    field = torch.as_tensor(simulate_random_fields(settings, seed=1, n_events=1500)["field"].values)
    model = EquivariantFieldFlow((32, 32), 0, layers=1)
    model.fit(field, torch.zeros(1500, 0))
    rng = torch.Generator().manual_seed(1)
    for shape in ((64, 64), (16, 48)):
        other = model.resized(shape)
        with torch.no_grad():
            made = other(torch.randn(200, other.latent, generator=rng), torch.zeros(200, 0)).double().numpy()
        assert made.shape == (200, *shape)
        k = np.sqrt(sum(np.meshgrid(*(4 * np.pi**2 * np.fft.fftfreq(n) ** 2 for n in shape), indexing="ij")))
        power = (np.abs(np.fft.fft2(made)) ** 2 / np.prod(shape)).mean(axis=0)
        for low, high in ((0.5, 1.0), (1.0, 1.5), (2.0, 3.0)):
            ring = (k > low) & (k < high)
            assert (power[ring] / (0.3 * (k[ring] / 0.5) ** -1.5)).mean() == pytest.approx(1, abs=0.03)
    assert model.shape == (32, 32)
    with pytest.raises(ValueError, match=r"the fields have 2 axes; \(8, 8, 8\) has 3"):
        model.resized((8, 8, 8))


def test_impossible_shapes_are_refused() -> None:
    for shape in ((), (3, 8), (4, 4, 4, 4)):
        with pytest.raises(ValueError, match="fields have 1 to 3 axes of at least 4 pixels"):
            EquivariantFieldFlow(shape, 0)
    with pytest.raises(ValueError, match=r"fields must be \(N, 6, 5\), not \(3, 5, 6\)"):
        flow((6, 5), "open").log_prob(*fields((5, 6)))
