"""Build the wheel and the sdist into ``dist/`` from a copy of the source, check what they hold, and print their sizes.

Nothing is fetched: the build uses the setuptools of this Python (``--no-isolation``).
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
#: what a wheel must hold, as endings of its files
NEEDED = (
    "simulacra/py.typed",
    "simulacra/weights/calo-eplus.safetensors",
    "simulacra/weights/calo-eplus.graph",
    "simulacra/weights/calo-eplus.judged.json",
    "simulacra/weights/reweighters/dctr-z.safetensors",
    "simulacra/reference/calogan-eplus.h5",
    "simulacra/pages/templates/",
    ".dist-info/licenses/LICENSE",
    ".dist-info/entry_points.txt",
)
#: what neither may hold
REFUSED = ("__pycache__", ".pyc", ".partial", "tests/", "benchmarks/", ".zarr", ".lock", ".git", "runs/")
#: PyPI's limit of one file [bytes]; larger weights would be a second package
LARGEST = 100_000_000


def build(folder: Path) -> tuple[Path, Path]:
    """Build both from a copy of the source, and return wheel and sdist in ``folder``."""
    with tempfile.TemporaryDirectory() as copy:
        for name in COPIED:
            shutil.copy(ROOT / name, copy)
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "src", Path(copy, "src"), ignore=unwanted)
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), copy]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"the build failed:\n{run.stdout}\n{run.stderr}")
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def faults(wheel: Path, sdist: Path) -> list[str]:
    """Return what is wrong with the contents or the sizes, nothing if all is well."""
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = archive.getnames()
    found = [f"the wheel lacks {name}" for name in NEEDED if not any(name in one for one in in_wheel)]
    for what, names in (("wheel", in_wheel), ("sdist", in_sdist)):
        found += [f"the {what} holds {one}" for one in names if any(part in f"{one}/" for part in REFUSED)]
    package = {one for one in in_wheel if one.startswith("simulacra/")}
    sources = {one.partition("/src/")[2] for one in in_sdist if "/src/simulacra/" in one}
    found += [f"the sdist lacks src/{one}" for one in sorted(package - sources)]
    found += [f"the sdist lacks {one}" for one in COPIED if not any(name.endswith(f"/{one}") for name in in_sdist)]
    for path in (wheel, sdist):
        if path.stat().st_size > LARGEST:
            found.append(f"{path.name} has {path.stat().st_size:,} bytes: put large weights into a second package")
    return found


def main() -> None:
    """Build, check and tell."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    wheel, sdist = build(dist)
    if wrong := faults(wheel, sdist):
        raise SystemExit("\n".join(wrong))
    with zipfile.ZipFile(wheel) as archive:
        weights = sum(one.compress_size for one in archive.infolist() if "/weights/" in one.filename)
        reference = sum(one.compress_size for one in archive.infolist() if "/reference/" in one.filename)
    for path in (wheel, sdist):
        sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB\n")
    sys.stdout.write(f"of the wheel, weights are {weights / 1e6:.1f} MB, Geant4's showers {reference / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
