"""Small valid files of every HDF5 layout, damaged in each attribute and dataset: told by file and item, in one line."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from events_of_every_kind import jets, table
from simulacra.cli import main
from simulacra.errors import is_explained
from simulacra.events import EventsError, make_events, variable
from simulacra.formats import FormatError, calochallenge, calogan, flat_showers, jetnet, read, single_file
from simulacra.geometry import CalorimeterGeometry

N = 4


def showers(geometry: str) -> xr.Dataset:
    rng = np.random.default_rng(1)
    found = CalorimeterGeometry.load(geometry)
    energy, cells = rng.uniform(1, 100, N), rng.random((N, found.n_cells))
    cells *= (900 * energy / cells.sum(axis=1))[:, None]
    return make_events(
        {
            "incident_energy": variable(energy, units="GeV", long_name="E", role="condition"),
            "impact_x": variable(rng.normal(size=N), units="mm", long_name="x", role="condition"),
            "shower": variable(cells.astype("f4"), "cell", units="MeV", long_name="e", role="feature"),
            "active": variable((cells / 5).astype("f4"), "cell", units="MeV", long_name="e", role="feature"),
            "overflow": variable(np.ones((N, 3)), "section", units="MeV", long_name="o", role="feature"),
            "kept": variable(rng.random(N) > 0.5, units="1", long_name="k", role="mask"),
        },
        simulator="geant4",
        simulator_version="11",
        seed=3,
        settings={"a": [1, 2]},
        seconds_per_event=0.1,
        first_event=7,
        particle="e-",
        geometry=found.to_json(),
    )


def write_calogan(path: Path) -> None:
    calogan.write(showers("calogan"), path)


def write_flat_showers(path: Path) -> None:
    flat_showers.write(showers("calogan"), path)
    with h5py.File(path, "r+") as file:
        file.attrs.update({"geant4": "11.2", "physics": "FTFP_BERT", "seconds_per_event": 0.5})


def write_calochallenge(path: Path) -> None:
    calochallenge.write(showers("calochallenge").drop_vars(["active", "overflow"]), path)


def write_jetnet(path: Path) -> None:
    jetnet.write(jets(N, 1).assign_attrs(particle="g"), path)
    with h5py.File(path, "r+") as file:
        file.attrs["seconds_per_event"] = 0.5


def write_single_file(path: Path) -> None:
    single_file.write(table(N, 1, weights=np.ones(N)).assign_attrs(particle="e-", flags=[1, 2]), path)


WRITERS = (write_calogan, write_flat_showers, write_calochallenge, write_jetnet, write_single_file)

#: in place of an attribute or a dataset
WRONG: dict[str, Any] = {
    "text": "banana",
    "empty text": "",
    "no UTF-8": np.bytes_(b"\xff\xfe"),
    "number": 3,
    "not finite": np.nan,
    "truth value": True,
    "list": np.array([1.0, 2.0, 3.0]),
    "texts": np.array(["a", "b"], dtype=h5py.string_dtype()),
    "empty list": np.array([], dtype="f4"),
    "table": np.ones((2, 2)),
    "nothing": h5py.Empty("f4"),
    "compound": np.zeros(2, dtype=[("x", "f4"), ("y", "i4")]),
    "complex": 1j,
    "JSON number": "3",
    "JSON list": '["a", 3, null]',
    "JSON object": '{"a": 1}',
    "JSON not finite": '{"attributes": {"seed": NaN}, "variables": {"shower": NaN}}',
    "half of a JSON": '{"attributes": {"seed"',
    "nested": '{"attributes": {"seed": "x", "settings": "3"}, "variables": {}}',
}


def places(path: Path) -> list[tuple[str, str | None]]:
    """Every object of a file, and every attribute of each."""
    found: list[tuple[str, str | None]] = []
    with h5py.File(path) as file:
        found += [("/", name) for name in file.attrs]
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            found.append((name, None))
            found += [(name, attribute) for attribute in file[name].attrs]
    return found


def damages(path: Path, place: tuple[str, str | None]) -> Iterator[tuple[str, Callable[[h5py.File], None]]]:
    name, attribute = place
    if attribute is not None:

        def write(value: Any) -> Callable[[h5py.File], None]:
            return lambda file: file[name].attrs.__setitem__(attribute, value)

        yield "missing", lambda file: file[name].attrs.__delitem__(attribute)
    else:

        def write(value: Any) -> Callable[[h5py.File], None]:
            def change(file: h5py.File) -> None:
                attributes = dict(file[name].attrs)
                del file[name]
                file[name] = value
                file[name].attrs.update(attributes)

            return change

        yield "missing", lambda file: file.__delitem__(name)
        yield "a link to nothing", lambda file: (file.__delitem__(name), file.__setitem__(name, h5py.SoftLink("/gone")))
        yield "a group", lambda file: (file.__delitem__(name), file.create_group(name))
        with h5py.File(path) as file:
            there = file[name][()] if isinstance(file[name], h5py.Dataset) else None
        if isinstance(there, np.ndarray) and there.ndim:
            yield "one dimension more", write(there[..., None])
            yield "one event less", write(there[1:])
            yield "one column more", write(np.concatenate([there, there[..., :1]], axis=-1))
            yield "no events", write(there[:0])
            yield "texts of its shape", write(np.full(there.shape, b"x"))
            yield "not finite", write(np.full(there.shape, np.nan))
            wrong = ("text", "number", "truth value", "table", "nothing", "compound", "complex")
            yield from ((kind, write(WRONG[kind])) for kind in wrong)
            return
    for kind, value in WRONG.items():
        yield kind, write(value)


@pytest.fixture(scope="module", params=WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "gluon.h5"
    request.param(path)
    assert read(path).sizes["event"] == N
    return path


def test_whatever_is_damaged_is_told_by_file_in_one_line(whole: Path, tmp_path: Path) -> None:
    path, refused = tmp_path / "damaged.h5", 0
    for place in places(whole):
        for kind, change in damages(whole, place):
            shutil.copy(whole, path)
            with h5py.File(path, "r+") as file:
                change(file)
            with warnings.catch_warnings():
                # What is not known, and energies in doubtful units, are told and read.
                warnings.simplefilter("ignore", UserWarning)
                error = error_of(path)
            if error is None:
                continue
            refused += 1
            said, told = str(error), f"{place} {kind}: {error!r}"
            assert is_explained(error), told
            assert isinstance(error, FormatError | EventsError), told
            assert f"'{path}'" in said, told
            assert "\n" not in said, told
            assert len(said) < 600, told
    assert refused > 100


def error_of(path: Path) -> Exception | None:
    try:
        read(path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be the project's own
        return error
    return None


@pytest.mark.parametrize(
    ("writer", "place", "value", "item", "fault"),
    [
        (write_calogan, ("/", "particle"), 3, "attribute 'particle' of the file", "Input should be a valid string"),
        (write_jetnet, ("/", "seconds_per_event"), "x", "attribute 'seconds_per_event' of the file", "valid number"),
        (
            write_flat_showers,
            ("simulacra/variables/kept", "dimensions"),
            '["cell", 3]',
            "attribute 'dimensions' of 'simulacra/variables/kept'",
            "1: Input should be a valid string, found 3",
        ),
        (write_single_file, ("first", "units"), 3, "attributes of 'first'", "units: Input should be a valid string"),
        (write_single_file, ("/", "settings"), "{", "attributes of the file", "settings: Invalid JSON"),
        (write_single_file, ("/", "geometry"), '{"a": 1}', "attributes of the file", "geometry: "),
    ],
)
def test_the_command_tells_file_and_item_in_one_line(
    writer: Callable[[Path], None], place: tuple[str, str], value: Any, item: str, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "gluon.h5"
    writer(path)
    with h5py.File(path, "r+") as file:
        file[place[0]].attrs[place[1]] = value
    result = CliRunner().invoke(main.app, ["judge", str(path), str(path), "-o", str(tmp_path / "page")])
    assert result.exit_code == 2, result.output
    said = " ".join(result.stderr.split())
    assert f"'{path}': the {item} cannot be used (" in said
    assert fault in said
    assert "fault of simulacra" not in said
