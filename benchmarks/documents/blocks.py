"""The code blocks of a page: run in their order, in one folder and one namespace, and what they print.

A page marks what is not plain code by comments in HTML, which a reader does not see:

* ``<!-- first: python ... -->`` and ``<!-- first: sh ... -->`` before a block prepare what it takes from elsewhere;
* ``<!-- not run: REASON -->`` before a block: only its commands are parsed.

Blocks in ``python`` and ``sh`` are run. A block in ``toml`` is checked as an experiment, a geometry or a cluster, and
written under the name that stands before it, as in "`experiment.toml`:". A block in ``text`` after another one is what
that one prints, where numbers may differ and a line "..." stands for any lines. Indented commands are parsed.

Run: ``python -m benchmarks.documents.blocks docs/first_hour.md``; with ``--write``, put what is printed into the page.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
FENCED: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED: Final = re.compile(r"(?:\A|\n\n)((?: {4}[^\n]*\n)+)")
FIRST: Final = re.compile(r"<!-- first: (python|sh)\n(.*?)-->\s*\Z", re.DOTALL)
NOT_RUN: Final = re.compile(r"<!-- not run: (.*?) -->\s*\Z", re.DOTALL)
NAME: Final = re.compile(r"`([\w/.]+)`[^\n`]*:\s*\Z")
NUMBER: Final = re.compile(r"[-−+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


class BlockError(Exception):
    """A block that does not do what its page says."""


@dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Attributes
    ----------
    kind:
        "python", "sh", "toml", or "indented" for indented commands.
    code:
        its text.
    line:
        number of its first line in the page.
    first:
        what is run before it, as (kind, code).
    not_run:
        the reason why it is not run, or "".
    name:
        of the file that the page says it is, or "".
    shown:
        what the page says that it prints, or None.
    """

    kind: str
    code: str
    line: int
    first: tuple[tuple[str, str], ...] = ()
    not_run: str = ""
    name: str = ""
    shown: str | None = None


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    found: list[Block] = []
    end = 0
    for match in FENCED.finditer(text):
        found += _indented(text, end, match.start())
        before = text[end : match.start()]
        line = text.count("\n", 0, match.start()) + 2
        if match[1] == "text":
            if found and not before.strip() and found[-1].kind in ("python", "sh"):
                found[-1] = Block(**{**vars(found[-1]), "shown": match[2]})
        elif match[1] in ("python", "sh", "toml"):
            found.append(Block(match[1], match[2], line, *_marks(before)))
        end = match.end() + 1
    return [*found, *_indented(text, end, len(text))]


def _marks(before: str) -> tuple[tuple[tuple[str, str], ...], str, str]:
    first: list[tuple[str, str]] = []
    not_run = ""
    while (match := FIRST.search(before)) or (match := NOT_RUN.search(before)):
        if match.re is FIRST:
            first.insert(0, (match[1], match[2]))
        else:
            not_run = match[1]
        before = before[: match.start()]
    name = NAME.search(before)
    return tuple(first), not_run, name[1] if name else ""


def _indented(text: str, start: int, end: int) -> Iterator[Block]:
    for match in INDENTED.finditer(text, max(start - 1, 0), end):
        lines = [line[4:] for line in match[1].splitlines()]
        if any(line.startswith(("simulacra ", "$ simulacra ")) for line in lines):
            yield Block("indented", "\n".join(lines) + "\n", text.count("\n", 0, match.start(1)) + 1)


def command_lines(code: str) -> list[list[str]]:
    """Return the words of each command of a shell block; what a command prints after "$ " is left out."""
    lines = code.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        while "&&" in words:
            place = words.index("&&")
            found.append(words[:place])
            words = words[place + 1 :]
        if words:
            found.append(words)
    return found


def parse_command(words: list[str]) -> None:
    """Check that a command, with its options, exists.

    Raises
    ------
    BlockError
        if it does not, an argument is missing, or an experiment of the repository is not there.
    """
    import typer

    from simulacra.cli.main import app

    if words[0] != "simulacra":
        return
    for word in words:
        if word.startswith("experiments/") and not (ROOT / word).is_file():
            raise BlockError(f"{shlex.join(words)}: there is no {word}")
    command: Any = typer.main.get_command(app)
    context: Any = None
    rest = words
    try:
        while hasattr(command, "commands"):
            context = command.context_class(command, info_name=rest[0], parent=context)
            if len(rest) < 2 or rest[1] not in command.commands:
                raise BlockError(f"{shlex.join(words)}: there is no such command")
            rest = rest[1:]
            command = command.commands[rest[0]]
        command.make_context(rest[0], list(rest[1:]), parent=context)
    except typer.TyperException as error:
        raise BlockError(f"{shlex.join(words)}: {error.format_message()}") from error


