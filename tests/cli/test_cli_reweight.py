"""``simulacra reweight``, and ``simulacra train`` of reweighters: what they write, and what stops them in one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gaussian_events import drawn_in_mu, gaussian_events
from gaussian_shift import exact_weights, samples
from simulacra.cli import main
from simulacra.cli.options import parse_parameters
from simulacra.cli.reweight import parse_clipping
from simulacra.events import part_of, variable
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.weights_file import read_weights
from simulacra.store import write_events
from toy_clouds import z_decays

SMALL = [
    part
    for setting in (
        "network.kind=features",
        'network.variables=["x"]',
        "network.widths=[16]",
        "network.summary=4",
        "network.head_widths=[8]",
        "average_decay=0.9",
        "training.steps=30",
        "training.validate_every=15",
        "training.threads=1",
    )
    for part in ("--set", setting)
]
N = 3000


def simulacra_command(*arguments: object) -> Result:
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


def one_line(text: str) -> str:
    return " ".join(text.split())


def refused(*arguments: object) -> str:
    """Check that a command ends with one line on standard error and the exit code of bad input; return the line."""
    result = simulacra_command(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    return result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of stores: a source, a shifted target, a target drawn in mu, and several that are wrong."""
    folder = tmp_path_factory.mktemp("stores ü")
    x, shifted = samples(N, N, 1)
    exact = variable(exact_weights(x), units="1", long_name="exact weight", role="weight")
    stores = {
        "source": gaussian_events(x, variation_up=exact),
        "shifted": gaussian_events(shifted, seed=2),
        "drawn": drawn_in_mu(N, 3),
        "fixed": gaussian_events(x, mu=np.full(N, 0.5)),
        "far": gaussian_events(x + 50),
        "few": gaussian_events(x[:12]),
        "zero": gaussian_events(x, weight=np.zeros(N)),
        "negative": gaussian_events(x, weight=np.where(np.arange(N) % 5 == 0, 1.0, -1.0)),
        "other": gaussian_events(x, name="y"),
    }
    for name, events in stores.items():
        write_events(events, folder / f"{name}.zarr")
    return folder


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    output = tmp_path_factory.mktemp("done") / "reweighting"
    command = ["reweight", folder / "source.zarr", folder / "shifted.zarr", "-o", output, "--quiet"]
    return output, simulacra_command(*command, "--exact", "variation_up", *SMALL)


def test_it_writes_reweighter_weights_and_page(done: tuple[Path, Result], folder: Path) -> None:
    output, result = done
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    said = one_line(result.stdout)
    assert f"Weights: {output}/weights.parquet" in said
    assert re.search(r"(closes|OPEN) +x: χ²/ndf", said)
    assert sorted(path.name for path in output.iterdir()) == [
        "member-0",
        "report.html",
        "report.json",
        "reweighter.safetensors",
        "weights.parquet",
    ]
    table = read_weights(output / "weights.parquet")
    np.testing.assert_array_equal(table.event, np.arange(N))
    assert table.weight.mean() == pytest.approx(1.0)
    assert table.metadata.source == str(folder / "source.zarr")
    reweighter = Reweighter.load(output)
    assert table.metadata.reweighter_hash == reweighter.sha256
    x = samples(N, N, 1)[0]
    np.testing.assert_array_equal(table.weight, reweighter.weights(gaussian_events(x)))


