"""``--scheduler`` and ``simulacra job-script``."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from typer.testing import CliRunner

from object_store import s3_server
from simulacra.cli import main
from simulacra.store import open_events
from simulacra.workflows.train import read_sample


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main.app, list(map(str, arguments)), env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def chunks(store: Path) -> dict[str, bytes]:
    """Return all but the metadata, which hold the measured time."""
    found = {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if name != "zarr.json"}


def test_a_cluster_simulates_and_generates_what_one_process_does(tmp_path: Path) -> None:
    scheduler = tmp_path / "cluster.toml"
    scheduler.write_text('kind = "local"\njobs = 1\n')
    shower = ("simulate", "shower", "--energy", "50", "-n", "40", "--seed", "2", "--chunk-size", "20")
    generate = ("generate", "calogan-eplus", "-n", "150", "--batch-size", "64", "--energy", "50")
    for number, command in enumerate((shower, generate)):
        one, many = tmp_path / f"one-{number}.zarr", tmp_path / f"many-{number}.zarr"
        assert run(*command, one)[0] == 0
        code, _, stderr = run(*command, many, "--scheduler", scheduler)
        assert code == 0, stderr
        assert chunks(many) == chunks(one)


def test_commands_take_addresses_of_object_stores(tmp_path: Path) -> None:
    with s3_server():
        z, seen, made = (f"s3://events/{name}.zarr" for name in ("z", "seen", "made"))
        code, stdout, stderr = run("simulate", "pythia", "--process", "z-to-dijets", "-n", "20", "--seed", "1", z)
        assert code == 0, stderr
        assert f"z-to-dijets events in {z}: " in stdout
        code, _, stderr = run("simulate", "detector", z, seen, "--seed", "2")
        assert code == 0, stderr
        assert open_events(seen)["event"].values.tolist() == list(range(20))
        generate = ("generate", "calogan-eplus", "-n", "100", "--energy", "50")
        code, stdout, stderr = run(*generate, made)
        assert code == 0, stderr
        assert f"100 events of calogan-eplus in {made}" in stdout
        assert run(*generate, tmp_path / "disk.zarr")[0] == 0
        xr.testing.assert_equal(read_sample(made).load(), open_events(tmp_path / "disk.zarr"))
        code, _, stderr = run(*generate, "s3://events/x.h5", "--format", "calochallenge")
        assert code == 2
        assert "a file of the format calochallenge is written to a disk, not to 's3://events/x.h5'" in stderr
        code, _, stderr = run("simulate", "detector", z, z, "--seed", "2")
        assert code == 2
        assert f"'{z}' would overwrite its own source" in stderr


def test_a_scheduler_has_its_own_workers(tmp_path: Path) -> None:
    fields = ("simulate", "fields", "-n", "4", "--seed", "1", tmp_path / "x.zarr")
    code, _, stderr = run(*fields, "--scheduler", "local", "--workers", "2")
    assert code == 2
    assert "leave the number of workers (--workers) out" in stderr
    code, _, stderr = run(*fields, "--scheduler", "nowhere")
    assert code == 2
    assert "there is no scheduler 'nowhere': give an address" in stderr


def test_the_script_of_a_job_is_printed(tmp_path: Path) -> None:
    settings = tmp_path / "slurm.toml"
    settings.write_text('kind = "slurm"\njobs = 2\ncores = 4\nmemory = "8GB"\nqueue = "long"\n')
    code, stdout, stderr = run("job-script", settings)
    assert code == 0, stderr
    assert "#SBATCH -p long" in stdout.splitlines()
    settings.write_text('kind = "local"')
    code, _, stderr = run("job-script", settings)
    assert code == 2
    assert "no jobs of a batch system" in stderr