def check_toml(code: str) -> None:
    """Check that settings are an experiment, the geometry of a calorimeter, or a cluster.

    Raises
    ------
    BlockError
        if they are none of these.
    """
    from simulacra.campaigns.settings import read_settings
    from simulacra.geometry import CalorimeterGeometry
    from simulacra.training.settings import Experiment

    settings = tomllib.loads(code)
    try:
        if "kind" in settings and "sections" not in settings:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "settings.toml"
                path.write_text(code, encoding="utf-8")
                read_settings(path)
        elif "sections" in settings:
            CalorimeterGeometry.model_validate(settings)
        else:
            Experiment.model_validate(settings)
    except ValueError as error:
        raise BlockError(str(error)) from error


def _invoke(words: list[str]) -> str:
    """Run a command of Simulacra in this process: importing torch again would take longer than most commands."""
    from typer.testing import CliRunner

    from simulacra.cli.main import app

    result = CliRunner().invoke(app, words[1:])
    if result.exit_code != 0:
        raise BlockError(f"{shlex.join(words)} ended with {result.exit_code}: {result.output}") from result.exception
    return str(result.stdout)


def _run_shell(code: str, settings: dict[str, str]) -> str:
    commands = command_lines(code)
    if all(words[0] == "simulacra" for words in commands):
        return "".join(map(_invoke, commands))
    shell = 'simulacra() { "$PYTHON" -m simulacra "$@"; }\npython() { "$PYTHON" "$@"; }\n' + code
    done = subprocess.run(
        ["bash", "-euc", shell],
        env={**os.environ, **settings, "PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        raise BlockError(f"{code}ended with {done.returncode}: {done.stderr}")
    return done.stdout


def run_block(block: Block, namespace: dict[str, Any], page: str) -> str:
    """Run a block in the current folder, and return what it prints.

    Raises
    ------
    BlockError
        if a command fails, or settings are wrong. Python's own errors pass.
    """
    said = ""
    for kind, code in (*block.first, (block.kind, block.code)):
        if kind == "python":
            out = io.StringIO()
            padded = "\n" * (block.line - 1) + code
            with contextlib.redirect_stdout(out):
                exec(compile(padded, page, "exec", dont_inherit=True), namespace)
            said = out.getvalue()
        elif kind == "sh":
            said = _run_shell(code, {})
        elif kind == "toml":
            check_toml(code)
            if block.name:
                Path(block.name).parent.mkdir(parents=True, exist_ok=True)
                Path(block.name).write_text(code, encoding="utf-8")
    return said


def agrees(shown: str, said: str) -> bool:
    """Return whether what a page shows is what was printed, but for its numbers and for what "..." leaves out."""
    parts = [NUMBER.sub("#", re.sub(r"[ \t]+", " ", part)).strip() for part in re.split(r"^\.\.\.$", shown, flags=re.M)]
    plain = NUMBER.sub("#", re.sub(r"[ \t]+", " ", said)).strip()
    pattern = r".*?".join(re.escape(part) for part in parts)
    return re.fullmatch(rf"{pattern}\s*", plain, re.DOTALL) is not None


def run_page(path: Path) -> list[tuple[Block, str, float]]:
    """Run a page's blocks in the current folder: each with what it printed, and how many seconds it took.

    Raises
    ------
    BlockError
        with the page and the line, if a block fails or prints something else than the page shows.
    """
    namespace: dict[str, Any] = {"__name__": "page"}
    found = []
    for block in blocks(path.read_text(encoding="utf-8")):
        start = time.process_time()
        try:
            if block.kind == "indented" or block.not_run:
                for words in command_lines(block.code) if block.kind in ("sh", "indented") else ():
                    parse_command(words)
                continue
            said = run_block(block, namespace, path.name)
        except BlockError as error:
            raise BlockError(f"{path.name}, line {block.line}: {error}") from error
        found.append((block, said, time.process_time() - start))
    return found


def written(text: str, printed: list[tuple[Block, str, float]]) -> str:
    """Return the page with what its blocks printed, where it shows all of that."""
    for block, said, _ in printed:
        if block.shown is not None and "\n...\n" not in f"\n{block.shown}":
            old = f"{block.code}```\n\n```text\n{block.shown}```"
            text = text.replace(old, f"{block.code}```\n\n```text\n{said.rstrip()}\n```")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the code blocks of a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--write", action="store_true", help="put what is printed into the page")
    arguments = parser.parse_args()
    page = arguments.page.resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            printed = run_page(page)
        except BlockError as error:
            sys.exit(str(error))
    for block, said, seconds in printed:
        print(f"--- line {block.line}, {block.kind}, {seconds:.1f} s\n{said}", end="")
    if arguments.write:
        page.write_text(written(page.read_text(encoding="utf-8"), printed), encoding="utf-8")


if __name__ == "__main__":
    main()
