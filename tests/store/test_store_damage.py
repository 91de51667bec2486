"""Damaged metadata: whatever stands in them, a store answers with one of its own errors, in plain words."""

import contextlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr

from simulacra.events import EventsError
from simulacra.store import Chunk, StoreError, WriteSummary, open_events, write_store
from simulacra.store.partial import Partial
from simulacra.store.plan import Plan
from simulacra.store.read import read_plan
from toy_events import ToyTask, toy_events

WRITE = {"n_events": 6, "chunk_size": 3, "fingerprint": {"seed": 7}, "progress": False}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "x.zarr"
    write_store(path, ToyTask(), **WRITE)
    return path


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unfinished") / "x.zarr"

    def only_the_first(chunk: Chunk) -> xr.Dataset:
        if chunk.index:
            raise ValueError("no more")
        return toy_events(chunk.start, chunk.stop)

    with pytest.raises(StoreError, match="no more"):
        write_store(path, only_the_first, **WRITE)
    return Partial(path).folder


@pytest.fixture
def whole(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "x.zarr"))


def change(file: Path, place: str, value: object) -> None:
    """Put a value at a dotted place of a JSON file."""
    content = json.loads(file.read_text())
    *folders, last = place.split(".")
    inner = content
    for folder in folders:
        inner = inner[folder]
    inner[last] = value
    file.write_text(json.dumps(content))


def remove(file: Path, key: str) -> None:
    """Take a key out of a JSON file."""
    content = json.loads(file.read_text())
    del content[key]
    file.write_text(json.dumps(content))


def change_record(path: Path, place: str, value: object) -> None:
    """Put a value at a dotted place of what makes a store whole."""
    content = json.loads((path / "zarr.json").read_text())
    file = path / "record.json"
    file.write_text(content["attributes"]["store"])
    change(file, place, value)
    change(path / "zarr.json", "attributes.store", file.read_text())
    file.unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "attributes are a list": lambda path: change(path / "zarr.json", "attributes", [1, 2]),
    "attributes are a text": lambda path: change(path / "zarr.json", "attributes", "x"),
    "the record is a number": lambda path: change(path / "zarr.json", "attributes.store", 3),
    "the record is no JSON": lambda path: change(path / "zarr.json", "attributes.store", "{"),
    "chunks of 0 in the plan": lambda path: change_record(path, "plan.chunk_size", 0),
    "no events in the plan": lambda path: change_record(path, "plan.n_events", 0),
    "a plan of other events": lambda path: change_record(path, "plan.n_events", 7),
    "a plan in a text": lambda path: change_record(path, "plan", "x"),
    "settings in a list": lambda path: change_record(path, "plan.fingerprint", []),
    "sizes in a list": lambda path: change_record(path, "bytes", [["shower", 3]]),
    "a size that is none": lambda path: change_record(path, "bytes.shower", "many"),
    "a chunk of length 0": lambda path: change(
        path / "shower/zarr.json", "chunk_grid.configuration.chunk_shape", [0, 6]
    ),
    "a chunk of other length": lambda path: change(
        path / "shower/zarr.json", "chunk_grid.configuration.chunk_shape", [2, 6]
    ),
    "a chunk without shape": lambda path: change(path / "shower/zarr.json", "chunk_grid", {}),
    "a shape of another number": lambda path: change(path / "shower/zarr.json", "shape", [6]),
    "a shape of texts": lambda path: change(path / "shower/zarr.json", "shape", ["6", "6"]),
    "no cells left": lambda path: change(path / "shower/zarr.json", "shape", [6, 0]),
    "fewer cells": lambda path: change(path / "shower/zarr.json", "shape", [6, 2]),
    "cells beyond all memory": lambda path: change(path / "shower/zarr.json", "shape", [6, 10**12]),
    "no type of numbers": lambda path: remove(path / "shower/zarr.json", "data_type"),
    "no codecs": lambda path: remove(path / "shower/zarr.json", "codecs"),
    "no fill value": lambda path: remove(path / "incident_energy/zarr.json", "fill_value"),
    "another kind of node": lambda path: change(path / "shower/zarr.json", "node_type", "banana"),
    "names of dimensions in a number": lambda path: change(path / "shower/zarr.json", "dimension_names", 3),
    "no time": lambda path: change(path / "zarr.json", "attributes.seconds_per_event", "long"),
    "binary": lambda path: (path / "zarr.json").write_bytes(bytes(range(256)) * 100) and None,
    "binary for a variable": lambda path: (path / "shower/zarr.json").write_bytes(bytes(range(256)) * 100) and None,
    "deep": lambda path: (path / "zarr.json").write_text("[" * 100_000) and None,
    "a number beyond all": lambda path: change_record(path, "plan.n_events", 10**400),
}


