"""What a worker of a cluster does: checks that it fits, and hands tasks to a process of its own for each thread."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from importlib import metadata
from multiprocessing import Pipe
from os import getpid
from pathlib import Path
from typing import Final, Literal

from simulacra.processes import end_of
from simulacra.version import __version__

#: packages whose versions must be those of the command, as far as it has them
ALIKE: Final = (
    *("numpy", "dask", "distributed", "zarr", "xarray", "torch", "geant4-pybind", "pythia8mc"),
    *("fastjet", "onnxruntime", "scipy"),
)
#: how long a new file may need to be seen through a network file system [s]
SEEN_WITHIN: Final = 5.0


@dataclass(frozen=True)
class Job:
    """What a worker must know of a command's tasks.

    Attributes
    ----------
    name:
        a random name, which is also the content of the probe.
    task:
        the pickled function.
    versions:
        of Python, of this package and of others, by their names.
    shared:
        a folder that workers must see, which holds the probe.
    folder, search_path, environment:
        of the command.
    """

    name: str
    task: bytes
    versions: dict[str, str]
    shared: str | None
    folder: str
    search_path: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What became of a task: "done" with its pickled result, "died" or "refused" with a reason."""

    kind: Literal["done", "died", "refused"]
    worker: str
    content: bytes = b""
    reason: str = ""


@dataclass(eq=False)
class _Child:
    """A process that runs tasks (:mod:`simulacra.campaigns.child`)."""

    job: Job
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._connection, theirs = Pipe()
        start = f"import sys; sys.path[:] = {sys.path!r}; from simulacra.campaigns.child import main; main()"
        command = [sys.executable, "-c", start, str(theirs.fileno()), str(getpid())]
        try:
            # no process of multiprocessing: a worker with a nanny is a daemon, which may have no such children
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        finally:
            theirs.close()
        self._told = False

    def usable(self, job: Job) -> bool:
        """Return whether it is alive and has this task."""
        return self.job.name == job.name and self.process.poll() is None

    def run(self, item: bytes) -> bytes:
        """Run the task for one item (EOFError, OSError if the process ends)."""
        if not self._told:
            self._connection.send(("task", self.job))
            self._told = True
        self._connection.send(("item", item))
        return self._connection.recv_bytes()

    def end(self) -> int:
        """End the process and return its exit code."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(0.5)
        self.process.kill()
        return self.process.wait()


_of_thread = threading.local()
_children: set[_Child] = set()
_fits: dict[str, str] = {}
_ended: set[str] = set()


def run_on_worker(job: Job, item: bytes) -> Answer:
    """Run a task for one item in the process of this thread."""
    from distributed import get_worker

    worker = f"{get_worker().address}"
    if job.name in _ended:
        return Answer("died", worker, reason="was ended with its command")
    if job.name not in _fits:
        _fits[job.name] = misfit(job)
    if _fits[job.name]:
        return Answer("refused", worker, reason=_fits[job.name])
    child: _Child | None = getattr(_of_thread, "child", None)
    if child is None or not child.usable(job):
        if child is not None:
            _forget(child)
        child = _of_thread.child = _Child(job)
        _children.add(child)
    try:
        return Answer("done", worker, child.run(item))
    except (EOFError, OSError):
        _of_thread.child = None
        return Answer("died", worker, reason=f"{end_of(_forget(child))} on {socket.gethostname()}")


def misfit(job: Job) -> str:
    """Return why this worker does not fit to the command, or an empty text."""
    here = versions()
    other = [
        f"{name} {here.get(name, 'is absent')}, not {wanted}"
        for name, wanted in job.versions.items()
        if here.get(name) != wanted
    ]
    if other:
        return f"it has {', '.join(other)}: install what the command has"
    if job.shared is None:
        return ""
    until = time.monotonic() + SEEN_WITHIN
    while not (there := _holds(job.shared, job.name)) and time.monotonic() < until:
        time.sleep(0.2)
    if not there:
        return f"it does not see '{job.shared}': write to a folder that all machines share"
    if "://" in job.shared:
        return ""
    own = Path(job.shared) / f".{probe(job.name)}.{uuid.uuid4().hex}"
    try:
        own.write_text(job.name, encoding="utf-8")
        own.unlink()
    except OSError as error:
        return f"it cannot write to '{job.shared}' ({error.strerror})"
    return ""


def probe(name: str) -> str:
    """Return the name of the file by which workers see that they share a folder with the command."""
    return f"probe-{name}"


def _holds(folder: str, name: str) -> bool:
    if "://" in folder:
        from simulacra.store.objects import Objects

        # whatever is wrong with the network or the credentials here
        with contextlib.suppress(Exception):
            return Objects.at(folder).read(probe(name)) == name.encode()
        return False
    try:
        return (Path(folder) / probe(name)).read_text(encoding="utf-8") == name
    except OSError:
        return False


def versions() -> dict[str, str]:
    """Return the versions that decide the bytes of events, and whether programs understand each other."""
    found = {"simulacra": __version__, "Python": ".".join(map(str, sys.version_info[:2]))}
    for name in ALIKE:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def end_children(name: str) -> None:
    """End the processes of a command's tasks, running or idle, and begin no others for it."""
    _ended.add(name)
    for child in list(_children):
        if child.job.name == name:
            child.process.kill()


def _forget(child: _Child) -> int:
    _children.discard(child)
    return child.end()
