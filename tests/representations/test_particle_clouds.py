"""Particle clouds as a network sees them: the same however an event is turned, nothing where no particle is."""

import numpy as np
import pytest
import torch

from simulacra.representations.particle_clouds import FEATURES, KINDS, ParticleClouds
from simulacra.representations.tables import StandardisedTable
from toy_clouds import z_decays

N, P = 40, 24


def toy(seed: int = 1) -> dict[str, torch.Tensor]:
    """Return events of 12 to 24 particles, about an axis, whose axes are far from degenerate."""
    rng = np.random.default_rng(seed)
    momentum = rng.normal(size=(N, P, 3)) * [5.0, 1.5, 0.5] + rng.exponential(size=(N, P, 3)) * [3.0, 1.0, 0.3]
    present = np.arange(P) < rng.integers(12, P + 1, N)[:, None]
    momentum[~present] = 0.0
    energy = np.sqrt((momentum**2).sum(-1) + 0.02) * present
    codes = np.array([22, 211, -211, 321, 2212, -2112, 130, 11, -13, 12, 0, 1000010020])
    identity = rng.choice(codes, (N, P)) * present
    arrays = {"momentum": momentum.astype("f4"), "energy": energy.astype("f4"), "identity": identity.astype("i4")}
    return {name: torch.from_numpy(array) for name, array in arrays.items()} | {"present": torch.from_numpy(present)}


