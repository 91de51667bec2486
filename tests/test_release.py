"""What a release promises: its contents and size, its interface, its citation, the versions of Python."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import public_api
import simulacra

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: modules of the standard library that Python 3.12 or 3.13 removed
REMOVED = frozenset(
    [
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
        "lib2to3",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "ossaudiodev",
        "pipes",
        "smtpd",
        "sndhdr",
        "spwd",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
    ]
)
#: what CITATION.cff's schema 1.2.0 requires, and how
REQUIRED = {"cff-version": str, "message": str, "title": str, "authors": list}


def test_the_public_interface_is_as_listed() -> None:
    told = public_api.FILE.read_text(encoding="utf-8")
    assert public_api.text() == told, (
        "the public interface has changed: if this is meant, say so in CHANGELOG.md (docs/stability.md tells what may "
        "change when), and write the list anew: PYTHONPATH=src python tests/public_api.py"
    )


def test_a_change_of_the_interface_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = public_api.text()

    def judge(truth: object, made: object) -> None: ...

    monkeypatch.setattr(simulacra, "judge", judge, raising=False)
    assert "simulacra.judge(truth, made)" in public_api.text()
    assert "simulacra.judge(truth, made)" not in before
    monkeypatch.setattr("simulacra.reports.__all__", [])
    assert "simulacra.reports." not in public_api.text()


def test_the_list_holds_each_part() -> None:
    told = public_api.FILE.read_text(encoding="utf-8")
    assert "simulacra.info(name_or_path)" in told
    assert re.search(r"^simulacra judge TRUTH GENERATED .*--use", told, re.MULTILINE)
    assert "\nsimulacra-model-1\n" in told
    assert " at 0x" not in told


def test_the_citation_has_what_its_schema_requires() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for key, kind in REQUIRED.items():
        assert isinstance(cited[key], kind), key
        assert cited[key], key
    assert cited["cff-version"] == "1.2.0"
    assert all("name" in author or "family-names" in author for author in cited["authors"])
    assert cited["type"] in ("software", "dataset")
    assert cited["version"] == simulacra.__version__
    assert cited["license"] == PYPROJECT["project"]["license"]


def test_the_source_is_of_every_supported_python() -> None:
    assert len(SOURCES) > 100
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))
        assert sorted(imported(tree) & REMOVED) == [], path


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def test_removed_modules_are_seen() -> None:
    assert imported(ast.parse("import distutils.core, os\nfrom cgi import parse")) & REMOVED == {"distutils", "cgi"}


def test_only_pythons_that_ran_the_tests_are_claimed() -> None:
    claimed = [one.rpartition(" :: ")[2] for one in PYPROJECT["project"]["classifiers"] if "Python :: 3." in one]
    page = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
    assert claimed == re.findall(r"Python (3\.\d+) \| all tests run", page)
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in claimed


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_they_should(release: ModuleType, tmp_path: Path) -> None:
    wheel, sdist = release.build(tmp_path)
    assert release.faults(wheel, sdist) == []
    page = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"The wheel has (\d+) MB", page)
    assert abs(wheel.stat().st_size / 1e6 - int(told)) < 1, "say the wheel's size in docs/stability.md"


def test_faults_of_a_release_are_found(release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, sdist = tmp_path / "a.whl", tmp_path / "a.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("simulacra/py.typed", "simulacra/a.py", "simulacra/__pycache__/a.pyc", "tests/data.npz"):
            archive.writestr(name, "x")
    (tmp_path / "a.py").write_text("x")
    with tarfile.open(sdist, "w:gz") as packed:
        packed.add(tmp_path / "a.py", "simulacra-1/src/simulacra/a.py")
    monkeypatch.setattr(release, "LARGEST", 10)
    found = "\n".join(release.faults(wheel, sdist))
    for told in (
        "the wheel lacks simulacra/weights/calo-eplus.safetensors",
        "the wheel holds simulacra/__pycache__/a.pyc",
        "the wheel holds tests/data.npz",
        "the sdist lacks src/simulacra/py.typed",
        "the sdist lacks LICENSE",
        "put large weights into a second package",
    ):
        assert told in found
    assert "the wheel lacks simulacra/py.typed" not in found
