"""Settings files of clusters: this machine, Slurm or HTCondor."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from simulacra.settings import CheckedSettings, faults_of, toml_of

#: a scheduler may be lost for so long [s]
PATIENCE: Final = 600.0
#: Slurm's: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS
WALLTIME: Final = re.compile(r"\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}|UNLIMITED|INFINITE", re.IGNORECASE)


def _bytes(text: str) -> str:
    from dask.utils import parse_bytes

    try:
        # without a unit, Dask takes it for bytes
        number = parse_bytes(text) if text.strip()[-1:].isalpha() else 0
    except ValueError:
        number = 0
    if number <= 0:
        raise ValueError("a number of bytes above 0 with its unit is needed, such as 16GB or 500MiB")
    return text


def _walltime(text: str) -> str:
    if not WALLTIME.fullmatch(text) or not re.search(r"[1-9a-z]", text, re.IGNORECASE):
        raise ValueError("a time above 0 as Slurm writes it is needed: minutes, HH:MM:SS or D-HH:MM:SS")
    return text


Bytes = Annotated[str, AfterValidator(_bytes)]
Walltime = Annotated[str, AfterValidator(_walltime)]


class _Cluster(CheckedSettings):
    jobs: PositiveInt
    patience: PositiveFloat = PATIENCE


class LocalSettings(_Cluster):
    """Workers on this machine: ``jobs`` is their number."""

    kind: Literal["local"]
    jobs: PositiveInt = Field(default_factory=lambda: os.cpu_count() or 1)


class _Batch(_Cluster):
    """The options of dask-jobqueue that all batch systems have, by its names."""

    cores: PositiveInt
    memory: Bytes
    processes: PositiveInt | None = None
    local_directory: str | None = None
    log_directory: str | None = None
    job_extra_directives: tuple[str, ...] | None = None
    job_directives_skip: tuple[str, ...] | None = None
    job_script_prologue: tuple[str, ...] | None = None
    worker_extra_args: tuple[str, ...] | None = None
    interface: str | None = None
    protocol: str | None = None
    python: str | None = None
    shebang: str | None = None
    job_name: str | None = None
    death_timeout: PositiveFloat | None = None
    scheduler_options: dict[str, str | int] | None = None
    # The first worker may wait in the queue for days.
    patience: PositiveFloat = 7 * 24 * 3600.0

    def options(self) -> dict[str, Any]:
        """Return the given options of dask-jobqueue."""
        given = self.model_dump(exclude={"kind", "jobs", "patience"}, exclude_none=True)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


class SlurmSettings(_Batch):
    """Jobs of Slurm."""

    kind: Literal["slurm"]
    queue: str | None = None
    account: str | None = None
    # without it, that of dask-jobqueue: half an hour
    walltime: Walltime | None = None
    job_cpu: PositiveInt | None = None
    job_mem: Bytes | None = None


class HTCondorSettings(_Batch):
    """Jobs of HTCondor."""

    kind: Literal["htcondor"]
    disk: Bytes
    # keys and values of the submit file
    job_extra_directives: dict[str, str] | None = None  # type: ignore[assignment]
    submit_command_extra: tuple[str, ...] | None = None
    cancel_command_extra: tuple[str, ...] | None = None


Settings = LocalSettings | SlurmSettings | HTCondorSettings
KINDS: Final = ("local", "slurm", "htcondor")
_CHECK: Final[TypeAdapter[Settings]] = TypeAdapter(Annotated[Settings, Field(discriminator="kind")])


def read_settings(path: Path) -> Settings:
    """Return the settings in a TOML file.

    Raises
    ------
    ValueError
        with the place in the file, if it is wrong.
    """
    try:
        return _CHECK.validate_python(toml_of(path))
    except FileNotFoundError:
        raise ValueError(f"there is no settings file '{path}' of a cluster") from None
    except ValidationError as error:
        raise ValueError(f"{path}: {faults_of(error, KINDS)}") from None
    except ValueError as error:
        raise ValueError(f"{error}: give a settings file of a cluster") from None


def job_script(settings: Settings) -> str:
    """Return the script of one job, with a placeholder for the scheduler's address.

    Raises
    ------
    ValueError
        if the cluster has no jobs.
    """
    if settings.kind == "local":
        raise ValueError("the workers of a local cluster are no jobs of a batch system: they have no script")
    options = settings.options()
    options.pop("scheduler_options", None)
    script: str = _job(settings)("tcp://SCHEDULER:PORT", name="simulacra", **options).job_script()
    return script


def _job(settings: SlurmSettings | HTCondorSettings) -> Any:
    if settings.kind == "slurm":
        from dask_jobqueue.slurm import SLURMJob

        return SLURMJob
    from dask_jobqueue.htcondor import HTCondorJob

    return HTCondorJob


def batch_cluster(settings: SlurmSettings | HTCondorSettings) -> Any:
    """Return a cluster of dask-jobqueue, which submits the jobs."""
    from dask_jobqueue.htcondor import HTCondorCluster
    from dask_jobqueue.slurm import SLURMCluster

    kind = SLURMCluster if settings.kind == "slurm" else HTCondorCluster
    cluster: Any = kind(**settings.options())
    cluster.scale(jobs=settings.jobs)
    return cluster
