"""The page of a judged score: every part, finite numbers, and in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from browsing import complaints
from simulacra.judges.scores import ScoreVerdict, judge_score
from simulacra.reports import write
from simulacra.reports.score_page import score_page, write_score


@pytest.fixture(scope="module")
def verdict() -> ScoreVerdict:
    rng = np.random.default_rng(1)

    def sample(n: int, shift: float) -> dict[str, np.ndarray]:
        return {"score": rng.normal(shift, 1, n), "energy": rng.exponential(size=n), "run": rng.integers(3, size=n)}

    return judge_score(sample(4000, 0), sample(1000, 2), sample(3000, 0), replicates=50)


@pytest.fixture(scope="module")
def page(verdict: ScoreVerdict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    return write_score(verdict, folder, title="density", provenance=[("background", "stars.zarr")])


def test_the_page_shows_every_part(verdict: ScoreVerdict, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert verdict.headline in text.replace("\N{NO-BREAK SPACE}", " ")
    for anchor in ("separation", "scores", "conditions", "null"):
        assert f'id="{anchor}"' in text
    for shown in ("density", "stars.zarr", "4,000", "ROC curve", "Background efficiency against energy"):
        assert shown in text
    # Of each finding there is a row.
    rows = sum(len(chapter.rows) for chapter in score_page(verdict).chapters)
    assert rows == len(verdict.findings) + 1


def test_the_record_holds_the_numbers_and_nothing_that_is_not_finite(verdict: ScoreVerdict, page: Path) -> None:
    record = json.loads((page.parent / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert record["outcome"] == verdict.outcome
    assert [one["value"] for one in record["findings"]] == [one.value for one in verdict.findings]
    assert len(record["curve"]["signal"]) == len(record["significance_improvement"]["value"])
    assert record["best_cut"]["value"] == verdict.held_out.value  # type: ignore[union-attr]
    assert {one["condition"] for one in record["background_efficiency_in_bins"]["tables"]} == {"energy", "run"}


def test_a_page_of_bare_scores_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    plain = judge_score(rng.normal(size=300), rng.normal(1, 1, size=50), replicates=50)
    text = write(plain, tmp_path).read_text(encoding="utf-8")
    assert 'id="separation"' in text
    assert 'id="conditions"' not in text
    assert 'id="null"' not in text
    separate = judge_score(np.zeros(300), np.ones(50), replicates=50)
    assert "UNDECIDED" in write(separate, tmp_path / "separate").read_text(encoding="utf-8")
    constant = judge_score(np.ones(300), np.ones(50), replicates=50)
    assert "FAIL" in write_score(constant, tmp_path).read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_a_browser_has_no_complaint(page: Path, chromium: str, width: int, height: int) -> None:
    assert complaints(page, chromium, width, height) == []
