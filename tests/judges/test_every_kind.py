"""Every kind of events that showers are not, judged to the written page: constants, whole numbers, no particles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import array, events_of, lists, masked_fields, number
from simulacra.judges import judge
from simulacra.judges.doubts import only_constants
from simulacra.judges.samples import JudgeError, Sample
from simulacra.judges.unpacking import sample_of
from simulacra.reports import write
from tiny_calogan import toy_showers
from toy_clouds import clouds_of

N = 210


def gaussian(rng: np.random.Generator) -> xr.Variable:
    return number(rng.normal(size=N))


def with_constant(rng: np.random.Generator) -> xr.Dataset:
    return events_of({"x": gaussian(rng), "constant": number(np.full(N, 3.0))}, 1)


def with_whole_numbers(rng: np.random.Generator) -> xr.Dataset:
    return events_of({"x": gaussian(rng), "count": number(rng.poisson(2, N)), "flag": number(rng.random(N) < 0.1)}, 1)


def one_column_at_one_condition(rng: np.random.Generator) -> xr.Dataset:
    return events_of({"x": gaussian(rng), "energy": number(np.full(N, 5.0), "condition")}, 1)


def field_and_constant(rng: np.random.Generator) -> xr.Dataset:
    return events_of(
        {"field": array(rng.normal(size=(N, 3, 3)), "row", "column"), "constant": number(np.full(N, 3.0))}, 1
    )


def field_with_masked_pixels(rng: np.random.Generator) -> xr.Dataset:
    return masked_fields(N, int(rng.integers(2**31)))


def lists_padded_at_random(rng: np.random.Generator) -> xr.Dataset:
    return lists(N, int(rng.integers(2**31)), padding=int(rng.integers(9)))


def clouds_half_of_them_empty(rng: np.random.Generator) -> xr.Dataset:
    pions = rng.normal(size=(N, 2, 3))
    energy = np.sqrt((pions**2).sum(axis=2) + 0.1396**2)
    particles = [
        [(*p, e, 211, 1) for p, e in zip(momenta, energies, strict=True)]
        for momenta, energies in zip(pions, energy, strict=True)
    ]
    events = clouds_of(particles, width=2)
    there = events["present"].values & (rng.random(N) < 0.5)[:, None]
    emptied = {}
    for name in ("momentum", "energy", "identity", "charge"):
        values = events[name].values
        mask = there.reshape(there.shape + (1,) * (values.ndim - 2))
        emptied[name] = events[name].copy(data=np.where(mask, values, 0).astype(values.dtype))
    return events.assign(present=events["present"].copy(data=there), **emptied)


@pytest.mark.parametrize(
    "draw",
    [
        with_constant,
        with_whole_numbers,
        one_column_at_one_condition,
        field_and_constant,
        field_with_masked_pixels,
        lists_padded_at_random,
        clouds_half_of_them_empty,
    ],
)
def test_a_verdict_and_its_page(draw: Callable[[np.random.Generator], xr.Dataset], tmp_path: Path) -> None:
    truth, generated = (draw(np.random.default_rng(seed)) for seed in (1, 2))
    verdict = judge(truth, generated, seed=1)
    # The truth fails by chance beyond two of its standard deviations alone: seldom, with a fixed seed never.
    assert verdict.stated.outcome in ("pass", "undecided")
    assert not verdict.stated.doubts
    page = write(verdict, tmp_path)
    assert verdict.headline in page.read_text(encoding="utf-8")
    record = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    distances = {f["observable"]: f["value"] for f in record["findings"] if f["judge"] == "wasserstein_distance"}
    assert all(distances[name] == 0 for name in distances if name.startswith("constant"))


def constant_column(value: float, seed: int = 1) -> xr.Dataset:
    condition = number(np.random.default_rng(seed).random(N), "condition")
    return events_of({"constant": number(np.full(N, value)), "asked_for": condition}, 1)


def constant_field(value: float, _: int = 1) -> xr.Dataset:
    return events_of({"field": array(np.full((N, 3, 3), value), "row", "column")}, 1)


def equal_pions(momentum: float, _: int = 1) -> xr.Dataset:
    energy = np.sqrt(momentum**2 + 0.1396**2)
    return clouds_of([[(0.0, 0.0, momentum, energy, 211, 1)]] * N, width=1)


def equal_showers(scale: float, seed: int = 1) -> xr.Dataset:
    showers = toy_showers(N, seed)
    same = np.broadcast_to(scale * showers["shower"].values[0], showers["shower"].shape)
    return showers.assign(shower=showers["shower"].copy(data=same))


CONSTANTS = [constant_column, constant_field, equal_pions, equal_showers]


@pytest.mark.parametrize("constant", [constant_column, constant_field])
def test_of_constants_alone_nothing_can_be_told(constant: Callable[[float, int], xr.Dataset], tmp_path: Path) -> None:
    verdict = judge(constant(3.0, 1), constant(3.0, 2), seed=1)
    assert verdict.headline.startswith("UNDECIDED")
    assert [judged.outcome for judged in verdict.uses] == ["undecided"] * len(verdict.uses)
    (doubt,) = verdict.stated.doubts
    assert doubt.startswith("All variables (conditions aside) are constant")
    assert doubt in verdict.warnings
    assert verdict.advice[0].startswith("Judge variables that vary")
    assert doubt in write(verdict, tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [3.001, 3.0 + 1e-9])
def test_another_constant_fails(value: float) -> None:
    verdict = judge(constant_column(3.0, 1), constant_column(value, 2), seed=1)
    assert verdict.headline.startswith("FAIL")
    assert not verdict.stated.doubts


def sample(events: xr.Dataset) -> Sample:
    return sample_of(events, "toy", most_events=N, rng=np.random.default_rng(1))


@pytest.mark.parametrize("constant", CONSTANTS)
def test_constants_of_every_kind_are_seen_and_what_varies_once_is_none(
    constant: Callable[..., xr.Dataset],
) -> None:
    truth = sample(constant(3.0))
    assert only_constants(truth, truth)
    assert not only_constants(truth, sample(constant(3.01)))
    name = next(name for name in ("constant", "field", "momentum", "shower") if name in constant(3.0))
    values = np.array(constant(3.0)[name].values)
    values[7] *= 2
    once = constant(3.0)
    once = sample(once.assign({name: once[name].copy(data=values)}))
    assert not only_constants(truth, once)
    assert not only_constants(once, truth)


def test_numbers_whose_moments_are_lost_are_refused() -> None:
    """Two columns of different width, in a unit in which their squares are 0: nothing could tell them apart."""
    rng = np.random.default_rng(1)
    truth, generated = rng.normal(size=(N, 2)), 3 * rng.normal(size=(N, 2)) + 2
    with pytest.raises(JudgeError, match=r"no value of 'feature_0' is larger than .*: moments of values below 1e-60"):
        judge(truth * 1e-170, generated * 1e-170, seed=1)
