"""Coverage-guided fuzzing of one reader: libFuzzer by atheris, which keeps damage that reaches new lines of the code.

``python tests/fuzzing/coverage_guided.py READER [SECONDS]`` damages a valid file until the time is up. It ends with 0
if every damaged file gave a documented error or a result, and otherwise with the traceback and the file that caused it.
Without a reader's name it lists the names; ``all`` runs each in turn. ``make fuzz-coverage`` installs atheris.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

SECONDS = 30
#: of a damaged file [bytes]
LARGEST = 2**20

with atheris.instrument_imports(include=["simulacra"]):
    from fuzzed_readers import READERS, Reader
    from test_fuzzed_readers import fault_of


def fuzz(reader: Reader, seconds: int, folder: Path) -> None:
    """Damage the reader's file; never returns, because libFuzzer ends the process."""
    os.chdir(folder)
    with atheris.instrument_imports(include=["simulacra"]):
        path = reader.write(folder)
        # Readers import what they need when they are called.
        reader.read(path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    whole = [file.read_bytes() for file in files]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(whole):
        (corpus / str(number)).write_bytes(bytes([number]) + content)

    def damaged(data: bytes) -> None:
        if not data:
            return
        number = data[0] % len(files)
        files[number].write_bytes(data[1:])
        try:
            fault = fault_of(reader, path)
        finally:
            files[number].write_bytes(whole[number])
        if fault is not None:
            raise AssertionError(f"{files[number].name}: {type(fault).__name__}: {fault}") from fault

    options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=60", "-rss_limit_mb=8192", "-verbosity=0"]
    options.append(f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{reader.name}-")
    atheris.Setup([sys.argv[0], *options, str(corpus)], damaged)
    atheris.Fuzz()


def main() -> None:
    """Fuzz the reader that the command line names, or all of them, each in a process of its own."""
    readers = {reader.name: reader for reader in READERS}
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    if asked in readers:
        with tempfile.TemporaryDirectory() as folder:
            fuzz(readers[asked], seconds, Path(folder))
    elif asked == "all":
        failed = []
        for name in readers:
            print(f"{name}: {seconds} s", flush=True)
            if subprocess.run([sys.executable, __file__, name, str(seconds)], check=False).returncode:
                failed.append(name)
        sys.exit(f"damaged files that gave no message: {', '.join(failed)}" if failed else 0)
    else:
        sys.exit(f"readers: all, {', '.join(readers)}")


if __name__ == "__main__":
    main()
