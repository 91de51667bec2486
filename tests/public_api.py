"""The public interface as text: names with their signatures, commands with their options, formats with their versions.

``PYTHONPATH=src python tests/public_api.py`` writes ``tests/public_api.txt`` anew.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import simulacra

FILE = Path(__file__).with_suffix(".txt")
PACKAGE = Path(simulacra.__file__).parent
#: rooms that are used by their names
ROOMS = ("reports", "systems", "reference")
FORMAT = re.compile(r'"(simulacra-[a-z-]+-[0-9]+)"')


def signature(one: Any) -> str:
    """Return the parameters of a function or a class, without the types, which are told by mypy."""
    try:
        found = inspect.signature(one)
    except (TypeError, ValueError):
        return ""
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    return re.sub(r"<object object at 0x[0-9a-f]+>", "...", str(inspect.Signature(plain)))


def members(name: str, one: Any) -> Iterator[str]:
    """Yield the lines of a name, and of the public methods of a class."""
    if not inspect.isclass(one):
        yield f"{name}{signature(one)}" if callable(one) else name
        return
    if issubclass(one, BaseException):
        yield f"{name}: an error"
        return
    fields = getattr(one, "model_fields", None)
    yield f"{name}: {', '.join(fields)}" if fields else f"{name}{signature(one)}"
    for key, value in sorted(vars(one).items()):
        if key.startswith(("_", "model_")):
            continue
        if isinstance(value, property):
            yield f"{name}.{key}"
        elif callable(value) or isinstance(value, classmethod | staticmethod):
            yield f"{name}.{key}{signature(getattr(one, key))}"


def names() -> Iterator[str]:
    """Yield the lines of all public names."""
    for name in sorted(set(simulacra.__all__) - {"__version__"}):
        yield from members(f"simulacra.{name}", getattr(simulacra, name))
    for room in ROOMS:
        module = importlib.import_module(f"simulacra.{room}")
        for name in sorted(module.__all__):
            yield from members(f"simulacra.{room}.{name}", getattr(module, name))


def commands(command: Any, name: str) -> Iterator[str]:
    """Yield a line for each command, with its arguments and options."""
    inner = getattr(command, "commands", None) or {}
    words = []
    for parameter in command.params:
        if parameter.name == "help" or getattr(parameter, "hidden", False):
            continue
        is_argument = parameter.param_type_name == "argument"
        words.append(parameter.name.upper() if is_argument else "/".join((*parameter.opts, *parameter.secondary_opts)))
    yield " ".join([name, *words])
    for key, one in sorted(inner.items()):
        yield from commands(one, f"{name} {key}")


def formats() -> list[str]:
    """Return the versions of the formats of files that the source names."""
    found = {one for path in PACKAGE.rglob("*.py") for one in FORMAT.findall(path.read_text(encoding="utf-8"))}
    return sorted(found)


def text() -> str:
    """Return the whole interface."""
    import typer

    from simulacra.cli.main import app

    parts = {
        "Python": list(names()),
        "The command line": list(commands(typer.main.get_command(app), "simulacra")),
        "Formats of files": formats(),
    }
    return "\n".join(f"# {title}\n\n" + "\n".join(lines) + "\n" for title, lines in parts.items())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
