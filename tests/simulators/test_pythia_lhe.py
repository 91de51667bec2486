"""Les Houches files: counted, and refused where they are truncated or something else."""

import gzip
from pathlib import Path

import pytest

from simulacra.simulators.pythia_lhe import LheFile

EVENT = "<event>\n 1 1 1 1 1 1\n</event>\n"
WHOLE = f'<LesHouchesEvents version="3.0">\n<init>\n</init>\n{EVENT * 3}</LesHouchesEvents>\n'


def test_events_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(WHOLE)
    found = LheFile.of(path)
    assert found.n_events == 3
    path.write_text(WHOLE + " ")
    assert LheFile.of(path).sha256 != found.sha256


@pytest.mark.parametrize("kept", [len(WHOLE) - 25, len(WHOLE) - 45, 70])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(WHOLE[:kept])
    with pytest.raises(ValueError, match="is truncated"):
        LheFile.of(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    with pytest.raises(ValueError, match="there is no LHE file"):
        LheFile.of(path)
    path.write_text("HepMC::Version 3\n")
    with pytest.raises(ValueError, match="is not an LHE file"):
        LheFile.of(path)
    path.write_bytes(gzip.compress(WHOLE.encode()))
    with pytest.raises(ValueError, match="gunzip"):
        LheFile.of(path)
