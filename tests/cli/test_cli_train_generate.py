"""``simulacra train``, ``generate`` and ``systems``: what they print, what stops them, and how they continue."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import Result
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.conditions import Band
from simulacra.events import names
from simulacra.models.shower_gan import ShowerGenerator
from simulacra.store import open_events, write_events
from simulacra.systems import names as kinds
from simulacra.trained import load_members
from simulacra.training.checkpoint import read_metadata, read_model, read_state, save_model, save_tensors
from simulacra.training.conditions import is_condition
from tiny_calogan import SYSTEM, toy_showers

# Python's own answer to Ctrl-C also where the tests run in the background, where it is ignored.
PROGRAM = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
PROGRAM += "from simulacra.cli.main import run; run()"


def simulacra_command(*arguments: object) -> Result:
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


def one_line(text: str) -> str:
    return " ".join(text.split())


@contextlib.contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# train


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment ü")
    write_events(toy_showers(), folder / "Schauer.zarr")
    system = "\n".join(f"{key} = {json.dumps(value)}" for key, value in SYSTEM.items())
    (folder / "klein.toml").write_text(
        f'name = "klein"\n[data]\npath = "{folder}/Schauer.zarr"\n[system]\n{system}\n[training]\nsteps = 6\n'
        'batch_size = 16\nvalidate_every = 3\ncheckpoint_every = 1\nthreads = 1\naccelerator = "cpu"\n',
        encoding="utf-8",
    )
    return folder / "klein.toml"


def test_train_makes_a_run_folder_that_generates(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = simulacra_command("train", experiment, "--set", "system.latent=4")
    assert result.exit_code == 0, result.output
    said = r"klein: 6 steps in 0\.\d min, best validation \d\.\d{4} at step [36]; weights in runs/klein/model\.safeten"
    assert re.match(said, one_line(result.stdout))
    assert re.fullmatch(r"(step [36] of 6, validation .* min left\n){2}", result.stderr)
    run = tmp_path / "runs" / "klein"
    assert (run / "experiment.toml").read_text() == experiment.read_text()
    assert json.loads((run / "resolved.json").read_text())["system"]["latent"] == 4
    assert simulacra.load(run).sample(3, incident_energy=10.0, seed=1).sizes["event"] == 3
    again = simulacra_command("train", experiment, "--set", "system.latent=4", "--quiet")
    assert again.exit_code == 0
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (["training.stepz=3"], 2, "unknown key 'training.stepz'"),
        (["system.latnt=3"], 2, "unknown key 'latnt' (known: "),
        (["system.kind=caloflow"], 2, "there is no system of kind 'caloflow'; there are: calogan"),
        (["system.latent=0"], 2, "system: 'latent': Input should be greater than or equal to 1, not 0"),
        (["data.path=/absent/x.zarr"], 1, "there is no store '/absent/x.zarr'"),
        (["training.last_layer_snapshots=1"], 2, "last_layer_snapshots of 1 have no spread"),
        (["training.last_layer_snapshots=3"], 2, "3 last_layer_snapshots do not fit into the last quarter of 6 steps"),
        (["data.max_events=20"], 2, "Schauer.zarr leaves 3 validation events of 20: at least 8 are needed"),
        (["training.learning_rate=1e30"], 1, "lower training.learning_rate"),
    ],
)
def test_train_refuses_in_one_line(
    experiment: Path, tmp_path: Path, overrides: list[str], code: int, message: str
) -> None:
    options = [part for override in overrides for part in ("--set", override)]
    result = simulacra_command("train", experiment, "-o", tmp_path / "run", "--quiet", *options)
    assert message in one_line(result.stderr)
    assert result.stderr.startswith("error: ")
    assert result.exit_code == code
    assert result.stdout == ""
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_train_in_the_folder_of_another_run_is_refused(experiment: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert simulacra_command("train", experiment, "-o", run, "--quiet").exit_code == 0
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    result = simulacra_command("train", experiment, "-o", run, "--quiet", "--set", "seed=9")
    assert result.exit_code == 2
    assert "was started with other settings (seed: 1 then, 9 now): choose another folder" in one_line(result.stderr)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_ctrl_c_in_training_says_how_to_continue_and_it_does(experiment: Path, tmp_path: Path) -> None:
    run, long = tmp_path / "Lauf 粒子", ["--set", "training.steps=5000"]
    with started("train", experiment, "-o", run, *long) as process:
        wait_for((run / "resume.pt").exists, process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    last = said.strip().splitlines()[-1]
    assert re.fullmatch(
        rf"error: stopped at step \d+ of 5000, which is saved in {run}: the same command continues from there", last
    )
    step = read_state(run / "resume.pt")["progression"]["step"]
    assert f"step {step} of" in last
    assert not list(run.glob("*.new"))
    assert not (run / "record.json").exists()


def test_a_band_can_be_held_out_and_the_generator_tells(experiment: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = simulacra_command("train", experiment, "-o", run, "--quiet", "--hold-out", "energy:30:50")
    assert result.exit_code == 0, result.output
    assert simulacra.load(run).hold_out == (Band("incident_energy", 30, 50),)
    assert json.loads((run / "resolved.json").read_text())["data"]["hold_out"] == ["energy:30:50"]
    assert json.loads((run / "record.json").read_text())["description"]["hold_out"] == [["incident_energy", 30, 50]]
    other = simulacra_command("train", experiment, "-o", run, "--quiet", "--hold-out", "energy:30:60")
    assert other.exit_code == 2
    assert "was started with other settings (data.hold_out: ['energy:30:50'] then" in one_line(other.stderr)
    unknown = simulacra_command("train", experiment, "-o", tmp_path / "other", "--hold-out", "mass:1:2")
    assert unknown.exit_code == 2
    assert "the events have no condition 'mass'; their conditions are: incident_energy" in one_line(unknown.stderr)
    assert not (tmp_path / "other").exists()


@pytest.fixture(scope="module")
def ensemble(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("ensemble") / "run"
    result = simulacra_command("train", experiment, "-o", run, "--quiet", "--members", 2)
    assert result.exit_code == 0, result.output
    assert re.findall(r"klein, member (\d of \d): 6 steps", result.stdout) == ["1 of 2", "2 of 2"]
    return run


def test_members_differ_by_their_seeds_and_are_not_trained_twice(experiment: Path, ensemble: Path) -> None:
    records = [json.loads((ensemble / f"member-{k}" / "record.json").read_text()) for k in range(2)]
    assert [record["experiment"]["seed"] for record in records] == [1, 2]
    assert records[0]["training"]["data_sha256"] == records[1]["training"]["data_sha256"]
    before = [(ensemble / f"member-{k}" / "model.safetensors").stat().st_mtime_ns for k in range(2)]
    more = simulacra_command("train", experiment, "-o", ensemble, "--quiet", "--members", 3)
    assert more.exit_code == 0, more.output
    assert ["(complete before this command)" in line for line in more.stdout.splitlines()] == [True, True, False]
    assert [(ensemble / f"member-{k}" / "model.safetensors").stat().st_mtime_ns for k in range(2)] == before
    assert (ensemble / "member-2" / "record.json").exists()
    (ensemble / "member-2").rename(ensemble / "third")
    single = simulacra_command("train", experiment, "-o", ensemble, "--quiet")
    assert (single.exit_code, "holds an ensemble: continue with --members" in one_line(single.stderr)) == (2, True)
    within = simulacra_command("train", experiment, "-o", ensemble / "member-0", "--quiet", "--members", 2)
    assert (within.exit_code, "holds a single model: choose another folder" in one_line(within.stderr)) == (2, True)


def test_members_share_a_store_and_each_event_says_whose_it_is(ensemble: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.zarr"
    command = ["generate", ensemble, "-n", 301, "--energy", "log:1:100", "--seed", 3, "--quiet", "--batch-size", 70]
    result = simulacra_command(*command, path)
    assert result.exit_code == 0, result.output
    events = open_events(path, check=True).load()
    member = events["member"].values
    np.testing.assert_array_equal(member, np.repeat([0, 1], [150, 151]))
    assert names(events, "condition") == ["incident_energy"]
    for k, first, last in ((0, 0, 150), (1, 150, 301)):
        alone = simulacra.load(ensemble / f"member-{k}")
        expected = alone.sample(last - first, seed=3, first_event=first, incident_energy="log:1:100", exact=True)
        np.testing.assert_array_equal(events["shower"].values[member == k], expected["shower"].values)
        np.testing.assert_array_equal(events["event"].values[member == k], expected["event"].values)
    # Nor does the member of an event depend on how the work is divided.
    other = simulacra_command(*command[:-1], 301, tmp_path / "other.zarr")
    assert other.exit_code == 0, other.output
    np.testing.assert_array_equal(open_events(tmp_path / "other.zarr")["shower"].values, events["shower"].values)


def test_an_ensemble_is_not_one_generator(ensemble: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is an ensemble of 2: load one, such as '.*member-0', or all of them"):
        simulacra.load(ensemble)
    assert len(load_members(ensemble)) == 2
    assert len(load_members(ensemble / "member-0")) == 1
    few = simulacra_command("generate", ensemble, "-n", 1, tmp_path / "out.zarr")
    assert (few.exit_code, "1 events are too few for 2 members" in one_line(few.stderr)) == (2, True)
    drawn = simulacra_command("generate", ensemble, "-n", 10, "--last-layer-draws", 2, tmp_path / "out.zarr")
    assert (drawn.exit_code, "is already an ensemble" in one_line(drawn.stderr)) == (2, True)


def test_draws_of_the_last_layer_are_members_without_further_training(experiment: Path, tmp_path: Path) -> None:
    run, path = tmp_path / "run", tmp_path / "out.zarr"
    options = ["--set", "training.last_layer_snapshots=2", "--set", "training.steps=8", "--quiet"]
    assert simulacra_command("train", experiment, "-o", run, *options).exit_code == 0
    trained = simulacra.load(run)
    command = ["generate", run, "-n", 60, "--energy", "50", "--seed", 3, "--quiet", "--last-layer-draws", 3, path]
    assert simulacra_command(*command).exit_code == 0
    events = open_events(path).load()
    np.testing.assert_array_equal(events["member"].values, np.repeat([0, 1, 2], 20))
    drawn = [trained.with_last_layer(k) for k in range(3)]
    assert len({trained.weights_sha256, *(one.weights_sha256 for one in drawn)}) == 4
    again = trained.with_last_layer(1).sample(20, seed=3, first_event=20, incident_energy="50", exact=True)
    np.testing.assert_array_equal(events["shower"].values[20:40], again["shower"].values)
    plain = trained.sample(60, seed=3, incident_energy="50")["shower"].values
    apart = np.abs(events["shower"].values - plain).sum(axis=1) / plain.sum(axis=1)
    assert 0 < apart.mean() < 1, "the draws lie near the network that they are drawn about"


def test_draws_without_snapshots_are_refused(trained_run: Path, tmp_path: Path) -> None:
    result = simulacra_command("generate", trained_run, "-n", 10, "--last-layer-draws", 2, tmp_path / "out.zarr")
    assert result.exit_code == 2
    assert "holds no snapshots of its last layer: train with --set training.last_layer_snapshots" in one_line(
        result.stderr
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--members", "2"], "--set system.members=2"),
        (["--hold-out", "alphaS:0.1:0.2"], "leave hold_out out for a reweighter"),
    ],
)
def test_what_is_for_generators_is_refused_for_reweighters(tmp_path: Path, options: list[str], message: str) -> None:
    experiment = Path(__file__).parents[2] / "experiments" / "dctr-z.toml"
    result = simulacra_command("train", experiment, "-o", tmp_path / "run", *options)
    assert result.exit_code == 2
    assert message in one_line(result.stderr)
    assert not (tmp_path / "run").exists()


# generate


@pytest.fixture(scope="module")
def in_one_go(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3000 events that were never stopped."""
    path = tmp_path_factory.mktemp("whole") / "out.zarr"
    result = simulacra_command("generate", trained_run, "-n", 3000, "--energy", "log:1:100", "--seed", 3, path)
    assert result.exit_code == 0, result.output
    return path


