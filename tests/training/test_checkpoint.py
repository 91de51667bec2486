"""Files of weights and of states: whole or not there, and refused by name if anything in them is wrong."""

import errno
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from simulacra.training.checkpoint import (
    FORMAT,
    CheckpointError,
    checked_by,
    data_hash,
    fill,
    locked,
    read_metadata,
    read_model,
    read_state,
    save_model,
    save_state,
    versions,
    write_atomically,
)

METADATA = {"name": "toy", "description": {"condition_ranges": {"b": [1, 2], "a": [3, 4]}}}


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30))


@pytest.fixture
def model(tmp_path: Path, module: nn.Module) -> Path:
    path = tmp_path / "Gewichte für γ" / "model.safetensors"
    path.parent.mkdir()
    save_model(path, module, METADATA)
    return path


@pytest.fixture
def state(tmp_path: Path, module: nn.Module) -> Path:
    path = tmp_path / "resume.pt"
    save_state(path, {"family": module.state_dict(), "step": 7, "identity": "x"})
    return path


def test_weights_and_metadata_come_back(model: Path, module: nn.Module) -> None:
    metadata, weights = read_model(model)
    assert metadata == read_metadata(model) == METADATA
    assert list(metadata["description"]["condition_ranges"]) == ["b", "a"], "the order of the conditions is kept"
    assert set(weights) == set(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert weights[name].dtype == tensor.dtype
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=0)


def test_other_programs_read_the_weights(model: Path) -> None:
    from safetensors import safe_open

    with safe_open(str(model), framework="np") as file:
        assert file.metadata()["format"] == FORMAT
        assert json.loads(file.metadata()["simulacra"]) == METADATA
        assert file.get_tensor("0.weight").shape == (30, 20)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_to_nothing(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def text(path: Path) -> None:
    path.write_text("<html>404</html>", encoding="utf-8")


def another_format(path: Path) -> None:
    save_file({"w": torch.zeros(3)}, str(path))


def zip_file(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


@pytest.mark.parametrize("spoil", [truncate, cut_to_nothing, garbage, text, another_format, zip_file])
def test_a_damaged_model_is_refused_by_name(model: Path, spoil: Callable[[Path], None]) -> None:
    spoil(model)
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as caught:
        read_model(model)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("spoil", [truncate, cut_to_nothing, garbage, text, another_format, zip_file])
def test_a_damaged_state_is_refused_by_name(state: Path, spoil: Callable[[Path], None]) -> None:
    spoil(state)
    with pytest.raises(CheckpointError, match=r"resume\.pt is damaged .*: remove it to start the run again") as caught:
        read_state(state)
    assert str(caught.value).count("\n") == 0


def test_each_truncation_of_either_file_is_noticed(model: Path, state: Path) -> None:
    for path, read in ((model, read_model), (state, read_state)):
        whole = path.read_bytes()
        for n in range(0, len(whole), 211):
            path.write_bytes(whole[:n])
            with pytest.raises(CheckpointError):
                read(path)


def test_a_flipped_bit_is_noticed_or_changes_nothing(model: Path, state: Path, module: nn.Module) -> None:
    expected = module.state_dict()
    for path, read in ((model, lambda p: read_model(p)[1]), (state, lambda p: read_state(p)["family"])):
        whole, noticed = path.read_bytes(), 0
        positions = range(5, len(whole), 61)
        for position in positions:
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
            try:
                found = read(path)
            except CheckpointError:
                noticed += 1
                continue
            for name, tensor in expected.items():
                torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
        assert noticed > len(positions) / 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(model: Path, module: nn.Module, value: float) -> None:
    with torch.no_grad():
        module[0].weight[3, 4] = value
    save_model(model, module, METADATA)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: the weights '0\.weight' are not all finite"):
        read_model(model)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model file .*absent"):
        read_model(tmp_path / "absent")


def test_a_state_holds_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.system, ("touch " + str(tmp_path / "evil"),))

    torch.save({"family": Evil()}, tmp_path / "resume.pt")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_state(tmp_path / "resume.pt")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "model.ckpt", "model.safetensors"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_is_refused_by_name_and_does_nothing(tmp_path: Path, name: str, protocol: int) -> None:
    import pickle

    (tmp_path / name).write_bytes(pickle.dumps(Evil(tmp_path), protocol))
    for read in (read_model, read_metadata):
        with pytest.raises(CheckpointError, match=re.escape(name)) as caught:
            read(tmp_path / name)
        # A text pickle called .safetensors has nothing to know it by, and is refused like any other text.
        told = "pickle" if protocol or not name.endswith(".safetensors") else "does not begin like"
        assert told in str(caught.value)
    assert not (tmp_path / "evil").exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert (tmp_path / "evil").exists(), "the pickle does what it should not be allowed to"


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.folder / "evil",))


