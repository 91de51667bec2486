import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr

import simulacra
from object_store import objects_below, s3_server
from simulacra.campaigns.cluster import DaskExecutor
from simulacra.campaigns.local import LocalWorkers
from simulacra.store import StoreError, StoreExistsError, object_lock, open_events, write_events, write_store
from simulacra.store.objects import Objects, address_of
from toy_events import ToyTask, toy_events

N, SIZE = 23, 5

write = functools.partial(write_store, n_events=N, chunk_size=SIZE, fingerprint={"seed": 7}, progress=False)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with s3_server():
        yield


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    return f"s3://events/{request.node.name.split('[')[0]}/out.zarr"


def files(store: Path) -> dict[str, bytes]:
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def s3() -> fsspec.AbstractFileSystem:
    return fsspec.filesystem("s3", use_listings_cache=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_on_an_object_store_has_the_bytes_of_one_on_a_disk(tmp_path: Path, address: str, workers: int) -> None:
    write(tmp_path / "disk.zarr", ToyTask(), attributes={"note": "x"})
    address = f"{address}-{workers}"
    # a path loses a slash
    summary = write(Path(address), ToyTask(), attributes={"note": "x"}, workers=workers)
    assert (summary.path, summary.n_events, summary.n_resumed_events) == (address, N, 0)
    assert objects_below(address) == files(tmp_path / "disk.zarr")
    assert objects_below(f"{address}.partial") == {}
    events, on_disk = open_events(address, check=True), open_events(tmp_path / "disk.zarr")
    xr.testing.assert_identical(events.load(), on_disk.load())
    xr.testing.assert_equal(simulacra.read(Path(address)).load(), on_disk)
    assert list(events.data_vars) == list(on_disk.data_vars)
    assert write(address, ToyTask("raise", at=0), attributes={"note": "x"}).n_resumed_events == N


def test_events_are_read_when_needed(address: str) -> None:
    write(address, ToyTask())
    events = open_events(address)
    assert not events["shower"].variable._in_memory
    np.testing.assert_array_equal(events["shower"][7:9].values, toy_events(7, 9)["shower"].values)


def test_a_store_of_a_later_version_says_so(address: str) -> None:
    write(address, ToyTask())
    root = s3().cat_file(f"{address}/zarr.json")
    s3().pipe_file(f"{address}/zarr.json", root.replace(b"simulacra-events-1", b"simulacra-events-9"))
    with pytest.raises(StoreError, match="simulacra-events-9"):
        open_events(address)


def test_existing_events_are_written(address: str) -> None:
    write_events(toy_events(3, 20), address, chunk_size=4)
    xr.testing.assert_equal(open_events(address).load(), toy_events(3, 20))


def test_a_killed_writer_is_continued(tmp_path: Path, address: str) -> None:
    script = Path(__file__).parents[1] / "toy_events.py"
    command = [sys.executable, script, address, N, SIZE, 1, 0.3]
    environment = os.environ | {"TOY_LOG": str(tmp_path / "log")}
    process = subprocess.Popen(list(map(str, command)), env=environment, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while len(objects_below(f"{address}.partial/done")) < 2:
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.1)
        with pytest.raises(StoreError, match=rf"is being written by the process {process.pid} on .* If it is dead"):
            write(address, ToyTask())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept = len(objects_below(f"{address}.partial/done"))
    with pytest.raises(StoreError, match=rf"is not finished: '{address}.partial' holds {kept} of 5 chunks; run"):
        open_events(address)
    with pytest.raises(StoreError, match=r"part of a store with other settings \(seed: 7 there, 8 now\)"):
        write(address, ToyTask(), fingerprint={"seed": 8})
    assert write(address, ToyTask()).n_resumed_events == 5 * kept
    write(tmp_path / "disk.zarr", ToyTask())
    assert objects_below(address) == files(tmp_path / "disk.zarr")


def test_a_failing_task_is_told_with_its_chunk(address: str) -> None:
    with pytest.raises(
        StoreError, match=r"chunk 2 \(events 10 to 14\) of 's3://.*' failed: ValueError: the det.* 2 of"
    ):
        write(address, ToyTask("raise", at=2))
    with pytest.raises(StoreError, match="the attribute 'particle' is not the same in each chunk"):
        write(address, ToyTask("attribute", at=2))
    assert write(address, ToyTask()).n_resumed_events == 10


def test_damaged_objects_are_found(address: str) -> None:
    write(address, ToyTask())
    file = f"{address}/shower/c/1/0"
    content = s3().cat_file(file)
    s3().pipe_file(file, content[:-1] + bytes([content[-1] ^ 1]))
    events = open_events(address)
    with pytest.raises(StoreError, match=rf"'{file}' is damaged \(its checksum differs"):
        events["shower"].load()
    with pytest.raises(StoreError, match="is damaged"):
        open_events(address, check=True)
    s3().pipe_file(file, content[:-2])
    with pytest.raises(StoreError, match=r"the objects of 'shower' hold \d+ bytes, but \d+ were written"):
        open_events(address)
    s3().rm_file(file)
    with pytest.raises(StoreError, match=r"chunk 1 \(events 5 to 9\) of 'shower' is missing"):
        open_events(address)
    s3().rm_file(f"{address}/kept/zarr.json")
    with pytest.raises(StoreError, match=r"the variables \['kept'\] were lost or added"):
        open_events(address)
    with pytest.raises(StoreError, match="is damaged"):
        write(address, ToyTask())


def test_an_unfinished_chunk_whose_object_was_lost_is_made_again(address: str) -> None:
    with pytest.raises(StoreError):
        write(address, ToyTask("raise", at=3))
    s3().rm_file(f"{address}/shower/c/1/0")
    assert write(address, ToyTask()).n_resumed_events == 10
    xr.testing.assert_equal(open_events(address, check=True).load(), toy_events(0, N))


def test_what_is_there_is_not_overwritten(address: str) -> None:
    write(address, ToyTask())
    with pytest.raises(StoreExistsError, match=r"complete store with other settings \(seed: 7 there, 8 now\)"):
        write(address, ToyTask(), fingerprint={"seed": 8})
    assert write(address, ToyTask(), fingerprint={"seed": 8}, overwrite=True).n_resumed_events == 0
    s3().pipe_file("events/other/notes.txt", b"precious")
    with pytest.raises(StoreExistsError, match="objects below 's3://events/other' that are no store"):
        write("s3://events/other", ToyTask())
    assert s3().cat_file("events/other/notes.txt") == b"precious"
    with pytest.raises(StoreError, match="there is no store 's3://events/nothing'"):
        open_events("s3://events/nothing")


def test_a_lock_is_taken_over_when_its_owner_is_dead(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Objects.at(f"{address}.partial")
    held = {"owner": "a", "host": "elsewhere", "process": 1, "time": time.time()}
    place.write("lock.json", json.dumps(held).encode())
    with pytest.raises(StoreError, match=r"out\.zarr' is being written by the process 1 on elsewhere, seen \d s ago"):
        write(address, ToyTask())
    place.write("lock.json", json.dumps(held | {"time": time.time() - object_lock.LEASE}).encode())
    assert write(address, ToyTask()).n_events == N


def test_a_writer_that_was_taken_for_dead_stops(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lock, "RENEWED", 0.05)
    place = Objects.at(f"{address}.partial")
    held = {"owner": "another", "host": "elsewhere", "process": 1, "time": time.time()}

    def task(chunk):
        place.write("lock.json", json.dumps(held).encode())
        time.sleep(0.3)
        return toy_events(chunk.start, chunk.stop)

    with pytest.raises(StoreError, match="was taken over by another process, which took this one for dead"):
        write(address, task)
    assert json.loads(place.read("lock.json"))["owner"] == "another"


def test_of_two_who_come_at_once_one_gets_the_lock(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Objects.at(address)
    place.write("new", b"1", new=True)
    with pytest.raises(FileExistsError):
        place.write("new", b"2", new=True)
    # one who has not seen the other's lock
    place.write("lock.json", b"{}")
    monkeypatch.setattr(object_lock, "_held", lambda *_: None)
    with pytest.raises(StoreError, match="by another process that has just begun"):
        object_lock.object_locked(place, "lock.json").__enter__()


@pytest.mark.filterwarnings("ignore:waiting for workers")  # on a busy machine
def test_a_cluster_writes_to_an_object_store(tmp_path: Path, address: str) -> None:
    with LocalWorkers(1) as cluster:
        write(address, ToyTask(), workers=DaskExecutor(cluster.scheduler_address, patience=60))
    write(tmp_path / "disk.zarr", ToyTask())
    assert objects_below(address) == files(tmp_path / "disk.zarr")
    assert objects_below(f"{address}.partial") == {}


def test_a_missing_scheduler_leaves_nothing_that_was_not_there(address: str) -> None:
    missing = DaskExecutor("tcp://127.0.0.1:9", patience=1)
    with pytest.raises(StoreError, match=r"is not finished: no scheduler answers at tcp://.*or wait until it is back$"):
        write(address, ToyTask(), workers=missing)
    assert objects_below(address) == objects_below(f"{address}.partial") == {}
    with pytest.raises(StoreError, match="2 of 5 chunks are kept"):
        write(address, ToyTask("raise", at=2))
    with pytest.raises(StoreError, match=rf"no scheduler answers .*\. 2 of 5 chunks are kept below '{address}': run"):
        write(address, ToyTask(), workers=missing)
    assert write(address, ToyTask()).n_resumed_events == 10


def test_a_server_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"'s3://missing-bucket/x\.zarr.*' cannot be reached|there is no store"):
        open_events("s3://missing-bucket/x.zarr")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_events("nosuchkind://bucket/x.zarr")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"needs fsspec: pip install 'simulacra\[remote\]'"):
        open_events("s3://events/x.zarr")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://bucket/a.zarr", "s3://bucket/a.zarr"),
        (Path("s3://bucket/a.zarr"), "s3://bucket/a.zarr"),
        ("gs://bucket/a.zarr/", "gs://bucket/a.zarr"),
        ("S3://bucket/a.zarr", "s3://bucket/a.zarr"),
        ("s3:///bucket/a.zarr", "s3://bucket/a.zarr"),
        ("a.zarr", None),
        ("/x/s3:/a", None),
        ("C:a", None),
        ("reference:calogan", None),
    ],
)
def test_addresses_are_told_from_paths(path: str | Path, expected: str | None) -> None:
    assert address_of(path) == expected


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("file:///tmp/a.zarr", r"'file:/+tmp/a\.zarr' is a place of this machine: give its path alone"),
        (Path("file:///tmp/a.zarr"), r"'file:/tmp/a\.zarr' is a place of this machine"),
        ("memory://a", r"'memory:/+a' would be lost with this process"),
        ("http://127.0.0.1:9/a.zarr", r"'http:/+127\.0\.0\.1:9/a\.zarr' holds no store: download the store"),
        ("HTTPS://example.org/a.zarr", "holds no store"),
    ],
)
def test_addresses_that_hold_no_store_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | Path, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=reason):
        write_store(address, ToyTask(), n_events=5, chunk_size=5, fingerprint={})
    for read in (open_events, simulacra.read):
        with pytest.raises(ValueError, match=reason):
            read(address)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_of_address_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ("nosuchkind:///bucket/x.zarr", "NoSuchKind://bucket/x.zarr"):
        with pytest.raises(StoreError, match=r"'nosuchkind://bucket/x\.zarr.*cannot be opened"):
            write_store(address, ToyTask(), n_events=5, chunk_size=5, fingerprint={})
    assert list(tmp_path.iterdir()) == []
