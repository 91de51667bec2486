"""The benchmark in the mesh of the CaloChallenge: the classifier's inputs, and which showers are unseen."""

import sys
from pathlib import Path

import numpy as np
import pytest

from simulacra.formats import calochallenge
from simulacra.geometry import CalorimeterGeometry
from simulacra.systems import cylinderflow

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import calochallenge as benchmark

EVENTS = cylinderflow.toy_showers(300)
GEOMETRY = CalorimeterGeometry.from_events(EVENTS)


def test_inputs_are_those_of_the_evaluation() -> None:
    cells = np.zeros((1, GEOMETRY.n_cells), np.float32)
    # Two cells of the inner ring of the second section, at opposite angles.
    cells[0, 12], cells[0, 18] = 30.0, 10.0
    low = benchmark.inputs("low", cells, np.array([2.0]), GEOMETRY)
    assert low.shape == (1, 1 + GEOMETRY.n_cells)
    assert low[0, 0] == pytest.approx(np.log10(2000.0))
    assert low[0, 13] == pytest.approx(0.015)
    high = benchmark.inputs("high", cells, np.array([2.0]), GEOMETRY)
    assert high.shape == (1, 1 + 5 * 3)
    place = GEOMETRY.cell_x[12]
    assert high[0, 6] == pytest.approx(np.log10(40.0))
    assert high[0, 7] == pytest.approx(0.5 * place / 100)
    assert high[0, 8] == pytest.approx(np.sqrt(0.75) * abs(place) / 100)
    assert high[0, 1] == pytest.approx(-8.0)


def test_of_what_was_trained_on_only_the_test_part_is_unseen(tmp_path: Path) -> None:
    file, other = tmp_path / "one.hdf5", tmp_path / "other.hdf5"
    for path in (file, other):
        calochallenge.write(EVENTS, path)
    assert benchmark.unseen(other, file).sizes["event"] == 300
    assert 30 < benchmark.unseen(file, file).sizes["event"] < 90


def test_geant4_against_geant4_is_not_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "showers.hdf5"
    calochallenge.write(EVENTS, file)
    found = benchmark.area(tmp_path, "high", benchmark.GEANT4, None, file, file, None, 1)
    assert found["features"] == 16
    assert abs(found["auc"] - 0.5) < 5 * max(found["error"], 0.05)
