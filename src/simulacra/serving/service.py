"""The models of a service, and how a request for events is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import Headers

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
                same = generator.weights_sha256 == self.served[generator.name].generator.weights_sha256
                remedy = "name it once" if same else "serve them at two ports"
                raise ValueError(f"two models are called '{generator.name}': {remedy}")
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
        _require_json(request.headers)
        form = format_of(form, request.headers.get("accept"))
        plan = served.plan(asked_in(await request.body()))
        making = self.batches.made(served, plan, self.answers[name].encoder(plan, form), self.limits.timeout)
        content = await _unless_gone(request, making)
        headers = {"Simulacra-Seed": str(plan.seed), "Vary": "Accept"}
        if plan.warnings:
            headers[WARNING] = " | ".join(plan.warnings).encode("ascii", "replace").decode()
        return Response(content, media_type=TYPES[form], headers=headers)


def _require_json(headers: Headers) -> None:
    """Refuse a body that is not said to be JSON in UTF-8, or is compressed (RefusalError)."""
    kind, _, parameters = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json":
        raise RefusalError(
            415,
            "the body is not said to be JSON",
            where="header: Content-Type",
            what_to_do="send Content-Type: application/json",
        )
    for one in parameters.split(";"):
        name, _, value = one.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise RefusalError(
                415,
                "the body is said to be in another charset than UTF-8",
                where="header: Content-Type",
                what_to_do="send JSON in UTF-8",
            )
    encodings = ",".join(headers.getlist("content-encoding")).lower().split(",")
    if any(one.strip() not in ("", "identity") for one in encodings):
        raise RefusalError(
            415,
            "the body is said to be compressed",
            where="header: Content-Encoding",
            what_to_do="send it as it is, without Content-Encoding",
        )


def asked_in(body: bytes) -> Asked:
    """Return what a body asks for.

    Raises
    ------
    RefusalError
        400 if it is not JSON, 422 if it is not what the schema says, or has a name twice.
    """
    try:
        # pydantic's own reader takes the last of two values
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at character {error.pos}") from None
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8") from None
    except RecursionError:
        raise _not_json("too many brackets within brackets") from None
    except ValueError:
        raise _not_json("it holds a number with too many digits") from None
    try:
        return Asked.model_validate(content)
    except ValidationError as error:
        raise of_validation(error, "body") from None


def _not_json(why: str) -> RefusalError:
    return RefusalError(
        400, f"it cannot be read as JSON: {why}", where="body", what_to_do="send one JSON object, as /openapi.json says"
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a body; refuse a name that it has twice (RefusalError)."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise RefusalError(422, f"'{twice}' is given twice", where="body", what_to_do="give it once")
    return found


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
