"""The training loop on toy showers: its files, and that it continues bit for bit wherever it was stopped."""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import simulacra
from simulacra.events import take_part
from simulacra.statistics.validation import Validation
from simulacra.training.checkpoint import CheckpointError, data_hash, read_model, read_state, save_state
from simulacra.training.continuation import Progression
from simulacra.training.loop import train
from simulacra.training.schedule import schedule, snapshot_due
from simulacra.training.settings import SettingsError, TrainingSettings
from tiny_calogan import slowly, toy_experiment, toy_showers, toy_train, toy_trainer

STEPS = 12  # validated at 4, 8 and 12, saved every 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "Lauf für γ 粒子"
    outcome = toy_train(run, toy_experiment())
    assert outcome.steps == STEPS
    assert not outcome.stopped_early
    return run


def metrics(run: Path) -> list[dict[str, float]]:
    """The rows without the time that they took."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def tensors_of(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from tensors_of(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from tensors_of(inner, f"{place}.{i}")
    else:
        yield place, value


def assert_same_run(run: Path, whole: Path) -> None:
    """Bit for bit: weights, optimisers, random generators, what was judged, and the shipped model."""
    assert metrics(run) == metrics(whole)
    states = [dict(tensors_of(read_state(folder / "resume.pt"))) for folder in (run, whole)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        if name != ".progression.seconds":
            same = torch.equal(value, states[1][name]) if isinstance(value, torch.Tensor) else value == states[1][name]
            assert same, name
    models = [read_model(folder / "model.safetensors")[1] for folder in (run, whole)]
    for name, tensor in models[0].items():
        assert torch.equal(tensor, models[1][name]), name
    records = [json.loads((folder / "record.json").read_text(encoding="utf-8")) for folder in (run, whole)]
    for record in records:
        del record["training"]["seconds"]
    assert records[0] == records[1]


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# What a run leaves


def test_a_run_leaves_what_it_was_and_what_it_made(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {
        ".lock",
        "experiment.toml",
        "metrics.jsonl",
        "model.safetensors",
        "record.json",
        "resolved.json",
        "resume.pt",
    }
    assert json.loads((whole / "resolved.json").read_text()) == json.loads(toy_experiment().model_dump_json())


def test_metrics_have_a_row_for_each_validation(whole: Path) -> None:
    rows = metrics(whole)
    assert [row["step"] for row in rows] == [4, 8, 12]
    told = {"loss/critic", "loss/generator", "accuracy", "score", "score_error", "progress_step"}
    for row in rows:
        assert {*told, "wasserstein/energy_response"} <= set(row)
        assert row["score"] > 0
        assert 0 < row["score_error"] < row["score"]


def test_record_tells_versions_data_seeds_and_times(whole: Path) -> None:
    record = json.loads((whole / "record.json").read_text(encoding="utf-8"))
    training = take_part(toy_showers(), "train")
    tensors = toy_trainer(toy_experiment(), toy_showers()).tensors(training)
    rows = metrics(whole)
    best = min(rows, key=lambda row: row["score"])
    told = record["training"]
    assert told.pop("seconds") > 0
    assert told == {
        "events": training.sizes["event"],
        "steps": STEPS,
        "epochs": pytest.approx(STEPS * 16 / training.sizes["event"]),
        "best_step": best["step"],
        "validation_score": best["score"],
        "data_sha256": data_hash(tensors),
    }
    assert record["experiment"] == json.loads(toy_experiment().model_dump_json())
    assert record["experiment"]["seed"] == 4
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"]["simulacra"] == simulacra.__version__
    assert record["description"]["particle"] == "e+"


def test_the_best_model_is_kept(tmp_path: Path) -> None:
    scores, kept = {4: 3.0, 8: 1.0, 12: 2.0}, {}
    experiment = toy_experiment()
    trainer = toy_trainer(experiment, toy_showers())
    calls = iter(scores.items())

    def validate(events: object, rng: object) -> dict[str, float]:
        step, score = next(calls)
        kept[step] = {name: tensor.clone() for name, tensor in trainer.family.average.state_dict().items()}
        return {"score": score}

    trainer.validate = validate
    outcome = toy_train(tmp_path, experiment, trainer=trainer)
    assert (outcome.best_step, outcome.best_score) == (8, 1.0)
    metadata, weights = read_model(tmp_path / "model.safetensors")
    assert metadata["training"]["best_step"] == metadata["training"]["steps"] == 8
    assert all(torch.equal(weights[name], tensor) for name, tensor in kept[8].items())
    assert not all(torch.equal(weights[name], tensor) for name, tensor in kept[12].items())


def test_patience_stops_a_run_and_it_stays_stopped(tmp_path: Path) -> None:
    experiment = toy_experiment(validate_every=2, patience=2)
    for _ in range(2):
        trainer = toy_trainer(experiment, toy_showers())
        scores = iter([3.0, 1.0, 2.0, 1.0, 0.5])
        trainer.validate = lambda events, rng, scores=scores: {"score": next(scores)}
        outcome = toy_train(tmp_path, experiment, trainer=trainer)
        assert (outcome.steps, outcome.best_step, outcome.stopped_early) == (8, 4, True)


def test_another_seed_is_another_run(whole: Path, tmp_path: Path) -> None:
    other = toy_experiment(steps=4).model_copy(update={"seed": 5})
    toy_train(tmp_path, other)
    assert metrics(tmp_path)[0]["score"] != metrics(whole)[0]["score"]


def test_validation_is_always_on_the_same_noise(whole: Path, tmp_path: Path) -> None:
    experiment = toy_experiment(steps=4, validate_every=1, learning_rate=1e-30)
    trainer = toy_trainer(experiment, toy_showers())
    trainer.family.average_decay = 0.0
    trainer.family.generator.eval()
    toy_train(tmp_path, experiment, trainer=trainer)
    assert len({row["wasserstein/energy_response"] for row in metrics(tmp_path)}) == 1


# Going on


class Stopped(Exception):
    """What stops a run in a test."""


def stop_in_step(trainer: Any, step: int, player: int, action: Callable[[], None]) -> None:
    """Do ``action`` in the middle of a step: before the turn of the first or the second player."""
    augment, calls = trainer.augment, iter(range(10_000))

    def stopping(batch: Any, rng: Any) -> Any:
        if next(calls) == 2 * step + player:
            action()
        return augment(batch, rng)

    trainer.augment = stopping


def stop() -> None:
    raise Stopped


@pytest.mark.parametrize(("step", "player"), [(0, 1), (3, 0), (7, 1), (8, 0)])
def test_a_crash_in_a_step_is_gone_on_from_bit_for_bit(whole: Path, tmp_path: Path, step: int, player: int) -> None:
    trainer = toy_trainer(toy_experiment(), toy_showers())
    stop_in_step(trainer, step, player, stop)
    with pytest.raises(Stopped):
        toy_train(tmp_path, toy_experiment(), trainer=trainer)
    toy_train(tmp_path, toy_experiment())
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("name", ["save_tensors", "save_state"])
def test_a_crash_between_two_files_is_gone_on_from_bit_for_bit(
    whole: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At step 8 the row of metrics is there already; it must not be there twice."""
    from simulacra.training import checkpoint

    save = getattr(checkpoint, name)

    def failing(path: Path, *rest: Any) -> None:
        if (tmp_path / "metrics.jsonl").exists() and len(metrics(tmp_path)) == 2:
            raise Stopped
        save(path, *rest)

    monkeypatch.setattr(checkpoint, name, failing)
    with pytest.raises(Stopped):
        toy_train(tmp_path, toy_experiment())
    monkeypatch.undo()
    assert [row["step"] for row in metrics(tmp_path)] == [4, 8]
    toy_train(tmp_path, toy_experiment())
    assert_same_run(tmp_path, whole)