def test_only_unseen_events_are_judged_also_with_a_reweighter_that_is_there(
    done: tuple[Path, Result], folder: Path, tmp_path: Path
) -> None:
    options = ["--with", done[0], "--quiet", "-o", tmp_path / "again", "--clip", "quantile:0.9"]
    result = simulacra_command("reweight", folder / "source.zarr", folder / "shifted.zarr", *options)
    assert result.exit_code == 0, result.output
    unseen = int(np.count_nonzero(part_of(np.arange(N)) == "test"))
    assert f">{unseen:,}<" in (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
    table = read_weights(tmp_path / "again" / "weights.parquet")
    assert "weights were clipped at" in table.metadata.clipping
    assert table.weight.max() == pytest.approx(
        np.quantile(read_weights(done[0] / "weights.parquet").weight, 0.9), rel=0.01
    )
    assert not (tmp_path / "again" / "reweighter.safetensors").exists()


def test_the_same_command_continues_and_another_is_refused(done: tuple[Path, Result], folder: Path) -> None:
    before = {path: path.read_bytes() for path in done[0].rglob("*") if path.is_file()}
    command = ["reweight", folder / "source.zarr", folder / "drawn.zarr", "-o", done[0], "--quiet", *SMALL]
    assert "was started with other training events: choose another folder, or remove it" in refused(*command)
    assert f"{done[0]} was started with other settings (seed: 1 then, 4 now)" in refused(*command, "--seed", 4)
    assert {path: path.read_bytes() for path in done[0].rglob("*") if path.is_file()} == before


@pytest.fixture(scope="module")
def continuous(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    output = tmp_path_factory.mktemp("continuous") / "run"
    command = [
        "reweight",
        folder / "source.zarr",
        folder / "drawn.zarr",
        "-o",
        output,
        "--parameters",
        " mu ",
        "--quiet",
    ]
    return output, simulacra_command(*command, "--set", "reference.mu=0.0", "--set", "members=2", *SMALL)


def test_a_continuous_one_is_trained_and_then_used_at_parameters(
    continuous: tuple[Path, Result], folder: Path, tmp_path: Path
) -> None:
    run, result = continuous
    assert result.exit_code == 0, result.output
    assert f"Reweighter: {run}/reweighter.safetensors, continuous in mu" in one_line(result.stdout)
    # Weights at the source's own parameters would all be 1.
    assert not (run / "weights.parquet").exists()
    use = ["reweight", folder / "source.zarr", "--with", run, "--quiet", "-o", tmp_path]
    result = simulacra_command(*use, "--at", "mu=0.3")
    assert result.exit_code == 0, result.output
    table = read_weights(tmp_path / "weights.parquet")
    assert table.metadata.parameters == {"mu": 0.3}
    assert table.uncertainty is not None
    assert table.weight.std() > 0.01
    assert not (tmp_path / "report.html").exists()


def test_outside_the_box_is_said_once(continuous: tuple[Path, Result], folder: Path, tmp_path: Path) -> None:
    use = ["reweight", folder / "source.zarr", "--with", continuous[0], "--quiet", "-o", tmp_path]
    result = simulacra_command(*use, "--at", "mu=1.5")
    assert result.exit_code == 0, result.output
    assert result.output.count("is outside the trained box (-1 to 1)") == 1
    assert result.stderr == ""


def test_a_target_that_was_drawn_is_not_judged_at_one_value(
    continuous: tuple[Path, Result], folder: Path, tmp_path: Path
) -> None:
    use = [
        "reweight",
        folder / "source.zarr",
        folder / "drawn.zarr",
        "--with",
        continuous[0],
        "--quiet",
        "-o",
        tmp_path,
    ]
    result = simulacra_command(*use, "--at", "mu=0.5")
    assert result.exit_code == 0, result.output
    assert "No page: mu was drawn in the target; judge with a target at mu=0.5" in one_line(result.stdout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], r"the weights of .* depend on mu \(-1 to 1\): choose where with --at NAME=VALUE"),
        (["--at", "nu=1"], r"has no parameters \['nu'\]; it has mu \(-1 to 1\)"),
        (["--at", "mu=nan"], "'mu=nan' is not NAME=VALUE"),
        (["--at", "mu=1", "--at", "mu=2"], "'mu' is given twice"),
        (["--at", "mu"], "'mu' is not NAME=VALUE, such as alphaS=0.16"),
        (["--at", "mu=0.1", "--clip", "maximum:0"], "--clip maximum:0: .*greater than 0"),
        (["--at", "mu=0.1", "--clip", "most"], "--clip takes none, maximum:VALUE or quantile:SHARE, not 'most'"),
        (["--at", "mu=0.1", "--exact", "variation_down"], "holds no 'variation_down' for --exact; it holds"),
        (["--at", "mu=0.1", "--set", "members=3"], "--parameters and --set are for training"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    continuous: tuple[Path, Result], folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    use = ["reweight", folder / "source.zarr", "--with", continuous[0], "--quiet", "-o", tmp_path / "out"]
    assert re.search(message, refused(*use, *options))
    assert not (tmp_path / "out").exists()


MU = ["--parameters", "mu", "--set", "reference.mu=0"]


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("source", None, [], "name a target, or a reweighter with --with"),
        ("source", "far", [], "source and target do not overlap in x"),
        ("source", "few", [], r"the target has \d (train|validation) events of 12 in all: at least 8 are needed"),
        ("few", "source", [], r"the source has \d (train|validation) events of 12 in all"),
        ("zero", "shifted", [], "weights of the source are zero: no event counts"),
        ("source", "zero", [], "weights of the target are zero: no event counts"),
        ("negative", "shifted", [], "the weights of the source add up to -.*, which is not positive"),
        ("source", "negative", [], "the weights of the target add up to -.*, which is not positive"),
        ("source", "other", [], r"the events lack \['x'\]"),
        ("other", "source", [], r"the events lack \['x'\]"),
        ("source", "shifted", MU, "mu was not drawn in the target, which has no conditions"),
        ("source", "fixed", MU, "'mu' is 0.5 in all events of the target: leave it out of the parameters, or vary it"),
        ("drawn", "drawn", ["--parameters", "mu"], "'mu' was also drawn in the source"),
        ("source", "drawn", ["--parameters", "mu"], "value of 'mu' is not known: give it as reference.mu"),
        ("source", "drawn", ["--at", "mu=0.3"], "--at names mu, but --parameters does not: give both"),
        ("source", "shifted", ["--exact", "up"], "holds no 'up' for --exact; it holds"),
        ("source", "shifted", ["--set", "layers=3"], "unknown key 'layers'"),
        ("source", "shifted", ["--set", "training.steps=0"], "'training.steps': Input should be greater than or equal"),
        ("source", "shifted", ["--with", "dctr-x"], "--parameters and --set are for training"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    folder: Path, tmp_path: Path, source: str, target: str | None, options: list[str], message: str
) -> None:
    stores = [folder / f"{name}.zarr" for name in (source, target) if name]
    said = refused("reweight", *stores, "-o", tmp_path / "out", "--quiet", *SMALL, *options)
    assert re.search(message, said)
    assert list(tmp_path.iterdir()) == []


def test_a_particle_that_is_not_finite_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No store takes NaN or holds it unnoticed; another reader might let it through."""
    decays, _ = z_decays()
    spoilt = decays.copy(deep=True)
    assert part_of(np.array([4]))[0] == "train"
    spoilt["momentum"][4, 2, 1] = np.nan
    monkeypatch.setattr("simulacra.formats.read", lambda path: spoilt if path.stem == "shifted" else decays)
    said = refused("reweight", folder / "source.zarr", folder / "shifted.zarr", "-o", tmp_path / "out", "--quiet")
    assert "the target: variable 'momentum' is nan in event 4 at particle 2, component 1; 1 such values in all" in said
    assert not (tmp_path / "out").exists()


def test_an_unknown_reweighter_tells_those_that_are_shipped(folder: Path, tmp_path: Path) -> None:
    said = refused("reweight", folder / "source.zarr", "--with", "dctr-x", "-o", tmp_path / "out")
    assert "'dctr-x' is neither a file, nor a folder, nor one of the shipped reweighters: " in said


def test_a_file_in_the_way_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    said = refused("reweight", folder / "source.zarr", folder / "shifted.zarr", "-o", tmp_path / "out")
    assert "is a file; -o names a folder" in said


def test_texts_of_parameters_and_clipping() -> None:
    assert parse_parameters(["alphaS=0.16", " aLund = 7e-1"]) == {"alphaS": 0.16, "aLund": 0.7}
    assert parse_clipping("maximum:20").kind == "maximum"
    assert parse_clipping("quantile:0.99").kind == "quantile"
    assert parse_clipping("none").kind == "none"


# simulacra train, for the systems that reweight


@pytest.fixture(scope="module")
def experiment(folder: Path) -> Path:
    (folder / "dctr.toml").write_text(
        f"""
name = "klein"
[data]
path = "{folder}/drawn.zarr"
[system]
kind = "dctr"
source = "{folder}/source.zarr"
parameters = ["mu"]
members = 2
calibration = "temperature"
average_decay = 0.9
[system.reference]
mu = 0.0
[system.network]
kind = "features"
variables = ["x"]
widths = [16]
summary = 4
head_widths = [8]
[training]
steps = 10
batch_size = 64
validate_every = 5
threads = 1
accelerator = "cpu"
""",
        encoding="utf-8",
    )
    return folder / "dctr.toml"


@pytest.fixture(scope="module")
def trained(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    run = tmp_path_factory.mktemp("runs") / "klein"
    return run, simulacra_command("train", experiment, "-o", run, "--quiet")


def test_train_makes_a_reweighter_that_the_same_command_continues(
    trained: tuple[Path, Result], experiment: Path
) -> None:
    run, result = trained
    assert result.exit_code == 0, result.output
    assert re.search(
        r"klein: 2 members in 0\.\d min, validation loss 0\.\d{5}, 0\.\d{5} \(ln 2 = 0\.69315 if there is no "
        r"difference\); weights in .*reweighter\.safetensors",
        one_line(result.stdout),
    )
    assert (run / "experiment.toml").read_text(encoding="utf-8") == experiment.read_text(encoding="utf-8")
    first = Reweighter.load(run)
    assert first.bounds == {"mu": (-1.0, 1.0)}
    assert first.name == "klein"
    (run / "reweighter.safetensors").unlink()
    (run / "member-1" / "resume.pt").unlink()
    again = simulacra_command("train", experiment, "-o", run, "--quiet")
    assert again.exit_code == 0, again.output
    assert "klein: 2 members" in one_line(again.stdout)
    third = simulacra_command("train", experiment, "-o", run, "--quiet")
    assert "klein (complete before this command): 2 members" in one_line(third.stdout)
    assert Reweighter.load(run).sha256 == first.sha256


def test_train_in_the_folder_of_another_reweighter_is_refused(trained: tuple[Path, Result], experiment: Path) -> None:
    before = {path: path.read_bytes() for path in trained[0].rglob("*") if path.is_file()}
    said = refused("train", experiment, "-o", trained[0], "--quiet", "--set", "training.steps=11", "--set", "seed=1")
    assert "was started with other settings (training.steps: 10 then, 11 now): choose another folder" in said
    assert {path: path.read_bytes() for path in trained[0].rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("system.layers=3", "unknown key 'layers'"),
        (
            "system.kind=dcrt",
            "no system of kind 'dcrt'; there are: calogan, cylinderflow, dctr, epic, field_flow, field_vae,",
        ),
        ("system.source=", "'source': String should have at least 1 character"),
        ("system.training.steps=3", "'system.training' has no effect: write the training into the table [training]"),
        ("data.max_events=20", "validation events of 20 in all: at least 8 are needed"),
        ('system.parameters=["nu"]', "'reference' names ['mu'], which are not parameters; the parameters are ['nu']"),
        ("system.calibration=isotonic", "isotonic calibration is for one fixed target"),
    ],
)
def test_train_refuses_in_one_line(experiment: Path, tmp_path: Path, override: str, message: str) -> None:
    said = refused("train", experiment, "-o", tmp_path / "run", "--quiet", "--set", override)
    assert message in said
    assert not (tmp_path / "run").exists()


def test_train_takes_no_more_events_than_asked(experiment: Path, tmp_path: Path) -> None:
    result = simulacra_command("train", experiment, "-o", tmp_path, "--quiet", "--set", "data.max_events=500")
    assert result.exit_code == 0, result.output
    description = Reweighter.load(tmp_path).description
    assert description["source"]["events"] == description["target"]["events"] == 500


def test_srgn_is_trained_with_the_weights_of_dctr(
    trained: tuple[Path, Result], experiment: Path, folder: Path, tmp_path: Path
) -> None:
    x = samples(N, N, 1)[0]
    write_events(gaussian_events(x + np.random.default_rng(2).normal(size=N)), tmp_path / "seen.zarr")
    text = experiment.read_text(encoding="utf-8")
    text = text.replace(f'path = "{folder}/drawn.zarr"', f'path = "{tmp_path}/seen.zarr"')
    text = text.replace(
        f'kind = "dctr"\nsource = "{folder}/source.zarr"',
        (f'kind = "srgn"\nparticle = "{folder}/source.zarr"\nreweighter = "{trained[0]}"'),
    )
    text = text.replace('calibration = "temperature"', 'calibration = "none"').replace(
        "[system.reference]\nmu = 0.0\n", ""
    )
    (tmp_path / "srgn.toml").write_text(text, encoding="utf-8")
    result = simulacra_command("train", tmp_path / "srgn.toml", "-o", tmp_path / "run", "--quiet")
    assert result.exit_code == 0, result.output
    found = Reweighter.load(tmp_path / "run")
    assert found.bounds == {"mu": (-1.0, 1.0)}
    assert found.description["target"]["weights"].startswith("klein, ")
    said = refused("train", tmp_path / "srgn.toml", "-o", tmp_path / "no", "--set", "system.reweighter=dctr-x")
    assert "'dctr-x' is neither a file, nor a folder" in said


def test_systems_lists_the_reweighters(
    trained: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    before = simulacra_command("systems")
    assert before.exit_code == 0, before.output
    for kind in ("calogan", "dctr", "srgn"):
        assert re.search(rf"\b{kind}\b", before.stdout)
    (tmp_path / "toy-mu.safetensors").write_bytes((trained[0] / "reweighter.safetensors").read_bytes())
    monkeypatch.setattr("simulacra.reweighting.reweighter.WEIGHTS", tmp_path)
    result = simulacra_command("systems")
    assert result.exit_code == 0, result.output
    said = one_line(result.stdout)
    assert "shipped reweighters" in said
    assert re.search(r"toy-mu .*toy 1 .*mu -1 to 1 .*3000 and 3000 events, 2 members, 0 min", said)
    monkeypatch.setattr("simulacra.reweighting.reweighter.WEIGHTS", tmp_path / "absent")
    assert "shipped reweighters" not in simulacra_command("systems").stdout


def test_settings_of_the_systems_are_plain_json() -> None:
    from simulacra.systems import dctr, srgn

    one = dctr.Settings.model_validate({"kind": "dctr", "source": "a.zarr"})
    other = srgn.Settings.model_validate({"kind": "srgn", "particle": "a.zarr", "reweighter": "dctr-z"})
    for settings in (one, other):
        assert type(settings).model_validate(json.loads(settings.model_dump_json())) == settings
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        srgn.Settings.model_validate({"kind": "srgn", "particle": "a", "reweighter": "b", "source": "c"})
