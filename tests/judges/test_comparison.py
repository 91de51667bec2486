"""Comparisons of generators on verdicts with planted numbers, against published fronts, and the page in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from compared_verdicts import Stated, finding, planted, write_planted

from browsing import complaints
from simulacra.judges.comparison import Comparison, Contender, compare, front_of
from simulacra.judges.headlines import Number
from simulacra.judges.published_results import read_published
from simulacra.reports.comparison_page import write_comparison
from simulacra.workflows.compare import compare_command, folders_of, stated_cost

# milliseconds per shower on a CPU one by one, and AUC on voxels, of the CaloChallenge's data set 2 (arXiv:2410.21611)
DATASET_2 = {
    "CaloDREAM": (16_940, 0.531),
    "CaloDiffusion": (36_500, 0.577),
    "CaloScore": (133_500, 0.595),
    "SuperCalo": (397_900, 0.694),
    "conv. L2LFlows": (1_969, 0.708),
    "CaloScore distilled": (16_780, 0.710),
    "CaloINN": (388, 0.743),
    "CaloScore single-shot": (407, 0.747),
    "iCaloFlow student": (3_048, 0.819),
    "CaloPointFlow": (155, 0.863),
    "CaloVAE+INN": (64.1, 0.907),
    "MDMA": (14.3, 0.942),
    "DeepTree": (67.5, 0.963),
    "Calo-VQ": (168, 0.986),
}


def contenders(numbers: dict[str, tuple[float, float]], error: float = 0.0) -> list[Contender]:
    return [
        Contender(name, "fail", "", 1, {"auc_cells": Number(auc, error, 0.5, error, "cells (trees)")}, cost)
        for name, (cost, auc) in numbers.items()
    ]


def some(**more: Any) -> Comparison:
    extra = (
        finding("frechet_physics_distance", "observables", 0.003, 1e-4, 1e-4),
        finding("coverage", "cells", 0.9, 0.004, 0.965),
        finding("memorisation", "cells", 0.5, 0.01, 0.5, p_value=0.004),
    )
    verdicts = {
        "adversarial <b>": planted(0.93, 0.91, distance=0.2, more=extra),
        "flow & student": planted(0.71, 0.66, distance=0.11, stated=Stated(outcome="undecided")),
        "flow teacher": planted(0.705, 0.64, distance=0.1, warnings=("its conditions differ",)),
        "without cost": planted(0.8),
    }
    costs = {"adversarial <b>": 1.2e-5, "flow & student": 8e-4, "flow teacher": 0.05, "without cost": None}
    return compare(verdicts, costs, truth_cost=0.25, **more)


def test_headlines_are_the_worst_over_all_conditions() -> None:
    elsewhere = (
        finding("classifier_auc", "cells (perceptron)", 0.99, 0.01, 0.5, region="above 80 GeV"),
        finding("wasserstein_distance", "total_energy", 9.0, 0.01, 0.01, extrapolated=True),
        finding("memorisation", "cells", 0.5, 0.01, 0.5, p_value=0.2),
        finding("memorisation", "observables", 0.5, 0.01, 0.5, p_value=0.03),
        finding("coverage", "cells", 0.7, 0.01, 0.96),
        finding("coverage", "observables", 0.9, 0.01, 0.96),
    )
    (one,) = compare({"one": planted(0.7, 0.6, more=elsewhere)}, {}).generators
    shown = {key: (n.value, n.observable) for key, n in one.numbers.items() if n is not None}
    assert shown == {
        "auc_cells": (0.7, "cells (perceptron)"),
        "auc_observables": (0.6, "observables (trees)"),
        "wasserstein_distance": (0.05, "total_energy"),
        "coverage": (0.7, "cells"),
        "memorisation": (0.03, "observables"),
    }


def test_numbers_are_ranked_beyond_errors_only() -> None:
    found = some()
    cells = found.rankings["auc_cells"]
    assert cells.ranks == {"flow teacher": 1, "flow & student": 1, "without cost": 3, "adversarial <b>": 4}
    ((first, second, difference, error),) = cells.ties
    assert (first, second) == ("flow teacher", "flow & student")
    assert difference == pytest.approx(0.005)
    assert error == pytest.approx(0.004 * 2**0.5)
    assert found.sentence == "flow teacher and flow & student come closest to Geant4 and cannot be told apart."
    assert "flow teacher and flow & student cannot be told apart by AUC on cells: they differ by 0.005 ± 0.006." in (
        found.sentences
    )
    assert found.rankings["auc_observables"].first == ("flow teacher",)
    assert "By AUC on observables, flow teacher is the best beyond errors." in found.sentences
    assert found.rankings["coverage"].ranks == {"adversarial <b>": 1}
    assert "memorisation" not in found.rankings
    assert found.truth["auc_cells"] == Number(0.5, 0.004, None, None, "")
    assert found.truth["memorisation"] is None


def test_they_are_ranked_by_what_leaves_nothing_out_if_all_have_it() -> None:
    particles = tuple(finding("classifier_auc", "particles (deep_sets)", v, 0.01, 0.5) for v in (0.8, 0.6))
    assert compare({"a": planted(0.6, 0.5), "b": planted(0.7, 0.5)}, {}).main.key == "auc_cells"
    verdicts = {name: planted(0.7, 0.6, more=(one,)) for name, one in zip("ab", particles, strict=True)}
    for verdict in verdicts.values():
        object.__setattr__(verdict, "findings", verdict.findings[2:])
    assert compare(verdicts, {}).main.key == "auc_particles"
    assert compare(verdicts, {}).rankings["auc_particles"].first == ("b",)
    verdicts["a"] = planted(0.7, 0.6)
    assert compare(verdicts, {}).main.key == "auc_observables"


def test_high_coverage_is_good() -> None:
    verdicts = {
        name: planted(0.7, more=(finding("coverage", "cells", value, 0.01, 0.96),))
        for name, value in (("low", 0.6), ("high", 0.9))
    }
    assert compare(verdicts, {}).rankings["coverage"].ranks == {"high": 1, "low": 2}


def test_equal_generators_are_rarely_told_apart() -> None:
    # 400 comparisons of five equal generators: any pair at all is told apart in 5 % of them or less (the pairs are not
    # independent); more than 34 would be three standard deviations above 5 %, one seed in 700 at most.
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(400):
        values = 0.7 + 0.01 * rng.normal(size=5)
        found = compare({f"g{i}": planted(float(v), error=0.01) for i, v in enumerate(values)}, {})
        alarms += max(found.rankings["auc_cells"].ranks.values()) > 1
    assert 2 <= alarms <= 34


def test_the_front_is_that_of_the_published_results() -> None:
    front = front_of(contenders(DATASET_2), "auc_cells", sigmas=2.0)
    on = sorted((name for name, status in front.items() if status == "on the front"), key=lambda n: DATASET_2[n][0])
    assert on == ["MDMA", "CaloVAE+INN", "CaloPointFlow", "CaloINN", "conv. L2LFlows", "CaloDREAM"]
    assert "within errors" not in front.values()


def test_a_generator_is_on_or_off_the_front_beyond_errors_only() -> None:
    numbers = {
        "fast": (1.0, 0.8),
        "slow and as good": (10.0, 0.79),
        "slow, better": (20.0, 0.6),
        "worse": (30.0, 0.7),
    }
    front = front_of(contenders(numbers, error=0.01), "auc_cells", sigmas=2.0)
    assert front == {
        "fast": "on the front",
        "slow and as good": "within errors",
        "slow, better": "on the front",
        "worse": "off the front",
    }
    assert "without cost" not in some().fronts["auc_cells"]


def test_costs_are_milliseconds_an_event() -> None:
    found = some()
    assert [g.milliseconds for g in found.generators] == pytest.approx([0.012, 0.8, 50.0, None])
    assert found.truth_milliseconds == 250.0
    unknown = compare({"a": planted(0.7)}, {"a": float("nan")}, truth_cost=float("nan"))
    assert (unknown.generators[0].milliseconds, unknown.truth_milliseconds) == (None, None)
    assert unknown.fronts == {"auc_cells": {}}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="there is nothing to compare"):
        compare({}, {})
    with pytest.raises(ValueError, match=r"costs of \['b'\], but only verdicts on \['a'\]"):
        compare({"a": planted(0.7)}, {"b": 1.0})
    for cost in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="cost of a must be above 0 s per event"):
            compare({"a": planted(0.7)}, {"a": cost})
    for what, value in (("seed", 4), ("n_truth", 99), ("truth_label", "Pythia"), ("use", "energy")):
        with pytest.raises(ValueError, match=f"the verdicts cannot be compared: {what} is .* for 'a' and .* for 'b'"):
            compare({"a": planted(0.7), "b": planted(0.7, **{what: value})}, {})
    bare = planted(0.7)
    object.__setattr__(bare, "findings", ())
    with pytest.raises(ValueError, match="the verdicts hold no number for the comparison"):
        compare({"a": bare}, {})


def test_samples_of_other_sizes_and_warnings_are_passed_on() -> None:
    found = compare({"a": planted(0.7), "b": planted(0.7, n_generated=500, warnings=("hm",))}, {})
    assert found.warnings[0].startswith("The samples differ in size (a 10,000, b 500)")
    assert found.warnings[1] == "b: hm"


def published_file(path: Path, **rows: Any) -> Path:
    row = {"binary cls low": 0.63, "binary cls low std": 0.01, "binary cls high": 0.64, "time CPU 100": 2.78}
    table = {
        "ds1": {"CaloINN": row, "GEANT4": {**row, "time CPU 100": float("nan")}, **rows},
        "ds2": {"other": {**row, "binary cls high": float("nan")}},
    }
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def test_published_results_are_read_or_refused(tmp_path: Path) -> None:
    path = published_file(tmp_path / "published.json")
    found = read_published(path, "ds1")
    assert [(r.name, r.milliseconds) for r in found.results] == [("CaloINN", 2.78)]
    assert found.results[0].aucs == {"cells": (0.63, 0.01), "observables": (0.64, 0.0)}
    assert set(read_published(path, "ds2").results[0].aucs) == {"cells"}
    with pytest.raises(ValueError, match=r"holds the data sets \['ds1', 'ds2'\]: choose one"):
        read_published(path)
    with pytest.raises(ValueError, match="holds no data set 'ds9'"):
        read_published(path, "ds9")
    with pytest.raises(ValueError, match="no model of 'ds1' with an AUC and 'time on the moon'"):
        read_published(path, "ds1", time="time on the moon")
    with pytest.raises(ValueError, match="'fast' for 'time CPU 100' of odd: expected a number"):
        read_published(published_file(path, odd={"time CPU 100": "fast"}), "ds1")
    with pytest.raises(ValueError, match="holds float for ds1, odd"):
        read_published(published_file(path, odd=1.0), "ds1")
    for text in ("[1]", "{}", "{"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="published"):
            read_published(path)
    with pytest.raises(ValueError, match="cannot read published results"):
        read_published(tmp_path / "nothing.json")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    beside = read_published(published_file(folder / "published.json"), "ds1")
    return write_comparison(
        some(published=beside), folder / "Vergleich α", reports={"adversarial <b>": "adversarial b/report.html"}
    )


def test_the_page_says_what_the_record_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert '<a href="adversarial%20b/report.html">adversarial &lt;b&gt;</a>' in text
    assert "flow &amp; student" in text
    assert "<b>" not in text
    assert "Geant4 against itself" in text
    assert "Their detector, showers, classifiers and computers differ" in text
    assert "Not drawn, because no cost is stated: without cost." in text
    assert "flow teacher: its conditions differ" in text
    assert sorted(p.name for p in page.parent.iterdir()) == ["comparison.html", "comparison.json"]
    record = json.loads((page.parent / "comparison.json").read_text(encoding="utf-8"))
    assert record["format"] == "simulacra-comparison-1"
    assert record["ranked_by"] == "auc_cells"
    assert record["rankings"]["auc_cells"]["ranks"]["without cost"] == 3
    assert record["fronts"]["auc_cells"] == {
        "adversarial <b>": "on the front",
        "flow & student": "on the front",
        "flow teacher": "within errors",
    }
    assert record["generators"][1]["numbers"]["coverage"] is None
    assert record["published"]["results"][0]["name"] == "CaloINN"


def test_a_report_of_no_generator_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"reports on \['x'\] are given, but these were not compared"):
        write_comparison(some(), tmp_path / "new", reports={"x": "x/report.html"})
    assert not (tmp_path / "new").exists()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_page_in_a_browser(page: Path, chromium: str, width: int, height: int) -> None:
    assert complaints(page, chromium, width, height) == []


def test_one_generator_without_a_cost_has_a_page_too(tmp_path: Path) -> None:
    page = write_comparison(compare({"alone": planted(0.7)}, {}), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Only alone was judged." in text
    assert 'id="front"' not in text


def test_the_command_judges_each_and_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = xr.Dataset(attrs={"seconds_per_event": 0.25})
    generated = {"fast": xr.Dataset(attrs={"seconds_per_event": 1e-3}), "my slow one": xr.Dataset()}
    asked: list[Any] = []

    def judge(true_events: xr.Dataset, events: xr.Dataset, *, progress: Any, **options: Any) -> Any:
        asked.append((true_events is truth, options))
        progress("looking", 0.5)
        if events.attrs.get("broken"):
            raise ValueError("200 events are needed")
        return planted(0.6 if events is generated["fast"] else 0.8)

    monkeypatch.setattr("simulacra.judges.judging.judge", judge)
    monkeypatch.setattr("simulacra.reports.write", write_planted)
    steps: list[tuple[str, float]] = []
    comparison, page = compare_command(
        truth, generated, tmp_path / "out", progress=lambda *step: steps.append(step), use="cells", seed=3
    )
    assert asked == [(True, {"use": "cells", "seed": 3})] * 2
    assert comparison.sentence == "fast comes closest to Geant4."
    assert [g.milliseconds for g in comparison.generators] == [1.0, None]
    assert comparison.truth_milliseconds == 250.0
    assert 'href="my-slow-one/report.html"' in page.read_text(encoding="utf-8")
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert found == ["comparison.html", "comparison.json", "fast/report.html", "my-slow-one/report.html"]
    assert [share for _, share in steps] == sorted(share for _, share in steps)
    with pytest.raises(ValueError, match="bad: 200 events are needed"):
        compare_command(truth, {"bad": xr.Dataset(attrs={"broken": True})}, tmp_path / "other")


def test_names_make_folders_and_costs_are_optional() -> None:
    assert folders_of(["a/b", "../..", "γ 2"]) == {"a/b": "a-b", "../..": "generator", "γ 2": "γ-2"}
    with pytest.raises(ValueError, match="'a b' and 'A-b' would be written to one folder"):
        folders_of(["a b", "A-b"])
    with pytest.raises(ValueError, match="at least one sample"):
        folders_of([])
    costs = [stated_cost(xr.Dataset(attrs={"seconds_per_event": s})) for s in (0.5, 0.0, float("nan"))]
    assert [*costs, stated_cost(xr.Dataset())] == [0.5, None, None, None]
