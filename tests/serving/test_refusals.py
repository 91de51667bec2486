"""Hostile, huge, malformed and too many requests: refused in JSON, without a path or a traceback, and without harm."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest

import simulacra
from served_models import EVENTS, URL, Slow, ask, ask_all, events
from simulacra.serving import Limits, application, guard
from simulacra.serving.asked import Asked
from simulacra.serving.refusals import RefusalError
from simulacra.serving.service import Service

NAME = "calogan-eplus"
PATH = EVENTS.format(NAME)
TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module")
def generator() -> Any:
    return simulacra.load(NAME)


@pytest.fixture(scope="module")
def app(generator: Any) -> Any:
    return application([generator], Limits(most_requests=None, most_events=100, most_body_bytes=100_000))


def refused(answer: httpx.Response, status: int, what: str = "", where: str = "") -> dict[str, Any]:
    """Check that an answer is a refusal as documented, and that it tells nothing of the server's disk or code."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"status", "what", "where", "what_to_do"}
    assert told["status"] == status
    assert told["what"]
    assert told["what_to_do"]
    assert what in told["what"]
    assert where in told["where"]
    for leak in ("/work", "/home", "/usr", "/tmp", "site-packages", "Traceback", ".py", ", line "):
        assert leak not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return told


@pytest.mark.parametrize(
    ("body", "status", "what", "where"),
    [
        ("", 400, "Expecting value at character 0", "body"),
        ("{", 400, "Expecting property name", "body"),
        ("\x00\xff", 400, "it is not UTF-8", "body"),
        ("[" * 90_000, 400, "too many brackets within brackets", "body"),
        ('{"conditions":' * 5_000 + "1" + "}" * 5_000, 400, "too many brackets within brackets", "body"),
        ("[]", 422, "object", "body"),
        ("null", 422, "object", "body"),
        ('{"number": 0}', 422, "greater than or equal to 1", "number"),
        ('{"number": -1}', 422, "greater than or equal to 1", "number"),
        ('{"number": true}', 422, "integer", "number"),
        ('{"number": 1.5}', 422, "integer", "number"),
        ('{"number": "1"}', 422, "integer", "number"),
        ('{"number": 1e400}', 422, "integer", "number"),
        ('{"number": 101}', 422, "101 events are too many", "number"),
        ('{"number": ' + "9" * 5000 + "}", 400, "too many digits", "body"),
        ('{"seed": -1}', 422, "greater than or equal to 0", "seed"),
        ('{"seed": 9223372036854775808}', 422, "less than or equal", "seed"),
        ('{"first_event": -1}', 422, "greater than or equal to 0", "first_event"),
        ('{"first_event": 9223372036854775806}', 422, "2^63 - 2", "first_event"),
        ('{"first_event": 9223372036854775807}', 422, "less than or equal", "first_event"),
        ('{"fixed_noise": 1}', 422, "boolean", "fixed_noise"),
        ('{"events": 1}', 422, "Extra inputs", "events"),
        ('{"conditions": 1}', 422, "object", "conditions"),
        ('{"conditions": {"incident_energy": NaN}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": Infinity}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": 1e400}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": 1e39}}', 422, "finite", "conditions"),
        ('{"conditions": {"incident_energy": -1}}', 422, "above 0", "conditions"),
        ('{"conditions": {"incident_energy": 0}}', 422, "above 0", "conditions"),
        ('{"conditions": {"incident_energy": null}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": true}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": []}}', 422, "the list is empty", "incident_energy"),
        ('{"conditions": {"incident_energy": [1, 2]}}', 422, "has 2 values for 1 event", "incident_energy"),
        ('{"conditions": {"incident_energy": "\\ud800"}}', 422, "finite number", "incident_energy"),
        ('{"\\ud800": 1}', 422, "", "body"),
        ('{"number": 1, "number": 2}', 422, "'number' is given twice", "body"),
        ('{"conditions": {"incident_energy": 2, "incident_energy": 3}}', 422, "'incident_energy' is given", "body"),
        ('{"conditions": {"incident_energy": [1, "2"]}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": {"a": 1}}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": "uniform:1:nan"}}', 422, "finite", "conditions"),
        ('{"conditions": {"incident_energy": "__import__(1)"}}', 422, "neither a number", "conditions"),
        ('{"conditions": {"incident_energy": "' + "9" * 300 + '"}}', 422, "finite number", "incident_energy"),
        ('{"conditions": {"incident_energy": 0.5}}', 422, "outside the trained range", "conditions"),
        ('{"conditions": {"../../etc/passwd": 1}}', 422, "no condition", "conditions"),
    ],
)
def test_wrong_bodies_are_refused(app: Any, body: str, status: int, what: str, where: str) -> None:
    content = body.encode("latin-1")
    answer = ask(app, "POST", PATH, content=content, headers={"Content-Type": "application/json"})
    refused(answer, status, what, where)