def test_a_full_disk_leaves_the_last_checkpoint(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(toy_experiment(), toy_showers())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stop_in_step(trainer, 5, 0, lambda: monkeypatch.setattr(os, "fsync", full))
    with pytest.raises(CheckpointError, match=r"resume\.pt: No space left on device; .* intact"):
        toy_train(tmp_path, toy_experiment(), trainer=trainer)
    monkeypatch.undo()
    assert read_state(tmp_path / "resume.pt")["progression"]["step"] == 4
    toy_train(tmp_path, toy_experiment())
    assert_same_run(tmp_path, whole)


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """Python's own answer to Ctrl-C, also where the tests run in the background, which ignores it."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


def test_ctrl_c_ends_the_step_and_is_gone_on_from_bit_for_bit(whole: Path, tmp_path: Path, ctrl_c_raises: None) -> None:
    trainer = toy_trainer(toy_experiment(), toy_showers())
    stop_in_step(trainer, 4, 1, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match=r"stopped at step 5 of 12, .* the same command continues from there"):
        toy_train(tmp_path, toy_experiment(), trainer=trainer)
    assert read_state(tmp_path / "resume.pt")["progression"]["step"] == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    toy_train(tmp_path, toy_experiment())
    assert_same_run(tmp_path, whole)


def test_a_second_ctrl_c_does_not_wait(whole: Path, tmp_path: Path, ctrl_c_raises: None) -> None:
    trainer = toy_trainer(toy_experiment(), toy_showers())

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    stop_in_step(trainer, 4, 1, twice)
    with pytest.raises(KeyboardInterrupt):
        toy_train(tmp_path, toy_experiment(), trainer=trainer)
    assert read_state(tmp_path / "resume.pt")["progression"]["step"] == 4
    toy_train(tmp_path, toy_experiment())
    assert_same_run(tmp_path, whole)


def test_kill_9_is_gone_on_from_bit_for_bit_and_nobody_else_writes_meanwhile(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "Lauf 粒子"
    script = Path(__file__).parents[1] / "tiny_calogan.py"
    trainer = toy_trainer(toy_experiment(), toy_showers())
    process = subprocess.Popen([sys.executable, script, run, str(STEPS), "0.5"], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (run / "resume.pt").exists() or process.poll() is not None)
        with pytest.raises(CheckpointError, match=f"in use by process {process.pid}: wait for it, or choose another"):
            toy_train(run, toy_experiment(), trainer=trainer)
        wait_for(lambda: (run / "metrics.jsonl").exists() or process.poll() is not None)
    finally:
        process.kill()
        _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    assert read_state(run / "resume.pt")["progression"]["step"] < STEPS
    assert not (run / "record.json").exists()
    toy_train(run, toy_experiment())
    assert_same_run(run, whole)


def test_a_finished_run_is_not_trained_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (whole / name).read_bytes() for name in ("model.safetensors", "metrics.jsonl")}
    trainer = toy_trainer(toy_experiment(), toy_showers())
    monkeypatch.setattr(trainer, "augment", lambda batch, rng: stop())
    assert toy_train(whole, toy_experiment(), trainer=trainer).steps == STEPS
    assert before == {name: (whole / name).read_bytes() for name in before}


def test_snapshots_of_the_last_layer_stand_beside_the_weights_also_after_a_crash(tmp_path: Path) -> None:
    experiment = toy_experiment(last_layer_snapshots=3)
    one, two = tmp_path / "one", tmp_path / "two"
    toy_train(one, experiment)
    trainer = toy_trainer(experiment, toy_showers())
    stop_in_step(trainer, 11, 0, stop)
    with pytest.raises(Stopped):
        toy_train(two, experiment, trainer=trainer)
    toy_train(two, experiment)
    assert_same_run(two, one)
    held = read_model(one / "model.safetensors")[1]
    deviations = {name: tensor for name, tensor in held.items() if "/deviations/" in name}
    assert set(deviations) == {f"last_layer/deviations/{name}" for name in trainer.last_layer()}
    for name, tensor in deviations.items():
        assert len(tensor) == 3
        assert float(tensor.sum(dim=0).abs().max()) < 1e-5, name
    toy_train(two, experiment)
    assert_same_run(two, one)


def test_a_system_without_a_last_layer_is_refused_snapshots(tmp_path: Path) -> None:
    experiment = toy_experiment(last_layer_snapshots=3)
    trainer = toy_trainer(experiment, toy_showers())
    trainer.last_layer = None
    with pytest.raises(SettingsError, match="has no last_layer"):
        toy_train(tmp_path, experiment, trainer=trainer)


# What is refused


def test_other_settings_are_refused_by_name_and_leave_the_run_alone(whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir() if path.name != ".lock"}
    with pytest.raises(CheckpointError, match=r"other settings \(training\.learning_rate: 0\.0005 then, 0\.001 now\)"):
        toy_train(whole, toy_experiment(learning_rate=1e-3))
    assert before == {path.name: path.read_bytes() for path in whole.iterdir() if path.name != ".lock"}


def test_other_events_are_refused(whole: Path) -> None:
    events = toy_showers()
    events["shower"].values[5, 20] += 1e-3
    with pytest.raises(
        CheckpointError, match="started with other training events: choose another folder, or remove it"
    ):
        toy_train(whole, toy_experiment(), events=events)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged"),
        (b"PK\x03\x04garbage", "is damaged"),
        (None, r"is not the state of a run, it lacks \['ident"),
    ],
)
def test_a_damaged_state_is_refused_by_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "resume.pt"
    if content is None:
        torch.save({"something": torch.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"resume\.pt {message}"):
        toy_train(tmp_path, toy_experiment())


@pytest.mark.parametrize(("checkpoint_every", "step", "fault"), [(2, 6, "weights"), (100, 8, "'loss/critic' is nan")])
def test_a_loss_that_is_not_a_number_ends_the_run_before_it_is_saved(
    tmp_path: Path, checkpoint_every: int, step: int, fault: str
) -> None:
    experiment = toy_experiment(checkpoint_every=checkpoint_every)
    trainer = toy_trainer(experiment, toy_showers())
    augment, calls = trainer.augment, iter(range(1000))

    def poisoned(batch: Any, rng: Any) -> Any:
        batch = augment(batch, rng)
        return batch if next(calls) < 10 else {**batch, "shower": batch["shower"] * torch.nan}

    trainer.augment = poisoned
    with pytest.raises(FloatingPointError, match=rf"{fault}.* at step {step}: lower training\.learning_rate"):
        toy_train(tmp_path, experiment, trainer=trainer)
    assert read_state(tmp_path / "resume.pt")["progression"]["step"] == 4
    read_model(tmp_path / "model.safetensors")
    assert [row["step"] for row in metrics(tmp_path)] == [4]


def test_a_validation_that_is_not_a_number_ends_the_run(tmp_path: Path) -> None:
    trainer = toy_trainer(toy_experiment(), toy_showers())
    trainer.validate = lambda events, rng: {"score": float("nan")}
    message = "'score' is nan at step 4: validate of the system 'calogan' must return finite numbers"
    with pytest.raises(FloatingPointError, match=message):
        toy_train(tmp_path, toy_experiment(), trainer=trainer)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("given", [None, {}, "0.3", {"loss": 1.0}, {"score": "low"}, {"score": torch.zeros(2)}])
def test_what_validate_returns_is_refused_by_the_systems_name(tmp_path: Path, given: Any) -> None:
    trainer = toy_trainer(toy_experiment(), toy_showers())
    trainer.validate = lambda events, rng: given
    with pytest.raises(ValueError, match=r"validate of the system 'calogan' must return numbers .* 'score'"):
        toy_train(tmp_path, toy_experiment(), trainer=trainer)
    assert not (tmp_path / "model.safetensors").exists()


# Small parts


def test_schedule_is_flat_then_falls_to_its_end() -> None:
    settings = TrainingSettings(steps=1000, final_learning_rate=0.1)
    factors = [schedule(step, settings) for step in range(1001)]
    assert factors[:501] == [1.0] * 501
    assert all(a >= b for a, b in itertools.pairwise(factors))
    assert factors[750] == pytest.approx(0.55)
    assert factors[-1] == pytest.approx(0.1)


@pytest.mark.parametrize(("steps", "asked"), [(12, 3), (1000, 20), (103, 4)])
def test_snapshots_are_spread_over_the_last_quarter(steps: int, asked: int) -> None:
    settings = TrainingSettings(steps=steps, last_layer_snapshots=asked)
    due = [step for step in range(1, steps + 1) if snapshot_due(step, settings)]
    assert len(due) == asked
    assert due[-1] == steps
    assert len(set(np.diff(due))) == 1
    assert due[0] > 0.74 * steps
    assert not any(snapshot_due(step, TrainingSettings(steps=steps)) for step in range(1, steps + 1))


def test_learning_rate_follows_schedule_and_factors(tmp_path: Path) -> None:
    experiment = toy_experiment(steps=10, learning_rate=1e-3, learning_rate_factors={"critic": 3.0})
    toy_train(tmp_path, experiment)
    optimizers = read_state(tmp_path / "resume.pt")["optimizers"]
    last = schedule(9, experiment.training)
    assert optimizers["critic"]["param_groups"][0]["lr"] == pytest.approx(3e-3 * last)
    assert optimizers["generator"]["param_groups"][0]["lr"] == pytest.approx(1e-3 * last)


def test_patience_counts_validations_without_a_better_score() -> None:
    progression, settings = Progression(), TrainingSettings(patience=2)
    for step, (score, exhausted) in enumerate([(3.0, False), (3.0, False), (2.0, False), (2.5, False), (2.0, True)]):
        progression.step = step
        progression.judge(score)
        assert progression.exhausted(settings) == exhausted
    assert progression.best_step == 2
    assert not progression.exhausted(TrainingSettings())


def test_a_change_smaller_than_its_error_is_no_progress_but_the_best_is_kept() -> None:
    progression, settings = Progression(), TrainingSettings(patience=2)
    noise = np.random.default_rng(1).normal(0, 1, 100)

    def judge(step: int, score: float, own: float) -> None:
        # What all validations share cancels in the difference of two, whose error is that of their own noise alone.
        progression.step = step
        progression.judge(score, list(score + 10 * noise + own * np.random.default_rng(step).normal(0, 1, 100)))

    judge(1, 5.0, 0.0)
    judge(2, 4.0, 0.1)
    assert (progression.progress_step, progression.validations_since_progress) == (2, 0)
    judge(3, 3.9, 1.0)
    assert (progression.best_step, progression.best_score) == (3, 3.9)
    assert (progression.progress_step, progression.progress_score) == (2, 4.0)
    assert not progression.exhausted(settings)
    # Two small steps make a large one: they are compared with step 2, not with step 3.
    judge(4, 3.8, 0.1)
    assert (progression.progress_step, progression.validations_since_progress) == (4, 0)
    judge(5, 3.85, 0.1)
    judge(6, 3.75, 0.5)
    assert progression.exhausted(settings)
    assert progression.best_step == 6


def test_a_run_that_does_not_get_better_than_its_error_stops(tmp_path: Path) -> None:
    experiment = toy_experiment(validate_every=2, patience=2)
    trainer = toy_trainer(experiment, toy_showers())
    scores, rng = iter([3.0, 2.99, 2.98, 2.97]), np.random.default_rng(3)
    trainer.validate = lambda events, noise: Validation({"score": next(scores)}, tuple(rng.normal(3, 1, 50)))
    outcome = toy_train(tmp_path, experiment, trainer=trainer)
    assert (outcome.steps, outcome.best_step, outcome.stopped_early) == (6, 6, True)
    rows = metrics(tmp_path)
    assert [row["progress_step"] for row in rows] == [2, 2, 2]
    assert all(row["score_error"] == pytest.approx(1.0, rel=0.4) for row in rows)


def test_an_alarm_is_told_once_as_it_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the run was stopped between: what was told is not told again."""
    alarms = {2: "", 4: "half of the modes are gone", 6: "half of the modes are gone", 8: "", 10: "gone again", 12: ""}
    experiment, events = toy_experiment(validate_every=2), toy_showers()
    trainer, seen = toy_trainer(experiment, events), iter(alarms.values())

    def validate(_: object, noise: object) -> Validation:
        text = next(seen)
        return Validation({"score": 1.0, "modes/alarm": float(bool(text))}, alarm=text)

    trainer.validate = validate
    stop_in_step(trainer, 5, 0, stop)
    parts = [take_part(events, "train"), take_part(events, "validation")]
    with pytest.raises(Stopped):
        train(experiment, trainer, *parts, tmp_path)
    trainer = toy_trainer(experiment, events)
    trainer.validate = validate
    seen = iter(list(alarms.values())[2:])
    train(experiment, trainer, *parts, tmp_path)
    rows = metrics(tmp_path)
    assert {row["step"]: row.get("alarm") for row in rows if "alarm" in row} == {4: alarms[4], 10: "gone again"}
    assert [row["modes/alarm"] for row in rows] == [0, 1, 1, 0, 1, 0]
    said = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert said == ["warning at step 4: half of the modes are gone", "warning at step 10: gone again"]


def test_a_state_of_an_earlier_version_is_filled_in(whole: Path, tmp_path: Path) -> None:
    """Without what progress is measured by, the best validation stands for it; new settings get their defaults."""
    for name in ("resume.pt", "model.safetensors", "metrics.jsonl"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    state = read_state(tmp_path / "resume.pt")
    kept = state["progression"]
    best = {"best_step": kept["best_step"], "best_score": kept["best_score"]}
    state["progression"] = {"step": kept["step"], "seconds": 1.0, **best, "validations_since_best": 1}
    identity = json.loads(state["identity"])
    del identity["settings"]["data"]["hold_out"], identity["settings"]["training"]["last_layer_snapshots"]
    state["identity"] = json.dumps(identity)
    for absent in ("snapshots",):
        state.pop(absent, None)
    save_state(tmp_path / "resume.pt", state)
    assert toy_train(tmp_path, toy_experiment()).best_score == kept["best_score"]
    progression = Progression()
    progression.restore(state["progression"])
    assert (progression.progress_step, progression.progress_score) == (kept["best_step"], kept["best_score"])
    assert progression.validations_since_progress == 1
    progression.step = 16
    progression.judge(kept["best_score"] - 0.1, [0.0, 1.0, 2.0])
    assert progression.validations_since_progress == 2, "the validation's own error stands in"
    with pytest.raises(CheckpointError, match=r"holds \['momentum'\], which this version does not know"):
        progression.restore({"momentum": 1})


def test_each_event_is_seen_once_an_epoch(tmp_path: Path) -> None:
    events = toy_showers()
    n = take_part(events, "train").sizes["event"]
    experiment = toy_experiment(steps=2 * (n // 16), validate_every=1000)
    trainer, seen = toy_trainer(experiment, events), []
    augment = trainer.augment

    def watching(batch: Any, rng: Any) -> Any:
        seen.append(batch["conditions"][:, 0].tolist())
        return augment(batch, rng)

    trainer.augment = watching
    toy_train(tmp_path, experiment, events=events, trainer=trainer)
    batches = seen[::2]  # both players play on the same batch
    assert batches == seen[1::2]
    epochs = [list(itertools.chain(*batches[k : k + n // 16])) for k in (0, n // 16)]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == 16 * (n // 16)
    assert epochs[0] != epochs[1]


def test_a_batch_larger_than_the_sample_takes_all_of_it_and_says_so(tmp_path: Path) -> None:
    n = take_part(toy_showers(), "train").sizes["event"]
    with pytest.warns(
        UserWarning, match=rf"training\.batch_size = 1000 is more than the {n} training events: each step"
    ):
        toy_train(tmp_path, toy_experiment(steps=4, batch_size=1000))
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert record["training"]["epochs"] == 4


def test_a_batch_that_no_machine_could_hold_is_not_cut_to_the_sample_in_silence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"training\.batch_size = 10000000000: a step of 10,000,000,000 events"):
        toy_train(tmp_path / "run", toy_experiment(batch_size=10**10))
    assert not (tmp_path / "run").exists()


def test_slowly_is_no_other_run(whole: Path, tmp_path: Path) -> None:
    """What the test of kill -9 does to slow a run down must not be what makes it equal."""
    toy_train(tmp_path, toy_experiment(), trainer=slowly(toy_trainer(toy_experiment(), toy_showers()), 0.001))
    assert_same_run(tmp_path, whole)
