"""Settings of a run: what is read, overridden and refused, with its place."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from simulacra.systems import any_system
from simulacra.training.settings import Experiment, SettingsError, check, read_experiment

ROOT = Path(__file__).resolve().parents[2]
TOML = """
name = "toy"
seed = 3
[data]
path = "data/toy.h5"
[system]
kind = "calogan"
latent = 7
[training]
steps = 50
learning_rate_factors = {critic = 2.0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Versuch für γ.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def test_a_file_is_read(file: Path) -> None:
    experiment = read_experiment(file)
    assert (experiment.name, experiment.seed, experiment.data.path) == ("toy", 3, "data/toy.h5")
    assert experiment.training.steps == 50
    assert experiment.training.learning_rate_factors == {"critic": 2.0}
    assert experiment.system == {"kind": "calogan", "latent": 7}
    assert experiment.training.batch_size == Experiment.model_validate(experiment.model_dump()).training.batch_size


@pytest.mark.parametrize(
    ("override", "place", "value"),
    [
        ("training.steps=7", ("training", "steps"), 7),
        ("training.learning_rate=1e-3", ("training", "learning_rate"), 1e-3),
        ("training.betas=[0.0, 0.9]", ("training", "betas"), (0.0, 0.9)),
        ("training.accelerator=cpu", ("training", "accelerator"), "cpu"),
        ('training.accelerator="cpu"', ("training", "accelerator"), "cpu"),
        ("training.learning_rate_factors.generator=0.5", ("training", "learning_rate_factors", "generator"), 0.5),
        ("name=other", ("name",), "other"),
        ("data.path=a=b ü.h5", ("data", "path"), "a=b ü.h5"),
        ("system.conditions=['incident_energy']", ("system", "conditions"), ["incident_energy"]),
    ],
)
def test_overrides_are_toml_or_bare_words(file: Path, override: str, place: tuple[str, ...], value: object) -> None:
    found: object = read_experiment(file, [override])
    for part in place:
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    assert found == value


def test_the_last_override_counts(file: Path) -> None:
    assert read_experiment(file, ["seed=5", "seed=6"]).seed == 6


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.step=7", r"unknown key 'training\.step'"),
        ("speed=7", r"unknown key 'speed' \(known: data, description, name, seed, system, training\)"),
        ("training.steps=0", r"'training\.steps': Input should be greater than or equal to 1, not 0"),
        ("training.steps=many", r"'training\.steps': .*integer.*, not 'many'"),
        ("training.accelerator=tpu", r"'training\.accelerator': .*not 'tpu'"),
        ("training.learning_rate=nan", r"'training\.learning_rate': .*not nan"),
        ("seed=-1", r"'seed': .*not -1"),
        ("name=a/b", r"'name': .*not 'a/b'"),
        ("training.steps", r"'training\.steps' is not of the form key=value, such as training\.steps=100"),
        ("=5", r"'=5' is not of the form key=value"),
        ("name.first=x", r"'name\.first=x': 'name' is a value, not a table"),
    ],
)
def test_faults_are_named_with_their_place(file: Path, override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_experiment(file, [override])


def test_all_faults_of_a_file_are_told_at_once(file: Path) -> None:
    with pytest.raises(SettingsError, match=rf"{file.name}.*'seed'.*'training\.steps'.*unknown key 'training\.stepz'"):
        read_experiment(file, ["training.stepz=1", "training.steps=-1", "seed=x"])


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no experiment file .*absent\.toml"):
        read_experiment(tmp_path / "absent.toml")
    for name, content in {"broken.toml": b"name = ", "binary.toml": b"\xff\xfe\x00"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SettingsError, match=f"{name} is not a TOML file"):
            read_experiment(tmp_path / name)


def test_settings_cannot_be_changed(file: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read_experiment(file).training.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_experiments_are_valid(path: Path) -> None:
    experiment = read_experiment(path)
    assert experiment.name == path.stem
    assert experiment.description
    check(any_system(experiment.system["kind"]).Settings, experiment.system, "system")


def test_what_validators_of_ours_say_stands_alone(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"γ\.toml: 'training': 'steps' is true: a truth value is not a number$"):
        read_experiment(file, ["training.steps=true"])
