"""Writes the pages of the reference when the site is built: functions from docstrings, commands from their help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from mkdocs.structure.files import File, Files

import simulacra

#: the pages of the Python interface; a test compares them with ``simulacra.__all__``
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "generate": (
        "Generate and simulate",
        (
            "load",
            "info",
            "shipped",
            "generate",
            "simulate",
            "ModelCard",
            "TrainedGenerator",
            "ExtrapolationWarning",
            "CalorimeterGeometry",
        ),
    ),
    "train": ("Train and export", ("train", "export")),
    "judge": ("Judge", ("judge", "judge_score", "score", "TrainedScore", "observe")),
    "reweight": ("Reweight and fit", ("reweight", "fit", "refine", "fit_reweighter", "Reweighter")),
    "events": (
        "Events and files",
        ("read", "write", "open_events", "write_events", "validate", "take_part", "EventsError"),
    ),
    "jets_and_sky": (
        "Jets and the sky",
        (
            "single_jets",
            "summed_jet_mass",
            "pile_up",
            "patches",
            "sky_patches",
            "fit_field",
            "constrained_fields",
            "find_streams",
        ),
    ),
}
ROOMS = ("reports", "systems", "reference")
MARKUP = re.compile(r"\[/?(?:bold|italic|dim|cyan|green|yellow|red|blue)\]")


def object_lines(path: str, name: str, level: int = 2) -> str:
    """Return the lines by which mkdocstrings writes one object, under its public name."""
    options = {"heading": name, "toc_label": name.rpartition(".")[2], "heading_level": level}
    return f"::: {path}\n    options:\n" + "".join(f"      {key}: {value}\n" for key, value in options.items()) + "\n"


def python_page(title: str, names: tuple[str, ...]) -> str:
    """Return a page of names that ``simulacra`` offers."""
    found = [(getattr(simulacra, name), name) for name in names]
    lines = [object_lines(f"{one.__module__}.{one.__qualname__}", f"simulacra.{name}") for one, name in found]
    return f"# {title}\n\n{''.join(lines)}"


def rooms_page() -> str:
    """Return the page of the rooms that are used by name, such as ``simulacra.reports``."""
    text = "# Reports, systems, samples\n\n"
    for room in ROOMS:
        module = getattr(simulacra, room)
        text += f"## simulacra.{room}\n\n{inspect.getdoc(module)}\n\n"
        for name in module.__all__:
            one = getattr(module, name)
            text += object_lines(f"{one.__module__}.{one.__qualname__}", f"simulacra.{room}.{name}", 3)
    return text


def cell(text: str) -> str:
    """Return a help text as the cell of a table."""
    plain = MARKUP.sub("", text).replace("\\[", "[")
    return " ".join(plain.split()).replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its full name."""
    inner = getattr(command, "commands", None)
    if not inner or getattr(command, "invoke_without_command", False):
        yield name, command
    for one, found in (inner or {}).items():
        yield from commands(found, f"{name} {one}")


def command_text(name: str, command: Any) -> str:
    """Return the section of a command: its help, and a table of its arguments and options."""
    rows = []
    for parameter in command.params:
        if parameter.hidden or parameter.name == "help":
            continue
        is_argument = parameter.param_type_name == "argument"
        label = parameter.name.upper() if is_argument else ", ".join((*parameter.opts, *parameter.secondary_opts))
        about = cell(parameter.help or "")
        default = parameter.default
        if isinstance(default, bool | int | float | str) and default not in ("", False):
            about += f" Default: {cell(str(default))}."
        rows.append(f"| `{label}` | {about}{' Required.' if parameter.required and not is_argument else ''} |\n")
    arguments = "".join(
        f" {one.name.upper()}" if one.required else f" [{one.name.upper()}]"
        for one in command.params
        if one.param_type_name == "argument"
    )
    about = "\n\n".join(cell(part) for part in (command.help or "").split("\n\n"))
    text = f"## {name}\n\n{about}\n\n```\n{name}{arguments} [OPTIONS]\n```\n\n"
    return text + ("| | |\n|---|---|\n" + "".join(rows) + "\n" if rows else "")


def commands_page() -> str:
    """Return the page of the command line."""
    import typer

    from simulacra.cli.main import COMMANDS, app

    text = "# The command line\n\n`simulacra COMMAND --help` shows the same. "
    text += "A command that was stopped continues when it is run again.\n\n"
    found = [one for one in commands(typer.main.get_command(app), "simulacra") if one[0] != "simulacra"]
    found.sort(key=lambda one: COMMANDS.index(one[0].split()[1]))
    return text + "".join(command_text(*one) for one in found)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the reference."""
    texts = {name: python_page(*page) for name, page in PAGES.items()}
    texts |= {"rooms": rooms_page(), "commands": commands_page()}
    for name, text in texts.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files
