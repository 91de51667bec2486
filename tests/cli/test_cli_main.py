"""The command line as a whole: help, version, and errors as one line with an exit code."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner, Result

from simulacra.cli import main
from simulacra.errors import is_explained
from simulacra.events import EventsError
from simulacra.store import Chunk, StoreError, write_store


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Result]:
    """Run a command whose body, as if it stood in the package, is the text given; logs go to ``tmp_path``."""
    monkeypatch.setattr(main, "COMMANDS", ("fail", "rest"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SIMULACRA_DEBUG", raising=False)

    def run(body: str, *options: str, package: str = "simulacra.cli.fail") -> Result:
        app = typer.Typer(cls=main.app.info.cls)
        app.callback()(main._options)
        names = {"__name__": package}
        exec("def fail():\n    " + body, names)  # a command of the package's own
        app.command()(names["fail"])
        app.command()(lambda: None)
        return CliRunner().invoke(app, [*options, "fail"])

    return run


def logs(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.rglob("error-*.log")]


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("raise ValueError('energy must be\\nabove 0')", 2, "error: energy must be above 0"),
        ("raise FileNotFoundError('no file')", 2, "error: no file"),
        ("raise RuntimeError('the disk is full [red]')", 1, "error: the disk is full [red]"),
        ("raise ImportError('no torch')", 1, "error: no torch"),
        ("import no_such_package", 1, "error: No module named 'no_such_package'"),
        ("open('/no/such/file')", 2, "error: [Errno 2] No such file or directory: '/no/such/file'"),
        ("open('/')", 1, "error: [Errno 21] Is a directory: '/'"),
        ("raise MemoryError", 1, "error: out of memory (): ask for fewer events, or for fewer at a time"),
        ("raise KeyboardInterrupt('stopped. 3 of 9 chunks are kept')", 130, "error: stopped. 3 of 9 chunks are kept"),
        ("raise KeyboardInterrupt", 130, "error: stopped"),
        ("raise ValueError('binary: ' + chr(0) + chr(27) + '[2J')", 2, "error: binary: \\x00\\x1b[2J"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_an_exit_code(
    failing: Callable[..., Result], tmp_path: Path, body: str, code: int, line: str
) -> None:
    result = failing(body)
    assert result.exit_code == code
    assert result.stderr.strip() == line
    assert result.stdout == ""
    assert logs(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{}['bug']", "KeyError: 'bug'"),
        ("int('three')", "ValueError: invalid literal for int() with base 10: 'three'"),
        ("first, second = [1]", "ValueError: not enough values to unpack (expected 2, got 1)"),
        ("import numpy; numpy.zeros(3).reshape(2, 2)", "ValueError: cannot reshape array of size 3 into shape (2,2)"),
        ("import json; json.loads('{')", "JSONDecodeError: Expecting property name enclosed in double quotes"),
        ("import numpy; numpy.linalg.inv([[0.0]])", "LinAlgError: Singular matrix"),
        ("import simulacra.nothing", "ModuleNotFoundError: No module named 'simulacra.nothing'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("None.attribute", "AttributeError: 'NoneType' object has no attribute 'attribute'"),
        ("assert False", "AssertionError"),
        ("raise TypeError('x')", "TypeError: x"),
    ],
)
def test_a_fault_of_the_program_is_one_line_with_the_log(
    failing: Callable[..., Result], tmp_path: Path, body: str, says: str
) -> None:
    result = failing(body)
    assert result.exit_code == 70
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"error: unexpected {says}")
    (log,) = tmp_path.rglob("error-*.log")
    assert line.endswith(f"This is a bug in simulacra: please report it with the log {log}")
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert says in text
    assert "simulacra 0." in text


def test_an_error_that_others_raise_by_hand_is_not_the_users(failing: Callable[..., Result]) -> None:
    assert failing("raise ValueError('x')", package="numpy.somewhere").exit_code == 70


def test_a_fault_in_a_task_is_told_as_one_whatever_the_store_says(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="KeyError: 'bug'") as caught:
        write_store(tmp_path / "x", _faulty, n_events=3, chunk_size=3, fingerprint={}, progress=False)
    assert not is_explained(caught.value)
    with pytest.raises(StoreError, match="too few") as caught:
        write_store(tmp_path / "y", _saying, n_events=3, chunk_size=3, fingerprint={}, workers=2, progress=False)
    assert is_explained(caught.value)


def _faulty(chunk: Chunk) -> None:
    raise KeyError("bug")


def _saying(chunk: Chunk) -> None:
    raise EventsError("too few")


def test_without_room_for_a_log_the_line_says_how_to_see_more(
    failing: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    monkeypatch.setattr("tempfile.tempdir", "/proc/none")
    result = failing("1 / 0")
    assert result.exit_code == 70
    assert "no log could be written; run the command again with --debug" in result.stderr


@pytest.mark.parametrize(
    ("body", "code", "ending"),
    [
        ("raise ValueError('energy must be above 0')", 2, "error: energy must be above 0"),
        ("raise KeyboardInterrupt", 130, "error: stopped"),
    ],
)
def test_debug_shows_the_traceback(failing: Callable[..., Result], body: str, code: int, ending: str) -> None:
    result = failing(body, "--debug")
    assert result.exit_code == code
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.strip().endswith(ending)


def program(code: str, shell: str) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {shell}"
    return subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, timeout=60, check=False
    )


LISTING = "from simulacra.cli.main import app, run; import typer\n@app.command()\ndef long():\n"
LISTING += "    for _ in range(100_000): typer.echo('x' * 100)\nrun()"


def test_a_reader_that_has_enough_ends_the_command_in_silence() -> None:
    done = program(LISTING, "long | head -1")
    assert done.stderr == ""
    assert done.stdout.split() == ["x" * 100, "141"]


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    done = program(LISTING, "long > /dev/full")
    assert done.stderr.splitlines() == ["error: [Errno 28] No space left on device"]
    assert done.stdout.strip() == "1"


def test_a_warning_is_one_line() -> None:
    code = "from simulacra.cli.endings import warn_in_one_line; import warnings; warn_in_one_line()\n"
    code += "warnings.warn('outside [1, 100] GeV', stacklevel=1); warnings.warn('odd', RuntimeWarning, stacklevel=1)"
    done = program(code, "")
    assert done.stderr.splitlines() == [
        "warning: outside [1, 100] GeV",
        "warning: odd (RuntimeWarning at <string>:2)",
    ]


def test_exit_codes_of_commands_pass_through(failing: Callable[..., Result]) -> None:
    assert failing("import typer; raise typer.Exit(7)").exit_code == 7
    assert failing("import typer; raise typer.BadParameter('x')").exit_code == 2
    assert failing("import sys; sys.exit(5)").exit_code == 5
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


def _options(command: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of each option of a command and of those below it."""
    for parameter in getattr(command, "params", ()):
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for below, inner in getattr(command, "commands", {}).items():
        yield from _options(inner, f"{name} {below}")


def test_no_word_of_a_help_is_taken_for_markup() -> None:
    helps = dict(_options(typer.main.get_command(main.app), "simulacra"))
    assert "[mm]" in Text.from_markup(helps["simulacra generate impact_x"]).plain
    for option, text in helps.items():
        assert Text.from_markup(text).plain == text.replace("\\[", "["), option


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
