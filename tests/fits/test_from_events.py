"""Events embedded by a reweighter, pairs at both levels, and runs of known parameters."""

import numpy as np
import pytest
import torch
import xarray as xr

from gaussian_events import continuous_settings, drawn_in_mu, gaussian_events
from simulacra.events import part_of
from simulacra.fits.from_events import embed_events, embed_pairs, embed_reference, runs_of
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.prior_weights import WeightError
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.reweighter import Reweighter

N = 300


@pytest.fixture(scope="module")
def reweighter(tmp_path_factory: pytest.TempPathFactory) -> Reweighter:
    source = gaussian_events(np.random.default_rng(1).normal(size=1000))
    settings = continuous_settings(members=2, steps=5)
    run = tmp_path_factory.mktemp("run")
    return fit_reweighter(source, drawn_in_mu(1000, 2), settings, run, name="toy", progress=False)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(3).normal(size=N)


def test_each_member_embeds_the_events_of_a_part(reweighter: Reweighter, x: np.ndarray) -> None:
    weights = np.linspace(0.5, 2.0, N)
    events = gaussian_events(x, weight=weights)
    found = embed_events(reweighter, events, part="test", most=20, label="sample")
    rows = np.flatnonzero(part_of(np.arange(N)) == "test")[:20]
    np.testing.assert_array_equal(found.weights, weights[rows])
    assert found.label == "sample"
    assert len(found.embeddings) == 2
    for k in range(2):
        expected = reweighter.embed(events).summaries[k][torch.from_numpy(rows)]
        torch.testing.assert_close(found.of_member(k), expected, rtol=1e-5, atol=1e-6)
    assert not torch.equal(found.of_member(0), found.of_member(1))


def test_the_reference_is_what_no_network_was_trained_on(reweighter: Reweighter, x: np.ndarray) -> None:
    found = embed_reference(reweighter, gaussian_events(x, weight=np.arange(1.0, N + 1)))
    np.testing.assert_array_equal(found.weights - 1, np.flatnonzero(part_of(np.arange(N)) == "test"))
    # Where all were drawn at the source's value, none was.
    assert len(embed_reference(reweighter, gaussian_events(x, mu=np.full(N, 0.0)))) == len(found)
    for mu in (np.full(N, 0.1), np.linspace(-1, 1, N)):
        with pytest.raises(ValueError, match=r"the reference was drawn in mu: simulate it at .* source, mu = 0"):
            embed_reference(reweighter, gaussian_events(x, mu=mu))


def test_events_that_cannot_be_embedded_are_refused_by_name(reweighter: Reweighter, x: np.ndarray) -> None:
    with pytest.raises(SampleError, match=r"the sample: the events lack \['x'\]"):
        embed_events(reweighter, gaussian_events(x, name="y"), label="sample")
    spoilt = gaussian_events(x)
    spoilt["x"][7] = np.nan
    with pytest.raises(ValueError, match="the sample: variable 'x' is nan in event 7"):
        embed_events(reweighter, spoilt, label="sample")
    with pytest.raises(WeightError, match=r"the weights of the sample add up to -.*, which is not positive"):
        embed_events(reweighter, gaussian_events(x, weight=np.full(N, -1.0)), label="sample")
    with pytest.raises(SampleError, match="the sample holds no events"):
        embed_events(reweighter, gaussian_events(x).isel(event=slice(0, 0)), label="sample")


# pairs


def seen_of(particles: xr.Dataset, **told: object) -> xr.Dataset:
    """Return what a detector saw, which tells the particles' provenance."""
    blurred = particles.assign(x=particles["x"] + np.float32(0.1))
    blurred["x"].attrs = particles["x"].attrs
    kept = {f"particle_level_{key}": particles.attrs[key] for key in ("simulator", "seed", "settings")}
    return blurred.assign_attrs(kept | told)


