"""Stores that are too large: refused before anything is made, in memory that does not grow with them."""

import tracemalloc
from pathlib import Path
from typing import NamedTuple

import pytest

from simulacra.store import Chunk, StoreError, write_store
from simulacra.store.errors import size
from simulacra.store.workers import Workers
from toy_events import ToyTask, toy_events

MOST_MEMORY = 4e6


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def fail(chunk: Chunk) -> None:
    raise AssertionError("a task ran")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(int(1e9), 0, int(1e9)))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_fit_is_refused_at_once_with_the_space_that_it_needs(
    tmp_path: Path, free: None, workers: int
) -> None:
    tracemalloc.start()
    with pytest.raises(StoreError) as caught:
        write_store(
            tmp_path / "x.zarr",
            fail,
            n_events=10**12,
            chunk_size=1000,
            fingerprint={},
            workers=workers,
            progress=False,
            bytes_per_event=4000,
        )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY
    told = "1,000,000,000,000 events take 4 PB before compression and at least 80 TB after, but only 1 GB are free"
    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_may_fit_once_it_is_compressed_is_begun(tmp_path: Path, free: None) -> None:
    with pytest.raises(StoreError, match="a task ran"):
        write_store(
            tmp_path / "x.zarr",
            fail,
            n_events=10**7,
            chunk_size=1000,
            fingerprint={},
            progress=False,
            bytes_per_event=4000,
        )


def test_events_that_are_there_already_need_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = {"n_events": 23, "chunk_size": 5, "fingerprint": {}, "progress": False}
    write_store(tmp_path / "x.zarr", ToyTask(), **write)
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(1, 1, 0))
    assert write_store(tmp_path / "x.zarr", fail, **write).n_resumed_events == 23
    with pytest.raises(StoreError, match="cannot fit"):
        write_store(tmp_path / "y.zarr", fail, **write)


def test_an_unfinished_store_is_kept_when_the_rest_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def until_the_third(chunk: Chunk):
        if chunk.index == 2:
            raise ValueError("no more")
        return toy_events(chunk.start, chunk.stop)

    write = {"n_events": 23, "chunk_size": 5, "fingerprint": {}, "progress": False}
    with pytest.raises(StoreError, match="no more"):
        write_store(tmp_path / "x.zarr", until_the_third, **write)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: Usage(1, 1, 0))
        with pytest.raises(StoreError, match="13 events take"):
            write_store(tmp_path / "x.zarr", fail, **write)
    assert write_store(tmp_path / "x.zarr", ToyTask(), **write).n_resumed_events == 10


@pytest.mark.parametrize(("workers", "told"), [(1, "4 PB would be in memory at once,"), (2, "8 PB .* in 2 processes")])
def test_a_chunk_beyond_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, told: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**18, 0, 10**18))
    with pytest.raises(StoreError, match=told):
        write_store(
            tmp_path / "x.zarr",
            fail,
            n_events=2 * 10**12,
            chunk_size=10**12,
            fingerprint={},
            workers=workers,
            progress=False,
            bytes_per_event=4000,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_many_chunks_is_begun_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**30, 0, 10**30))
    tracemalloc.start()
    with pytest.raises(StoreError, match="a task ran"):
        write_store(tmp_path / "x.zarr", fail, n_events=10**12, chunk_size=10, fingerprint={}, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def test_workers_take_no_chunk_before_there_is_a_process_for_it() -> None:
    taken = []

    def chunks():
        for index in range(10**6):
            taken.append(index)
            yield Chunk(index, index, index + 1)

    done = Workers(ToyNothing(), 2).run(chunks())
    next(done)
    assert len(taken) <= 4
    done.close()


class ToyNothing:
    def __call__(self, chunk: Chunk) -> None:
        pass


def test_sizes_are_written_as_people_do() -> None:
    assert [size(n) for n in (999, 1000, 2.5e6, 3e9, 4e12, 5e15)] == ["999 B", "1 kB", "2.5 MB", "3 GB", "4 TB", "5 PB"]


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5", "x.hepmc"])
def test_a_store_is_not_called_like_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"would be a Zarr store.* name it '.*x\.zarr'.*simulacra\.write"):
        write_store(tmp_path / name, fail, n_events=10, chunk_size=10, fingerprint={}, progress=False)
    assert list(tmp_path.iterdir()) == []
