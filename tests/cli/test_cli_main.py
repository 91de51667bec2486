"""The command line as a whole: help, version, and errors as one line with an exit code."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from simulacra.cli import main


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    """Let a command of its own raise what the test puts into "error"."""
    raised: dict[str, BaseException] = {}
    monkeypatch.setattr(main, "COMMANDS", ("fail", "rest"))
    app = typer.Typer(cls=main.app.info.cls)
    app.callback()(main._options)

    @app.command()
    def fail() -> None:
        raise raised["error"]

    @app.command()
    def rest() -> None:
        raise typer.Exit(7)

    monkeypatch.setattr(main, "app", app)
    return raised


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("energy must be\nabove 0"), 2, "error: energy must be above 0"),
        (FileNotFoundError("no file 'x'"), 2, "error: no file 'x'"),
        (RuntimeError("the disk is full [red]"), 1, "error: the disk is full [red]"),
        (ImportError("no torch"), 1, "error: no torch"),
        (KeyboardInterrupt("stopped. 3 of 9 chunks are kept"), 130, "error: stopped. 3 of 9 chunks are kept"),
        (KeyboardInterrupt(), 130, "error: stopped"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    failing: dict[str, BaseException], error: BaseException, code: int, line: str
) -> None:
    failing["error"] = error
    result = CliRunner().invoke(main.app, ["fail"])
    assert result.exit_code == code
    assert result.stderr.strip() == line
    assert result.stdout == ""


def test_debug_shows_the_traceback(failing: dict[str, BaseException]) -> None:
    failing["error"] = ValueError("energy must be above 0")
    result = CliRunner().invoke(main.app, ["--debug", "fail"])
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.strip().endswith("error: energy must be above 0")


def test_a_fault_of_the_program_keeps_its_traceback(failing: dict[str, BaseException]) -> None:
    failing["error"] = KeyError("bug")
    result = CliRunner().invoke(main.app, ["fail"])
    assert isinstance(result.exception, KeyError)


def test_exit_codes_of_commands_pass_through(failing: dict[str, BaseException]) -> None:
    assert CliRunner().invoke(main.app, ["rest"]).exit_code == 7
    assert CliRunner().invoke(main.app, ["nonsense"]).exit_code == 2


def test_each_file_of_a_command_is_registered() -> None:
    result = CliRunner().invoke(main.app, ["--help"])
    assert result.exit_code == 0
    assert "simulate" in result.stdout
    registered = {group.name for group in main.app.registered_groups}
    registered |= {command.name for command in main.app.registered_commands}
    assert registered <= set(main.COMMANDS)
    assert "simulate" in registered


def test_the_help_names_units_and_keeps_the_order_of_the_work() -> None:
    shown = CliRunner().invoke(main.app, ["simulate", "geant4", "--help"], env={"COLUMNS": "200"}).stdout
    assert "in mm:" in shown
    assert "in rad:" in shown
    group = typer.main.get_command(main.app)
    listed = group.list_commands(typer.Context(group))  # type: ignore[attr-defined]
    assert listed == [name for name in main.COMMANDS if name in listed]


def test_the_program_prints_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from simulacra.cli.main import run; run()", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("simulacra 0.")
