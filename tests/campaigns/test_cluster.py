import contextlib
import dataclasses
import errno
import functools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import distributed  # noqa: F401 - before its settings are changed
import psutil
import pytest
import xarray as xr

from simulacra.campaigns import CampaignWarning, cluster, executor_for
from simulacra.campaigns.cluster import DaskExecutor
from simulacra.campaigns.local import LocalWorkers
from simulacra.store import Chunk, StoreError, open_events, write_store
from toy_events import ToyTask

N, SIZE = 23, 5
KILLS = 20

write = functools.partial(write_store, n_events=N, chunk_size=SIZE, fingerprint={"seed": 7}, progress=False)


def files(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def wait_for(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def local() -> Iterator[LocalWorkers]:
    # fewer than Dask's own number, so that workers that die are noticed here
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), LocalWorkers(2) as found:
        yield found


def test_a_local_cluster_listens_on_this_machine_alone(tmp_path: Path, executor: DaskExecutor) -> None:
    write(tmp_path / "out.zarr", ToyTask(), workers=executor)
    own = psutil.Process()
    listening = {
        process.pid: [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        for process in (own, *own.children(recursive=True))
    }
    # the scheduler here and its pages, and two workers
    assert len([pid for pid, addresses in listening.items() if addresses]) >= 3
    assert {address for addresses in listening.values() for address in addresses} == {"127.0.0.1"}


@pytest.fixture
def executor(local: LocalWorkers) -> DaskExecutor:
    return DaskExecutor(local.scheduler_address, patience=60)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.zarr"
    write(path, ToyTask())
    return path


def test_a_cluster_writes_what_one_process_writes(tmp_path: Path, whole: Path, executor: DaskExecutor) -> None:
    path = tmp_path / "cluster.zarr"
    summary = write(path, ToyTask(log=tmp_path / "log"), workers=executor)
    assert summary.n_events == N
    assert files(path) == files(whole)
    pids = {int(name.name.split("-")[1]) for name in (tmp_path / "log").iterdir()}
    assert len(list((tmp_path / "log").iterdir())) == 5
    wait_for(lambda: not any(alive(pid) for pid in pids), 20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cluster.zarr", "log", "whole.zarr"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", r"chunk 2 \(events 10 to 14\) of .* failed: ValueError: the detector is on fire"),
        ("exit", r"chunk 2 \(events 10 to 14\) of .* failed: its process ended with exit code 7 on .*, and so did 2"),
    ],
)
def test_a_failing_chunk_is_named(tmp_path: Path, executor: DaskExecutor, fault: str, message: str) -> None:
    with pytest.raises(StoreError, match=rf"(?s){message}.*of 5 chunks are kept"):
        write(tmp_path / "out.zarr", ToyTask(fault, at=2), workers=executor)
    kept = len(list((tmp_path / "out.zarr.partial" / "done").glob("*.json")))
    # the last chunk is shorter
    assert -(-write(tmp_path / "out.zarr", ToyTask()).n_resumed_events // SIZE) == kept


@dataclasses.dataclass(frozen=True)
class KillsItsWorker(ToyTask):
    def __call__(self, chunk: Chunk) -> xr.Dataset:
        if chunk.index == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(10)
        return super().__call__(chunk)


def test_a_chunk_that_kills_each_worker_is_named(
    tmp_path: Path, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WORKER_DEATHS", 2)
    with pytest.raises(StoreError, match=r"chunk 1 \(events 5 to 9\) of .* failed: 2 workers died with it, lastly tcp"):
        write(tmp_path / "out.zarr", KillsItsWorker(), workers=executor)


def wait_for_more(folder: Path | None, stopped: threading.Event) -> None:
    """Wait for a further file in a folder."""
    before = 0 if folder is None else len(list(folder.glob("*.json")))
    wait_for(lambda: stopped.is_set() or folder is None or len(list(folder.glob("*.json"))) > before)


@pytest.mark.slow
def test_no_event_is_lost_or_doubled_when_workers_are_killed(
    tmp_path: Path, executor: DaskExecutor, local: LocalWorkers
) -> None:
    n, path, random_ = 12 * KILLS, tmp_path / "out.zarr", random.Random(1)
    done, stopped, killed = tmp_path / "out.zarr.partial" / "done", threading.Event(), []

    def kill() -> None:
        """Kill workers at random times, every other one only after a chunk was finished."""
        while len(killed) < KILLS and not stopped.is_set():
            wait_for_more(done if len(killed) % 2 else None, stopped)
            stopped.wait(random_.uniform(0, 0.3))
            if pids := local.pids():
                killed.append(random_.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        write(path, ToyTask(delay=0.2), n_events=n, chunk_size=5, workers=executor)
    finally:
        stopped.set()
        thread.join()
    assert len(killed) == KILLS
    write(tmp_path / "one.zarr", ToyTask(), n_events=n, chunk_size=5)
    assert files(path) == files(tmp_path / "one.zarr")
    assert open_events(path, check=True).event.values.tolist() == list(range(n))


@dataclasses.dataclass(frozen=True)
class FullDisk(ToyTask):
    """Finds the disk full on the first worker that runs it, or on all."""

    all_full: bool = False

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        with contextlib.suppress(FileExistsError), self.log.open("x") as file:
            file.write(str(os.getppid()))
        time.sleep(0.05)
        if self.all_full or self.log.read_text() == str(os.getppid()):
            raise OSError(errno.ENOSPC, "No space left on device")
        return dataclasses.replace(self, log=None)._made(chunk)

    def _made(self, chunk: Chunk) -> xr.Dataset:
        return ToyTask(delay=0.05)(chunk)


def test_others_go_on_when_the_disk_of_one_worker_is_full(tmp_path: Path, whole: Path, executor: DaskExecutor) -> None:
    path = tmp_path / "out.zarr"
    with pytest.warns(CampaignWarning, match=r"worker tcp://\S+ does not fit: its disk is full .*; others go on"):
        write(path, FullDisk(log=tmp_path / "full"), workers=executor)
    assert files(path) == files(whole)


@pytest.mark.filterwarnings("ignore::simulacra.campaigns.CampaignWarning")
def test_a_disk_that_is_full_everywhere_ends_the_campaign(tmp_path: Path, executor: DaskExecutor) -> None:
    with pytest.raises(StoreError, match=r"the disk is too full.*Finished chunks are kept"):
        write(tmp_path / "out.zarr", FullDisk(log=tmp_path / "full", all_full=True), workers=executor)


def test_workers_of_other_versions_are_refused(
    tmp_path: Path, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: wanted | {"numpy": "0.1", "simulacra": "9.9"})
    with pytest.raises(
        StoreError,
        match=r"is not finished: the worker tcp://\S+ does not fit: it has simulacra .*, not 9\.9, numpy .*, not 0\.1: "
        r"install what the command has$",
    ):
        write(tmp_path / "out.zarr", ToyTask(), workers=executor)
    monkeypatch.setattr(cluster, "versions", lambda: wanted | {"dask": "0.1"})
    with pytest.raises(StoreError, match=r"the scheduler at tcp://\S+ has dask .*, not 0\.1: install"):
        write(tmp_path / "out.zarr", ToyTask(), workers=executor)


def test_workers_that_do_not_see_the_folder_are_refused(
    tmp_path: Path, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as on machines that share nothing, the probe is not there for the workers
    monkeypatch.setattr(cluster, "_probe", lambda job: contextlib.nullcontext())
    with pytest.raises(StoreError, match=r"tcp://\S+ does not fit: it does not see '.*out\.zarr\.partial': write to a"):
        write(tmp_path / "out.zarr", ToyTask(), workers=executor)


def test_a_missing_scheduler_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not finished: no scheduler answers at tcp://.*or wait until it is back$"):
        write(tmp_path / "out.zarr", ToyTask(), workers=DaskExecutor("tcp://127.0.0.1:9", patience=1))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_scheduler_leaves_finished_chunks(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "out.zarr"
    with pytest.raises(StoreError, match="1 of 5 chunks are kept"):
        write(out, ToyTask("raise", at=1))
    with pytest.raises(
        StoreError, match=r"no scheduler answers .*\. 1 of 5 chunks are kept in '.*out\.zarr\.partial': run"
    ):
        write(out, ToyTask(), workers=DaskExecutor("tcp://127.0.0.1:9", patience=1))
    assert write(out, ToyTask()).n_resumed_events == SIZE
    assert files(out) == files(whole)


@contextlib.contextmanager
def running(*command: object) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def scheduler_at(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen, str]]:
    file = folder / f"scheduler-{time.monotonic_ns()}.json"
    options = ("--host", "127.0.0.1", "--port", port, "--no-dashboard", "--scheduler-file", file)
    with running("distributed.cli.dask_scheduler", *options) as process:
        wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        yield process, json.loads(file.read_text())["address"]


def worker_of(address: str):
    return running("distributed.cli.dask_worker", address, "--nthreads", 2, "--no-dashboard", "--no-nanny")


def test_a_scheduler_may_die_and_come_back(tmp_path: Path) -> None:
    path, log = tmp_path / "out.zarr", tmp_path / "log"
    with contextlib.ExitStack() as stack:
        first, address = stack.enter_context(scheduler_at(tmp_path, 0))
        stack.enter_context(worker_of(address))

        def replace() -> None:
            wait_for(lambda: len(list((tmp_path / "out.zarr.partial" / "done").glob("*.json"))) >= 2)
            first.kill()
            first.wait()
            stack.enter_context(scheduler_at(tmp_path, int(address.rsplit(":", 1)[1])))
            stack.enter_context(worker_of(address))

        thread = threading.Thread(target=replace)
        thread.start()
        with pytest.warns(CampaignWarning, match=rf"the scheduler at {address} is lost; waiting up to 60 s for anoth"):
            write(path, ToyTask(delay=0.3, log=log), n_events=60, workers=DaskExecutor(address, patience=60))
        thread.join()
    write(tmp_path / "one.zarr", ToyTask(), n_events=60)
    assert files(path) == files(tmp_path / "one.zarr")


def test_a_scheduler_without_workers_is_waited_for_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "UNTOLD", 0.5)
    with (
        scheduler_at(tmp_path, 0) as (_, address),
        pytest.warns(CampaignWarning, match="waiting for workers of tcp"),
        pytest.raises(StoreError, match=r"has had no worker for 1 s; start some \(dask worker ADDRESS\)"),
    ):
        write(tmp_path / "out.zarr", ToyTask(), workers=DaskExecutor(address, patience=1))


def test_ctrl_c_keeps_chunks_and_leaves_no_process(tmp_path: Path, whole: Path) -> None:
    path, log, here = tmp_path / "stopped.zarr", tmp_path / "log", Path(__file__).parents[1]
    command = [sys.executable, here / "toy_events.py", path, N, SIZE, "local:2", 0.4]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_for(lambda: len(list((tmp_path / "stopped.zarr.partial" / "done").glob("*.json"))) >= 2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group gets it
        _, output = process.communicate(timeout=120)
        pids = {int(name.name.split("-")[1]) for name in log.iterdir()}
        wait_for(lambda: not any(alive(pid) for pid in pids), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == 130, output
    assert "of 5 chunks are kept" in output
    assert "Traceback" not in output
    write(path, ToyTask())
    assert files(path) == files(whole)


def test_what_a_scheduler_may_be() -> None:
    with executor_for(None, 3) as found:
        assert found == 3
    with executor_for("tcp://10.0.0.1:8786") as found:
        assert found == DaskExecutor("tcp://10.0.0.1:8786")
    with pytest.raises(ValueError, match=r"its own workers: leave the number of workers \(--workers\) out"):
        executor_for("local", 2).__enter__()
    with pytest.raises(ValueError, match=r"no scheduler 'elsewhere': give an address .* or a settings file"):
        executor_for("elsewhere").__enter__()
    with pytest.raises(ValueError, match="the local cluster must be at least 1, not 0"):
        executor_for("local:0").__enter__()


def test_a_scheduler_needs_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'simulacra\[cluster\]'"):
        executor_for("local").__enter__()


@pytest.mark.geant4
def test_geant4_runs_on_workers(tmp_path: Path, local: LocalWorkers) -> None:
    import simulacra

    asked = {"geometry": "calogan", "particle": "e+", "energy": "log:1:2", "seed": 4, "chunk_size": 2}
    for name, where in (("one.zarr", {}), ("cluster.zarr", {"scheduler": local.scheduler_address})):
        simulacra.simulate("geant4", tmp_path / name, 4, progress=False, **asked, **where)
    stores = [open_events(tmp_path / name).load() for name in ("one.zarr", "cluster.zarr")]
    xr.testing.assert_equal(*stores)
