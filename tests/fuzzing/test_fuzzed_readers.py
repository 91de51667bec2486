"""Every reader on damaged files: a documented error or a result, in bounded memory, and never another exception.

Few examples, always the same, unless ``make fuzz`` asks for more by ``SIMULACRA_FUZZ`` (examples for each reader). Then
a reader that does not end within a minute ends the whole program with a traceback, because a library may hold it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import DAMAGES, Damage, damaged
from fuzzed_readers import READERS, Reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulacra.errors import is_explained

DEEP = int(os.environ.get("SIMULACRA_FUZZ", "0"))
#: examples of each reader in the ordinary tests
FEW = 25
#: memory that the reading of a file of some kilobytes may take beyond what the process has [bytes]
MEMORY = 2**30


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Let an allocation fail that no small file can be worth."""
    with Path("/proc/self/statm").open() as file:
        pages = int(file.read().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def fault_of(reader: Reader, path: Path) -> BaseException | None:
    """Return the error of a reader that is not a message to the user."""
    if DEEP:
        faulthandler.dump_traceback_later(60, exit=True)
    try:
        with bounded_memory(), warnings.catch_warnings():
            # A warning of numpy about a number that is refused a line later.
            warnings.simplefilter("ignore")
            reader.read(path)
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return None if is_explained(error) else error
    finally:
        if DEEP:
            faulthandler.cancel_dump_traceback_later()
    return None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for reader in READERS:
        folder = tmp_path_factory.mktemp("whole")
        found[reader.name] = reader.write(folder)
    return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that astropy leaves open
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_damaged_file_gives_a_message_or_a_result(
    reader: Reader, whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = whole[reader.name]
    reader.read(path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    copy = tmp_path / path.name
    (shutil.copytree if path.is_dir() else shutil.copy)(path, copy)

    @settings(
        max_examples=DEEP or FEW,
        derandomize=not DEEP,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(range(len(files))), DAMAGES)
    def damage(number: int, damages: list[Damage]) -> None:
        file = files[number]
        there = copy / file.relative_to(path) if path.is_dir() else copy
        content = file.read_bytes()
        there.write_bytes(damaged(content, damages))
        try:
            fault = fault_of(reader, copy)
        finally:
            there.write_bytes(content)
        if fault is not None:
            raise AssertionError(f"{file.name}: {type(fault).__name__}: {fault}") from fault

    damage()
