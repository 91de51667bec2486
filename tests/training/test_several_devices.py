"""The loop on two processes, as on two devices."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulacra.training.devices import MicroBatches, fabric_of, n_processes, without_places
from simulacra.training.settings import SettingsError, TrainingSettings
from tiny_calogan import toy_experiment, toy_train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of runs on two processes."""
    folder = tmp_path_factory.mktemp("two-processes")
    script = Path(__file__).parents[1] / "tiny_two_processes.py"
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def curve(run: Path) -> np.ndarray:
    """Return losses and scores of each validation, (validations, columns)."""
    names = [name for name in rows(run)[0] if name.startswith("loss/") or name == "score"]
    assert len(names) >= 3
    return np.array([[row[name] for name in names] for row in rows(run)])


def test_two_processes_train_one_network_and_continue_bit_for_bit(two_processes: Path) -> None:
    ranks = [json.loads((two_processes / f"rank-{i}.json").read_text(encoding="utf-8")) for i in range(2)]
    assert ranks[0] == ranks[1], "the processes hold different weights"
    assert ranks[0]["stopped"] == ranks[0]["whole"], "the run that was stopped ended elsewhere"
    for name in ("whole", "stopped"):
        assert [row["step"] for row in rows(two_processes / name)] == [4, 8], "patience ran out at the second"
        record = json.loads((two_processes / name / "record.json").read_text(encoding="utf-8"))
        assert record["training"]["steps"] == 8


def test_one_process_has_the_loss_curve_of_two(two_processes: Path, tmp_path: Path) -> None:
    toy_train(tmp_path, toy_experiment(micro_batches=2))
    assert [row["step"] for row in rows(tmp_path)] == [4, 8, 12]
    np.testing.assert_allclose(curve(tmp_path), curve(two_processes / "judged"), rtol=2e-4)
    other = tmp_path / "other"
    toy_train(other, toy_experiment(micro_batches=4))
    assert np.abs(curve(other) / curve(tmp_path) - 1).max() > 2e-3, "other random numbers would show"


def test_a_run_of_two_processes_goes_on_in_one(two_processes: Path) -> None:
    left = two_processes / "left"
    with pytest.raises(ValueError, match=r"training\.micro_batches: 2 then, 1 now"):
        toy_train(left, toy_experiment())
    toy_train(left, toy_experiment(micro_batches=2))
    np.testing.assert_allclose(curve(left), curve(two_processes / "judged"), rtol=2e-4)


def test_sixteen_bits_follow_the_curve_of_thirty_two(two_processes: Path, tmp_path: Path) -> None:
    toy_train(tmp_path, toy_experiment(micro_batches=2, precision="bf16-mixed"))
    # the products of two processes are added in another order, and rounded to 3 digits
    np.testing.assert_allclose(curve(tmp_path), curve(two_processes / "bf16"), rtol=0.05)
    exact = curve(two_processes / "judged")
    assert np.any(curve(tmp_path) != exact)
    np.testing.assert_allclose(curve(tmp_path), exact, rtol=0.1)


def test_torchrun_starts_the_command_line(tmp_path: Path) -> None:
    """As on a cluster: torchrun decides how many processes there are."""
    from simulacra.systems import system
    from simulacra.workflows.train import train

    experiment = system("calogan").example(tmp_path)
    file = tmp_path / "experiment.toml"
    lines = [f'name = "{experiment["name"]}"']
    for table in ("data", "system", "training"):
        lines += [f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in experiment[table].items())]
    file.write_text("\n".join([*lines, "threads = 1"]), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    command += ["-m", "simulacra", "train", str(file), "-o", str(tmp_path / "two"), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights in") == 1, "one process tells the end"
    train(file, tmp_path / "one", overrides=["training.micro_batches=2"], progress=False)
    np.testing.assert_allclose(curve(tmp_path / "two"), curve(tmp_path / "one"), rtol=2e-4)


def settings(**given: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"batch_size": 12} | given)


def test_each_event_of_a_batch_is_in_one_part() -> None:
    import torch

    batch = torch.arange(12) * 10
    shares = [MicroBatches.of(settings(micro_batches=6), 3, rank) for rank in range(3)]
    assert [list(one.mine) for one in shares] == [[0, 3], [1, 4], [2, 5]]
    parts = [one.of_batch(batch, part) for one in shares for part in one.mine]
    assert {len(part) for part in parts} == {2}
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()


@pytest.mark.parametrize(
    ("given", "processes", "message"),
    [
        ({"micro_batches": 3}, 2, "micro_batches = 3 cannot be shared equally by 2 processes: ask for a multiple of 2"),
        ({"micro_batches": 5}, 1, "batch_size = 12 cannot be divided into 5 equal parts .* change it, to 10 for"),
        ({"micro_batches": 12}, 1, "batch_size = 12 cannot be divided into 12 equal parts of at least two events"),
        ({}, 5, "batch_size = 12 cannot be divided into 5 equal parts"),
    ],
)
def test_a_division_that_does_not_work_out_is_refused(given: Any, processes: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        MicroBatches.of(settings(**given), processes, 0)


def test_too_few_events_for_the_parts_are_refused(tmp_path: Path) -> None:
    from simulacra.training.schedule import batch_size_of

    asked = settings(micro_batches=6)
    with pytest.raises(SettingsError, match=r"11 training events are too few for batches in 6 parts"):
        batch_size_of(asked, 11, 6)
    with pytest.warns(UserWarning, match="each step uses 8;"):
        assert batch_size_of(settings(micro_batches=4), 11, 4) == 8


def test_torchrun_decides_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_torchelastic_launched", lambda: True)
    for name, value in (("WORLD_SIZE", 6), ("LOCAL_WORLD_SIZE", 3)):
        monkeypatch.setitem(os.environ, name, str(value))
    assert n_processes(settings()) == 6
    with pytest.raises(SettingsError, match=r"devices = 2, but torchrun started 3 processes on this machine"):
        fabric_of(settings(devices=2))


def test_where_a_run_is_trained_is_no_part_of_it() -> None:
    def identity(**training: Any) -> dict[str, Any]:
        return {"settings": {"name": "x", "training": {"steps": 3} | training}, "data": "y"}

    here, there = identity(devices=2, accelerator="cpu"), identity(devices=1, accelerator="gpu", micro_batches=2)
    assert without_places(here) == without_places(there)
    assert without_places(here) != without_places(identity(devices=1))
    assert without_places({"settings": "damaged"}) == {"settings": "damaged"}
