"""The models of a service, and how a request for events is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from fastapi import Request, Response
from pydantic import ValidationError

from simulacra.serving.answers import TYPES, Answers, format_of
from simulacra.serving.asked import Asked
from simulacra.serving.batches import Batches
from simulacra.serving.limits import Limits
from simulacra.serving.metrics import Metrics
from simulacra.serving.reference import reference_of
from simulacra.serving.refusals import RefusalError, of_validation
from simulacra.serving.served import Served
from simulacra.trained import TrainedGenerator

WARNING: Final = "Simulacra-Warning"


class Service:
    """The models of a service with the queue before them."""

    def __init__(self, generators: Sequence[TrainedGenerator], limits: Limits) -> None:
        self.limits, self.metrics = limits, Metrics()
        self.served: dict[str, Served] = {}
        for generator in generators:
            if generator.name in self.served:
                raise ValueError(f"two models are called '{generator.name}': serve them at two ports")
            self.served[generator.name] = Served(
                generator, limits.most_events, limits.most_answer_bytes, limits.together
            )
        self.answers = {name: Answers(one) for name, one in self.served.items()}
        self.references = {name: reference_of(one.generator) for name, one in self.served.items()}
        self.batches = Batches(limits.threads, limits.most_waiting, limits.most_waiting_bytes, self.metrics)

    def model(self, name: str) -> Served:
        """Return a model by its name.

        Raises
        ------
        RefusalError
            404 if there is none.
        """
        if name not in self.served:
            raise RefusalError(
                404,
                f"there is no model '{name}'",
                where="path: name",
                what_to_do=f"take one of {', '.join(self.served)}",
            )
        return self.served[name]

    async def events(self, request: Request, name: str, form: str | None) -> Response:
        """Return the answer to a request for events."""
        served = self.model(name)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusalError(
                415,
                "the body is not said to be JSON",
                where="header: Content-Type",
                what_to_do="send Content-Type: application/json",
            )
        form = format_of(form, request.headers.get("accept"))
        try:
            asked = Asked.model_validate_json(await request.body())
        except ValidationError as error:
            raise of_validation(error, "body") from None
        plan = served.plan(asked)
        making = self.batches.made(served, plan, self.answers[name].encoder(plan, form), self.limits.timeout)
        content = await _unless_gone(request, making)
        headers = {"Simulacra-Seed": str(plan.seed), "Vary": "Accept"}
        if plan.warnings:
            headers[WARNING] = " | ".join(plan.warnings).encode("ascii", "replace").decode()
        return Response(content, media_type=TYPES[form], headers=headers)


async def _unless_gone(request: Request, making: Coroutine[Any, Any, bytes]) -> bytes:
    """Return what is made, and give it up when the client goes away."""
    made = asyncio.ensure_future(making)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({made, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not made.done():
            raise RefusalError(499, "the client went away", where="the client", what_to_do="ask again")
        return made.result()
    finally:
        made.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
