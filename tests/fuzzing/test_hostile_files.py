"""Files that are made to lead out of their folder, to claim more than they hold, or not to end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from fuzzed_readers import READERS, table

import simulacra
from simulacra.events import EventsError
from simulacra.formats import FormatError, single_file
from simulacra.formats.hdf5_heaps import LARGEST, has_endless_heap
from simulacra.geometry import CalorimeterGeometry
from simulacra.geometry.calorimeter import GeometryError
from simulacra.store import StoreError
from simulacra.trained.judged_file import JudgedNumber, JudgedRecord, add_judged, read_judged
from simulacra.training.checkpoint import write_atomically
from simulacra.training.settings import SettingsError, read_experiment

SECRET = b"not yours"
OUTSIDE = ("../x", "/tmp/x", "..", ".", "", " ", "a/../../x", "a\\b", "a\0b", ".hidden")


def file_of(name: str, folder: Path) -> Path:
    return next(reader for reader in READERS if reader.name == name).write(folder)


# Names


@pytest.mark.parametrize("name", [*OUTSIDE, 3])
def test_variables_cannot_leave_their_store_or_file(tmp_path: Path, name: Any) -> None:
    events = table().rename({"a": name})
    for write in (simulacra.write_events, single_file.write):
        with pytest.raises(EventsError, match=r"a variable cannot be called"):
            write(events, tmp_path / "inside" / "x")
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_store_of_zarr_lists_only_what_lies_in_it(tmp_path: Path) -> None:
    path = file_of("store", tmp_path)
    group = json.loads((path / "zarr.json").read_text())
    record = json.loads(group["attributes"]["store"])
    record["bytes"]["../x"] = 3
    group["attributes"]["store"] = json.dumps(record)
    (path / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(StoreError, match=r"the variables \['../x'\] were lost or added"):
        simulacra.open_events(path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "calogan/../../../secret", "x\0y"])
def test_names_of_what_is_shipped_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    for look in (simulacra.load, simulacra.info):
        with pytest.raises(ValueError, match=r"neither a file|is no|no model file|damaged|null byte"):
            look(name)
    with pytest.raises((GeometryError, ValueError)):
        CalorimeterGeometry.load(name)
    with pytest.raises(ValueError, match=r"there is no system of kind"):
        simulacra.systems.any_system(name)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".x", "a\n"])
def test_an_experiment_cannot_name_another_folder(tmp_path: Path, name: str) -> None:
    path = file_of("experiment", tmp_path)
    path.write_text(path.read_text().replace('name = "toy"', f"name = {json.dumps(name)}"))
    with pytest.raises(SettingsError, match=r"name"):
        read_experiment(path)


# Archives and links


def test_an_archive_is_read_and_never_unpacked(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with tarfile.open(tmp_path / "inside" / "a.tar", "w") as archive:
        text = "".join(f"{t},11.{t},0.02\n" for t in range(20)).encode()
        for name, kind, link in (
            ("../../5.dat", tarfile.REGTYPE, ""),
            ("6.dat", tarfile.SYMTYPE, "/etc/passwd"),
            ("7.dat", tarfile.LNKTYPE, "../secret"),
            ("8.dat", tarfile.CHRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(text) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(text) if kind == tarfile.REGTYPE else None)
    events = simulacra.read(tmp_path / "inside" / "a.tar")
    assert events["event"].values.tolist() == [5]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "inside"]


@pytest.mark.parametrize("size", [10**8, 10**12])
def test_a_member_that_claims_too_much_is_refused(tmp_path: Path, size: int) -> None:
    member = tarfile.TarInfo("5.dat")
    member.size = size
    (tmp_path / "a.tar").write_bytes(member.tobuf() + bytes(10240))
    with pytest.raises(FormatError, match=r"too many for a light curve|truncated"):
        simulacra.read(tmp_path / "a.tar")


def test_an_archive_that_claims_too_much_in_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.formats.asas.LARGEST_ARCHIVE", 100)
    with pytest.raises(FormatError, match=r"its files have more than 100 bytes"):
        simulacra.read(file_of("asas", tmp_path))


def with_external_link(path: Path, secret: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["redshift"]
        file["redshift"] = h5py.ExternalLink(secret, "/redshift")


def with_external_storage(path: Path, secret: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["redshift"]
        file.create_dataset("redshift", (3,), "f4", external=[(str(secret), 0, 12)])


def with_virtual_dataset(path: Path, secret: Path) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(secret, "redshift", (3,))
    with h5py.File(path, "r+") as file:
        del file["redshift"]
        file.create_virtual_dataset("redshift", layout)


def with_external_text(path: Path, secret: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["deep/more"] = h5py.ExternalLink(secret, "/")


@pytest.mark.parametrize(
    "change", [with_external_link, with_external_storage, with_virtual_dataset, with_external_text]
)
def test_hdf5_takes_nothing_from_other_files(tmp_path: Path, change: Callable[[Path, Path], None]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    path, secret = file_of("surface_density", tmp_path / "a"), file_of("surface_density", tmp_path / "b")
    simulacra.read(path)
    change(path, secret)
    with pytest.raises(FormatError, match=r"is a link to another file|are in other files"):
        simulacra.read(path)


def test_a_table_of_pandas_takes_nothing_from_other_files(tmp_path: Path) -> None:
    path = file_of("star_table", tmp_path)
    (tmp_path / "secret").write_bytes(bytes(256))
    with h5py.File(path, "r+") as file:
        del file["stars/block0_values"]
        file.create_dataset("stars/block0_values", (8, 4), "f8", external=[(str(tmp_path / "secret"), 0, 256)])
    with pytest.raises(FormatError, match=r"are in other files"):
        simulacra.read(path)


def test_links_within_a_file_may_stay(tmp_path: Path) -> None:
    path = file_of("surface_density", tmp_path)
    with h5py.File(path, "r+") as file:
        file.move("redshift", "z")
        file["redshift"] = h5py.SoftLink("/z")
    assert simulacra.read(path).sizes["event"] == 3


def test_writing_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    number = JudgedNumber(name="AUC", value=0.5)
    record = JudgedRecord(command="a", weights=("b",), numbers=(number,))
    secret, run = tmp_path / "secret", tmp_path / "run"
    run.mkdir()
    add_judged(secret, record)
    before = secret.read_bytes()
    for name in ("model.judged.json", "model.safetensors", "a.h5"):
        (run / name).symlink_to(secret)
    add_judged(run / "model.judged.json", record.model_copy(update={"command": "c"}))
    write_atomically(run / "model.safetensors", b"weights")
    single_file.write(table(), run / "a.h5")
    assert secret.read_bytes() == before
    assert not any(path.is_symlink() for path in run.iterdir())
    assert len(read_judged(run / "model.judged.json")) == 2


def test_overwriting_a_store_spares_what_its_links_lead_to(tmp_path: Path) -> None:
    path = file_of("store", tmp_path)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(SECRET)
    (path / "link").symlink_to(secret)
    simulacra.write_events(table(8), path, overwrite=True)
    assert (secret / "file").read_bytes() == SECRET
    assert simulacra.open_events(path).sizes["event"] == 8


def test_a_graph_of_onnx_takes_no_weights_from_other_files(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from simulacra.deploy.session import open_session

    (tmp_path / "secret").write_bytes(np.ones(2, "f4").tobytes())
    (tmp_path / "inside").mkdir()
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("x", "y")]
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "../secret", "offset": "0", "length": "8"}.items():
        weights.external_data.add(key=key, value=value)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "inside" / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"is no ONNX file of a generator that can be run"):
        open_session(tmp_path / "inside" / "a.onnx")
    assert onnx


# Claims


@pytest.mark.parametrize("name", ["calogan", "flat_showers", "jetnet", "surface_density", "star_table", "single_file"])
def test_a_dataset_of_a_trillion_events_in_a_small_file_is_refused(tmp_path: Path, name: str) -> None:
    path = file_of(name, tmp_path)
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda key, one: names.append(key) if isinstance(one, h5py.Dataset) else None)
        for key in names:
            shape, dtype, attributes = file[key].shape, file[key].dtype, dict(file[key].attrs)
            if not shape or dtype.kind not in "iuf":
                continue
            del file[key]
            huge = file.create_dataset(key, (10**12, *shape[1:]), dtype, chunks=(1000, *shape[1:]))
            huge.attrs.update(attributes)
    assert path.stat().st_size < 2**20
    with pytest.raises(FormatError, match=r"claims .* bytes, but the file holds 0 of it"):
        simulacra.read(path)


def test_zeros_that_are_well_compressed_are_read(tmp_path: Path) -> None:
    events = table(200_000)
    zeros = xr.zeros_like(events)
    single_file.write(zeros.assign_coords(event=events["event"]), tmp_path / "a.h5")
    assert simulacra.read(tmp_path / "a.h5").sizes["event"] == 200_000


def test_a_store_that_claims_a_trillion_events_is_refused(tmp_path: Path) -> None:
    path = file_of("store", tmp_path)
    for file in path.rglob("zarr.json"):
        text = file.read_text().replace('"shape": [6]', '"shape": [1000000000000]')
        text = text.replace("[3]", "[1000000000000]")
        file.write_text(text.replace('"n_events\\": 6', '"n_events\\": 1000000000000'))
    with pytest.raises(StoreError, match=r"damaged"):
        simulacra.open_events(path).load()


def test_a_model_that_claims_a_long_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes((10**12).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match=r"damaged or truncated"):
        simulacra.info(tmp_path / "a.safetensors")


# Heaps without an end


def endless(whole: bytes, how: str) -> bytes:
    """Return an HDF5 file whose last object in its heap, the free space, has no size, or one that wraps around."""
    start = whole.index(b"GCOL") + 16
    place = start
    while int.from_bytes(whole[place : place + 2], "little"):
        place += 16 + (int.from_bytes(whole[place + 8 : place + 16], "little") + 7) // 8 * 8
    if how == "wraps":
        place = start
    size = 0 if how == "free space" else 2**64 - 16
    return whole[: place + 8] + size.to_bytes(8, "little") + whole[place + 16 :]


@pytest.mark.parametrize("how", ["free space", "wraps"])
def test_a_heap_without_an_end_is_refused(tmp_path: Path, how: str) -> None:
    path = file_of("single_file", tmp_path)
    assert not has_endless_heap(path)
    path.write_bytes(endless(path.read_bytes(), how))
    with pytest.raises(FormatError, match=r"one of its heaps of texts does not end"):
        simulacra.read(path)


def test_the_library_itself_does_not_end(tmp_path: Path) -> None:
    """If this fails, HDF5 is mended, and the search of heaps can go."""
    path = file_of("single_file", tmp_path)
    path.write_bytes(endless(path.read_bytes(), "free space"))
    program = f"import h5py; print(dict(h5py.File({str(path)!r}).attrs))"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", program], timeout=4, check=False, capture_output=True)


def test_large_files_are_not_searched(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert not has_endless_heap(path)
    path.write_bytes(b"")
    assert not has_endless_heap(path)
