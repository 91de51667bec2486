"""Install the wheel of ``dist/`` with the extras geant4 and jets into a fresh environment, and use it.

It takes packages from the index that pip is set up with, as wheels only, and prints how long each step took. The
environment is removed at the end, unless ``--keep`` names a folder for it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "geant4,jets"
TRUTH = "calogan-eplus"


def step(name: str, *command: str, folder: Path) -> str:
    """Run a command outside the repository, and print how long it took."""
    begun = time.perf_counter()
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    sys.stdout.write(f"{name}: {seconds:.1f} s\n")
    sys.stdout.flush()
    if run.returncode:
        raise SystemExit(f"'{' '.join(command)}' failed:\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}")
    return run.stdout


def main() -> None:
    """Make the environment, and use the wheel in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the environment, which is then kept")
    parser.add_argument("--extras", default=EXTRAS, help="extras to install, separated by commas; '' for none")
    arguments = parser.parse_args()
    wheel = next(iter(sorted((ROOT / "dist").glob("simulacra-*.whl"))), None)
    if wheel is None:
        raise SystemExit("there is no wheel in dist/: run make release first")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        home = arguments.keep or folder / "environment"
        venv.create(home, with_pip=True)
        python, simulacra = str(home / "bin" / "python"), str(home / "bin" / "simulacra")
        asked = f"simulacra[{arguments.extras}]" if arguments.extras else "simulacra"
        install = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:", "--find-links", str(wheel.parent)]
        step(f"pip install {asked}", *install, asked, folder=folder)
        size = sum(file.stat().st_size for file in home.rglob("*") if file.is_file() and not file.is_symlink())
        sys.stdout.write(f"the environment: {size / 1e6:,.0f} MB\n")
        where = step("import simulacra", python, "-c", "import simulacra; print(simulacra.__file__)", folder=folder)
        if not Path(where.strip()).is_relative_to(home.resolve()):
            raise SystemExit(f"simulacra was imported from {where.strip()}, not from {home}")
        step("simulacra --help", simulacra, "--help", folder=folder)
        step("simulacra info", simulacra, "info", "calo-eplus", folder=folder)
        made = ("generate", TRUTH, "made.zarr", "-n", "1000")
        step("simulacra generate", simulacra, *made, folder=folder)
        save = "import simulacra; events = simulacra.reference.load('calogan-eplus').isel(event=slice(1000)); "
        save += "simulacra.write_events(events.load(), 'truth.zarr')"
        step("the shipped sample", python, "-c", save, folder=folder)
        step("simulacra judge", simulacra, "judge", "truth.zarr", "made.zarr", "--quiet", folder=folder)
        if "jets" in arguments.extras:
            simulated = ("simulate", "pythia", "--process", "z-to-dijets", "-n", "100", "--seed", "1", "z.zarr")
            step("simulacra simulate pythia", simulacra, *simulated, folder=folder)
        step("simulacra demo --quick", simulacra, "demo", "--quick", folder=folder)
    sys.stdout.write("the wheel works in a fresh environment\n")


if __name__ == "__main__":
    main()