def assert_same_events(path: Path, expected: Path, n: int | None = None) -> None:
    found, wanted = open_events(path, check=True).load(), open_events(expected).load()
    wanted = wanted if n is None else wanted.isel(event=slice(n))
    assert list(found.data_vars) == list(wanted.data_vars)
    for name in wanted.variables:
        np.testing.assert_array_equal(found[name].values, wanted[name].values, err_msg=str(name))
        assert found[name].attrs == wanted[name].attrs
    xr.testing.assert_identical(
        found.drop_attrs(deep=False).drop_vars(list(found.data_vars)),
        wanted.drop_attrs(deep=False).drop_vars(list(wanted.data_vars)),
    )
    for attribute in ("seed", "settings", "simulator", "geometry", "particle", "trained_range"):
        assert found.attrs[attribute] == wanted.attrs[attribute]


def test_generate_writes_what_python_samples(in_one_go: Path, trained_run: Path) -> None:
    events = open_events(in_one_go).load()
    expected = simulacra.load(trained_run).sample(3000, incident_energy="log:1:100", seed=3, exact=True)
    assert names(events, "condition") == ["incident_energy"]
    for name in expected.variables:
        np.testing.assert_array_equal(events[name].values, expected[name].values)
    assert events.attrs["seed"] == 3
    assert events.attrs["seconds_per_event"] > 0


