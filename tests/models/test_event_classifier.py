"""Classifiers of events, of clouds and of tables: what a reweighter's file holds."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.models.cloud_classifier import MOMENTA, CloudNetwork
from simulacra.models.event_classifier import EventClassifier
from simulacra.models.event_network import BLOCK
from simulacra.models.table_classifier import TableNetwork
from simulacra.reweighting.represented import join_inputs, represent
from simulacra.training.checkpoint import fill, read_model, save_model
from toy_clouds import clouds_of, z_decays

BOUNDS = {"alphaS": (0.1, 0.18), "aLund": (0.5, 0.9)}
REFERENCE = {"aLund": 0.68, "alphaS": 0.1365}


def classifier(bounds: dict[str, tuple[float, float]] | None = None, seed: int = 1) -> EventClassifier:
    torch.manual_seed(seed)
    network = CloudNetwork("event", (16, 16), (8,), 6)
    found = EventClassifier(network, BOUNDS if bounds is None else bounds, REFERENCE if bounds is None else {}, (8,))
    with torch.no_grad():
        # As trained ones do, events and parameters shall matter.
        for parameter in found.parameters():
            parameter.mul_(3.0)
    return found.eval()


@pytest.fixture(scope="module")
def decays() -> xr.Dataset:
    return z_decays()[0].isel(event=slice(80))


@pytest.fixture(scope="module")
def fitted(decays: xr.Dataset) -> EventClassifier:
    module = classifier()
    module.network.fit(tensors(decays))
    return module


def tensors(events: xr.Dataset) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(events[name].values) for name in MOMENTA}


def log_odds(module: EventClassifier, events: xr.Dataset, theta: tuple[float, float] = (0.16, 0.6)) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module(represent(events, module.network).inputs, torch.tensor(theta))
    return found


def test_shuffled_particles_and_wider_padding_give_the_same_log_odds(
    fitted: EventClassifier, decays: xr.Dataset
) -> None:
    before = log_odds(fitted, decays)
    assert float(before.std()) > 0.01
    order = np.random.default_rng(1).permutation(decays.sizes["particle"])
    torch.testing.assert_close(log_odds(fitted, decays.isel(particle=order)), before, rtol=0, atol=1e-5)
    wide = decays.pad(particle=(0, 30), constant_values=0).assign(
        present=decays["present"].pad(particle=(0, 30), constant_values=False)
    )
    torch.testing.assert_close(log_odds(fitted, wide), before, rtol=0, atol=1e-5)


def test_particles_are_not_lost_where_absent_ones_stand_between(fitted: EventClassifier, decays: xr.Dataset) -> None:
    shifted = decays.roll(particle=40)
    assert not bool(shifted["present"].values[:, :5].any())
    torch.testing.assert_close(log_odds(fitted, shifted), log_odds(fitted, decays), rtol=0, atol=1e-5)


def test_the_log_ratio_is_zero_at_the_reference(fitted: EventClassifier, decays: xr.Dataset) -> None:
    at_reference = log_odds(fitted, decays, (REFERENCE["alphaS"], REFERENCE["aLund"]))
    torch.testing.assert_close(at_reference, torch.zeros(80), rtol=0, atol=0)


def test_parameters_are_taken_in_the_order_of_the_bounds_and_must_be_given(fitted: EventClassifier) -> None:
    assert fitted.parameter_names == ("alphaS", "aLund")
    torch.testing.assert_close(fitted.reference, torch.tensor([0.1365, 0.68]))
    with pytest.raises(ValueError, match=r"needs the parameters \['alphaS', 'aLund'\]"):
        fitted.log_odds(torch.zeros(1, 6))
    plain = classifier({})
    assert plain.log_odds(torch.zeros(3, 6)).shape == (3,)


def test_many_parameters_an_event_are_each_its_own(fitted: EventClassifier, decays: xr.Dataset) -> None:
    z = fitted.embed(represent(decays, fitted.network).inputs)
    theta = torch.tensor([[0.11, 0.6], [0.17, 0.8], [0.13, 0.7]]).expand(80, 3, 2)
    together = fitted.log_odds(z[:, None].expand(-1, 3, -1), theta)
    assert together.shape == (80, 3)
    for k in range(3):
        torch.testing.assert_close(together[:, k], log_odds(fitted, decays, tuple(theta[0, k].tolist())))


def test_embedding_does_not_hang_on_blocks() -> None:
    n = BLOCK + 7
    torch.manual_seed(1)
    module = EventClassifier(TableNetwork(("x",), 1, (8,), 4), {}, {}, (8,))
    inputs = {"features": torch.randn(n, 1)}
    whole = module.embed(inputs)
    assert whole.shape == (n, 4)
    with torch.no_grad():
        torch.testing.assert_close(whole, module.network(inputs))
    assert module.embed({"features": torch.zeros(0, 1)}).shape == (0, 4)


def test_gradient_reaches_each_parameter_through_the_loss(fitted: EventClassifier, decays: xr.Dataset) -> None:
    module = classifier()
    module.take_representation(fitted)
    inputs = represent(decays, module.network).inputs
    module(inputs, torch.tensor([0.15, 0.8])).square().sum().backward()
    blind = [n for n, p in module.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
    assert blind == ["head.network.2.bias"]  # cancels in the difference


def test_members_take_the_fitted_representation(fitted: EventClassifier) -> None:
    other = classifier(seed=2)
    assert float(other.network.network.typical_number) == 1  # type: ignore[union-attr]
    other.take_representation(fitted)
    ours, theirs = dict(fitted.named_buffers()), dict(other.named_buffers())
    for name, buffer in ours.items():
        torch.testing.assert_close(theirs[name], buffer, rtol=0, atol=0)
    assert float(other.network.network.typical_number) > 20  # type: ignore[union-attr]
    one, another = next(fitted.parameters()), next(other.parameters())
    assert not torch.equal(one, another)


def test_a_file_gives_the_same_log_odds(fitted: EventClassifier, decays: xr.Dataset, tmp_path: Path) -> None:
    save_model(tmp_path / "model.safetensors", fitted, {})
    rebuilt = classifier(seed=3)
    fill(rebuilt, read_model(tmp_path / "model.safetensors")[1], "file")
    torch.testing.assert_close(log_odds(rebuilt, decays), log_odds(fitted, decays), rtol=0, atol=0)


def test_an_event_without_particles_has_finite_log_odds(fitted: EventClassifier) -> None:
    events = clouds_of([[], [(1.0, 2.0, 3.0, 4.0, 211, 1)]], width=3)
    assert bool(torch.isfinite(log_odds(fitted, events)).all())
    both_empty = clouds_of([[], []], width=3)
    found = log_odds(fitted, both_empty)
    assert float(found[0]) == float(found[1])


def test_events_of_different_widths_are_joined() -> None:
    one = {"features": torch.ones(2, 3, 5, dtype=torch.half), "kinds": torch.ones(2, 3, dtype=torch.uint8)}
    other = {"features": torch.ones(1, 5, 5, dtype=torch.half), "kinds": torch.ones(1, 5, dtype=torch.uint8)}
    joined = join_inputs([one, other])
    assert joined["features"].shape == (3, 5, 5)
    assert joined["kinds"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert float(joined["features"][:2, 3:].abs().max()) == 0


def test_columns_of_tables_stand_in_the_order_of_the_variables() -> None:
    network = TableNetwork(("b", "a"), 3, (4,), 2)
    found = network.columns({"a": torch.tensor([1, 2]), "b": torch.tensor([[3.0, 4.0], [5.0, 6.0]])})
    assert found.tolist() == [[3.0, 4.0, 1.0], [5.0, 6.0, 2.0]]
