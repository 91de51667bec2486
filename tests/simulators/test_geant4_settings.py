"""Settings, random streams and data checks of the Geant4 simulator: all that needs no Geant4."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from simulacra.conditions import Distribution
from simulacra.simulators import Geant4Error, Geant4Settings, geant4_data
from simulacra.simulators.geant4 import ShowerTask, draw_conditions, engine_seeds
from simulacra.store import Chunk


@pytest.fixture
def settings() -> Geant4Settings:
    return Geant4Settings.model_validate(
        {"geometry": "calogan", "particle": "e+", "energy": "log:1:100", "impact_x": "uniform:-50:50"}
    )


def make_data_sets(folder: Path) -> Path:
    for name in geant4_data.DATA_SETS:
        (folder / name).mkdir(parents=True)
        (folder / name / ".gitkeep").touch()
    (folder / "G4EMLOW8.8" / "content").write_text("1")
    (folder / "G4ENSDFSTATE3.0" / "ENSDFSTATE.dat").touch()
    return folder


@pytest.fixture
def data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in (*geant4_data.DATA_SETS.values(), "GEANT4_DATA_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(geant4_data, "require_package", lambda: None)
    folder = make_data_sets(tmp_path / "data")
    monkeypatch.setenv("GEANT4_DATA_DIR", str(folder))
    return folder


def test_neither_the_simulators_nor_the_command_line_import_geant4() -> None:
    code = (
        "import sys, simulacra.simulators, simulacra.cli.main; "
        "print(sorted({'geant4_pybind', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_settings_load_the_geometry_and_keep_the_distributions(settings: Geant4Settings) -> None:
    assert settings.geometry.n_cells == 504
    assert Distribution.parse(settings.energy) == Distribution("log", 1.0, 100.0)
    again = Geant4Settings.model_validate_json(settings.model_dump_json())
    assert again == settings
    angle = Geant4Settings.model_validate(
        {**settings.model_dump(), "polar_angle": 0.1, "azimuthal_angle": Distribution("uniform", 0.0, 2 * np.pi)}
    )
    assert Distribution.parse(angle.polar_angle).low == 0.1
    assert Distribution.parse(angle.azimuthal_angle).high == 2 * np.pi


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"energy": "0"}, "energy must be above 0 and up to 100000 GeV, not 0"),
        ({"energy": "-5"}, "energy must be above 0"),
        ({"energy": "nan"}, "finite"),
        ({"energy": "lin:1:5"}, "neither a number"),
        ({"energy": "uniform:1:1e6"}, "energy must be .* not uniform:1:1e6"),
        ({"impact_x": "uniform:-300:0"}, "impact_x must be from -240 to 240 mm"),
        ({"polar_angle": "1.57"}, "polar_angle must be from 0 to 1.4 rad"),
        ({"physics_list": "QGSP"}, "FTFP_BERT"),
        ({"particle": ""}, "particle"),
        ({"geometry": "atlas"}, "no geometry 'atlas'"),
        ({"enegry": "5"}, "enegry"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Geant4Settings, change: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Geant4Settings.model_validate({**settings.model_dump(), **change})


def test_a_chunk_cut_short_holds_the_first_events_of_the_whole_one(settings: Geant4Settings) -> None:
    whole, cut = draw_conditions(settings, 3, Chunk(2, 200, 300)), draw_conditions(settings, 3, Chunk(2, 200, 217))
    for name, values in cut.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, whole[name][:17])
    assert whole["incident_energy"].min() >= 1
    assert whole["incident_energy"].max() <= 100
    assert np.all(whole["impact_y"] == 0)
    assert np.ptp(whole["impact_x"]) > 50


def test_seeds_and_chunks_have_streams_of_their_own(settings: Geant4Settings) -> None:
    chunks = [(1, Chunk(0, 0, 100)), (2, Chunk(0, 0, 100)), (1, Chunk(1, 100, 200))]
    assert len({engine_seeds(*one) for one in chunks}) == 3
    assert len({float(draw_conditions(settings, *one)["incident_energy"][0]) for one in chunks}) == 3
    assert all(0 < seed <= 2**31 for one in chunks for seed in engine_seeds(*one))
    drawn = draw_conditions(settings, 1, Chunk(0, 0, 1000))
    correlation = np.corrcoef(np.log(drawn["incident_energy"]), drawn["impact_x"])[0, 1]
    assert abs(correlation) < 0.15


def test_the_task_goes_to_other_processes(settings: Geant4Settings) -> None:
    task = ShowerTask(settings, 5)
    assert pickle.loads(pickle.dumps(task)) == task


def test_whole_data_sets_are_accepted(data_sets: Path) -> None:
    geant4_data.require_importable()
    assert set(geant4_data.missing_hadronic()) == set(geant4_data.HADRONIC)
    assert geant4_data.folder_of("G4EMLOW8.8") == data_sets / "G4EMLOW8.8"


def test_the_variable_of_a_data_set_goes_first(
    data_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("G4LEDATA", str(tmp_path / "elsewhere"))
    with pytest.raises(Geant4Error, match="elsewhere"):
        geant4_data.require_importable()


def test_without_data_the_error_says_how_to_get_it(
    data_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEANT4_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(Geant4Error, match=r"DIR is not set.*G4EMLOW8.8.*looked for .*home/.geant4_pybind.*answering y"):
        geant4_data.require_importable()
    make_data_sets(tmp_path / "home" / ".geant4_pybind")
    geant4_data.require_importable()


def test_a_folder_that_is_not_there_is_named(data_sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEANT4_DATA_DIR", str(data_sets / "nowhere"))
    with pytest.raises(Geant4Error, match=r"GEANT4_DATA_DIR is '.*nowhere', which is not a folder"):
        geant4_data.require_importable()


def test_an_empty_or_missing_data_set_is_named(data_sets: Path) -> None:
    (data_sets / "G4EMLOW8.8" / "content").write_text("")
    with pytest.raises(Geant4Error, match=r"G4EMLOW8.8, which all physics needs, is missing or empty"):
        geant4_data.require_importable()
    (data_sets / "G4ENSDFSTATE3.0" / "ENSDFSTATE.dat").unlink()
    with pytest.raises(Geant4Error, match=r"ENSDFSTATE.dat is missing"):
        geant4_data.require_importable()
    (data_sets / "G4PII1.3" / ".gitkeep").unlink()
    (data_sets / "G4PII1.3").rmdir()
    with pytest.raises(Geant4Error, match=r"data sets of Geant4 are missing: G4PII1.3 \(looked for"):
        geant4_data.require_importable()


def test_missing_files_of_an_element_are_named(data_sets: Path) -> None:
    folder = data_sets / "G4EMLOW8.8"
    for pattern in (*geant4_data.ELECTROMAGNETIC_FILES, geant4_data.SEVERAL_SHELLS):
        for z in (1, 82):
            file = folder / pattern.format(z=z)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("1")
    (folder / geant4_data.SEVERAL_SHELLS.format(z=1)).unlink()
    geant4_data.require_elements([1, 82, 82], "G4_Pb")
    (folder / "brem_SB" / "br82").unlink()
    with pytest.raises(Geant4Error, match="lacks brem_SB/br82, which the elements of G4_Pb, G4_H need"):
        geant4_data.require_elements([1, 82], "G4_Pb, G4_H")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Geant4Error, match=r"pip install 'simulacra\[geant4\]'"):
        geant4_data.require_importable()
