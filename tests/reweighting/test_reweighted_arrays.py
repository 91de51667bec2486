"""Reweighting of fields and series whose log ratio is known, also continuous in a parameter that is then fitted."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reweighting.known_arrays import field_log_likelihood, fields, series, series_log_likelihood

from events_of_every_kind import events_of, number
from simulacra.fits.default_fit import RatioFit
from simulacra.fits.from_events import embed_events
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.judgement import judge_reweighter
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.settings import ConvolutionalSettings, FeaturesSettings, ReweighterSettings, settings_for

N = 6000
small_fields, short_series = partial(fields, side=8), partial(series, length=32)
#: how events are made, their log-likelihood, and the parameter of source and target
CASES: dict[str, tuple[Callable[..., xr.Dataset], Callable[..., np.ndarray], float, float]] = {
    "field": (small_fields, field_log_likelihood, 2.0, 2.2),
    "series": (short_series, series_log_likelihood, 0.7, 0.75),
}
Trained = tuple[str, Reweighter, xr.Dataset, xr.Dataset]


def quick(events: xr.Dataset, *parameters: str, steps: int = 300, **network: Any) -> ReweighterSettings:
    """Return the settings for such events with fewer filters and steps."""
    settings = settings_for(events, parameters)
    fewer = {"widths": (8, 8), "event_widths": (16,), "summary": 16, "head_widths": (16,)} | network
    training = {"steps": steps, "batch_size": 256, "learning_rate": 1e-2, "validate_every": 50, "threads": 1}
    return settings.model_copy(
        update={
            "network": settings.network.model_copy(update=fewer),
            "training": settings.training.model_copy(update=training),
            "average_decay": 0.98,
        }
    )


def exact(case: str, events: xr.Dataset) -> np.ndarray:
    _, log_likelihood, source, target = CASES[case]
    return log_likelihood(events, target) - log_likelihood(events, source)


@pytest.fixture(scope="module", params=list(CASES))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    case: str = request.param
    make, _, source, target = CASES[case]
    samples = make(N, source, 1), make(N, target, 2)
    padding = {"padding": "periodic"} if case == "field" else {}
    run = tmp_path_factory.mktemp(case) / "run"
    fit_reweighter(*samples, quick(samples[0], **padding), run, progress=False)
    return case, Reweighter.load(run), *samples


def test_the_exact_log_ratio_is_learned(trained: Trained) -> None:
    case, reweighter, *_ = trained
    make, _, source, _ = CASES[case]
    fresh = make(3000, source, 3)
    truth = exact(case, fresh)
    found = reweighter.log_ratios(reweighter.embed(fresh))[0]
    assert truth.std() > 0.5
    assert np.corrcoef(truth, found)[0, 1] > 0.93
    assert np.polyfit(truth, found, 1)[0] == pytest.approx(1.0, abs=0.2)
    # Weights of 1 are further off than what is left.
    assert np.mean((found - truth) ** 2) < 0.15 * np.mean(truth**2)


def test_the_reweighted_source_closes(trained: Trained) -> None:
    """By chance, one of so many observables fails in a tenth of the cases, were the weights exact; all is seeded."""
    _, reweighter, source, target = trained
    judgement = judge_reweighter(reweighter, source, target, trees=False, seed=1)
    closures = {closure.observable: closure for closure in judgement.closures}
    assert len(closures) >= 8
    assert min(closure.before.p_value for closure in closures.values()) < 1e-6
    assert all(closure.closes for closure in closures.values())
    (second,) = judgement.second
    assert second.auc_before is not None
    assert second.auc_before > 0.58
    assert second.auc < 0.5 + 3 * second.uncertainty + 0.01


def test_exact_weights_are_confirmed(trained: Trained) -> None:
    """The regression of the exact on the learned weights has slope 1 if these are right; noise makes it flatter."""
    case, reweighter, source, target = trained
    ratio = np.exp(exact(case, source))
    told = source.assign(variation_exact=("event", ratio, {"units": "1", "long_name": "exact", "role": "weight"}))
    found = judge_reweighter(reweighter, told, target, trees=False, second=False, exact="variation_exact", seed=1).exact
    assert found is not None
    assert found.slope == pytest.approx(1.0, abs=0.3)
    assert found.explained_share > 0.85


# continuous in a parameter


@pytest.fixture(scope="module")
def continuous(tmp_path_factory: pytest.TempPathFactory) -> Reweighter:
    memory = np.random.default_rng(4).uniform(0.55, 0.75, 10_000)
    target = short_series(10_000, memory, 5, vary={"memory": "uniform:0.55:0.75"})
    source = short_series(10_000, 0.65, 6)
    settings = quick(source, "memory", steps=600).model_copy(update={"reference": {"memory": 0.65}})
    return fit_reweighter(source, target, settings, tmp_path_factory.mktemp("continuous") / "run", progress=False)


@pytest.mark.parametrize("memory", [0.57, 0.61, 0.69, 0.73])
def test_the_log_ratio_is_a_function_of_the_parameter(continuous: Reweighter, memory: float) -> None:
    fresh = short_series(2000, 0.65, 7)
    truth = series_log_likelihood(fresh, memory) - series_log_likelihood(fresh, 0.65)
    found = np.log(continuous.weights(fresh, normalise=False, memory=memory))
    assert np.corrcoef(truth, found)[0, 1] > 0.93
    assert np.polyfit(truth, found, 1)[0] == pytest.approx(1.0, abs=0.3)


def test_box_and_reference_are_those_of_the_samples(continuous: Reweighter) -> None:
    assert continuous.bounds == {"memory": (0.55, 0.75)}
    np.testing.assert_array_equal(continuous.weights(short_series(50, 0.65, 8)), 1.0)


@pytest.mark.parametrize("memory", [0.6, 0.7])
def test_the_parameter_is_fitted(continuous: Reweighter, memory: float) -> None:
    """1,000 series know the memory to 0.0026 at 0.7 by the exact likelihood; the rest is the network's bias."""
    reference = embed_events(continuous, short_series(10_000, 0.65, 9), label="reference")
    data = embed_events(continuous, short_series(1000, memory, 10), label="data")
    with pytest.warns(UserWarning, match="statistical"):
        found = RatioFit(continuous, reference)(data)
    assert found.values["memory"] == pytest.approx(memory, abs=0.02)
    assert 0.002 < found.errors["memory"] < 0.015


