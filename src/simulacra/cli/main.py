"""The command line ``simulacra``.

A command is a file ``simulacra/cli/<name>.py`` with a Typer ``app`` or a function ``<name>``, and its name in COMMANDS,
where a hyphen stands for an underscore.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from simulacra.cli.endings import end, warn_in_one_line

COMMANDS: Final = (
    "simulate",
    "single-jets",
    "patches",
    "stars",
    "find-streams",
    "sky-patches",
    "train",
    "generate",
    "pile-up",
    "judge",
    "score",
    "judge-score",
    "reweight",
    "refine",
    "calibrate",
    "fit",
    "export",
    "serve",
    "bench",
    "systems",
    "info",
    "job-script",
    "demo",
)


class _Commands(TyperGroup):
    """Turns every error into a message of one line and an exit code; see :mod:`simulacra.cli.endings`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=COMMANDS.index)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise SystemExit(end(error, debug=bool(ctx.params.get("debug")))) from error


app = typer.Typer(
    name="simulacra",
    help="Learned stand-ins for physics simulators: simulate, train, generate, judge.",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"simulacra {version('simulacra')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="SIMULACRA_DEBUG", help="Show the traceback of an error.")
    ] = False,
) -> None:
    pass


def _register(name: str) -> None:
    file = name.replace("-", "_")
    if importlib.util.find_spec(f"simulacra.cli.{file}") is None:
        return
    module = importlib.import_module(f"simulacra.cli.{file}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name)
    else:
        function = getattr(module, file)
        app.command(name, help=_unwrapped(inspect.getdoc(function) or ""))(function)


def _unwrapped(text: str) -> str:
    """Return paragraphs as one line each: the terminal wraps them at its own width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


for _name in COMMANDS:
    _register(_name)


def run() -> None:
    """Run the command line; the entry point of the program ``simulacra``."""
    warn_in_one_line()
    sys.exit(app())
