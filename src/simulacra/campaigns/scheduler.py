"""What ``--scheduler`` names: an address, this machine, or a settings file of a cluster."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from simulacra.campaigns.cluster import CampaignWarning, DaskExecutor
from simulacra.campaigns.connection import is_address, local_kind, refuse_other_security
from simulacra.campaigns.local import LocalWorkers
from simulacra.campaigns.settings import LocalSettings, Settings, batch_cluster, read_settings
from simulacra.settings import whole_number
from simulacra.store.executors import Executor, executor_of

__all__ = ["CampaignWarning", "executor_for"]

LOCAL: Final = re.compile(r"local(:(\d+))?")

#: what is named by --scheduler, for messages
WAYS: Final = "an address (tcp://HOST:PORT), local, local:N (N workers), or a settings file (.toml)"


@contextlib.contextmanager
def executor_for(scheduler: str | os.PathLike[str] | None, workers: int = 1) -> Iterator[int | Executor]:
    """Give what runs tasks: the number of processes, or the workers of a cluster.

    A cluster that is begun here ends with the block.

    Parameters
    ----------
    scheduler:
        the address of a Dask scheduler, "local" or "local:N" for a cluster on this machine, a settings file
        (:mod:`simulacra.campaigns.settings`), or None for processes of this machine without Dask.
    workers:
        number of processes without a scheduler.

    Raises
    ------
    ValueError
        if both are given, or the scheduler or its settings cannot be understood.
    ImportError
        if Dask is not installed.
    simulacra.store.executors.ExecutorError
        if Dask's configuration does not allow the connection; later, if there is no such scheduler, or it has no
        workers.

    Examples
    --------
    >>> from simulacra.campaigns import executor_for
    >>> with executor_for("tcp://10.0.0.1:8786") as executor:
    ...     executor.address
    'tcp://10.0.0.1:8786'
    """
    executor_of(workers)
    if scheduler is None:
        yield workers
        return
    if whole_number(workers, "the number of workers") != 1:
        raise ValueError("the scheduler has its own workers: leave the number of workers (--workers) out")
    name = os.fspath(scheduler)
    try:
        import distributed  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ImportError("a scheduler needs Dask, which is not installed: pip install 'simulacra[cluster]'") from error
    if is_address(name):
        yield DaskExecutor(name)
        return
    if found := LOCAL.fullmatch(name):
        number = int(found[2]) if found[2] else os.cpu_count() or 1
        settings: Settings = LocalSettings(
            kind="local", jobs=whole_number(number, "the number of workers of the local cluster", 1)
        )
    elif Path(name).suffix == ".toml" or Path(name).exists():
        settings = read_settings(Path(name))
    else:
        raise ValueError(f"there is no scheduler '{name}': give {WAYS}")
    with begun(settings) as cluster:
        local = isinstance(settings, LocalSettings)
        yield DaskExecutor(
            cluster.scheduler_address,
            patience=settings.patience,
            tasks_here=settings.jobs if local else 1,
            elsewhere=not local,
        )


def begun(settings: Settings) -> Any:
    """Begin the cluster that a settings file describes; it ends with a ``with`` block."""
    if isinstance(settings, LocalSettings):
        kind = local_kind()
        refuse_other_security(kind, f"a cluster of this machine ({kind})", ("client", "scheduler", "worker"))
        return LocalWorkers(settings.jobs)
    kind = (settings.protocol or "tcp").partition(":")[0]
    refuse_other_security(kind, f"a cluster that is begun here ({kind})", ("client", "scheduler"))
    return batch_cluster(settings)
