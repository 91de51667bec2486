"""Compressed files read as streams: the same bytes by whatever compression and name, truncated ones refused."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from simulacra.compressed import CompressionError, is_compressed, opened_plain

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
TEXT = b"".join(b"line %d of many\n" % i for i in range(5000))


@pytest.mark.parametrize("kind", ["plain", *PACKERS])
def test_the_same_bytes_come_out_of_every_kind(tmp_path: Path, kind: str) -> None:
    # the name says nothing: the first bytes do
    path = tmp_path / "file.txt"
    path.write_bytes(PACKERS[kind](TEXT) if kind in PACKERS else TEXT)
    assert is_compressed(path) == (kind in PACKERS)
    with opened_plain(path) as file:
        assert list(file) == TEXT.splitlines(keepends=True)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", PACKERS)
def test_a_truncated_or_damaged_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.txt"
    whole = PACKERS[kind](TEXT)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CompressionError, match=r"file\.txt' is truncated"), opened_plain(path) as file:
        file.read()
    path.write_bytes(whole[:40] + bytes(60) + whole[100:])
    with pytest.raises(CompressionError, match=r"file\.txt' is (damaged|truncated)"), opened_plain(path) as file:
        file.read()


def test_another_compression_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "file.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    assert is_compressed(path)
    with pytest.raises(CompressionError, match=r"compressed with Zstandard: unpack it with 'unzstd'"):
        opened_plain(path).__enter__()
