"""What every test stands on: one thread a process, no display, a reason where this machine cannot run a test."""

import importlib.util
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before anything imports numpy or torch, which read it once: the workers of `make test` share the cores between them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Systems of a user's own, which join by being files: before simulacra.systems is imported, which reads it once.
os.environ["SIMULACRA_SYSTEMS"] = str(Path(__file__).parent / "systems" / "toys")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def geant4_is_missing() -> str:
    """Return why the tests marked ``geant4`` cannot run here, or nothing."""
    from simulacra.simulators.geant4_data import Geant4Error, require_importable

    try:
        require_importable()
    except Geant4Error as error:
        return str(error)
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide the longest files, where `make test` gives whole files to its workers: none waits for the other then."""
    if config.getvalue("dist") != "loadfile":
        return None
    from shared_work import SharedWork

    return SharedWork(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run; begin with the files that hold most slow tests.

    `make test` gives files, or parts of the longest, to its workers in this order: a slow one that came last would be
    run by one of them while the others wait.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
    for marker, why_not in (("geant4", geant4_is_missing), ("browser", browser_is_missing)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = why_not() if marked else ""
        for item in marked if reason else []:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup() -> None:
    """Let scikit-learn put features into bins without setting all filters of warnings anew for each of them.

    It does so because its jobs may run in other threads. There is one here, which has the filters: pytest's dozen, and
    trees see hundreds of features twelve times in each verdict.
    """
    parallel = sys.modules.get("sklearn.utils.parallel")
    if parallel is not None:
        parallel._FuncWrapper.__call__ = lambda self, *args, **options: self.function(*args, **options)


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


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny CaloGAN, trained for a few steps on toy showers, conditioned on the energy."""
    from tiny_calogan import toy_experiment, toy_train

    run = tmp_path_factory.mktemp("trained") / "Lauf für γ 粒子"
    toy_train(run, toy_experiment())
    return run


@pytest.fixture(scope="session")
def trained_on_five_conditions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny CaloGAN that is conditioned on energy, impact point and direction."""
    from tiny_calogan import FIVE, SYSTEM, toy_experiment, toy_showers, toy_train

    run = tmp_path_factory.mktemp("five") / "run"
    experiment = toy_experiment(steps=4).model_copy(update={"system": SYSTEM | {"conditions": FIVE}})
    toy_train(run, experiment, events=toy_showers(five_conditions=True))
    return run


# A verdict that the tests of judges and of reports look at, made once a process.
pytest_plugins = ["judged_verdict_fixture"]
