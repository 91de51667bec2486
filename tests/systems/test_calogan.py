"""CaloGAN's own: mirror images of conditioned showers, the trained range, what it refuses."""

import json
import math

import numpy as np
import pytest
import torch

from simulacra.events import EventsError
from simulacra.kinds import showers
from simulacra.kinds.description import describe
from simulacra.kinds.sampled import sampled
from simulacra.kinds.showers import CARRIES, CONDITIONS
from simulacra.observables.showers import shower_shapes_of
from simulacra.systems.calogan import Settings, Trainer
from tiny_calogan import FIVE, SYSTEM, toy_showers


def trainer(**changes: object) -> Trainer:
    settings = Settings.model_validate(SYSTEM | changes)
    return Trainer(settings, toy_showers(120, five_conditions="conditions" in changes))


def test_mirrored_showers_have_mirrored_conditions() -> None:
    made = trainer(conditions=FIVE)
    batch = made.tensors(toy_showers(64, five_conditions=True))
    mirrored = made.augment(batch, torch.Generator().manual_seed(1))
    before, after = batch["conditions"], mirrored["conditions"]
    flipped_x = after[:, 1] == -before[:, 1]
    flipped_y = after[:, 2] == -before[:, 2]
    for mask in (flipped_x, flipped_y):
        assert 16 < int(mask.sum()) < 48
    torch.testing.assert_close(after[:, [0, 3]], before[:, [0, 3]], rtol=0, atol=0)
    # The direction's projections turn with the impact point.
    for column, mask in ((torch.cos, flipped_x), (torch.sin, flipped_y)):
        expected = torch.where(mask, -column(before[:, 4]), column(before[:, 4]))
        torch.testing.assert_close(column(after[:, 4]), expected, atol=1e-5, rtol=0)
    moved = (mirrored["shower"] != batch["shower"]).any(dim=1)
    assert bool((moved == (flipped_x | flipped_y)).all())


def test_without_reflections_nothing_is_mirrored() -> None:
    made = trainer(reflections=False)
    batch = made.tensors(toy_showers(16))
    mirrored = made.augment(batch, torch.Generator().manual_seed(1))
    torch.testing.assert_close(mirrored["shower"], batch["shower"], rtol=0, atol=0)


def test_scale_is_the_same_for_mirrored_cells() -> None:
    scale = trainer().family.generator.images.scale
    first = scale[:16].reshape(2, 8)
    torch.testing.assert_close(first, first.flip(0))
    torch.testing.assert_close(first, first.flip(1))
    assert float(first.std()) > 0
    first = trainer(reflections=False).family.generator.images.scale[:16].reshape(2, 8)
    assert float((first - first.flip(0)).abs().max()) > 1e-4


def test_score_of_the_truth_itself_is_zero_and_of_other_showers_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    made, events = trainer(), toy_showers(60, seed=9)
    truth = events["shower"].values
    rng = torch.Generator().manual_seed(1)
    monkeypatch.setattr(showers, "sampled", lambda model, conditions, rng: truth)
    assert made.validate(events, rng).values["score"] == pytest.approx(0, abs=1e-12)
    monkeypatch.setattr(showers, "sampled", lambda model, conditions, rng: 1.1 * truth)
    judged = made.validate(events, rng).values
    assert judged["wasserstein/energy_response"] == pytest.approx(0.08 / 0.02, rel=0.5)  # 10 % of 0.8, width 0.02
    assert judged["wasserstein/sparsity_0"] == pytest.approx(0, abs=1e-12)
    assert judged["score"] > 0.1


