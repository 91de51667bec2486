"""A service as a process: uvicorn with deadlines for slow clients, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulacra.serving.guard import LOOPBACK
from simulacra.serving.limits import Limits
from simulacra.serving.routes import application

#: seconds that requests in progress have at the end of a service
LAST_SECONDS: Final = 10
#: bytes of a request's head
MOST_HEAD: Final = 32 * 1024
#: seconds between a thread's turns: the one that answers must not wait 5 ms for those that make events
TURN: Final = 0.001


def serve(
    models: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8421,
    limits: Limits | None = None,
    token: str | None = None,
    allowed_hosts: Collection[str] = (),
    ready: Callable[[str], None] = print,
) -> None:
    """Serve models until SIGTERM or SIGINT.

    Parameters
    ----------
    models:
        what :func:`simulacra.load` reads.
    host, port:
        the address; port 0 takes a free one. The token is required except on a loopback address.
    limits, token:
        as in :func:`simulacra.serving.application`.
    allowed_hosts:
        further names that the header ``Host`` may have.
    ready:
        called with the service's URL when it answers.

    Raises
    ------
    ValueError
        if the host is not a loopback address and there is no token, or as :func:`simulacra.serving.application`.
    OSError
        if the address cannot be used.
    """
    if not is_loopback(host) and token is None:
        raise ValueError(
            f"'{host}' is not a loopback address, and everybody who reaches it could ask for events: give a token "
            "(--token, or the variable SIMULACRA_TOKEN), or serve at 127.0.0.1"
        )
    limits = limits or Limits()
    listening = _listening(host, port)
    try:
        config = _configured(models, host, limits, token, allowed_hosts)
        # All that was loaded stays: to look for garbage in it takes a tenth of a second, in which nobody is answered.
        gc.collect()
        gc.freeze()
        name = f"[{host}]" if ":" in host else host
        with _signals_end_it():
            ready(f"http://{name}:{listening.getsockname()[1]}/")
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def _configured(
    models: Sequence[str], host: str, limits: Limits, token: str | None, allowed_hosts: Collection[str]
) -> uvicorn.Config:
    import torch

    # Each thread that makes events uses one thread of the processor.
    torch.set_num_threads(1)
    sys.setswitchinterval(TURN)
    # Behind a token, the names by which others reach this machine are theirs to know.
    hosts = {*LOOPBACK, host, *allowed_hosts} if is_loopback(host) or allowed_hosts else None
    app = application(models, limits, token, allowed_hosts=hosts)
    return uvicorn.Config(
        app,
        http=_patient(limits.patience),
        ws="none",
        loop="asyncio",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.most_connections,
        timeout_keep_alive=max(1, round(limits.patience)),
        timeout_graceful_shutdown=LAST_SECONDS,
        h11_max_incomplete_event_size=MOST_HEAD,
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Without the protocol asyncio does not switch off Nagle's algorithm, and each answer takes 40 ms longer.
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ValueError(f"'{host}' is no address of this machine ({error.strerror}): say 127.0.0.1") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(1024)
    except (OSError, OverflowError) as error:
        made.close()
        raise ValueError(f"port {port} of '{host}' cannot be used ({error}): choose another with --port") from None
    return made


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the server and not the process: uvicorn raises them again when it has ended."""
    before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _patient(patience: float) -> type[H11Protocol]:
    """Return uvicorn's protocol with deadlines: for a request's head to come, and for an answer to be taken [s]."""

    class PatientProtocol(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _answer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._head = self.loop.call_later(patience, self._abort)

        def data_received(self, data: bytes) -> None:
            waited = self.conn.their_state is h11.IDLE
            super().data_received(data)
            waits = self.conn.their_state is h11.IDLE
            if not waits and self._head is not None:
                self._head.cancel()
                self._head = None
            elif waits and waited and self._head is None:
                self._head = self.loop.call_later(patience, self._abort)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._answer = self._answer or self.loop.call_later(patience, self._abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._answer is not None:
                self._answer.cancel()
                self._answer = None

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._head, self._answer):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def _abort(self) -> None:
            self.transport.abort()

    return PatientProtocol
