import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import distributed
import pytest

from simulacra.campaigns import connection, executor_for
from simulacra.campaigns.cluster import DaskExecutor
from simulacra.store import ExecutorError

TLS = "distributed.comm.tls"
ENCRYPTION = "distributed.comm.require-encryption"
CLOSED = "127.0.0.1:9"


def refusal(address: str, **settings: Any) -> str:
    """Return the message when a task is run."""
    with dask.config.set(settings), pytest.raises(ExecutorError) as found:
        list(DaskExecutor(address, patience=1.0).run(abs, [-1]))
    return str(found.value)


@pytest.mark.parametrize("kind", ["tls", "wss"])
def test_encryption_without_certificates_says_what_to_set(kind: str) -> None:
    said = refusal(f"{kind}://{CLOSED}")
    assert said.startswith(
        f"the scheduler at {kind}://{CLOSED} is encrypted (TLS), and there are no certificates for it"
    )
    assert all(f"{TLS}.{name}" in said for name in ("ca-file", "client.cert", "client.key"))


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    names = (f"{TLS}.ca-file", f"{TLS}.client.cert", f"{TLS}.client.key")
    for file in (wrong, tmp_path / "none.pem"):
        said = refusal(f"tls://{CLOSED}", **dict.fromkeys(names, str(file)))
        assert said.startswith("the settings of TLS cannot be used (")
        assert f"correct {TLS} in Dask's configuration" in said


def test_required_encryption_refuses_open_connections(tmp_path: Path) -> None:
    said = refusal(f"tcp://{CLOSED}", **{ENCRYPTION: True})
    assert f"the scheduler at tcp://{CLOSED} is not encrypted, and {ENCRYPTION} in Dask's configuration" in said
    slurm = tmp_path / "slurm.toml"
    slurm.write_text('kind = "slurm"\njobs = 1\ncores = 1\nmemory = "1GB"\n')
    with (
        dask.config.set({ENCRYPTION: True}),
        pytest.raises(ExecutorError, match=r"a cluster that is begun here \(tcp\) is not encrypted"),
        executor_for(slurm),
    ):
        pass
    with (
        dask.config.set({ENCRYPTION: True}),
        pytest.raises(
            ExecutorError, match=rf"machine \(tls\) is encrypted .*tls\.worker\.key in .*, or set {ENCRYPTION} to"
        ),
        executor_for("local:1"),
    ):
        pass


def test_certificates_allow_encrypted_connections(tmp_path: Path) -> None:
    one = distributed.Security.temporary()
    files = {}
    for name in (
        "ca-file",
        *(f"{role}.{part}" for role in ("client", "scheduler", "worker") for part in ("cert", "key")),
    ):
        (file := tmp_path / f"{name}.pem").write_text(getattr(one, "tls_" + re.sub(r"\W", "_", name)))
        files[f"{TLS}.{name}"] = str(file)
    with dask.config.set(files | {ENCRYPTION: True}):
        connection.refuse_other_security(connection.local_kind(), "it", ("client", "scheduler", "worker"))


def test_an_unknown_host_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(connection.socket, "getaddrinfo", unknown)
    assert "no scheduler answers at tcp://nowhere:1 (the host 'nowhere' is not known here" in refusal("tcp://nowhere:1")


def test_a_kind_of_address_that_dask_cannot_use_is_told() -> None:
    said = refusal(f"ucx://{CLOSED}")
    assert "Dask cannot connect by ucx://, TypeError: " in said
    assert "most schedulers are at tcp://HOST:PORT" in said


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", server


def test_what_never_greets_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "GREETING", 0.2)
    with listening() as (address, server):
        said = refusal(address)
        # ends Dask's own wait
        server.accept()[0].close()
    assert "what listens there does not greet like a scheduler of Dask: is this the port of its pages?" in said


def test_a_client_that_comes_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        def __init__(self, *_: object, **__: object) -> None:
            self.closed = threading.Event()
            made.append(self)
            assert go_on.wait(10)

        def close(self, timeout: float) -> None:
            self.closed.set()

    made: list[Late] = []
    go_on = threading.Event()
    monkeypatch.setattr(distributed, "Client", Late)
    monkeypatch.setattr(connection, "GREETING", 0.1)
    with pytest.raises(OSError, match="does not greet"):
        connection.connected(f"tcp://{CLOSED}", 0.1)
    go_on.set()
    assert made[0].closed.wait(10)
