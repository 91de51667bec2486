"""The command line ``simulacra``.

A command is a file ``simulacra/cli/<name>.py`` with a Typer ``app`` or a function ``<name>``, and its name in COMMANDS.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

COMMANDS: Final = (
    "simulate",
    "train",
    "generate",
    "judge",
    "reweight",
    "refine",
    "fit",
    "export",
    "bench",
    "systems",
    "demo",
)

BAD_INPUT: Final = 2
INTERRUPTED: Final = 130


class _Commands(TyperGroup):
    """Turns errors that the user can do something about into one line and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=COMMANDS.index)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as error:
            self._say(ctx, error, str(error) or "stopped")
            raise SystemExit(INTERRUPTED) from error
        except (ValueError, FileNotFoundError) as error:
            self._say(ctx, error, str(error))
            raise SystemExit(BAD_INPUT) from error
        except (RuntimeError, OSError, ImportError, FloatingPointError) as error:
            self._say(ctx, error, str(error) or type(error).__name__)
            raise SystemExit(1) from error

    @staticmethod
    def _say(ctx: Any, error: BaseException, message: str) -> None:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        if ctx.params.get("debug"):
            console.print(Text("".join(traceback.format_exception(error)).rstrip()))
        console.print(Text(f"error: {' '.join(message.split())}", style="red"))


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
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


def _register(name: str) -> None:
    if importlib.util.find_spec(f"simulacra.cli.{name}") is None:
        return
    module = importlib.import_module(f"simulacra.cli.{name}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name)
    else:
        app.command(name)(getattr(module, name))


for _name in COMMANDS:
    _register(_name)


def run() -> None:
    """Run the command line; the entry point of the program ``simulacra``."""
    sys.exit(app())