def turned(events: dict[str, torch.Tensor], rotation: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the events with momenta (N, P, 3) multiplied by rotations, (N, 3, 3)."""
    momentum = torch.einsum("npi,nij->npj", events["momentum"].double(), torch.from_numpy(rotation))
    return events | {"momentum": momentum.float()}


def rotations(n: int, seed: int) -> np.ndarray:
    found = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, 3, 3)))[0]
    return np.asarray(found * np.sign(np.linalg.det(found))[:, None, None])


def fitted(frame: str, events: dict[str, torch.Tensor]) -> ParticleClouds:
    module = ParticleClouds(frame)  # type: ignore[arg-type]
    module.fit(events["momentum"], events["energy"], events["present"])
    return module


def features_of(module: ParticleClouds, events: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    found: tuple[torch.Tensor, torch.Tensor] = module(
        *(events[n] for n in ("momentum", "energy", "identity", "present"))
    )
    return found


def test_an_event_may_be_turned_in_its_own_frame() -> None:
    events = toy()
    module = fitted("event", events)
    before, kinds = features_of(module, events)
    after, kinds_after = features_of(module, turned(events, rotations(N, 2)))
    torch.testing.assert_close(kinds_after, kinds)
    # Half precision keeps 1 in 1,000 of values up to about 4.
    torch.testing.assert_close(after.float(), before.float(), rtol=0, atol=0.01)
    # It is no invariance of the beam's frame.
    along_the_beam = fitted("beam", events)
    other = features_of(along_the_beam, turned(events, rotations(N, 2)))[0]
    assert (other.float() - features_of(along_the_beam, events)[0].float()).abs().max() > 0.5


def test_real_decays_may_be_turned_too() -> None:
    """Some planar or spherical events have axes that rounding turns: few, and only those."""
    events, _ = z_decays()
    tensors = {name: torch.from_numpy(events[name].values) for name in ("momentum", "energy", "identity", "present")}
    n = len(tensors["energy"])
    module = fitted("event", tensors)
    before = features_of(module, tensors)[0].float()
    after = features_of(module, turned(tensors, rotations(n, 3)))[0].float()
    off = (after - before).abs().flatten(1).amax(dim=1) > 0.02
    # A particle close to an axis has an azimuth, or a pseudorapidity, that a rounded momentum moves.
    assert float(off.float().mean()) < 0.1
    assert float(((after - before).abs() > 0.02).float().mean()) < 0.002


def test_axes_stand_in_the_order_of_the_momentum_along_them() -> None:
    events = toy()
    turned_events = ParticleClouds._about_own_axes(turned(events, rotations(N, 4))["momentum"])
    size = turned_events.norm(dim=-1).clamp(min=1e-6)
    spread = (turned_events**2 / size[..., None]).sum(dim=1)
    assert bool((spread[:, 0] > spread[:, 1]).all())
    assert bool((spread[:, 1] > spread[:, 2]).all())
    assert bool((turned_events.double() ** 3).sum(dim=1).ge(-1e-3).all())
    torch.testing.assert_close(turned_events.norm(dim=-1), events["momentum"].norm(dim=-1), rtol=1e-5, atol=1e-5)


def test_the_beams_frame_may_be_turned_about_the_beam() -> None:
    events = toy()
    angle = np.random.default_rng(3).uniform(0, 2 * np.pi, N)
    rotation = np.zeros((N, 3, 3))
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(angle)
    rotation[:, 0, 1], rotation[:, 1, 0] = np.sin(angle), -np.sin(angle)
    rotation[:, 2, 2] = 1.0
    module = fitted("beam", events)
    before, after = (features_of(module, e)[0].float() for e in (events, turned(events, rotation)))
    torch.testing.assert_close(after, before, rtol=0, atol=0.01)
    # The hardest particle across the beam stands at azimuth 0.
    hardest = events["momentum"][..., :2].norm(dim=-1).argmax(dim=1)
    at_zero = before[torch.arange(N), hardest, 3:]
    torch.testing.assert_close(at_zero, torch.tensor([1.0, 0.0]).expand(N, 2), rtol=0, atol=1e-3)


def test_features_are_what_they_are_called() -> None:
    momentum = torch.tensor([[[3.0, 0.0, 4.0], [0.0, 1.0, -2.0]]])
    energy = torch.tensor([[5.0, 3.0]])
    present = torch.ones(1, 2, dtype=torch.bool)
    module = ParticleClouds("beam")
    features, kinds = module(momentum, energy, torch.tensor([[211, -2212]]), present)
    assert features.shape == (1, 2, FEATURES)
    assert features.dtype == torch.float16
    expected = [[np.log(5), np.arcsinh(4 / 3), np.log(3), 1, 0], [np.log(3), np.arcsinh(-2), 0, 0, 1]]
    torch.testing.assert_close(features[0].float(), torch.tensor(expected, dtype=torch.float32), rtol=0, atol=2e-3)
    names = list(KINDS)
    assert kinds.dtype == torch.uint8
    assert [names[k - 1] for k in kinds[0].tolist()] == ["charged pion", "proton"]


def test_each_kind_is_recognised_with_either_sign() -> None:
    codes = [code for kind in KINDS.values() for code in kind]
    unknown = [1, 3122, 1000010020, 2**31 - 1]
    identity = torch.tensor([codes + unknown + [-code for code in codes] + [-code for code in unknown]])
    momentum = torch.ones(*identity.shape, 3)
    present = torch.ones_like(identity, dtype=torch.bool)
    _, kinds = ParticleClouds("beam")(momentum, torch.ones(identity.shape), identity.int(), present)
    names = ["absent", *KINDS]
    half = len(codes) + len(unknown)
    found = [names[k] for k in kinds[0].tolist()]
    assert found[:half] == found[half:]
    assert found[: len(codes)] == [kind for kind, own in KINDS.items() for _ in own]
    assert set(found[len(codes) : half]) == {"other"}
    assert ParticleClouds().kinds == len(names)


def test_absent_particles_are_zeros_and_seen_ones_are_not() -> None:
    events = toy()
    module = fitted("event", events)
    features, kinds = features_of(module, events)
    absent = ~events["present"]
    assert float(features[absent].abs().max()) == 0
    assert int(kinds[absent].max()) == 0
    # A particle that a detector did not identify is there all the same.
    assert int(kinds[events["present"]].min()) > 0
    # What stands where no particle is, is not looked at.
    noise = torch.where(absent[..., None], torch.full_like(events["momentum"], 50.0), events["momentum"])
    again, _ = features_of(module, events | {"momentum": noise})
    torch.testing.assert_close(again, features, rtol=0, atol=0)


@pytest.mark.parametrize("frame", ["event", "beam"])
def test_odd_events_give_finite_features(frame: str) -> None:
    momentum = torch.zeros(4, 3, 3)
    momentum[1, 0] = torch.tensor([0.0, 0.0, 45.0])  # along the beam
    momentum[2, :2] = torch.tensor([[0.0, 0.0, 45.0], [0.0, 0.0, -45.0]])
    present = torch.tensor([[False] * 3, [True, False, False], [True, True, False], [True] * 3])  # the last at rest
    energy = momentum.norm(dim=-1)
    features, kinds = ParticleClouds(frame)(momentum, energy, torch.full((4, 3), 22), present)  # type: ignore[arg-type]
    assert bool(torch.isfinite(features).all())
    assert kinds.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_scales_come_from_the_particles_that_are_there() -> None:
    events = toy()
    module = fitted("event", events)
    features = features_of(module, events)[0][events["present"]].float()
    torch.testing.assert_close(features[:, :3].mean(dim=0), torch.zeros(3), rtol=0, atol=1e-2)
    torch.testing.assert_close(features[:, :3].std(dim=0), torch.ones(3), rtol=0, atol=1e-2)
    torch.testing.assert_close(features[:, 3:].norm(dim=-1), torch.ones(len(features)), rtol=0, atol=2e-3)


def test_a_sample_without_particles_is_refused() -> None:
    events = toy()
    events["present"] = torch.zeros_like(events["present"])
    events["present"][0, 0] = True
    with pytest.raises(ValueError, match="the sample holds 1 particles: at least 2 are needed to scale them"):
        fitted("event", events)


def test_tables_are_centred_and_a_constant_column_is_left() -> None:
    table = torch.tensor([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]])
    module = StandardisedTable(2)
    module.fit(table)
    torch.testing.assert_close(module(table), torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
