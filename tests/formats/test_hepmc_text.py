"""HepMC files that are compressed, merged, of other versions, or end the process that reads them."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
import xarray as xr
from hepmc_files import clouds, hepmc3, weights_of

from simulacra.formats import FormatError, format_of, hepmc, read
from simulacra.formats.hepmc_probe import probe

pytest.importorskip("pyhepmc", reason="pyhepmc is not installed: pip install 'simulacra[jets]'")

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
#: a vertex of a particle that is not there: HepMC's library follows a pointer to nothing
DEADLY = (
    "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nE 7 1 4\nU MEV MM\n"
    "P 1 0 11 0 0 45600 45600 0 4\nP 2 0 -11 0 0 -45600 45600 0 4\nV -1 0 [1,9]\n"
    "P 3 -1 211 0 3000 4000 5000 0 1\nP 4 -1 -211 0 -3000 -4000 6000 0 1\nHepMC::Asciiv3-END_EVENT_LISTING\n\n"
)


@pytest.mark.parametrize("kind", PACKERS)
def test_a_compressed_file_holds_the_same_events(tmp_path: Path, kind: str) -> None:
    events = clouds()
    hepmc.write(events, tmp_path / "x.hepmc")
    packed = tmp_path / f"x.hepmc.{kind}"
    packed.write_bytes(PACKERS[kind]((tmp_path / "x.hepmc").read_bytes()))
    assert format_of(packed) == "hepmc"
    xr.testing.assert_identical(read(packed), events)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.hepmc", f"x.hepmc.{kind}"]
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(FormatError, match=rf"x\.hepmc\.{kind}' is truncated"):
        read(packed)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_compressed_file_of_another_kind_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "showers.hdf5.gz"
    path.write_bytes(gzip.compress(b"\x89HDF" + bytes(100)))
    with pytest.raises(FormatError, match="is compressed, and is not a HepMC file: unpack it first"):
        read(path)
    path.write_bytes(gzip.compress(DEADLY.encode())[:20])
    with pytest.raises(FormatError, match="is truncated: its compressed data end too early"):
        read(path)


def test_events_of_merged_jobs_are_numbered_by_position(tmp_path: Path) -> None:
    path = hepmc3(tmp_path / "x.hepmc", "W Weight", ["W 1", "W 2", "W 3", "W 4"], numbers=[0, 1, 0, 1])
    with pytest.warns(UserWarning, match=r"the event number 0 2 times, .*its 4 events are numbered by their positions"):
        events = read(path)
    assert events["event"].values.tolist() == [0, 1, 2, 3]
    assert events["energy"].values[:, 0].tolist() == [1, 2, 3, 4]
    assert weights_of(events) == {"weight": [1, 2, 3, 4]}


def test_files_that_were_joined_one_after_the_other_are_read_whole(tmp_path: Path) -> None:
    first = hepmc3(tmp_path / "a.hepmc", "W Weight\\|up\nT Gen\\|1\\|", ["W 1 2", "W 3 4"], numbers=[5, 6]).read_text()
    second = hepmc3(tmp_path / "b.hepmc", "W Weight\\|up\nA job two\n", ["W 5 6"], numbers=[7]).read_text()
    path = tmp_path / "both.hepmc"
    path.write_text(first + second)
    events = read(path)
    assert events["event"].values.tolist() == [5, 6, 7]
    assert weights_of(events) == {"weight": [1, 3, 5], "variation_up": [2, 4, 6]}
    path.write_text(first + second.replace("Weight\\|up", "up\\|Weight"))
    with pytest.raises(FormatError, match="the names of the weights change after 2 events"):
        read(path)
    path.write_text(first + second[:-40])
    with pytest.raises(FormatError, match="is truncated"):
        read(path)


@pytest.mark.parametrize("number", ["", "x", "1e5", str(2**63)])
def test_an_event_whose_number_is_none_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "x.hepmc"
    path.write_text(DEADLY.replace("E 7 1 4", f"E {number}"))
    with pytest.raises(FormatError, match="is damaged: event 0 has no number"):
        read(path)


def test_a_format_of_hepmc_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.hepmc"
    path.write_text("HepMC::Version 1.0\nHepMC::IO_Ascii-START_EVENT_LISTING\nHepMC::IO_Ascii-END_EVENT_LISTING\n")
    with pytest.raises(FormatError, match=r"begins with 'HepMC::IO_Ascii.*of HepMC3 \(Asciiv3\) and HepMC2"):
        read(path)


def test_a_file_that_ends_the_process_ends_a_child_only(tmp_path: Path) -> None:
    path = tmp_path / "old.hepmc"
    path.write_text(DEADLY)
    with pytest.raises(
        FormatError, match=r"old\.hepmc' is damaged.*its first 1 events ended a separate process.*SIGSEGV"
    ):
        read(path)


def test_the_child_reads_as_much_as_it_is_told(tmp_path: Path) -> None:
    good = DEADLY.replace("[1,9]", "[1,2]").splitlines(keepends=True)
    deadly = DEADLY.splitlines(keepends=True)
    lines = [line.encode() for line in (*good[:-2], *deadly[2:])]
    probe("x", 3, lines, most=10)
    with pytest.raises(FormatError, match="its first 2 events"):
        probe("x", 3, lines)