def test_pairs_are_the_test_part_event_by_event(reweighter: Reweighter, x: np.ndarray) -> None:
    particles = gaussian_events(x)
    pairs = embed_pairs(reweighter, particles, reweighter, seen_of(particles), most=30)
    rows = np.flatnonzero(part_of(np.arange(N)) == "test")[:30]
    assert len(pairs.particles) == len(pairs.detector) == len(rows)
    assert (len(pairs.particles.embeddings), len(pairs.detector.embeddings)) == (2, 1)
    seen = reweighter.embed(gaussian_events(x.astype("f4") + np.float32(0.1))).summaries[0][torch.from_numpy(rows)]
    torch.testing.assert_close(pairs.detector.of_member(0), seen, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("chosen", "moved", "told"),
    [
        (slice(0, N // 2), 0, {}),
        (slice(None), 3, {}),
        (slice(None, None, -1), 0, {}),
        (slice(None), 0, {"particle_level_seed": 99}),
        (slice(None), 0, {"particle_level_settings": '{"values": {"mu": "0.1"}}'}),
    ],
    ids=["fewer", "of other indices", "in another order", "of another seed", "of other settings"],
)
def test_pairs_of_other_events_are_refused(
    reweighter: Reweighter, x: np.ndarray, chosen: slice, moved: int, told: dict[str, object]
) -> None:
    """Also where the numbers of events agree, and where the indices do."""
    particles = gaussian_events(x)
    seen = seen_of(particles, **told).isel(event=chosen)
    with pytest.raises(ValueError, match="are not those of the particles"):
        embed_pairs(reweighter, particles, reweighter, seen.assign_coords(event=seen["event"] + moved))


def test_pairs_drawn_in_a_parameter_are_refused(reweighter: Reweighter) -> None:
    drawn = drawn_in_mu(N, 5)
    with pytest.raises(ValueError, match="was drawn in mu"):
        embed_pairs(reweighter, drawn, reweighter, seen_of(drawn))


# runs


def runs(values: list[float], lengths: list[int]) -> xr.Dataset:
    mu = np.repeat(values, lengths)
    return gaussian_events(np.zeros(len(mu)), mu=mu)


def test_runs_are_where_a_parameter_changes() -> None:
    found = runs_of(runs([0.1, 0.2, 0.1], [100, 150, 120]), ["mu"])
    assert [(rows[0], rows[-1]) for rows in found.samples] == [(0, 99), (100, 249), (250, 369)]
    assert [truth["mu"] for truth in found.truths] == pytest.approx([0.1, 0.2, 0.1])


def test_of_two_parameters_either_may_change() -> None:
    events = runs([0.1, 0.2], [200, 200])
    nu = np.repeat([1.0, 2.0, 3.0, 3.0], 100).astype("f4")
    found = runs_of(events.assign(nu=("event", nu)), ["nu", "mu"])
    assert list(map(len, found.samples)) == [100, 100, 200]
    assert [tuple(truth) for truth in found.truths] == [("nu", "mu")] * 3
    assert [truth["nu"] for truth in found.truths] == [1.0, 2.0, 3.0]


def test_constant_parameters_are_one_run() -> None:
    found = runs_of(runs([0.1], [250]), ["mu"])
    assert list(map(len, found.samples)) == [250]


@pytest.mark.parametrize(
    ("lengths", "fewest", "message"),
    [
        ([100, 99], 100, "shortest run at one set of parameters has 99 events, fewer than 100: simulate with a larger"),
        ([5, 100], 10, "has 5 events, fewer than 10"),
        ([0, 0], 100, "has 0 events, fewer than 100"),
    ],
)
def test_short_runs_are_refused(lengths: list[int], fewest: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runs_of(runs([0.1, 0.2], lengths), ["mu"], fewest=fewest)


def test_parameters_that_were_not_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not drawn in \['nu', 'rho'\]; simulate them with --vary"):
        runs_of(runs([0.1], [200]), ["nu", "mu", "rho"])
    with pytest.raises(ValueError, match="name at least one parameter"):
        runs_of(runs([0.1], [200]), [])