def test_a_body_is_parsed_once(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    loads = json.loads

    def counted(*given: Any, **more: Any) -> Any:
        times.append(given)
        return loads(*given, **more)

    monkeypatch.setattr(json, "loads", counted)
    monkeypatch.setattr(Asked, "model_validate_json", lambda *_, **__: pytest.fail("parsed again"))
    assert events(app, NAME, number=1, conditions={"incident_energy": 10.0}, seed=1).status_code == 200
    assert len(times) == 1


def test_a_forgotten_number_is_told(app: Any) -> None:
    told = refused(events(app, NAME, conditions={"incident_energy": [10.0, 20.0]}), 422)
    assert told["what_to_do"] == 'send "number": 2, or one value for each event'


@pytest.mark.parametrize("asked", ["uniform:1:101", "log:0.9:100"])
def test_distributions_are_refused_by_their_ends(app: Any, asked: str) -> None:
    # Whatever is drawn: of these, nearly all events are inside.
    for seed in range(5):
        answer = events(app, NAME, conditions={"incident_energy": asked}, seed=seed)
        refused(answer, 422, "reaches outside the trained range of 1 to 100 GeV", "conditions")
        allowed = events(app, NAME, conditions={"incident_energy": asked}, seed=seed, extrapolate=True)
        assert allowed.status_code == 200
        assert "reaches outside" in allowed.headers["simulacra-warning"]
    assert events(app, NAME, conditions={"incident_energy": "uniform:1:100"}).status_code == 200
    # Too far even for a warning: refused however few of the events would be there.
    asked = {"incident_energy": "log:1:1e5"}
    refused(events(app, NAME, conditions=asked, seed=1, extrapolate=True), 422, "in 'log:1:100000'", "conditions")


def test_a_hundred_conditions_are_refused(app: Any) -> None:
    refused(events(app, NAME, conditions={f"c{k}": 1 for k in range(100)}), 422, "at most 64 items", "conditions")


@pytest.mark.parametrize(
    "name",
    ["..", "../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/etc/passwd", "calo-eplus", "a" * 5000, "\x00", "💥"],
)
def test_names_lead_nowhere_else(app: Any, name: str) -> None:
    name = name.replace("\x00", "%00")
    for path in (f"/models/x{name}", f"/models/{name}/events", f"/page/x{name}"):
        answer = ask(app, "POST" if path.endswith("events") else "GET", path, json={})
        assert answer.status_code in (404, 405)
        refused(answer, answer.status_code)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "💥"])
def test_other_bodies_than_json_are_refused(app: Any, kind: str) -> None:
    # What a form of another site may send without asking first is none of ours.
    headers = {"Content-Type": kind.encode("utf-8")}
    refused(ask(app, "POST", PATH, content=b"{}", headers=headers), 415, "JSON", "Content-Type")


