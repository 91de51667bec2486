"""Learning curves: what rows say, what is drawn, and lines that are cut off or damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulacra.judges.learning_curves import LearningCurves, curves_of, learning_curves
from simulacra.reports.learning_chapter import learning_chapter, score_figure

SCORES = (3.0, 1.0, 0.9, 0.95)


def rows(**changes: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {
            "step": 100 * (k + 1),
            "loss/critic": 1.0 / (k + 1),
            "loss/generator": 2.0,
            "score": score,
            "score_error": 0.2,
            "progress_step": min(100 * (k + 1), 200),
            "modes/effective": 4.0 + k,
            "modes/truth_effective": 7.0,
            "modes/alarm": float(k == 0),
        }
        for k, score in enumerate(SCORES)
    ]
    made[0]["alarm"] = "half of the modes are gone"
    return [row | changes for row in made]


def curves(given: list[Any]) -> LearningCurves:
    found = curves_of(given)
    assert found is not None
    return found


def test_rows_become_curves() -> None:
    found = curves(rows())
    np.testing.assert_array_equal(found.steps, [100, 200, 300, 400])
    np.testing.assert_array_equal(found.score, SCORES)
    np.testing.assert_array_equal(found.losses["critic"], [1, 1 / 2, 1 / 3, 1 / 4])
    assert set(found.losses) == {"critic", "generator"}
    assert (found.best_step, found.progress_step) == (300, 200)
    assert found.alarmed.tolist() == [True, False, False, False]
    assert found.alarms == {100: "half of the modes are gone"}
    first, second, third = found.sentences
    assert "The best of 4 validations was at step 300 of 400, with the score 0.9 ± 0.2" in first
    assert "was at step 200; patience counted 2 validations from there" in second
    assert third == "The alarm for lost modes was on for the last time at step 100."


def test_a_run_that_still_gets_better_is_told_to_train_longer() -> None:
    assert "still decreased by more than its error: train longer" in curves(rows()[:2]).sentences[1]


def test_an_alarm_at_the_end_or_at_the_best_is_told() -> None:
    assert curves(rows(**{"modes/alarm": 1.0})).sentences[-1].endswith("was on when training ended.")
    given = rows()
    given[2]["modes/alarm"] = 1.0
    assert curves(given).sentences[-1].endswith("was on at the best checkpoint.")


def test_the_file_of_a_run_is_read(trained_run: Path) -> None:
    found = learning_curves(trained_run)
    record = json.loads((trained_run / "record.json").read_text(encoding="utf-8"))["training"]
    assert found is not None
    assert found.steps.tolist() == [4, 8, 12]
    assert found.best_step == record["best_step"]
    assert found.score.min() == record["validation_score"]
    assert (found.score_error > 0).all()
    assert found.damaged == ()


@pytest.mark.parametrize(
    "damage", ['{"step": 500, "sco', "\x00\x00", "[1, 2]", '{"step": 500}', '{"step": 1, "score": NaN}', '"text"']
)
def test_lines_that_cannot_be_read_are_told_and_left_out(tmp_path: Path, damage: str) -> None:
    lines = [json.dumps(row) for row in rows()]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines[:2], damage, *lines[2:]]), encoding="utf-8")
    found = learning_curves(tmp_path)
    assert found is not None
    assert found.damaged == (3,)
    np.testing.assert_array_equal(found.score, SCORES)
    assert found.sentences[-1].startswith("1 line of metrics.jsonl could not be read (3)")


def test_a_folder_without_rows_has_no_curves(tmp_path: Path) -> None:
    assert learning_curves(tmp_path) is None
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe garbage")
    assert learning_curves(tmp_path) is None


def test_rows_of_earlier_versions_lack_errors_and_alarms() -> None:
    found = curves([{"step": row["step"], "score": row["score"]} for row in rows()])
    assert np.isnan(found.score_error).all()
    assert found.progress_step is None
    assert not found.alarmed.any()
    assert len(found.sentences) == 1
    chapter = learning_chapter(found)
    assert len(chapter.pictures) == 1
    assert chapter.columns == ()


def test_the_later_row_of_a_step_holds() -> None:
    assert curves([*rows(), {"step": 400, "score": 0.1}]).best_step == 400


def test_the_chapter_shows_score_losses_modes_and_alarms() -> None:
    chapter = learning_chapter(curves(rows()))
    assert [picture.alt.split()[0] for picture in chapter.pictures] == ["Validated", "Losses", "Effective"]
    assert chapter.rows == (("100", "half of the modes are gone"),)
    assert len(chapter.columns) == 2
    # Letters are drawn as outlines: what is there shows by its colours.
    with_alarm = score_figure(curves(rows())).decode()
    without = score_figure(curves([row | {"modes/alarm": 0.0} for row in rows()])).decode()
    assert "#e69f00" in with_alarm
    assert "#e69f00" not in without