@pytest.mark.parametrize(("n", "batch_size"), [(3000, 997), (300, 64), (300, 7), (1, 1)])
def test_generated_events_do_not_depend_on_batch_size_or_number(
    in_one_go: Path, trained_run: Path, tmp_path: Path, n: int, batch_size: int
) -> None:
    path = tmp_path / "Schauer für γ 粒子.zarr"
    options = ["-n", n, "--energy", "log:1:100", "--seed", 3, "--batch-size", batch_size, "--quiet"]
    result = simulacra_command("generate", trained_run, *options, path)
    assert result.exit_code == 0, result.output
    assert re.fullmatch(rf"{n} events of toy in {path}, \d+ events/s", one_line(result.stdout))
    assert result.stderr == ""
    assert_same_events(path, in_one_go, n)


def test_generated_events_do_not_depend_on_workers(in_one_go: Path, trained_run: Path, tmp_path: Path) -> None:
    options = ["-n", 300, "--energy", "log:1:100", "--seed", 3, "--batch-size", 100, "--workers", 2]
    result = simulacra_command("generate", trained_run, *options, tmp_path / "out.zarr")
    assert result.exit_code == 0, result.output
    assert_same_events(tmp_path / "out.zarr", in_one_go, 300)


def test_generate_continues_after_kill_9_and_ctrl_c_and_is_alone(
    in_one_go: Path, trained_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "Schauer 粒子.zarr"
    done = path.with_name(path.name + ".partial") / "done"
    command = ["generate", trained_run, "-n", 3000, "--energy", "log:1:100", "--seed", 3, "--batch-size", 10, path]

    def chunks() -> list[str]:
        return sorted(marker.name for marker in done.glob("*.json"))

    with started(*command) as process:
        wait_for(lambda: len(chunks()) >= 2, process)
        other = simulacra_command(*command)
        assert other.exit_code == 1
        assert f"is being written by the process {process.pid}" in one_line(other.stderr)
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not path.exists()
    kept = {name: (done / name).stat().st_mtime_ns for name in chunks()}

    with started(*command) as process:
        wait_for(lambda: len(chunks()) >= len(kept) + 2, process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"error: stopped\. \d+ of 300 chunks are kept .* run the same command again to continue", said)
    assert not path.exists()
    assert {name: (done / name).stat().st_mtime_ns for name in kept} == kept, "finished chunks were made again"

    n_kept = len(chunks())
    assert len(kept) < n_kept < 300
    result = simulacra_command(*command)
    assert result.exit_code == 0, result.output
    assert_same_events(path, in_one_go)
    again = simulacra_command(*command)
    assert again.exit_code == 0
    assert "3000 events of toy" in one_line(again.stdout)


def test_a_store_of_other_weights_is_not_gone_on_with(trained_run: Path, tmp_path: Path) -> None:
    """The same experiment trained for longer has the same name and data: its showers must not be mixed in."""
    run, path = tmp_path / "run", tmp_path / "out.zarr"
    run.mkdir()
    model = run / "model.safetensors"
    model.write_bytes((trained_run / "model.safetensors").read_bytes())
    command = ["generate", run, "-n", 20, "--seed", 3, path]
    assert simulacra_command(*command).exit_code == 0
    metadata, weights = read_model(model)
    module = ShowerGenerator(
        simulacra.CalorimeterGeometry.from_json(metadata["description"]["geometry"]),
        metadata["description"]["condition_ranges"],
        SYSTEM["latent"],
        tuple(SYSTEM["channels"]),
        2,
    )
    module.load_state_dict(
        {
            name: tensor * 1.01 if tensor.is_floating_point() else tensor
            for name, tensor in weights.items()
            if not is_condition(name)
        }
    )
    kept = {name: tensor for name, tensor in weights.items() if is_condition(name)}
    save_tensors(model, module.state_dict() | kept, metadata)
    result = simulacra_command(*command)
    assert result.exit_code == 1
    assert "is a complete store with other settings (weights: " in one_line(result.stderr)


@pytest.mark.parametrize("energy", ["0", "-5", "nan", "inf", "log:0:100", "uniform:-1:5", "100:1", "ten"])
def test_impossible_energies_are_refused_before_a_store_is_begun(
    trained_run: Path, tmp_path: Path, energy: str
) -> None:
    result = simulacra_command("generate", trained_run, "-n", 10, f"--energy={energy}", tmp_path / "out.zarr")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("energy", ["5000", "log:0.02:50", "uniform:1:101"])
def test_energies_out_of_the_trained_range_are_warned_of_once(trained_run: Path, tmp_path: Path, energy: str) -> None:
    options = ["-n", 30, "--batch-size", 10, f"--energy={energy}", "--quiet"]
    result = simulacra_command("generate", trained_run, *options, tmp_path / "out.zarr")
    assert result.exit_code == 0
    said = one_line(result.stderr)
    assert said.count("warning: ") == 1
    assert "GeV reaches outside the trained range of 1 to 100 GeV" in said
    assert open_events(tmp_path / "out.zarr", check=True).sizes["event"] == 30


def test_an_impossible_condition_of_another_sample_is_named_by_its_event(trained_run: Path, tmp_path: Path) -> None:
    showers = toy_showers(20)
    showers["incident_energy"].values[3] = 1e6
    write_events(showers, tmp_path / "like.zarr")
    result = simulacra_command("generate", trained_run, "--like", tmp_path / "like.zarr", tmp_path / "out.zarr")
    assert result.exit_code == 2
    said = one_line(result.stderr)
    assert "like.zarr': 'incident_energy' is 1e+06 GeV in event 3: it must be from 0.01 to 10000" in said
    assert not (tmp_path / "out.zarr").exists()


def test_a_condition_that_the_generator_does_not_know_is_refused(trained_run: Path, tmp_path: Path) -> None:
    result = simulacra_command("generate", trained_run, "-n", 10, "--impact-x", "5", tmp_path / "out.zarr")
    assert result.exit_code == 2
    assert "has no condition 'impact_x' (--impact-x); it takes incident_energy [GeV]" in one_line(result.stderr)
    assert not list(tmp_path.iterdir())


def test_conditions_that_were_not_asked_for_are_drawn_over_the_trained_range(
    trained_on_five_conditions: Path, tmp_path: Path
) -> None:
    options = ["-n", 400, "--impact-x", "uniform:-10:10", "--azimuthal-angle", "1", "--energy", "uniform:20:30"]
    result = simulacra_command("generate", trained_on_five_conditions, *options, tmp_path / "out.zarr")
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    events = open_events(tmp_path / "out.zarr").load()
    low, high = simulacra.load(trained_on_five_conditions).trained_range["impact_y"]
    assert low <= float(events["impact_y"].min()) < 0.9 * low
    assert 0.9 * high < float(events["impact_y"].max()) <= high
    assert -10 <= float(events["impact_x"].min()) < -8
    assert float(events["azimuthal_angle"].std()) == 0


def test_a_damaged_model_is_refused_by_name(trained_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((trained_run / "model.safetensors").read_bytes()[:1000])
    result = simulacra_command("generate", path, "-n", 10, tmp_path / "out.zarr")
    assert result.exit_code == 2
    assert f"error: {path} is damaged or truncated" in one_line(result.stderr)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_unknown_generator_tells_those_that_are_shipped(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.trained.find.WEIGHTS", trained_run)
    result = simulacra_command("generate", "calogan-proton", "-n", 10, tmp_path / "out.zarr")
    assert result.exit_code == 2
    assert "'calogan-proton' is neither a file, nor a run folder, nor one of model" in one_line(result.stderr)


def test_memory_does_not_grow_with_the_number_of_events(tmp_path: Path) -> None:
    """Each event takes 2 kB, so that 12,000 more would take 24 MB if they were held, and their copies as much again."""
    import torch

    torch.manual_seed(1)
    geometry = simulacra.CalorimeterGeometry.load("calogan")
    ranges, channels = {"incident_energy": (1.0, 100.0)}, (2, 2, 1)
    description = {"geometry": geometry.to_json(), "particle": "e+", "condition_ranges": ranges}
    settings = {"kind": "calogan", "latent": 4, "channels": channels}
    save_model(
        tmp_path / "model.safetensors",
        ShowerGenerator(geometry, ranges, 4, channels, 2),
        {"name": "calogan", "description": description, "experiment": {"system": settings}},
    )
    program = f"""
import resource
from typer.testing import CliRunner
from simulacra.cli import main
for n in (4000, 16000):
    command = ["generate", {str(tmp_path)!r}, "-n", str(n), "--batch-size", "1000", f"{tmp_path}/{{n}}.zarr"]
    result = CliRunner().invoke(main.app, command)
    assert result.exit_code == 0, result.output
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    environment = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    few, many = (int(line) / 1000 for line in done.stdout.split())  # MB
    assert many - few < 12
    assert open_events(tmp_path / "16000.zarr").sizes == {"event": 16000, "cell": 504}


# systems


def test_systems_lists_what_can_be_trained_and_what_is_shipped(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.trained.find.WEIGHTS", trained_run)
    monkeypatch.setenv("COLUMNS", "160")
    result = simulacra_command("systems")
    assert result.exit_code == 0, result.output
    for kind in kinds():
        assert kind in result.stdout
    training = read_metadata(trained_run / "model.safetensors")["training"]
    assert "model" in result.stdout
    assert "incident_energy 1 to 100" in one_line(result.stdout)
    assert "Conditions: incident_energy [GeV], impact_x [mm]," in one_line(result.stdout)
    assert f"{training['events']} events" in one_line(result.stdout)


def test_systems_says_if_nothing_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.trained.find.WEIGHTS", tmp_path)
    result = simulacra_command("systems")
    assert result.exit_code == 0
    assert "no generators are shipped with this installation" in result.stdout


def test_options_are_those_of_the_handbook() -> None:
    """Names and options of the commands are the interface."""
    wanted: dict[str, Any] = {
        "train": ["--set", "--output", "--quiet"],
        "generate": ["--events", "-n", "--energy", "--seed", "--batch-size", "--workers", "--overwrite"],
        "export": ["--output"],
    }
    for command, options in wanted.items():
        shown = CliRunner().invoke(main.app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
        for option in options:
            assert option in shown, f"{command} {option}"