@pytest.mark.parametrize(
    ("headers", "where"),
    [
        ({"Content-Encoding": "gzip"}, "Content-Encoding"),
        ({"Content-Encoding": "identity, br"}, "Content-Encoding"),
        ({"Content-Type": "application/json; charset=utf-16"}, "Content-Type"),
        ({"Content-Type": 'application/json; a=b; CHARSET="latin-1"'}, "Content-Type"),
    ],
)
def test_compressed_bodies_and_other_charsets_are_refused(app: Any, headers: dict[str, str], where: str) -> None:
    sent = {"Content-Type": "application/json"} | headers
    refused(ask(app, "POST", PATH, content=b"{}", headers=sent), 415, "the body is said to be", where)


def test_uncompressed_utf_8_is_taken(app: Any) -> None:
    sent = {"Content-Type": 'application/json; charset="UTF-8"', "Content-Encoding": "Identity"}
    assert ask(app, "POST", PATH, content=b"{}", headers=sent).status_code == 200


def test_parameters_given_twice_are_refused(app: Any) -> None:
    twice = [("format", "json"), ("format", "npz")]
    refused(ask(app, "POST", PATH, json={}, params=twice), 422, "'format' is given twice", "query.format")
    path = f"/models/{NAME}/reference?incident_energy=50&incident_energy=51"
    refused(ask(app, "GET", path), 422, "'incident_energy' is given twice", "query.incident_energy")


def test_large_bodies_are_refused_before_and_while_they_come(app: Any) -> None:
    headers = {"Content-Type": "application/json"}
    large = b" " * 100_001
    refused(ask(app, "POST", PATH, content=large, headers=headers), 413, "100000 bytes")

    async def in_pieces() -> Any:
        for _ in range(10_000):
            yield b" " * 1000

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
            return await client.post(PATH, content=in_pieces(), headers=headers)

    refused(asyncio.run(asked()), 413, "100000 bytes")
    lying = headers | {"Content-Length": "9" * 400}
    refused(ask(app, "POST", PATH, content=b"{}", headers=lying), 413)


def test_unknown_paths_methods_formats_and_parameters_are_refused(app: Any) -> None:
    refused(ask(app, "GET", "/etc/passwd"), 404, "no such path")
    refused(ask(app, "GET", "/models/"), 404)
    answer = ask(app, "DELETE", "/models")
    refused(answer, 405, "DELETE")
    assert answer.headers["allow"] == "GET"
    refused(ask(app, "POST", PATH, json={}, params={"format": "pickle"}), 422, "'json', 'arrow' or 'npz'", "format")
    path = f"/models/{NAME}/reference"
    refused(ask(app, "GET", path), 422, "required", "incident_energy")
    for value in ("nan", "inf", "-1", "1e400", "x"):
        refused(ask(app, "GET", path, params={"incident_energy": value}), 422, where="incident_energy")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil", "[::1].evil"])
def test_other_hosts_are_refused(app: Any, host: str) -> None:
    answer = ask(app, "GET", "/models", headers={"Host": host})
    if host == "[::1].evil":
        # The name in brackets is what counts in an address of IPv6.
        assert answer.status_code in (200, 421)
    else:
        refused(answer, 421, "does not answer to this host", "Host")
    # Load balancers ask by an address, whatever it is.
    assert ask(app, "GET", "/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8421", "[::1]:8421", "127.0.0.1:1"])
