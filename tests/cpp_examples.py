"""The C++ of examples/cpp that needs no Geant4: compiled and run.

Headers of ONNX Runtime come with Debian's libonnxruntime-dev (from Debian 13), or lie in ONNXRUNTIME_INCLUDE_DIR; the
library is that of the Python package.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples" / "cpp"
FOLDERS = (os.environ.get("ONNXRUNTIME_INCLUDE_DIR", ""), "/usr/include/onnxruntime", "/usr/local/include/onnxruntime")
HEADERS = next((folder for folder in FOLDERS if folder and (Path(folder) / "onnxruntime_cxx_api.h").is_file()), None)
COMPILER = shutil.which("g++") or shutil.which("clang++")

#: of a test that compiles: skipped, with the reason, where it cannot
NEEDED = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler (looked for g++, clang++)"),
    pytest.mark.skipif(
        HEADERS is None,
        reason="no headers of ONNX Runtime: install libonnxruntime-dev (Debian 13) or set ONNXRUNTIME_INCLUDE_DIR",
    ),
]


def compiled(folder: Path, program: str, *sources: str) -> Path:
    """Compile sources of examples/cpp to a program, linked to the library in the Python package."""
    import onnxruntime

    packaged = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not packaged:
        pytest.skip("the Python package of ONNX Runtime has no libonnxruntime.so here")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(packaged[0])
    files = [str(EXAMPLES / source) for source in sources]
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-isystem{HEADERS}", f"-I{EXAMPLES}"]
    linked = [f"-L{folder}", "-lonnxruntime", f"-Wl,-rpath,{folder}", "-pthread", "-o", str(folder / program)]
    command = [str(COMPILER), *options, *files, *linked]
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr[-3000:]
    return folder / program


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=120)
