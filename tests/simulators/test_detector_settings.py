"""Settings of the detector: what is shipped, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulacra.simulators.detector_settings import DetectorError, DetectorSettings


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_detector_is_read() -> None:
    settings = DetectorSettings.load("lep-like")
    assert settings.name == "lep-like"
    assert 0.9 < settings.tracking.efficiency < 1
    assert settings.tracking.acceptance.max_abs_cos_theta == 0.95
    assert settings.calorimeter.hadronic.stochastic > settings.calorimeter.electromagnetic.stochastic
    assert DetectorSettings.model_validate(settings.model_dump(mode="json")) == settings


def test_a_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "mein Detektor.toml", 'name = "mine"\n[tracking]\nefficiency = 0.5\n')
    settings = DetectorSettings.load(path)
    assert (settings.name, settings.tracking.efficiency, settings.calorimeter.polar_cell) == ("mine", 0.5, 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tracking]\nefficiency = 1.2",
            r"tracking.efficiency: .* less than or equal to 1 \(given: 1.2\)",
        ),
        ("[tracking]\nefficiency = -0.1", "tracking.efficiency: Input should be greater than or equal to 0"),
        ("[tracking]\nefficiency = nan", "tracking.efficiency: "),
        ("[tracking]\nresolution_slope = -0.001", r"tracking.resolution_slope: .* \(given: -0.001\)"),
        ("[tracking]\nturn_on = inf", "tracking.turn_on: Input should be a finite number"),
        ("[tracking]\nefficency = 0.9", "tracking.efficency: Extra inputs are not permitted"),
        ("[trackers]\nefficiency = 0.9", "trackers: Extra inputs are not permitted"),
        ("[calorimeter.hadronic]\nstochastic = -0.5", "calorimeter.hadronic.stochastic: "),
        (
            "[calorimeter]\npolar_cell = 0.1",
            r"calorimeter: polar_cell \(0.1\) and phi_cell \(0\) must be both",
        ),
        (
            "[calorimeter]\npolar_cell = 1e-9\nphi_cell = 0.1",
            "polar_cell is 1e-09: cells of less",
        ),
        ('[calorimeter]\npolar_coordinate = "r"', "calorimeter.polar_coordinate: Input should be 'theta' or 'eta'"),
        ("[calorimeter.acceptance]\nmax_abs_eta = 0", "calorimeter.acceptance.max_abs_eta: "),
        ("[tracking.acceptance]\nmax_abs_cos_theta = 1.5", "tracking.acceptance.max_abs_cos_theta: "),
        ("[identification]\nphoton = 2", "identification.photon: "),
        ('[tracking]\nefficiency = "high"', r"tracking.efficiency: Input should be a valid number.*given: 'high'"),
    ],
)
def test_bad_settings_are_refused_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "bad.toml", f'name = "bad"\n{text}\n')
    with pytest.raises(DetectorError, match=rf"bad\.toml: .*{message}"):
        DetectorSettings.load(path)


def test_what_is_no_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"no detector 'atlas': neither a file nor .*, lep-like"):
        DetectorSettings.load("atlas")
    with pytest.raises(DetectorError, match="is not a TOML file"):
        DetectorSettings.load(write(tmp_path / "broken.toml", "name = "))
    with pytest.raises(DetectorError, match=r"empty\.toml: name: Field required"):
        DetectorSettings.load(write(tmp_path / "empty.toml", ""))
