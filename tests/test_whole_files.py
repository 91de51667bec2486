"""A file is the old one or the new one, whatever happens, and a lock has one holder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulacra.whole_files import locked, whole_file, write_whole


def test_an_interrupted_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_whole(path, "old")

    def interrupted() -> None:
        with whole_file(path) as fresh:
            fresh.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]
    assert path.read_text(encoding="utf-8") == "old"


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path) as one, whole_file(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_what_the_user_wants_of_new_files(tmp_path: Path) -> None:
    earlier = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"data")
    finally:
        os.umask(earlier)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_lock_whose_folder_its_holder_removed_is_taken_again(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    with locked(lock, ValueError):
        lock.unlink()
        lock.parent.rmdir()
        with locked(lock, ValueError), pytest.raises(ValueError, match=str(os.getpid())), locked(lock, ValueError):
            pass
    assert lock.exists()
