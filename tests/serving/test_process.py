"""``simulacra serve`` as a process: clients that are slow, rude or gone, and its end by SIGTERM."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

import simulacra
from served_models import from_npz

NAME = "calogan-eplus"
PATH = f"/models/{NAME}/events"
PATIENCE = 0.5
TOKEN = "a-token-that-nobody-guesses"


class Running(NamedTuple):
    """A service: its process, URL and port."""

    process: subprocess.Popen[str]
    url: str
    port: int


@contextmanager
def running(*options: str, token: str = "") -> Iterator[Running]:
    command = [sys.executable, "-m", "simulacra", "serve", NAME, "--port", "0", *options]
    environment = os.environ | {"SIMULACRA_TOKEN": token} if token else None
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 120)[0], "the service did not start"
        said = process.stdout.readline()
        found = re.fullmatch(rf"serving {NAME} at (http://127\.0\.0\.1:(\d+)/) \(Ctrl-C ends it\)\n", said)
        assert found, said or process.communicate(timeout=10)
        yield Running(process, found[1], int(found[2]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running("--patience", str(PATIENCE), "--most-requests", "0") as one:
        yield one


@pytest.fixture
def connection(service: Running) -> Iterator[socket.socket]:
    made = socket.socket()
    # Little of an answer fits into the buffers between the two.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(20)
    made.connect(("127.0.0.1", service.port))
    with made:
        yield made


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def lives(service: Running) -> bool:
    return httpx.get(service.url + "health").json()["status"] == "ok" and service.process.poll() is None


def test_events_come_over_http(service: Running) -> None:
    answer = httpx.post(service.url[:-1] + PATH, params={"format": "npz"}, json={"number": 2, "seed": 5})
    arrays, _ = from_npz(answer.content)
    wanted = simulacra.load(NAME).sample(2, seed=5)["shower"].values
    assert abs(arrays["shower"] - wanted).max() < 1e-5 * wanted.max()
    assert "server" not in answer.headers


def test_the_examples_of_the_page_run(service: Running, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
    here = page.replace("http://127.0.0.1:8421/", service.url).replace("calo-eplus", NAME)
    blocks = re.findall(r"^```python\n(.*?)^```", here, re.DOTALL | re.MULTILINE)
    for block in blocks:
        exec(compile(block, "docs/service.md", "exec"), {"__name__": "snippet"})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "(100, 504) b'MeV'"
    assert all(5e3 < float(total) < 6e4 for total in printed[1].strip("[]").split())
    lines = re.findall(r"^    (curl .*)", here, re.MULTILINE)
    assert len(lines) == 2
    if shutil.which("curl"):
        said = [json.loads(subprocess.run(line, shell=True, check=True, capture_output=True).stdout) for line in lines]
        assert len(said[0]["variables"]["shower"]["values"]) == 2
        assert said[1]["name"] == NAME


@pytest.mark.parametrize(
    "head",
    [b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "],
)
def test_a_head_that_does_not_end_is_not_waited_for(service: Running, connection: socket.socket, head: bytes) -> None:
    connection.sendall(head)
    start = time.monotonic()
    assert everything(connection) == b""
    assert time.monotonic() - start > PATIENCE / 2
    assert lives(service)


def test_a_body_that_does_not_end_is_not_waited_for(service: Running, connection: socket.socket) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{{"
    connection.sendall(head.encode())
    assert everything(connection).startswith(b"HTTP/1.1 408")
    assert lives(service)


def test_an_answer_that_is_not_taken_is_given_up(service: Running, connection: socket.socket) -> None:
    body = b'{"number": 5000}'
    head = (
        f"POST {PATH}?format=npz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    first = connection.recv(100)
    assert first.startswith(b"HTTP/1.1 200")
    time.sleep(3 * PATIENCE)
    assert len(everything(connection)) < 5000 * 504 * 4
    assert lives(service)


@pytest.mark.parametrize(
    "rude",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(service: Running, connection: socket.socket, rude: bytes) -> None:
    with suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(rude)
    answer = everything(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in answer
    assert lives(service)


def test_a_client_that_goes_away_is_given_up(service: Running, connection: socket.socket) -> None:
    def made() -> float:
        text = httpx.get(service.url + "metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("simulacra_events_total{"))

    before = made()
    body = b'{"number": 10000}'
    connection.sendall(
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    connection.close()
    end = time.monotonic() + 20
    while time.monotonic() < end and httpx.get(service.url + "health").json()["waiting"]:
        time.sleep(0.05)
    assert httpx.get(service.url + "health").json()["waiting"] == 0
    assert made() == before
    assert lives(service)


def test_sigterm_ends_it_after_the_requests_in_progress() -> None:
    with running(token=TOKEN) as one:
        assert httpx.post(one.url[:-1] + PATH, json={}).status_code == 401
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(
                httpx.post(
                    one.url[:-1] + PATH,
                    params={"format": "npz"},
                    json={"number": 5000, "seed": 1},
                    headers={"Authorization": f"Bearer {TOKEN}"},
                    timeout=60,
                )
            )

        asking = threading.Thread(target=ask)
        asking.start()
        end = time.monotonic() + 20
        while time.monotonic() < end and not httpx.get(one.url + "health").json()["waiting"]:
            time.sleep(0.01)
        one.process.send_signal(signal.SIGTERM)
        asking.join(timeout=60)
        said, errors = one.process.communicate(timeout=60)
        assert one.process.returncode == 0, errors
        assert said == "ended\n"
        assert errors == ""
        assert len(from_npz(answers[0].content)[0]["event"]) == 5000
        with pytest.raises(httpx.ConnectError):
            httpx.get(one.url + "health")