def test_this_machines_names_are_answered(app: Any, host: str) -> None:
    assert ask(app, "GET", "/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(app: Any, headers: dict[str, str]) -> None:
    refused(ask(app, "POST", PATH, json={}, headers=headers), 403, "another site")
    assert "access-control-allow-origin" not in ask(app, "OPTIONS", PATH, headers=headers).headers
    assert ask(app, "POST", PATH, json={}, headers={"Origin": URL, "Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_header_given_twice_is_refused(app: Any) -> None:
    answer = ask(app, "GET", "/models", headers=[("Host", "127.0.0.1"), ("Host", "evil.example")])
    refused(answer, 400, "given twice", "host")


def test_with_a_token_everything_but_health_asks_for_it(generator: Any) -> None:
    app = application([generator], token=TOKEN)
    assert ask(app, "GET", "/health").status_code == 200
    for method, path in (
        ("GET", "/models"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("POST", PATH),
        ("GET", "/x"),
    ):
        for given in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
            answer = ask(app, method, path, json={}, headers={"Authorization": given})
            refused(answer, 401, "token is missing or wrong", "Authorization")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert TOKEN not in answer.text
    assert ask(app, "POST", PATH, json={}, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    schema = ask(app, "GET", "/openapi.json", headers={"Authorization": f"bearer {TOKEN}"}).json()
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "security" not in schema["paths"]["/health"]["get"]


@pytest.mark.parametrize(
    "token", ["", "short", "fifteen-letters", "with a newline in it\n", "schlüssel-für-den-dienst"]
)
def test_weak_tokens_are_refused(generator: Any, token: str) -> None:
    with pytest.raises(ValueError, match="at least 16 characters"):
        application([generator], token=token)


def test_models_that_make_no_events_or_have_one_name_are_refused(
    generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="'dctr-z' makes no events"):
        application(["dctr-z"])
    with pytest.raises(ValueError, match="two models are called 'calogan-eplus': name it once"):
        application([generator, generator])
    other = simulacra.load(NAME)
    monkeypatch.setattr(other, "weights_sha256", "of another training")
    with pytest.raises(ValueError, match="two models are called 'calogan-eplus': serve them at two ports"):
        application([generator, other])
    with pytest.raises(ValueError, match="no model to serve"):
        application([])


def test_a_client_that_asks_too_often_waits(generator: Any) -> None:
    app = application([generator], Limits(most_requests=0.01))
    asked = [("GET", "/models", {})] * 3
    answers = ask_all(app, asked)
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    told = refused(answers[-1], 429, "more than 0.01 requests a second", "the client")
    assert 90 <= int(answers[-1].headers["retry-after"]) <= 100
    assert "several events in one request" in told["what_to_do"]
    assert ask_all(app, asked[:1], host="10.0.0.7")[0].status_code == 200
    assert ask(app, "GET", "/health").status_code == 200


def test_addresses_of_one_network_are_one_client(generator: Any) -> None:
    app = application([generator], Limits(most_requests=0.01))
    hosts = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1", "not an address"]
    assert [ask_all(app, [("GET", "/models", {})], host=h)[0].status_code for h in hosts] == [200, 429, 200, 200]


def test_rates_are_of_the_last_second() -> None:
    def let_in(rates: guard.Rates, times: list[float]) -> list[bool]:
        found = []
        for now in times:
            try:
                rates.refuse("10.0.0.1", now)
            except RefusalError:
                found.append(False)
            else:
                found.append(True)
        return found

    times = [0, 0, 0, 0.4, 0.6, 0.7, 9, 9, 9]
    assert let_in(guard.Rates(2.0), times) == [True, True, False, False, True, False, True, True, False]
    assert let_in(guard.Rates(None), [0.0] * 100) == [True] * 100


def test_a_full_queue_refuses_and_the_rest_is_served(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application([generator], Limits(most_waiting=3))
    slow = Slow(generator)
    monkeypatch.setattr(generator, "evaluate", slow)
    asked = [("POST", PATH, {"json": {"seed": seed}}) for seed in range(6)]
    answers = ask_all(app, asked, meanwhile=slow.let_go_when_waiting(3))
    assert [answer.status_code for answer in answers] == [200] * 3 + [503] * 3
    refused(answers[-1], 503, "too many requests wait")
    assert answers[-1].headers["retry-after"] == "1"
    assert ask(app, "POST", PATH, json={}).status_code == 200


def test_a_queue_full_of_large_requests_refuses(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application([generator], Limits(most_waiting_bytes=1_000_000))
    slow = Slow(generator)
    monkeypatch.setattr(generator, "evaluate", slow)
    asked = [("POST", PATH, {"json": {"number": n, "seed": 1}}) for n in (1000, 100, 1)]
    answers = ask_all(app, asked, meanwhile=slow.let_go_when_waiting(1))
    assert [answer.status_code for answer in answers] == [200, 503, 503]


def test_what_takes_too_long_is_given_up(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application([generator], Limits(timeout=1))
    slow = Slow(generator)
    monkeypatch.setattr(generator, "evaluate", slow)
    refused(events(app, NAME, number=1000), 504, "within 1 s")
    slow.go.set()
    # The rest of its events is not made.
    assert ask(app, "POST", PATH, json={}).status_code == 200
    assert 'simulacra_events_total{model="calogan-eplus"} 1.0' in ask(app, "GET", "/metrics").text


def test_a_fault_of_the_service_is_told_without_its_reason(
    generator: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = application([generator])

    def broken(*_: Any) -> None:
        raise RuntimeError("/home/secret/weights")

    monkeypatch.setattr(generator, "evaluate", broken)
    told = refused(events(app, NAME), 500, "the service failed")
    assert "secret" not in json.dumps(told)
    number = told["what_to_do"].split()[-1]
    assert number in caplog.text
    assert "/home/secret/weights" in caplog.text
    monkeypatch.undo()
    assert events(app, NAME).status_code == 200


def test_values_that_are_not_finite_are_refused(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application([generator])
    monkeypatch.setattr(generator, "evaluate", lambda noise, rows: np.full((len(noise), 504), np.nan, np.float32))
    refused(events(app, NAME, first_event=7), 422, "not finite in event 7")


def test_large_events_lower_the_number_that_one_request_may_ask_for(generator: Any) -> None:
    app = application([generator], Limits(most_answer_bytes=100_000))
    most = ask(app, "GET", f"/models/{NAME}").json()["most_events"]
    assert most == 100_000 // (504 * 4 + 4 + 8)
    assert events(app, NAME, number=most).status_code == 200
    refused(events(app, NAME, number=most + 1), 422, "too many", "number")


def test_a_slow_body_is_not_waited_for(generator: Any) -> None:
    app = application([generator], Limits(patience=0.1))

    async def in_pieces() -> Any:
        yield b"{"
        await asyncio.sleep(1)
        yield b"}"

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
            return await client.post(PATH, content=in_pieces(), headers={"Content-Type": "application/json"})

    refused(asyncio.run(asked()), 408, "within 0.1 s", "body")


def test_at_the_end_those_who_wait_are_told(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service([generator], Limits())
    served, slow = service.model(NAME), Slow(generator)
    monkeypatch.setattr(generator, "evaluate", slow)

    def asked(seed: int) -> Any:
        return service.batches.made(served, served.plan(Asked(seed=seed)), len, 20)

    async def ended() -> list[Any]:
        first = asyncio.create_task(asked(1))
        await asyncio.to_thread(slow.entered.wait, 20)
        second = asyncio.create_task(asked(2))
        while len(service.batches) < 2:
            await asyncio.sleep(0.005)
        closing = asyncio.create_task(asyncio.to_thread(service.batches.close))
        while not service.batches._closed:
            await asyncio.sleep(0.005)
        third = await asyncio.gather(asked(3), return_exceptions=True)
        slow.go.set()
        await closing
        service.batches.open()
        return [*await asyncio.gather(first, second, return_exceptions=True), *third, await asked(4)]

    made, *refusals, again = asyncio.run(ended())
    assert (made, again) == (1, 1)
    assert [(one.status, one.what) for one in refusals] == [(503, "the service ends")] * 2


def test_clients_that_were_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_CLIENTS", 2)
    rates = guard.Rates(1.0)
    rates.refuse("10.0.0.1", 0.0)
    with pytest.raises(RefusalError, match="more than 1 requests a second"):
        rates.refuse("10.0.0.1", 0.1)
    for address in ("10.0.0.2", "10.0.0.3", "10.0.0.1"):
        rates.refuse(address, 0.2)
