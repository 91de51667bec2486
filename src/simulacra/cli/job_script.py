"""``simulacra job-script``: the script of the jobs that a settings file of a cluster describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def job_script(
    settings: Annotated[Path, typer.Argument(help="Settings file (.toml) of a cluster of Slurm or HTCondor.")],
) -> None:
    """Print the script of one job of a cluster, as --scheduler SETTINGS would submit it. Nothing is submitted."""
    from simulacra.campaigns.settings import job_script, read_settings

    typer.echo(job_script(read_settings(settings)))
