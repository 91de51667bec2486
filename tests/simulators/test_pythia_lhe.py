"""Les Houches files: counted, their weights read, and refused where they are truncated or something else."""

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lhe_files import lhe, rwgt
from simulacra.simulators.pythia_lhe import MOST_WEIGHTS, LheFile, lhe_variations

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


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_is_the_same_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plain, packed = tmp_path / "x.lhe", tmp_path / "x.lhe.packed"
    plain.write_text(WHOLE)
    packed.write_bytes(pack(WHOLE.encode()))
    assert (LheFile.of(packed).n_events, LheFile.of(packed).sha256) == (3, LheFile.of(plain).sha256)
    packed.write_bytes(pack(WHOLE.encode() * 500)[:60])
    with pytest.raises(ValueError, match="is truncated"):
        LheFile.of(packed)


@pytest.mark.parametrize("weight", ["nan", "-inf", "1.0E+400", "1.0D+02", "many"])
def test_an_event_whose_own_weight_is_no_finite_number_is_refused(tmp_path: Path, weight: str) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(lhe((1, rwgt(up=1)), (weight, rwgt(up=1)), (1, rwgt(up=1))))
    with pytest.raises(ValueError, match=r"the weight \(XWGTUP\) of event 1 of '.*x.lhe' is '" + re.escape(weight)):
        LheFile.of(path)


def test_the_weights_of_a_file_are_known_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(lhe((1, rwgt(up=1, down=2, odd=3)), (1, rwgt(up=1, down=2, odd=3))))
    found = LheFile.of(path)
    assert found.strategy == -4
    assert found.weights == {"1001": "MUR=0.5 MUF=1.0", "1002": "MUR=2.0", "a < b": "x & y"}
    assert found.chosen(None) == ("1001", "1002", "a < b")
    assert found.chosen(["1002", "a*"]) == ("1002", "a < b")
    assert found.chosen([]) == ()
    with pytest.raises(ValueError, match=r"has no weight 'MUR\*'; it has '1001' \(MUR=0.5 MUF=1.0\), '1002'"):
        found.chosen(["MUR*"])
    # a header may promise weights that no event has
    path.write_text(lhe((1, ""), (1, "")))
    assert LheFile.of(path).chosen(None) == ()
    path.write_text(lhe((1, "<weights> 1 2 </weights>")))
    with pytest.warns(UserWarning, match="weights without names"):
        assert LheFile.of(path).chosen(None) == ()


def test_of_many_weights_those_asked_for_are_kept_and_the_others_named(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(lhe((1, rwgt(**{str(i): i for i in range(MOST_WEIGHTS + 1)})), initrwgt=""))
    found = LheFile.of(path)
    with pytest.warns(UserWarning, match=r"has 21 weights .*: 0 are kept, 21 are dropped: '0', '1'.* and 15 more"):
        assert found.chosen(None) == ()
    with pytest.warns(UserWarning, match="2 are kept, 19 are dropped: '0', '1', '2', '4'"):
        assert found.chosen(["3", "1[1]"]) == ("3", "11")


def test_a_variation_is_the_weight_in_the_file_on_pythias_scale(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    first = (2, rwgt(up=1, down=4)), (-0.5, rwgt(down=4, up="1.5D-01")), (0, rwgt(up=3, down=0))
    path.write_text(lhe(*first, *[(1, rwgt(up=i, down=2)) for i in range(5000)], (1, rwgt(up=7, down=-2))))
    assert path.stat().st_size > 2**20  # more than is read at a time
    found = lhe_variations(path, ["1001", "1002"], np.array([2, -0.5, 0]), 0, [])
    assert list(found) == ["variation_1001", "variation_1002"]
    assert found["variation_1001"].values.tolist() == [1, 0.15, 3]
    assert found["variation_1002"].values.tolist() == [4, 4, 0]
    assert "1001 (MUR=0.5 MUF=1.0) of the LHE file" in found["variation_1001"].attrs["long_name"]
    # Pythia's weight need not be the file's: it may be 1 for all, or have factors of its own
    found = lhe_variations(path, ["1002"], np.array([1.0, 3.0]), 0, ["1002"])
    assert {name: array.values.tolist() for name, array in found.items()} == {"variation_1002_2": [2, -24]}
    found = lhe_variations(path, ["1001"], np.ones(3), 5001, [])
    assert found["variation_1001"].values.tolist() == [4998, 4999, 7]
    found = lhe_variations(path, ["1001"], np.ones(2501), 2500, [])
    assert found["variation_1001"].values.tolist() == list(range(2497, 4998))
    with pytest.raises(ValueError, match="ends before event 5006"):
        lhe_variations(path, ["1001"], np.ones(3), 5003, [])


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ((1, ""), r"event 1 of '.*' lacks the weight '1001', which others have; it has \[\]"),
        ((1, rwgt(down=1)), "event 1 of '.*' lacks the weight '1001'"),
        ((1, rwgt(up="nan")), "event 1 of '.*': the weight '1001' is 'nan', not a finite number"),
        ((1, rwgt(up="1e400")), "the weight '1001' is '1e400', not a finite number"),
        ((1, rwgt(up="")), "the weight '1001' is '', not a finite number"),
        (("nan", rwgt(up=1)), r"its weight \(XWGTUP\) is 'nan'"),
        ((1, rwgt(up=1).replace("</rwgt>", "<wgt id='1001'>2</wgt></rwgt>")), "event 1 .* has the weight '1001' twice"),
        ((0, rwgt(up=1)), "event 1 of '.*' has the weight 0 .*IDWTUP = 3"),
    ],
)
def test_weights_that_are_missing_or_no_numbers_are_refused(
    tmp_path: Path, event: tuple[float | str, str], message: str
) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(lhe((1, rwgt(up=1)), event, strategy=3))
    with pytest.raises(ValueError, match=message):
        lhe_variations(path, ["1001"], np.ones(2), 0, [])


@pytest.mark.parametrize("strategy", [1, -1, 2, -2])
def test_a_file_that_pythia_would_unweight_is_refused(tmp_path: Path, strategy: int) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(lhe((1, ""), strategy=strategy))
    with pytest.raises(ValueError, match=rf"tells Pythia to unweight its events \(IDWTUP = {strategy}\)"):
        LheFile.of(path).require_event_by_event()
