import errno
import re
from pathlib import Path

import pytest

from simulacra.campaigns import executor_for
from simulacra.campaigns.cluster import DaskExecutor
from simulacra.campaigns.settings import LocalSettings, SlurmSettings, job_script, read_settings

SLURM = """
kind = "slurm"
jobs = 20
cores = 8
memory = "16GB"
queue = "long"
account = "atlas"
walltime = "12:00:00"
job_extra_directives = ["--constraint=avx2"]
job_script_prologue = ["source /cvmfs/setup.sh"]
"""
HTCONDOR = """
kind = "htcondor"
jobs = 100
cores = 1
memory = "2GB"
disk = "10GB"
job_extra_directives = { "+JobFlavour" = '"tomorrow"' }
"""


def settings_in(folder: Path, text: str):
    path = folder / "cluster.toml"
    path.write_text(text)
    return read_settings(path)


def test_the_script_of_a_slurm_job_holds_the_settings(tmp_path: Path) -> None:
    found = settings_in(tmp_path, SLURM)
    assert isinstance(found, SlurmSettings)
    assert found.jobs == 20
    lines = job_script(found).splitlines()
    assert {
        "#SBATCH -p long",
        "#SBATCH -A atlas",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH -t 12:00:00",
        "#SBATCH --constraint=avx2",
        "source /cvmfs/setup.sh",
    } <= set(lines)
    assert "dask worker tcp://SCHEDULER:PORT" in lines[-1].replace("distributed.cli.dask_worker", "dask worker")


def test_the_submit_file_of_an_htcondor_job_holds_the_settings(tmp_path: Path) -> None:
    script = job_script(settings_in(tmp_path, HTCONDOR))
    assert "MY.DaskWorkerDisk = 10000000000" in script
    assert '+JobFlavour = "tomorrow"' in script
    assert "tcp://SCHEDULER:PORT" in script


def test_a_local_cluster_has_its_number_of_workers(tmp_path: Path) -> None:
    assert settings_in(tmp_path, 'kind = "local"\njobs = 3').jobs == 3
    assert LocalSettings(kind="local").jobs >= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SLURM.replace("queue", "que"), r"cluster\.toml: que: Extra inputs are not permitted \(given: 'long'\)"),
        (SLURM.replace("jobs = 20", "jobs = 0"), r"cluster\.toml: jobs: Input should be greater than 0"),
        (SLURM.replace("jobs = 20\n", ""), r"cluster\.toml: jobs: Field required"),
        (HTCONDOR.replace("disk", "walltime"), r"disk: Field required; walltime: Extra inputs"),
        ('kind = "pbs"\njobs = 1', r"does not match any of the expected tags: 'local', 'slurm', 'htcondor'"),
        (SLURM.replace("16GB", "banana"), r"cluster\.toml: memory: a number of bytes .* \(given: 'banana'\)"),
        (SLURM.replace("16GB", "16"), r"memory: a number of bytes above 0 with its unit .* \(given: '16'\)"),
        (HTCONDOR.replace("10GB", "1e10"), r"disk: a number of bytes above 0 with its unit"),
        (SLURM.replace("16GB", "-1GB"), r"memory: a number of bytes above 0 with its unit is needed, such as 16GB"),
        (HTCONDOR.replace("10GB", "x"), r"cluster\.toml: disk: a number of bytes above 0"),
        (SLURM.replace("12:00:00", "banana"), r"walltime: a time above 0 as Slurm writes it .* \(given: 'banana'\)"),
        (SLURM.replace("12:00:00", "1-2-3"), r"walltime: a time above 0"),
        (SLURM.replace("12:00:00", "00:00:00"), r"walltime: a time above 0"),
        ("kind = ", r"cluster\.toml is not a TOML file: .*: give a settings file of a cluster$"),
        ("kind = " + "[" * 5000 + "]" * 5000, r"cluster\.toml is not a TOML file: "),
        ("jobs = " + "1" * 5000, r"cluster\.toml is not a TOML file: .*digits"),
    ],
)
def test_wrong_settings_are_refused_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings_in(tmp_path, text)


def test_a_missing_settings_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no settings file '.*none\.toml' of a cluster"):
        read_settings(tmp_path / "none.toml")


@pytest.mark.parametrize("walltime", ["90", "30:00", "12:00:00", "2-12", "2-12:30", "2-12:30:00", "UNLIMITED"])
def test_walltimes_are_those_of_slurm(tmp_path: Path, walltime: str) -> None:
    assert settings_in(tmp_path, SLURM.replace("12:00:00", walltime)).walltime == walltime


def test_a_job_of_slurm_without_a_walltime_has_half_an_hour(tmp_path: Path) -> None:
    assert "#SBATCH -t 00:30:00" in job_script(settings_in(tmp_path, SLURM.replace('walltime = "12:00:00"', "")))


def test_a_folder_as_settings_file_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="is a folder, not a TOML file: give a settings file of a cluster"),
        executor_for(tmp_path),
    ):
        pass


def test_a_settings_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    # the tests may run as root, who may read everything
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ValueError, match=r"cluster\.toml cannot be read: Permission denied: give a settings file of a"):
        read_settings(tmp_path / "cluster.toml")


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://:8786",
        "tcp://127.0.0.1:http",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://tcp://127.0.0.1:8786",
        "tcp://[::1:8786",
        "tcp:/127.0.0.1:8786",
        "ws://127.0.0.1:8786/page",
    ],
)
def test_addresses_without_a_host_and_a_port_are_refused(address: str) -> None:
    kind = address.partition(":")[0]
    with (
        pytest.raises(
            ValueError, match=rf"'{re.escape(address)}' is not the address .*, as in {kind}://10\.0\.0\.1:8786"
        ),
        executor_for(address),
    ):
        pass


@pytest.mark.parametrize("address", ["tcp://node-1.example.org:8786", "tls://[::1]:1", "ws://10.0.0.1:65535"])
def test_addresses_are_taken(address: str) -> None:
    with executor_for(address) as executor:
        assert isinstance(executor, DaskExecutor)
        assert executor.address == address


@pytest.mark.parametrize("name", ["127.0.0.1:8786", "http://127.0.0.1:8787", "locale"])
def test_what_is_no_scheduler_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(ValueError, match=rf"there is no scheduler '{name}': give an address"), executor_for(name):
        pass
