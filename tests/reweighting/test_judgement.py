"""Reweighters are judged on events that they have not seen, of tables and of particles, and the page says so."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gaussian_events import continuous_settings, drawn_in_mu, gaussian_events, small_settings
from gaussian_shift import exact_weights, samples
from simulacra.events import part_of, variable
from simulacra.pages import write_page
from simulacra.reweighting.clipping import MaximumClipping
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.judgement import judge_reweighter
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.reweighter import OutsideBoxWarning, Reweighter
from simulacra.reweighting.settings import ParticleFlowSettings
from simulacra.variations import variation_variable
from toy_clouds import z_decays


@pytest.fixture(scope="module")
def pair() -> tuple[xr.Dataset, xr.Dataset]:
    source, target = samples(5000, 5000, 1)
    exact = variable(2.0 * exact_weights(source), units="1", long_name="exact weight", role="weight")
    return gaussian_events(source, variation_shift=exact), gaussian_events(target, seed=2)


@pytest.fixture(scope="module")
def plain(pair: tuple[xr.Dataset, xr.Dataset], tmp_path_factory: pytest.TempPathFactory) -> Reweighter:
    run = tmp_path_factory.mktemp("judged")
    return fit_reweighter(*pair, small_settings(calibration="temperature", steps=200), run, progress=False)


def test_a_good_reweighting_closes_and_the_page_says_so(
    plain: Reweighter, pair: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    """Seeded. A closure with exact weights fails once in 100, a second classifier lies 4 deviations off in 16,000."""
    steps: list[tuple[str, float]] = []
    judged = judge_reweighter(
        plain,
        *pair,
        labels=("default", "shifted"),
        exact="variation_shift",
        clipping=MaximumClipping(maximum=50.0),
        progress=lambda step, share: steps.append((step, share)),
    )
    index = judged.embedded.index
    np.testing.assert_array_equal(index, np.flatnonzero(part_of(np.arange(5000)) == "test"))
    (closure,) = judged.closures
    assert closure.observable == "x"
    assert closure.closes
    assert closure.before.p_value < 1e-6
    assert [second.name for second in judged.second] == ["all particles", "all particles, reweighted by boosted trees"]
    second = judged.second[0]
    assert abs(second.excess) < 4 * second.error
    assert second.auc_before == pytest.approx(0.638, abs=0.03)
    assert judged.exact is not None
    assert judged.exact.slope == pytest.approx(1.0, abs=0.2)
    assert judged.support.regions == ()
    assert judged.clipping.clipped == 0
    assert len(judged.trees) == 1
    assert [share for _, share in steps] == sorted(share for _, share in steps)
    assert steps[-1] == ("done", 1.0)
    page = judged.page()
    assert page.outcome in ("pass", "undecided")
    report = write_page(tmp_path / "page", page)
    assert "shifted" in report.read_text(encoding="utf-8")
    (record,) = (tmp_path / "page").glob("*.json")
    assert json.loads(record.read_text(encoding="utf-8"))


def test_exact_weights_are_compared_as_ratios_whether_they_hold_weights_or_ratios(
    plain: Reweighter, pair: tuple[xr.Dataset, xr.Dataset]
) -> None:
    source, target = pair
    own = variable(np.linspace(0.5, 2, 5000), units="1", long_name="weight", role="weight")
    ratio = source.assign(weight=own)
    absolute = ratio.assign(variation_shift=variation_variable(own.values * source["variation_shift"].values, "shift"))
    found = [
        judge_reweighter(plain, s, target, labels=("a", "b"), exact="variation_shift", trees=False, second=False).exact
        for s in (ratio, absolute)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[1].slope == pytest.approx(found[0].slope, rel=1e-9)
    assert found[1].slope == pytest.approx(1.0, abs=0.2)


def test_no_reweighting_at_all_does_not_close(pair: tuple[xr.Dataset, xr.Dataset], tmp_path: Path) -> None:
    same = fit_reweighter(pair[0], pair[0], small_settings(steps=20), tmp_path, progress=False)
    judged = judge_reweighter(same, *pair, trees=False)
    assert not judged.closures[0].closes
    assert judged.second[0].outcome == "fail"
    assert judged.page().outcome == "fail"
    assert judged.trees == ()


def test_a_page_at_parameters_says_if_they_lie_outside(tmp_path: Path) -> None:
    source, target = samples(3000, 3000, 3, shift=0.5)
    reweighter = fit_reweighter(
        gaussian_events(source),
        drawn_in_mu(3000, 4, bound=0.4),
        continuous_settings(steps=100),
        tmp_path,
        progress=False,
    )
    events = gaussian_events(source), gaussian_events(target)
    with pytest.warns(OutsideBoxWarning):
        judged = judge_reweighter(reweighter, *events, parameters={"mu": 0.5}, second=False, trees=False)
    assert any("mu = 0.5 is outside the trained box" in warning for warning in judged.warnings)
    assert judged.second == ()
    inside = judge_reweighter(reweighter, *events, parameters={"mu": 0.3}, second=False, trees=False)
    assert inside.warnings == ()
    with pytest.raises(ValueError, match=r"has no parameters \['nu'\]"):
        judge_reweighter(reweighter, *events, parameters={"nu": 0.3})


def test_negative_weights_are_judged_without_trees(plain: Reweighter, pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    """Every tenth event counts against the others; trees take no such weights and are left out."""
    weight = np.where(np.arange(5000) % 10 == 3, -1.0, 1.0)
    signed = pair[1].assign(weight=variable(weight, units="1", long_name="weight", role="weight"))
    judged = judge_reweighter(plain, pair[0], signed, second=False)
    assert judged.trees == ()
    assert judged.closures[0].before.p_value < 1e-6


def test_what_cannot_be_judged_is_refused(plain: Reweighter, pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    with pytest.raises(
        SampleError, match=r"the source has no exact weights 'up'; its weights are \['variation_shift'\]"
    ):
        judge_reweighter(plain, *pair, exact="up")
    few = pair[1].isel(event=slice(1, 2))
    assert "test" not in part_of(few["event"].values)
    with pytest.raises(SampleError, match=r"the target holds no test events \(1 in all\)"):
        judge_reweighter(plain, pair[0], few)
    bad = pair[1].copy(deep=True)
    place = int(np.flatnonzero(part_of(np.arange(5000)) == "test")[3])
    bad["x"][place] = np.nan
    with pytest.raises(ValueError, match=rf"the target: variable 'x' is nan in event {place}"):
        judge_reweighter(plain, pair[0], bad)


def test_particles_are_judged_by_their_observables(tmp_path: Path) -> None:
    """300 decays of the Z in two halves that do not differ; the page is made, and no closure is far off."""
    decays, _ = z_decays()
    source, target = decays.isel(event=slice(150)), decays.isel(event=slice(150, 300))
    network = ParticleFlowSettings(particle_widths=(8,), event_widths=(8,), summary=4, head_widths=(8,))
    settings = small_settings(steps=10, batch_size=128).model_copy(update={"network": network})
    reweighter = fit_reweighter(source, target, settings, tmp_path / "run", progress=False)
    judged = judge_reweighter(reweighter, source, target, part=None, trees=False)
    names = [closure.observable for closure in judged.closures]
    assert "thrust" in names
    assert "charged multiplicity" in names
    # 16 observables at 1 in 10,000 each.
    assert min(closure.after.p_value for closure in judged.closures) > 1e-4
    assert abs(judged.second[0].auc - 0.5) < 4 * judged.second[0].uncertainty
    report = write_page(tmp_path / "page", judged.page())
    assert "thrust" in report.read_text(encoding="utf-8")