# a warning of zarr's about what it passes over is not enough
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_metadata_are_named_in_plain_words(whole: Path, name: str) -> None:
    DAMAGE[name](whole)
    # the seconds per event are needed only if a store is written again
    read = read_plan if name == "no time" else open_events
    with pytest.raises(StoreError, match=r"damaged") as caught:
        read(whole)
    assert str(whole) in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a file's content with a byte flipped, lost, doubled or its end cut off."""
    place = rng.randrange(len(content))
    ways = (
        content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :],
        content[:place] + content[place + 1 :],
        content[:place] + content[place : place + 4] + content[place:],
        content[:place],
        content[:place]
        + rng.choice([b"0", b"-1", b"[]", b"null", b"1e999", b'"x"', b"\x00\xff"])
        + content[place + 1 :],
    )
    return rng.choice(ways)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["zarr.json", "shower/zarr.json", "event/zarr.json"])
def test_random_damage_of_a_whole_store_ends_in_errors_of_its_own(whole: Path, file: str) -> None:
    rng = random.Random(1)
    content = (whole / file).read_bytes()
    errors = []
    for _ in range(100):
        (whole / file).write_bytes(damaged(content, rng))
        # anything but the two ends the test
        with contextlib.suppress(StoreError, EventsError), noted(errors):
            open_events(whole, check=True).close()
            read_plan(whole)
    assert len(errors) > 20
    assert max(map(len, errors)) < 1000


@contextlib.contextmanager
def noted(errors: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        errors.append(str(error))
        raise


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["plan.json", "data/structure.json", "data/shower/zarr.json", "done/00000000.json"])
def test_random_damage_of_an_unfinished_store_ends_in_errors_of_its_own(
    unfinished: Path, tmp_path: Path, file: str
) -> None:
    rng = random.Random(2)
    content = (unfinished / file).read_bytes()
    path = tmp_path / "x.zarr"
    folder = Partial(path).folder
    errors: list[str] = []
    for _ in range(15):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(unfinished, folder)
        (folder / file).write_bytes(damaged(content, rng))
        with contextlib.suppress(StoreError, EventsError), noted(errors):
            write_store(path, ToyTask(), **WRITE)
            xr.testing.assert_equal(open_events(path, check=True).load(), toy_events(0, 6))
    if file.startswith("done"):
        # a marker that is damaged means only that its chunk is made again
        assert errors == []
    else:
        assert len(errors) > 2
        assert max(map(len, errors)) < 1500


def test_a_marker_of_no_chunk_is_left_aside(unfinished: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    folder = Path(shutil.copytree(unfinished, Partial(path).folder))
    marker = (folder / "done/00000000.json").read_text()
    for name in ("00000007", "-0000001", "banana"):
        (folder / f"done/{name}.json").write_text(marker)
    assert list(Partial(path).markers(Plan.make(6, 3, {"seed": 7}))) == [0]


def test_the_number_of_a_writing_process_is_printable(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "x.zarr")
    with partial.locked():
        (partial.folder / "lock").write_bytes(b"\x1b[2J\x00\xff")
        with (
            pytest.raises(StoreError, match=re.escape(r"written by the process \x1b[2J\x00")) as caught,
            partial.locked(),
        ):
            pass
        assert str(caught.value).isprintable()


def test_a_finished_store_that_is_damaged_is_not_taken_for_complete(tmp_path: Path) -> None:
    def write() -> WriteSummary:
        return write_store(tmp_path / "x.zarr", ToyTask(), n_events=40, chunk_size=10, fingerprint={}, progress=False)

    write()
    assert write().n_resumed_events == 40
    next((tmp_path / "x.zarr" / "shower" / "c" / "1").rglob("0")).unlink()
    with pytest.raises(StoreError, match=r"is damaged: chunk 1 .* make the store again"):
        write()
