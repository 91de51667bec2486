"""What every request passes before the routes see it: host, origin, rate, token, size; and the headers of answers."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from simulacra.serving.limits import Limits
from simulacra.serving.metrics import Metrics
from simulacra.serving.refusals import RefusalError, unexpected

LOG: Final = logging.getLogger("simulacra.serving")
#: names of this machine for itself
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
#: what needs no token: whether the service lives, and the page, which asks for the token itself
OPEN: Final = ("/health", "/", "/page/")
#: clients whose rate is remembered
MOST_CLIENTS: Final = 10_000
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
#: headers that decide whether a request is let in: given twice, one reader might see the other value
ONCE: Final = (b"host", b"authorization", b"content-length", b"origin", b"sec-fetch-site")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Rates:
    """The requests of each client in the last second, as buckets that fill at the rate."""

    def __init__(self, most: float | None) -> None:
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refuse(self, address: str, now: float) -> None:
        """Count a request of an address.

        Raises
        ------
        RefusalError
            429 if there were too many.
        """
        if self._most is None:
            return
        client, full = _network(address), max(self._most, 1.0)
        left, then = self._buckets.pop(client, (full, now))
        left = min(full, left + (now - then) * self._most)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left), now
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = max(1, round((1 - left) / self._most))
            raise RefusalError(
                429,
                f"more than {self._most:g} requests a second",
                where="the client",
                what_to_do=f"wait {wait} s, or ask for several events in one request",
                headers={"Retry-After": str(wait)},
            )


def _network(address: str) -> str:
    """Return an address; of IPv6 the network that one client usually has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(parsed.exploded[:19]) if isinstance(parsed, IPv6Address) else address


class Guard:
    """The outermost part of the service.

    Parameters
    ----------
    app:
        the routes.
    limits:
        of the service.
    token:
        that requests must bear, or None.
    hosts:
        the names that a request's ``Host`` may have, or None for any.
    metrics:
        where requests are counted.
    """

    def __init__(
        self, app: App, limits: Limits, token: str | None, hosts: Collection[str] | None, metrics: Metrics
    ) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._token = None if token is None else token.encode()
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._rates = Rates(limits.most_requests)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        start, status, begun, ended = time.perf_counter(), 0, False, False

        async def answered(message: Message) -> None:
            nonlocal status, begun, ended
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            ended = begun and not message.get("more_body", message["type"] != "http.response.body")
            await send(message)

        try:
            headers = _headers(scope)
            self._check(scope, headers)
            if scope["method"] == "POST":
                receive = await self._whole_body(headers, receive)
            await self._app(scope, receive, answered)
        except RefusalError as refusal:
            await _refuse(refusal, answered, begun)
        except asyncio.CancelledError:
            status = status or 499
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the client is told and the log has it
            # The routes have told it already, unless the fault is in the guard or in the middle of an answer.
            if not ended:
                await _refuse(logged_fault(), answered, begun)
        finally:
            self._metrics.answered(status, time.perf_counter() - start)

    def _check(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> None:
        """Refuse a request by its head (RefusalError)."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        path = scope["path"]
        # Load balancers ask for the health by an address.
        if path != "/health" and self._hosts is not None and _name_of(host) not in self._hosts:
            # Another name that leads here is how a page from elsewhere reaches a service of this machine.
            raise RefusalError(
                421,
                "the service does not answer to this host",
                where="header: Host",
                what_to_do="ask by the address that the service printed, or start it with --allowed-host NAME",
            )
        self._refuse_other_sites(scope, headers, host)
        if path != "/health":
            client = scope.get("client")
            self._rates.refuse(client[0] if client else "", time.monotonic())
        if self._token is None or path in OPEN or path.startswith(OPEN[-1]):
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
            raise RefusalError(
                401,
                "the token is missing or wrong",
                where="header: Authorization",
                what_to_do="send 'Authorization: Bearer TOKEN' with the token that the service was started with",
                headers={"WWW-Authenticate": 'Bearer realm="simulacra"'},
            )

    @staticmethod
    def _refuse_other_sites(scope: MutableMapping[str, Any], headers: dict[bytes, bytes], host: str) -> None:
        """Refuse what a page of another site sends, except that one follows a link to the page here."""
        origin = headers.get(b"origin")
        other = origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host
        site = headers.get(b"sec-fetch-site", b"none")
        other = other or (site not in (b"same-origin", b"none") and scope["path"] != "/")
        if other:
            raise RefusalError(
                403,
                "the request comes from a page of another site",
                where="header: Origin",
                what_to_do="ask from a program, or from the page that this service shows at /",
            )

    async def _whole_body(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """Return ``receive`` with the whole body as its first message."""
        most = self._limits.most_body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self._limits.patience):
                body = await _read(receive, most)
        except TimeoutError:
            raise RefusalError(
                408,
                f"the body did not come within {self._limits.patience:g} s",
                where="body",
                what_to_do="send it at once",
                headers={"Connection": "close"},
            ) from None
        first = True

        async def replay() -> Message:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        return replay


def logged_fault() -> RefusalError:
    """Return the refusal for the error that is being handled, which goes to the log with its traceback."""
    number = secrets.token_hex(4)
    LOG.exception("unexpected error %s", number)
    return unexpected(number)


def _headers(scope: MutableMapping[str, Any]) -> dict[bytes, bytes]:
    """Return a request's headers by name."""
    headers: dict[bytes, bytes] = {}
    for key, value in scope["headers"]:
        if key in ONCE and key in headers:
            raise _bad(f"the header {key.decode()} is given twice", f"header: {key.decode()}", "send it once")
        headers[key] = value
    return headers


async def _read(receive: Receive, most: int) -> bytes:
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _bad("the body ends too early", "body", "send all of it")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_large(most: int) -> RefusalError:
    return RefusalError(
        413,
        f"the body is larger than {most} bytes",
        where="body",
        what_to_do="ask for fewer events at a time, or give one value or a distribution for all of them",
        headers={"Connection": "close"},
    )


def _bad(what: str, where: str, what_to_do: str) -> RefusalError:
    return RefusalError(400, what, where=where, what_to_do=what_to_do, headers={"Connection": "close"})


async def _refuse(refusal: RefusalError, send: Send, begun: bool) -> None:
    if begun:
        # Half an answer must not look whole: the server closes the connection.
        raise refusal
    body = refusal.body()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _name_of(host: str) -> str:
    """Return the name in a ``Host`` header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
