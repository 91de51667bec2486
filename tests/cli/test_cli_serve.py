"""``simulacra serve``: its options, and what it refuses before it serves."""

from __future__ import annotations

import importlib
import socket
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import simulacra.serving
from simulacra.cli.main import app
from simulacra.serving import Limits

NAME = "calogan-eplus"


def run(*words: object, **environment: str) -> Result:
    return CliRunner().invoke(app, ["serve", *(str(word) for word in words)], env=environment)


def test_options_reach_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def serve(models: list[str], **options: Any) -> None:
        asked.update(options, models=models)
        options["ready"]("http://127.0.0.1:1/")

    monkeypatch.setattr(simulacra.serving, "serve", serve)
    options = ("--most-events", 5, "--most-requests", 0, "--most-waiting", 7, "--timeout", 2, "--patience", 3)
    result = run(
        NAME, "cepheids-vae", "--host", "::1", "--port", 0, *options, "--threads", 2, "--one-by-one",
        "--allowed-host", "a.example", SIMULACRA_TOKEN="from-the-environment",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == f"serving {NAME}, cepheids-vae at http://127.0.0.1:1/ (Ctrl-C ends it)\nended\n"
    del asked["ready"]
    assert asked == {
        "models": [NAME, "cepheids-vae"],
        "host": "::1",
        "port": 0,
        "token": "from-the-environment",
        "allowed_hosts": ("a.example",),
        "limits": Limits(
            most_events=5, most_requests=None, most_waiting=7, timeout=2, patience=3, threads=2, together=False
        ),
    }


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "service.example"])
def test_other_machines_are_not_served_without_a_token(host: str) -> None:
    result = run(NAME, "--host", host, SIMULACRA_TOKEN="")
    assert result.exit_code == 2
    assert f"'{host}' is not a loopback address" in result.stderr
    assert "SIMULACRA_TOKEN" in result.stderr


def test_a_model_named_twice_is_refused() -> None:
    result = run(NAME, NAME, "--port", 0)
    assert result.exit_code == 2
    assert "two models are called 'calogan-eplus': name it once" in result.stderr


def test_a_port_in_use_and_unknown_models_and_addresses_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(NAME, "--port", port)
    assert result.exit_code == 2
    assert f"port {port} of '127.0.0.1' cannot be used" in result.stderr
    result = run("nothing")
    assert result.exit_code == 2
    assert "'nothing' is neither a file" in result.stderr
    result = run(NAME, "--host", "192.0.2.1", "--token", "a-token-that-nobody-guesses", "--port", 0)
    assert result.exit_code == 2
    assert "192.0.2.1" in result.stderr
    result = run(NAME, "--host", "nowhere.invalid", "--token", "a-token-that-nobody-guesses")
    assert result.exit_code == 2
    assert "'nowhere.invalid' is no address of this machine" in result.stderr


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "uvicorn" else found(name, *a))
    for name in [name for name in sys.modules if name.startswith("simulacra.serving")]:
        monkeypatch.delitem(sys.modules, name)
    result = run(NAME)
    assert result.exit_code == 1
    assert "a service needs uvicorn, which is not installed: pip install 'simulacra[serve]'" in result.stderr
