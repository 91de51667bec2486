"""``simulacra info``: the card of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from simulacra.trained.card import ModelCard, Origin, TrainedRange
    from simulacra.trained.judged_file import JudgedNumber, JudgedRecord


def info(
    model: Annotated[
        str,
        typer.Argument(
            help="A generator, score or reweighter: shipped name, run folder, folder of an ensemble, or file."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show the card of a model.

    Its data, training, range of validity, checksums and papers, and the numbers with which its weights were judged.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from simulacra.trained.card import info as card_of

    card = card_of(model)
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
        return
    console = Console()
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _lines(card):
        table.add_row(name, Text(text))
    console.print(table)
    for record in card.judged:
        console.print()
        _print_judged(console, record)
    if not card.judged:
        how = {"scores": "simulacra judge-score MODEL BACKGROUND SIGNAL", "events": "simulacra judge TRUTH MODEL"}
        hint = f": {how[card.makes]} judges it and keeps the numbers beside it" if card.makes in how else ""
        typer.echo(f"\nnot judged{hint}")


def _lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield "model", f"{card.name} ({card.path})"
    yield "makes", f"{card.makes}: {card.description}"
    yield "system", card.system
    yield "papers to cite", ", ".join(card.papers) or "none named"
    yield "licence", card.licence
    yield "trained on", _origin(card.data)
    if card.target is not None:
        yield "target", _origin(card.target)
    yield "part used", card.split
    yield "held out", ", ".join(card.hold_out) or "nothing"
    for number, one in enumerate(card.valid):
        yield "valid for" if number == 0 else "", _range(one)
    if not card.valid:
        yield "valid for", "events as those of the training: it has no conditions"
    training, versions = card.training, card.versions
    yield (
        "training",
        (
            f"{training.events:,} events, {training.steps:,} steps, {training.epochs:,.1f} epochs, best at step "
            f"{training.best_step:,} with the validation score {training.validation_score:.4g}; "
            f"{training.seconds / 60:.1f} minutes"
        ),
    )
    yield "machine", " ".join(versions.get(name, "") for name in ("host", "machine")).strip() or "not recorded"
    programs = {name: version for name, version in versions.items() if name not in ("host", "machine")}
    yield "versions", ", ".join(f"{name} {version}" for name, version in programs.items()) or "not recorded"
    # 64 digits, which must not be broken, or one could not copy them from a terminal of 80 columns
    yield "data hash", training.data_sha256
    for number, sha in enumerate(card.weights):
        yield "sha256" if number == 0 else "", sha
    yield "checksums of", card.checked
    for note in card.notes:
        yield "note", note


def _origin(origin: Origin) -> str:
    events = "" if origin.events is None else f"{origin.events:,} events"
    made = f" of {origin.simulator} {origin.simulator_version}" if origin.simulator else ", not simulated"
    told = ", ".join(f"{name} {value}" for name, value in origin.told.items())
    where = f" ({origin.reference})" if origin.reference else ""
    seconds = origin.seconds_per_event
    time = "" if seconds is None else f"; {seconds:.3g} s an event in the simulator"
    return f"{events}{made}{where}{f': {told}' if told else ''}{time}"


def _range(one: TrainedRange) -> str:
    if one.choices:
        return f"{one.name}: {', '.join(one.choices)}"
    unit = "" if one.units == "1" else f" [{one.units}]"
    return f"{one.name} {one.low:g} to {one.high:g}{unit}"


def _print_judged(console: Console, record: JudgedRecord) -> None:
    from rich.markup import escape
    from rich.table import Table

    same = "these weights" if record.weights else "weights: not recorded"
    details = [record.command, same, record.truth, f"n = {record.events:,}" if record.events else "", record.headline]
    told = escape("; ".join(filter(None, details)))
    if not record.numbers:
        console.print(told)
        return
    limited = any(number.limit is not None for number in record.numbers)
    heads = ("judged", "model", "truth against truth", *(("limit", "outcome") if limited else ()))
    table = Table(*heads, title=told, title_justify="left")
    for number in record.numbers:
        limit = () if not limited else (_plain(number.limit), number.outcome or "")
        table.add_row(escape(number.name), *_both(number), *limit)
    console.print(table)


def _both(number: JudgedNumber) -> tuple[str, str]:
    from simulacra.wording import with_error

    def told(value: float | None, error: float | None) -> str:
        return _plain(value) if value is None or error is None else with_error(value, error)

    return told(number.value, number.error), told(number.truth, number.truth_error)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
