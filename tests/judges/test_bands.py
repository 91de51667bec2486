"""Held-out bands: read from text, and whether a generator is worse inside than next to them."""

from __future__ import annotations

import numpy as np
import pytest

from conditioned_samples import conditioned
from simulacra.conditions import Band, band_of
from simulacra.judges.bands import judge_band
from simulacra.judges.finding import Finding
from simulacra.judges.samples import JudgeError, Sample

CONDITIONS = ("incident_energy", "impact_x", "impact_y")
MIDDLE = Band("incident_energy", 40.0, 60.0)


def judged(truth: Sample, generated: Sample, band: Band = MIDDLE, seed: int = 1) -> dict[str, Finding]:
    findings = judge_band(truth, generated, band, np.random.default_rng(seed), replicates=100)
    return {finding.observable: finding for finding in findings}


def test_a_band_is_read_by_a_unique_part_of_its_name() -> None:
    assert band_of("incident_energy:30:50", CONDITIONS) == Band("incident_energy", 30.0, 50.0)
    assert band_of("energy:30:5e1", CONDITIONS) == Band("incident_energy", 30.0, 50.0)
    assert band_of("impact_x:-1.5:0", CONDITIONS) == Band("impact_x", -1.5, 0.0)
    assert band_of("x:-1:1", ("x", "impact_x")) == Band("x", -1.0, 1.0)
    assert band_of(str(MIDDLE), CONDITIONS) == MIDDLE
    assert MIDDLE.inside(np.array([39.9, 40.0, 60.0, 60.1])).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("energy", "give CONDITION:LOW:HIGH"),
        ("energy:30", "give CONDITION:LOW:HIGH"),
        (":30:50", "give CONDITION:LOW:HIGH"),
        ("energy:a:50", "must be numbers"),
        ("energy:50:30", "the lower one first"),
        ("energy:30:30", "the lower one first"),
        ("energy:nan:30", "must have finite ends"),
        ("energy:30:inf", "must have finite ends"),
        ("angle:1:2", "no condition 'angle'; their conditions are: incident_energy, impact_x, impact_y"),
        ("impact:0:1", "impact_x or impact_y: give more of its name"),
    ],
)
def test_a_text_that_is_no_band_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        band_of(text, CONDITIONS)


def test_a_generator_that_is_worse_inside_the_band_is_seen() -> None:
    truth = conditioned(3000, 1)
    generated = conditioned(3000, 2, wrong=lambda width, e: np.where((e > 40) & (e < 60), width + 0.5, width))
    found = judged(truth, generated)
    worst = found["width"]
    assert worst.p_value == pytest.approx(1 / 101)
    # A shift by 0.5 of a width of about 1 inside, and none outside.
    assert worst.value == pytest.approx(0.47, abs=4 * worst.uncertainty)
    assert worst.details["kind"] == "interpolation"
    assert not worst.extrapolated
    assert worst.region == "incident_energy 40 to 60 GeV"
    assert "layer width worse inside the band" in worst.sentence
    assert found["all observables"].p_value == pytest.approx(1 / 101)
    assert (found["noise"].p_value or 0) > 0.05


def test_a_generator_that_is_wrong_alike_everywhere_is_not_worse_inside() -> None:
    # Each p-value is 0.02 or less in some 2 % of samples; so are 3 of them here in less than 6 %.
    found = judged(conditioned(3000, 3), conditioned(3000, 4, wrong=lambda width, _: width + 0.5))
    assert float(str(found["width"].details["inside"])) > 0.3
    assert float(str(found["width"].details["beside"])) > 0.3
    assert found["width"].p_value is not None
    assert found["width"].p_value > 0.02
    assert "not seen to be worse" in found["width"].sentence


def test_false_alarms_are_no_more_than_5_percent() -> None:
    # 80 perfect generators, and 80 that are wrong alike everywhere: 4 alarms are expected of each at most, and more
    # than 10 (0.125) have a probability of 0.1 % (binomial), for the mean of all and for the worst observable.
    alarms: dict[str, list[tuple[bool, bool]]] = {"perfect": [], "wrong": []}
    for seed in range(80):
        truth = conditioned(700, 1000 + seed)
        for kind, shift in (("perfect", 0.0), ("wrong", 0.6)):
            generated = conditioned(700, 5000 + seed, wrong=lambda width, _, shift=shift: width + shift)
            found = judged(truth, generated, seed=seed)
            p_values = {name: finding.p_value or 0.0 for name, finding in found.items()}
            of_all = p_values.pop("all observables")
            alarms[kind].append((of_all <= 0.05, min(p_values.values()) <= 0.05))
    for seen in alarms.values():
        assert (np.mean(seen, axis=0) <= 0.125).all()


def test_a_band_at_the_end_is_extrapolation() -> None:
    truth, generated = conditioned(2000, 5), conditioned(2000, 6)
    found = judged(truth, generated, Band("incident_energy", 80.0, 200.0))["all observables"]
    assert found.details["kind"] == "extrapolation"
    assert found.extrapolated
    assert found.n_truth == int((truth.conditions["incident_energy"] >= 80).sum())
    assert found.sentence.startswith("Extrapolation, incident_energy 80 to 200 GeV")


def test_weights_count() -> None:
    # The faulty events inside the band have the weight 0 in one sample.
    rng = np.random.default_rng(7)
    faulty = rng.random(3000) < 0.5
    truth = conditioned(3000, 7)

    def wrong(width: np.ndarray, energy: np.ndarray) -> np.ndarray:
        return np.where(faulty & (energy > 40) & (energy < 60), width + 3, width)

    plain = judged(truth, conditioned(3000, 8, wrong=wrong))["width"]
    weighted = judged(truth, conditioned(3000, 8, wrong=wrong, weights=1.0 - faulty))["width"]
    assert plain.p_value == pytest.approx(1 / 101)
    assert weighted.p_value is not None
    assert weighted.p_value > 0.01
    assert weighted.value < plain.value / 5


def test_the_same_seed_gives_the_same_findings() -> None:
    truth, generated = conditioned(800, 9), conditioned(800, 10)
    assert judged(truth, generated, seed=3) == judged(truth, generated, seed=3)
    assert judged(truth, generated, seed=3) != judged(truth, generated, seed=4)


def test_bands_without_events_are_refused() -> None:
    truth, generated = conditioned(800, 11), conditioned(800, 12, label="GAN")
    with pytest.raises(JudgeError, match="are inside incident_energy:50:51: 100 of each are needed"):
        judged(truth, generated, Band("incident_energy", 50.0, 51.0))
    with pytest.raises(JudgeError, match=r"no side of .* has 100 events"):
        judged(truth, generated, Band("incident_energy", 0.0, 200.0))
    with pytest.raises(JudgeError, match="no condition 'depth'"):
        judged(truth, generated, Band("depth", 0.0, 200.0))
