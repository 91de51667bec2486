"""The application: routes, and their description in OpenAPI."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final, Literal

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import FiniteFloat
from starlette.exceptions import HTTPException

from simulacra.serving import page
from simulacra.serving.described import DescribedModel, Health, ListedModels, described, listed
from simulacra.serving.guard import LOOPBACK, App, Guard, logged_fault
from simulacra.serving.limits import Limits
from simulacra.serving.openapi import completed, responses
from simulacra.serving.reference import ReferenceMean
from simulacra.serving.refusals import RefusalError, of_faults
from simulacra.serving.service import Service
from simulacra.trained import TrainedGenerator, load
from simulacra.version import __version__

#: shortest token: nobody guesses 16 random letters
SHORTEST_TOKEN: Final = 16
Name = Annotated[str, Path(description="a model's name, from GET /models")]
Form = Annotated[
    Literal["json", "arrow", "npz"] | None, Query(alias="format", description="instead of the header Accept")
]


def application(
    models: Sequence[TrainedGenerator | str | os.PathLike[str]],
    limits: Limits | None = None,
    token: str | None = None,
    *,
    allowed_hosts: Collection[str] | None = LOOPBACK,
) -> App:
    """Return an ASGI application that makes events of trained generators.

    Its answer to a request has the same bytes each time, whatever other requests it is evaluated with, and its events
    are those of :meth:`simulacra.TrainedGenerator.sample` with the same arguments, up to that method's rounding.

    Parameters
    ----------
    models:
        generators, or what :func:`simulacra.load` reads.
    limits:
        of requests; by default those of :class:`Limits`.
    token:
        that each request must bear in ``Authorization: Bearer TOKEN``, except for ``/health`` and the page; none if
        None.
    allowed_hosts:
        names that the header ``Host`` may have; any if None. The default is this machine's names for itself, so that
        no other name can be made to lead here (DNS rebinding).

    Raises
    ------
    ValueError
        if there is no model, two have the same name, one makes no events, or the token is too short.
    simulacra.training.CheckpointError
        if a file is damaged.

    Examples
    --------
    >>> from simulacra.serving import application
    >>> app = application(["calogan-eplus"])  # for any ASGI server: uvicorn.run(app)
    """
    if token is not None and not (len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable()):
        raise ValueError(f"a token must have at least {SHORTEST_TOKEN} characters, of ASCII and without blanks around")
    if not models:
        raise ValueError("there is no model to serve: name at least one")
    limits = limits or Limits()
    service = Service([_generator(model) for model in models], limits)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.batches.open()
        yield
        service.batches.close()

    app = FastAPI(
        title="Simulacra",
        version=__version__,
        description="Events of trained stand-ins for physics simulators.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        # A path with a slash at its end is another path: no redirect to a name from the Host header.
        redirect_slashes=False,
    )
    _add_refusals(app)
    _add_routes(app, service)
    page.add(app)
    app.openapi = completed(app, service, token is not None)  # type: ignore[method-assign]
    return Guard(app, limits, token, allowed_hosts, service.metrics)


def _generator(model: TrainedGenerator | str | os.PathLike[str]) -> TrainedGenerator:
    if isinstance(model, TrainedGenerator):
        return model
    loaded = load(model)
    if not isinstance(loaded, TrainedGenerator):
        raise ValueError(f"'{model}' makes no events, so it cannot be served: name a generator")  # noqa: TRY004
    return loaded


def _add_refusals(app: FastAPI) -> None:
    def refused(refusal: RefusalError) -> Response:
        return Response(refusal.body(), refusal.status, refusal.headers, "application/json")

    @app.exception_handler(RefusalError)
    async def _of_ours(_: Request, error: RefusalError) -> Response:
        return refused(error)

    @app.exception_handler(Exception)
    async def _of_faults(_: Request, __: Exception) -> Response:
        return refused(logged_fault())

    @app.exception_handler(RequestValidationError)
    async def _of_parameters(_: Request, error: RequestValidationError) -> Response:
        return refused(of_faults(list(error.errors()), "parameter"))

    @app.exception_handler(HTTPException)
    async def _of_routes(request: Request, error: HTTPException) -> Response:
        what = {404: "there is no such path", 405: f"this path does not take {request.method[:20]}"}
        return refused(
            RefusalError(
                error.status_code,
                what.get(error.status_code, str(error.detail)),
                where="path" if error.status_code == 404 else "the request",
                what_to_do="GET /openapi.json lists all paths",
                headers=dict(error.headers or {}),
            )
        )


def _each_once(request: Request) -> None:
    """Refuse parameters that are given twice, of which one reader might take the first and another the last."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in request.query_params:
        if names.count(name) > 1:
            raise RefusalError(
                422, f"'{name}' is given twice", where=f"parameter: query.{name}", what_to_do="give it once"
            )


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.get("/health", responses=responses(403), operation_id="health", summary="Health")
    async def _health() -> Health:
        """Say that the service lives."""
        return Health(status="ok", version=__version__, waiting=len(service.batches))

    @app.get(
        "/metrics",
        response_class=Response,
        responses=responses(401, 403, 421, 429) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        operation_id="metrics",
        summary="Metrics",
    )
    async def _metrics() -> Response:
        """Return the service's numbers for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/models", responses=responses(401, 403, 421, 429), operation_id="models", summary="Models")
    async def _models() -> ListedModels:
        """List the models."""
        return ListedModels(models=[listed(one) for one in service.served.values()])

    @app.get("/models/{name}", responses=responses(401, 403, 404, 421, 429), operation_id="model", summary="A model")
    async def _model(name: Name) -> DescribedModel:
        """Describe a model: conditions with units and trained ranges, variables, limits."""
        return described(service.model(name), service.references[name] if name in service.served else None, __version__)

    @app.get(
        "/models/{name}/reference",
        responses=responses(401, 403, 404, 421, 422, 429),
        dependencies=[Depends(_each_once)],
        operation_id="reference",
        summary="Mean of the simulation",
    )
    async def _reference(
        name: Name,
        incident_energy: Annotated[FiniteFloat, Query(gt=0, le=1e6, description="of the particle [GeV]")],
        impact_x: Annotated[FiniteFloat, Query(description="[mm]")] = 0.0,
        impact_y: Annotated[FiniteFloat, Query(description="[mm]")] = 0.0,
        polar_angle: Annotated[FiniteFloat, Query(description="[rad]")] = 0.0,
    ) -> ReferenceMean:
        """Return the mean of Geant4 showers near an energy, or why there is none."""
        served = service.model(name)
        reference = service.references[served.name]
        if reference is None:
            return ReferenceMean(available=False, reason="No sample of the simulation is shipped for this model")
        return reference.mean(
            {
                "incident_energy": incident_energy,
                "impact_x": impact_x,
                "impact_y": impact_y,
                "polar_angle": polar_angle,
            }
        )

    @app.post(
        "/models/{name}/events",
        response_class=Response,
        responses=responses(400, 401, 403, 404, 406, 408, 413, 415, 421, 422, 429, 503, 504),
        dependencies=[Depends(_each_once)],
        operation_id="events",
        summary="Events",
    )
    async def _events(request: Request, name: Name, form: Form = None) -> Response:
        """Make events: as JSON, as an Arrow stream, or as an npz archive."""
        return await service.events(request, name, form)
