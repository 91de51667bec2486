"""A service in the test's own process: its application, and a client of it."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import uvicorn

URL = "http://127.0.0.1"
EVENTS = "/models/{}/events"


def ask(app: Any, method: str, path: str, **given: Any) -> httpx.Response:
    """Return the answer to one request."""
    return ask_all(app, [(method, path, given)])[0]


Meanwhile = Callable[[httpx.AsyncClient, list["asyncio.Task[httpx.Response]"]], Awaitable[None]]


def ask_all(
    app: Any,
    requests: list[tuple[str, str, dict[str, Any]]],
    host: str = "127.0.0.1",
    meanwhile: Meanwhile | None = None,
) -> list[httpx.Response]:
    """Return the answers to requests that are sent together; ``meanwhile`` is awaited once they are under way."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, client=(host, 1234))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            asking = [asyncio.create_task(client.request(m, path, **given)) for m, path, given in requests]
            if meanwhile is not None:
                await meanwhile(client, asking)
            return list(await asyncio.gather(*asking))

    return asyncio.run(all_of_them())


class Slow:
    """A generator's ``evaluate`` that waits until it is let go.

    Attributes
    ----------
    entered, go:
        set when it is first called, and to let it go.
    """

    def __init__(self, generator: Any) -> None:
        self._evaluate = generator.evaluate
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, noise: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        self.entered.set()
        assert self.go.wait(20)
        made: np.ndarray = self._evaluate(noise, conditions)
        return made

    def let_go_when_waiting(self, number: int) -> Meanwhile:
        """Return what lets it go once so many requests wait, and all others are answered."""

        async def meanwhile(client: httpx.AsyncClient, asking: list[asyncio.Task[httpx.Response]]) -> None:
            while (await client.get("/health")).json()["waiting"] < number or sum(one.done() for one in asking) < len(
                asking
            ) - number:
                await asyncio.sleep(0.005)
            self.go.set()

        return meanwhile


def events(app: Any, model: str, form: str = "npz", **body: Any) -> httpx.Response:
    """Return the answer to a request for events."""
    return ask(app, "POST", EVENTS.format(model), params={"format": form}, json=body)


def from_npz(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of an archive by name, and what it says beside them."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive}
    return arrays, json.loads(str(arrays.pop("simulacra")))


def from_arrow(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a stream by name, and what it says beside them."""
    table = pa.ipc.open_stream(content).read_all()
    arrays = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        tensor = isinstance(column.type, pa.FixedShapeTensorType)
        arrays[name] = column.to_numpy_ndarray() if tensor else column.to_numpy()
    return arrays, json.loads(table.schema.metadata[b"simulacra"])


def from_json(content: bytes, dtypes: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of an object by name, and what it says beside them."""
    told = json.loads(content)
    variables = told.pop("variables")
    return {name: np.array(one["values"], dtypes[name]) for name, one in variables.items()}, told


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Give the URL of an application that a thread of this process serves."""
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    place.bind(("127.0.0.1", 0))
    # From here on requests wait for the thread to begin.
    place.listen(128)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", http="h11"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        place.close()
        assert not thread.is_alive()