# what is chosen, and what is refused


def test_the_network_is_chosen_by_the_events() -> None:
    chosen = settings_for(fields(20, 2.0, 1))
    assert isinstance(chosen.network, ConvolutionalSettings)
    assert chosen.network.variables == ("field",)
    assert len(chosen.network.widths) == 3
    assert chosen.calibration == "temperature"
    assert len(settings_for(series(20, 0.5, 1)).network.widths) == 5  # type: ignore[attr-defined]
    table = events_of({"x": number(np.zeros(20))}, 1)
    assert isinstance(settings_for(table).network, FeaturesSettings)
    assert settings_for(table).calibration == "isotonic"
    assert settings_for(table, ("mu",)).calibration == "temperature"


def test_a_field_that_is_seen_by_its_observables_closes_in_them(tmp_path: Path) -> None:
    source, target = small_fields(3000, 2.0, 1), small_fields(3000, 2.2, 2)
    settings = quick(source)
    network = FeaturesSettings(variables=("field_power_0", "field_power_1"), widths=(16,), summary=8)
    settings = settings.model_copy(update={"network": network})
    reweighter = fit_reweighter(source, target, settings, tmp_path / "run", progress=False)
    found = judge_reweighter(reweighter, source, target, trees=False, second=False, seed=1)
    assert {closure.observable for closure in found.closures} == {"field power 0", "field power 1"}
    assert all(closure.closes for closure in found.closures)


def test_arrays_of_other_shapes_are_refused(tmp_path: Path) -> None:
    source, target = small_fields(300, 2.0, 1), fields(300, 2.0, 2, side=6)
    with pytest.raises(SampleError, match=r"'field' is \{'x': 8, 'y': 8\} in the source and \{'x': 6, 'y': 6\} in the"):
        fit_reweighter(source, target, quick(source), tmp_path / "run", progress=False)
    more = small_fields(300, 2.0, 3)
    more["pressure"] = more["field"]
    with pytest.raises(ValueError, match=r"only the target has pressure_sum, .* and 12 others$"):
        fit_reweighter(source, more, quick(source), tmp_path / "run", progress=False)
    none = source.isel(event=slice(0))
    with pytest.raises(SampleError, match="the source has 0 train events of 0 in all"):
        fit_reweighter(none, none, quick(none), tmp_path / "run", progress=False)
