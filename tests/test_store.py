import contextlib
import errno
import functools
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, part_of, take_part, validate
from simulacra.store import Chunk, StoreError, StoreExistsError, open_events, write_events, write_store
from toy_events import ToyTask, toy_events

N, SIZE = 23, 5

write = functools.partial(write_store, n_events=N, chunk_size=SIZE, fingerprint={"seed": 7}, progress=False)


def files(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def partial_of(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def n_done(path: Path) -> int:
    return len(list((partial_of(path) / "done").glob("*.json")))


def wait_for(condition, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def writer(
    path: Path, *, n_events: int = N, size: int = SIZE, workers: int = 1, delay: float
) -> Iterator[subprocess.Popen]:
    script = Path(__file__).with_name("toy_events.py")
    command = [sys.executable, script, path, str(n_events), str(size), str(workers), str(delay)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.zarr"
    write(path, ToyTask())
    return path


def test_a_store_holds_what_the_tasks_made(tmp_path: Path) -> None:
    path = tmp_path / "out.zarr"
    summary = write(path, ToyTask(), attributes={"note": "x"})
    events = open_events(path, check=True)
    expected = toy_events(0, N)
    # chunks state 0, 1, 2, 3 and 4 s per event; the last has 3 events
    mean = (0 + 5 * 1 + 5 * 2 + 5 * 3 + 3 * 4) / N
    expected.attrs |= {"note": "x", "seconds_per_event": pytest.approx(mean)}
    assert summary.n_events == N
    assert summary.n_resumed_events == 0
    assert summary.seconds_per_event == pytest.approx(mean)
    assert list(events.data_vars) == list(expected.data_vars)
    assert events.attrs == expected.attrs
    xr.testing.assert_identical(events.load().drop_attrs(deep=False), expected.drop_attrs(deep=False))
    assert not partial_of(path).exists()


def test_events_are_opened_lazily(whole: Path) -> None:
    events = open_events(whole)
    assert not events["shower"].variable._in_memory
    np.testing.assert_array_equal(events["shower"][7:9].values, toy_events(7, 9)["shower"].values)


def test_other_programs_open_a_store_with_plain_xarray(whole: Path) -> None:
    xr.testing.assert_equal(xr.open_zarr(whole, chunks=None).load(), toy_events(0, N))


def test_two_workers_write_what_one_writes(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "two.zarr"
    write(path, ToyTask(delay=0.05, log=tmp_path / "log"), workers=2)
    assert files(path) == files(whole)
    pids = {name.name.split("-")[1] for name in (tmp_path / "log").iterdir()}
    assert str(os.getpid()) not in pids
    assert len(list((tmp_path / "log").iterdir())) == 5
    assert not any(alive(int(pid)) for pid in pids)


def test_a_single_worker_can_be_a_process_of_its_own(tmp_path: Path, whole: Path) -> None:
    write(tmp_path / "one.zarr", ToyTask(log=tmp_path / "log"), in_process=False)
    (pid,) = {name.name.split("-")[1] for name in (tmp_path / "log").iterdir()}
    assert int(pid) != os.getpid()
    assert files(tmp_path / "one.zarr") == files(whole)


def test_unicode_and_spaces_in_the_path(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "Schauer für π⁰ 粒子" / "the out.zarr"
    write(path, ToyTask())
    assert files(path) == files(whole)
    xr.testing.assert_identical(open_events(path).load(), open_events(whole).load())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_job_continues_where_it_stopped(tmp_path: Path, whole: Path, workers: int) -> None:
    path = tmp_path / "killed.zarr"
    with writer(path, workers=workers, delay=0.4) as process:
        wait_for(lambda: n_done(path) >= 2)
        process.kill()
        process.wait()
        pids = {int(name.name.split("-")[1]) for name in (tmp_path / "log").iterdir()}
        wait_for(lambda: not any(alive(pid) for pid in pids), 60)
    kept = n_done(path)
    assert 2 <= kept < 5
    with pytest.raises(StoreError, match=rf"not finished: .* holds {kept} of 5 chunks; run the command"):
        open_events(path)
    summary = write(path, ToyTask(log=tmp_path / "second"))
    assert summary.n_resumed_events == N - sum(
        toy.stop - toy.start for toy in (Chunk(i, 5 * i, min(5 * i + 5, N)) for i in range(5)) if called(tmp_path, toy)
    )
    assert len(list((tmp_path / "second").iterdir())) == 5 - kept
    assert files(path) == files(whole)


def called(tmp_path: Path, chunk: Chunk) -> bool:
    return any((tmp_path / "second").glob(f"{chunk.index}-*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_chunks_and_leaves_no_process(tmp_path: Path, whole: Path, workers: int) -> None:
    path = tmp_path / "stopped.zarr"
    with writer(path, workers=workers, delay=0.4) as process:
        wait_for(lambda: n_done(path) >= 2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group gets it
        _, output = process.communicate(timeout=120)
        pids = {int(name.name.split("-")[1]) for name in (tmp_path / "log").iterdir()}
        assert not any(alive(pid) for pid in pids)
    kept = n_done(path)
    assert process.returncode == 130
    assert output.strip().endswith(
        f"stopped. {kept} of 5 chunks are kept in '{partial_of(path)}': run the same command again to continue"
    )
    assert "Traceback" not in output
    write(path, ToyTask())
    assert files(path) == files(whole)


def test_a_second_writer_is_turned_away(tmp_path: Path) -> None:
    path = tmp_path / "contended.zarr"
    with writer(path, delay=300) as process:
        wait_for((partial_of(path) / "plan.json").exists)
        with pytest.raises(StoreError, match=f"is being written by the process {process.pid};"):
            write(path, ToyTask())
        process.kill()
        process.wait()
        assert write(path, ToyTask()).n_events == N


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", "ValueError: the detector is on fire"),
        ("nan", "variable 'shower' is nan in event 11 at cell 2"),
        ("shift", "the task made 5 events .*, not 10 to 14"),
        ("attribute", "the attribute 'particle' is not the same in each chunk: gamma in this one, e. in the first"),
        ("dtype", "the variable 'incident_energy' is not the same in each chunk"),
    ],
)
def test_a_failing_task_is_told_with_its_chunk(tmp_path: Path, whole: Path, fault: str, message: str) -> None:
    path = tmp_path / "failing.zarr"
    with pytest.raises(
        StoreError, match=rf"(?s)chunk 2 \(events 10 to 14\) of .* failed: .*{message}.*2 of 5 chunks are kept"
    ) as caught:
        write(path, ToyTask(fault, at=2))
    assert any("Traceback" in note for note in caught.value.__notes__)
    assert not path.exists()
    assert write(path, ToyTask()).n_resumed_events == 10
    assert files(path) == files(whole)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", "ValueError: the detector is on fire"),
        ("abort", "its process was killed by SIGABRT"),
        ("exit", "its process ended with exit code 7"),
    ],
)
def test_a_worker_that_dies_is_told_with_its_chunk(tmp_path: Path, fault: str, message: str) -> None:
    path = tmp_path / "dying.zarr"
    task = ToyTask(fault, at=3, log=tmp_path / "log")
    with pytest.raises(StoreError, match=rf"chunk 3 \(events 15 to 19\) of .* failed: {message}"):
        write(path, task, workers=1, in_process=False)
    assert n_done(path) == 3
    (pid,) = {int(name.name.split("-")[1]) for name in (tmp_path / "log").iterdir()}
    assert not alive(pid)


def test_a_failing_worker_takes_the_others_with_it(tmp_path: Path) -> None:
    task = ToyTask("abort", at=1, delay=0.3, log=tmp_path / "log")
    with pytest.raises(StoreError, match=r"chunk 1 .* SIGABRT"):
        write(tmp_path / "dying.zarr", task, workers=2)
    pids = {int(name.name.split("-")[1]) for name in (tmp_path / "log").iterdir()}
    assert not any(alive(pid) for pid in pids)


def test_other_settings_do_not_continue_a_store(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "part.zarr"
    with pytest.raises(StoreError):
        write(path, ToyTask("raise", at=2))
    other = {"seed": 8, "geometry": {"layers": 3}}
    with pytest.raises(
        StoreError, match=r"other settings \(geometry.layers: absent there, 3 now; seed: 7 there, 8 now\)"
    ):
        write(path, ToyTask(), fingerprint=other)
    with pytest.raises(StoreError, match=r"\(n_events: 23 there, 24 now\)"):
        write(path, ToyTask(), n_events=24)
    assert n_done(path) == 2
    assert write(path, ToyTask()).n_resumed_events == 10
    with pytest.raises(StoreExistsError, match=r"seed: 7 there, 8 now\); choose another path"):
        write(path, ToyTask(), fingerprint=other)
    assert files(path) == files(whole)


def test_settings_of_a_store_without_a_chunk_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "none.zarr"
    with pytest.raises(StoreError, match="0 of 5 chunks"):
        write(path, ToyTask("raise", at=0))
    assert write(path, ToyTask(), fingerprint={"seed": 8}).n_events == N


def test_a_whole_store_is_not_made_twice(whole: Path) -> None:
    before = files(whole)
    summary = write(whole, ToyTask("raise", at=0))
    assert (summary.n_events, summary.n_resumed_events) == (N, N)
    assert summary.seconds_per_event == open_events(whole).attrs["seconds_per_event"]
    assert files(whole) == before
    assert not partial_of(whole).exists()


def test_overwriting_keeps_the_old_store_until_the_new_one_is_whole(whole: Path) -> None:
    before = files(whole)
    with pytest.raises(StoreError, match="chunk 2 "):
        write(whole, ToyTask("raise", at=2), fingerprint={"seed": 8}, overwrite=True)
    assert files(whole) == before
    summary = write(whole, ToyTask(), fingerprint={"seed": 8}, overwrite=True)
    assert summary.n_resumed_events == 10
    assert files(whole)["zarr.json"] != before["zarr.json"]
    assert not partial_of(whole).exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_store_is_never_overwritten(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("all of it")
    with pytest.raises(StoreExistsError, match="is not a store of events"):
        write(tmp_path / "thesis", ToyTask(), overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter").read_text() == "all of it"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if (
        not (mount and umount)
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("this user cannot mount a small disk")
    yield disk
    subprocess.run([umount, disk], check=True)


class BigTask(ToyTask):
    """Makes chunks that compress to about 40 kB after one that compresses to nothing."""

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        events = super().__call__(chunk)
        n = chunk.stop - chunk.start
        noise = np.random.default_rng(chunk.index).random((n, 2000)).astype("f4") * (chunk.index > 0)
        return events.assign(noise=(("event", "sample"), noise, events.shower.attrs))


@pytest.mark.parametrize("in_process", [True, False])
def test_a_full_disk_is_told_and_gone_on_from(tiny_disk: Path, in_process: bool) -> None:
    path = tiny_disk / "big.zarr"
    (tiny_disk / "ballast").write_bytes(bytes(400_000))
    with pytest.raises(
        StoreError, match=r"cannot write .*big.zarr': the disk is too full \(.* free\). Finished chunks are kept"
    ):
        write(path, BigTask(), in_process=in_process)
    kept = n_done(path)
    assert 0 < kept < 5
    assert not path.exists()
    (tiny_disk / "ballast").unlink()
    assert write(path, BigTask()).n_resumed_events == 5 * kept
    open_events(path, check=True)


def test_a_store_that_cannot_fit_stops_after_its_first_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    path = tmp_path / "large.zarr"
    with pytest.raises(StoreError, match=r"too full \(100 B free, and about .* B more are needed\)"):
        write(path, ToyTask())
    assert n_done(path) == 1
    monkeypatch.undo()
    assert write(path, ToyTask()).n_resumed_events == 5


def test_a_quota_is_told(tmp_path: Path) -> None:
    def no_room(chunk: Chunk) -> xr.Dataset:
        raise OSError(errno.EDQUOT, "quota")

    with pytest.raises(StoreError, match=r"cannot write .*quota is used up \(.* free\)"):
        write(tmp_path / "out.zarr", no_room)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*out.zarr"):
        write(tmp_path / "file" / "out.zarr", ToyTask())


def test_a_damaged_chunk_is_made_again(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "part.zarr"
    with pytest.raises(StoreError):
        write(path, ToyTask("raise", at=4))
    data = partial_of(path) / "data"
    (data / "shower/c/1/0").write_bytes(b"")
    (data / "kept/c/2").unlink()
    (partial_of(path) / "done/00000003.json").write_text("{")
    assert write(path, ToyTask()).n_resumed_events == 5
    assert files(path) == files(whole)


def test_a_chunk_that_is_lost_is_refused(whole: Path) -> None:
    (whole / "shower/c/3/0").unlink()
    with pytest.raises(StoreError, match=r"chunk 3 \(events 15 to 19\) of 'shower' is missing"):
        open_events(whole)


def test_a_chunk_that_is_cut_off_is_refused(whole: Path) -> None:
    chunk = whole / "shower/c/3/0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(StoreError, match=r"the files of 'shower' hold .* bytes, but .* were written"):
        open_events(whole)


def test_a_flipped_bit_is_found_when_it_is_read(whole: Path) -> None:
    chunk = whole / "shower/c/3/0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content)
    events = open_events(whole)
    assert events["shower"][:15].values.shape == (15, 6)
    told = rf"'{re.escape(str(chunk))}' is damaged \(its checksum differs from that of the written data\)"
    for rows in (17, slice(None), [0, 17], slice(20, 10, -1)):
        with pytest.raises(StoreError, match=told):
            events["shower"][rows].load()
    with pytest.raises(StoreError, match=told):
        open_events(whole, check=True)


def test_a_flipped_bit_in_the_index_is_found_with_its_file(whole: Path) -> None:
    chunk = whole / "event/c/2"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content)
    with pytest.raises(StoreError, match=rf"'{re.escape(str(chunk))}' is damaged \(its checksum"):
        open_events(whole)


def test_a_lost_variable_is_refused(whole: Path) -> None:
    shutil.rmtree(whole / "kept")
    with pytest.raises(StoreError, match=r"the variables \['kept'\] were lost"):
        open_events(whole)


@pytest.mark.parametrize("place", ["zarr.json", "shower/zarr.json"])
def test_damaged_metadata_is_refused(whole: Path, place: str) -> None:
    (whole / place).write_text((whole / place).read_text()[:50])
    with pytest.raises(StoreError, match="is damaged"):
        open_events(whole)


def test_the_full_check_finds_what_breaks_the_conventions(tmp_path: Path) -> None:
    events = toy_events(0, N)
    events["shower"][12, 3] = -1
    events.to_zarr(tmp_path / "foreign.zarr", consolidated=False)
    assert open_events(tmp_path / "foreign.zarr").sizes["event"] == N
    with pytest.raises(EventsError, match=r"'shower' is a negative energy, -1\.0 MeV, in event 12 at cell 3"):
        open_events(tmp_path / "foreign.zarr", check=True)


def test_a_fault_is_told_with_the_store_whatever_was_chosen_of_it(tmp_path: Path) -> None:
    path, events = tmp_path / "foreign.zarr", toy_events(0, N)
    events["shower"][12, 3] = np.nan
    events.to_zarr(path, consolidated=False)
    opened = open_events(path)
    assert "source" not in opened.attrs
    for chosen in (
        opened,
        pickle.loads(pickle.dumps(opened)),
        opened.isel(event=slice(10, 14)).load(),
        opened.drop_vars("kept").assign(more=opened["kept"]).assign_attrs(seed=1),
        opened[["shower"]],
        take_part(opened.isel(event=[12]), str(part_of(np.array([12]))[0])),
    ):
        with pytest.raises(EventsError, match=rf"^'{path}': variable 'shower' is nan in event 12 at cell 3"):
            validate(chosen)
    with pytest.raises(EventsError, match=rf"'{path}': variable 'shower' is nan"):
        write_events(opened, tmp_path / "copy.zarr")
    with pytest.raises(EventsError, match=rf"^'{path}': missing feature 'active'"):
        validate(opened, features=["active"])


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store '.*nothing'"):
        open_events(tmp_path / "nothing")
    (tmp_path / "file.zarr").write_text("x")
    with pytest.raises(StoreError, match="is not a Zarr store"):
        open_events(tmp_path / "file.zarr")
    xr.Dataset({"a": ("x", [1, 2])}).to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(StoreError, match="without the dimension 'event'"):
        open_events(tmp_path / "other.zarr")


def test_events_at_hand_are_written_with_their_own_indices(tmp_path: Path) -> None:
    events = toy_events(0, N).isel(event=[4, 2, 20, 11])
    write_events(events, tmp_path / "a.zarr", chunk_size=3)
    xr.testing.assert_identical(open_events(tmp_path / "a.zarr").load(), events)
    # a store is written from another, lazily
    write_events(open_events(tmp_path / "a.zarr"), tmp_path / "b.zarr")
    xr.testing.assert_identical(open_events(tmp_path / "b.zarr").load(), events)
    with pytest.raises(StoreExistsError, match="written: "):
        write_events(events, tmp_path / "a.zarr")
    write_events(events.isel(event=[0]), tmp_path / "a.zarr", overwrite=True)
    assert open_events(tmp_path / "a.zarr").sizes["event"] == 1


def test_an_event_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    events = toy_events(0, 4).assign_coords(event=[0, 1, 2, 0])
    with pytest.raises(EventsError, match=r"contains an event twice \(such as 0\)"):
        write_events(events, tmp_path / "a.zarr", chunk_size=2)
    events.to_zarr(tmp_path / "foreign.zarr", consolidated=False)
    with pytest.raises(EventsError, match="contains an event twice"):
        open_events(tmp_path / "foreign.zarr", check=True)


def test_other_coordinates_come_back(tmp_path: Path) -> None:
    events = toy_events(0, N).assign_coords(cell=np.arange(6) * 10, depth=("cell", np.linspace(0, 1, 6)))
    write_events(events, tmp_path / "a.zarr", chunk_size=10)
    xr.testing.assert_identical(open_events(tmp_path / "a.zarr").load(), events)


def test_a_job_without_a_terminal_ends_with_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.zarr", ToyTask(delay=0.3), progress=True, label="showers")
    output = capfd.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith(f"showers: {N} in ")
    write(tmp_path / "b.zarr", ToyTask(), progress=True)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_events": 0}, "at least one event"),
        ({"chunk_size": 0}, "at least one event and chunks of at least one"),
        ({"workers": 0}, "at least one worker"),
        ({"fingerprint": {"a": object()}}, "must be JSON"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a.zarr", ToyTask(), **settings)
    assert not list(tmp_path.iterdir())
