"""The stage of images: divisions, numbers of truth against truth and of a wrong model, and the figure."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.documents import jet_images
from benchmarks.jets import images
from benchmarks.jets.images import ImageSample, divided, told_apart

from toy_images import toy_images


@pytest.fixture(scope="module")
def truth() -> ImageSample:
    return ImageSample.of(toy_images(800, 1, size=9))


def test_halves_have_equally_many_of_each_class_and_no_image_twice(truth: ImageSample) -> None:
    for one, two in divided(truth.signal, 200):
        assert len(one) == len(two) == 400
        assert truth.signal[one].sum() == truth.signal[two].sum() == 200
        assert not set(one) & set(two)


def test_classes_are_told_as_often_as_they_differ(truth: ImageSample) -> None:
    accuracy, error, n = told_apart(truth.take(np.arange(400)), truth.take(np.arange(400, 800)))
    assert n == 400
    assert accuracy > 0.5 + 5 * error
    # Trees that learned from the truth tell classes that are nearer to each other less often.
    nearer, _, _ = told_apart(truth, ImageSample.of(toy_images(400, 2, size=9, far=0.2)))
    same, error, _ = told_apart(truth, ImageSample.of(toy_images(400, 3, size=9)))
    assert nearer < same - 5 * error


def test_a_wrong_model_is_further_away_and_the_figure_shows_it(truth: ImageSample, tmp_path: Path) -> None:
    distance = images.distances_of("jet-images")["W1 of mass [GeV]"]
    same, wrong = (ImageSample.of(toy_images(400, 5, size=9, far=far)) for far in (0.6, 0.2))
    assert distance(truth.of_class(1), wrong.of_class(1)) > 2 * distance(truth.of_class(1), same.of_class(1))
    found = {
        "truth": {"jet-images": images._drawn(truth, 0.1, "jet-images")},
        "models": {"wrong": images._drawn(wrong, 0.1, "jet-images") | {"process": "jet-images"}},
    }
    images.draw(found, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    # Of both samples three mean images with their scales, and the histograms.
    assert text.count('id="axes_') > 2 * 6
    assert (tmp_path / "figure.svg").stat().st_size < 1_500_000


def test_the_page_has_each_model_beside_pythia_or_says_that_nothing_was_measured() -> None:
    judged = {"name": "AUC", "value": 0.71, "error": 0.01, "truth": 0.5, "truth_error": 0.02, "events": 1200}
    row = {"model": "a", "judged": [judged], "trained_events": 14_000, "training_minutes": 25.4}
    rows = [row | {"microseconds": 40.0, "microseconds_error": 2.0}]
    rows.append(rows[0] | {"model": "b", "judged": [judged | {"value": 0.6}]})
    rows.append(rows[0] | {"model": "c"})
    processes = {"a": "jets", "b": "jets", "c": "muons"}
    stage = {
        "rows": rows,
        "models": {name: {"process": process} for name, process in processes.items()},
        "truth": {"jets": {"seconds": 0.04}, "muons": {"seconds": 0.02}},
    }
    found = {"jets": {"images": stage}}
    page = jet_images.judged(found)
    assert "| AUC | 1,200 | 0.710 ± 0.010 | 0.600 ± 0.010 | 0.50 ± 0.02 |" in page
    assert page.index("`jets`") < page.index("`b`") < page.index("`muons`") < page.index("`c`")
    assert "| `b` | 14,000 | 25 | 40 ± 2 |" in jet_images.times(found)
    assert "| Pythia 8 |  |  | 40,000 |" in jet_images.times(found)
    for written in (jet_images.judged, jet_images.times):
        assert written({"jets": {"clouds": {}}}) == written({}) == jet_images.MISSING


def test_images_around_muons_are_judged_by_what_is_near_the_muon(tmp_path: Path) -> None:
    def sample(seed: int, far: float = 0.6) -> ImageSample:
        events = toy_images(400, seed, size=33, pixel_size=0.025, far=far / 4)
        return ImageSample.of(events.assign_attrs(image_of="muons"))

    truth, wrong = sample(1), sample(3, far=0.9)
    distances = images.distances_of("muon-images")
    assert not any("tau21" in name for name in distances)
    distance = distances["W1 of pT less than 0.2 from the muon [GeV]"]
    assert distance(truth.of_class(1), wrong.of_class(1)) > 2 * distance(truth.of_class(1), sample(2).of_class(1))
    drawn = images._drawn(truth, 0.025, "muon-images")
    assert set(drawn["histograms"]["signal"]) == {"image_mass", "image_pt", "image_cone_2", "image_pixels", "intensity"}
    images.draw({"truth": {"muon-images": drawn}, "models": {}}, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_text(encoding="utf-8").count('id="axes_') > 2 * 5
