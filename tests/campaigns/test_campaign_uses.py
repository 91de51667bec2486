"""Pseudo-experiments and drawn events on a cluster: the same numbers as in one process."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gaussian_fits import gaussian_fit
from simulacra.campaigns.local import LocalWorkers
from simulacra.fits.coverage import pseudo_experiments
from simulacra.fits.errors import FitError
from simulacra.reference import load
from simulacra.store import StoreError
from simulacra.workflows import judged_events
from simulacra.workflows.judged_events import drawn_for


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with LocalWorkers(1) as found:
        yield found.scheduler_address


def fit_of(value: float):
    if value > 5:
        raise FitError("too large to fit")
    return gaussian_fit(value, 0.6)


def fit_badly(value: float):
    raise ZeroDivisionError(f"of {value}")


def test_pseudo_experiments_on_a_cluster_are_those_of_one_process(address: str, tmp_path: Path) -> None:
    values = [1.0, 2.5, 3.0, 7.0, 2.0]
    one = pseudo_experiments(fit_of, values, {"mean": 2.0})
    told = []
    many = pseudo_experiments(
        fit_of, values, {"mean": 2.0}, scheduler=address, journal=tmp_path / "j", progress=lambda *a: told.append(a)
    )
    assert many.to_json() == one.to_json()
    assert many.failures == {3: "too large to fit"}
    assert told[0] == ("pseudo-experiment 1 of 5", 0.0)
    assert [share for _, share in told] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    # all are in the journal, so nothing is left for a scheduler that does not exist
    again = pseudo_experiments(fit_of, values, {"mean": 2.0}, scheduler="tcp://127.0.0.1:9", journal=tmp_path / "j")
    assert again.to_json() == one.to_json()


def test_a_fit_that_breaks_on_a_cluster_is_named(address: str) -> None:
    with pytest.raises(FitError, match=r"^pseudo-experiment \d failed: ZeroDivisionError: of \d") as caught:
        pseudo_experiments(fit_badly, [1.0, 2.0], {"mean": 2.0}, scheduler=address)
    assert any("fit_badly" in note for note in caught.value.__notes__)


def test_events_drawn_on_a_cluster_are_those_of_one_process(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = load("calogan-eplus").isel(event=slice(0, 150))
    (one,) = drawn_for(truth, "calogan-eplus", most=150, seed=3)
    monkeypatch.setattr(judged_events, "DRAWN", 64)
    (many,) = drawn_for(truth, "calogan-eplus", most=150, seed=3, scheduler=address)
    xr.testing.assert_equal(many, one)
    assert {name: many[name].dtype for name in many} == {name: one[name].dtype for name in one}
    ignored = {"seconds_per_event", "settings"}
    assert {k: v for k, v in many.attrs.items() if k not in ignored} == {
        k: v for k, v in one.attrs.items() if k not in ignored
    }
    assert np.array_equal(many["event"], np.arange(150))


def test_events_that_cannot_be_drawn_are_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = load("calogan-eplus").isel(event=slice(0, 64))
    monkeypatch.setattr(
        judged_events, "Source", lambda *a: judged_events.loaded.__wrapped__.__globals__["Source"](*a[:2], "0", None)
    )
    with pytest.raises(StoreError, match=r"chunk 0 \(events 0 to 63\) of the generated .* be drawn: .*has changed"):
        drawn_for(truth, "calogan-eplus", most=64, seed=3, scheduler=address)
    monkeypatch.setattr("simulacra.campaigns.cluster.ANSWER", 1.0)
    with pytest.raises(StoreError, match=r"the events of 'calogan-eplus' cannot be drawn: no scheduler answers at tcp"):
        drawn_for(truth, "calogan-eplus", most=64, seed=3, scheduler="tcp://127.0.0.1:9")
