"""Weights made at one level, learned at another: Gaussian particles of mean mu, and the same behind a smearing."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from gaussian_events import continuous_settings, drawn_in_mu, gaussian_events, small_settings
from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.reweighter import Reweighter, build
from simulacra.reweighting.transfer import fit_transferred

NOISE = 1.0
GRID = np.linspace(-3, 3, 61)
BOX = {"mu": (-1.0, 1.0)}


def exact_at_detector_level(x: np.ndarray, mu: float) -> np.ndarray:
    """Return log p(x_D | mu) / p(x_D | 0): x_D is Gaussian about mu, of variance 1 + NOISE^2."""
    return (mu * x - 0.5 * mu**2) / (1 + NOISE**2)


def levels(n: int = 20_000) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the same events behind the smearing and before it."""
    rng = np.random.default_rng(1)
    particle = rng.normal(size=n)
    return gaussian_events(particle + NOISE * rng.normal(size=n)), gaussian_events(particle)


class ExactHead(torch.nn.Module):
    """The head of a classifier that knows the ratio, mu x - mu^2 / 2; scaled to the box, mu is as it was."""

    n_parameters = 1

    def forward(self, summary: torch.Tensor, theta: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        mu = theta[..., 0]
        return mu * summary[..., 0] - 0.5 * mu**2


class Column(torch.nn.Module):
    """The network of a classifier that passes x on."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features, torch.zeros(len(features), 7)], dim=1)


@pytest.fixture(scope="module")
def exact() -> Reweighter:
    """Return a particle-level reweighter that knows the exact ratio."""
    settings = continuous_settings(calibration="none")
    description = {"bounds": BOX, "reference": {"mu": 0.0}, "columns": 1, "source": {}, "target": {}}
    member: EventClassifier = build(settings, description)
    member.head, member.network.network = ExactHead(), Column()  # type: ignore[assignment]
    return Reweighter("exact", settings, description, [member], None, [{}])


def deviation(reweighter: Reweighter, mu: float) -> float:
    found = np.log(reweighter.weights(gaussian_events(GRID), normalise=False, mu=mu))
    density = np.exp(-(GRID**2) / 4)
    return float(np.sqrt(np.average((found - exact_at_detector_level(GRID, mu)) ** 2, weights=density)))


def test_the_toy_reweighter_is_exact(exact: Reweighter) -> None:
    found = np.log(exact.weights(gaussian_events(GRID), normalise=False, mu=0.7))
    np.testing.assert_allclose(found, 0.7 * GRID - 0.5 * 0.49, atol=1e-5)


@pytest.fixture(scope="module")
def transferred(exact: Reweighter, tmp_path_factory: pytest.TempPathFactory) -> tuple[Reweighter, Path]:
    run = tmp_path_factory.mktemp("transfer") / "run"
    detector, particle = levels()
    settings = continuous_settings(calibration="none", members=2)
    return fit_transferred(detector, particle, exact, settings, run, progress=False), run


@pytest.mark.parametrize("mu", [-0.9, -0.4, 0.5, 0.8])
def test_the_detector_level_ratio_is_learned(transferred: tuple[Reweighter, Path], mu: float) -> None:
    """Seeded; eight other seeds gave at most 0.03. The particle-level ratio itself would be off by 0.3 or more."""
    assert deviation(transferred[0], mu) < 0.05
    particle_level = mu * GRID - 0.5 * mu**2
    assert float(np.abs(particle_level - exact_at_detector_level(GRID, mu)).mean()) > 0.3


def test_the_file_says_whose_weights_it_was_made_with(transferred: tuple[Reweighter, Path], exact: Reweighter) -> None:
    loaded = Reweighter.load(transferred[1])
    assert loaded.bounds == BOX
    assert loaded.reference == {"mu": 0.0}
    assert loaded.description["target"]["weights"] == f"exact, {exact.sha256}"
    assert loaded.size == 2
    events = gaussian_events(GRID)
    np.testing.assert_array_equal(loaded.weights(events, mu=0.3), transferred[0].weights(events, mu=0.3))
    np.testing.assert_array_equal(loaded.weights(events), 1.0)


def test_a_trained_particle_level_ratio_does_too(tmp_path: Path) -> None:
    """Two trainings in a row; eight other seeds gave at most 0.08."""
    detector, particle = levels()
    ratio = fit_reweighter(
        particle, drawn_in_mu(20_000, 2), continuous_settings(steps=300), tmp_path / "particle", progress=False
    )
    settings = continuous_settings(calibration="none", steps=300)
    found = fit_transferred(detector, particle, ratio, settings, tmp_path / "detector", progress=False)
    assert max(deviation(found, mu) for mu in (-0.7, 0.6)) < 0.1


def test_the_events_own_weights_count(exact: Reweighter, tmp_path: Path) -> None:
    """Weights exp(x_P / 2) shift the source by 1/2, and what the detector level tells of a particle with it."""
    detector, particle = levels()
    x = particle["x"].values
    weighted = gaussian_events(detector["x"].values, weight=np.exp(0.5 * x))
    settings = continuous_settings(calibration="none")
    found = fit_transferred(weighted, particle, exact, settings, tmp_path, progress=False)
    mu = 0.8
    # E[exp(mu x_P - mu^2 / 2) | x_D] for x_P about 1/2: x_P | x_D has mean (x_D + 1/2) / 2 and variance 1/2.
    expected = mu * (GRID + 0.5) / 2 + 0.5 * mu**2 / 2 - 0.5 * mu**2
    learned = np.log(found.weights(gaussian_events(GRID), normalise=False, mu=mu))
    density = np.exp(-((GRID - 0.5) ** 2) / 4)
    assert np.sqrt(np.average((learned - expected) ** 2, weights=density)) < 0.08
    assert np.sqrt(np.average((learned - exact_at_detector_level(GRID, mu)) ** 2, weights=density)) > 0.15


def test_a_killed_run_continues_and_the_seed_decides(exact: Reweighter, tmp_path: Path) -> None:
    detector, particle = levels(600)
    settings = continuous_settings(calibration="none", steps=5, batch_size=128, members=2)
    first = fit_transferred(detector, particle, exact, settings, tmp_path / "a", progress=False)
    member = tmp_path / "a" / "member-1"
    for path in member.iterdir():
        path.unlink()
    again = fit_transferred(detector, particle, exact, settings, tmp_path / "a", progress=False)
    other = fit_transferred(detector, particle, exact, settings, tmp_path / "b", seed=2, progress=False)
    assert first.sha256 == again.sha256 != other.sha256


def test_pairs_that_are_none_are_refused(exact: Reweighter, tmp_path: Path) -> None:
    detector, particle = levels(300)
    settings = continuous_settings(calibration="none", steps=1)
    for wrong in (particle.isel(event=slice(None, None, -1)), particle.isel(event=slice(299))):
        with pytest.raises(SampleError, match=r"\(300\) are not the particle-level ones \((300|299)\) in the same ord"):
            fit_transferred(detector, wrong, exact, settings, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_fit_the_particle_level_are_refused(exact: Reweighter, tmp_path: Path) -> None:
    detector, particle = levels(300)
    for settings, match in (
        (small_settings(parameters=("nu",)), r"'exact' has the parameters \['mu'\], the settings have \['nu'\]"),
        (
            continuous_settings(),
            "a detector-level ratio is not calibrated.*set calibration = 'none', not 'temperature'",
        ),
    ):
        with pytest.raises(SampleError, match=match):
            fit_transferred(detector, particle, exact, settings, tmp_path / "run", progress=False)
    few = slice(10)
    with pytest.raises(SampleError, match=r"the detector-level sample has . (train|validation) events of 10 in all"):
        fit_transferred(
            detector.isel(event=few),
            particle.isel(event=few),
            exact,
            continuous_settings(calibration="none"),
            tmp_path / "run",
            progress=False,
        )
    assert not (tmp_path / "run").exists()


def test_a_reweighter_of_one_target_has_nothing_to_transfer(tmp_path: Path) -> None:
    detector, particle = levels(400)
    fixed = fit_reweighter(particle, particle, small_settings(steps=1), tmp_path / "fixed", progress=False)
    with pytest.raises(SampleError, match="'reweighter' has one fixed target: it has no parameters"):
        fit_transferred(detector, particle, fixed, small_settings(steps=1), tmp_path / "run", progress=False)