def test_the_score_is_the_mean_over_shapes_and_four_bins_of_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The definition that the shipped records go by, written out."""
    made, events = trainer(), toy_showers(200, seed=9)
    other = toy_showers(200, seed=10)["shower"].values
    monkeypatch.setattr(showers, "sampled", lambda model, conditions, rng: other)
    energy = events["incident_energy"].values
    truth = shower_shapes_of(events["shower"].values, energy, made.showers.geometry)
    fake = shower_shapes_of(other, energy, made.showers.geometry)
    bins = np.searchsorted(np.quantile(energy, [0.25, 0.5, 0.75]), energy)
    distances: dict[str, list[float]] = {}
    for name in truth:
        for b in range(4):
            t, f = np.sort(truth[name][bins == b]), np.sort(fake[name][bins == b])
            if t.std() > 0:
                distances.setdefault(name, []).append(float(np.abs(t - f).mean() / t.std()))
    judged = made.validate(events, torch.Generator())
    for name, found in distances.items():
        assert judged.values[f"wasserstein/{name}"] == pytest.approx(np.mean(found), rel=1e-9)
    assert judged.values["score"] == pytest.approx(np.mean([np.mean(d) for d in distances.values()]), rel=1e-9)
    assert len(set(judged.replicates)) > 1


def test_trained_range_is_what_was_asked_of_the_simulator() -> None:
    events = toy_showers(2000)
    low, high = describe(events, CONDITIONS, ("incident_energy",), CARRIES)["condition_ranges"]["incident_energy"]
    assert (low, high) == (1.0, 100.0)
    assert float(events["incident_energy"].min()) != 1.0


@pytest.mark.parametrize(
    ("band", "expected"),
    [((30, 50), (1, 100)), ((30, 100), (1, 30)), ((60, 200), (1, 60)), ((0, 3), (3, 100)), ((1, 3), (3, 100))],
)
def test_a_band_held_out_at_the_end_of_the_range_shortens_it(
    band: tuple[float, float], expected: tuple[float, float]
) -> None:
    held_out = [["incident_energy", *band]]
    events = toy_showers(2000).assign_attrs(settings='{"energy": "log:1:100"}', hold_out=json.dumps(held_out))
    described = describe(events, CONDITIONS, ("incident_energy",), CARRIES)
    assert described["condition_ranges"]["incident_energy"] == expected
    assert described["hold_out"] == held_out
    assert "hold_out" not in describe(toy_showers(50), CONDITIONS, ("incident_energy",), CARRIES)


def test_last_layer_is_of_weights_in_training_that_the_model_has_too() -> None:
    made = trainer()
    names = set(made.family.average.state_dict())
    last = made.last_layer()
    assert set(last) < names
    assert {"network.streams.0.image.weight", "network.streams.2.image.bias", "network.response.4.weight"} <= set(last)
    assert last["network.response.4.weight"] is made.family.generator.network.response[4].weight


def test_missing_conditions_and_showers_are_named() -> None:
    with pytest.raises(EventsError, match="missing condition 'impact_x'"):
        Trainer(Settings.model_validate(SYSTEM | {"conditions": FIVE}), toy_showers(50))
    with pytest.raises(EventsError, match="missing feature 'shower'"):
        Trainer(Settings.model_validate(SYSTEM), toy_showers(50).drop_vars("shower"))


def test_one_energy_alone_is_refused() -> None:
    events = toy_showers(50)
    events["incident_energy"].values[:] = 50.0
    with pytest.raises(ValueError, match="'incident_energy' does not vary"):
        Trainer(Settings.model_validate(SYSTEM), events)


def test_showers_without_energy_are_refused() -> None:
    events = toy_showers(50)
    events["shower"].values[7] = 0
    with pytest.raises(ValueError, match="1 showers without any energy"):
        Trainer(Settings.model_validate(SYSTEM), events)


def test_sampling_in_validation_is_in_order() -> None:
    made, events = trainer(), toy_showers(40)
    conditions = made.tensors(events)["conditions"]
    showers = sampled(made.family.average, conditions, torch.Generator().manual_seed(1))
    assert showers.shape == (40, 40)
    ratio = showers.sum(axis=1) / (1000 * events["incident_energy"].values)
    np.testing.assert_allclose(ratio, 0.8, atol=0.5)
    assert math.isclose(float(ratio.mean()), 0.8, abs_tol=0.1)
