"""What runs a task for each of many items: this process, several processes, or the workers of a cluster."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

from simulacra.settings import whole_number
from simulacra.store.workers import Workers, attempt

Item = TypeVar("Item")
Result = TypeVar("Result")


class ExecutorError(RuntimeError):
    """Nothing runs the tasks: the message says why, and what to do."""


class Executor(Protocol):
    """Runs a task for each of many items and yields those that are finished, in the order of completion.

    A task may run more than once for an item, and twice at once, if a worker was lost; each item is yielded once.
    """

    @property
    def tasks_here(self) -> int:
        """The number of tasks that run at once in the memory of this machine."""
        ...

    @property
    def elsewhere(self) -> bool:
        """Whether tasks run in processes of other machines, with which only folders are shared."""
        ...

    def run(
        self, task: Callable[[Item], Result], items: Iterable[Item], *, shared: str | None = None
    ) -> Generator[tuple[Item, Result]]:
        """Yield each item with the result of ``task(item)``; an item is taken only shortly before its task starts.

        Parameters
        ----------
        task:
            picklable, to run in other processes.
        shared:
            a folder that every task must see and write to.

        Raises
        ------
        simulacra.store.workers.ChunkError
            with the item whose task raised, or whose process died.
        ExecutorError
            if there is nothing that could run the tasks.
        """
        ...


@dataclass(frozen=True)
class ThisProcess:
    """Runs the tasks one after the other."""

    tasks_here: int = 1
    elsewhere: bool = False

    def run(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        shared: str | None = None,  # noqa: ARG002 - the folders of this machine
    ) -> Generator[tuple[Item, Result]]:
        """Yield each item when its task is done."""
        for item in items:
            result, failure = attempt(task, item)
            if failure is not None:
                raise failure
            yield item, result


@dataclass(frozen=True)
class Processes:
    """Runs the tasks in processes of this machine, each of which runs many."""

    tasks_here: int
    elsewhere: bool = False

    def run(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        shared: str | None = None,  # noqa: ARG002 - the folders of this machine
    ) -> Generator[tuple[Item, Result]]:
        """Yield each item when its task is done."""
        yield from Workers(task, self.tasks_here).run(items)


def executor_of(workers: int | Executor, *, in_process: bool = True) -> Executor:
    """Return what runs tasks, from a number of processes.

    Parameters
    ----------
    in_process:
        whether a single worker is this process.

    Raises
    ------
    ValueError
        if there is no worker.
    """
    if hasattr(workers, "run"):
        return cast("Executor", workers)
    if (number := whole_number(workers, "the number of workers")) < 1:
        raise ValueError(f"at least one worker is needed, not {workers}")
    return ThisProcess() if number == 1 and in_process else Processes(number)


@contextlib.contextmanager
def folder_for_tasks(workers: int | Executor) -> Iterator[Path]:
    """Give a temporary folder that all tasks see: in the working folder if they run on other machines."""
    elsewhere = executor_of(workers).elsewhere
    place = Path.cwd() if elsewhere else None
    with tempfile.TemporaryDirectory(prefix=".simulacra-" if elsewhere else "simulacra-", dir=place) as folder:
        yield Path(folder)