@pytest.mark.parametrize(
    ("head", "told"),
    [(b"PK\x03\x04", "a zip archive"), (b"\x1f\x8b", "compressed by gzip"), (b"\x89HDF\r\n", "an HDF5 file")],
)
def test_files_of_other_kinds_are_called_what_they_are(model: Path, head: bytes, told: str) -> None:
    model.write_bytes(head + model.read_bytes())
    with pytest.raises(CheckpointError, match=rf"model\.safetensors is no Simulacra model: it is {told}"):
        read_model(model)


def test_a_header_of_any_length_is_read(model: Path) -> None:
    """The file begins with this length: 640 bytes are 0x80 0x02, as a pickle of protocol 2."""
    lengths = set()
    for n in range(0, 1600, 8):
        rewrite(model, header_of(model) | {"more": "x" * n})
        assert read_model(model)[0] == METADATA
        lengths.add(model.read_bytes()[:2])
    assert lengths & {bytes((0x80, version)) for version in range(2, 6)}


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder, not a model file"):
        read_model(tmp_path)


def test_a_model_that_cannot_be_read_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        read_model(model)


def header_of(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return dict(file.metadata())


def rewrite(path: Path, header: dict[str, str]) -> None:
    from safetensors.torch import load, save

    path.write_bytes(save(load(path.read_bytes()), header))


@pytest.mark.parametrize("field", ["simulacra", "sha256"])
def test_changed_metadata_are_noticed(model: Path, field: str) -> None:
    assert checked_by(model) == "weights and metadata"
    header = header_of(model)
    # such as a wider range of validity, by hand
    header[field] = header[field].replace("e", "a", 1)
    rewrite(model, header)
    for read in (read_model, read_metadata):
        with pytest.raises(CheckpointError, match="its metadata have changed since they were written"):
            read(model)


def test_early_files_have_fewer_checksums(model: Path) -> None:
    header = header_of(model)
    del header["checksum"]
    rewrite(model, header)
    assert checked_by(model) == "weights"
    assert read_model(model)[0] == METADATA
    del header["sha256"]
    rewrite(model, header)
    for read in (read_model, read_metadata):
        with pytest.raises(CheckpointError, match="the checksum of its weights is gone"):
            read(model)


def test_a_text_is_no_damaged_model(tmp_path: Path) -> None:
    for name, content in (("notes.txt", b"a"), ("notes", b"an ordinary text\n"), ("text.safetensors", b"a short text")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is no Simulacra model: it does not begin like a safetensors file"):
            read_model(path)


def test_a_model_of_a_later_version_says_so(model: Path) -> None:
    rewrite(model, header_of(model) | {"format": "simulacra-model-2"})
    with pytest.raises(CheckpointError, match=r"written by a later version of Simulacra: its format is .*-2.*update"):
        read_model(model)


def test_weights_of_another_network_are_refused(model: Path) -> None:
    _, weights = read_model(model)
    for other in (nn.Sequential(nn.Linear(20, 31)), nn.Sequential(nn.Linear(20, 30)), nn.Linear(20, 30)):
        with pytest.raises(CheckpointError, match=r"here\.safetensors does not fit the network that its settings"):
            fill(other, weights, "here.safetensors")


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("fails", ["pathlib.Path.open", "os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_the_former_file(
    model: Path, module: nn.Module, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(fails, no_space)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: No space left on device; .* intact"):
            save_model(model, module, {"other": "metadata"})
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_a_write_that_stops_in_its_middle_leaves_the_former_file(model: Path) -> None:
    before, limits = model.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="File too large"):
            write_atomically(model, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_what_a_killed_writer_left_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise SystemExit

    path = tmp_path / "file"
    monkeypatch.setattr("pathlib.Path.replace", killed)
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
    with pytest.raises(SystemExit):
        write_atomically(path, b"never there")
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    assert not path.exists()
    write_atomically(path, b"there")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"there"


def test_a_folder_is_held_by_one_process_and_let_go_of_when_it_dies(tmp_path: Path) -> None:
    folder = tmp_path / "Lauf 粒子"
    program = "import sys\nfrom pathlib import Path\nfrom simulacra.training.checkpoint import locked\n"
    program += "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match=rf"{folder} is in use by process {holder.pid}"), locked(folder):
            pass
        holder.kill()
    with locked(folder), pytest.raises(CheckpointError, match=f"in use by process {os.getpid()}"), locked(folder):
        pass


def test_hash_of_the_data_sees_names_values_and_order() -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    first = data_hash(tensors)
    assert data_hash({"b": tensors["b"], "a": tensors["a"]}) == first
    changed = tensors["a"].clone()
    changed[1, 2] = torch.nextafter(changed[1, 2], torch.tensor(9.0))
    others = [{**tensors, "a": changed}, {**tensors, "a": tensors["a"].flip(0)}, {"a": tensors["a"], "c": tensors["b"]}]
    assert len({first, *map(data_hash, others)}) == 4


def test_versions_name_what_a_result_depends_on() -> None:
    found = versions()
    assert found["torch"] == torch.__version__
    assert {"simulacra", "numpy", "python", "host", "machine"} <= set(found)
