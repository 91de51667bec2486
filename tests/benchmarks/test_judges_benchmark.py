"""The benchmark of the judges: formulas, what counts as seen, and records that agree with their tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.judges import __main__ as benchmark
from benchmarks.judges import closed_forms, detection, false_alarms
from benchmarks.judges.panel import JUDGES, p_values
from benchmarks.judges.planted import FAILURES, draw
from benchmarks.judges.tables import print_tables

from simulacra.judges.samples import Sample
from simulacra.judges.unpacking import sample_of

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def drawn(failure: str, n: int, seed: int) -> tuple[Sample, Sample, Sample]:
    rng = np.random.default_rng(seed)
    truth, generated, training = (
        sample_of(events, label, most_events=n, rng=rng)
        for events, label in zip(draw(failure, n, seed), ("truth", "generated", "training"), strict=True)
    )
    return truth, generated, training


# formulas


@pytest.mark.parametrize(
    ("formula", "pair", "expected"),
    [
        (closed_forms.wasserstein, closed_forms.along_a_line(0.3, 1.0), 0.3),
        (closed_forms.wasserstein, closed_forms.along_a_line(0.0, 1.5), 0.5 * np.sqrt(2 / np.pi)),
        (closed_forms.frechet, closed_forms.along_a_line(0.3, 1.5), 0.09 + 0.25),
        (closed_forms.energy, closed_forms.along_a_line(0.0, 1.0), 0.0),
        (closed_forms.energy, closed_forms.wider(1.0, 5), 0.0),
        (closed_forms.gaussian, closed_forms.along_a_line(0.0, 1.0), 0.0),
        (closed_forms.polynomial, closed_forms.along_a_line(0.0, 1.0), 0.0),
        # E (xy + 1)^4 of centred Gaussians is 1 + 6 E x^2 E y^2 + E x^4 E y^4.
        (
            closed_forms.polynomial,
            closed_forms.along_a_line(0.0, 2.0),
            16 + (1 + 6 * 16 + 9 * 256) - 2 * (1 + 24 + 144),
        ),
    ],
)
def test_formulas_in_cases_that_are_known(formula: Any, pair: closed_forms.Gaussians, expected: float) -> None:
    assert formula(pair) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_formulas_agree_with_a_simulation() -> None:
    # Means of 4e5 pairs; each lies within 5 of its standard errors but once in a million draws.
    pair, rng, n = closed_forms.shifted_and_correlated(), np.random.default_rng(1), 400_000
    one, other = (pair.draw(n, rng) for _ in range(2))
    within = (one.truth, other.truth), (one.generated, other.generated), (one.truth, other.generated)
    for formula, kernel in (
        (closed_forms.polynomial, lambda x, y: ((x * y).sum(axis=1) / 4 + 1) ** 4),
        (closed_forms.gaussian, lambda x, y: np.exp(-((x - y) ** 2).sum(axis=1) / (2 * closed_forms.BANDWIDTH**2))),
    ):
        values = [kernel(x, y) for x, y in within]
        error = np.sqrt(sum(c * v.var() / n for c, v in zip((1, 1, 4), values, strict=True)))
        assert formula(pair) == pytest.approx(values[0].mean() + values[1].mean() - 2 * values[2].mean(), abs=5 * error)
    wide = closed_forms.wider(1.2, 5)
    x, y = (wide.draw(n, rng) for _ in range(2))
    lengths = [
        np.linalg.norm(a - b, axis=1)
        for a, b in ((x.truth, y.generated), (x.truth, y.truth), (x.generated, y.generated))
    ]
    error = np.sqrt(sum(c * v.var() / n for c, v in zip((4, 1, 1), lengths, strict=True)))
    simulated = 2 * lengths[0].mean() - lengths[1].mean() - lengths[2].mean()
    assert closed_forms.energy(wide) == pytest.approx(simulated, abs=5 * error)
    # Two events per sample: two of the four pairs are of an event with itself.
    few = 2 * lengths[0].mean() - (lengths[1].mean() + lengths[2].mean()) / 2
    assert closed_forms.energy(wide, 2) == pytest.approx(few, abs=5 * error)


def test_a_distance_is_measured_beside_its_formula(tmp_path: Path) -> None:
    # The mean of four pulls lies within 4 of its standard errors but once in 16,000 draws.
    found = closed_forms.closed_form(tmp_path, "wasserstein", 2_000, 4)
    assert found["formula"] == pytest.approx(0.179, abs=5e-4)
    assert len(found["values"]) == 4
    assert abs(found["pull"]) < 4 * found["pull_error"]
    again = closed_forms.closed_form(tmp_path, "wasserstein", 2_000, 4)
    assert np.array_equal(found["values"], again["values"])


# what counts as seen


def stage(failure: str, n: int, seed: int, p: float) -> dict[str, Any]:
    return {"failure": failure, "n": n, "seed": seed, "p_values": dict.fromkeys(JUDGES, p)}


def test_the_smallest_size_is_that_from_which_on_half_of_the_seeds_see_it() -> None:
    draws = {
        (1_000, 1): 0.05,
        (1_000, 2): 0.01,
        (4_000, 1): 0.2,
        (4_000, 2): 0.06,
        (16_000, 1): 0.001,
        (16_000, 2): 0.5,
    }
    found = {f"detect-{n}-{seed}": stage("mean_shift", n, seed, p) for (n, seed), p in draws.items()}
    cell = detection.summary(found, (1_000, 4_000, 16_000))["mean_shift"]["wasserstein_distance"]
    assert cell["seen"] == {"1000": 2, "4000": 0, "16000": 1}
    assert cell["seeds"] == {"1000": 2, "4000": 2, "16000": 2}
    assert cell["smallest_size"] == 16_000
    found["detect-16000-1"]["p_values"]["wasserstein_distance"] = 0.9
    cell = detection.summary(found, (1_000, 4_000, 16_000))["mean_shift"]["wasserstein_distance"]
    assert cell["smallest_size"] is None
    assert "| mean shift | - | 16,000 | 16,000 |" in print_tables(
        {"detection": detection.summary(found, (1_000, 4_000, 16_000))}
    )


def test_a_rate_two_errors_off_is_marked() -> None:
    p = np.full(200, 0.5)
    p[:18] = 0.01
    found = {"null-000": {"n": 1_000, "p_values": dict.fromkeys(JUDGES, p)}}
    one = false_alarms.summary(found)["kolmogorov_smirnov"]
    assert one["alarms"] == 18
    assert one["rate"] == 0.09
    assert one["far"]
    p[10:18] = 0.5
    assert not false_alarms.summary(found)["kolmogorov_smirnov"]["far"]


def test_every_judge_gives_a_p_value_and_the_same_again() -> None:
    samples = drawn("ignored_condition", 400, 3)
    found = p_values(*samples, 3)
    assert list(found) == list(JUDGES)
    assert all(0 <= p <= 1 for p in found.values())
    # Two that are made for it, and one that is not.
    assert found["conditional_mean"] <= 0.05
    assert found["correlations"] <= 0.05
    assert found["wasserstein_distance"] > 0.05
    assert p_values(*samples, 3) == found


def test_stages_are_one_for_each_failure_size_and_seed() -> None:
    names = list(detection.stages({1_000: 2, 4_000: 1}))
    assert len(names) == 3 * len(FAILURES)
    assert names[0] == "detect-null-1000-1"
    assert sum(stage[3] for stage in false_alarms.stages(1_000, 12).values()) == 12


# runs and records


def test_one_judge_is_added_to_the_numbers_of_the_others(tmp_path: Path) -> None:
    name = "learned_likelihood_ratio"
    draws = {key: stage[0](tmp_path, *stage[1:]) for key, stage in false_alarms.stages(400, 2, name).items()}
    stages = detection.stages({400: 1}, name)
    draws |= {key: stages[key][0](tmp_path, *stages[key][1:]) for key in [f"detect-ignored_condition-400-1-{name}"]}
    before: dict[str, Any] = {
        "detection": {"ignored_condition": {"other": 1}},
        "false_alarms": {"other": 2},
        "speed": {"judges": {"other": 3}},
    }
    record = benchmark.added(before, benchmark.summary(draws, {400: 1}), {"judges": {"its time": 4}})
    assert set(record["detection"]["ignored_condition"]) == set(record["false_alarms"]) == {"other", name}
    assert record["detection"]["ignored_condition"][name]["seen"] == {"400": 1}
    assert record["speed"]["judges"] == {"other": 3, "its time": 4}


def test_a_run_that_is_asked_for_no_stage_writes_an_empty_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    given = ["--folder", tmp_path / "runs", "--only", "none", "-o", tmp_path / "results", "--scale", 0.5]
    monkeypatch.setattr(sys, "argv", ["judges", *map(str, given)])
    benchmark.main()
    record = json.loads((tmp_path / "results" / "judges.json").read_text(encoding="utf-8"))
    assert record["seeds"] == {"500": 2, "2000": 2, "8000": 2}
    assert record["detection"] == {}
    assert record["false_alarms"] == {}
    monkeypatch.setattr(sys, "argv", ["judges", "--folder", str(tmp_path / "runs"), "--scale", "0.2"])
    with pytest.raises(SystemExit, match=r"was made at --scale 0\.5"):
        benchmark.main()


@pytest.mark.parametrize(
    ("given", "message"),
    [(["--scale", "0"], "above 0"), (["--sizes", "1000", "--seeds", "1", "2"], "1 sizes and 2 numbers of seeds")],
)
def test_bad_settings_are_refused(
    given: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["judges", "--folder", str(tmp_path), *given])
    with pytest.raises(SystemExit, match=message):
        benchmark.main()


@pytest.mark.skipif(not (RESULTS / "judges.json").exists(), reason="no record")
def test_the_tables_that_are_shown_are_those_of_the_record() -> None:
    """Of the numbers that the documentation quotes."""
    record = json.loads((RESULTS / "judges.json").read_text(encoding="utf-8"))
    assert print_tables(record) == (RESULTS / "judges.md").read_text(encoding="utf-8")
