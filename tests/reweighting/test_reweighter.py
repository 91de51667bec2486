"""Reweighters in use: normalised weights, parameters, files."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors import safe_open

from gaussian_events import continuous_settings, drawn_in_mu, gaussian_events, small_settings
from gaussian_shift import samples, signed
from simulacra.events import part_of
from simulacra.observables import observe
from simulacra.reweighting.calibration import TemperatureMap
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.prior_weights import WeightError
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.reweighter import OutsideBoxWarning, Reweighter, shipped_reweighters
from simulacra.training.checkpoint import CheckpointError
from toy_clouds import z_decays


@pytest.fixture(scope="module")
def continuous(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reweighter, Path]:
    run = tmp_path_factory.mktemp("continuous") / "run"
    source = gaussian_events(np.random.default_rng(1).normal(size=2000))
    settings = continuous_settings(members=2, steps=60)
    return fit_reweighter(source, drawn_in_mu(2000, 2), settings, run, name="toy", progress=False), run


@pytest.fixture(scope="module")
def isotonic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reweighter, Path]:
    run = tmp_path_factory.mktemp("isotonic") / "run"
    source, target = samples(2000, 2000, 1)
    settings = small_settings(calibration="isotonic", steps=60)
    return fit_reweighter(gaussian_events(source), gaussian_events(target), settings, run, progress=False), run


@pytest.fixture(scope="module")
def events() -> xr.Dataset:
    return gaussian_events(np.random.default_rng(5).normal(size=300))


def test_weights_keep_the_sum_of_the_events_own_weights(continuous: tuple[Reweighter, Path]) -> None:
    x = np.random.default_rng(5).normal(size=300)
    reweighter = continuous[0]
    assert reweighter.weights(gaussian_events(x), mu=0.5).mean() == pytest.approx(1.0)
    own = 3.0 * signed(300, 6)
    weights = reweighter.weights(gaussian_events(x, weight=own), mu=0.5)
    assert own @ weights == pytest.approx(own.sum())
    free = reweighter.weights(gaussian_events(x, weight=own), normalise=False, mu=0.5)
    np.testing.assert_array_equal(free, reweighter.weights(gaussian_events(x), normalise=False, mu=0.5))
    np.testing.assert_allclose(free / weights, (free / weights)[0])
    assert (weights > 0).all()
    for row in reweighter.weights_of_members(reweighter.embed(gaussian_events(x, weight=own)), {"mu": 0.5}):
        assert own @ row == pytest.approx(own.sum())


def test_weights_that_would_be_turned_round_are_refused(continuous: tuple[Reweighter, Path]) -> None:
    """The own weights add up to more than 0, those times the ratios to less."""
    x = np.concatenate([np.full(10, -2.0), np.full(8, 2.0)])
    events = gaussian_events(x, weight=np.concatenate([np.ones(10), -np.ones(8)]))
    with pytest.raises(WeightError, match=r"weights of the reweighted source add up to -.*, which is not positive"):
        continuous[0].weights(events, mu=0.9)


def test_parameters_not_named_stay_at_the_sources(continuous: tuple[Reweighter, Path], events: xr.Dataset) -> None:
    np.testing.assert_array_equal(continuous[0].weights(events), np.ones(300))
    np.testing.assert_array_equal(continuous[0].weights(events, mu=0.0), np.ones(300))


def test_outside_the_box_is_warned_of(continuous: tuple[Reweighter, Path], events: xr.Dataset) -> None:
    reweighter = continuous[0]
    with pytest.warns(OutsideBoxWarning, match=r"mu = 1\.2 is outside the trained box \(-1 to 1\): 'toy' extrapol"):
        outside = reweighter.weights(events, mu=1.2)
    assert np.isfinite(outside).all()
    reweighter.weights(events, mu=1.0)
    reweighter.weights(events, mu=np.nextafter(1.0, 2.0))
    assert reweighter.outside_box({"mu": -1.0}) == []
    assert len(reweighter.outside_box({"mu": -1.01})) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_parameter_that_is_not_finite_is_refused(
    continuous: tuple[Reweighter, Path], events: xr.Dataset, value: float
) -> None:
    with pytest.raises(ValueError, match=rf"mu is {value}: give a number between -1 and 1"):
        continuous[0].weights(events, mu=value)


def test_unknown_parameters_are_refused_with_those_that_are_known(
    continuous: tuple[Reweighter, Path], isotonic: tuple[Reweighter, Path], events: xr.Dataset
) -> None:
    with pytest.raises(ValueError, match=r"'toy' has no parameters \['nu'\]; it has mu \(-1 to 1\)"):
        continuous[0].weights(events, nu=0.1)
    with pytest.raises(ValueError, match=r"has no parameters \['mu'\]; it has none"):
        isotonic[0].weights(events, mu=0.1)
    with pytest.raises(ValueError, match="has one fixed target and no parameters to fit"):
        isotonic[0].ratios()


def test_a_weight_that_is_not_finite_is_refused(continuous: tuple[Reweighter, Path]) -> None:
    reweighter = Reweighter.load(continuous[1])
    reweighter.calibration = TemperatureMap(1e6, 0.0)
    events = gaussian_events(np.array([-1.0, 2.0]))
    with pytest.raises(
        FloatingPointError, match=r"weight of event 1 is not finite \(log ratio .*\): the source has almost"
    ):
        reweighter.weights(events, mu=0.9)


def test_events_that_lack_the_variable_are_refused(isotonic: tuple[Reweighter, Path]) -> None:
    with pytest.raises(SampleError, match=r"the events lack \['x'\]"):
        isotonic[0].weights(gaussian_events(np.zeros(5), name="y"))
    with pytest.raises(SampleError, match=r"mu was not drawn in the sample, which has no conditions"):
        Reweighter.embed(*_with_theta(isotonic), with_theta=True)


def _with_theta(isotonic: tuple[Reweighter, Path]) -> tuple[Reweighter, xr.Dataset]:
    reweighter = Reweighter.load(isotonic[1])
    reweighter.description["bounds"] = {"mu": (0.0, 1.0)}
    return reweighter, gaussian_events(np.zeros(5))


def test_embedded_events_know_their_index_weights_and_parameters(continuous: tuple[Reweighter, Path]) -> None:
    target = drawn_in_mu(100, 3)
    embedded = continuous[0].embed(target, part="test", most=7, with_theta=True)
    expected = np.flatnonzero(part_of(np.arange(100)) == "test")[:7]
    np.testing.assert_array_equal(embedded.index, expected)
    np.testing.assert_array_equal(embedded.theta[:, 0], target["mu"].values[expected])
    np.testing.assert_array_equal(embedded.weights, 1.0)
    assert len(embedded.summaries) == 2
    some = embedded.take(np.array([2, 0]))
    np.testing.assert_array_equal(some.index, expected[[2, 0]])
    weights = continuous[0].weights_of(embedded, {"mu": 0.5}, normalise=False)
    np.testing.assert_allclose(continuous[0].weights_of(some, {"mu": 0.5}, normalise=False), weights[[2, 0]], rtol=1e-6)
    assert len(embedded.take(slice(3))) == 3


def test_reading_block_by_block_changes_nothing(
    isotonic: tuple[Reweighter, Path], events: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = isotonic[0].weights(events)
    monkeypatch.setattr("simulacra.reweighting.represented.BLOCK", 7)
    # A matrix product's last bits depend on its number of rows.
    np.testing.assert_allclose(isotonic[0].weights(events), before, rtol=1e-6)


def test_observables_of_clouds_can_be_features(tmp_path: Path) -> None:
    """The networks see numbers that the events do not hold, made from the particles."""
    decays, _ = z_decays()
    heavier = decays.assign_coords(event=decays["event"])
    settings = small_settings(("thrust", "multiplicity"), steps=3, batch_size=128)
    reweighter = fit_reweighter(decays, heavier, settings, tmp_path, progress=False)
    weights = reweighter.weights(decays.isel(event=slice(20)))
    with_columns = decays.isel(event=slice(20)).assign(
        {name: observe(decays.isel(event=slice(20)))[name] for name in ("thrust", "multiplicity")}
    )
    np.testing.assert_array_equal(reweighter.weights(with_columns), weights)
    with pytest.raises(SampleError, match=r"lack \['sphericity'\]; they hold .* and have the observables .*'thrust'"):
        fit_reweighter(decays, heavier, small_settings(("sphericity",)), tmp_path / "other", progress=False)


# files


@pytest.mark.parametrize("kind", ["continuous", "isotonic"])
def test_a_file_gives_the_same_weights_bit_for_bit(
    kind: str, request: pytest.FixtureRequest, events: xr.Dataset, tmp_path: Path
) -> None:
    reweighter, run = request.getfixturevalue(kind)
    at = {"mu": 0.4} if kind == "continuous" else {}
    expected = reweighter.weights(events, **at)
    assert len(np.unique(expected)) > 20
    reweighter.save(tmp_path / "Gewichte ü.safetensors")
    for place in (run, run / "reweighter.safetensors", str(run), tmp_path / "Gewichte ü.safetensors"):
        loaded = Reweighter.load(place)
        np.testing.assert_array_equal(loaded.weights(events, **at), expected)
        assert loaded.settings == reweighter.settings
        assert loaded.bounds == reweighter.bounds
        assert loaded.sha256 == reweighter.sha256
        assert repr(loaded) == repr(reweighter)
    assert not list(tmp_path.glob("*.new"))


def test_it_says_what_it_is(continuous: tuple[Reweighter, Path]) -> None:
    assert repr(continuous[0]) == "Reweighter(toy: 2 members, mu -1 to 1)"


def test_a_generators_file_is_no_reweighter(trained_run: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors is not a reweighter; simulacra reweight makes reweighters"
    ):
        Reweighter.load(trained_run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"there is no model file .*reweighter\.safetensors"):
        Reweighter.load(trained_run)


@pytest.mark.parametrize("keep", [0, 20, 1000, -1])
def test_a_truncated_file_is_refused(isotonic: tuple[Reweighter, Path], tmp_path: Path, keep: int) -> None:
    content = (isotonic[1] / "reweighter.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:keep])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors is damaged or truncated"):
        Reweighter.load(tmp_path / "cut.safetensors")


def test_a_changed_byte_is_noticed(isotonic: tuple[Reweighter, Path], tmp_path: Path) -> None:
    content = bytearray((isotonic[1] / "reweighter.safetensors").read_bytes())
    content[-3] ^= 1
    (tmp_path / "changed.safetensors").write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="is damaged, its weights have changed since they were written"):
        Reweighter.load(tmp_path / "changed.safetensors")


@pytest.mark.parametrize("key", ["settings", "description", "calibration", "training", "name"])
def test_a_file_that_lacks_what_it_should_tell_is_refused(
    isotonic: tuple[Reweighter, Path], tmp_path: Path, key: str
) -> None:
    import json

    from safetensors.torch import load_file, save_file

    path = isotonic[1] / "reweighter.safetensors"
    with safe_open(str(path), framework="pt") as file:
        header = dict(file.metadata())
    # as in early files, whose metadata have no checksum
    del header["checksum"]
    told = json.loads(header["simulacra"])
    del told[key]
    save_file(load_file(path), tmp_path / "mute.safetensors", header | {"simulacra": json.dumps(told)})
    with pytest.raises(CheckpointError, match=rf"mute\.safetensors does not contain its '{key}': it is damaged"):
        Reweighter.load(tmp_path / "mute.safetensors")


def test_shipped_ones_are_listed_and_taken_by_name(
    isotonic: tuple[Reweighter, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simulacra.reweighting.reweighter.WEIGHTS", tmp_path / "weights")
    with pytest.raises(ValueError, match=r"'dctr-x' is neither a file, nor a folder, nor one .*reweighters: none"):
        Reweighter.load("dctr-x")
    (tmp_path / "weights").mkdir()
    for name in ("toy-two", "toy-one"):
        isotonic[0].save(tmp_path / "weights" / f"{name}.safetensors")
    assert shipped_reweighters() == ["toy-one", "toy-two"]
    assert Reweighter.load("toy-two").sha256 == isotonic[0].sha256
    with pytest.raises(ValueError, match=r"one of the shipped reweighters: toy-one, toy-two"):
        Reweighter.load("dctr-x")
