"""Signing in for reading: a good token becomes a cookie that only this browser and only our pages can use."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest

from fedcoop.web.admission import Rates
from fedcoop.web.pages import HtmlPages
from fedcoop.web.pages_sign_in import within
from fedcoop.web.services import Services
from tests.web.conftest import ALICES_TOKEN, BASE, Serve
from tests.web.pages_server import Served

FORM = {"Accept": "text/html", "Accept-Language": "fr"}


@pytest.fixture
def services(services: Services) -> Services:
    """The small world of the other web tests, with real pages: its base is https."""
    return replace(services, pages=HtmlPages(services.world))


async def test_a_good_token_is_kept_where_only_our_pages_get_it(services: Services, serve: Serve):
    client = await serve(services)
    answer = await client.post(
        "/sign-in",
        data={"token": f" {ALICES_TOKEN}\n", "next": "/missions?q=v"},
        headers=FORM,
        allow_redirects=False,
    )
    assert answer.status == 303
    assert answer.headers["Location"] == "/missions?q=v"
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_token"]
    assert cookie.value == ALICES_TOKEN
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["path"]) == (
        True,
        "Strict",
        True,
        "/",
    )


def test_without_https_the_cookie_still_works_on_a_developers_machine(served: Served):
    answer = served.post("/sign-in", {"token": served.scene.coops_token})
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_token"]
    assert (answer.status, answer.headers["Location"], cookie["secure"]) == (303, "/", "")


async def test_a_wrong_token_is_said_beside_the_field_and_not_repeated(services: Services, serve: Serve):
    client = await serve(services)
    answer = await client.post("/sign-in", data={"token": "wr<b>ong"}, headers=FORM)
    text = await answer.text()
    assert answer.status == 422
    assert "Ce jeton n’est pas de cette coopérative." in text
    assert 'aria-describedby="token-error token-hint"' in text
    assert "wr" not in text.partition('name="token"')[2].partition(">")[0]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_a_form_of_another_site_is_refused(
    services: Services, serve: Serve, path: str, headers: dict[str, str]
):
    client = await serve(services)
    answer = await client.post(path, data={"token": ALICES_TOKEN}, headers={**FORM, **headers})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_our_own_form_is_taken(services: Services, serve: Serve):
    client = await serve(services)
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": BASE}
    answer = await client.post(
        "/sign-in", data={"token": ALICES_TOKEN}, headers={**FORM, **ours}, allow_redirects=False
    )
    assert answer.status == 303


async def test_signing_out_forgets_the_token(services: Services, serve: Serve):
    client = await serve(services)
    answer = await client.post("/sign-out", headers=FORM, allow_redirects=False)
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_token"]
    assert (answer.status, answer.headers["Location"], cookie.value, cookie["max-age"]) == (303, "/", "", "0")


async def test_a_link_cannot_sign_anybody_out(services: Services, serve: Serve):
    client = await serve(services)
    assert (await client.get("/sign-out", headers=FORM)).status == 405


async def test_whoever_guesses_tokens_has_to_wait(services: Services, serve: Serve):
    rates = Rates(sign_in_per_address=(3, timedelta(minutes=5)), trusted_proxies=frozenset({"127.0.0.1"}))
    client = await serve(replace(services, rates=rates))
    headers = {**FORM, "X-Forwarded-For": "192.0.2.7"}
    statuses = [
        (await client.post("/sign-in", data={"token": f"guess-{n}"}, headers=headers)).status
        for n in range(5)
    ]
    assert statuses == [422, 422, 422, 429, 429]
    answer = await client.post("/sign-in", data={"token": ALICES_TOKEN}, headers=headers)
    assert answer.status == 429, "a good guess must not be told from a bad one"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": b"x" * 10_000, "headers": {**FORM, "Content-Type": "application/x-www-form-urlencoded"}}, 413),
        ({"json": {"token": ALICES_TOKEN}, "headers": FORM}, 415),
        ({"data": b"&".join(b"a=1" for _ in range(50)),
          "headers": {**FORM, "Content-Type": "application/x-www-form-urlencoded"}}, 422),
        ({"data": b"token=%ff%fe", "headers": {**FORM, "Content-Type": "application/x-www-form-urlencoded"}}, 422),
    ],
)  # fmt: skip
async def test_what_is_no_sign_in_form_is_refused(
    services: Services, serve: Serve, sent: dict[str, object], status: int
):
    client = await serve(services)
    assert (await client.post("/sign-in", **sent)).status == status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "followed"),
    [
        ("/missions?q=vélo#results", "/missions?q=v%C3%A9lo#results"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("https://elsewhere.example/", "/"),
        ("missions", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/\t/elsewhere.example", "/"),
    ],
)
def test_after_signing_in_one_stays_here(asked: str | None, followed: str):
    assert within(asked) == followed
