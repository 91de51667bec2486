"""``simulacra serve``: trained generators as a service over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Names of shipped generators, run folders or model files."),
    ],
    host: Annotated[
        str,
        typer.Option("--host", help="Address to serve at; one that other machines reach needs a token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8421,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="SIMULACRA_TOKEN",
            help="Requests must bear it, except for /health and the page, which asks for it. Others on this machine "
            "can read the command line, not the variable.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="A further name by which it is asked. Repeatable."),
    ] = None,
    most_events: Annotated[int, typer.Option("--most-events", min=1, help="Events of one request, at most.")] = 10_000,
    most_requests: Annotated[
        float, typer.Option("--most-requests", min=0, help="Requests a second of one client, at most; 0: any number.")
    ] = 500.0,
    most_waiting: Annotated[
        int, typer.Option("--most-waiting", min=1, help="Requests that wait for their events, at most.")
    ] = 256,
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, help="Time for one request \\[s].")] = 30.0,
    patience: Annotated[
        float,
        typer.Option("--patience", min=0.1, help="Time for a client to send a request, or to take its answer \\[s]."),
    ] = 10.0,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads that make events.")] = 1,
    together: Annotated[
        bool,
        typer.Option("--together/--one-by-one", help="Evaluate small requests that wait in one call of the network."),
    ] = True,
) -> None:
    """Serve generators over HTTP, with a page that draws their events, until Ctrl-C or SIGTERM.

    POST /models/NAME/events makes events as JSON, Arrow or npz; GET /openapi.json describes everything; GET /metrics
    has the numbers for Prometheus. The same request always gets the same bytes.
    """
    from simulacra.serving import Limits
    from simulacra.serving import serve as serve_models

    limits = Limits(
        most_events=most_events,
        most_requests=most_requests or None,
        most_waiting=most_waiting,
        timeout=timeout,
        patience=patience,
        threads=threads,
        together=together,
    )

    def ready(url: str) -> None:
        typer.echo(f"serving {', '.join(models)} at {url} (Ctrl-C ends it)")

    serve_models(
        models, host=host, port=port, limits=limits, token=token, allowed_hosts=tuple(allowed_host or ()), ready=ready
    )
    typer.echo("ended")
