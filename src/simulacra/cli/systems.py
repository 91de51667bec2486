"""``simulacra systems``: what can be trained, and what is shipped."""

from __future__ import annotations

import typer


def systems() -> None:
    """List the systems that can be trained, and the shipped generators and reweighters."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from simulacra.reweighting.reweighter import WEIGHTS as REWEIGHTERS
    from simulacra.reweighting.reweighter import shipped_reweighters
    from simulacra.systems import any_system, names
    from simulacra.trained import shipped
    from simulacra.trained.find import WEIGHTS
    from simulacra.training.checkpoint import read_metadata

    console = Console()
    table = Table("system", "makes", "description", title="systems", title_justify="left")
    for name in names():
        try:
            found = any_system(name)
        except ValueError as error:
            # A broken system of the user; the others are still listed.
            typer.secho(f"warning: {error}", fg="yellow", err=True)
            continue
        conditions = ", ".join(one.named(condition) for condition, one in found.CONDITIONS.items()) or "none"
        described = (found.__doc__ or "").strip().splitlines()[0]
        table.add_row(name, found.MAKES, escape(f"{described}\nConditions: {conditions}"))
    console.print(table)
    table = Table(
        Column("generator", no_wrap=True),
        "description",
        "conditions",
        "trained on",
        title="shipped generators",
        title_justify="left",
    )
    for name in shipped():
        metadata = read_metadata(WEIGHTS / f"{name}.safetensors")
        ranges = metadata["description"]["condition_ranges"]
        training = metadata["training"]
        table.add_row(
            name,
            metadata["experiment"]["description"],
            "\n".join(f"{condition} {low:g} to {high:g}" for condition, (low, high) in ranges.items()),
            f"{training['events']} events, {training['epochs']:.0f} epochs, {training['seconds'] / 60:.0f} min",
        )
    console.print(table)
    if not shipped():
        typer.echo("no generators are shipped with this installation")
    if not shipped_reweighters():
        return
    table = Table(
        Column("reweighter", no_wrap=True),
        "source",
        "trained box",
        "trained on",
        title="shipped reweighters",
        title_justify="left",
    )
    for name in shipped_reweighters():
        metadata = read_metadata(REWEIGHTERS / f"{name}.safetensors")
        description, training = metadata["description"], metadata["training"]
        source = description["source"]
        table.add_row(
            name,
            " ".join(str(source[key]) for key in ("simulator", "simulator_version", "process") if key in source),
            "\n".join(f"{parameter} {low:g} to {high:g}" for parameter, (low, high) in description["bounds"].items()),
            f"{source['events']} and {description['target']['events']} events, {len(training)} members, "
            f"{sum(record['seconds'] for record in training) / 60:.0f} min",
        )
    console.print(table)
