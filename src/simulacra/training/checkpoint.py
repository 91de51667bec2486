"""The files of a run: weights with everything needed to use them, and the state to continue from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from simulacra import whole_files
from simulacra.errors import printable
from simulacra.version import is_later, written_later

FORMAT: Final = "simulacra-model-1"
#: the first bytes of files that are taken for models, and what they are
_FOREIGN: Final[Mapping[bytes, str]] = {
    **{bytes((0x80, version)): "a Python pickle, which can run any code when it is read" for version in range(2, 6)},
    b"PK\x03\x04": "a zip archive, such as a checkpoint of PyTorch (.pt, .ckpt) or arrays of NumPy (.npz)",
    b"\x1f\x8b": "compressed by gzip",
    b"\x89HDF": "an HDF5 file",
}
#: endings of files that are pickles or hold them, in protocols without such first bytes too
_PICKLED: Final = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a complete file or none."""
    with _written(path) as fresh:
        fresh.write_bytes(data)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Give the path of a file to write; say that the previous one is intact if it cannot be written."""
    from safetensors import SafetensorError

    try:
        with whole_files.whole_file(path, alone=True) as fresh:
            mode = fresh.stat().st_mode
            yield fresh
            # safetensors lets nobody else read what it writes
            fresh.chmod(mode)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or printable(str(error), 200)
        raise CheckpointError(f"could not write {path}: {reason}; the previous file is intact") from error


def save_model(path: Path, module: nn.Module, metadata: Mapping[str, Any]) -> None:
    """Write weights and metadata as one safetensors file."""
    save_tensors(path, module.state_dict(), metadata)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors (a network's weights and further ones) and metadata as one safetensors file."""
    from safetensors.torch import save_file

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not sorted: the order of the conditions is that of the network's columns.
    header = {"format": FORMAT, "simulacra": json.dumps(metadata), "sha256": data_hash(weights)}
    with _written(path) as fresh:
        save_file(weights, fresh, header | {"checksum": _checksum(header)})


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a model file without reading its weights."""
    return _read(path, with_weights=False)[0]


def read_model(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return metadata and weights of a model file.

    Raises
    ------
    CheckpointError
        if the file is missing, damaged or changed, of another kind (it is then not read, and no code in it is run), of
        a later version, or holds weights that are not finite.
    """
    metadata, weights = _read(path, with_weights=True)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path}: the weights '{name}' are not all finite: the file is damaged, train again")
    return metadata, weights


def _read(path: Path, *, with_weights: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    _refuse_foreign(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            _refuse_format(path, header.get("format"))
            weights = {name: file.get_tensor(name) for name in file.keys()} if with_weights else {}  # noqa: SIM118
            metadata = json.loads(header["simulacra"])
    except CheckpointError:
        raise
    except (SafetensorError, ValueError, KeyError, RecursionError, OSError) as error:
        reason = printable(str(error), 200)
        raise CheckpointError(f"{path} is damaged or truncated ({reason}): copy it again or train again") from None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"{path} is damaged, its metadata are not a table of names: copy it again or train again")
    if header.get("checksum", _checksum(header)) != _checksum(header):
        raise CheckpointError(f"{path} is damaged, its metadata have changed since they were written: copy it again")
    if "sha256" not in header:
        raise CheckpointError(f"{path} is damaged, the checksum of its weights is gone: copy it again")
    if with_weights and header["sha256"] != data_hash(weights):
        raise CheckpointError(f"{path} is damaged, its weights have changed since they were written: copy it again")
    return metadata, weights


def checked_by(path: Path) -> str:
    """Return what the checksums in a model file cover: "weights and metadata", or in early files "weights".

    A checksum notices damage and slips. It is no signature: who changes a file can also write a new checksum.

    Raises
    ------
    CheckpointError
        as :func:`read_metadata`.
    """
    from safetensors import safe_open

    read_metadata(path)
    with safe_open(str(path), framework="pt") as file:
        header = file.metadata()
    return "weights and metadata" if "checksum" in header else "weights"


def _checksum(header: Mapping[str, str]) -> str:
    """Return the SHA-256 of all that a header says: its format, its metadata, and the hash of the weights."""
    told = [header.get(name, "") for name in ("format", "simulacra", "sha256")]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _refuse_foreign(path: Path) -> None:
    """Refuse what is no safetensors file by what it is, before anything reads it."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a model file")
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}")
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    # A safetensors file begins with the length of its header in eight bytes, which may look like anything, and a brace.
    found = () if head[8:] == b"{" else _FOREIGN.items()
    what = next((what for magic, what in found if head.startswith(magic)), None)
    if what is None and path.suffix.lower() in _PICKLED:
        what = f"not read, for files '{path.suffix}' hold pickles, which can run any code when they are read"
    # One that ends before the brace may be cut, if its name says what it was.
    if what is None and head[8:] != b"{" and (len(head) == 9 or path.suffix != ".safetensors"):
        raise CheckpointError(
            f"{path} is no Simulacra model: it does not begin like a safetensors file; if it was one, copy it again"
        )
    if what is not None:
        raise CheckpointError(
            f"{path} is no Simulacra model: it is {what}. Models are .safetensors files; see docs/trust.md"
        )


def _refuse_format(path: Path, said: str | None) -> None:
    if said == FORMAT:
        return
    if is_later(said, FORMAT):
        raise CheckpointError(written_later(str(path), said, FORMAT))
    raise CheckpointError(f"{path} is not a Simulacra model: its format is {printable(repr(said), 40)}, not '{FORMAT}'")


def fill(module: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Load weights into a module, refusing anything missing, superfluous or of another shape."""
    try:
        module.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{where} does not fit the network that its settings describe: {error}") from None


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state that a killed run continues from."""
    with _written(path) as fresh, fresh.open("wb") as file:
        torch.save(dict(state), file)


def read_state(path: Path) -> dict[str, Any]:
    """Read the output of :func:`save_state`: tensors and plain values only, no code.

    Raises
    ------
    CheckpointError
        if the file is damaged; the contents are compared with the checksums in it.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        state = {} if damaged else dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        # A damaged file makes torch and zipfile fail in a dozen ways.
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} is damaged ({reason}): remove it to start the run again") from error
    if damaged:
        raise CheckpointError(f"{path} is damaged (a checksum differs): remove it to start the run again")
    return state


def data_hash(tensors: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the training tensors, names and bytes; tensors on disk are read block by block."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        tensor = tensors[name]
        for block in (tensor,) if isinstance(tensor, Tensor) else tensor.blocks():
            digest.update(block.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the programs that a result depends on, and the host."""
    from importlib.metadata import version

    packages = ("simulacra", "torch", "lightning-fabric", "numpy", "xarray", "zarr")
    found = {package: version(package) for package in packages}
    return {**found, "python": platform.python_version(), "host": platform.platform(), "machine": platform.machine()}


def locked(folder: Path) -> AbstractContextManager[None]:
    """Lock a run folder for one process; a second one gets an error that names the first."""
    return whole_files.locked(
        folder / ".lock",
        lambda holder: CheckpointError(
            f"{folder} is in use by process {holder}: wait for it, or choose another folder"
        ),
    )
