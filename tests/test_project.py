"""Promises about the project as a whole: what it imports, loads, pins and ships."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import simulacra

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "simulacra"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LOADERS = {"torch.load", "numpy.load"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = (
    "geant4_pybind",
    "h5py",
    "lightning_fabric",
    "matplotlib",
    "onnxruntime",
    "pandas",
    "scipy",
    "sklearn",
    "torch",
    "xarray",
    "zarr",
)


def test_there_is_one_version() -> None:
    assert simulacra.__version__ == PYPROJECT["project"]["version"] == installed_version("simulacra")


def heavy_imports_of(program: str) -> list[str]:
    """Run ``program`` in a Python of its own and return the heavy libraries that it has imported by its end."""
    listing = f"\nimport sys\nprint()\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program + listing], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1].split()


def test_heavy_imports_are_seen() -> None:
    assert "h5py" in heavy_imports_of("import h5py")


def test_importing_simulacra_imports_nothing_heavy() -> None:
    assert heavy_imports_of("import simulacra") == []


def test_the_rooms_of_reweighting_are_named_without_torch() -> None:
    program = """
import simulacra.reweighting
from simulacra.reweighting import ReweighterSettings, SupportError
from simulacra.systems import dctr, srgn
"""
    assert "torch" not in heavy_imports_of(program)


@pytest.mark.parametrize("module", ["simulacra", "simulacra.reweighting"])
def test_all_public_names_are_there(module: str) -> None:
    room = importlib.import_module(module)
    assert sorted(room.__all__) == sorted({*room._HOMES, *(["__version__"] if module == "simulacra" else [])})
    for name in room.__all__:
        assert getattr(room, name) is not None
    assert dir(room) == sorted([*room.__all__, *(room._ROOMS if module == "simulacra" else [])])
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nothing'"):
        _ = room.nothing


def test_help_imports_nothing_heavy() -> None:
    program = """
import sys
from simulacra.cli.main import run
sys.argv = ["simulacra", "--help"]
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert heavy_imports_of(program) == []


#: the messages between a command and its own processes, which are no files
MESSAGES = PACKAGE / "campaigns" / "messages.py"


def unsafe_loads(source: str) -> list[str]:
    """Return each place of ``source`` that could run code hidden in a file: pickles, and loaders that accept them.

    The names of a pickling library's errors may be used, to catch what a damaged file raises.
    """
    tree = ast.parse(source)
    errors = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr.endswith("Error")}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bad = [a for a in node.names if a.name.split(".")[0] in PICKLING and (a.asname or "." in a.name)]
            found += [f"line {node.lineno}: imports {a.name} under another name" for a in bad]
        elif isinstance(node, ast.ImportFrom):
            full = [(node.module or "", f"{node.module}.{a.name}") for a in node.names if not a.name.endswith("Error")]
            bad_names = [name for module, name in full if module.split(".")[0] in PICKLING or name in LOADERS]
            found += [f"line {node.lineno}: imports {name}" for name in bad_names]
        elif isinstance(node, ast.Name) and node.id in PICKLING and id(node) not in errors:
            found.append(f"line {node.lineno}: uses {node.id}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            options = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            call = ast.unparse(node.func)
            if call == "torch.load" and options.get("weights_only") is not True:
                found.append(f"line {node.lineno}: torch.load without weights_only=True")
            if any(k.arg == "allow_pickle" for k in node.keywords) and options.get("allow_pickle") is not False:
                found.append(f"line {node.lineno}: allow_pickle is not False")
            if node.func.attr == "read_pickle":
                found.append(f"line {node.lineno}: {call}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(b)",
        "import pickle\nread = pickle",
        "import pickle as p",
        "from pickle import loads",
        "import joblib as j",
        "import joblib.numpy_pickle",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "pandas.read_pickle(path)",
    ],
)
def test_unsafe_loads_are_found(source: str) -> None:
    assert len(unsafe_loads(source)) == 1


def test_safe_loads_are_let_through() -> None:
    source = """
import pickle
from pickle import PicklingError
np.load(path, allow_pickle=False)
try:
    torch.load(path, weights_only=True)
except pickle.UnpicklingError:
    pass
"""
    assert unsafe_loads(source) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_source_loads_safely_and_is_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert unsafe_loads(source) == [] or path == MESSAGES
    assert source.count("\n") < 600, "near 600 lines there are two ideas in a file: find them"


def pins() -> dict[str, str]:
    """Return the version of each package in the lock file, refusing any line that is not a bare pin."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9-]+)==([0-9a-z.]+)", line)
        assert match, f"'{line}' in requirements.lock is not name==version"
        found[match[1]] = match[2]
    return found


def requirements(*extras: str) -> list[Requirement]:
    """Return what the project and these extras ask for, following extras that name the project itself."""
    asked = [Requirement(text) for text in PYPROJECT["project"]["dependencies"]] if not extras else []
    for extra in extras:
        for text in PYPROJECT["project"]["optional-dependencies"][extra]:
            requirement = Requirement(text)
            asked += requirements(*requirement.extras) if requirement.name == "simulacra" else [requirement]
    return asked


def test_lock_satisfies_pyproject_and_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    held = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = pins()
    for requirement in [*requirements(), *requirements("dev", "geant4"), *held]:
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in requirements.lock: run make lock"
        assert requirement.specifier.contains(pinned[name]), f"{pinned[name]} is not {requirement}: run make lock"


@pytest.mark.skipif(not os.environ.get("CI"), reason="only continuous integration is bound to torch's CPU build")
def test_torch_is_the_cpu_build() -> None:
    import torch

    assert torch.version.cuda is None


def test_package_data_is_small() -> None:
    sizes = {path.relative_to(PACKAGE).as_posix(): path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file()}
    assert {name: size for name, size in sizes.items() if size > 20_000_000} == {}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Return the project's wheel, built from a copy, so that the build leaves nothing in the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", ".", "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


def test_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    files = {p.relative_to(ROOT / "src").as_posix() for p in PACKAGE.rglob("*") if p.is_file()}
    wanted = {name for name in files if "__pycache__" not in name}
    shipped = {name for name in wheel.namelist() if name.startswith("simulacra/")}
    assert sorted(wanted - shipped) == [], "add their suffix to [tool.setuptools.package-data]"
    assert sorted(shipped - wanted) == []


def test_wheel_offers_the_command(wheel: zipfile.ZipFile) -> None:
    entry_points = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "simulacra = simulacra.cli.main:run" in wheel.read(entry_points).decode()


def test_the_table_of_rooms_is_what_import_linter_checks() -> None:
    layers = next(c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")["layers"]
    checked = [{name.strip().removeprefix("simulacra.") for name in layer.split("|")} for layer in layers]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("| room | content |") :].split("\n\n")[0].splitlines()[2:]
    told = [set(re.findall(r"`([a-z_]+)(?:/|\.py)`", row.split("|")[1])) for row in table]
    assert told == checked
