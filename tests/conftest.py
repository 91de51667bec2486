"""What every test stands on: one thread a process, no display, a reason where this machine cannot run a test."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports numpy or torch, which read it once: the workers of `make test` share the cores between them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def geant4_is_missing() -> str:
    """Return why the tests marked ``geant4`` cannot run here, or nothing."""
    if importlib.util.find_spec("geant4_pybind") is None:
        return "geant4-pybind is not installed: pip install 'simulacra[geant4]'"
    folder = os.environ.get("GEANT4_DATA_DIR")
    if not folder:
        return "GEANT4_DATA_DIR is not set: name the folder of Geant4's data sets"
    if not any(Path(folder).glob("G4EMLOW*")):
        return f"GEANT4_DATA_DIR={folder} holds no G4EMLOW data set"
    return ""


def browser_is_missing() -> str:
    """Return why the tests marked ``browser`` cannot run here, or nothing."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install 'simulacra[dev]'"
    if chromium_executable() is None:
        return f"no Chromium on the PATH (looked for {', '.join(BROWSERS)})"
    return ""


def chromium_executable() -> str | None:
    """Return the path of the machine's Chromium, if it has one."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run."""
    reasons = {"geant4": geant4_is_missing(), "browser": browser_is_missing()}
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def chromium() -> str:
    """Return the path of the machine's Chromium, for playwright's ``executable_path``; mark the test ``browser``."""
    path = chromium_executable()
    if path is None:
        pytest.skip(browser_is_missing())
    return path


@pytest.fixture(autouse=True)
def _global_random_state_is_left_alone() -> Iterator[None]:
    """Fail a test whose code draws from numpy's global generator: such a result cannot be repeated from its seed."""
    import numpy as np

    def state() -> bytes:
        generator = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
        return generator["key"].tobytes() + bytes([generator["pos"] % 256, generator["pos"] // 256])

    before = state()
    yield
    if state() != before:
        pytest.fail("the test changed numpy's global random state: pass a numpy Generator or a seed instead")
