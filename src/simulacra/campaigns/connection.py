"""Connections to schedulers: the form of an address, whether Dask's settings allow it, and a client in bounded time."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import threading
from typing import Any, Final

from simulacra.errors import printable
from simulacra.store.executors import ExecutorError

KINDS: Final = ("tcp", "tls", "ucx", "ws", "wss")
ENCRYPTED: Final = ("tls", "wss")
BEGINNING: Final = re.compile(rf"({'|'.join(KINDS)}):/")
ADDRESS: Final = re.compile(rf"({'|'.join(KINDS)})://(\[[\w:.%]+\]|[^\s:/@\[\]]+):(\d{{1,5}})")
LARGEST_PORT: Final = 65535
#: after the time for a connection, what has connected must answer within this time [s]
GREETING: Final = 3.0
#: the setting of Dask that allows only encrypted connections
REQUIRED: Final = "distributed.comm.require-encryption"
#: where settings of Dask are, for messages
CONFIGURATION: Final = "in Dask's configuration (a file in ~/.config/dask)"


def is_address(name: str) -> bool:
    """Return whether a text is an address.

    Raises
    ------
    ValueError
        if it begins like one, but lacks its host or port, or the port cannot be.
    """
    if not BEGINNING.match(name):
        return False
    found = ADDRESS.fullmatch(name)
    if found is None or not 1 <= int(found[3]) <= LARGEST_PORT:
        raise ValueError(
            f"'{name}' is not the address of a scheduler: give its host and port (1 to {LARGEST_PORT}), as in "
            f"{name.partition(':')[0]}://10.0.0.1:8786"
        )
    return True


def connected(address: str, timeout: float) -> Any:
    """Return a client of a scheduler.

    Raises
    ------
    OSError, TimeoutError, ValueError
        if none answers within the time [s], and a little more.
    """
    if (found := ADDRESS.fullmatch(address)) is not None:
        # Dask would try a host without a known name until the time is over
        host = found[2].strip("[]")
        try:
            socket.getaddrinfo(host, int(found[3]))
        except (OSError, UnicodeError) as error:
            raise OSError(f"the host '{host}' is not known here: {error}") from None
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    given_up = threading.Event()
    # Dask waits without end for the greeting of what accepts the connection, such as a web server
    threading.Thread(target=_greeted, args=(address, timeout, answers, given_up), daemon=True).start()
    try:
        answer = answers.get(timeout=timeout + GREETING)
    except queue.Empty:
        given_up.set()
        raise OSError(
            "what listens there does not greet like a scheduler of Dask: is this the port of its pages?"
        ) from None
    if isinstance(answer, OSError | TimeoutError | ValueError):
        raise answer
    if isinstance(answer, BaseException):
        # Dask raises all sorts if the kind of the address is that of no scheduler, or needs another package
        told = f"{type(answer).__name__}: {answer}".removesuffix(": ")
        raise OSError(
            f"Dask cannot connect by {address.partition(':')[0]}://, {told}; most schedulers are at tcp://HOST:PORT"
        ) from answer
    return answer


def _greeted(address: str, timeout: float, answers: queue.SimpleQueue[Any], given_up: threading.Event) -> None:
    from distributed import Client

    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
        answers.put(error)
        return
    answers.put(client)
    if given_up.is_set():
        with contextlib.suppress(Exception):
            client.close(timeout=1)


def local_kind() -> str:
    """Return the kind of address that Dask gives a cluster of this machine, by its configuration."""
    import dask

    return "tls" if dask.config.get(REQUIRED) else "tcp"


def refuse_other_security(kind: str, what: str, roles: tuple[str, ...] = ("client",)) -> None:
    """Refuse an encrypted connection without certificates, and an open one if only encrypted ones are allowed.

    Parameters
    ----------
    kind:
        of the address: "tcp", "tls" and so on.
    what:
        what is connected to, for messages.
    roles:
        of this machine, which need certificates: "client", "scheduler", "worker".

    Raises
    ------
    simulacra.store.executors.ExecutorError
        with the setting of Dask that does not fit.
    """
    from distributed.security import Security

    try:
        security = Security()
        # a certificate alone would make no context of a client
        missing = [role for role in roles if security.get_connection_args(role)["ssl_context"] is None]
    except (OSError, ValueError, TypeError) as error:
        # no such file, or not a certificate; a wrong version of TLS or cipher
        raise ExecutorError(
            f"the settings of TLS cannot be used ({printable(str(error), 200)}): correct distributed.comm.tls "
            f"{CONFIGURATION}"
        ) from None
    encrypted, required = kind in ENCRYPTED, bool(security.require_encryption)
    if encrypted and missing:
        needed = ["ca-file", *(f"{role}.{part}" for role in missing for part in ("cert", "key"))]
        otherwise = f"set {REQUIRED} to false" if required else "take one without TLS (tcp)"
        raise ExecutorError(
            f"{what} is encrypted (TLS), and there are no certificates for it: set "
            f"{', '.join(f'distributed.comm.tls.{name}' for name in needed)} {CONFIGURATION}, or {otherwise}"
        )
    if required and not encrypted:
        raise ExecutorError(
            f"{what} is not encrypted, and {REQUIRED} {CONFIGURATION} allows only encrypted connections: take one "
            "with TLS (tls), or set it to false"
        )
